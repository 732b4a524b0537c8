"""Equation 2, and what the runtime computes instead: 8-bit weights times float inputs (BLQ).

Equation 2 says that weights are turned back into floats and multiplied by float inputs. The
runtime's hybrid kernels round the inputs, too, while they run: to 8 bits, around a zero point, with
the range of the one image that is there. Source: paper, Section 3.1, Equation 2 and Figure 3.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dlmo.arithmetic import quantization
from dlmo.deployable import Content, Deployable, Operator, Options, Tensor, replaced

Floats = NDArray[np.float64]

HYPOTHESES = ("equation 2", "symmetric", "asymmetric")
"""How the inputs of a layer with 8-bit weights may be treated: not rounded, or rounded so."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """Numbers as integers (less their zero point) times one step."""

    integers: Floats
    step: float


def symmetric(values: NDArray[np.floating]) -> Rounded:
    """Round as Equation 1 does, with the largest magnitude as the range: -127 … 127."""
    reach = float(np.abs(values).max(initial=0))
    integers = quantization.equation_1(values, reach).astype(np.float64)
    return Rounded(integers, reach / quantization.LARGEST)


def asymmetric(values: NDArray[np.floating]) -> Rounded:
    """Round to 256 levels from the smallest to the largest value, zero among them."""
    given = np.asarray(values, np.float64)
    low, high = min(0.0, float(given.min())), max(0.0, float(given.max()))
    step = (high - low) / 255
    if step == 0:
        return Rounded(np.zeros_like(given), 0.0)
    zero_point = np.rint(-128 - low / step)
    return Rounded(np.clip(np.rint(given / step) + zero_point, -128, 127) - zero_point, step)


@dataclass(frozen=True)
class Gap:
    """How far each hypothesis is from what the runtime computed in one layer.

    Attributes:
        operator: of the layer.
        shape: of its weights.
        largest: by hypothesis, the largest difference of an output.
        scale: the largest magnitude of the runtime's outputs.
    """

    operator: str
    shape: tuple[int, ...]
    largest: Mapping[str, float]
    scale: float


def gaps(found: Deployable, tensors: Mapping[int, NDArray[np.generic]]) -> list[Gap]:
    """Compute each hybrid layer anew from its own input, and compare with its output.

    Args:
        found: a BLQ file.
        tensors: those of a run, by index (`instruments.trace.tensors`).
    """
    return [_gap(found, node, tensors) for node in hybrid_nodes(found)]


def hybrid_nodes(found: Deployable) -> Iterator[Operator]:
    """Yield the operators with 8-bit weights and float inputs."""
    for node in found.nodes:
        if node.name in _PRODUCTS and len(node.inputs) > 1:
            source, weights = (found.tensor(index, node.subgraph) for index in node.inputs[:2])
            if source.dtype == "float32" and weights.dtype == "int8" and weights.content:
                yield node


def _gap(found: Deployable, node: Operator, tensors: Mapping[int, NDArray[np.generic]]) -> Gap:
    weights = found.tensor(node.inputs[1], node.subgraph)
    source = np.asarray(tensors[node.inputs[0]], np.float64)
    truth = np.asarray(tensors[node.outputs[0]], np.float64)
    bias = _bias(found, node)
    computed = {name: _layer(name, node, source, weights, bias) for name in HYPOTHESES}
    apart = {name: float(np.abs(value - truth).max()) for name, value in computed.items()}
    return Gap(node.name, weights.shape, apart, float(np.abs(truth).max()))


def _bias(found: Deployable, node: Operator) -> Floats:
    if len(node.inputs) < 3 or node.inputs[2] < 0:
        return np.zeros(1)
    return np.asarray(found.tensor(node.inputs[2], node.subgraph).data(), np.float64)


def _layer(name: str, node: Operator, source: Floats, weights: Tensor, bias: Floats) -> Floats:
    """Return a layer's outputs under a hypothesis."""
    integers, scales = weights.data(), weights.scale.astype(np.float64)
    assert integers is not None
    product = _PRODUCTS[node.name]
    if name == "equation 2":
        sums = product(source, integers.astype(np.float64), node.options) * scales
    else:
        rounded = symmetric(source) if name == "symmetric" else asymmetric(source)
        sums = product(rounded.integers, integers.astype(np.float64), node.options)
        sums = sums * scales * rounded.step
    return _activated(sums + bias, node.options.activation)


def _activated(values: Floats, activation: str) -> Floats:
    limits = {"RELU": (0.0, np.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
    return np.clip(values, *limits[activation]) if activation in limits else values


def convolve(source: Floats, kernel: Floats, options: Options) -> Floats:
    """Return a convolution: [b, h, w, c] with [o, kh, kw, c] to [b, h', w', o]."""
    windows = _windows(source, kernel.shape[1:3], options)
    return np.einsum("bhwcij,oijc->bhwo", windows, kernel, optimize=True)


def convolve_depthwise(source: Floats, kernel: Floats, options: Options) -> Floats:
    """Return a depthwise convolution: [b, h, w, c] with [1, kh, kw, c·m] to [b, h', w', c·m]."""
    windows = _windows(source, kernel.shape[1:3], options)
    windows = np.repeat(windows, kernel.shape[3] // source.shape[3], axis=3)
    return np.einsum("bhwcij,ijc->bhwc", windows, kernel[0], optimize=True)


def multiply(source: Floats, kernel: Floats, _: Options) -> Floats:
    """Return a fully connected layer's sums: [b, i] with [o, i] to [b, o]."""
    return source.reshape(-1, kernel.shape[1]) @ kernel.T


_PRODUCTS: dict[str, Callable[[Floats, Floats, Options], Floats]] = {
    "CONV_2D": convolve,
    "DEPTHWISE_CONV_2D": convolve_depthwise,
    "FULLY_CONNECTED": multiply,
}


def _windows(source: Floats, size: tuple[int, ...], options: Options) -> Floats:
    """Return what the kernel lies over at each place: [b, h', w', c, kh, kw]."""
    reach = [(length - 1) * gap + 1 for length, gap in zip(size, options.dilation, strict=True)]
    around = [(0, 0), (0, 0), (0, 0), (0, 0)]
    for axis, (span, stride) in enumerate(zip(reach, options.stride, strict=True), 1):
        if options.padded:
            length = source.shape[axis]
            lacking = max((-(-length // stride) - 1) * stride + span - length, 0)
            around[axis] = (lacking // 2, lacking - lacking // 2)
    windows = sliding_window_view(np.pad(source, around), reach, axis=(1, 2))
    rows, columns = options.stride
    down, across = options.dilation
    return windows[:, ::rows, ::columns, :, ::down, ::across]


def as_floats(plain: Deployable, quantized: Deployable) -> Content:
    """Return the float file with the quantized file's weights, turned back into floats.

    Running it is Equation 2: nothing is rounded but the weights.

    Raises:
        UserError: the files don't have the same layers.
    """
    values = {
        (before.subgraph, before.index): after.values()
        for _, before, after in quantization.pairs(plain, quantized)
    }
    return replaced(plain, {place: array for place, array in values.items() if array is not None})
