"""What quantization-aware training simulated, beside what was deployed.

The weights that QAT leaves hold its kernels as floats, and after each kernel the ends of the range
to which it was rounded in the forward pass: one pair a channel, or one for the tensor. Source:
paper, Section 3.1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dlmo.arithmetic import quantization
from dlmo.deployable import Deployable, Layer, Tensor
from dlmo.errors import UserError

Arrays = Sequence[NDArray[np.generic]]


@dataclass(frozen=True)
class Simulated:
    """One layer: what training rounded to, and what the file holds.

    Attributes:
        layer: as the file holds it.
        ranges: how many ranges the simulation had; 1 is one for the whole tensor.
        scales: how many the file has.
        equal: share of the weights whose integers are the same.
        apart: the largest difference of an integer.
    """

    layer: Layer
    ranges: int
    scales: int
    equal: float
    apart: int


def compare(weights: Arrays, found: Deployable) -> list[Simulated]:
    """Round each kernel as the simulation did, and compare with the file's integers.

    Args:
        weights: the arrays that QAT left, in their order.
        found: the file that they were converted to.

    Raises:
        UserError: the weights are not those of the file's network.
    """
    kernels = list(_kernels(weights))
    made = []
    for layer in found.layers:
        place = next((at for at, one in enumerate(kernels) if _fits(one[0], layer)), None)
        if place is None:
            raise UserError(f"these weights hold no kernel for the layer {layer.name}")
        kernel, reach = kernels.pop(place)
        made.append(_compared(layer, found.tensor(layer.index, layer.subgraph), kernel, reach))
    return made


def _kernels(weights: Arrays) -> Iterator[tuple[NDArray[np.floating], NDArray[np.floating]]]:
    """Yield each kernel with the upper ends of its range: the next pair that is symmetric."""
    for place, array in enumerate(weights):
        later = [one for one in weights[place + 1 :] if one.dtype.kind == "f" and one.ndim < 2]
        if array.ndim > 1:
            ends = (_reach(low, high) for low, high in pairwise(later))
            reach = next((one for one in ends if one is not None), None)
            if reach is not None:
                yield array.astype(np.float64), reach


def _reach(low: NDArray[np.generic], high: NDArray[np.generic]) -> NDArray[np.floating] | None:
    """Return the upper ends of a range that reaches as far down as up, or nothing."""
    below, above = low.astype(np.float64), high.astype(np.float64)
    if below.shape != above.shape or not np.array_equal(below, -above) or not above.any():
        return None
    return above


def _fits(kernel: NDArray[np.floating], layer: Layer) -> bool:
    return _as_stored(kernel, layer).shape == layer.shape


def _as_stored(kernel: NDArray[np.floating], layer: Layer) -> NDArray[np.floating]:
    """Return a Keras kernel in the order of a `.tflite`: the output channels first."""
    if layer.operator == "DEPTHWISE_CONV_2D" and kernel.ndim == 4:
        return kernel.reshape(1, *kernel.shape[:2], -1)
    return np.moveaxis(kernel, -1, 0)


def _compared(
    layer: Layer, stored: Tensor, kernel: NDArray[np.floating], reach: NDArray[np.floating]
) -> Simulated:
    weights, integers = _as_stored(kernel, layer), stored.data()
    assert integers is not None
    axis = weights.ndim - 1 if layer.operator == "DEPTHWISE_CONV_2D" else 0
    shape = [1] * weights.ndim
    shape[axis] = reach.size
    wanted = quantization.equation_1(weights, reach.reshape(shape)).astype(int)
    apart = np.abs(_turned(wanted, integers.astype(int), axis) - integers)
    equal, furthest = float((apart == 0).mean()), int(apart.max())
    return Simulated(layer, reach.size, len(stored.scale), equal, furthest)


def _turned(
    wanted: NDArray[np.integer], integers: NDArray[np.integer], axis: int
) -> NDArray[np.integer]:
    """Return the integers with the signs of the file's channels.

    A batch normalisation with a negative factor turns a channel's sign when it is folded in.
    """
    others = tuple(place for place in range(wanted.ndim) if place != axis)
    signs = np.sign((wanted * integers).sum(axis=others, keepdims=True))
    return np.where(signs < 0, -wanted, wanted)
