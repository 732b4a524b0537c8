"""In-place execution: an output may be written over what no later output needs.

After the idea of Gural and Murmann (paper reference [29]) and of Sakr and others ([30]): output
pixels are computed row by row, and the output's buffer begins so many bytes before the input's that
no pixel is overwritten which a later output pixel still reads. Computed here is the smallest such
distance, for the order and the layout of TFLite's kernels (row by row, channels last); one output
pixel is gathered elsewhere before it is written. Neither work's code is reproduced.
"""

from dlmo.deployable import Deployable, Operator, Tensor
from dlmo.microcontroller.needs import Step, curve, nodes, size
from dlmo.microcontroller.windows import POINTWISE, RENAMED, Axis, axes


def in_place(found: Deployable) -> list[int]:
    """Return for each operator the bytes in RAM while it runs, output over input where it may be.

    An input may be overwritten where no later operator reads it. The smallest sum is taken of
    those that each dying input allows.
    """
    run = nodes(found)
    return [step.bytes - _saved(found, run[step.place], step) for step in curve(found)]


def _saved(found: Deployable, node: Operator, step: Step) -> int:
    if not node.outputs or node.outputs[0] < 0 or not step.dying:
        return 0
    written = size(found.tensor(node.outputs[0]))
    return max(
        size(found.tensor(index)) + written - joint(found, node, index) for index in step.dying
    )


def joint(found: Deployable, node: Operator, index: int) -> int:
    """Return the bytes that one input of an operator and its output need together."""
    source, result = found.tensor(index), found.tensor(node.outputs[0])
    read, written = size(source), size(result)
    if node.name in RENAMED:
        return max(read, written)
    if node.name in POINTWISE and source.elements == result.elements:
        wider = max(0, written // result.elements - read // source.elements)
        return max(read + wider * (source.elements - 1), written)
    sliding = axes(found, node) if index == node.inputs[0] else None
    if sliding is None or source.shape[0] != 1:
        return read + written
    return max(read + _distance(sliding, source, result), written)


def _distance(sliding: tuple[Axis, Axis], source: Tensor, result: Tensor) -> int:
    """Return how many bytes before the input the output of a sliding window must begin."""
    rows, columns = sliding
    _, height, width, _ = result.shape
    in_pixel = size(source) // (source.shape[1] * source.shape[2])
    out_pixel = size(result) // (height * width)
    top = [rows.needs((row, row + 1))[0] * source.shape[2] for row in range(height)]
    left = [columns.needs((column, column + 1))[0] for column in range(width)]
    needed = 0
    # Before an output pixel is computed, all before it are written; it and the next row still read.
    for row in range(height):
        for column in range(width):
            oldest = min(
                [top[row] + left[column], *(one + left[0] for one in top[row + 1 : row + 2])]
            )
            written = (row * width + column) * out_pixel
            needed = max(needed, written - oldest * in_pixel)
    return needed
