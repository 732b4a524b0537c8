"""What a microcontroller would need for a file, estimated from the file alone.

The estimate of RAM is the most bytes that tensors which are needed at the same time take, as an
arena without gaps would hold them. TFLite Micro adds a few kilobytes of its own structures.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dlmo.deployable import KERNELS, Deployable, Tensor

_BITS = {"int4": 4, "int2": 2, "bfloat16": 16}


@dataclass(frozen=True)
class Need:
    """What a file takes on a device, in bytes.

    Attributes:
        flash: the whole file; a microcontroller reads the weights where they lie.
        weights: of that, the constants.
        activations: RAM at the peak; see the module.
        peak: the operator that runs at the peak, and its place (from 0); None without operators.
    """

    flash: int
    weights: int
    activations: int
    peak: tuple[int, str] | None


def need(found: Deployable) -> Need:
    """Return what a file takes on a device; only its first graph is looked at."""
    sizes = list(_live(found))
    most = max(range(len(sizes)), key=sizes.__getitem__) if sizes else None
    nodes = [node for node in found.nodes if node.subgraph == 0]
    return Need(
        flash=found.bytes,
        weights=sum(len(tensor.content) for tensor in found.tensors if tensor.content is not None),
        activations=sizes[most] if most is not None else _bytes(found.inputs),
        peak=None if most is None else (most, nodes[most].name),
    )


def refusal(found: Deployable) -> str | None:
    """Return why TFLite Micro does not run a file, None where nothing speaks against it.

    Its kernels take 8-bit weights only together with 8-bit values, and no 16-bit floats.
    """
    if any(tensor.dtype == "float16" for tensor in found.tensors):
        return "TFLite Micro has no 16-bit floats"
    for node in found.nodes:
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


def _live(found: Deployable) -> Iterator[int]:
    """Yield for each operator the bytes of all tensors that are needed while it runs."""
    nodes = [node for node in found.nodes if node.subgraph == 0]
    first = dict.fromkeys((tensor.index for tensor in found.inputs), 0)
    last = dict.fromkeys((tensor.index for tensor in found.outputs), len(nodes))
    for place, node in enumerate(nodes):
        for index in node.outputs:
            first.setdefault(index, place)
        for index in (*node.inputs, *node.outputs):
            last[index] = max(last.get(index, 0), place)
    held = {
        index: size(tensor)
        for index in first
        if index >= 0 and (tensor := found.tensor(index)).content is None
    }
    for place in range(len(nodes)):
        yield sum(held[index] for index in held if first[index] <= place <= last[index])


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(size(tensor) for tensor in tensors)
