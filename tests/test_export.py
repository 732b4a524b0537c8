"""What leaves the house: exported files compile, run and are what their records say; `inspect`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

import make_deployables
from dlmo import cli, deployable, instruments, paths, records
from dlmo.deployable import Preprocessing
from dlmo.report import exporting, inspection


def run(*arguments: str) -> int:
    return cli.run_command(list(arguments))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "FIQ"
    assert run("export", "cifar10/vggnet/FIQ/reference/0", "--to", str(folder)) == 0
    return folder


@pytest.fixture(scope="module")
def tflites(request: pytest.FixtureRequest) -> Path:
    return make_deployables.folder(request.config.cache)


def test_the_file_is_that_of_the_record(exported: Path) -> None:
    record = json.loads((exported / "record.json").read_text())
    content = (exported / "model.tflite").read_bytes()
    assert records.sha256(content) == record["sha256"] and record["trial"]["technique"] == "FIQ"
    assert (exported / "labels.txt").read_text().split()[:2] == ["airplane", "automobile"]
    card = (exported / "MODEL_CARD.md").read_text()
    assert record["sha256"] in card and record["key"] in card
    rows = records.select(network="vggnet", technique="FIQ", profile="reference", seed=0)
    row = rows.set_index("dataset").loc["cifar10"]
    assert f"{100 * row['accuracy']:.1f}\u00a0%" in card
    assert f"{row['latency_ratio']:.2f} times" in card


def test_the_python_code_classifies_as_the_file_does(exported: Path, tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    for number in range(3):
        pixels = dice.integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    files = sorted(tmp_path.glob("*.png"))
    line = [sys.executable, str(exported / "predict.py"), *map(str, files)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    expected = instruments.accuracy(exported / "model.tflite", images)
    labels = (exported / "labels.txt").read_text().split()
    for said, class_, share in zip(
        done.stdout.splitlines(), expected.classes, expected.probabilities, strict=True
    ):
        assert said.endswith(f": {labels[class_]} ({float(share):.1%})") or labels[class_] in said


MAIN = """
#include <stdio.h>
#include "model_data.h"
#include "preprocess.h"
int main(void) {
  static uint8_t pixels[DLMO_HEIGHT * DLMO_WIDTH * DLMO_CHANNELS];
  static dlmo_input_t input[DLMO_HEIGHT * DLMO_WIDTH * DLMO_CHANNELS];
  for (size_t i = 0; i < sizeof pixels; ++i) pixels[i] = (uint8_t)(i * 7);
  dlmo_preprocess(pixels, input);
  fwrite(dlmo_model, 1, dlmo_model_bytes, stdout);
  fwrite(input, sizeof *input, sizeof pixels, stdout);
  return ((size_t)dlmo_model % 16) != 0;
}
"""


def compiled(folder: Path, work: Path) -> bytes:
    (work / "main.c").write_text(MAIN)
    line = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{folder}", str(work / "main.c")]
    line += [str(folder / "model_data.c"), "-o", str(work / "main"), "-lm"]
    subprocess.run(line, check=True, capture_output=True)
    return subprocess.run([str(work / "main")], check=True, capture_output=True).stdout


def pixels(size: int) -> np.ndarray:
    return (np.arange(size * size * 3) * 7 % 256).astype(np.uint8).reshape(size, size, 3)


def test_the_c_array_is_the_file_and_the_c_code_preprocesses_alike(
    exported: Path, tmp_path: Path
) -> None:
    said = compiled(exported, tmp_path)
    content = (exported / "model.tflite").read_bytes()
    assert said[: len(content)] == content
    values = np.frombuffer(said[len(content) :], np.float32).reshape(32, 32, 3)
    np.testing.assert_allclose(values, Preprocessing().apply(pixels(32)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("file", ["int8_io", "uint8_io"])
def test_quantized_inputs_are_rounded_as_the_instrument_does(
    tflites: Path, tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (tflites / f"{file}.tflite").read_bytes()
    record = records.select(technique="FIQ", profile="reference", seed=0).iloc[0]["deployable_key"]
    made = records.find(record).model_copy(
        update={"preprocessing": Preprocessing.parse("120:115:100/60:58:57")}
    )
    monkeypatch.setattr(exporting, "_content", lambda record: content)
    exporting.export(made, tuple("abcdefghij"), tmp_path / "out")
    said = compiled(tmp_path / "out", tmp_path)[len(content) :]
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    scale, zero_point = detail["quantization"]
    real = made.preprocessing.apply(pixels(16)).astype(np.float64) / scale
    expected = np.trunc(real + np.copysign(0.5, real)) + zero_point
    limits = np.iinfo(detail["dtype"])
    found = np.frombuffer(said, detail["dtype"]).reshape(16, 16, 3)
    np.testing.assert_array_equal(found, np.clip(expected, limits.min, limits.max))


@pytest.mark.parametrize(
    ("trial", "why"),
    [
        ("cifar10/vggnet/FIQ", "is no trial; write dataset/network/technique/profile/seed"),
        ("cifar10/vggnet/FIX/reference/0", "unknown technique 'FIX'"),
        ("cifar10/vggnet/FIQ/reference/99", "is not measured yet"),
        ("ffff", "0 files have a key that begins with ffff"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trial: str, why: str
) -> None:
    assert run("export", trial, "--to", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert why in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert run("export", "cifar10/vggnet/NQ/reference/0", "--to", str(tmp_path)) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


# Inspecting -------------------------------------------------------------------------------------


def kept(technique: str) -> Path:
    return next((paths.models() / "cifar10/vggnet").glob(f"{technique}-reference-0.*.tflite"))


@pytest.mark.parametrize("technique", ["NQ", "BLQ", "FIQ", "F16", "PRN"])
def test_an_inspection_counts_what_the_file_holds(technique: str) -> None:
    found = inspection.inspect(kept(technique))
    assert found.facts["parameters"] == 13_962 and found.facts["macs"] == 1_116_160
    assert sum(row["macs"] for row in found.operators) == 1_116_160
    assert sum(row["weights"] for row in found.operators) == 13_912
    assert all(row["xnnpack"] for row in found.operators)
    if technique == "PRN":
        assert found.facts["sparsity"] == pytest.approx(0.8, abs=0.001)
    if technique == "FIQ":
        kernel = next(row for row in found.tensors if row["scales"] == 16)
        assert kernel["type"] in ("int8", "int32")


def test_an_inspection_of_a_cut_graph_says_where_it_is_cut(tflites: Path) -> None:
    found = deployable.read(tflites / "float.tflite")
    said = instruments.delegated(tflites / "float.tflite")
    interpreter = Interpreter(model_path=str(tflites / "float.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    left = [node["op_name"] for node in interpreter._get_ops_details()]
    assert len(said) == len(found.nodes) and left.count("DELEGATE") >= 1 and all(said)


def test_the_command_prints_files_of_both_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", str(kept("FIQ")), "--format", "json", "--tensors") == 0
    said = json.loads(capsys.readouterr().out)
    # TFLite Micro takes 18,144 bytes for it.
    assert said["facts"]["microcontroller_ram"] == pytest.approx(18_144, rel=0.03)
    assert said["tensors"]
    assert run("inspect", str(kept("F16"))) == 0
    assert "TFLite Micro has no 16-bit floats" in capsys.readouterr().out


@pytest.mark.parametrize("data", [b"", b"\x1c\0\0\0TFL3" + bytes(2000), b"\0" * 100])
def test_a_file_that_is_none_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "a.tflite").write_bytes(data)
    assert run("inspect", str(tmp_path / "a.tflite")) == 2
    error = capsys.readouterr().err
    assert error.startswith("dlmo: error: ") and error.count("\n") == 1
