"""What accuracy hides: planted behaviour is found, against SciPy, scikit-learn and plain loops."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

import make_records
from dlmo import cli, datasets, paths, records
from dlmo.datasets import corruptions
from dlmo.report import charts, statistics, text
from dlmo.report.behaviour import (
    answer,
    calibration,
    classes,
    damage,
    errors,
    gathering,
    images,
    recommended,
)
from dlmo.report.behaviour.gathering import Behaviour, File, Shown
from dlmo.report.claims import verdicts
from dlmo.trials import Trial

N, CLASSES = 2000, 10
KINDS = tuple(corruptions.KINDS)
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(CLASSES), N // CLASSES))


def file(technique: str, seed: int, wrong: np.ndarray, weights: str = "", **changed) -> File:
    """Return a file that is wrong where it is told, always by the next class."""
    classes = np.where(wrong, (LABELS + 1) % CLASSES, LABELS)
    fields = {
        "weights": weights or f"{technique}{seed}",
        "classes": classes,
        "right": ~wrong,
        "confidence": np.full(N, 0.75),
        "counts": np.bincount(LABELS),
        "shown": None,
    }
    return File(technique, seed, **fields | changed)


def shown(wrong: np.ndarray) -> Shown:
    """Return what a file says of 200 images; `wrong` is [15, 5, 200]."""
    labels = LABELS[:200]
    said = np.where(wrong, (labels + 1) % CLASSES, labels)
    return Shown(np.arange(200), labels, labels, said, KINDS)


def behaviour(*files: File, seed: int = 0) -> Behaviour:
    names = tuple(dict.fromkeys(one.technique for one in files))
    by = {(one.technique, one.seed): one for one in files}
    titles = datasets.classes("cifar10")
    return Behaviour("cifar10", "vggnet", "reference", seed, names, by, titles)


def some(share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(N) < share


@pytest.fixture
def planted() -> Behaviour:
    """BLQ is NQ; FIQ fails as often on others; PRN loses class 3 with every seed."""
    base = some(0.25, 1)
    swapped = base.copy()
    lost, won = np.flatnonzero(~base)[:30], np.flatnonzero(base)[:30]
    swapped[lost], swapped[won] = True, False
    files = [file("BLQ", 0, base, "w0"), file("FIQ", 0, swapped, "w0")]
    for seed in range(4):
        own = base if seed == 0 else some(0.25, 10 + seed)
        files.append(file("NQ", seed, own, f"w{seed}"))
        pruned = own | ((LABELS == 3) & some(0.3, 20 + seed))
        files.append(file("PRN", seed, pruned))
    return behaviour(*files)


# Statistics ---------------------------------------------------------------------------------------


def test_kappa_is_scikit_learns_and_its_interval_covers():
    base, other = some(0.3, 1), some(0.3, 1) ^ some(0.1, 2)
    found = statistics.kappa(base, other)
    assert found.estimate == pytest.approx(cohen_kappa_score(base, other))
    assert statistics.kappa(base, base).estimate == 1
    assert np.isnan(statistics.kappa(np.ones(9, bool), np.zeros(9, bool)).estimate)
    with pytest.raises(ValueError, match="same images"):
        statistics.kappa(base, other[:5])
    dice = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        at = dice.integers(N, size=500)
        one = statistics.kappa(base[at], other[at])
        inside += one.low <= found.estimate <= one.high
    assert 0.90 <= inside / 200 <= 0.99


def test_two_sided_is_scipys():
    first, second = np.random.default_rng(1).normal(size=(2, 5))
    found = statistics.two_sided(statistics.compare_pairs(first, second))
    assert found == pytest.approx(stats.ttest_rel(first, second).pvalue)


# Gathering ----------------------------------------------------------------------------------------


def test_labels_are_known_where_any_file_is_right(planted):
    labels = planted.labels()
    wrong = np.all([~one.right for one in planted.files.values()], axis=0)
    assert wrong.any()
    assert (labels[wrong] == -1).all()
    assert np.array_equal(labels[~wrong], LABELS[~wrong])


def test_a_statement_rests_on_a_file_or_on_seeds(planted):
    assert planted.unit("FIQ") == "file"
    assert planted.unit("PRN") == "seed"
    one = gathering.less(planted, "FIQ", gathering.right)
    assert one.unit == "file"
    assert one.interval.estimate == pytest.approx(0)
    own, base = planted.of("PRN"), planted.of("NQ")
    shares = [own[seed].accuracy - base[seed].accuracy for seed in range(4)]
    found = gathering.less(planted, "PRN", gathering.right)
    wanted = stats.ttest_1samp(shares, 0).confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((wanted.low, wanted.high))
    assert gathering.less(planted, "QAT", gathering.right).word == "none"


def test_committed_predictions_are_of_the_same_images():
    """What a file says of clean images must be what its record of accuracy says of them."""
    rows = records.select(profile="reference").dropna(subset=["robustness_key"])
    assert len(rows) >= 8
    for _, row in rows.iterrows():
        kept = records.predictions(records.find(row["robustness_key"]))
        whole = records.predictions(records.find(row["accuracy_key"]))
        places = kept["places"]
        assert np.array_equal(kept["clean_classes"], whole["test_classes"][places])
        right = kept["clean_classes"] == kept["labels"]
        assert np.array_equal(right, whole["test_correct"][places])
        said = kept["corrupted_classes"] == kept["labels"]
        assert row["corrupted_accuracy"] == pytest.approx(said.mean())


@pytest.mark.cifar
def test_labels_of_committed_predictions_are_cifars():
    rows = records.select(profile="reference", dataset="cifar10", network="vggnet")
    found = gathering.gather(rows, "cifar10", "vggnet", "reference", ["NQ", "PRN"])
    known = found.labels()
    labels = datasets.load("cifar10").test.labels
    assert np.array_equal(known[known >= 0], labels[known >= 0])
    assert (known >= 0).mean() > 0.8


# Classes ------------------------------------------------------------------------------------------


def test_a_class_that_is_lost_is_found_and_no_other(planted):
    frame = classes.changes(planted)
    lost = frame[(frame["technique"] == "PRN") & (frame["adjusted"] < 0.05)]
    assert lost["name"].tolist() == ["cat"]
    assert lost["difference"].item() == pytest.approx(-0.3 * 0.75, abs=0.05)
    assert (frame[frame["technique"] == "BLQ"]["p"] == 1).all()
    said = classes.sentence(planted, frame)
    assert "PRN loses" in said and "on cat" in said
    table = classes.table(planted, frame).data.set_index("Technique")
    assert table.loc["PRN", "Lowest class"].startswith("cat −")
    assert table.loc["PRN", "Lowest class"].endswith("*")
    rows = next(charts.datasets(classes.chart(planted, frame).to_dict()))
    assert len(rows) == 3 * CLASSES


def test_the_test_of_a_class_counts_what_no_file_gets_right(planted):
    frame = classes.changes(planted)
    own = frame[(frame["technique"] == "FIQ") & (frame["label"] == 5)].iloc[0]
    base, other = planted.files["NQ", 0].right, planted.files["FIQ", 0].right
    mine = LABELS == 5
    up, down = (other & ~base & mine).sum(), (base & ~other & mine).sum()
    assert own["p"] == pytest.approx(stats.binomtest(int(up), int(up + down), 0.5).pvalue)
    assert own["difference"] == pytest.approx((up - down) / mine.sum())
    adjusted = stats.false_discovery_control(frame["p"])
    assert frame["adjusted"].to_numpy() == pytest.approx(adjusted)


# Images -------------------------------------------------------------------------------------------


def test_the_tally_adds_up(planted):
    frame = images.tally(planted).set_index("technique")
    fiq = frame.loc["FIQ"]
    assert (fiq["broken"], fiq["mended"]) == pytest.approx((30 / N, 30 / N))
    assert fiq["another"] == pytest.approx(60 / N)
    assert fiq["p"] == pytest.approx(1)
    assert frame.loc["BLQ", "another"] == 0
    gap = gathering.less(planted, "PRN", gathering.right).interval.estimate
    assert frame.loc["PRN", "mended"] - frame.loc["PRN", "broken"] == pytest.approx(gap)
    assert images.other_class(planted, "BLQ").word == "equivalent"
    assert images.other_class(planted, "FIQ").word == "higher"
    seeds = images.between_seeds(planted)
    files = planted.of("NQ").values()
    each = [(a.classes != b.classes).mean() for a, b in combinations(files, 2)]
    assert (seeds.estimate, seeds.low, seeds.high) == pytest.approx(
        (np.mean(each), min(each), max(each))
    )
    assert images.tested(images.tally(planted)).startswith("More images break than mend with PRN")


def test_the_surest_disagreements_come_first():
    base = some(0.2, 1)
    sure = np.random.default_rng(4).random(N)
    found = behaviour(file("NQ", 0, base, "w", confidence=sure), file("FIQ", 0, ~base, "w"))
    places = images.disagreements(found.files["FIQ", 0], found.files["NQ", 0])
    assert len(places) == N
    assert (np.diff(sure[places]) <= 0).all()


def test_pictures_are_shown_where_the_dataset_is_and_a_sentence_elsewhere(planted, monkeypatch):
    here = np.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), np.uint8)
    monkeypatch.setattr(images, "_images", lambda _: here)
    html = images.gallery(planted, "FIQ", 7).data
    assert html.count("<img ") == 7
    first = images.disagreements(planted.files["FIQ", 0], planted.files["NQ", 0])[0]
    truth = datasets.classes("cifar10")[LABELS[first]]
    assert re.search(r'alt="([^"]*)"', html)[1].startswith(f"{truth}; NQ: ")
    assert "same class" in images.gallery(planted, "BLQ", 7).data
    monkeypatch.setattr(images, "_images", lambda _: None)
    assert "where the dataset" in images.gallery(planted, "FIQ", 7).data
    assert "ot yet measured" in images.gallery(planted, "QAT", 7).data


# Calibration --------------------------------------------------------------------------------------


def test_the_error_is_that_of_a_plain_loop():
    dice = np.random.default_rng(2)
    confidence = dice.uniform(0.1, 1, 500)
    right = dice.random(500) < 0.8 * confidence
    total = 0.0
    for part in range(15):
        inside = [i for i in range(500) if part / 15 <= confidence[i] < (part + 1) / 15]
        total += abs(sum(float(right[i]) - confidence[i] for i in inside)) / 500
    assert calibration.error(confidence, right) == pytest.approx(total)
    assert calibration.error(np.ones(4), np.ones(4, bool)) == 0


def test_chance_alone_makes_what_simulation_makes():
    dice = np.random.default_rng(2)
    confidence = dice.uniform(0.3, 1, 3000)
    made = [calibration.error(confidence, dice.random(3000) < confidence) for _ in range(200)]
    assert calibration.by_chance(confidence) == pytest.approx(np.mean(made), rel=0.05)


@pytest.mark.parametrize(("fault", "truth"), [(0.0, 0.0), (0.12, 0.12)])
def test_the_interval_of_the_error_covers(fault, truth, monkeypatch):
    monkeypatch.setattr(calibration, "REPLICATES", 100)
    dice = np.random.default_rng(5)
    inside = 0
    for _ in range(40):
        confidence = dice.uniform(0.3, 1, 1500)
        right = dice.random(1500) < confidence - fault
        draws = calibration.drawn([(confidence, right)])[0]
        found = calibration.interval(confidence, right, draws)
        inside += found.low <= truth <= found.high
    assert inside >= 34


def test_a_file_that_promises_too_much_is_found(planted):
    files = dict(planted.files)
    files["FIQ", 0] = replace(files["FIQ", 0], confidence=np.full(N, 0.95))
    known = calibration.calibrate(replace(planted, files=files))
    assert known.less("FIQ").word == "higher"
    assert known.less("BLQ").word == "equivalent"
    assert known.errors["FIQ"].estimate == pytest.approx(0.95 - files["FIQ", 0].accuracy)
    assert "of FIQ and PRN it is higher" in calibration.sentence(known)


# Corrupted images ---------------------------------------------------------------------------------


@pytest.fixture
def damaged() -> Behaviour:
    """FIQ fails in fog, whatever the severity; BLQ is NQ."""
    dice = np.random.default_rng(6)
    base = dice.random((15, 5, 200)) < 0.3
    fog = base.copy()
    fog[KINDS.index("fog")] |= dice.random((5, 200)) < 0.4
    wrong = some(0.25, 1)
    return behaviour(
        file("NQ", 0, wrong, "w", shown=shown(base)),
        file("BLQ", 0, wrong, "w", shown=shown(base)),
        file("FIQ", 0, wrong, "w", shown=shown(fog)),
        file("PRN", 0, wrong),
    )


def test_a_kind_that_hurts_is_found_and_no_other(damaged):
    frame = damage.by_kind(damaged)
    told = frame[frame["adjusted"] < 0.05]
    assert told[["technique", "kind"]].to_numpy().tolist() == [["FIQ", "fog"]]
    first, second = (
        damaged.files[name, 0].shown.right[KINDS.index("fog")].mean(axis=0)
        for name in ("FIQ", "NQ")
    )
    assert told["p"].item() == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert damage.conditions(damaged) == {"BLQ": (0, 75), "FIQ": (5, 75)}
    change = damage.corrupted(damaged, "FIQ")
    assert change.interval.estimate == pytest.approx((first - second).mean() / 15)
    assert "FIQ with fog" in damage.sentence(damaged, frame)
    table = damage.table(damaged).data.set_index("Technique")
    assert table.loc["FIQ", "Told apart"] == "5 of 75"
    assert "PRN" not in table.index
    assert damage.corrupted(damaged, "PRN").word == "none"


def test_files_that_saw_other_images_are_not_compared(damaged):
    files = dict(damaged.files)
    other = files["FIQ", 0].shown
    files["FIQ", 0] = replace(files["FIQ", 0], shown=replace(other, places=other.places + 1))
    assert damage.corrupted(replace(damaged, files=files), "FIQ").word == "none"


# Errors, and the answer ---------------------------------------------------------------------------


def test_files_that_fail_on_the_same_images_agree(planted):
    assert errors.agreement(planted, "BLQ").interval.estimate == 1
    found = errors.agreement(planted, "PRN").interval
    each = [cohen_kappa_score(one.right, two.right) for one, two in planted.pairs("PRN")]
    assert found.estimate == pytest.approx(np.mean(each))
    assert abs(errors.between_seeds(planted).estimate) < 0.1
    cells = next(charts.datasets(errors.matrix(planted).to_dict()))
    assert len(cells) == 6


def test_equal_accuracy_on_other_images_is_not_similar_behaviour(planted):
    known = calibration.calibrate(planted)
    found = answer.behaviour(planted, classes.changes(planted), known)
    said = answer.sentence(found)
    assert "BLQ behaves like it" in said
    assert "FIQ differs in" in said and "single images" in said
    assert "for FIQ" in answer.remark(found)
    assert found["PRN"].similar("accuracy") is False
    assert found["BLQ"].similar("corrupted") is None
    assert "corrupted" not in found["BLQ"].known
    line = answer.table(planted, found).data.set_index("Technique").loc["FIQ"]
    assert line["Other class"].endswith("≠")
    assert line["Corrupted images"] == text.MISSING


def test_nothing_measured_is_said_and_drawn_as_such():
    nothing = gathering.gather(
        records.select(dataset="none"), "none", "vggnet", "reference", ["NQ"]
    )
    by_class, known = classes.changes(nothing), calibration.calibrate(nothing)
    behaves = answer.behaviour(nothing, by_class, known)
    kinds, moved = damage.by_kind(nothing), images.tally(nothing)
    for said in (
        classes.sentence(nothing, by_class),
        images.sentence(nothing, moved),
        calibration.sentence(known),
        damage.sentence(nothing, kinds),
        damage.notes(nothing)["note_damage"],
        errors.sentence(nothing),
        answer.sentence(behaves),
        answer.remark(behaves),
        recommended.sentence([]),
    ):
        assert text.MISSING in said
    for drawn in (
        classes.table(nothing, by_class),
        classes.chart(nothing, by_class),
        images.table(nothing, moved),
        calibration.table(known),
        calibration.chart(known),
        damage.table(nothing),
        damage.severities(nothing),
        damage.kinds_chart(nothing, kinds),
        errors.table(nothing),
        errors.matrix(nothing),
        answer.table(nothing, behaves),
    ):
        assert text.MISSING in drawn._repr_html_().lower()
    assert text.MISSING in recommended.table([])._repr_html_()


# Strategy and claims ------------------------------------------------------------------------------


def test_recommended_files_are_looked_into():
    found = recommended.advice("reference")
    assert {service for one in found for service in one.services} <= {
        "low-end",
        "mid-end",
        "high-end",
    }
    said = recommended.sentence(found)
    for one in found:
        assert one.candidate.name in said
        if not one.is_parent:
            assert 0 <= one.another.interval.estimate <= 1
    assert len(recommended.table(found).data) == len(found)
    # What nobody measured confirms no recommendation.
    nobody = [
        replace(one, corrupted=replace(one.corrupted, word="none"), firmer=None) for one in found
    ]
    said = recommended.sentence(nobody)
    assert "the recommendations stay" not in said
    assert said.endswith("is not yet measured.")


def test_claims_about_accuracy_are_judged_on_corrupted_images_besides():
    found = {one.claim.id: one for one in verdicts("reference")}
    beside = found["remark-1"].beside["on corrupted images"]
    assert beside.measured >= 1
    keys = {
        record.key
        for record in records.every()
        if getattr(record.identity, "instrument", "") == "robustness"
    }
    assert keys & set(beside.keys)
    assert not keys & set(found["remark-1"].keys)
    assert "on corrupted images" not in found["remark-2"].beside


# The command and the chapter ----------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    for name in ("results", "models", "store"):
        monkeypatch.setenv(f"DLMO_{name.upper()}", str(tmp_path / name))
    return tmp_path


TRAINED = ("measure", "-d", "digits", "-n", "vggnet", "-t", "NQ", "--profile", "smoke")
SELECTED = ("robustness", "-d", "digits", "-n", "vggnet", "-t", "NQ,PRN", "--profile", "smoke")


def test_the_command_measures_once_and_leaves_out_what_is_not_there(own, capsys):
    assert cli.run_command([*TRAINED, "--no-latency", "--no-cost", "--yes", "--workers", "1"]) == 0
    capsys.readouterr()
    assert cli.run_command([*SELECTED, "--images", "20", "--workers", "1"]) == 0
    said = capsys.readouterr().err
    assert "1 of 1 files to measure" in said
    assert "digits/vggnet/PRN/smoke/0: not measured yet, left out" in said
    row = records.table().dropna(subset=["robustness_key"]).iloc[0]
    record = records.find(row["robustness_key"])
    assert record.values["images"] == 20
    assert list(record.values["accuracies"]) == list(KINDS)
    assert record.identity.settings == {"kernels": "xnnpack", "threads": 1, "images": 20}
    assert 0 < row["corrupted_accuracy"] < row["clean_accuracy"] <= 1
    assert cli.run_command([*SELECTED, "--images", "20"]) == 0
    assert "0 of 1 files to measure" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [("--images", "5"), ("-t", "XYZ"), ("--seed", "x"), ("--profile", "none")]
)
def test_the_command_refuses_what_makes_no_sense(own, capsys, wrong):
    assert cli.run_command([*SELECTED, *wrong]) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err


def test_the_chapter_runs_from_few_records(tmp_path, monkeypatch):
    """With one trial's records, without robustness and without the dataset's files."""
    trial = Trial(dataset="cifar10", network="vggnet", technique="NQ", profile="reference", seed=0)
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("DLMO_DATA", str(tmp_path / "none"))
    make_records.written(trial)
    source = paths.ROOT / "chapters/what_accuracy_hides.ipynb"
    target = tmp_path / "out.ipynb"
    run = [sys.executable, "-m", "papermill", str(source), str(target), "-p", "live", "False"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    cells = json.loads(target.read_text())["cells"]
    said = json.dumps([cell["outputs"] for cell in cells if cell["cell_type"] == "code"])
    assert text.MISSING in said
