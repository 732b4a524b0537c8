"""Deployables: what is inside a `.tflite` file, read without running it.

A file may come from anybody, so it is read with bounds: whatever is wrong with it becomes a
`UserError`. Nothing here needs TensorFlow or an interpreter.
"""

import hashlib
import io
import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from dlmo.errors import UserError

KERNELS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1}
"""The operators whose constant operand counts as weights, and which input that is.

Biases (the next input; of TRANSPOSE_CONV the one after) are parameters, but not weights.
"""

Content = bytes
"""The bytes of a file; a name of its own because `Deployable.bytes` is their number."""

_BIASES = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
_UNPACKING = {"DEQUANTIZE", "DENSIFY"}
_DTYPES = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "FLOAT64": "float64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "BOOL": "bool",
    "COMPLEX64": "complex64",
    "COMPLEX128": "complex128",
}
_PACKED = {"int4": 4, "int2": 2}
_TYPE_NAMES = {code: name for name, code in vars(tflite.TensorType).items() if name.isupper()}
_TYPE_NAMES[19] = "INT2"  # younger than the package
_FLOATS = {"float16", "float32", "float64", "bfloat16"}
_OBJECTS = 200_000
_ELEMENTS = 20_000_000
_LARGEST = 2**31 - 1
_LARGEST_SPARSE = 2**24


class Preprocessing(BaseModel):
    """What the host computes before the network: `x * scale + offset` of every byte x.

    Both are one number, or one for red, green and blue each. The default maps 0 … 255 to -1 … 1,
    as all our networks want it.
    """

    model_config = ConfigDict(frozen=True)

    scale: float | tuple[float, float, float] = 1 / 127.5
    offset: float | tuple[float, float, float] = -1.0

    @classmethod
    def parse(cls, text: str) -> "Preprocessing":
        """Read what a user says that a network's input expects.

        Args:
            text: `raw` (0 to 255), `0..1`, `-1..1`, or `MEAN/DEVIATION` of the bytes, each one
                number or three with colons between: `123.7:116.3:103.5/58.4:57.1:57.4`.

        Raises:
            UserError: it is none of these.
        """
        if text in _RANGES:
            scale, offset = _RANGES[text]
            return cls(scale=scale, offset=offset)
        try:
            means, deviations = (_channels(part) for part in text.split("/"))
            return cls(
                scale=_joined([1 / one for one in deviations]),
                offset=_joined([-mean / one for mean, one in zip(means, deviations, strict=True)]),
            )
        except (ValueError, ZeroDivisionError):
            raise UserError(
                f"preprocessing {text!r}: write {', '.join(_RANGES)} or MEAN/DEVIATION of the "
                "bytes, for example 127.5/127.5 or 123.7:116.3:103.5/58.4:57.1:57.4"
            ) from None

    def table(self) -> NDArray[np.float32]:
        """Return the float32 value of each of the 256 bytes, rounded once, from float64.

        Returns:
            [256], or [256, 3] where the channels differ.
        """
        scale, offset = np.asarray(self.scale), np.asarray(self.offset)
        numbers = np.arange(256) if scale.ndim == offset.ndim == 0 else np.arange(256)[:, None]
        return (numbers * scale + offset).astype(np.float32)

    def apply(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return `images` (uint8, any shape) as float32 of the same shape.

        Raises:
            UserError: the images aren't uint8.
        """
        if images.dtype != np.uint8:
            raise UserError(f"images must be uint8 (0 to 255), not {images.dtype}")
        table = self.table()
        return table[images] if table.ndim == 1 else table[images, np.arange(3)]


_RANGES = {"raw": (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0)}


def _channels(text: str) -> list[float]:
    """Return three numbers, one for each channel.

    Raises:
        ValueError: there is neither one number nor three, or one is not finite.
    """
    found = [float(one) for one in text.split(":")]
    if len(found) not in (1, 3) or not all(math.isfinite(one) for one in found):
        raise ValueError(text)
    return found if len(found) == 3 else found * 3


def _joined(numbers: list[float]) -> float | tuple[float, float, float]:
    red, green, blue = numbers
    return red if red == green == blue else (red, green, blue)


@dataclass(frozen=True, eq=False)
class Sparsity:
    """How TFLite stores the nonzero values of a tensor; the schema's `SparsityParameters`.

    Each level is one dimension in traversal order: its size where it is dense, otherwise the
    segments and indices of compressed rows.
    """

    order: tuple[int, ...]
    blocks: tuple[int, ...]
    levels: tuple[int | tuple[NDArray[Any], NDArray[Any]], ...]


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a file, constant or not."""

    subgraph: int
    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    """NumPy's name ("int8"), or the schema's in lower case where NumPy has none ("int4")."""
    scale: NDArray[np.float32]
    """Step of the quantization, one or one a channel; empty where the tensor has none."""
    zero_point: NDArray[np.int64]
    axis: int
    """The dimension that the channels' scales belong to."""
    content: memoryview | None = field(repr=False)
    """The bytes of a constant as they are stored; None for an activation."""
    sparsity: Sparsity | None = field(repr=False)

    @property
    def elements(self) -> int:
        """Number of elements of the (dense) tensor."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.dtype in _FLOATS

    def data(self) -> NDArray[Any] | None:
        """Return a constant's values as stored, dense, of the tensor's shape; None if it has none.

        Quantized integers stay integers; int4 and int2 come as int8, bfloat16 as float32.
        """
        if self.content is None:
            return None
        values = _decode(self.content, self.dtype)
        if self.sparsity is not None:
            return _dense(self, values)
        return values[: self.elements].reshape(self.shape)

    def values(self) -> NDArray[np.float32] | None:
        """Return a constant's real values, `scale * (data - zero point)`, as float32."""
        data = self.data()
        if data is None or not len(self.scale):
            return None if data is None else data.astype(np.float32)
        centred = data.astype(np.int64) - self._per_channel(self.zero_point)
        return (centred * self._per_channel(self.scale)).astype(np.float32)

    def nonzero(self) -> int:
        """Count a constant's elements that stand for something else than zero."""
        data = self.data()
        if data is None:
            return 0
        if not self.zero_point.any():
            return int(np.count_nonzero(data))
        return int(np.count_nonzero(data != self._per_channel(self.zero_point)))

    def _per_channel(self, numbers: NDArray[Any]) -> NDArray[Any]:
        if len(numbers) <= 1:
            return numbers.reshape(()) if len(numbers) else np.zeros((), np.int64)
        shape = [1] * len(self.shape)
        shape[self.axis] = len(numbers)
        return numbers.reshape(shape)


@dataclass(frozen=True)
class Options:
    """What an operator's own options say; the defaults where it has none of the kind.

    Attributes:
        stride: rows and columns from one window to the next.
        dilation: rows and columns from one element of a kernel to the next.
        padded: whether the input's border is filled up, so that only the stride shrinks it (SAME).
        activation: what is computed in the same operator: "", "RELU", "RELU6", …
        asymmetric: whether a fully connected layer with 8-bit weights rounds its float inputs
            around a zero point of their own.
        window: rows and columns of a pool's window; of a convolution, its kernel has them.
    """

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padded: bool = False
    activation: str = ""
    asymmetric: bool = False
    window: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Operator:
    """One operator of a file; tensors are given by their index in the subgraph, -1 for none."""

    subgraph: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    macs: int
    """Multiply-accumulates for the shapes in the file; 0 where the operator has no weights."""
    options: Options = Options()


@dataclass(frozen=True)
class Layer:
    """An operator with constant weights (see `KERNELS`): one row of the sparsity table."""

    name: str
    """The name of the weights' tensor."""
    operator: str
    dtype: str
    """How the weights are stored."""
    shape: tuple[int, ...]
    weights: int
    nonzero: int
    biases: int
    macs: int
    subgraph: int = 0
    index: int = -1
    """The weights' tensor: `Deployable.tensor(index, subgraph)`."""

    @property
    def sparsity(self) -> float:
        """Share of the weights that are zero, 0 to 1."""
        return 1 - self.nonzero / self.weights if self.weights else 0.0


@dataclass(frozen=True, eq=False)
class Deployable:
    """A `.tflite` file that was read and found valid."""

    data: Content = field(repr=False)
    tensors: tuple[Tensor, ...] = field(repr=False)
    """All tensors, subgraph by subgraph."""
    nodes: tuple[Operator, ...] = field(repr=False)
    """All operators in the order in which they run."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    layers: tuple[Layer, ...] = field(repr=False)
    """The operators with weights; weights that several operators share are listed once."""

    @property
    def bytes(self) -> int:
        """Size of the file in bytes."""
        return len(self.data)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def zipped_bytes(self) -> int:
        """Size of the zipped file in bytes: what a download costs, not flash or memory."""
        return len(zipped(self.data))

    @property
    def operators(self) -> Counter[str]:
        """How often each operator occurs, in alphabetical order."""
        return Counter(sorted(node.name for node in self.nodes))

    @property
    def versions(self) -> dict[str, int]:
        """The highest version of each operator: what a runtime must know to run the file."""
        return {
            name: max(node.version for node in self.nodes if node.name == name)
            for name in self.operators
        }

    @property
    def weights(self) -> int:
        """Number of weights: elements of the constant kernels of the `KERNELS` operators."""
        return sum(layer.weights for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Number of weights and of these operators' constant biases.

        Batch normalisation that was folded away isn't counted, nor is what was not folded.
        """
        return self.weights + sum(layer.biases for layer in self.layers)

    @property
    def nonzero(self) -> float:
        """Share of the weights that aren't zero, 0 to 1; 1 for a file without weights."""
        return sum(layer.nonzero for layer in self.layers) / self.weights if self.weights else 1.0

    @property
    def sparsity(self) -> float:
        """Share of the weights that are zero, 0 to 1."""
        return 1 - self.nonzero

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference in the operators with weights."""
        return sum(node.macs for node in self.nodes)

    def tensor(self, index: int, subgraph: int = 0) -> Tensor:
        """Return the tensor with that index, as `interpreter.get_tensor_details()` counts.

        Raises:
            KeyError: there is none.
        """
        return self._by_index[subgraph, index]

    @cached_property
    def _by_index(self) -> dict[tuple[int, int], Tensor]:
        return {(tensor.subgraph, tensor.index): tensor for tensor in self.tensors}


def read(source: Path | str | Content) -> Deployable:
    """Read a `.tflite` file, or the bytes of one.

    Raises:
        UserError: the file can't be read, or isn't a valid TensorFlow Lite model.
    """
    where, data = _load(source)
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise UserError(f"{where} is not a TensorFlow Lite model (no TFL3 mark); give a .tflite")
    try:
        return _Reader(data).deployable()
    except Exception as error:  # a hostile file can make the parser raise anything
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"{where} is damaged and can't be read: {detail}") from error


def zipped(data: Content, name: str = "model.tflite", level: int = 9) -> Content:
    """Return a zip archive of one file: DEFLATE, a fixed time stamp, no attributes.

    The same bytes give the same archive wherever zlib is the same.

    Args:
        data: the file.
        name: the file's name in the archive.
        level: of DEFLATE; the records' sizes are at 9, which packs the most.
    """
    target = io.BytesIO()
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, data, compresslevel=level)
    return target.getvalue()


def replaced(deployable: Deployable, values: Mapping[tuple[int, int], NDArray[Any]]) -> Content:
    """Return the file with other numbers in some of its constants, all else byte for byte.

    Args:
        deployable: the file.
        values: the new numbers by (subgraph, index), in the type and shape of what they replace.

    Raises:
        UserError: a tensor is no dense constant, or the numbers don't fit it.
    """
    data = bytearray(deployable.data)
    whole = np.frombuffer(deployable.data, np.uint8).ctypes.data
    for (subgraph, index), numbers in values.items():
        tensor = deployable.tensor(index, subgraph)
        fits = (str(numbers.dtype), numbers.shape) == (tensor.dtype, tensor.shape)
        if tensor.content is None or tensor.sparsity is not None or not fits:
            raise UserError(f"{tensor.name} can't take {numbers.dtype} {list(numbers.shape)}")
        start = np.frombuffer(tensor.content, np.uint8).ctypes.data - whole
        data[start : start + len(tensor.content)] = numbers.tobytes()
    return bytes(data)


def float_operators(deployable: Deployable) -> list[Operator]:
    """Return the operators that compute with floating-point numbers.

    Left out are QUANTIZE of an input and DEQUANTIZE to an output of the whole network: a full
    integer file may keep float32 at its boundary. An empty list means "integers only".
    """
    first = {tensor.index for tensor in deployable.inputs}
    last = {tensor.index for tensor in deployable.outputs}

    def boundary(node: Operator) -> bool:
        if node.subgraph:
            return False
        enters = node.name == "QUANTIZE" and first.issuperset(node.inputs)
        return enters or (node.name == "DEQUANTIZE" and last.issuperset(node.outputs))

    def computes(node: Operator) -> bool:
        used = (index for index in (*node.inputs, *node.outputs) if index >= 0)
        return any(deployable.tensor(index, node.subgraph).is_float for index in used)

    return [node for node in deployable.nodes if computes(node) and not boundary(node)]


def kernel(found: Deployable, node: Operator) -> Tensor | None:
    """Return the constant weights of an operator, also where they are unpacked first, or None."""
    tensors = [tensor for tensor in found.tensors if tensor.subgraph == node.subgraph]
    made = {
        index: other
        for other in found.nodes
        if other.subgraph == node.subgraph and other.name in _UNPACKING
        for index in other.outputs
    }
    return _constant(node, KERNELS.get(node.name), tensors, made)


def _load(source: Path | str | Content) -> tuple[str, Content]:
    """Return what to call the source in a message, and its bytes."""
    if isinstance(source, bytes | bytearray | memoryview):
        return "the model given as bytes", bytes(source)
    path = Path(source)
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path} is larger than 2 GiB; no .tflite is")
        return str(path), path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}") from error


class _Reader:
    """Walks the flatbuffer, counting what it visits: shared or endless parts end in an error."""

    def __init__(self, data: Content) -> None:
        self._data = data
        self._model = tflite.Model.GetRootAs(data, 0)
        self._objects = _OBJECTS
        self._elements = min(_ELEMENTS, 4 * len(data))

    def deployable(self) -> Deployable:
        if self._model.Version() != 3:
            raise ValueError(f"schema version {self._model.Version()} instead of 3")
        self._codes = [self._code(code) for code in self._each(self._model, "OperatorCodes")]
        self._buffers = list(self._each(self._model, "Buffers"))
        graphs = list(self._each(self._model, "Subgraphs"))
        if not graphs:
            raise ValueError("it has no graph")
        tensors: list[Tensor] = []
        nodes: list[Operator] = []
        layers: list[Layer] = []
        ends: tuple[tuple[Tensor, ...], tuple[Tensor, ...]] = ((), ())
        for number, graph in enumerate(graphs):
            own = [self._tensor(number, *item) for item in enumerate(self._each(graph, "Tensors"))]
            run = [self._operator(number, own, node) for node in self._each(graph, "Operators")]
            tensors, nodes, layers = tensors + own, nodes + run, layers + list(_layers(own, run))
            if number == 0:
                ends = self._ends(graph, "Inputs", own), self._ends(graph, "Outputs", own)
        return Deployable(self._data, tuple(tensors), tuple(nodes), *ends, tuple(layers))

    def _ends(self, graph: Any, name: str, tensors: list[Tensor]) -> tuple[Tensor, ...]:
        return tuple(tensors[_within(index, tensors)] for index in self._numbers(graph, name))

    def _each(self, table: Any, name: str) -> Iterator[Any]:
        """Yield the tables in the vector `name` of `table`."""
        length = getattr(table, f"{name}Length")()
        self._objects -= length
        if self._objects < 0 or 4 * length > len(self._data):
            raise ValueError(f"it claims {length} {name.lower()}")
        return (getattr(table, name)(index) for index in range(length))

    def _array(self, table: Any, name: str) -> NDArray[Any]:
        """Return the vector of numbers `name` of `table`; without one, an empty array."""
        found = getattr(table, f"{name}AsNumpy")()
        if isinstance(found, int):  # the generated code says 0 where there is no vector
            return np.zeros(0, np.int64)
        self._spend(found.size)
        return found

    def _numbers(self, table: Any, name: str) -> tuple[int, ...]:
        return tuple(self._array(table, name).tolist())

    def _spend(self, elements: int) -> None:
        self._elements -= elements
        if self._elements < 0:
            raise ValueError("its parts claim more than the file holds")

    def _text(self, found: Content | None) -> str:
        self._spend(len(found or b""))
        return (found or b"").decode("utf-8", "replace")

    def _code(self, code: Any) -> tuple[str, int]:
        """Return an operator code's name and version; codes above 127 moved to a second field."""
        number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        name = tflite.BUILTIN_OPCODE2NAME.get(number, f"BUILTIN_{number}")
        if name == "CUSTOM":
            name = f"CUSTOM:{self._text(code.CustomCode())}"
        return name, code.Version()

    def _tensor(self, subgraph: int, index: int, table: Any) -> Tensor:
        kind = _TYPE_NAMES.get(table.Type(), f"TYPE{table.Type()}")
        dtype = _DTYPES.get(kind, kind.lower())
        shape = self._numbers(table, "Shape")
        if len(shape) > 32 or any(size < 0 for size in shape) or math.prod(shape) > 2**40:
            raise ValueError(f"tensor {index} has the shape {shape[:8]}")
        scale, zero_point, axis = self._quantization(index, shape, table.Quantization())
        tensor = Tensor(
            subgraph=subgraph,
            index=index,
            name=self._text(table.Name()),
            shape=shape,
            dtype=dtype,
            scale=scale,
            zero_point=zero_point,
            axis=axis,
            content=self._content(table.Buffer()),
            sparsity=self._sparsity(table.Sparsity()),
        )
        _check(tensor)
        return tensor

    def _quantization(
        self, index: int, shape: tuple[int, ...], table: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
        if table is None:
            return np.zeros(0, np.float32), np.zeros(0, np.int64), 0
        scale = self._array(table, "Scale").astype(np.float32)
        zero_point = self._array(table, "ZeroPoint").astype(np.int64)
        axis = table.QuantizedDimension()
        for numbers in (scale, zero_point):
            if len(numbers) > 1 and (not 0 <= axis < len(shape) or len(numbers) != shape[axis]):
                raise ValueError(f"tensor {index} has {len(numbers)} scales for the shape {shape}")
        return scale, zero_point, axis

    def _content(self, index: int) -> memoryview | None:
        """Return the bytes of a buffer; None for buffer 0 and empty ones, which mean "no data"."""
        buffer = self._buffers[_within(index, self._buffers)]
        if buffer.Offset() > 1:  # behind the flatbuffer, where files above 2 GiB keep them
            if buffer.Offset() + buffer.Size() > len(self._data):
                raise ValueError(f"buffer {index} ends behind the file")
            return memoryview(self._data)[buffer.Offset() : buffer.Offset() + buffer.Size()]
        found = buffer.DataAsNumpy()
        return None if isinstance(found, int) or not found.size else memoryview(found)

    def _sparsity(self, table: Any) -> Sparsity | None:
        if table is None:
            return None
        return Sparsity(
            order=self._numbers(table, "TraversalOrder"),
            blocks=self._numbers(table, "BlockMap"),
            levels=tuple(self._level(level) for level in self._each(table, "DimMetadata")),
        )

    def _level(self, level: Any) -> int | tuple[NDArray[Any], NDArray[Any]]:
        if level.Format() == tflite.DimensionType.DENSE:
            return int(level.DenseSize())
        segments = self._indices(level.ArraySegmentsType(), level.ArraySegments())
        return segments, self._indices(level.ArrayIndicesType(), level.ArrayIndices())

    def _indices(self, kind: int, union: Any) -> NDArray[Any]:
        types = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}
        vector = types[kind]()
        vector.Init(union.Bytes, union.Pos)
        return self._array(vector, "Values").astype(np.int64)

    def _operator(self, subgraph: int, tensors: list[Tensor], table: Any) -> Operator:
        name, version = self._codes[_within(table.OpcodeIndex(), self._codes)]
        inputs, outputs = self._numbers(table, "Inputs"), self._numbers(table, "Outputs")
        for index in (*inputs, *outputs):
            if index != -1:
                _within(index, tensors)
        macs = _macs(name, tensors, inputs, outputs)
        return Operator(subgraph, name, version, inputs, outputs, macs, _options(name, table))


def _within(index: int, items: list[Any]) -> int:
    if not 0 <= index < len(items):  # Python would count a negative index from the end
        raise ValueError(f"index {index} of {len(items)}")
    return index


def _check(tensor: Tensor) -> None:
    """Raise ValueError where a constant's bytes don't fit its shape and type."""
    if tensor.content is None:
        return
    if tensor.sparsity is not None:
        tensor.data()
    elif bits := _bits(tensor.dtype):
        held, expected = len(tensor.content), -(-tensor.elements * bits // 8)
        if held != expected:
            raise ValueError(f"tensor {tensor.index} holds {held} bytes instead of {expected}")


def _bits(dtype: str) -> int:
    """Return how many bits an element takes; 0 where they don't all take the same."""
    if dtype in _DTYPES.values():
        return 8 * np.dtype(dtype).itemsize
    return 16 if dtype == "bfloat16" else _PACKED.get(dtype, 0)


def _decode(content: memoryview, dtype: str) -> NDArray[Any]:
    """Return stored numbers as a flat array; packed ones may be followed by padding."""
    if dtype in _PACKED:
        bits = _PACKED[dtype]
        packed = np.frombuffer(content, np.int8)
        shifts = np.arange(8 - bits, -1, -bits, dtype=np.int8)  # the lowest bits come first
        return ((packed[:, None] << shifts) >> np.int8(8 - bits)).ravel()
    if dtype == "bfloat16":
        return (np.frombuffer(content, np.uint16).astype(np.uint32) << 16).view(np.float32)
    if dtype not in _DTYPES.values():
        raise UserError(f"constants of the type {dtype} can't be read as numbers")
    return np.frombuffer(content, dtype)


def _dense(tensor: Tensor, values: NDArray[Any]) -> NDArray[Any]:
    """Return the dense form of a tensor of which only `values` are stored.

    The levels are unfolded one after the other: after each, there is one coordinate array a
    level, with one entry a node of the tree of compressed rows.
    """
    sparsity = tensor.sparsity
    assert sparsity is not None
    rank = len(tensor.shape)
    if sorted(sparsity.order) != list(range(len(sparsity.levels))) or len(sparsity.order) != (
        rank + len(sparsity.blocks)
    ):
        raise ValueError(f"tensor {tensor.index} has a traversal order that doesn't fit its shape")
    if tensor.elements > _LARGEST_SPARSE:
        raise ValueError(f"tensor {tensor.index} is sparse and too large ({tensor.shape})")
    found: dict[int, NDArray[np.int64]] = {}
    block_sizes: dict[int, int] = {}
    nodes = 1
    for dimension, level in zip(sparsity.order, sparsity.levels, strict=True):
        counts, own = _unfold(level, nodes)
        found = {key: np.repeat(known, counts) for key, known in found.items()}
        found[dimension] = own
        nodes = len(own)
        if dimension >= rank:
            block_sizes[sparsity.blocks[dimension - rank]] = _size(level)
    coordinates = [found[dimension] * block_sizes.get(dimension, 1) for dimension in range(rank)]
    for number, dimension in enumerate(sparsity.blocks):
        coordinates[dimension] = coordinates[dimension] + found[rank + number]
    dense = np.zeros(tensor.shape, values.dtype)
    flat = np.ravel_multi_index(tuple(coordinates), tensor.shape)  # raises when out of bounds
    if len(values) < nodes:
        raise ValueError(f"tensor {tensor.index} holds {len(values)} values instead of {nodes}")
    dense.ravel()[flat] = values[:nodes]
    return dense


def _unfold(
    level: int | tuple[NDArray[Any], NDArray[Any]], nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many children each node of the level above has, and the children's coordinates."""
    if isinstance(level, int):
        if level < 0 or level * nodes > _LARGEST_SPARSE:
            raise ValueError(f"a dense dimension of {level}")
        return np.full(nodes, level, np.int64), np.tile(np.arange(level), nodes)
    segments, indices = level
    counts = np.diff(segments)
    if len(segments) != nodes + 1 or segments[0] != 0 or (counts < 0).any():
        raise ValueError("compressed rows that don't fit")
    if segments[-1] > min(len(indices), _LARGEST_SPARSE):
        raise ValueError("compressed rows with too few indices")
    return counts, indices[: segments[-1]]


def _size(level: int | tuple[NDArray[Any], NDArray[Any]]) -> int:
    if not isinstance(level, int):
        raise ValueError("a block dimension that isn't dense")
    return level


def _macs(
    name: str, tensors: list[Tensor], inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> int:
    """Return the multiply-accumulates of an operator with weights, 0 for every other."""
    if name not in KERNELS or len(inputs) <= KERNELS[name] or not outputs:
        return 0
    if min(inputs[KERNELS[name]], outputs[0]) < 0:
        return 0
    kernel, result = tensors[inputs[KERNELS[name]]], tensors[outputs[0]]
    if name == "TRANSPOSE_CONV":
        source = tensors[inputs[2]] if len(inputs) > 2 and inputs[2] >= 0 else result
        return source.elements * math.prod(kernel.shape[:-1])
    if name == "DEPTHWISE_CONV_2D":
        return result.elements * math.prod(kernel.shape[1:3])
    return result.elements * math.prod(kernel.shape[1:])


_OPTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "FULLY_CONNECTED": tflite.FullyConnectedOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
    "AVERAGE_POOL_2D": tflite.Pool2DOptions,
    "ADD": tflite.AddOptions,
    "MUL": tflite.MulOptions,
}
_ACTIVATIONS = {
    code: name for name, code in vars(tflite.ActivationFunctionType).items() if name.isupper()
}


def _options(name: str, table: Any) -> Options:
    """Return what the options of an operator say that this module knows."""
    union = table.BuiltinOptions()
    if name not in _OPTIONS or union is None:
        return Options()
    found = _OPTIONS[name]()
    found.Init(union.Bytes, union.Pos)

    def pair(row: str, column: str) -> tuple[int, int]:
        return (getattr(found, row)(), getattr(found, column)()) if hasattr(found, row) else (1, 1)

    activation = _ACTIVATIONS.get(found.FusedActivationFunction(), "UNKNOWN")
    return Options(
        stride=pair("StrideH", "StrideW"),
        dilation=pair("DilationHFactor", "DilationWFactor"),
        padded=hasattr(found, "Padding") and found.Padding() == tflite.Padding.SAME,
        activation="" if activation == "NONE" else activation,
        asymmetric=name == "FULLY_CONNECTED" and bool(found.AsymmetricQuantizeInputs()),
        window=pair("FilterHeight", "FilterWidth"),
    )


def _layers(tensors: list[Tensor], nodes: list[Operator]) -> Iterator[Layer]:
    """Yield the operators with constant weights of one graph, each constant only once."""
    made = {index: node for node in nodes if node.name in _UNPACKING for index in node.outputs}
    seen: set[int] = set()
    for node in nodes:
        kernel = _constant(node, KERNELS.get(node.name), tensors, made)
        if kernel is None or kernel.index in seen:
            continue
        bias = _constant(node, _BIASES[node.name], tensors, made)
        new_bias = bias is not None and bias.index not in seen
        seen |= {kernel.index} | ({bias.index} if bias else set())
        yield Layer(
            name=kernel.name,
            operator=node.name,
            dtype=kernel.dtype,
            shape=kernel.shape,
            weights=kernel.elements,
            nonzero=kernel.nonzero(),
            biases=bias.elements if bias and new_bias else 0,
            macs=node.macs,
            subgraph=kernel.subgraph,
            index=kernel.index,
        )


def _constant(
    node: Operator, position: int | None, tensors: list[Tensor], made: dict[int, Operator]
) -> Tensor | None:
    """Return the constant behind an operator's input, also through DEQUANTIZE and DENSIFY."""
    if position is None or position >= len(node.inputs):
        return None
    index = node.inputs[position]
    for _ in range(len(_UNPACKING) + 1):  # a damaged file may lead in circles
        if index < 0:
            return None
        if tensors[index].content is not None:
            return tensors[index]
        if index not in made or not made[index].inputs:
            return None
        index = made[index].inputs[0]
    return None
