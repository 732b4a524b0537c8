"""The instruments against plain loops over an interpreter; and files that abort or take ages."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from loky import ProcessPoolExecutor
from numpy.typing import NDArray

from dlmo import deployable, microcontroller
from dlmo.deployable import Preprocessing
from dlmo.errors import UserError
from dlmo.instruments import accuracy, footprint, latency, memory, timing
from dlmo.instruments.process import ChildError
from make_deployables import SHAPE, folder
from test_deployable import mutated

RESOLVERS = {
    "xnnpack": OpResolverType.BUILTIN,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}


@pytest.fixture(scope="session")
def files(pytestconfig: pytest.Config) -> Path:
    return folder(pytestconfig.cache)


@pytest.fixture(scope="session")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (601, *SHAPE), dtype=np.uint8)


@pytest.fixture
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a latency in a test from waiting for whoever else uses the machine."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def plain_loop(path: Path, images: NDArray[np.uint8], kernels: str) -> NDArray[np.float32]:
    """Return real outputs [n, 10], written as directly as it can be."""
    interpreter = Interpreter(
        str(path), num_threads=1, experimental_op_resolver_type=RESOLVERS[kernels]
    )
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rows = []
    for image in images:
        x = (image.astype(np.float64) / 127.5 - 1).astype(np.float32)[None]
        scale, zero_point = source["quantization"]
        if source["dtype"] != np.float32:
            limits = np.iinfo(source["dtype"])
            steps = np.floor(x.astype(np.float64) / scale + zero_point + 0.5)
            x = np.clip(steps, limits.min, limits.max).astype(source["dtype"])
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        y = interpreter.get_tensor(target["index"])[0]
        if target["dtype"] != np.float32:
            scale, zero_point = target["quantization"]
            y = ((y.astype(np.int64) - zero_point) * np.float32(scale)).astype(np.float32)
        rows.append(y)
    return np.array(rows)


CASES = [
    ("float", "xnnpack"),
    ("dynamic", "xnnpack"),
    ("f16", "xnnpack"),
    ("free_batch", "xnnpack"),
    ("int8", "xnnpack"),
    ("int8_io", "builtin"),
    ("uint8_io", "builtin"),
    ("softmax_int8", "xnnpack"),
    ("float", "reference"),
]


@pytest.mark.parametrize(("name", "kernels"), CASES)
def test_predictions_are_those_of_a_plain_loop(
    files: Path, images: NDArray[np.uint8], name: str, kernels: str
) -> None:
    path = files / f"{name}.tflite"
    found = accuracy(path, images, kernels=kernels, top=3)
    real = plain_loop(path, images, kernels)
    assert found.classes.dtype == np.uint8
    assert np.array_equal(found.classes, real.argmax(axis=1))
    assert np.array_equal(found.ranking, np.argsort(-real, axis=1, kind="stable")[:, :3])
    powers = np.exp(real.astype(np.float64))
    probabilities = real if name == "softmax_int8" else powers / powers.sum(axis=1, keepdims=True)
    assert found.probabilities.dtype == np.float16
    np.testing.assert_allclose(found.probabilities, probabilities.max(axis=1), rtol=2e-3)
    assert (found.kernels, found.threads) == (kernels, 1)
    assert found.runtime.startswith("ai-edge-litert")


def test_preprocessing_reaches_the_network(files: Path, images: NDArray[np.uint8]) -> None:
    """An inverted image with an inverted preprocessing is the same image."""
    path = files / "float.tflite"
    plain = accuracy(path, images)
    inverted = accuracy(path, 255 - images, Preprocessing(scale=-1 / 127.5, offset=1))
    assert np.array_equal(plain.classes, inverted.classes)
    assert plain.accuracy(plain.classes) == 1
    assert plain.accuracy((plain.classes + 1) % 10) == 0
    with pytest.raises(UserError, match="labels for 601 images"):
        plain.accuracy(np.zeros(3, np.int64))


def test_images_that_do_not_fit_are_refused(files: Path, images: NDArray[np.uint8]) -> None:
    path = files / "float.tflite"
    with pytest.raises(UserError, match=r"takes images of the shape \[16, 16, 3\]"):
        accuracy(path, images[:, :8])
    with pytest.raises(UserError, match="must be uint8"):
        accuracy(path, images.astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="at least one"):
        accuracy(path, images[:0])
    with pytest.raises(UserError, match="top must be between 1 and the 10 classes"):
        accuracy(path, images[:1], top=11)


def test_settings_that_make_no_sense_are_refused(files: Path, images: NDArray[np.uint8]) -> None:
    path = files / "float.tflite"
    with pytest.raises(UserError, match="did you mean 'xnnpack'"):
        accuracy(path, images, kernels="xnpack")
    for threads in (0, -1, 1000):
        with pytest.raises(UserError, match="threads must be a whole number"):
            accuracy(path, images, threads=threads)
    with pytest.raises(UserError, match="can't be started"):
        accuracy(path, images, runtime=path.with_name("no-python"))


def test_an_abort_becomes_an_error(files: Path, images: NDArray[np.uint8]) -> None:
    with pytest.raises(UserError, match=r"dead_int8\.tflite.*reference.*SIGABRT") as caught:
        accuracy(files / "dead_int8.tflite", images, kernels="reference")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="SIGABRT"):
        memory(files / "dead_int8.tflite", kernels="reference")


def test_an_operator_that_the_runtime_lacks_is_named(
    files: Path, images: NDArray[np.uint8]
) -> None:
    with pytest.raises(UserError, match=r"foreign\.tflite.*FlexAdjustContrastv2") as caught:
        accuracy(files / "foreign.tflite", images)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert microcontroller.refusal(deployable.read(files / "foreign.tflite")) == (
        "AdjustContrastv2 is an operator of TensorFlow alone"
    )


def test_what_a_child_says_travels_from_a_worker(files: Path, images: NDArray[np.uint8]) -> None:
    with ProcessPoolExecutor(max_workers=1) as pool:
        said = pool.submit(accuracy, files / "foreign.tflite", images).exception()
        assert isinstance(said, ChildError) and "FlexAdjustContrastv2" in str(said)
        assert said.code == 3 and pool.submit(len, "the pool works on").result() == 17


def test_a_run_that_takes_too_long_is_stopped(files: Path, images: NDArray[np.uint8]) -> None:
    many = np.repeat(images, 400, axis=0)
    before = psutil.Process().children()
    began = time.monotonic()
    with pytest.raises(UserError, match=r"big\.tflite.*not done after 3 s"):
        accuracy(files / "big.tflite", many, seconds=3, kernels="reference")
    assert time.monotonic() - began < 12
    assert set(psutil.Process().children()) <= set(before)


def test_hostile_files_never_crash_the_parent(
    files: Path, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Those that reading lets pass are run: predictions or an error, within the time."""
    data = (files / "int8_io.tflite").read_bytes()
    chance = np.random.default_rng(11)
    run = 0
    while run < 12:
        path = tmp_path / f"{run}.tflite"
        path.write_bytes(mutated(data, chance))
        try:
            deployable.read(path)
        except UserError:
            continue
        run += 1
        try:
            accuracy(path, images[:4], seconds=30)
        except UserError as error:
            assert "\n" not in str(error)


def test_not_a_number_is_not_a_prediction(
    files: Path, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    broken = deployable.read(files / "float.tflite")
    bias = next(t for t in broken.tensors if t.content is not None and t.shape == (10,))
    assert bias.content is not None
    values = bytes(bias.content)
    data = broken.data.replace(values, np.full(10, np.nan, np.float32).tobytes())
    (tmp_path / "nan.tflite").write_bytes(data)
    with pytest.raises(UserError, match="not finite"):
        accuracy(tmp_path / "nan.tflite", images[:3])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_the_child_does_not_outlive_a_killed_parent(files: Path) -> None:
    script = (
        "import sys, numpy as np; from pathlib import Path; from dlmo.instruments import accuracy\n"
        "accuracy(Path(sys.argv[1]), np.zeros((20000, 16, 16, 3), np.uint8), kernels='reference')"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(files / "big.tflite")])
    own = psutil.Process(parent.pid)
    deadline = time.monotonic() + 20
    while not (children := own.children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert children and not alive


# Latency


def test_a_wider_network_takes_longer(files: Path, own_locks: None) -> None:
    paths = {name: files / f"{name}.tflite" for name in ("wide", "narrow")}
    paths["again"] = paths["narrow"]
    found = latency(paths, baseline="narrow", processes=2, rounds=10)
    wide, narrow = found.timings["wide"], found.timings["narrow"]
    assert wide.ratio > wide.low > 1.5
    assert wide.high >= wide.ratio
    assert narrow.ratio == narrow.low == narrow.high == 1
    assert found.timings["again"].ratio == 1
    assert 0 < wide.milliseconds <= wide.p99_milliseconds
    assert wide.load_milliseconds > 0 and wide.first_milliseconds > 0
    table, rounds = found.table(), found.rounds()
    assert list(table.index) == ["narrow", "wide", "again"]
    assert len(rounds) == 3 * 2 * 10
    assert rounds[rounds.file == "wide"].ratio.median() == pytest.approx(wide.ratio)
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_the_budget_ends_a_measurement_after_a_round(files: Path, own_locks: None) -> None:
    paths = {name: files / f"{name}.tflite" for name in ("narrow", "big")}
    began = time.monotonic()
    found = latency(
        paths, baseline="narrow", processes=2, rounds=10**6, seconds=1.0, block_ms=5, threads=2
    )
    assert time.monotonic() - began < 8
    assert 1 <= len(found.medians["big"][0]) == len(found.medians["narrow"][1]) < 10**6


def test_a_latency_waits_for_a_training_to_end_its_epoch(
    files: Path, own_locks: None, tmp_path: Path
) -> None:
    script = (
        "import time; from dlmo import machine\n"
        "with machine.training_turn(): print('in', flush=True); time.sleep(2)"
    )
    training = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert training.stdout
    training.stdout.readline()
    path = files / "narrow.tflite"
    latency({"narrow": path}, baseline="narrow", processes=1, rounds=1)
    assert training.wait(0.5) == 0
    training.stdout.close()


def test_latency_refuses_what_it_cannot_time(files: Path, own_locks: None, tmp_path: Path) -> None:
    paths = {"NQ": files / "narrow.tflite"}
    with pytest.raises(UserError, match="unknown baseline 'FIQ'"):
        latency(paths, baseline="FIQ")
    with pytest.raises(UserError, match="must all be positive"):
        latency(paths, baseline="NQ", rounds=0)
    (tmp_path / "broken.tflite").write_bytes(b"\x10\0\0\0TFL3" + bytes(50))
    with pytest.raises(UserError, match=r"broken\.tflite is damaged"):
        latency({**paths, "broken": tmp_path / "broken.tflite"}, baseline="NQ")
    with pytest.raises(UserError, match=r"dead_int8\.tflite.*SIGABRT"):
        latency({**paths, "dead": files / "dead_int8.tflite"}, baseline="NQ", kernels="reference")


def test_the_interval_covers_the_true_ratio_about_as_often_as_it_says() -> None:
    """Made-up measurements: a process has an effect of its own, rounds scatter around it."""
    chance = np.random.default_rng(2)
    covered = 0
    for trial in range(60):
        process = chance.normal(0, 0.05, (12, 1, 1))
        ratios = np.exp(process + chance.normal(0, 0.05, (12, 10, 1)))
        low, high = timing.interval(ratios, seed=trial)
        covered += bool(low[0] <= 1 <= high[0])
    assert covered >= 50


def test_the_interval_is_wider_between_processes_than_within() -> None:
    between = np.repeat(np.linspace(0.8, 1.2, 5)[:, None], 20, axis=1)[:, :, None]
    within = np.repeat(np.linspace(0.8, 1.2, 20)[None, :], 5, axis=0)[:, :, None]
    wide, narrow = (np.ptp(timing.interval(ratios, 0)) for ratios in (between, within))
    assert wide > 2 * narrow


# Memory


def test_memory_grows_by_at_least_the_weights(files: Path) -> None:
    path = files / "big.tflite"
    weights = 4 * deployable.read(path).weights
    big, small = memory(path, kernels="builtin"), memory(files / "narrow.tflite", kernels="builtin")
    assert weights <= big.bytes < 3 * weights
    assert 0 <= big.loaded_bytes <= big.bytes
    assert small.bytes < weights / 2


def test_memory_needs_proc(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "_STATUS", Path("/nowhere/status"))
    with pytest.raises(UserError, match="use Linux"):
        memory(files / "float.tflite")


def test_instruments_do_not_import_tensorflow() -> None:
    script = "import sys, dlmo.instruments; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert not {"tensorflow", "tf_keras", "ai_edge_litert"} & set(out.stdout.split())
