"""Cutting a file into its operators: a small file of each, which runs alone.

LiteRT's Python interface has no profiler. An operator's time is therefore measured by running it
alone: with its own weights, on tensors of its own shapes. What only unpacks constants (the
DEQUANTIZE behind 16-bit weights) belongs to the operator that uses it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlmo.deployable import Content, Deployable, Operator
from dlmo.errors import UserError


@dataclass(frozen=True)
class Part:
    """One operator as a file of its own.

    Attributes:
        place: of the operator in the first graph, from 0.
        node: the operator, its tensors numbered as in the whole file.
        inputs: the tensors of the whole file that it is fed with, in the order of its inputs.
        outputs: the tensors of the whole file that it makes.
        data: the bytes of the `.tflite`.
    """

    place: int
    node: Operator
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    data: Content = field(repr=False)


def parts(found: Deployable) -> list[Part]:
    """Cut the first graph of a file into its operators, in the order in which they run.

    Raises:
        UserError: the file has several graphs, which call each other.
    """
    if any(node.subgraph for node in found.nodes):
        raise UserError("a file with several graphs can't be cut into operators")
    from ai_edge_litert.schema_py_generated import ModelT

    whole = ModelT.InitFromPackedBuf(found.data)
    unpacking: dict[int, int] = {}
    made = []
    for place, node in enumerate(found.nodes):
        if not _fed(found, node, unpacking):
            unpacking |= dict.fromkeys(node.outputs, place)
            continue
        together = [*_before(found.nodes, node, unpacking), place]
        inputs = tuple(dict.fromkeys(_fed(found, node, unpacking)))
        data = _packed(whole, found.nodes, together, inputs, node.outputs)
        made.append(Part(place, node, inputs, node.outputs, data))
    return made


def _fed(found: Deployable, node: Operator, unpacking: Iterable[int]) -> list[int]:
    """Return an operator's inputs that depend on the image."""
    constant = set(unpacking)
    return [
        index
        for index in node.inputs
        if index >= 0 and index not in constant and found.tensor(index).content is None
    ]


def _before(nodes: Sequence[Operator], node: Operator, unpacking: dict[int, int]) -> list[int]:
    """Return the places of the operators that unpack an operator's constants, in their order."""
    places: set[int] = set()
    wanted = list(node.inputs)
    while wanted:
        place = unpacking.get(wanted.pop())
        if place is not None and place not in places:
            places.add(place)
            wanted += nodes[place].inputs
    return sorted(places)


def _packed(
    whole: Any,
    nodes: Sequence[Operator],
    places: Sequence[int],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> Content:
    """Return a file with some operators of another, and with the tensors that they need."""
    from ai_edge_litert.schema_py_generated import BufferT, ModelT, OperatorT, SubGraphT

    graph = whole.subgraphs[0]
    named = {index for place in places for index in (*nodes[place].inputs, *nodes[place].outputs)}
    kept = sorted(named - {-1})
    number = {index: at for at, index in enumerate(kept)} | {-1: -1}
    buffers = [BufferT(), *(_Aligned.of(whole.buffers[graph.tensors[at].buffer]) for at in kept)]
    tensors = [_changed(graph.tensors[index], buffer=at + 1) for at, index in enumerate(kept)]
    operators = [
        _changed(
            graph.operators[place],
            inputs=[number[index] for index in nodes[place].inputs],
            outputs=[number[index] for index in nodes[place].outputs],
        )
        for place in places
    ]
    assert all(isinstance(one, OperatorT) for one in operators)
    part = ModelT(
        version=whole.version,
        operatorCodes=whole.operatorCodes,
        buffers=buffers,
        subgraphs=[
            SubGraphT(
                tensors=tensors,
                inputs=[number[index] for index in inputs],
                outputs=[number[index] for index in outputs],
                operators=operators,
                name="part",
            )
        ],
    )
    return pack(part)


def pack(model: Any) -> Content:
    """Return the file of a model that is held as objects of the schema."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _changed(table: Any, **fields: Any) -> Any:
    """Return a shallow copy of a table's object with other fields."""
    from copy import copy

    made = copy(table)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


class _Aligned:
    """A buffer whose bytes begin at a multiple of 16, as the schema demands and kernels expect."""

    def __init__(self, data: np.ndarray) -> None:
        self._data = data

    @classmethod
    def of(cls, buffer: Any) -> Any:
        """Return a buffer to pack; the same one where it is empty."""
        return buffer if buffer.data is None or not len(buffer.data) else cls(buffer.data)

    def Pack(self, builder: Any) -> int:  # noqa: N802  # as the schema's classes name it
        from ai_edge_litert import schema_py_generated as schema

        size = len(self._data)
        builder.StartVector(1, size, 16)
        builder.head = builder.head - size
        builder.Bytes[builder.head : builder.head + size] = self._data.tobytes()
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))
