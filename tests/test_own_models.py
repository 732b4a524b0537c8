"""A user's own model: read as data, measured as it is, trained on where its layers admit it."""

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import make_deployables
import make_models
from dlmo import cli, datasets, deployable, instruments, laboratory, records
from dlmo.deployable import Preprocessing
from dlmo.errors import ImpossibleError, UserError
from dlmo.keras_ import keras
from dlmo.laboratory import nodes
from dlmo.networks import own
from dlmo.report import comparison_tables
from dlmo.training import steps
from dlmo.training.batches import normalise
from dlmo.trials import Trial

FILES = {
    "keras2.h5": "keras2",
    "keras2.keras": "keras2",
    "keras2-saved": "keras2",
    "small.h5": "small",
    "keras3.keras": "keras3",
    "keras3.h5": "keras3",
    "keras3-seq.keras": "keras3-seq",
    "keras3-export": "keras3",
}


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest) -> Path:
    return make_models.folder(request.config.cache)


@pytest.fixture(scope="module")
def tflites(request: pytest.FixtureRequest) -> Path:
    return make_deployables.folder(request.config.cache)


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Any:
    # Before anything computes: afterwards every training would need a process of its own.
    steps.configure(1)
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("results", "store", "models"):
            patch.setenv(f"DLMO_{name.upper()}", str(folder / name))
        yield folder


def named(path: Path, options: str = "preprocessing=-1..1") -> str:
    return f"{path}[{options}]"


# Reading ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES)
def test_a_file_says_what_the_keras_that_made_it_says(models: Path, file: str) -> None:
    model = own.build(named(models / file))
    expected = np.load(models / f"{FILES[file]}.npy")
    said = np.asarray(model(make_models.images(model.input_shape[1])))
    np.testing.assert_allclose(said, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("file", ["keras2.h5", "keras3.keras", "keras3-seq.keras"])
def test_training_needs_the_logits_before_a_softmax(models: Path, file: str) -> None:
    name = named(models / file)
    logits = np.asarray(own.build(name, softmax=False)(make_models.images()))
    shares = np.exp(logits - logits.max(1, keepdims=True))
    expected = np.load(models / f"{FILES[file]}.npy")
    np.testing.assert_allclose(shares / shares.sum(1, keepdims=True), expected, atol=1e-5)
    assert own.has_softmax(name)
    assert not any(hasattr(layer, "layers") for layer in own.build(name, softmax=False).layers)


def test_a_lambda_is_executed_only_where_one_says_so(models: Path) -> None:
    for file in ("lambda2.h5", "lambda3.keras"):
        with pytest.raises(UserError, match="holds a Lambda layer, which is a program"):
            own.build(named(models / file))
        assert "DLMO_LAMBDA_RAN" not in os.environ
    own.build(named(models / "lambda2.h5", "preprocessing=raw,lambda=run"))
    assert os.environ.pop("DLMO_LAMBDA_RAN") == "1"
    with pytest.raises(ImpossibleError, match="cannot be trained on"):
        own.trainable(named(models / "lambda2.h5", "preprocessing=raw,lambda=run"))


def test_a_file_imports_nothing_that_it_names(models: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.keras").write_bytes((models / "keras3.keras").read_bytes())
    with zipfile.ZipFile(models / "keras3.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][1] |= {"module": "antigravity", "class_name": "Popen"}
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "evil.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(UserError, match=r"'stem' \(Popen\) is none of Keras' own"):
        own.build(named(tmp_path / "evil.keras"))


# Bad files --------------------------------------------------------------------------------------


def bad(models: Path, tmp_path: Path, kind: str) -> Path:
    whole = (models / "keras2.h5").read_bytes()
    made = {
        "truncated.h5": whole[: len(whole) // 2],
        "truncated.keras": (models / "keras3.keras").read_bytes()[:-200],
        "pickle.h5": pickle.dumps(os.system),
        "empty.keras": b"",
        "text.h5": b"a model\n",
        "random.tflite": np.random.default_rng(0).bytes(5000),
        "header.tflite": b"\x1c\0\0\0TFL3" + np.random.default_rng(0).bytes(5000),
    }
    if kind in made:
        (tmp_path / kind).write_bytes(made[kind])
        return tmp_path / kind
    if kind == "empty-folder":
        (tmp_path / kind).mkdir()
        return tmp_path / kind
    return models / kind


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("truncated.h5", "is no Keras file, or is damaged"),
        ("truncated.keras", "is no Keras file, or is damaged"),
        ("pickle.h5", "is no Keras file, or is damaged"),
        ("empty.keras", "is no Keras file, or is damaged"),
        ("text.h5", "is no Keras file, or is damaged"),
        ("random.tflite", "is not a TensorFlow Lite model"),
        ("header.tflite", "is damaged and can't be read"),
        ("empty-folder", "is no SavedModel"),
        ("weights.h5", "holds weights but no model"),
        ("nan.h5", "its weights are not finite numbers"),
        ("three.h5", "gives [3], and the dataset has 10 classes"),
        ("nowhere.h5", "there is no model"),
    ],
)
def test_a_bad_file_is_one_line(models: Path, tmp_path: Path, kind: str, why: str) -> None:
    with pytest.raises(UserError) as error:
        own.check(named(bad(models, tmp_path, kind)), 10)
    assert why in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("", "say what the input of"),
        ("[preprocessing=half]", "preprocessing 'half': write raw, 0..1, -1..1 or MEAN/DEVIATION"),
        ("[preprocessing=1/0]", "preprocessing '1/0'"),
        ("[preprocessing=1:2/1]", "preprocessing '1:2/1'"),
        ("[preprocessing=nan/1]", "preprocessing 'nan/1'"),
        ("[preprocesing=raw]", "did you mean 'preprocessing'"),
        ("[preprocessing=raw,size=big]", "size=big is no number of pixels"),
        ("[preprocessing=raw,lambda=yes]", "write lambda=run"),
    ],
)
def test_bad_options_are_one_line(models: Path, options: str, why: str) -> None:
    with pytest.raises(UserError) as error:
        own.given(f"{models / 'keras2.h5'}{options}")
    assert why in str(error.value)


def test_a_groupless_h5_is_one_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": 3})
    with pytest.raises(UserError, match="damaged"):
        own.check(named(tmp_path / "a.h5"), 10)


# Preprocessing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("raw", lambda x: x),
        ("0..1", lambda x: x / 255),
        ("-1..1", lambda x: x / 127.5 - 1),
        ("127.5/127.5", lambda x: x / 127.5 - 1),
        ("120:115:100/60:58:57", lambda x: (x - [120, 115, 100]) / [60, 58, 57]),
    ],
)
def test_preprocessing_is_what_it_says_here_and_in_training(text: str, expected: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    found = Preprocessing.parse(text)
    reference = expected(images.astype(np.float64))
    np.testing.assert_allclose(found.apply(images), reference, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(normalise(images, found), reference, rtol=1e-5, atol=2e-5)


def test_the_instrument_gives_each_channel_its_own_value(tflites: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), np.uint8)
    found = Preprocessing.parse("120:115:100/60:58:57")
    said = instruments.accuracy(tflites / "float.tflite", images, found)
    interpreter = Interpreter(str(tflites / "float.tflite"))
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    for image, class_ in zip(found.apply(images), said.classes, strict=True):
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        assert interpreter.get_tensor(target["index"]).argmax() == class_
    ones = Preprocessing(scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3)
    again = instruments.accuracy(tflites / "float.tflite", images, ones)
    assert (again.ranking == instruments.accuracy(tflites / "float.tflite", images).ranking).all()


# Measuring --------------------------------------------------------------------------------------


def measure(network: str, *techniques: str, dataset: str = "digits") -> dict[str, Any]:
    """Measure trials in this process, and return the rows of the table by technique."""
    wanted = [
        Trial(dataset=dataset, network=network, technique=name, profile="smoke")
        for name in techniques
    ]
    for _ in wanted:  # what turns out to be impossible shortens the plan
        for node in laboratory.plan(wanted).missing:
            if not any(records.find(p) is None for p in node.parents) and all(
                not isinstance(records.find(p), records.Unavailable) for p in node.parents
            ):
                nodes.run(node)
    laboratory.schedule._explain(laboratory.plan(wanted))
    table = records.table()
    return {row["technique"]: row for _, row in table[table["network"] == network].iterrows()}


@pytest.fixture(scope="module")
def measured(models: Path, elsewhere: Path) -> dict[str, Any]:
    network = named(models / "keras3.keras", "preprocessing=0..1")
    return measure(network, "NQ", "BLQ", "FIQ", "F16", "QAT", "PRN", "PRQ", "KD")


def test_nq_is_the_model_as_it_is(models: Path, measured: dict[str, Any]) -> None:
    data = datasets.load("digits")
    model = own.build(named(models / "keras3.keras", "preprocessing=0..1"))
    said = np.asarray(model(data.test.images / np.float32(255))).argmax(1)
    assert measured["NQ"]["accuracy"] == pytest.approx((said == data.test.labels).mean(), abs=0.004)
    assert measured["NQ"]["epochs"] == 0
    record = records.find(measured["NQ"]["deployable_key"])
    assert record.output == "probabilities" and record.operators["SOFTMAX"] == 1
    assert record.preprocessing == Preprocessing(scale=1 / 255, offset=0.0)


def test_its_conversions_and_its_fine_tunings_are_measured(measured: dict[str, Any]) -> None:
    assert all(row["reason"] is None or row["reason"] != row["reason"] for row in measured.values())
    for name in ("BLQ", "FIQ"):
        assert abs(measured[name]["accuracy"] - measured["NQ"]["accuracy"]) < 0.15
    # Its random weights learn.
    for name in ("QAT", "PRN", "KD"):
        assert measured[name]["epochs"] > 0
    assert measured["PRQ"]["pruned_nonzero"] == pytest.approx(0.2, abs=0.02)
    assert measured["QAT"]["float_operators"] == 0


def test_another_size_is_resized_to_and_a_teacher_then_says_why_not(models: Path) -> None:
    rows = measure(named(models / "small.h5"), "NQ", "KD")
    assert 0 <= rows["NQ"]["accuracy"] <= 1
    assert "another size than those that the teacher has seen" in rows["KD"]["reason"]
    data = datasets.resized(datasets.load("digits"), (20, 24))
    assert data.test.images.shape[1:] == (20, 24, 3)
    assert data.checksum == datasets.load("digits").checksum


def test_a_file_that_the_runtime_refuses_has_its_reason_in_place_of_numbers(
    elsewhere: Path, tmp_path: Path
) -> None:
    rows = measure(named(_with_a_dead_layer(tmp_path)), "NQ", "FIQ")
    assert rows["NQ"]["accuracy"] >= 0
    assert rows["FIQ"]["accuracy"] != rows["FIQ"]["accuracy"]
    said = "with its xnnpack kernels: one FULLY_CONNECTED rescales its sums by"
    assert said in rows["FIQ"]["reason"] and str(tmp_path) not in rows["FIQ"]["reason"]
    # LiteRT's own kernels take the same file.
    path = records.kept(rows["FIQ"]["deployable_key"])
    with pytest.raises(UserError, match="refuses it"):
        instruments.accuracy(path, datasets.load("digits").test.images[:2], kernels="xnnpack")
    assert instruments.accuracy(path, datasets.load("digits").test.images[:2], kernels="builtin")


def _with_a_dead_layer(folder: Path) -> Path:
    """Write a model with a layer that returns nothing but zeros, and has large weights after it."""
    image = keras.Input((32, 32, 3))
    means = keras.layers.GlobalAveragePooling2D()(image)
    low = keras.initializers.Constant(-100.0)
    dead = keras.layers.Dense(8, activation="relu", bias_initializer=low)(means)
    logits = keras.layers.Add()([keras.layers.Dense(10)(dead), keras.layers.Dense(10)(means)])
    model = keras.Model(image, logits)
    model.save(folder / "dead.h5")
    return folder / "dead.h5"


def test_a_graph_without_layers_is_converted_and_not_trained(models: Path) -> None:
    rows = measure(named(models / "keras3-export"), "NQ", "BLQ", "FIQ", "PRN", "QAT")
    assert {name for name, row in rows.items() if row["accuracy"] >= 0} == {"NQ", "BLQ", "FIQ"}
    for name in ("PRN", "QAT"):
        assert "it cannot be trained on" in rows[name]["reason"]


@pytest.mark.parametrize("file", ["float", "int8_io", "uint8_io", "softmax_int8", "dynamic"])
def test_a_tflite_is_measured_as_it_is(tflites: Path, file: str) -> None:
    path = tflites / f"{file}.tflite"
    rows = measure(named(path), "NQ", "FIQ", "PRN")
    found = deployable.read(path)
    assert rows["NQ"]["bytes"] == found.bytes and rows["NQ"]["parameters"] == found.parameters
    record = records.find(rows["NQ"]["deployable_key"])
    assert record.sha256 == found.sha256 and record.input_type == found.inputs[0].dtype
    for name in ("FIQ", "PRN"):
        assert "finished file" in rows[name]["reason"]


def test_a_changed_file_is_another_model(models: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mine.h5"
    keys = []
    for source in ("keras2.h5", "small.h5"):
        copy.write_bytes((models / source).read_bytes())
        trial = Trial(dataset="digits", network=named(copy), technique="NQ", profile="smoke")
        keys.append(laboratory.plan([trial]).deployables[trial])
        (first, *_) = laboratory.plan([trial]).missing
    assert keys[0] != keys[1]
    copy.write_bytes((models / "keras2.h5").read_bytes())
    with pytest.raises(UserError, match="has changed since the run began"):
        nodes.run(first)
    # So is each later step, since all of them ask for the images.
    with pytest.raises(UserError, match="has changed since the run began"):
        nodes._loaded(first.identity)


def test_prose_writes_the_last_part_of_a_path() -> None:
    assert comparison_tables.title("/a/my net.keras[preprocessing=raw]") == "my net.keras"
    assert comparison_tables.title("/a/x.h5[preprocessing=0..1,size=64]") == "x.h5[size=64]"
    assert comparison_tables.title("wrn[depth=16]") == "wrn[depth=16]"


# Inspecting --------------------------------------------------------------------------------------


def inspected(capsys: pytest.CaptureFixture[str], name: str) -> dict[str, Any]:
    assert cli.run_command(["inspect", name, "--format", "json", "--tensors"]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_inspection_of_a_keras_file_tells_what_its_files_would_be(models, capsys):
    said = inspected(capsys, str(models / "keras3.keras"))
    facts, conversions = said["facts"], {one["technique"]: one for one in said["conversions"]}
    assert facts["bytes"] == (models / "keras3.keras").stat().st_size
    assert facts["not_finite"] == 0 and facts["weights"] == ["float32"]
    assert sum(layer["macs"] for layer in said["layers"]) == facts["macs"]
    assert sum(layer["macs"] for layer in said["operators"]) == facts["macs"]
    assert sum(layer["parameters"] for layer in said["layers"]) == facts["parameters"]
    assert set(conversions) == {"NQ", "BLQ", "FIQ", "F16"} and said["tensors"]
    assert "16-bit" in conversions["F16"]["microcontroller_refuses"]
    assert all(one["microcontroller_ram"] > 0 for one in conversions.values())


def test_an_inspection_tells_weights_that_are_no_numbers(models, capsys):
    facts = inspected(capsys, str(models / "nan.h5"))["facts"]
    assert facts["not_finite"] == facts["parameters"]


def test_an_inspection_of_a_saved_model_and_of_a_program_that_is_allowed(models, capsys):
    graph = inspected(capsys, str(models / "keras3-export"))
    assert len(graph["operators"]) == 8
    files = [one for one in (models / "keras3-export").rglob("*") if one.is_file()]
    assert 0 < graph["facts"]["bytes"] <= sum(one.stat().st_size for one in files)
    program = models / "lambda2.h5"
    assert cli.run_command(["inspect", str(program)]) == 2
    assert f"{program} holds a Lambda layer" in capsys.readouterr().err
    assert inspected(capsys, f"{program}[lambda=run]")["layers"]
