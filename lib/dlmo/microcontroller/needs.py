"""What a file needs: flash, and RAM operator by operator.

RAM is first the most bytes that tensors which are needed at the same time take, as an arena without
gaps would hold them, and as TFLite Micro's planner lays them; then what it keeps in the arena
besides. In deep networks that is the larger part: two 32-bit numbers for each output channel of a
convolution.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dlmo.deployable import KERNELS, Deployable, Operator, Tensor
from dlmo.microcontroller.planner import Value, planned

_PER_CHANNEL = 8
"""Bytes of a channel's multiplier and shift."""
_PER_TENSOR, _PER_NODE, _ONCE = 24, 140, 700
"""Bytes of the runtime's structures, read off its own account of the arenas of this report's files
on a 64-bit processor; on one of 32 bits they are smaller."""

_BITS = {"int4": 4, "int2": 2, "bfloat16": 16}


@dataclass(frozen=True)
class Need:
    """What a file takes on a device, in bytes.

    Attributes:
        flash: the whole file; a microcontroller reads the weights where they lie.
        weights: of that, the constants.
        activations: RAM at the peak, without gaps; see the module.
        planned: RAM for them as TFLite Micro's planner lays them.
        kept: RAM that TFLite Micro keeps besides, estimated.
        peak: the operator that runs at the peak, and its place (from 0); None without operators.
    """

    flash: int
    weights: int
    activations: int
    planned: int
    kept: int
    peak: tuple[int, str] | None

    @property
    def arena(self) -> int:
        """The arena of TFLite Micro, estimated."""
        return self.planned + self.kept


@dataclass(frozen=True)
class Step:
    """One operator, and the values that are in RAM while it runs, in bytes.

    Attributes:
        place: of the operator in the graph, from 0.
        name: of the operator.
        inputs: of the values that it reads (each once), without constants.
        outputs: of the values that it writes.
        others: of the values that wait for a later operator.
        dying: indices of the tensors that it reads and nothing later needs.
    """

    place: int
    name: str
    inputs: int
    outputs: int
    others: int
    dying: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """All that is in RAM at this moment."""
        return self.inputs + self.outputs + self.others


def need(found: Deployable) -> Need:
    """Return what a file takes on a device; only its first graph is looked at."""
    peak = max(curve(found), key=lambda step: step.bytes, default=None)
    return Need(
        flash=found.bytes,
        weights=sum(len(tensor.content) for tensor in found.tensors if tensor.content is not None),
        activations=_bytes(found.inputs) if peak is None else peak.bytes,
        planned=planned(_values(found)),
        kept=_kept(found),
        peak=None if peak is None else (peak.place, peak.name),
    )


def _values(found: Deployable) -> list[Value]:
    first, last = lifetimes(found)
    return [
        Value(size(found.tensor(index)), first[index], last[index])
        for index in sorted(first)
        if varies(found, index)
    ]


def _kept(found: Deployable) -> int:
    run = nodes(found)
    channels = sum(_scaled(found, node) for node in run)
    tensors = sum(tensor.subgraph == 0 for tensor in found.tensors)
    return _ONCE + _PER_TENSOR * tensors + _PER_NODE * len(run) + _PER_CHANNEL * channels


def _scaled(found: Deployable, node: Operator) -> int:
    """Return for how many channels of its output TFLite Micro keeps a scale of their own."""
    position = KERNELS.get(node.name)
    if position is None or len(node.inputs) <= position:
        return 0
    kernel = found.tensor(node.inputs[position])
    if node.name == "FULLY_CONNECTED":
        return kernel.shape[0] if len(kernel.scale) > 1 else 0
    return kernel.shape[-1 if node.name.startswith("DEPTHWISE") else 0]


def curve(found: Deployable) -> list[Step]:
    """Return the operators of the first graph in their order, with what is in RAM at each."""
    run = nodes(found)
    first, last = lifetimes(found)
    held = {index: size(found.tensor(index)) for index in first if varies(found, index)}
    steps = []
    for place, node in enumerate(run):
        live = {index for index in held if first[index] <= place <= last[index]}
        reads, writes = live & set(node.inputs), live & set(node.outputs)
        steps.append(
            Step(
                place=place,
                name=node.name,
                inputs=sum(held[index] for index in reads - writes),
                outputs=sum(held[index] for index in writes),
                others=sum(held[index] for index in live - reads - writes),
                dying=tuple(sorted(index for index in reads - writes if last[index] == place)),
            )
        )
    return steps


def nodes(found: Deployable) -> list[Operator]:
    """Return the operators of the first graph, in the order in which they run."""
    return [node for node in found.nodes if node.subgraph == 0]


def varies(found: Deployable, index: int) -> bool:
    """Say whether a tensor of the first graph is a value in RAM, not a constant in flash."""
    return index >= 0 and found.tensor(index).content is None


def lifetimes(found: Deployable) -> tuple[dict[int, int], dict[int, int]]:
    """Return the places of the first and of the last operator that needs each tensor."""
    run = nodes(found)
    first = dict.fromkeys((tensor.index for tensor in found.inputs), 0)
    last = dict.fromkeys((tensor.index for tensor in found.outputs), len(run))
    for place, node in enumerate(run):
        for index in node.outputs:
            first.setdefault(index, place)
        for index in (*node.inputs, *node.outputs):
            last[index] = max(last.get(index, 0), place)
    return first, last


def refusal(found: Deployable) -> str | None:
    """Return why TFLite Micro does not run a file, None where nothing speaks against it.

    Its kernels take 8-bit weights only together with 8-bit values, and no 16-bit floats.
    """
    if any(tensor.dtype == "float16" for tensor in found.tensors):
        return "TFLite Micro has no 16-bit floats"
    for node in found.nodes:
        if node.name.startswith("CUSTOM:Flex"):
            return f"{node.name.removeprefix('CUSTOM:Flex')} is an operator of TensorFlow alone"
        position = KERNELS.get(node.name)
        if position is None or len(node.inputs) <= position:
            continue
        used = [node.inputs[position], *(index for index in node.outputs if index >= 0)]
        weights, result = (found.tensor(index, node.subgraph) for index in used[:2])
        if result.is_float and not weights.is_float:
            return "TFLite Micro computes with 8-bit weights only where values have 8 bits, too"
    return None


def size(tensor: Tensor) -> int:
    """Return how many bytes a tensor takes when it is written out; a free dimension counts as 1."""
    return math.ceil(math.prod(max(1, one) for one in tensor.shape) * _bits(tensor.dtype) / 8)


def _bits(dtype: str) -> int:
    if dtype in _BITS:
        return _BITS[dtype]
    try:
        return 8 * np.dtype(dtype).itemsize
    except TypeError:  # strings, resources: nothing that an arena holds
        return 0


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(size(tensor) for tensor in tensors)
