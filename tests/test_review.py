"""Measuring again: what is as recorded, and one changed bit wherever it may hide."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlmo import cli, laboratory, paths, records, review
from dlmo.laboratory import keep, reproduce
from dlmo.review import timing
from dlmo.trials import Trial


def trial(technique: str = "NQ", seed: int = 0) -> Trial:
    return Trial(
        dataset="digits", network="vggnet", technique=technique, profile="smoke", seed=seed
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """Measure two trials on the digits once, and keep their files and weights."""
    folder = tmp_path_factory.mktemp("measured")
    with paths.environment({name: str(folder / inside) for name, inside in paths.OWN.items()}):
        both = [trial("NQ"), trial("FIQ")]
        laboratory.measure(both, workers=1, with_latency=False)
        keep.keep(both, weights=True)
    return folder


@pytest.fixture
def here(measured, tmp_path, monkeypatch) -> Path:
    """Return a copy that a test may damage, without the store."""
    for name in ("results", "models"):
        shutil.copytree(measured / name, tmp_path / name)
    for variable, inside in paths.OWN.items():
        monkeypatch.setenv(variable, str(tmp_path / inside))
    return tmp_path


def one(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(f"*/*/*/{pattern}"))[0]


def flip(file: Path, place: int, bit: int = 0) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1 << bit
    file.write_bytes(data)


def found(verdicts: list[review.Verdict]) -> dict[str, str]:
    """Return what differs, by the name of the check."""
    return {c.name: c.said for v in verdicts for c in v.checks if c.equal is False}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(f): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


# As recorded ------------------------------------------------------------------------------------


def test_what_is_as_recorded_is_equal_and_nothing_is_written(here):
    before = files_of(here)
    verdicts = review.verify(validation=True)
    assert [v.word for v in verdicts] == ["equal", "equal"]
    assert [v.trial for v in verdicts] == [str(trial("FIQ")), str(trial("NQ"))]
    assert {c.name for v in verdicts for c in v.checks} == set(review.COLUMNS) - {"latency"}
    assert files_of(here) == before


def test_the_command_prints_and_ends_with_zero_one_or_two(here, capsys):
    select = ("-d", "digits", "-n", "vggnet", "--profile", "smoke")
    assert cli.run_command(["verify", *select, "-t", "NQ", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["trial"] for row in rows] == [str(trial("NQ"))]
    assert rows[0]["verdict"] == "equal" and len(rows[0]["checks"]) == 6
    flip(one(here, "*.tflite"), -100)
    assert cli.run_command(["verify", "--no-images"]) == 1
    assert "bytes: SHA-256" in capsys.readouterr().out
    for wrong in (["-t", "XX"], ["--seed", "x"], ["-n", "resnet50"], ["--profile", "smok"]):
        assert cli.run_command(["verify", *wrong]) == 2
        said = capsys.readouterr().err
        assert said.startswith("dlmo: error: ") and said.count("\n") == 1


def test_a_file_that_is_not_kept_says_so(here):
    one(here, "NQ-*.tflite").unlink()
    (here / "models/models.csv").unlink()
    with paths.environment({"DLMO_STORE": str(here / "none")}):
        words = [v.word for v in review.verify([trial("NQ")], images=False)]
    assert words == ["not kept"]


# One bit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.001, 0.3, 0.5, 0.7, 0.999])
def test_a_changed_bit_of_a_deployable_is_found(here, share):
    file = one(here, "*.tflite")
    flip(file, int(share * file.stat().st_size), 6)
    assert {"list", "bytes"} <= set(found(review.verify()))


@pytest.mark.parametrize("kind", ["weights", "deployable", "measurement"])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.4, 0.6, 0.8, 0.97])
def test_a_changed_bit_of_a_record_is_found(here, kind, share):
    file = one(here, f"*.{kind}.json")
    data = file.read_bytes()
    digits = [at for at, byte in enumerate(data) if chr(byte).isalnum()]
    flip(file, digits[int(share * len(digits))])
    assert "record" in found(review.verify(images=False))


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.75, 0.99])
def test_a_changed_bit_of_predictions_is_found(here, share):
    file = one(here, "*.measurement.npz")
    flip(file, int(share * file.stat().st_size))
    assert "predictions" in found(review.verify())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_changed_bit_of_kept_weights_is_found(here, share):
    file = one(here, "train*.npz")
    flip(file, int(share * file.stat().st_size), 3)
    assert {"weights"} == set(found(review.verify(images=False))) - {"list"}


def test_a_file_in_the_place_of_another_is_found(here):
    shutil.copy(one(here, "NQ-*.tflite"), one(here, "FIQ-*.tflite"))
    differ = found(review.verify([trial("FIQ")]))
    assert "operators" in differ["contents"] and "float32" not in differ["bytes"]


@pytest.mark.parametrize("lost", ["*.tflite", "*.weights.json", "*.measurement.npz"])
def test_what_is_lost_is_found(here, lost):
    one(here, lost).unlink()
    assert found(review.verify())


# Forged with a right digest: only measuring again, or counting again, finds it -------------------


def accuracy(here: Path) -> records.Measurement:
    return next(
        record
        for record in records.every()
        if isinstance(record, records.Measurement) and record.identity.instrument == "accuracy"
    )


def forge(record: records.Measurement, predictions: dict[str, Any], **values: Any) -> None:
    """Write a record again with other values and predictions, key and digest in order."""
    made = records.make(
        records.Measurement,
        record.identity,
        trial=record.trial,
        provenance=record.provenance,
        values={**record.values, **values},
        predictions=records.sha256(records.pack(predictions)),
    )
    records.write(made, predictions)


def test_an_accuracy_that_was_typed_is_found(here):
    record = accuracy(here)
    forge(record, records.predictions(record), test_accuracy=0.99)
    assert "does not follow" in found(review.verify())["predictions"]


def test_a_confusion_that_was_typed_is_found(here):
    record = accuracy(here)
    counts = [list(row) for row in record.values["confusion"]]
    counts[0][0], counts[0][1] = counts[0][0] - 1, counts[0][1] + 1
    forge(record, records.predictions(record), confusion=counts)
    assert "the confusion does not follow" in found(review.verify())["predictions"]


def test_predictions_that_were_made_up_consistently_are_found_by_measuring(here):
    from dlmo import datasets

    record, labels = accuracy(here), datasets.load("digits").test.labels
    kept = records.predictions(record)
    wrong = int(np.flatnonzero(~kept["test_correct"])[0])
    kept["test_classes"][wrong], kept["test_correct"][wrong] = labels[wrong], True
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, kept["test_classes"]), 1)
    share = float(kept["test_correct"].mean())
    forge(record, kept, test_accuracy=share, confusion=counts.tolist())
    assert "another class for 1 of 269 images" in found(review.verify())["predictions"]


# Another machine --------------------------------------------------------------------------------


def elsewhere(record: records.Measurement, **machine: Any) -> records.Measurement:
    there = record.provenance.machine.model_copy(update=machine)
    provenance = record.provenance.model_copy(update={"machine": there})
    return record.model_copy(update={"provenance": provenance})


def test_other_instruction_sets_are_reported_and_not_judged(here):
    record = accuracy(here)
    kept = records.predictions(record)
    kept["validation_probabilities"] = kept["validation_probabilities"] + np.float16(0.01)
    there = elsewhere(record, instruction_sets=("avx2", "sve9"))
    forge(there, kept)
    verdicts = review.verify([record.trial], validation=True)
    assert verdicts[0].word == "equal as far as judged" and not found(verdicts)
    check = next(c for c in verdicts[0].checks if c.name == "predictions")
    assert check.equal is None and "0.00\u00a0%" in check.said
    assert "sve9 only there" in check.said


def test_what_is_apart_is_named():
    from dlmo import machine

    now = machine.this()
    made = type("Record", (), {"provenance": type("P", (), {"machine": now})})
    assert review.machines_apart(made) == []
    other = now.model_copy(update={"instruction_sets": (), "system": "Linux aarch64"})
    made.provenance.machine = other
    said = review.machines_apart(made)
    assert said[0] == "Linux aarch64 there" and said[1].endswith("only here")


def test_predictions_are_compared_image_by_image():
    one = {"test_classes": np.array([0, 1, 2]), "test_probabilities": np.float16([0.5, 0.5, 0.9])}
    two = {"test_classes": np.array([0, 1, 1]), "test_probabilities": np.float16([0.5, 0.75, 0.1])}
    found = review.compare(one, two)
    assert (found.images, found.others, found.apart) == (3, 1, 0.25)
    assert not found.equal and found.share == pytest.approx(1 / 3)
    assert review.compare(one, one).equal
    with pytest.raises(ValueError, match="same images"):
        review.compare(one, {name: array[:2] for name, array in two.items()})


# Latency ----------------------------------------------------------------------------------------


def timed(here: Path, medians: list[float], **changed: Any) -> records.Measurement:
    from dlmo import machine

    base = accuracy(here)
    identity = records.MeasurementIdentity(
        deployable=base.identity.deployable,
        instrument="latency",
        revision=1,
        settings={"kernels": "xnnpack", "threads": 1, "baseline": base.identity.deployable},
        machine=changed.get("machine", machine.tag(machine.this())),
    )
    values = {"ratio": float(np.median(medians)), "ratio_interval": [0.0, 1.0]}
    values |= {"ratios": [[one, one] for one in medians], "runtime": "litert 1"}
    return records.make(
        records.Measurement,
        identity,
        trial=base.trial,
        provenance=base.provenance,
        values=values,
    )


def test_a_second_ratio_is_held_against_the_prediction_interval(here):
    medians = [0.50, 0.52, 0.48, 0.51, 0.49]
    # t(0.975, 4) = 2.776445, from a table; s and the mean by hand.
    reach = 2.776445 * 0.0158114 * (1 + 1 / 5) ** 0.5
    record = timed(here, medians)
    for ratio, equal in ((0.5 + 0.99 * reach, True), (0.5 + 1.01 * reach, False)):
        assert timing.judge(record, ratio, "litert 1").equal is equal
        assert timing.judge(record, 1.0 - ratio, "litert 1").equal is equal
    assert timing.judge(record, 3.0, "litert 2").equal is None
    assert timing.judge(timed(here, [0.5]), 3.0, "litert 1").equal is None
    other = timing.judge(timed(here, medians, machine="0" * 8), 3.0, "litert 1")
    assert other.equal is None and "another processor" in other.said


def test_a_family_is_timed_again(here):
    records.write(timed(here, [1.0, 1.0, 1.0]))
    found = {r.key: r for r in records.every()}
    chosen = [r for r in found.values() if isinstance(r, records.Deployable)]
    files = {f.name.split(".")[-2]: f for f in (here / "models").glob("*/*/*.tflite")}
    checks = timing.again(chosen, found, files, seconds=0.5)
    (key,) = checks
    # The file is its own baseline: its ratio is 1, and only the runtime's name differs.
    assert key == accuracy(here).identity.deployable
    assert "1.00 times NQ for 1.00; not judged: litert 1 there" in checks[key][0].said
    assert timing.again(chosen, found, {}, seconds=0.5) == {}


# Training again ---------------------------------------------------------------------------------


def test_a_trial_trained_again_is_equal_and_a_changed_prediction_is_not(here, capsys):
    before = files_of(here)
    assert cli.run_command(["reproduce", str(trial("FIQ")), "--workers", "1", "--yes"]) == 0
    said = capsys.readouterr().out
    assert "equal: the same class and probability for 269 images" in said
    assert files_of(here) == before


def test_who_is_not_recorded_cannot_be_reproduced(here, capsys):
    for name in (str(trial("PRN")), "nonsense", "digits/vggnet/NQ/smok/0"):
        assert cli.run_command(["reproduce", name, "--yes"]) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith("dlmo: error: ")


@pytest.mark.parametrize(
    ("others", "apart", "seeds", "word"),
    [
        (0, (), 1, "equal"),
        (0, ("avx2 only there",), 1, "equal"),
        (2, (), 3, "differs"),
        (2, ("avx2 only there",), 1, "one seed"),
        (2, ("avx2 only there",), 3, "inside"),
        (90, ("avx2 only there",), 3, "outside"),
    ],
)
def test_the_verdict_of_training_again(others, apart, seeds, word):
    from dlmo.report import statistics

    accuracies = [0.90, 0.91, 0.92][:seeds]
    made = reproduce.Reproduction(
        trial=trial(),
        apart=apart,
        recorded=0.9,
        again=0.9 if others < 90 else 0.1,
        predictions=review.Comparison(100, others, 0.0),
        expected=statistics.prediction(accuracies),
    )
    assert made.word == word
    assert made.failed == (word in ("differs", "outside"))


def test_verify_needs_no_tensorflow(here):
    import subprocess

    code = (
        "import sys; from dlmo import cli; code = cli.run_command(['verify']); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "in all: 2 equal" in ended.stdout
