"""The report: comparisons, tables, charts and sentences from records; the chapter executed.

Records are made up, with numbers whose means and intervals are computed here once more.
"""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import make_records
from dlmo import chapter, paths, records
from dlmo.book.execute import execute, parameters
from dlmo.chapter import asked as asking
from dlmo.chapter import live, measuring
from dlmo.chapter.head import _commits, command
from dlmo.errors import UserError
from dlmo.report import (
    charts,
    comparison,
    comparison_charts,
    comparison_tables,
    distillation,
    findings,
    overview,
    sentences,
    text,
)
from dlmo.report.statistics import Interval
from dlmo.trials import Trial

NAME = "quantization_and_pruning"
CHAPTER = paths.ROOT / "chapters" / f"{NAME}.ipynb"

SEEDS = {
    "NQ": [0.7150, 0.7202, 0.7118, 0.7171, 0.7189],
    "NQ+FT": [0.7251, 0.7290, 0.7213, 0.7279, 0.7272],
    "BLQ": [0.7148, 0.7204, 0.7115, 0.7170, 0.7191],
    "FIQ": [0.7139, 0.7195, 0.7121, 0.7160, 0.7188],
    "F16": [0.7150, 0.7202, 0.7118, 0.7171, 0.7190],
    "QAT": [0.7170, 0.7190, 0.7130, 0.7199, 0.7171],
    "PRN": [0.6912, 0.6977, 0.6850, 0.6920, 0.6961],
    "PRQ": [0.6910, 0.6970, 0.6855, 0.6921, 0.6960],
}
BYTES = {
    **dict.fromkeys(SEEDS, 59_008),
    **{"BLQ": 18_544, "FIQ": 19_216, "F16": 32_380, "QAT": 19_720, "PRQ": 18_544},
}
ZIPPED = {
    **dict.fromkeys(SEEDS, 53_227),
    **{"BLQ": 16_005, "FIQ": 15_757, "F16": 27_648, "QAT": 15_648, "PRN": 16_943, "PRQ": 6_770},
}
RATIOS = {"BLQ": 0.8, "FIQ": 0.6, "F16": 1.0, "QAT": 0.6, "PRN": 1.0, "PRQ": 0.8, "NQ+FT": 1.0}


def write(trial: Trial, share: float, **changed: Any) -> None:
    """Write all records of a trial, with this accuracy."""
    name = trial.technique.removeprefix("KD").lstrip("+") or "NQ"
    chain = make_records.weights(trial)
    plain = make_records.deployable(trial, chain[-1])
    fields = {key: value for key, value in plain if key not in ("key", "digest", "identity")}
    fields |= {"bytes": BYTES[name], "zipped_bytes": ZIPPED[name]} | changed
    zeros = 0.8 if {"PRN", "PRQ"} & set(name.split("+")) else 0.0
    fields |= {"nonzero": 1 - zeros, "pruned_nonzero": 1 - zeros}
    made = records.make(records.Deployable, plain.identity, **fields)
    for record in (*chain, made):
        records.write(record)
    images = {"test_accuracy": share, "validation_accuracy": share, "test_images": 10_000}
    right = np.arange(10_000) < round(10_000 * share)
    kept = {"test_correct": np.roll(right, trial.seed)}
    digest = records.sha256(records.pack(kept))
    judged = make_records.measurement(made, "accuracy", images, predictions=digest)
    records.write(judged, kept)
    memory = {"bytes": 4_000_000 + BYTES[name], "loaded_bytes": 1}
    records.write(make_records.measurement(made, "memory", memory))


def time(trial: Trial, ratio: float, kernels: str, machine: str = "0" * 8) -> None:
    """Write a latency of a trial: three processes with four rounds each."""
    chain = make_records.weights(trial)
    made = make_records.deployable(trial, chain[-1])
    rounds = [[ratio * (1 + 0.01 * (p - 1) + 0.002 * r) for r in range(4)] for p in range(3)]
    values = {"ratio": ratio, "ratio_interval": [0.95 * ratio, 1.05 * ratio], "ratios": rounds}
    settings = {"kernels": kernels, "threads": 1, "baseline": "0" * 16}
    records.write(
        make_records.measurement(made, "latency", values, settings=settings, machine=machine)
    )


def trial(technique: str, seed: int = 0, **changed: Any) -> Trial:
    given = {"dataset": "cifar10", "network": "vggnet", "profile": "reference"} | changed
    return Trial(technique=technique, seed=seed, **given)


def grid(seeds: int = 5, **changed: Any) -> None:
    for name, shares in SEEDS.items():
        for seed, share in enumerate(shares[:seeds]):
            write(trial(name, seed, **changed), share)
            for kernels, factor in (("xnnpack", 1.0), ("builtin", 1.5)):
                ratio = 1.0 if name == "NQ" else RATIOS[name] * factor
                time(trial(name, seed, **changed), ratio, kernels)


def compared(dataset: str = "cifar10", network: str = "vggnet") -> comparison.Comparison:
    return comparison.compare(records.select(), dataset, network, "reference")


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Five seeds of everything, compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLMO_RESULTS", str(tmp_path_factory.mktemp("results")))
        grid()
        yield compared()


# Comparison -----------------------------------------------------------------------------------


def test_means_and_intervals_are_those_of_the_seeds(full):
    for name, shares in SEEDS.items():
        found = full[name].accuracy
        interval = stats.ttest_1samp(shares, 0).confidence_interval(0.95)
        assert found == Interval(
            pytest.approx(np.mean(shares)),
            pytest.approx(interval.low),
            pytest.approx(interval.high),
            5,
        )


@pytest.mark.parametrize(("name", "other"), [("QAT", "NQ"), ("PRN", "NQ+FT"), ("BLQ", "NQ")])
def test_differences_are_paired_by_seed(full, name, other):
    found = full[name].differences[other]
    expected = stats.ttest_rel(SEEDS[name], SEEDS[other])
    assert found.interval.estimate == pytest.approx(np.mean(SEEDS[name]) - np.mean(SEEDS[other]))
    interval = expected.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(interval))
    assert found.unit == "seed"


def test_the_words_and_the_right_parents(full):
    words = {
        (name, other): found.word
        for name, row in full.rows.items()
        for other, found in row.differences.items()
    }
    assert words["BLQ", "NQ"] == words["FIQ", "NQ"] == words["F16", "NQ"] == "equivalent"
    assert words["PRN", "NQ"] == words["PRN", "NQ+FT"] == words["PRQ", "NQ+FT"] == "lower"
    assert not full["NQ"].differences
    assert set(full["NQ+FT"].differences) == set(full["FIQ"].differences) == {"NQ"}
    assert set(full["QAT"].differences) == {"NQ", "NQ+FT"}


def test_the_papers_numbers_are_those_of_its_table(full):
    assert full.table == 5
    assert {name: row.printed is None for name, row in full.rows.items()}["NQ+FT"]
    fiq = full["FIQ"].printed
    assert (fiq.accuracy, fiq.bytes, fiq.milliseconds, fiq.ratio) == (0.725, 18_000, 44, 11)
    assert full["NQ"].to_paper == pytest.approx(np.mean(SEEDS["NQ"]) - 0.719)


def test_whether_the_paper_is_expected_is_the_prediction_interval(full):
    for name in ("NQ", "PRN", "FIQ"):
        shares, row = SEEDS[name], full[name]
        reach = stats.t.ppf(0.975, 4) * np.std(shares, ddof=1) * np.sqrt(1 + 1 / 5)
        assert row.expected == (abs(row.printed.accuracy - np.mean(shares)) <= reach)


def test_latencies_are_pooled_over_seeds_processes_and_rounds(full):
    found = full["FIQ"].ratio["xnnpack"]
    rounds = [0.6 * (1 + 0.01 * (p - 1) + 0.002 * r) for p in range(3) for r in range(4)]
    assert found.estimate == pytest.approx(np.median(rounds))
    assert min(rounds) < found.low < found.estimate < found.high < max(rounds)
    assert found.n == 5
    assert full["FIQ"].ratio["builtin"].estimate == pytest.approx(1.5 * np.median(rounds))


def test_latencies_of_two_machines_are_not_averaged(results):
    write(trial("NQ"), 0.7)
    write(trial("FIQ"), 0.7)
    time(trial("FIQ"), 0.6, "xnnpack", machine="a" * 8)
    time(trial("FIQ"), 3.0, "xnnpack", machine="b" * 8)
    assert compared()["FIQ"].ratio["xnnpack"].n == 1
    # Of two machines that which timed more techniques, though the other did so later.
    write(trial("BLQ"), 0.7)
    time(trial("BLQ"), 0.5, "xnnpack", machine="a" * 8)
    found = compared()
    assert found["FIQ"].ratio["xnnpack"].estimate == pytest.approx(0.6, rel=0.02)
    said = findings.timed_on(overview.Overview((found,)))
    assert re.fullmatch(r"Latency was measured on one machine \(.+\)\.", said)
    other = replace(found, dataset="cifar100", machine="a Cortex-A76 with ASIMDDP")
    both = findings.timed_on(overview.Overview((found, other)))
    assert both.startswith("Latency was measured on two machines: ")
    assert "and a Cortex-A76 with ASIMDDP (VGGNet on CIFAR-100)." in both
    nothing = overview.Overview((replace(found, machine=""),))
    assert text.MISSING in findings.timed_on(nothing)


def test_one_seed_has_the_images_interval_and_conversions_pair_by_image(results):
    grid(seeds=1)
    found = compared()
    low, high = _wilson(7150, 10_000)
    assert found["NQ"].accuracy == Interval(0.715, pytest.approx(low), pytest.approx(high), 1)
    assert found["BLQ"].differences["NQ"].unit == "file"
    assert found["BLQ"].differences["NQ"].word == "equivalent"
    assert found["QAT"].differences["NQ"].word == "one pair"
    assert np.isnan(found["QAT"].differences["NQ"].interval.low)
    assert found["NQ"].expected is None


def test_what_follows_on_distillation_is_compared_with_the_student(results):
    for name, share in (("NQ", 0.70), ("KD", 0.74), ("KD+FIQ", 0.73), ("KD+PRN", 0.72)):
        write(trial(name), share)
    names = ("NQ", "KD", "KD+FIQ", "KD+PRN")
    found = comparison.compare(records.select(), "cifar10", "vggnet", "reference", names)
    assert set(found["KD"].differences) == {"NQ", "NQ+FT"}
    file, pair = (found[name].differences["KD"] for name in ("KD+FIQ", "KD+PRN"))
    assert (file.unit, file.word) == ("file", "lower")  # the same weights: image by image
    assert (pair.unit, pair.word) == ("seed", "one pair")
    said = distillation.afterwards(overview.Overview((found,)))
    low, high = (text.points(end, 2) for end in (file.interval.low, file.interval.high))
    assert said == (
        f"KD+FIQ less KD, in points: VGGNet −1.00 ({low} to {high}), different: lower. "
        "KD+PRN less KD, in points: VGGNet −2.00, one pair."
    )


def _wilson(correct: int, images: int) -> tuple[float, float]:
    z, p = stats.norm.ppf(0.975), correct / images
    middle = (p + z * z / 2 / images) / (1 + z * z / images)
    reach = z / (1 + z * z / images) * np.sqrt(p * (1 - p) / images + z * z / 4 / images**2)
    return middle - reach, middle + reach


def test_seeds_that_have_no_partner_are_left_out(results):
    for seed in (0, 1, 2):
        write(trial("NQ", seed), 0.70)
    for seed, share in ((1, 0.72), (2, 0.73), (7, 0.99)):
        write(trial("QAT", seed), share)
    found = compared()["QAT"].differences["NQ"]
    assert found.values == pytest.approx((0.02, 0.03))


def test_what_cannot_be_had_says_why(results):
    write(trial("NQ"), 0.7)
    chain = make_records.weights(trial("QAT"))
    for record in chain:
        records.write(record)
    records.write(
        records.make(
            records.Unavailable,
            make_records.deployable(trial("QAT"), chain[-1]).identity,
            trial=trial("QAT"),
            provenance=make_records.provenance(),
            reason="tfmot knows no such layer",
        )
    )
    found = compared()
    assert found["QAT"].reason == "tfmot knows no such layer"
    html = comparison_tables.side_by_side(found).to_html()
    assert "cannot be had: tfmot knows no such layer" in html
    said = "QAT cannot be had: tfmot knows no such layer."
    assert sentences.against(found, "NQ", ["QAT"]) == sentences.trained(found, "QAT") == said
    assert said in sentences.measured(found) and f"QAT is {text.MISSING}" not in said


def test_nq_alone_has_a_table_without_differences(results):
    write(trial("NQ"), 0.7)
    shown = cells(
        comparison_tables.differences(
            comparison.compare(records.select(), "cifar10", "vggnet", "reference", ["NQ"])
        )
    )
    assert shown.to_numpy().ravel().tolist().count(text.NONE) >= 4


# Tables ---------------------------------------------------------------------------------------


def cells(styler: Any) -> pd.DataFrame:
    frame = styler.data
    return frame.set_index(("", "Technique"))


def test_the_table_has_the_papers_numbers_and_ours(full):
    table = cells(comparison_tables.side_by_side(full))
    assert list(table.index) == list(comparison.ROWS)
    fiq = table.loc["FIQ"]
    assert fiq["Accuracy (%)", "paper"] == "72.5"
    mean, reach = np.mean(SEEDS["FIQ"]), stats.t.ppf(0.975, 4) * stats.sem(SEEDS["FIQ"])
    assert fiq["Accuracy (%)", "ours"] == f"{100 * mean:.1f}\u00a0±\u00a0{100 * reach:.1f}"
    assert fiq["Accuracy (%)", "seeds"] == "5"
    assert fiq["Accuracy (%)", "less paper"] == f"−{100 * (0.725 - mean):.1f}"
    assert (fiq["Size (KB)", "paper"], fiq["Size (KB)", "ours"]) == ("18.0", "19.2")
    assert fiq["Size (KB)", "zipped"] == "15.8"
    assert fiq["Latency (ratio)", "paper"] == "11"
    assert table.loc["NQ+FT"]["Accuracy (%)", "paper"] == text.NONE


def test_a_star_stands_where_the_paper_is_not_expected(results):
    for seed in range(5):
        write(trial("NQ", seed), 0.75 + 0.0001 * seed)
    table = cells(comparison_tables.side_by_side(compared()))
    assert table.loc["NQ"]["Accuracy (%)", "less paper"] == "+3.1*"


def test_differences_and_files_as_tables(full):
    table = cells(comparison_tables.differences(full))
    assert "NQ" not in table.index
    assert table.loc["BLQ"]["Less NQ", "verdict"] == "equivalent within 1 point"
    assert table.loc["PRN"]["Less NQ+FT", "verdict"] == "different: lower"
    assert table.loc["BLQ"]["Less NQ+FT", "points"] == text.NONE
    files = cells(comparison_tables.files(full))
    assert files.loc["PRN"]["Weights not zero (%)", "pruned"] == "20.0"
    assert files.loc["FIQ"]["Latency (ratio)", "XNNPACK"].startswith("0.60 (0.")
    assert files.loc["NQ"]["Memory", "MB"] == "4.1"


def test_missing_cells_say_so(results):
    found = compared()
    table = cells(comparison_tables.side_by_side(found))
    assert set(table["Accuracy (%)", "ours"]) == {text.MISSING}
    assert table.loc["NQ"]["Accuracy (%)", "paper"] == "71.9"
    write(trial("NQ"), 0.7)
    files = cells(comparison_tables.files(compared()))
    assert files.loc["NQ"]["Latency (ratio)", "XNNPACK"] == text.MISSING
    assert files.loc["FIQ"]["Latency (ratio)", "XNNPACK"] == text.NONE


def test_profiles_stand_side_by_side(results):
    grid(seeds=2)
    write(trial("NQ", profile="plain"), 0.70)
    rows = records.select()
    both = [comparison.compare(rows, "cifar10", "vggnet", one) for one in ("reference", "plain")]
    table = cells(comparison_tables.profiles(both))
    assert table.loc["FIQ"]["Profile reference", "seeds"] == "2"
    assert table.loc["FIQ"]["Profile plain", "accuracy (%)"] == text.MISSING
    assert "the recipe alone makes a difference of 1.8 points" in sentences.profiles(*both)


# Charts ---------------------------------------------------------------------------------------

CHARTS = [
    comparison_charts.accuracy_against_size,
    comparison_charts.latency_ratios,
    comparison_charts.seed_spread,
    comparison_charts.differences,
]


@pytest.mark.parametrize("draw", CHARTS)
def test_charts_have_data_descriptions_and_heights(full, draw):
    specification = draw(full).to_dict()
    bundle = charts.bundle(specification)
    assert "<svg" in bundle["image/svg+xml"]
    assert "VGGNet on CIFAR-10" in bundle["text/plain"]
    assert isinstance(specification["height"], int)
    assert len(list(charts.datasets(specification))) == 1
    assert bundle[charts.MIME]["width"] == "container"


@pytest.mark.parametrize("draw", CHARTS)
def test_charts_without_numbers_say_so(results, draw):
    found = compared("digits", "resnet8")
    assert "Not yet measured" in draw(found)._repr_html_()


def test_the_size_chart_has_our_means_and_the_papers_points(full):
    rows = next(charts.datasets(comparison_charts.accuracy_against_size(full).to_dict()))
    ours = {row["technique"]: row for row in rows if row["source"] != "paper"}
    paper = {row["technique"]: row for row in rows if row["source"] == "paper"}
    assert ours["PRN"]["size"] == 59.008
    assert (ours["PRN"]["least"], ours["PRN"]["most"]) == (68.5, 69.77)
    assert ours["PRN"]["accuracy"] == pytest.approx(100 * np.mean(SEEDS["PRN"]), abs=0.006)
    assert (paper["PRN"]["size"], paper["PRN"]["accuracy"]) == (16, 68.7)
    assert "zipped 16.9" in ours["PRN"]["facts"]
    assert "NQ+FT" not in paper


def test_a_chart_of_the_paper_alone_has_no_span_without_extent(results):
    found = comparison_charts.latency_ratios(compared()).to_dict()
    assert "low" not in json.dumps(found["layer"])


# Sentences ------------------------------------------------------------------------------------


def test_sentences_say_what_the_numbers_say(full):
    assert "71.7\u00a0±\u00a00.4\u00a0% (five seeds)" in sentences.baseline(full)
    assert "which lies inside the interval" in sentences.baseline(full)
    rounded = sentences.against(full, "NQ", ["BLQ", "FIQ", "F16"])
    assert rounded == "BLQ, FIQ and F16 are equivalent to NQ within 1 point."
    said = sentences.pruning(full)
    assert "Against NQ, PRN loses 2.4 points" in said
    assert "trained on for just as long, gains 1.0 point" in said
    assert "that loss is what the zeros cost" in said
    assert "PRQ with 6.8\u00a0KB" in sentences.smallest(full)
    assert "closer to the zipped size" in sentences.zeros(full)
    assert "5.0 to 11 times" in sentences.latency(full)
    delay = sentences.delay(full)
    assert "none of these files with XNNPACK" in delay
    assert "some of these files with the built-in kernels" in delay
    assert "For BLQ the runtime alone decides" in delay
    assert "PRN" in sentences.spread(full)


def test_sentences_turn_with_the_numbers(results):
    for seed in range(4):
        for name, share in (("NQ", 0.70), ("NQ+FT", 0.70), ("PRN", 0.74), ("FIQ", 0.60)):
            write(trial(name, seed), share + 0.001 * seed * (seed % 3))
    found = compared()
    assert "outside" in sentences.baseline(found)
    assert sentences.against(found, "NQ", ["FIQ"]).startswith("FIQ is lower than NQ")
    assert "PRN is more accurate than NQ+FT" in sentences.pruning(found)


EVERY: list[Callable[[comparison.Comparison], str]] = [
    sentences.baseline,
    sentences.pruning,
    sentences.smallest,
    sentences.zeros,
    sentences.sizes_beside_paper,
    sentences.latency,
    sentences.delay,
    sentences.pruned_latency,
    sentences.memory,
    sentences.spread,
    sentences.measured,
    sentences.epochs,
    lambda found: sentences.trained(found, "QAT"),
    lambda found: sentences.against(found, "NQ", ["BLQ", "QAT"]),
    lambda found: sentences.profiles(found, found),
]


@pytest.mark.parametrize("what", ["nothing", "NQ alone", "PRN alone", "one seed", "off the paper"])
def test_every_sentence_survives_what_is_missing(results, what):
    if what == "NQ alone":
        write(trial("NQ"), 0.7)
    if what == "PRN alone":
        write(trial("PRN"), 0.7)
    if what in ("one seed", "off the paper"):
        grid(seeds=1, dataset="digits" if what == "off the paper" else "cifar10")
    found = compared("digits" if what == "off the paper" else "cifar10")
    for say in EVERY:
        said = say(found)
        assert isinstance(said, str)
        assert not re.search(r"nan|None|np\.|inf\b", said), said
    for table in (
        comparison_tables.side_by_side,
        comparison_tables.differences,
        comparison_tables.files,
    ):
        assert "nan" not in table(found).to_html()


# Text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (text.percent(0.719), "71.9\u00a0%"),
        (text.points(-0.0012), "−0.1"),
        (text.points(-0.0004), "0.0"),
        (text.points(0.0304), "+3.0"),
        (text.kilobytes(55_848), "55.8\u00a0KB"),
        (text.kilobytes(12_844_000), "12,844\u00a0KB"),
        (text.ratio(0.318), "0.32"),
        (text.ratio(13.26), "13.3"),
        (text.times(0.5), "0.50"),
        (text.times(4.75), "4.8"),
        (text.times(11.0), "11"),
        (text.figure(float("nan"), 2), "–"),
        (text.count(5, "seed"), "five seeds"),
        (text.count(1, "pair"), "one pair"),
        (text.count(40, "trial"), "40 trials"),
        (text.listing(["BLQ", "FIQ", "F16"]), "BLQ, FIQ and F16"),
        (text.listing(["BLQ"]), "BLQ"),
        (
            text.difference_with_interval(Interval(-0.002, -0.005, 0.001, 5)),
            "−0.20 (−0.50 to +0.10)",
        ),
        (text.accuracy_with_interval(Interval(0.713, np.nan, np.nan, 1)), "71.3"),
    ],
)
def test_figures(said, expected):
    assert said == expected


# Chapters: what is asked for --------------------------------------------------------------------


def test_a_chapters_trials_are_techniques_times_seeds():
    found = chapter.trials(NAME, {"dataset": "digits", "profile": "smoke", "seeds": 2})
    assert len(found) == 16
    assert found[0] == Trial(
        dataset="digits", network="vggnet", technique="NQ", profile="smoke", seed=0
    )
    few = chapter.trials(NAME, {"techniques": ["PRN"]})
    assert [one.technique for one in few] == ["NQ", "PRN"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dataset": "cifra10"}, "did you mean 'cifar10'"),
        ({"profile": "refrence"}, "did you mean 'reference'"),
        ({"techniques": ["FIG"]}, "unknown technique 'FIG'"),
        ({"seeds": 0}, "parameter seeds"),
        ({"seeds": "three"}, "parameter seeds"),
        ({"measure": "always"}, "parameter measure"),
    ],
)
def test_wrong_parameters_are_one_clear_line(given, said):
    with pytest.raises(UserError, match=said) as error:
        chapter.ask(NAME, given)
    assert "\n" not in str(error.value)


def test_an_unknown_chapter_is_named():
    with pytest.raises(UserError, match="quantization_and_pruning"):
        chapter.trials("quantisation_and_pruning", {})


def test_a_chapter_with_its_own_parameters_measures_nothing(results):
    assert chapter.pending(NAME, chapter.ask(NAME, {})) == []
    assert chapter.pending(NAME, chapter.ask(NAME, {"dataset": "digits", "measure": "never"})) == []
    assert len(chapter.pending(NAME, chapter.ask(NAME, {"dataset": "digits"}))) == 8
    assert len(chapter.pending(NAME, chapter.ask(NAME, {"measure": "missing"}))) == 8


def test_only_what_is_missing_is_measured(results, monkeypatch):
    smoke = {"dataset": "digits", "profile": "smoke"}
    for name in ("NQ", "FIQ"):
        write(trial(name, **smoke), 0.9)
    time(trial("NQ", **smoke), 1.0, "xnnpack")
    time(trial("NQ", **smoke), 1.0, "builtin")
    wanted = {**smoke, "techniques": ["NQ", "FIQ", "PRN"]}
    asked = chapter.ask(NAME, wanted)
    assert [one.technique for one in chapter.pending(NAME, asked)] == ["FIQ", "PRN"]
    untimed = chapter.ask(NAME, {**wanted, "latency": False})
    assert [one.technique for one in chapter.pending(NAME, untimed)] == ["PRN"]
    seen: list[Trial] = []
    monkeypatch.setattr(measuring, "_measure", lambda missing, asked: seen.extend(missing))
    chapter.rows(NAME, untimed)
    assert [one.technique for one in seen] == ["PRN"]


def test_reading_records_needs_no_tensorflow(results):
    code = (
        "import sys; from dlmo import chapter; "
        f"chapter.rows('{NAME}', chapter.ask('{NAME}', {{}})); "
        "assert not {'tensorflow', 'tf_keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_head_says_what_was_run_and_how_to_run_it_again(results):
    asked = chapter.ask(NAME, {"dataset": "digits", "profile": "smoke", "techniques": ["FIQ"]})
    assert "Not yet measured" in chapter.head(NAME, asked, chapter.rows(NAME, _read(asked))).data
    write(trial("FIQ", dataset="digits", profile="smoke"), 0.9)
    html = chapter.head(NAME, asked, chapter.rows(NAME, _read(asked))).data
    assert "VGGNet on digits, profile smoke" in html
    assert "one trial with one seed" in html and "<summary>4 records</summary>" in html
    assert command(NAME, asked) == (
        f"dlmo run {NAME} -p dataset=digits -p network=vggnet -p profile=smoke -p techniques=NQ,FIQ"
    )
    made = [SimpleNamespace(commit=name, clean=True) for name in "ab"]
    one, two = (SimpleNamespace(provenance=each) for each in made)
    assert _commits([one]) == "made by the code of <code>a</code>"
    assert "<summary>made by two versions of the code</summary>" in _commits([one, two])
    rows = records.select()
    assert all(key in html for key in rows[["deployable_key", "accuracy_key"]].iloc[0])


def _read(asked: asking.Asked) -> asking.Asked:
    return asked.model_copy(update={"measure": "never"})


def test_names_cannot_smuggle_markup_into_the_head(results):
    asked = chapter.ask(NAME, {"dataset": "digits", "network": "<script>alert(1)</script>"})
    html = chapter.head(NAME, asked, records.select()).data
    assert "<script>" not in html


def test_glue_takes_plain_values_only(monkeypatch):
    for wrong in (np.float64(0.7), None, np.str_("x")):
        with pytest.raises(TypeError, match="plain"):
            chapter.glue(value=wrong)


# The live check -----------------------------------------------------------------------------------


def rows_of(**changed: Any) -> pd.DataFrame:
    good = {
        "NQ": {"accuracy": 0.9, "bytes": 59_000, "pruned_nonzero": 1.0},
        "FIQ": {"accuracy": 0.9, "bytes": 19_000, "pruned_nonzero": 1.0},
        "PRN": {"accuracy": 0.9, "bytes": 59_000, "pruned_nonzero": 0.2},
    }
    for place, value in changed.items():
        name, _, column = place.partition("_")
        good[name][column] = value
    return pd.DataFrame([{"technique": name, **row} for name, row in good.items()])


def test_the_live_check_accepts_what_is_right():
    live.check(rows_of())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"FIQ_accuracy": 0.1}, "FIQ classifies 10.0%"),
        ({"NQ_accuracy": float("nan")}, "NQ classifies"),
        ({"FIQ_bytes": 59_000}, "FIQ file is not smaller"),
        ({"PRN_pruned_nonzero": 0.9}, "PRN file holds 10.0% zeros"),
    ],
)
def test_the_live_check_refuses_what_is_wrong(changed, said):
    with pytest.raises(live.LiveCheckError, match=said):
        live.check(rows_of(**changed))


def test_the_live_check_writes_nowhere_else(results, monkeypatch):
    monkeypatch.delenv("DLMO_STORE", raising=False)
    with paths.elsewhere() as folder:
        inside = [paths.results(), paths.store(), paths.models()]
        assert all(one.is_relative_to(folder) for one in inside)
    assert not folder.exists()
    assert paths.results() == results
    assert paths.store() == paths.ROOT / "data/store"


def test_the_live_check_makes_again_what_another_library_made_and_nothing_else(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("DLMO_LIVE", str(tmp_path))
    made = []
    monkeypatch.setattr(live, "_make", lambda wanted: made.append(paths.results()))
    good = rows_of().assign(zipped_bytes=1)
    monkeypatch.setattr(live, "_rows", lambda *_: good if made else good[:0])
    assert list(live.live_check()["technique"]) == ["NQ", "FIQ", "PRN"]
    live.live_check()
    assert len(made) == 1
    assert made[0].is_relative_to(tmp_path)
    monkeypatch.setattr(live, "_makers", lambda: [paths.ROOT / "pyproject.toml"])
    made[0].mkdir(parents=True)
    live.folder()
    assert not made[0].exists()


# The chapter --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted((paths.ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.stem
)
def test_code_cells_are_short(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            assert len(cell.source.split("\n")) - cell.source.count("\n\n") <= 10, cell.source


def glued(executed: Path) -> dict[str, str]:
    found = {}
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name:
                found[name] = next(iter(output["data"].values()))
    return found


def test_the_chapter_uses_every_number_that_it_glues(tmp_path, results):
    executed = execute(CHAPTER, tmp_path / "out.ipynb", {"live": False})
    cells = nbformat.read(CHAPTER, as_version=4).cells
    used = re.findall(r"\{glue:text\}`(\w+)`", "".join(c.source for c in cells))
    values = glued(executed)
    assert set(used) == set(values)
    assert "nothing is measured yet" in values["measured"]
    assert "71.9" in json.dumps(nbformat.read(executed, as_version=4))


def test_a_rerun_rewrites_the_sentences(tmp_path, results):
    grid(seeds=3)
    given = {"live": False, "techniques": ["NQ", "NQ+FT", "PRN"], "measure": "never"}
    values = glued(execute(CHAPTER, tmp_path / "out.ipynb", given))
    assert "NQ, NQ+FT and PRN, three seeds each" in values["measured"]
    assert "PRN loses" in values["pruning"]
    assert values["rounded"].strip("'").startswith("BLQ, FIQ and F16 are not yet measured")


def test_the_parameters_are_documented_literals():
    found = parameters(CHAPTER)
    assert {"dataset", "network", "profile", "techniques", "seeds", "measure"} <= set(found)
    assert set(asking.Asked.model_fields) - {"seed", "own", *asking.SWEEPS} <= set(found)
    assert all(one.help for one in found.values())


@pytest.mark.timeout(300)
def test_the_chapter_trains_and_measures_what_is_missing(tmp_path, monkeypatch):
    for variable, folder in paths.OWN.items():
        monkeypatch.setenv(variable, str(tmp_path / folder))
    given = {
        "dataset": "digits",
        "profile": "smoke",
        "techniques": ["NQ", "FIQ"],
        "latency": False,
        "live": False,
    }
    values = glued(execute(CHAPTER, tmp_path / "out.ipynb", given, limit=280))
    assert "NQ and FIQ, one seed each" in values["measured"]
    rows = records.select(dataset="digits", network="vggnet", profile="smoke")
    assert list(rows["technique"]) == ["FIQ", "NQ"]
    assert rows["accuracy"].gt(0.5).all()
    pairs = itertools.chain.from_iterable(record.trial for record in records.every())
    assert {value for key, value in pairs if key == "seed"} == {0}
