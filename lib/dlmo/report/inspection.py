"""What is inside a model's file, for people and for programs: layers, sizes, quantization, device.

The rows come as plain data; `cli.inspect` prints them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlmo import deployable, instruments, microcontroller
from dlmo.deployable import Deployable, Operator, Tensor
from dlmo.errors import UserError


@dataclass(frozen=True)
class Inspection:
    """What a `.tflite` holds.

    Attributes:
        facts: name and value, in the order in which they are told.
        operators: a row an operator, in the order in which they run.
        tensors: a row a constant or an activation that is quantized or holds weights.
    """

    facts: dict[str, Any]
    operators: list[dict[str, Any]]
    tensors: list[dict[str, Any]]


def inspect(path: Path) -> Inspection:
    """Describe a `.tflite` file. LiteRT loads it, in a child process, but does not run it.

    Raises:
        UserError: it is no `.tflite`, or damaged.
    """
    found = deployable.read(path)
    try:
        delegated, refused = instruments.delegated(path), None
    except UserError as error:
        delegated, refused = [], str(error)
    places = [place < len(delegated) and delegated[place] for place in range(len(found.nodes))]
    operators = [
        _operator(found, node, None if refused else one)
        for node, one in zip(found.nodes, places, strict=True)
    ]
    facts = _facts(found) | _delegation(places, refused)
    return Inspection(facts, operators, list(_tensors(found)))


def _delegation(places: list[bool], refused: str | None) -> dict[str, Any]:
    if refused is not None:
        return {"litert_refuses": refused}
    return {"xnnpack": f"{sum(places)} of {len(places)}", "partitions": _partitions(places)}


def _facts(found: Deployable) -> dict[str, Any]:
    need = microcontroller.need(found)
    return {
        "bytes": found.bytes,
        "zipped_bytes": found.zipped_bytes,
        "sha256": found.sha256,
        "parameters": found.parameters,
        "macs": found.macs,
        "sparsity": found.sparsity,
        "inputs": [_end(tensor) for tensor in found.inputs],
        "outputs": [_end(tensor) for tensor in found.outputs],
        "operators": dict(found.operators),
        "float_operators": len(deployable.float_operators(found)),
        "microcontroller_flash": need.flash,
        "microcontroller_weights": need.weights,
        "microcontroller_ram": need.arena,
        "microcontroller_peak": need.peak[1] if need.peak else None,
        "microcontroller_refuses": microcontroller.refusal(found),
    }


def _end(tensor: Tensor) -> str:
    return f"{tensor.dtype} [{', '.join(map(str, tensor.shape))}]"


def _partitions(delegated: list[bool]) -> int:
    """Count the runs of operators that one side computes in a row."""
    return sum(1 for place, one in enumerate(delegated) if not place or one != delegated[place - 1])


def _operator(found: Deployable, node: Operator, delegated: bool | None) -> dict[str, Any]:
    results = [found.tensor(index, node.subgraph) for index in node.outputs if index >= 0]
    kernel = deployable.kernel(found, node)
    return {
        "operator": node.name,
        "version": node.version,
        "output": _end(results[0]) if results else "",
        "weights": kernel.elements if kernel is not None else 0,
        "sparsity": 1 - kernel.nonzero() / max(1, kernel.elements) if kernel is not None else None,
        "macs": node.macs,
        "xnnpack": delegated,
    }


def _tensors(found: Deployable) -> Iterator[dict[str, Any]]:
    for tensor in found.tensors:
        constant = tensor.content is not None
        if not constant and not len(tensor.scale):
            continue
        yield {
            "tensor": tensor.name,
            "shape": "×".join(map(str, tensor.shape)),
            "type": tensor.dtype,
            "constant": constant,
            "bytes": len(tensor.content) if tensor.content is not None else None,
            "scales": len(tensor.scale),
            "scale": _range(tensor.scale),
            "zero_point": _range(tensor.zero_point),
            "sparsity": _sparsity(tensor),
        }


def _sparsity(tensor: Tensor) -> float | None:
    if tensor.content is None or not tensor.elements or tensor.dtype == "string":
        return None
    return 1 - tensor.nonzero() / tensor.elements


def _range(numbers: Any) -> str:
    if not len(numbers):
        return ""
    low, high = np.min(numbers), np.max(numbers)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
