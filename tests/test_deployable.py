"""What is inside a `.tflite` file, against LiteRT's own view of it; and hostile files."""

import io
import struct
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from dlmo import deployable
from dlmo.deployable import Preprocessing, float_operators, read
from dlmo.errors import UserError
from make_deployables import folder

ALL = (
    "float",
    "dynamic",
    "f16",
    "int8",
    "int8_io",
    "uint8_io",
    "softmax_int8",
    "free_batch",
    "sparse",
    "sparse_dynamic",
    "sparse_encoded",
)
DENSE = tuple(name for name in ALL if name != "sparse_encoded")


@pytest.fixture(scope="session")
def files(pytestconfig: pytest.Config) -> Path:
    return folder(pytestconfig.cache)


def interpreter(files: Path, name: str) -> Any:
    """Return LiteRT's interpreter for a file, without a delegate that would change the graph."""
    found = Interpreter(
        str(files / f"{name}.tflite"),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    found.allocate_tensors()
    return found


@pytest.mark.parametrize("name", ALL)
def test_tensors_are_those_of_the_interpreter(files: Path, name: str) -> None:
    ours = read(files / f"{name}.tflite")
    theirs = {detail["index"]: detail for detail in interpreter(files, name).get_tensor_details()}
    for tensor in ours.tensors:
        detail = theirs[tensor.index]
        assert detail["name"] in (tensor.name, "Densify_output")  # LiteRT renames those
        assert tensor.shape == tuple(detail["shape"])
        assert np.dtype(tensor.dtype) == detail["dtype"]
        quantization = detail["quantization_parameters"]
        assert np.array_equal(tensor.scale, quantization["scales"])
        assert np.array_equal(tensor.zero_point, quantization["zero_points"])
        assert tensor.axis == quantization["quantized_dimension"]


@pytest.mark.parametrize("name", ALL)
def test_operators_are_those_of_the_interpreter(files: Path, name: str) -> None:
    expected = Counter(node["op_name"] for node in interpreter(files, name)._get_ops_details())
    found = read(files / f"{name}.tflite")
    assert found.operators == expected
    assert list(found.operators) == sorted(expected)
    assert set(found.versions) == set(expected)
    assert found.versions["CONV_2D"] >= (2 if "int8" in name else 1)


@pytest.mark.parametrize("name", DENSE)
def test_constants_are_those_of_the_interpreter(files: Path, name: str) -> None:
    runtime = interpreter(files, name)
    constants = [t for t in read(files / f"{name}.tflite").tensors if t.content is not None]
    assert constants
    for tensor in constants:
        assert np.array_equal(tensor.data(), runtime.get_tensor(tensor.index))


def test_encoded_weights_are_those_of_the_dense_file(files: Path) -> None:
    """The same network, stored as it is and stored sparse."""
    dense, encoded = (read(files / f"{name}.tflite") for name in ("sparse", "sparse_encoded"))
    for ours, theirs in zip(encoded.layers, dense.layers, strict=True):
        tensor = next(tensor for tensor in encoded.tensors if tensor.name == ours.name)
        expected = next(tensor for tensor in dense.tensors if tensor.name == theirs.name)
        assert tensor.sparsity is not None and expected.sparsity is None
        assert np.array_equal(tensor.data(), expected.data())


def test_real_values_of_quantized_weights_are_near_the_float_ones(files: Path) -> None:
    exact = {tensor.name: tensor for tensor in read(files / "float.tflite").tensors}
    layers = read(files / "int8.tflite").layers
    quantized = {tensor.name: tensor for tensor in read(files / "int8.tflite").tensors}
    for layer in layers:
        tensor = quantized[layer.name]
        values, expected = tensor.values(), exact[layer.name].values()
        assert values is not None and expected is not None
        assert np.abs(values - expected).max() <= tensor.scale.max() * 0.5001


@pytest.mark.parametrize("name", DENSE)
def test_nonzero_weights_are_counted(files: Path, name: str) -> None:
    """Counted from the interpreter's tensors: every constant with two dimensions or more."""
    runtime = interpreter(files, name)
    constants = [t for t in read(files / f"{name}.tflite").tensors if t.content is not None]
    kernels = [runtime.get_tensor(t.index) for t in constants if len(t.shape) >= 2]
    nonzero = sum(np.count_nonzero(kernel) for kernel in kernels)
    found = read(files / f"{name}.tflite")
    assert found.weights == sum(kernel.size for kernel in kernels)
    assert found.nonzero == nonzero / found.weights
    assert found.sparsity == 1 - found.nonzero
    assert [layer.operator for layer in found.layers] == (
        ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "FULLY_CONNECTED", "FULLY_CONNECTED"]
    )


@pytest.mark.parametrize("name", ["sparse", "sparse_dynamic", "sparse_encoded"])
def test_a_pruned_file_shows_its_zeros_in_every_layer(files: Path, name: str) -> None:
    for layer in read(files / f"{name}.tflite").layers:
        assert layer.sparsity == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("name", ["float", "f16", "free_batch"])
def test_parameters_and_work_are_those_of_the_network(files: Path, name: str) -> None:
    """By hand: 16x16x3, a stem of 8 with stride 2, a depthwise, 16 pointwise, 24 and 10."""
    found = read(files / f"{name}.tflite")
    kernels = [8 * 27, 9 * 8, 8 * 16, 5 * 5 * 16 * 24, 24 * 10]
    assert [layer.weights for layer in found.layers] == kernels
    assert found.parameters == sum(kernels) + 8 + 8 + 16 + 24 + 10
    positions = [7 * 7, 5 * 5, 5 * 5, 1, 1]
    assert found.macs == sum(n * p for n, p in zip(kernels, positions, strict=True))


def test_ends_and_sizes(files: Path) -> None:
    path = files / "int8_io.tflite"
    found = read(path)
    assert (found.inputs[0].shape, found.inputs[0].dtype) == ((1, 16, 16, 3), "int8")
    assert (found.outputs[0].shape, found.outputs[0].dtype) == ((1, 10), "int8")
    assert found.bytes == path.stat().st_size == len(found.data)
    assert read(path.read_bytes()).sha256 == found.sha256
    with pytest.raises(KeyError):
        found.tensor(10_000)


def test_the_zipped_size_is_reproducible_and_its_content_the_file(files: Path) -> None:
    data = (files / "sparse.tflite").read_bytes()
    archive = deployable.zipped(data)
    time.sleep(0.01)
    assert deployable.zipped(data) == archive
    assert read(data).zipped_bytes == len(archive) < 0.35 * len(data)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        (entry,) = opened.infolist()
        assert opened.read(entry) == data
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)


def test_float_operators_are_found_but_at_the_boundary(files: Path) -> None:
    for name in ("int8", "int8_io", "uint8_io", "softmax_int8"):
        assert float_operators(read(files / f"{name}.tflite")) == []
    for name in ("float", "f16", "dynamic"):
        names = {node.name for node in float_operators(read(files / f"{name}.tflite"))}
        assert {"CONV_2D", "FULLY_CONNECTED"} <= names


def test_preprocessing_is_exact_and_maps_bytes_to_minus_one_to_one() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    found = Preprocessing().apply(images)
    assert found.dtype == np.float32 and found.shape == images.shape
    expected = (images.astype(np.float64) / 127.5 - 1).astype(np.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=6e-8)
    assert found.min() == -1 and found.max() == 1
    raw = Preprocessing(scale=1, offset=0).apply(images)
    assert np.array_equal(raw, images)
    with pytest.raises(UserError, match="must be uint8"):
        Preprocessing().apply(images.astype(np.int32))  # type: ignore[arg-type]


# Hostile files. Whatever they hold, the answer is a Deployable or a UserError, and soon.


def survives(data: bytes) -> bool:
    began = time.monotonic()
    try:
        found = read(data)
    except UserError as error:
        assert "\n" not in str(error)
        return False
    finally:
        assert time.monotonic() - began < 5
    assert found.parameters >= 0 and found.macs >= 0 and 0 <= found.nonzero <= 1
    assert found.operators is not None and float_operators(found) is not None
    return True


def mutated(data: bytes, chance: np.random.Generator) -> bytes:
    """Change 1 to 30 bytes, half the time to a value that is likely to hurt."""
    changed = np.frombuffer(data, np.uint8).copy()
    where = chance.integers(4, len(data), chance.integers(1, 31))
    values = chance.integers(0, 256, len(where))
    extreme = chance.choice([0, 1, 127, 128, 255], len(where))
    changed[where] = np.where(chance.random(len(where)) < 0.5, extreme, values)
    return changed.tobytes()


@pytest.mark.parametrize("name", ["float", "int8_io", "sparse_encoded"])
def test_changed_bytes_never_crash(files: Path, name: str) -> None:
    data = (files / f"{name}.tflite").read_bytes()
    chance = np.random.default_rng(sum(name.encode()))
    results = [survives(mutated(data, chance)) for _ in range(150)]
    assert any(results) and not all(results)


def test_truncated_files_never_crash(files: Path) -> None:
    data = (files / "int8.tflite").read_bytes()
    for length in np.random.default_rng(5).integers(0, len(data), 60):
        survives(data[:length])
        assert not survives(data[: length // 4])


def test_noise_never_crashes() -> None:
    chance = np.random.default_rng(7)
    for length in chance.integers(0, 3000, 200):
        noise = chance.bytes(int(length))
        assert not survives(noise)
        survives(struct.pack("<I", 16) + b"TFL3" + noise)
    for byte in (b"\0", b"\1", b"\x04", b"\x10", b"\xff"):
        survives(b"\x10\0\0\0TFL3" + byte * 100_000)


def test_a_small_file_that_claims_to_be_endless_is_refused_soon() -> None:
    """100,000 graphs, all the same one, which has 100,000 tensors, all the same one."""
    count = 100_000
    down = 4 * np.arange(count, 0, -1)  # from each entry of a vector to where the vector ends
    model = struct.pack("<7H2xi3I", 14, 16, 4, 0, 8, 0, 12, 16, 3, 24, 4)  # version 3
    buffers = struct.pack("<2I2Hi", 1, 8, 4, 4, 4)
    graph = struct.pack("<3H2xiI", 6, 8, 4, 8, 4)
    graphs = struct.pack("<I", count) + (down + 8).astype("<u4").tobytes() + graph
    tensors = struct.pack("<I", count) + (down + 4).astype("<u4").tobytes()
    data = struct.pack("<I4s", 24, b"TFL3") + model + buffers + graphs + tensors
    with pytest.raises(UserError, match="it claims 100000 tensors"):
        read(data + struct.pack("<2Hi", 4, 4, 4))
    began = time.monotonic()
    assert not survives(data + struct.pack("<2Hi", 4, 4, 4))
    assert time.monotonic() - began < 5


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path / "missing.tflite")
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path)
    (tmp_path / "model.h5").write_bytes(b"\x89HDF" * 20)
    with pytest.raises(UserError, match=r"model\.h5 is not a TensorFlow Lite model"):
        read(tmp_path / "model.h5")
    with pytest.raises(UserError, match="model given as bytes"):
        read(b"")
