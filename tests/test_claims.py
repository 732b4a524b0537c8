"""Claims judged: every kind of test against SciPy or a count by hand, on records that are made up.

Statements of the paper itself (number formats, printed tables) are judged against known answers.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

import make_records
from dlmo import deployable, paper, paths, records
from dlmo.arithmetic.floats import shortened
from dlmo.cli import run_command
from dlmo.errors import UserError
from dlmo.paper import Claim, Judging
from dlmo.report import statistics
from dlmo.report.claims import Source, Verdict, all_verdicts, summary, verdicts
from dlmo.report.claims.contents import equal_to_equation_1, equation_1
from dlmo.report.claims.judge import judge, needed
from dlmo.report.claims.registry import judge_of
from dlmo.report.claims.source import cells
from dlmo.trials import Trial

RULES = Judging(alpha=0.05, coverage=0.5, most=0.75)


def claim(**changed: Any) -> Claim:
    given = {
        "id": "one",
        "statement": "Something holds.",
        "place": "Remark 1",
        "subject": "something",
        "datasets": ("cifar10",),
        "networks": ("vggnet",),
        "techniques": ("PRN",),
        "against": ("NQ",),
        "unit": "seed",
        "test": "non-inferiority",
        "metric": "accuracy",
        "margin": paper.Margin(value=0.01, unit="accuracy"),
        "confirms": "It does.",
        "refutes": "It does not.",
        "family": "claims",
    }
    return Claim(**given | changed)


def judged(what: Claim, profile: str = "reference") -> Verdict:
    return judge(what, Source(profile), RULES)


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("DLMO_MODELS", str(tmp_path / "models"))
    return tmp_path / "results"


def write(
    technique: str,
    seed: int = 0,
    share: float = 0.7,
    *,
    network: str = "vggnet",
    dataset: str = "cifar10",
    right: Sequence[bool] | None = None,
    overrides: tuple[tuple[str, Any], ...] = (),
    history: float = 0.9,
    parameters: int = 13_962,
    ratios: Sequence[float] | None = None,
    kernels: str = "xnnpack",
    memory: int = 0,
    **fields: Any,
) -> records.Deployable:
    """Write the records of one trial: its file, accuracy with predictions, latency, memory."""
    trial = Trial(
        dataset=dataset,
        network=network,
        technique=technique,
        profile="reference",
        seed=seed,
        overrides=overrides,
    )
    chain = [_changed(one, history, parameters) for one in make_records.weights(trial)]
    plain = make_records.deployable(trial, chain[-1])
    known = {name: value for name, value in plain if name not in ("key", "digest", "identity")}
    made = records.make(records.Deployable, plain.identity, **known | fields)
    for record in (*chain, made):
        records.write(record)
    values = {"test_accuracy": share, "validation_accuracy": share, "test_images": 10_000}
    kept = {"test_correct": np.array(right if right is not None else [True])}
    digest = records.sha256(records.pack(kept))
    records.write(make_records.measurement(made, "accuracy", values, predictions=digest), kept)
    if ratios is not None:
        _time(made, ratios, kernels)
    if memory:
        records.write(make_records.measurement(made, "memory", {"bytes": memory}))
    return made


def _changed(one: records.Weights, history: float, parameters: int) -> records.Weights:
    known = {name: value for name, value in one if name not in ("key", "digest", "identity")}
    known["history"] = [{**line, "accuracy": history} for line in one.history]
    known["parameters"] = parameters
    return records.make(records.Weights, one.identity, **known)


def _time(made: records.Deployable, ratios: Sequence[float], kernels: str) -> None:
    values = {
        "ratio": float(np.median(ratios)),
        "ratio_interval": [min(ratios), max(ratios)],
        "ratios": [list(ratios), list(ratios)],
        "milliseconds": 0.5,
        "runtime": "ai-edge-litert 2.3.0",
    }
    settings = {"kernels": kernels, "threads": 1, "baseline": "0" * 16}
    records.write(make_records.measurement(made, "latency", values, settings=settings))


def grid(shares: dict[str, Sequence[float]], **changed: Any) -> None:
    for name, row in shares.items():
        for seed, share in enumerate(row):
            write(name, seed, share, **changed)


# Over seeds ---------------------------------------------------------------------------------------

ONE = [0.701, 0.712, 0.695, 0.706, 0.709]
TWO = [0.704, 0.709, 0.701, 0.711, 0.708]


def test_non_inferiority_is_the_paired_t_test_of_scipy():
    grid({"PRN": ONE, "NQ": TWO})
    found = judged(claim())
    less = np.subtract(ONE, TWO)
    assert found.p == pytest.approx(stats.ttest_1samp(less, -0.01, alternative="greater").pvalue)
    refuting = stats.ttest_1samp(less, -0.01, alternative="less").pvalue
    assert found.evidence[0].refuting == pytest.approx(refuting)
    interval = stats.ttest_rel(ONE, TWO).confidence_interval(0.95)
    assert (found.evidence[0].interval.low, found.evidence[0].interval.high) == pytest.approx(
        tuple(interval)
    )
    assert found.word == "holds"


def test_equivalence_is_two_one_sided_tests():
    grid({"PRN": ONE, "NQ": TWO})
    found = judged(claim(test="equivalence"))
    less = np.subtract(ONE, TWO)
    both = (
        stats.ttest_1samp(less, -0.01, alternative="greater").pvalue,
        stats.ttest_1samp(less, 0.01, alternative="less").pvalue,
    )
    assert found.p == pytest.approx(max(both))


def test_superiority_has_its_margin_and_another_point_for_what_refutes():
    grid({"PRN": ONE, "NQ": [share - 0.03 for share in TWO]})
    margin = paper.Margin(value=0.02, unit="accuracy")
    what = claim(test="superiority", margin=margin, numbers={"refuted_at": 0})
    found = judged(what)
    less = np.subtract(ONE, TWO) + 0.03
    assert found.p == pytest.approx(stats.ttest_1samp(less, 0.02, alternative="greater").pvalue)
    below = stats.ttest_1samp(less, 0, alternative="less").pvalue
    assert found.evidence[0].refuting == pytest.approx(below)


def test_two_networks_are_compared_by_welch():
    grid({"NQ": ONE}, network="wrn")
    grid({"NQ": TWO[:3]}, network="mobilenet_v1")
    what = claim(
        networks=("wrn",), techniques=("NQ",), against=("mobilenet_v1",), test="superiority"
    )
    found = judged(what.model_copy(update={"margin": None}))
    test = stats.ttest_ind(ONE, TWO[:3], equal_var=False, alternative="greater")
    assert found.p == pytest.approx(test.pvalue)


def test_one_pair_decides_nothing_but_is_shown():
    grid({"PRN": [0.9], "NQ": [0.5]})
    found = judged(claim())
    assert (found.word, found.measured) == ("not yet measured", 0)
    assert "one pair" in found.evidence[0].missing
    assert found.evidence[0].interval.estimate == pytest.approx(0.4)
    assert found.keys


def test_seeds_without_a_partner_are_left_out():
    for seed, share in enumerate(ONE):
        write("PRN", seed, share)
    for seed in (1, 3, 9):
        write("NQ", seed, 0.7)
    less = [ONE[1] - 0.7, ONE[3] - 0.7]
    p = stats.ttest_1samp(less, -0.01, alternative="greater").pvalue
    assert judged(claim()).p == pytest.approx(p)


def test_the_control_decides_and_the_papers_comparison_stands_beside():
    grid({"PRN": ONE, "NQ": TWO, "NQ+FT": [share + 0.05 for share in TWO]})
    found = verdicts(claims=[claim(control=("NQ+FT",))])[0]
    assert found.word == "does not hold"
    (label, beside), *_ = found.beside.items()
    assert "NQ" in label
    assert beside.word == "holds"


def test_a_control_with_another_recipe_is_found_by_its_recipe():
    smooth = (("label_smoothing", 0.0),)
    for seed, share in enumerate(ONE):
        write("KD", seed, share, network="mobilenet_v1")
        write("NQ", seed, share - 0.2, network="mobilenet_v1")
        write("NQ", seed, share + 0.1, network="mobilenet_v1", overrides=smooth)
    what = claim(
        networks=("mobilenet_v1",),
        techniques=("KD",),
        control=("NQ",),
        control_recipe={"label_smoothing": 0.0},
        test="superiority",
        margin=None,
    )
    assert judged(what).evidence[0].interval.estimate == pytest.approx(-0.1)
    assert judged(what).word == "does not hold"


def test_a_recipe_that_has_it_already_needs_no_override():
    # vggnet is trained without smoothing by this profile.
    grid({"PRN": ONE, "NQ": TWO})
    what = claim(control=("NQ",), control_recipe={"label_smoothing": 0.0})
    assert judged(what).measured == 1


def test_gains_are_differences_of_differences():
    grid({"PRN": ONE, "NQ+FT": TWO}, network="resnet50")
    grid({"PRN": TWO[:4], "NQ+FT": ONE[:4]}, network="vggnet")
    what = claim(
        networks=("resnet50",),
        against=("vggnet",),
        control=("NQ+FT",),
        metric="accuracy_gain",
        test="superiority",
        margin=None,
    )
    here, there = np.subtract(ONE, TWO), np.subtract(TWO[:4], ONE[:4])
    p = stats.ttest_ind(here, there, equal_var=False, alternative="greater").pvalue
    assert judged(what).p == pytest.approx(p)


def test_the_gap_is_the_last_epochs_training_accuracy_less_the_tests():
    for seed in range(3):
        write("NQ", seed, ONE[seed], network="mobilenet_v3_small", history=0.95)
        write("NQ", seed, TWO[seed], network="mobilenet_v2", history=0.80)
    what = paper.claim("v3-overfits")
    found = [one for one in judged(what).evidence if one.measured]
    assert len(found) == 1
    expected = (0.95 - np.mean(ONE[:3])) - (0.80 - np.mean(TWO[:3]))
    assert found[0].interval.estimate == pytest.approx(expected)


# Files --------------------------------------------------------------------------------------------


def images(wrong: Sequence[int] = (), n: int = 2000) -> np.ndarray:
    right = np.arange(n) % 10 < 7
    right[list(wrong)] = ~right[list(wrong)]
    return right


def test_files_are_compared_image_by_image_and_the_worst_seed_counts():
    for seed, lost in enumerate((4, 30)):
        write("NQ", seed, 0.7, right=images())
        write("BLQ", seed, 0.7, right=images(range(0, 10 * lost, 10)))
    what = claim(techniques=("BLQ",), unit="file")
    each = [statistics.compare_files(images(range(0, 10 * n, 10)), images()) for n in (4, 30)]
    assert judged(what).p == max(one.above(-0.01) for one in each)
    assert judged(what).evidence[0].refuting == max(one.below(-0.01) for one in each)
    assert judged(what).word == "undecided"


@pytest.mark.parametrize("lost", [0, 3, 12, 25])
def test_the_p_value_of_files_is_near_that_of_the_normal_distribution(lost):
    one, two = images(range(0, 10 * lost, 10)), images(range(5, 400, 90))
    found = statistics.compare_files(one, two)
    less = one.astype(float) - two
    error = less.std() / math.sqrt(len(less))
    for margin in (-0.01, 0.0, 0.01):
        expected = stats.norm.sf((less.mean() - margin) / error)
        assert found.above(margin) == pytest.approx(expected, abs=0.02)
        assert found.above(margin) + found.below(margin) == pytest.approx(1)


def test_interval_and_p_value_of_files_cannot_disagree():
    found = statistics.compare_files(images(range(0, 120, 10)), images(range(5, 95, 30)))
    assert found.above(found.interval.low) == pytest.approx(0.025, abs=1e-6)
    assert found.below(found.interval.high) == pytest.approx(0.025, abs=1e-6)


def test_files_without_predictions_are_not_measured():
    write("NQ", right=images())
    made = write("BLQ", right=images())
    for place in (paths.results()).glob("*/*/*.npz"):
        place.unlink()
    assert made.bytes
    with pytest.raises(UserError, match="measure"):
        judged(claim(techniques=("BLQ",), unit="file"))


def test_both_counts_of_calibration_images_must_pass():
    what = paper.claim("fiq-small-calibration")
    for seed in range(2):
        write("NQ", seed, right=images())
        write("FIQ", seed, right=images())
    assert judged(what).measured == 0
    assert "100" in judged(what).evidence[0].missing
    few = (("calibration_samples", 100),)
    for seed in range(2):
        write("FIQ", seed, right=images(range(0, 900, 10)), overrides=few)
    found = judged(what).evidence[0]
    assert found.measured
    assert found.refuting > 0.05
    assert found.p > 0.9


@pytest.mark.parametrize(
    ("bounds", "word"),
    [((0.23, 0.27), "holds"), ((None, 0.25), "holds"), ((0.26, None), "does not hold")],
)
def test_sizes_are_ratios_of_bytes(bounds, word):
    for seed in range(2):
        write("NQ", seed, bytes=60_000)
        write("BLQ", seed, bytes=15_000)
    what = claim(techniques=("BLQ",), unit="file", test="ratio", metric="bytes", bounds=bounds)
    assert judged(what).word == word


def test_seeds_that_disagree_decide_nothing():
    write("NQ", 0, bytes=60_000)
    write("BLQ", 0, bytes=15_000)
    write("NQ", 1, bytes=60_000)
    write("BLQ", 1, bytes=30_000)
    what = claim(techniques=("BLQ",), unit="file", test="ratio", metric="bytes", bounds=(0.2, 0.3))
    assert judged(what).word == "undecided"


def test_a_size_as_the_paper_prints_it_is_zipped_for_pruned_files_only():
    write("PRN", bytes=60_000, zipped_bytes=20_000)
    write("BLQ", bytes=16_000, zipped_bytes=15_000)
    what = claim(
        against=("BLQ",), unit="file", test="ratio", metric="size_as_printed", bounds=(0.8, 1.25)
    )
    found = judged(what)
    assert found.evidence[0].interval.estimate == pytest.approx(20 / 16)
    assert found.word == "holds"


def test_another_networks_size_is_compared_technique_by_technique():
    write("F16", bytes=9_000, network="mobilenet_v2")
    write("F16", bytes=90_000, network="resnet50")
    what = claim(
        networks=("mobilenet_v2",),
        techniques=("F16",),
        against=("resnet50",),
        unit="file",
        test="ratio",
        metric="bytes",
        bounds=(0.05, 0.1),
    )
    assert judged(what).evidence[0].interval.estimate == pytest.approx(0.1)
    assert judged(what).word == "holds"


def test_what_must_hold_besides_can_break_a_verdict():
    for seed in range(2):
        write("NQ", seed, right=images(), bytes=60_000)
        write("BLQ", seed, right=images(), bytes=70_000)
    also = paper.Also(metric="bytes", bounds=(None, 1.0))
    what = claim(techniques=("BLQ",), unit="file", test="equivalence")
    assert judged(what).word == "holds"
    broken = judged(what.model_copy(update={"also": also}))
    assert (broken.word, broken.p) == ("undecided", 1.0)
    assert "bytes" in broken.remark


# Contents of files --------------------------------------------------------------------------------


def test_a_float_operator_inside_refutes_integers_only():
    what = paper.claim("fiq-all-integer")
    write("FIQ", float_operators=[])
    assert judged(what).passing == 1
    write("FIQ", network="mobilenet_v1", float_operators=["HARD_SWISH"])
    found = judged(what)
    assert (found.passing, found.refuting) == (1, 1)
    assert "HARD_SWISH" in found.evidence[2].note


def test_pruned_files_need_the_operators_of_their_float_files():
    what = paper.claim("prn-needs-no-conversion")
    write("NQ")
    write("PRN")
    write("NQ", network="wrn")
    write("PRN", network="wrn", operators={"CONV_2D": 3, "QUANTIZE": 1})
    found = judged(what)
    assert (found.measured, found.passing, found.refuting) == (2, 1, 1)


def test_equation_1_is_rounding_by_127_over_the_largest_of_a_channel():
    files = sorted((paths.ROOT / "data/models/cifar10/vggnet").glob("*-reference-0.*.tflite"))
    named = {file.name.split("-reference")[0]: deployable.read(file) for file in files}
    equal, total, worst = equal_to_equation_1(named["NQ"], named["BLQ"])
    assert total > 13_000
    assert equal / total > 0.999
    assert worst <= 1
    tensor = next(t for t in named["NQ"].tensors if len(t.shape) == 2 and t.content is not None)
    weights = tensor.values()
    for channel in range(3):
        scale = 127 / np.abs(weights[channel]).max()
        expected = [round(float(w) * float(scale)) for w in weights[channel].astype(np.float64)]
        assert equation_1(tensor, 0)[channel].tolist() == pytest.approx(expected, abs=1)


def test_weights_that_are_not_those_of_equation_1_are_found():
    files = sorted((paths.ROOT / "data/models/cifar10/vggnet").glob("*-reference-*.tflite"))
    named = {file.name.split(".")[0]: deployable.read(file) for file in files}
    equal, total, worst = equal_to_equation_1(named["NQ-reference-1"], named["BLQ-reference-0"])
    assert equal / total < 0.5
    assert worst > 1


def test_the_committed_weights_are_judged(monkeypatch):
    for name in ("DLMO_RESULTS", "DLMO_MODELS"):
        monkeypatch.delenv(name)
    found = judged(paper.claim("equation-1-weights"))
    assert found.passing == found.measured >= 2


# Runtimes -----------------------------------------------------------------------------------------

STEADY = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.0]


def timed(technique: str, factor: float, **changed: Any) -> None:
    write(technique, ratios=[factor * one for one in STEADY], **changed)


def latency(**changed: Any) -> Claim:
    given = {"unit": "runtime", "metric": "latency", "margin": None, "techniques": ("BLQ",)}
    return claim(**given | {"test": "ratio", "bounds": (1.1, None)} | changed)


@pytest.mark.parametrize(
    ("factor", "word"), [(1.5, "holds"), (0.7, "does not hold"), (1.1, "undecided")]
)
def test_a_latency_ratio_needs_its_whole_interval_inside(factor, word):
    write("NQ", ratios=[1.0] * 8)
    timed("BLQ", factor)
    found = judged(latency())
    assert found.word == word
    assert found.evidence[0].interval.estimate == pytest.approx(factor, rel=0.01)


def test_rounds_are_divided_so_that_the_baseline_cancels():
    timed("BLQ", 2.0)
    timed("F16", 1.0)
    found = judged(latency(techniques=("F16",), against=("BLQ",), test="ordering", bounds=None))
    assert found.evidence[0].interval.low == found.evidence[0].interval.high == pytest.approx(0.5)
    assert found.word == "holds"


def test_a_gain_below_five_per_cent_refutes_where_the_claim_says_so():
    write("NQ", ratios=[1.0] * 8)
    timed("PRN", 1.0)
    what = latency(techniques=("PRN",), test="superiority", bounds=None)
    assert judged(what).word == "undecided"
    assert judged(what.model_copy(update={"numbers": {"refuted_at": 0.95}})).word == "does not hold"


def test_kernels_and_runtimes_are_judged_apart():
    write("NQ", ratios=[1.0] * 8)
    timed("BLQ", 0.5)
    made = write("BLQ", ratios=[0.5 * one for one in STEADY])
    base = write("NQ", ratios=[1.0] * 8)
    _time(made, [3 * one for one in STEADY], "builtin")
    _time(base, [1.0] * 8, "builtin")
    found = verdicts(claims=[latency()])[0]
    assert found.word == "does not hold"
    assert found.beside["with the built-in kernels"].word == "holds"
    assert found.beside["on the runtime of the paper's day"].measured == 0


def test_two_machines_are_not_mixed():
    base, made = write("NQ"), write("BLQ")
    for machine, factor in (("a" * 8, 1.0), ("b" * 8, 4.0)):
        for one, ratio in ((base, 1.0), (made, factor)):
            values = {"ratios": [[ratio] * 4], "ratio": ratio, "ratio_interval": [ratio, ratio]}
            settings = {"kernels": "xnnpack", "threads": 1, "baseline": "0" * 16}
            started = f"2024-01-0{1 if machine[0] == 'a' else 2}T00:00:00+00:00"
            records.write(
                make_records.measurement(
                    one, "latency", values, settings=settings, machine=machine, started=started
                )
            )
    assert judged(latency()).evidence[0].interval.estimate == pytest.approx(4.0)


def test_no_delay_has_no_cause():
    what = paper.claim("delay-is-input-conversion")
    write("NQ", ratios=[1.0] * 8)
    timed("FIQ", 0.5)
    found = judged(what)
    assert (found.measured, found.refuting) == (1, 1)
    timed("FIQ", 2.0)
    assert judged(what).measured == 0


def test_memory_is_a_ratio_of_every_seed():
    for seed in range(2):
        write("NQ", seed, memory=100)
        write("F16", seed, memory=(85, 95)[seed])
    what = claim(
        techniques=("F16",), unit="runtime", test="ratio", metric="memory", bounds=(None, 0.9)
    )
    found = judged(what)
    assert found.word == "undecided"


def test_the_printed_latency_is_compared_with_ours_for_as_many_images():
    write("NQ", ratios=[1.0] * 8)
    found = judged(paper.claim("latency-of-10000-images"))
    printed = float(
        paper.table(5).query("technique == 'NQ' and dataset == 'cifar10'").latency_ms.iloc[0]
    )
    assert found.evidence[0].interval.estimate == pytest.approx(10_000 * 0.5 / printed)
    assert found.refuting == 1


# Orders -------------------------------------------------------------------------------------------

FIVE = ("vggnet", "mobilenet_v1", "mobilenet_v2", "wrn", "resnet50")


def test_capacity_and_gain_are_ranked_by_kendalls_exact_test():
    gains = (0.01, 0.02, 0.015, 0.03, 0.05)
    for place, (network, gain) in enumerate(zip(FIVE, gains, strict=True)):
        for seed in range(2):
            write("NQ+FT", seed, 0.6, network=network)
            write("PRN", seed, 0.6 + gain, network=network, parameters=1000 * (place + 1))
    found = judged(paper.claim("remark-4"))
    test = stats.kendalltau(range(5), gains, method="exact", alternative="greater")
    assert found.evidence[0].p == pytest.approx(test.pvalue)
    assert found.evidence[0].interval.estimate == pytest.approx(test.statistic)
    assert not found.evidence[1].measured
    assert found.word == "holds"


def test_four_networks_are_too_few_for_a_rank_correlation():
    for network in FIVE[:4]:
        grid({"NQ+FT": [0.6, 0.6], "PRN": [0.7, 0.7]}, network=network)
    assert judged(paper.claim("remark-4")).measured == 0


def orders(second: Sequence[float]) -> Verdict:
    noise = (0.0, 0.001, -0.001)
    for dataset, means in (("cifar10", (0.5, 0.6, 0.7, 0.8, 0.9)), ("cifar100", second)):
        for network, mean in zip(FIVE, means, strict=True):
            for seed in range(3):
                write("NQ", seed, mean + noise[seed], network=network, dataset=dataset)
    return judged(paper.claim("strategy-network-by-dataset"))


def test_the_same_order_on_two_datasets_refutes():
    assert orders((0.1, 0.2, 0.3, 0.4, 0.5)).word == "does not hold"


def test_one_pair_of_networks_that_turns_confirms():
    found = orders((0.1, 0.2, 0.3, 0.5, 0.4))
    assert found.word == "holds"
    assert "resnet50/wrn" in found.evidence[0].note


def test_an_order_that_turns_within_the_noise_decides_nothing():
    found = orders((0.1, 0.2, 0.3, 0.4001, 0.4))
    assert found.word == "undecided"


def pareto(rival: dict[str, Any]) -> Verdict:
    ours = {"share": 0.70, "zipped_bytes": 20_000}
    write("PRN", ratios=[1.0] * 8, **ours)
    for name in ("NQ", "FIQ", "F16", "QAT", "PRQ"):
        write(name, ratios=[1.2] * 8, share=0.5, zipped_bytes=50_000)
    write("BLQ", **{"ratios": [0.5] * 8, "share": 0.695, "zipped_bytes": 15_000} | rival)
    return judged(paper.claim("strategy-mid-end-prn"))


@pytest.mark.parametrize(
    ("rival", "beaten"),
    [
        ({}, True),
        ({"share": 0.68}, False),
        ({"zipped_bytes": 21_000}, False),
        ({"ratios": [1.0] * 8}, False),
    ],
)
def test_the_front_asks_for_all_three(rival, beaten):
    found = pareto(rival)
    cell = found.evidence[0]
    assert cell.measured
    assert (cell.refuting < 0.05) == beaten
    assert ("BLQ beats PRN" in cell.note) == beaten


def test_a_front_is_not_measured_while_a_rival_is_missing():
    write("PRN", ratios=[1.0] * 8, share=0.7)
    write("NQ", ratios=[1.0] * 8, share=0.7)
    found = judged(paper.claim("strategy-mid-end-prn"))
    assert not found.evidence[0].measured


# The paper's own numbers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "word", "passing"),
    [
        ("fp32-range", "does not hold", 0),
        ("fp16-range", "holds", 1),
        ("fp16-by-truncation", "does not hold", 0),
        ("int8-255-numbers", "holds", 1),
        ("temperature-softens", "holds", 1),
        # 30 of 56 KB is 54 %, the only ratio outside.
        ("quantization-size-25-to-50-printed", "holds in part", 23),
        # VGGNet's four are near 72 %.
        ("int8-accuracy-80-printed", "holds in part", 8),
        ("v3-141-to-391-percent-of-v2-printed", "holds in part", 2),
        ("v3-13-to-37-percent-of-resnet50-printed", "holds", 4),
        ("v3-better-on-imagenet-printed", "holds in part", 1),
        ("wrn-cifar100-size-192", "does not hold", 0),
        ("kd-v3-improves-printed", "does not hold", 0),
        ("kd-compressed-size-192-printed", "does not hold", 0),
        ("pruning-iterations", "can't be tested", 0),
    ],
)
def test_the_papers_own_numbers(name, word, passing):
    found = judged(paper.claim(name))
    assert (found.word, found.passing) == (word, passing)


def test_cut_bits_are_read_as_a_float16():
    # 1.0 is exponent 127: two low bits dropped leave 31, which is FP16's infinity or NaN.
    assert not np.isfinite(shortened(np.array([1.0], np.float32), 2, 13))[0]
    # A change of bias by hand: exponent 15 after dropping two bits is 60 to 63 before, far below.
    small = np.float32(2.0) ** (60 - 127)
    assert shortened(np.array([small], np.float32), 2, 13)[0] == np.float16(1.0)


# Counting cells, families -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "n", "least"),
    [("all", 7, 7), ("most", 7, 6), ("most", 8, 6), ("most", 4, 3), ("most", 1, 1), ("some", 9, 1)],
)
def test_how_many_cells_must_pass(which, n, least):
    assert needed(claim(cells=which), n, RULES) == least


def test_partial_conjunction_by_hand():
    p = [0.001, 0.2, 0.01, 0.03]
    assert statistics.partial_conjunction(p, 4) == 0.2
    assert statistics.partial_conjunction(p, 3) == pytest.approx(2 * 0.03)
    assert statistics.partial_conjunction(p, 1) == pytest.approx(4 * 0.001)
    assert statistics.partial_conjunction([0.5, 0.9], 1) == 1.0
    for wrong in (0, 5):
        with pytest.raises(ValueError, match="of 4"):
            statistics.partial_conjunction(p, wrong)


def test_most_is_the_partial_conjunction_of_the_cells():
    networks = ("vggnet", "wrn", "mobilenet_v1", "mobilenet_v2")
    for network in networks:
        loss = 0.05 if network == "wrn" else 0.0
        grid({"PRN": [one - loss for one in ONE], "NQ": TWO}, network=network)
    what = claim(networks=networks, cells="most")
    good = stats.ttest_1samp(np.subtract(ONE, TWO), -0.01, alternative="greater").pvalue
    assert judged(what).p == pytest.approx(2 * good)
    assert judged(what).refuting == 1
    assert judged(what).word == "holds"
    assert judged(what.model_copy(update={"cells": "all"})).word == "holds in part"


def test_what_refutes_is_corrected_over_cells():
    networks = ("vggnet", "wrn", "mobilenet_v1", "mobilenet_v2")
    for network in networks:
        grid({"PRN": [one - 0.012 for one in ONE], "NQ": TWO}, network=network)
    found = judged(claim(networks=networks))
    single = stats.ttest_1samp(np.subtract(ONE, TWO) - 0.012, -0.01, alternative="less").pvalue
    assert single < 0.2
    assert found.refuting == (4 if 4 * single < 0.05 else 0)


def test_fewer_than_half_of_the_cells_is_no_verdict():
    networks = ("vggnet", "wrn", "mobilenet_v1", "mobilenet_v2", "resnet50")
    for network in networks[:2]:
        grid({"PRN": ONE, "NQ": TWO}, network=network)
    found = judged(claim(networks=networks))
    assert (found.word, found.measured, found.named) == ("not yet measured", 2, 5)
    grid({"PRN": ONE, "NQ": TWO}, network=networks[2])
    assert judged(claim(networks=networks)).word == "holds"


def test_holm_over_the_family_counts_what_is_not_measured():
    grid({"PRN": ONE, "NQ": TWO})
    first = claim(id="first")
    other = claim(id="other", networks=("wrn",))
    third = claim(id="third", networks=("wrn",), family="exploration")
    after = claim(id="after", post_hoc=True, reason="known")
    found = {one.claim.id: one for one in verdicts(claims=[first, other, third, after])}
    p = found["first"].p
    assert found["first"].corrected == pytest.approx(min(1, 2 * p))
    assert found["other"].corrected is None
    assert found["after"].corrected is None
    assert found["after"].p == p


def test_a_corrected_p_value_takes_a_verdict_back():
    grid({"PRN": ONE, "NQ": TWO})
    alone = verdicts(claims=[claim()])[0]
    many = [claim(id=f"c{n}", networks=("wrn",)) for n in range(60)]
    among = verdicts(claims=[claim(), *many])[0]
    assert (alone.word, among.word) == ("holds", "undecided")


def test_techniques_pair_in_order_with_as_many_others():
    what = claim(techniques=("KD+PRQ", "KD+PRN"), against=("PRQ", "PRN"))
    assert [(one.technique, one.against) for one in cells(what)] == [
        ("KD+PRQ", "PRQ"),
        ("KD+PRN", "PRN"),
    ]
    each = cells(claim(techniques=("BLQ", "FIQ"), against=("NQ", "PRN", "F16")))
    assert len(each) == 6


def test_every_claim_of_the_paper_has_its_judge():
    for one in paper.claims():
        if one.test != "not-testable":
            assert callable(judge_of(one)), one.id


def test_a_claim_of_a_new_kind_says_that_it_needs_a_judge():
    with pytest.raises(LookupError, match="no function judges one"):
        judge_of(claim(unit="runtime", metric="entropy"))


def test_nothing_measured_is_no_verdict_and_no_number():
    for one in verdicts():
        if one.profile:
            assert one.word == "not yet measured", one.claim.id
            assert one.p is one.corrected is None


def test_overridden_and_old_records_are_no_evidence():
    for seed, share in enumerate(ONE):
        write("PRN", seed, share, overrides=(("sparsity", 0.5),))
        write("NQ", seed, share)
    assert judged(claim()).measured == 0


# The summary --------------------------------------------------------------------------------------


def test_the_summary_shows_a_change_of_verdict_in_one_line():
    grid({"PRN": ONE, "NQ": TWO})
    found = verdicts(claims=[claim(), claim(id="other", networks=("wrn",))])
    summary.write(found)
    assert summary.changes(found) == []
    grid({"NQ+FT": TWO})
    changed = [found[0].but(word="does not hold"), found[1]]
    lines = summary.changes(changed)
    assert len(lines) == 1
    assert lines[0].startswith("one under reference: ")
    assert lines[0].split("→")[1].strip().startswith("does not hold")
    before, after = summary.written(found).splitlines(), summary.written(changed).splitlines()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("content", [b"", b"claim,verdict\na,b\n", b"\xff\xfe"])
def test_a_broken_summary_is_refused(content):
    summary.file().parent.mkdir(parents=True)
    summary.file().write_bytes(content)
    with pytest.raises(UserError, match="dlmo claims --write"):
        summary.changes([])


def test_the_committed_summary_is_what_the_records_say(monkeypatch):
    for name in ("DLMO_RESULTS", "DLMO_MODELS"):
        monkeypatch.delenv(name)
    lines = summary.changes(all_verdicts())
    assert not lines, "\n".join([*lines, f"renew it: {summary.RENEW}"])


# The command --------------------------------------------------------------------------------------


def test_the_command_writes_checks_and_prints(capsys):
    grid({"PRN": ONE, "NQ": TWO})
    assert run_command(["claims", "--check"]) == 1
    assert run_command(["claims", "--write"]) == 0
    assert run_command(["claims", "--check"]) == 0
    capsys.readouterr()
    assert run_command(["claims", "remark-3-accuracy", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["claim"]["id"] for one in found] == ["remark-3-accuracy"]
    assert found[0]["beside"]
    assert run_command(["claims", "remark-1", "--profile", "plain"]) == 0
    assert "not yet measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["remark-9"], "did you mean 'remark-"),
        (["--profile", "refrence"], "did you mean 'reference'"),
        (["remark-1", "--write"], "all claims"),
    ],
)
def test_the_command_refuses_in_one_line(given, said, capsys):
    assert run_command(["claims", *given]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
