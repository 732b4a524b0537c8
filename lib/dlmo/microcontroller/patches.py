"""Patch-based execution: the first layers are computed for one part of the picture after another.

After MCUNetV2 (Lin and others, paper reference [18]). The map with which the first stage ends is
cut into so many patches a side. For each patch, every map before it is computed only where the
patch needs it, so that overlapping borders are computed more than once. In RAM are the whole input
of the network, the whole map at the end of the stage, and the parts of the maps between; after the
stage, the operators run as ever.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from dlmo.deployable import Deployable, Operator
from dlmo.microcontroller.needs import curve, lifetimes, nodes, size, varies
from dlmo.microcontroller.windows import POINTWISE, Span, axes

Region = tuple[Span, Span]
"""Rows and columns of a map."""


@dataclass(frozen=True)
class Patched:
    """A file whose first stage runs patch by patch.

    Attributes:
        stage: how many operators the stage has; the last one's output is cut into patches.
        side: patches a side.
        bytes: in RAM at the peak.
        macs: multiply-accumulates of one inference.
        plain_macs: the same without patches.
    """

    stage: int
    side: int
    bytes: int
    macs: int
    plain_macs: int

    @property
    def extra(self) -> float:
        """How much more is computed, as a share of what is computed without patches."""
        return self.macs / self.plain_macs - 1 if self.plain_macs else 0.0


def best(found: Deployable, sides: Iterable[int]) -> Patched | None:
    """Return the stage and the number of patches with the lowest peak; of equal ones the cheapest.

    None where no stage can be cut: the first operators are no windows over maps.
    """
    tried = [patched(found, stage, side) for stage in stages(found) for side in sides if side > 1]
    able = [one for one in tried if one is not None]
    return min(able, key=lambda one: (one.bytes, one.macs, one.stage, one.side), default=None)


def stages(found: Deployable) -> Iterator[int]:
    """Yield how many operators a first stage may have: behind it, only its last output is read."""
    run = nodes(found)
    _, last = lifetimes(found)
    for place, node in enumerate(run):
        if not _slides(found, node):
            return
        made = {index for each in run[: place + 1] for index in each.outputs}
        made |= {tensor.index for tensor in found.inputs}
        left = {index for index in made if varies(found, index) and last[index] > place}
        if left == set(node.outputs):
            yield place + 1


def _slides(found: Deployable, node: Operator) -> bool:
    reads = [index for index in node.inputs if varies(found, index)]
    if len(node.outputs) != 1 or not reads or reads[0] != node.inputs[0]:
        return False
    # More than one value is read only by what is pointwise, on maps of one size.
    shapes = {found.tensor(index).shape[1:3] for index in reads}
    one = len(reads) == 1 or (node.name in POINTWISE and len(shapes) == 1)
    return one and found.tensor(node.outputs[0]).shape[0] == 1 and axes(found, node) is not None


def patched(found: Deployable, stage: int, side: int) -> Patched | None:
    """Return what a file takes with so many operators patch by patch, so many patches a side.

    None where the map at the end of the stage has fewer rows or columns than patches.
    """
    run = nodes(found)[:stage]
    target = found.tensor(run[-1].outputs[0])
    if min(target.shape[1:3]) < side:
        return None
    rows, columns = (_cuts(length, side) for length in target.shape[1:3])
    given = sum(size(tensor) for tensor in found.inputs)
    peak, macs = 0, 0
    for row in rows:
        for column in columns:
            regions = _regions(found, run, (row, column))
            peak = max(peak, _peak(found, run, regions))
            macs += sum(_share(found, node, regions) for node in run)
    rest = curve(found)[stage:]
    plain = sum(node.macs for node in nodes(found))
    return Patched(
        stage=stage,
        side=side,
        bytes=max([given + size(target) + peak, *(step.bytes for step in rest)]),
        macs=plain - sum(node.macs for node in run) + macs,
        plain_macs=plain,
    )


def _cuts(length: int, side: int) -> list[Span]:
    """Return the spans of `side` patches along an axis, as equal as can be."""
    edges = [length * place // side for place in range(side + 1)]
    return list(pairwise(edges))


def _regions(found: Deployable, run: list[Operator], wanted: Region) -> dict[int, Region]:
    """Return which part of each map of a stage a patch of its last map needs."""
    regions = {run[-1].outputs[0]: wanted}
    for node in reversed(run):
        sliding = axes(found, node)
        assert sliding is not None  # as `stages` has looked
        rows, columns = sliding
        below, across = regions[node.outputs[0]]
        needs = rows.needs(below), columns.needs(across)
        for index in node.inputs:
            if varies(found, index):
                regions[index] = _union(regions.get(index, needs), needs)
    return regions


def _union(one: Region, other: Region) -> Region:
    first, second = ((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(one, other, strict=True))
    return first, second


def _peak(found: Deployable, run: list[Operator], regions: Mapping[int, Region]) -> int:
    """Return the most bytes that the parts between input and last map take at a time."""
    first, last = lifetimes(found)
    kept = {tensor.index for tensor in found.inputs} | set(run[-1].outputs)
    between = {
        index: _bytes(found, index, regions[index]) for index in regions if index not in kept
    }
    return max(
        sum(held for index, held in between.items() if first[index] <= place <= last[index])
        for place in range(len(run))
    )


def _bytes(found: Deployable, index: int, region: Region) -> int:
    tensor = found.tensor(index)
    return math.ceil(size(tensor) * _area(region) / (tensor.shape[1] * tensor.shape[2]))


def _area(region: Region) -> int:
    (top, below), (left, right) = region
    return (below - top) * (right - left)


def _share(found: Deployable, node: Operator, regions: Mapping[int, Region]) -> int:
    """Return the multiply-accumulates of an operator for the part of its output that is wanted."""
    _, height, width, _ = found.tensor(node.outputs[0]).shape
    return node.macs * _area(regions[node.outputs[0]]) // (height * width)
