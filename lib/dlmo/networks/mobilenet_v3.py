"""MobileNet v3, small and large, in the form that the paper measured, and in the standard one.

The block tables are those of Howard et al., "Searching for MobileNetV3", 2019, Tables 1 and 2. The
paper's files are twice as large as the stock networks'. One form explains every size of its tables:
squeeze-and-excite layers that do not squeeze, Dense(C) → Dense(C) (`squeeze=1`), a head of 1,280
units in both sizes, and biases in every convolution: 3,052,442 parameters (small, 10 classes) and
8,769,114 (large). `mobilenet_v3_small[squeeze=4]` is the standard squeeze in the same frame.
"""

from itertools import groupby
from typing import NamedTuple

from dlmo.keras_ import keras
from dlmo.networks import parts
from dlmo.networks.activations import HardSigmoid, HardSwish
from dlmo.networks.registry import Scale, Tensor, nearest_eight, network

layers = keras.layers


class _Row(NamedTuple):
    kernel: int
    expanded: int
    filters: int
    excite: bool
    activation: type
    stride: int


_RE, _HS = layers.ReLU, HardSwish

_SMALL = (
    _Row(3, 16, 16, True, _RE, 2),
    _Row(3, 72, 24, False, _RE, 2),
    _Row(3, 88, 24, False, _RE, 1),
    _Row(5, 96, 40, True, _HS, 2),
    _Row(5, 240, 40, True, _HS, 1),
    _Row(5, 240, 40, True, _HS, 1),
    _Row(5, 120, 48, True, _HS, 1),
    _Row(5, 144, 48, True, _HS, 1),
    _Row(5, 288, 96, True, _HS, 2),
    _Row(5, 576, 96, True, _HS, 1),
    _Row(5, 576, 96, True, _HS, 1),
)

_LARGE = (
    _Row(3, 16, 16, False, _RE, 1),
    _Row(3, 64, 24, False, _RE, 2),
    _Row(3, 72, 24, False, _RE, 1),
    _Row(5, 72, 40, True, _RE, 2),
    _Row(5, 120, 40, True, _RE, 1),
    _Row(5, 120, 40, True, _RE, 1),
    _Row(3, 240, 80, False, _HS, 2),
    _Row(3, 200, 80, False, _HS, 1),
    _Row(3, 184, 80, False, _HS, 1),
    _Row(3, 184, 80, False, _HS, 1),
    _Row(3, 480, 112, True, _HS, 1),
    _Row(3, 672, 112, True, _HS, 1),
    _Row(5, 672, 160, True, _HS, 2),
    _Row(5, 960, 160, True, _HS, 1),
    _Row(5, 960, 160, True, _HS, 1),
)


@network
def mobilenet_v3_small(
    image: Tensor, classes: int, scale: Scale, *, squeeze: int = 1, zero_gamma: bool = True
) -> Tensor:
    """Build eleven blocks; `squeeze` divides the units of squeeze-and-excite (standard: 4).

    With `zero_gamma` the blocks with a shortcut start as the identity.
    """
    return _mobilenet_v3(image, classes, scale, _SMALL, 576, (squeeze, zero_gamma))


@network
def mobilenet_v3_large(
    image: Tensor, classes: int, scale: Scale, *, squeeze: int = 1, zero_gamma: bool = True
) -> Tensor:
    """Build fifteen blocks; `squeeze` divides the units of squeeze-and-excite (standard: 4).

    With `zero_gamma` the blocks with a shortcut start as the identity.
    """
    return _mobilenet_v3(image, classes, scale, _LARGE, 960, (squeeze, zero_gamma))


def _mobilenet_v3(
    image: Tensor,
    classes: int,
    scale: Scale,
    rows: tuple[_Row, ...],
    last: int,
    options: tuple[int, bool],
) -> Tensor:
    x = _unit(parts.conv(image, scale.channels(16), 3, 2, bias=True), HardSwish)
    for _, group in groupby(rows, key=lambda row: row.filters):
        stage = list(group)
        for row in stage[: scale.blocks(len(stage))]:
            x = _block(x, row, scale, *options)
    x = _unit(parts.conv(x, scale.channels(last), 1, bias=True), HardSwish)
    x = layers.GlobalAveragePooling2D()(x)
    x = HardSwish()(layers.Dense(scale.channels(1280))(x))
    return layers.Dense(classes)(x)


def _block(x: Tensor, row: _Row, scale: Scale, squeeze: int, zero_gamma: bool) -> Tensor:
    filters = scale.channels(row.filters)
    same_shape = row.stride == 1 and x.shape[-1] == filters
    inside = parts.conv(x, scale.channels(row.expanded), 1, bias=True)
    inside = _unit(inside, row.activation)
    inside = parts.depthwise(inside, row.kernel, row.stride, bias=True)
    inside = _unit(inside, row.activation)
    if row.excite:
        inside = squeeze_and_excite(inside, squeeze)
    projected = parts.conv(inside, filters, 1, bias=True)
    inside = parts.normalise(projected, zero=zero_gamma and same_shape)
    return layers.Add()([x, inside]) if same_shape else inside


def squeeze_and_excite(x: Tensor, squeeze: int = 1) -> Tensor:
    """Multiply each channel of `x`, [b, h, w, c], by a weight that comes from the means of all.

    Howard et al., 2019, Section 5.3; `squeeze` divides the units between the two dense layers.
    """
    channels = x.shape[-1]
    units = channels if squeeze == 1 else nearest_eight(channels / squeeze)
    weight = layers.GlobalAveragePooling2D()(x)
    weight = layers.Dense(units, activation="relu")(weight)
    weight = HardSigmoid()(layers.Dense(channels)(weight))
    return layers.Multiply()([x, layers.Reshape((1, 1, channels))(weight)])


def _unit(x: Tensor, activation: type) -> Tensor:
    return activation()(parts.normalise(x))
