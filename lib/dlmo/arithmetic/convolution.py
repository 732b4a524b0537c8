"""Light convolutions: parameters and multiply-accumulates of the blocks of the MobileNets.

Sources: paper, Section 2; Howard et al. 2017, Section 3.1; Sandler et al. 2018, Section 3; Hu et
al. 2018, Section 3. Biases and batch normalisations are not counted.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Weights, and multiply-accumulates (MACs) of one image."""

    parameters: int
    macs: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.parameters + other.parameters, self.macs + other.macs)


@dataclass(frozen=True)
class Place:
    """Where a block stands.

    Attributes:
        size: height and width of what leaves it, in pixels; it doesn't shrink its input.
        channels: what enters.
        filters: what leaves.
        kernel: height and width of its spatial filters.
    """

    size: int
    channels: int
    filters: int
    kernel: int = 3


def _convolution(size: int, kernel: int, channels: int, filters: int) -> Cost:
    parameters = kernel**2 * channels * filters
    return Cost(parameters, size**2 * parameters)


def standard(place: Place) -> Cost:
    """Count an ordinary convolution: every filter sees every channel."""
    return _convolution(place.size, place.kernel, place.channels, place.filters)


def depthwise(place: Place) -> Cost:
    """Count one filter a channel, each on its own."""
    return _convolution(place.size, place.kernel, place.channels, 1)


def pointwise(place: Place) -> Cost:
    """Count a 1×1 convolution: it mixes channels, and sees one pixel."""
    return _convolution(place.size, 1, place.channels, place.filters)


def separable(place: Place) -> Cost:
    """Count a depthwise separable convolution: depthwise, then pointwise (MobileNet v1)."""
    return depthwise(place) + pointwise(place)


def inverted_residual(place: Place, expansion: int = 6) -> Cost:
    """Count expand, depthwise, project (MobileNet v2)."""
    wide = expansion * place.channels
    inside = Place(place.size, wide, wide, place.kernel)
    expand = pointwise(Place(place.size, place.channels, wide))
    return expand + depthwise(inside) + pointwise(Place(place.size, wide, place.filters))


def squeeze_excite(channels: int, squeeze: float = 4) -> Cost:
    """Count two dense layers that weigh the channels, through channels / squeeze units."""
    weights = 2 * channels * round(channels / squeeze)
    return Cost(weights, weights)


def share(place: Place) -> float:
    """Return 1/N + 1/k²: what a separable convolution costs of a standard one (Howard et al.)."""
    return 1 / place.filters + 1 / place.kernel**2
