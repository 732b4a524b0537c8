"""Equation 1: from FP32 to INT8, and whether a file's integers are what it gives.

Source: paper, Section 3.1, Equation 1 and Figure 1.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlmo.deployable import Deployable, Layer, Tensor, kernel
from dlmo.errors import UserError

LARGEST = 127
"""The largest magnitude of an INT8 weight; with its sign and zero there are 255 levels."""

LEVELS = 2 * LARGEST + 1

Floats = NDArray[np.floating]


def equation_1(values: Floats, reach: Floats | float) -> NDArray[np.int8]:
    """Return Round(s · Clip(x, -r, r)) with s = 127 / r, halves to the even number.

    Args:
        values: x, of any shape.
        reach: r, 0 or more; a number, or an array that broadcasts (one r a channel). Where it is
            zero, so is the result.
    """
    reach = np.asarray(reach, np.float64)
    clipped = np.clip(np.asarray(values, np.float64), -reach, reach)
    scale = np.divide(LARGEST, reach, out=np.zeros_like(reach), where=reach > 0)
    return np.rint(scale * clipped).astype(np.int8)


def equation_1_in_fp32(values: Floats, reach: Floats | float) -> NDArray[np.int8]:
    """Return Equation 1 as the converter computes it once activations are integers too.

    Its scale is r / 127 as a float32, by whose reciprocal it multiplies; halves go away from zero
    (`SymmetricPerChannelQuantizeValues` of TensorFlow Lite). From Equation 1 in float64, which is
    what it computes for integer weights alone, this differs about once in a million weights.

    Args:
        values: x, of any shape.
        reach: r, as for `equation_1`.
    """
    reach = np.asarray(reach, np.float32)
    one = np.float32(1)
    step = reach / np.float32(LARGEST)
    inverse = np.divide(one, step, out=np.zeros_like(step), where=step > 0)
    scaled = (np.asarray(values, np.float32) * inverse).astype(np.float64)
    away = np.trunc(scaled + np.copysign(0.5, scaled))
    return np.clip(away, -LARGEST, LARGEST).astype(np.int8)


def levels(integers: NDArray[np.integer], reach: Floats | float) -> NDArray[np.float64]:
    """Return the real numbers that 8-bit integers stand for: x_q / s."""
    return integers * (np.asarray(reach, np.float64) / LARGEST)


def reaches(weights: Floats, axis: int = 0) -> NDArray[np.float64]:
    """Return the largest magnitude of each channel, shaped so that it broadcasts.

    Args:
        weights: of any shape.
        axis: the dimension of the output channels; in a `.tflite` the first, but the last one of a
            depthwise kernel.
    """
    others = tuple(place for place in range(weights.ndim) if place != axis)
    return np.abs(weights).max(axis=others, keepdims=True).astype(np.float64)


@dataclass(frozen=True)
class Loss:
    """What a clipping range costs.

    Attributes:
        reach: r.
        clipped: share of the values beyond it.
        clipping: root mean square of what clipping alone changes.
        rounding: the same of what rounding changes then.
        total: of both.
    """

    reach: float
    clipped: float
    clipping: float
    rounding: float
    total: float


def loss(values: Floats, reach: float) -> Loss:
    """Return what quantizing values with one clipping range costs."""
    given = np.asarray(values, np.float64).ravel()
    clipped = np.clip(given, -reach, reach)
    back = levels(equation_1(given, reach), reach)
    return Loss(
        reach=float(reach),
        clipped=float((np.abs(given) > reach).mean()),
        clipping=_rms(given - clipped),
        rounding=_rms(clipped - back),
        total=_rms(given - back),
    )


def _rms(difference: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))


# Files ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Match:
    """One layer of a quantized file beside the float file that it was made from.

    Attributes:
        layer: as the quantized file holds it.
        channels: how many ranges it has; 0 where it was left float.
        equal: how many of its integers are those of Equation 1 (of its floats, where it has none).
        scales: whether each of its scales is r / 127, as a float32.
    """

    layer: Layer
    channels: int
    equal: int
    scales: bool

    @property
    def quantized(self) -> bool:
        """Whether its weights are 8-bit integers."""
        return self.channels > 0

    @property
    def exact(self) -> bool:
        """Whether all its weights and scales are as computed."""
        return self.equal == self.layer.weights and self.scales


def matches(plain: Deployable, quantized: Deployable) -> list[Match]:
    """Compare each layer's integers with Equation 1, applied to the float file's weights.

    Args:
        plain: the float file (NQ).
        quantized: a conversion of the same weights to 8 bits (BLQ, FIQ).

    Raises:
        UserError: the files don't have the same layers.
    """
    integers = equation_1_in_fp32 if _integer_activations(quantized) else equation_1
    return [_match(*pair, integers) for pair in pairs(plain, quantized)]


def rescaling(found: Deployable) -> tuple[str, float]:
    """Return the operator that rescales its sums the most, and by how much.

    An integer operator with weights multiplies its sums by input scale times weight scale over
    output scale before it rounds them. Of a file without such an operator, "" and 0.
    """
    largest = ("", 0.0)
    for node in found.nodes:
        weights = kernel(found, node)
        if weights is None:
            continue
        before, after = (
            found.tensor(at, node.subgraph).scale for at in (node.inputs[0], node.outputs[0])
        )
        if len(before) and len(after) and len(weights.scale):
            factor = float(before[0] * np.max(weights.scale) / after[0])
            largest = max(largest, (node.name, factor), key=lambda one: one[1])
    return largest


def _integer_activations(found: Deployable) -> bool:
    outputs = (found.tensor(at, node.subgraph) for node in found.nodes for at in node.outputs)
    return any(output.dtype == "int8" for output in outputs)


def _match(
    layer: Layer, before: Tensor, after: Tensor, integers: Callable[..., NDArray[np.int8]]
) -> Match:
    weights, stored = before.data(), after.data()
    assert weights is not None and stored is not None
    if after.dtype != "int8":
        same = np.asarray(weights.astype(stored.dtype) == stored)
        return Match(layer, 0, int(same.sum()), scales=True)
    reach = _reach(weights, after)
    equal = int((integers(weights, reach) == stored).sum())
    wanted = (reach.ravel() / LARGEST).astype(np.float32)
    # A channel without any weight has no range: whatever its scale is, it stands for zeros.
    same_scales = np.isclose(after.scale, wanted, rtol=1e-6, atol=0) | (wanted == 0)
    return Match(layer, len(after.scale), equal, bool(same_scales.all()))


def _reach(weights: Floats, after: Tensor) -> NDArray[np.float64]:
    if len(after.scale) > 1:
        return reaches(weights, after.axis)
    return np.abs(weights).max(keepdims=True).astype(np.float64)


def pairs(first: Deployable, second: Deployable) -> Iterator[tuple[Layer, Tensor, Tensor]]:
    """Yield each layer of the second file, and its weights in both; they stand in one order.

    Raises:
        UserError: the files don't have the same layers.
    """
    if _shapes(first.layers) != _shapes(second.layers):
        raise UserError("these two files are not conversions of one network: their layers differ")
    for one, other in zip(first.layers, second.layers, strict=True):
        yield (
            other,
            first.tensor(one.index, one.subgraph),
            second.tensor(other.index, other.subgraph),
        )


def _shapes(layers: Sequence[Layer]) -> list[tuple[str, tuple[int, ...]]]:
    return [(layer.operator, layer.shape) for layer in layers]
