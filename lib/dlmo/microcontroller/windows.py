"""Which part of an operator's input each part of its output needs."""

from dataclasses import dataclass

from dlmo.deployable import KERNELS, Deployable, Operator

Span = tuple[int, int]
"""From the first row (or column) to the one behind the last."""

POINTWISE = frozenset(
    {"ADD", "MUL", "SUB", "DIV", "RELU", "RELU6", "LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU"}
    | {"QUANTIZE", "DEQUANTIZE", "MINIMUM", "MAXIMUM", "PRELU", "ELU", "ABS", "NEG", "SQRT"}
)
"""Operators whose every element depends on the elements at its own place alone."""

RENAMED = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
"""Operators that give the same bytes another shape."""

_SLIDING = {"CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"}


@dataclass(frozen=True)
class Axis:
    """How a window slides along one axis.

    Attributes:
        size: of the input.
        window: elements that it covers, dilation included.
        stride: elements from one place to the next.
        before: elements of padding before the first.
    """

    size: int
    window: int
    stride: int
    before: int

    def needs(self, wanted: Span) -> Span:
        """Return which part of the input a part of the output needs, padding left out."""
        first = wanted[0] * self.stride - self.before
        behind = (wanted[1] - 1) * self.stride - self.before + self.window
        return max(0, first), min(self.size, behind)


def axes(found: Deployable, node: Operator) -> tuple[Axis, Axis] | None:
    """Return how an operator slides over rows and columns; None where it does not.

    A pointwise operator on maps of equal size slides with a window of one element.
    """
    source, result = found.tensor(node.inputs[0]), found.tensor(node.outputs[0])
    if len(source.shape) != 4 or len(result.shape) != 4:
        return None
    if node.name in POINTWISE:
        same = source.shape[1:3] == result.shape[1:3]
        rows, columns = (Axis(size, 1, 1, 0) for size in source.shape[1:3])
        return (rows, columns) if same else None
    if node.name not in _SLIDING:
        return None
    window = node.options.window
    if (position := KERNELS.get(node.name)) is not None:
        kernel = found.tensor(node.inputs[position]).shape
        window = kernel[1], kernel[2]
    made = [
        _axis(source.shape[1 + at], result.shape[1 + at], window[at], node, at) for at in (0, 1)
    ]
    return made[0], made[1]


def _axis(size: int, result: int, window: int, node: Operator, at: int) -> Axis:
    stride = node.options.stride[at]
    reach = (window - 1) * node.options.dilation[at] + 1
    # TFLite puts the smaller half of the padding before (`ComputePadding`).
    before = max(0, (result - 1) * stride + reach - size) // 2 if node.options.padded else 0
    return Axis(size, reach, stride, before)
