"""The recommendation: limits in, a file and its reason out; the page and the command agree."""

import json
import re
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import make_records
from dlmo import cli, deployable, microcontroller, paths, records
from dlmo.book import assets
from dlmo.chapter import adviser as form
from dlmo.errors import UserError
from dlmo.report import arenas, candidates, statistics, strategy
from dlmo.report.candidates import Candidate, Catalogue, Pair
from dlmo.report.micro import changes
from dlmo.report.strategy import Limits
from dlmo.trials import Trial
from test_book import chromium  # noqa: F401  (a fixture)

TECHNIQUES = ("NQ", "FIQ", "PRN", "PRQ", "F16", "KD")


def candidate(number: int, **changed: Any) -> Candidate:
    said = {
        "name": f"c{number}",
        "dataset": "cifar10",
        "network": "vggnet",
        "technique": TECHNIQUES[number % len(TECHNIQUES)],
        "profile": "reference",
        "file": f"c{number}.tflite",
        "key": f"{number:016x}",
        "seeds": 3,
        "flash": 1000 * (1 + number),
        "process": 4_000_000,
        "arena": 15_000,
        "latency": 1.0,
        "time": 0.1,
        "validation": 0.7,
        "test": (0.7, 0.69, 0.71),
        "operators": ("CONV_2D",),
        "floats": False,
        "refusal": None,
    }
    return Candidate(**said | changed)


def gathered(found: list[Candidate], dice: np.random.Generator) -> Catalogue:
    """Return a catalogue whose intervals are drawn, some of them missing."""
    pairs = {}
    for at, first in enumerate(found):
        for second in found[at + 1 :]:
            if first.dataset != second.dataset:
                continue
            less, reach = first.validation - second.validation, float(dice.choice([0.002, 0.03]))
            known = dice.random() > 0.2
            low, high = (less - reach, less + reach) if known else (None, None)
            pairs[first.name, second.name] = Pair(difference=less, low=low, high=high, unit="seed")
    classes = {one.dataset: {"cifar10": 10, "cifar100": 100}[one.dataset] for one in found}
    return Catalogue({one.name: one for one in found}, pairs, classes)


def drawn(seed: int, count: int = 14) -> Catalogue:
    dice = np.random.default_rng(seed)

    def some(values: Any) -> Any:
        return values[int(dice.integers(len(values)))]

    found = [
        candidate(
            number,
            dataset="cifar10" if number < count - 4 else "cifar100",
            flash=some([10_000, 20_000, 40_000]),
            process=some([3_900_000, 4_000_000, 4_100_000]),
            arena=some([15_000, 15_000, 45_000, None] if seed % 2 else [15_000, 45_000]),
            latency=some([0.5, 1.0, 1.1]),
            time=some([0.1, 0.2, 0.3]),
            validation=round(float(dice.uniform(0.6, 0.66)), 3),
            operators=some([("CONV_2D",), ("CONV_2D", "MEAN"), ("HARD_SWISH", "MUL")]),
            floats=some([True, False]),
            refusal=some([None, None, "it has <b>16-bit</b> floats"]),
        )
        for number in range(count)
    ]
    return gathered(found, dice)


def grid() -> list[Limits]:
    axes = product(
        (None, 0, 10_000, 25_000),
        (None, 20_000, 3_950_000),
        (None, 0.7, 1.0),
        (None, 0.63, 0.7),
        (frozenset(), frozenset({"MEAN"})),
        (False, True),
        ("linux", "microcontroller"),
    )
    names = ("flash", "ram", "latency", "accuracy", "lacking", "integers", "runtime")
    made = [Limits(dataset="cifar10", **dict(zip(names, each, strict=True))) for each in axes]
    return [*made, *(Limits(classes=count) for count in (2, 10, 11, 60, 100, 200)), Limits()]


# Choosing -------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.sampled_from(grid()))
@settings(max_examples=60, deadline=None)
def test_the_choice_keeps_the_limits_and_nothing_beats_it(seed: int, limits: Limits) -> None:
    found = drawn(seed)
    advice = strategy.advise(found, limits)
    pool = [one for one in found.candidates.values() if one.dataset == advice.dataset]
    assert {*advice.satisfying, *advice.failures} == {one.name for one in pool}
    assert set(advice.front) <= set(advice.satisfying)
    assert (advice.choice is None) == (not advice.satisfying)
    for name in advice.satisfying:
        one = found.candidates[name]
        assert limits.flash is None or one.flash <= limits.flash
        assert limits.ram is None or (one.ram(limits.runtime) or 1e9) <= limits.ram
        assert limits.accuracy is None or one.validation >= limits.accuracy
        assert not (limits.integers and one.floats) and not limits.lacking & set(one.operators)
    if advice.choice:
        assert advice.choice in advice.front and advice.best in advice.front
        top = max(found.candidates[name].validation for name in advice.satisfying)
        assert found.candidates[str(advice.best)].validation == top
        assert top - found.candidates[advice.choice].validation <= 0.01 + 1e-12


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_front_is_that_of_its_definition(seed: int) -> None:
    kept = [one for one in drawn(seed * 2).candidates.values() if one.dataset == "cifar10"]
    costs = np.array([[-one.validation, one.flash, one.process, one.time] for one in kept])
    beaten = [any((other <= own).all() and (other < own).any() for other in costs) for own in costs]
    expected = [one.name for one, lost in zip(kept, beaten, strict=True) if not lost]
    assert [one.name for one in strategy.pareto(kept, "linux")] == expected


def test_what_is_not_known_of_all_is_compared_of_none() -> None:
    pair = [candidate(0, arena=None), candidate(1)]
    assert strategy.objectives(pair, "microcontroller") == ["validation", "flash", "time"]
    assert strategy.objectives(pair, "linux") == ["validation", "flash", "ram", "time"]


def two(low: float | None, high: float | None, difference: float = 0.005) -> strategy.Advice:
    best = candidate(1, validation=0.7 + difference, flash=50_000)
    small = candidate(0, flash=10_000)
    pair = Pair(difference=-difference, low=low, high=high, unit="seed")
    found = Catalogue({"c0": small, "c1": best}, {("c0", "c1"): pair}, {"cifar10": 10})
    return strategy.advise(found, Limits())


def test_a_tie_goes_to_the_smaller_file_and_a_difference_does_not() -> None:
    assert two(-0.02, 0.01).choice == "c0" and two(-0.02, 0.01).ties == ("c1",)
    assert two(-0.009, -0.001).choice == "c1" and two(-0.009, -0.001).ties == ()
    # Beyond the margin a wide interval is no reason to give accuracy away.
    assert two(-0.1, 0.1, 0.03).choice == "c1" and two(-0.1, 0.1, 0.03).ties == ("c0",)
    assert two(None, None).choice == "c0"


def test_the_dataset_follows_from_the_number_of_classes() -> None:
    found = drawn(1)
    asked = {2: "cifar10", 10: "cifar10", 11: "cifar100", 100: "cifar100", 500: "cifar100"}
    for classes, dataset in asked.items():
        assert strategy.advise(found, Limits(classes=classes)).dataset == dataset
    with pytest.raises(UserError, match="did you mean 'cifar10'"):
        strategy.advise(found, Limits(dataset="cifar1"))


def test_without_records_nothing_is_recommended() -> None:
    advice = strategy.advise(Catalogue({}, {}, {}), Limits())
    assert advice.choice is None and "not yet measured" in advice.sentence


@pytest.mark.parametrize(
    ("limits", "service", "advised"),
    [
        (Limits(flash=10**9), "low-end", "PRQ"),
        (Limits(accuracy=0.1), "low-end", "PRQ"),
        (Limits(latency=2), "mid-end", "PRN"),
        (Limits(latency=2, accuracy=0.1), "high-end", "F16 or PRN"),
    ],
)
def test_the_papers_advice_is_said(limits: Limits, service: str, advised: str) -> None:
    said = strategy.advise(drawn(0), limits).paper
    assert said.startswith(f"The paper would call this a {service} service and advise {advised}.")


def test_without_limits_no_service_is_named() -> None:
    assert strategy.advise(drawn(0), Limits()).paper == strategy.WORDS["unlimited"]


def test_the_papers_services_are_all_answered() -> None:
    advice = strategy.services(drawn(0))
    assert list(advice) == list(strategy.PAPER)


# Gathering ------------------------------------------------------------------------------------


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("results", "models", "store"):
        monkeypatch.setenv(f"DLMO_{name.upper()}", str(tmp_path / name))
    return tmp_path


def write(technique: str, seed: int, right: np.ndarray | None, share: float) -> None:
    """Write a trial whose validation accuracy is `share`, or that of `right` [n]."""
    trial = Trial(dataset="cifar10", network="vggnet", technique=technique, seed=seed)
    chain = make_records.weights(trial)
    made = make_records.deployable(trial, chain[-1])
    kept = None if right is None else {"test_correct": right, "validation_correct": right}
    digest = records.sha256(records.pack(kept)) if kept else None
    judged = make_records.accuracy(made, share + 0.05, predictions=digest)
    for record in (*chain, made, make_records.latency(made, 0.5)):
        records.write(record)
    records.write(judged, kept)


def test_seeds_are_paired(results: Path) -> None:
    one, other = np.array([0.70, 0.72, 0.71]), np.array([0.69, 0.715, 0.70])
    for seed in range(3):
        write("NQ", seed, None, float(one[seed]))
        write("PRN", seed, None, float(other[seed]))
    found = candidates.catalogue(records.select())
    names = [f"{technique} of VGGNet on CIFAR-10" for technique in ("NQ", "PRN")]
    pair = found.pair(*names)
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert pair.unit == "seed" and pair.difference == pytest.approx((one - other).mean())
    assert (pair.low, pair.high) == pytest.approx((expected.low, expected.high))
    back = found.pair(*reversed(names))
    assert (back.low, back.high) == pytest.approx((-expected.high, -expected.low))
    # The file is that of the seed that is best on the validation images.
    assert found.candidates[names[0]].file.startswith("NQ-reference-1.")
    assert found.candidates[names[0]].test[0] == pytest.approx(one.mean() + 0.05)


def timed(name: str, machine: str, ms: float, base: str, ratio: float, seed: int = 0) -> str:
    trial = Trial(dataset="cifar10", network="vggnet", technique=name, seed=seed)
    made = make_records.deployable(trial, make_records.weights(trial)[-1])
    settings = {"kernels": "xnnpack", "threads": 1, "baseline": base or made.key}
    values = {"ratio": ratio, "ratio_interval": [ratio, ratio], "milliseconds": ms}
    kept = make_records.measurement(made, "latency", values, settings=settings, machine=machine)
    for record in (*make_records.weights(trial), made, make_records.accuracy(made), kept):
        records.write(record)
    return made.key


def test_a_latency_is_the_median_of_the_seeds_that_one_machine_timed(results: Path) -> None:
    for seed, (machine, ratio) in enumerate(
        [("b", 0.5), ("a", 0.9), ("b", 0.7), ("a", 0.95), ("b", 0.6)]
    ):
        timed("FIQ", machine * 8, 1.0, "", ratio, seed)
    (one,) = candidates.catalogue(records.select()).candidates.values()
    assert (one.seeds, one.latency, len(one.processors)) == (5, 0.6, 1)


def test_times_of_two_machines_are_not_compared(results: Path) -> None:
    base = timed("NQ", "a" * 8, 2.0, "", 1.0)
    timed("FIQ", "a" * 8, 0.9, base, 0.5)
    other = timed("KD", "b" * 8, 9.0, "", 1.0)
    timed("F16", "a" * 8, 2.2, base, 1.1)
    timed("KD+FIQ", "b" * 8, 2.0, other, 0.2)
    found = candidates.catalogue(records.select()).candidates
    times = {one.technique: one.time for one in found.values()}
    assert times.pop("KD") is None and times.pop("KD+FIQ") is None
    assert times == pytest.approx({"NQ": 2.0, "FIQ": 1.0, "F16": 2.2})
    assert {one.latency for one in found.values()} == {1.0, 0.5, 1.1, 0.2}


def test_one_pair_of_files_is_compared_image_by_image(results: Path) -> None:
    right = np.arange(1000) < 700
    also = right.copy()
    also[690:720] = ~also[690:720]
    write("NQ", 0, right, 0.7)
    write("F16", 0, also, float(also.mean()))
    write("PRN", 0, right & (np.arange(1000) > 99), 0.6)
    write("QAT", 0, None, 0.6)
    found = candidates.catalogue(records.select())
    same = found.pair("NQ of VGGNet on CIFAR-10", "F16 of VGGNet on CIFAR-10")
    assert same.unit == "file" and same.low is not None and same.low < same.difference < 0.02
    assert same.tie
    # Which file to deploy is decided by the files, though one training says nothing of a technique.
    pruned = found.pair("NQ of VGGNet on CIFAR-10", "PRN of VGGNet on CIFAR-10")
    expected = statistics.paired_files(right, right & (np.arange(1000) > 99)).difference
    assert (pruned.low, pruned.high) == pytest.approx((expected.low, expected.high))
    assert pruned.unit == "file" and not pruned.tie
    # Without predictions one pair decides nothing.
    assert found.pair("NQ of VGGNet on CIFAR-10", "QAT of VGGNet on CIFAR-10").low is None


# What a microcontroller needs -------------------------------------------------------------------


def kept(technique: str) -> deployable.Deployable:
    folder = paths.models() / "cifar10/vggnet"
    return deployable.read(next(folder.glob(f"{technique}-reference-0.*.tflite")))


def test_the_peak_of_the_activations_is_that_of_the_architecture() -> None:
    # The first convolution: 32x32x3 in, 32x32x8 out; no other step holds more.
    assert microcontroller.need(kept("NQ")).activations == 4 * 32 * 32 * (3 + 8)
    # FIQ holds the float image and its integers while it quantizes.
    assert microcontroller.need(kept("FIQ")).activations == (4 + 1) * 32 * 32 * 3
    assert microcontroller.need(kept("NQ")).peak == (0, "CONV_2D")


def test_the_estimated_arena_is_near_every_arena_that_was_measured() -> None:
    found = arenas.read()
    ratios = {
        place.name: microcontroller.need(deployable.read(place)).arena / measured.bytes
        for place in paths.models().glob("*/*/*.tflite")
        if (measured := found.of(place.stem.rpartition(".")[2])) and measured.bytes
    }
    said = changes.estimate(candidates.catalogue(records.select()), "cifar10")
    assert re.search(r"is (0\.9\d|1\.0\d)( to (0\.9\d|1\.0\d))? times the estimate", said), said
    assert len(ratios) > 20 and all(0.97 < ratio < 1.03 for ratio in ratios.values()), ratios


def test_tflite_micro_refuses_hybrid_and_half_precision_files() -> None:
    assert microcontroller.refusal(kept("NQ")) is None
    assert microcontroller.refusal(kept("FIQ")) is None
    assert "8-bit weights" in str(microcontroller.refusal(kept("PRQ")))
    assert "16-bit" in str(microcontroller.refusal(kept("F16")))


# The command and the page -----------------------------------------------------------------------


def test_the_command_answers_as_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_command(["recommend", "--service", "low-end", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    rows = records.select(profile="reference")
    expected = strategy.recommend(rows, strategy.SERVICES["low-end"])
    assert said.pop("limits")["runtime"] == "microcontroller"
    assert said == json.loads(json.dumps(asdict(expected)))
    assert cli.run_command(["recommend", "--flash", "20", "--integers"]) == 0
    assert capsys.readouterr().out.startswith(
        strategy.recommend(rows, Limits(flash=20_000, integers=True)).sentence
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("--service lowend", "unknown service 'lowend'; did you mean 'low-end'"),
        ("--runtime linus", "unknown runtime 'linus'; did you mean 'linux'"),
        ("--dataset cifar1", "unknown dataset with records 'cifar1'"),
        ("--lacks CONV2D", "unknown operator 'CONV2D'; did you mean 'CONV_2D'"),
        ("--latency 0", "a ratio above 0"),
        ("--flash -1", "--flash"),
        ("--classes 1", "--classes"),
    ],
)
def test_wrong_limits_are_one_line(capsys: pytest.CaptureFixture[str], line: str, why: str) -> None:
    assert cli.run_command(["recommend", *line.split()]) == 2
    said = capsys.readouterr()
    assert why in said.err and said.err.count("\n") == 1 and not said.out


def page_of(found: Catalogue, folder: Path) -> Path:
    script = (assets.HERE / "assets/dlmo-strategy.js").read_text("utf-8")
    body = form(found).data
    page = folder / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8>{body}<script>{script}</script>", "utf-8")
    return page


@pytest.mark.browser
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_page_and_command_give_the_same_answers(
    chromium: Any,  # noqa: F811
    tmp_path: Path,
    seed: int,
) -> None:
    found = drawn(seed)
    page = chromium.new_page()
    page.goto(page_of(found, tmp_path).as_uri())
    limits = grid()
    given = [one.model_dump(mode="json") for one in limits]
    program = "all => all.map(document.querySelector('.dlmo-strategy').advise)"
    answers = page.evaluate(program, given)
    page.close()
    for one, answer in zip(limits, answers, strict=True):
        assert answer == json.loads(json.dumps(asdict(strategy.advise(found, one)))), one


@pytest.mark.browser
def test_the_form_answers_by_keyboard(
    chromium: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    found = drawn(2)
    page = chromium.new_page()
    page.goto(page_of(found, tmp_path).as_uri())
    page.focus("[name=flash]")
    page.keyboard.type("20")
    page.keyboard.press("Tab")
    page.keyboard.type("3950")
    page.focus("[name=integers]")
    page.keyboard.press("Space")
    page.focus("[name=dataset]")
    page.keyboard.type("CIFAR-10 ")
    limits = Limits(dataset="cifar10", flash=20_000, ram=3_950_000, integers=True)
    expected = strategy.advise(found, limits)
    said = page.inner_text(".dlmo-strategy output")
    assert expected.sentence in said and expected.paper in said
    page.focus("button[data-service=high-end]")
    page.keyboard.press("Enter")
    asked = strategy.SERVICES["high-end"]
    assert strategy.advise(found, asked).sentence in page.inner_text(".dlmo-strategy output")
    assert page.input_value("[name=accuracy]") == "60"
    assert page.query_selector("output b") is None
    page.close()


@pytest.mark.browser
def test_the_candidates_stand_in_the_order_of_their_worth_and_most_are_folded(
    chromium: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    found = drawn(2, count=24)
    named = {one.name: f"{one.name} on CIFAR-10" for one in found.candidates.values()}
    both = [one.model_copy(update={"name": named[one.name]}) for one in found.candidates.values()]
    found = gathered(both, np.random.default_rng(2))
    page = chromium.new_page()
    page.goto(page_of(found, tmp_path).as_uri())
    page.select_option("[name=dataset]", "cifar10")
    page.fill("[name=flash]", "20")
    advice = strategy.advise(found, Limits(dataset="cifar10", flash=20_000))
    assert page.locator("th", has_text="Verdict").count() == 2
    rows = page.evaluate(
        "() => [...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent)"
    )

    def rank(one: Candidate) -> tuple[int, float]:
        kinds = [one.name == advice.choice, one.name in advice.front, one.name in advice.satisfying]
        return next((at for at, kind in enumerate(kinds) if kind), 3), -one.validation

    pool = [one for one in both if one.dataset == "cifar10"]
    assert rows == [one.name.removesuffix(" on CIFAR-10") for one in sorted(pool, key=rank)]
    assert page.locator(".dlmo-strategy-more details tbody tr").count() == len(pool) - 12
    page.click(".dlmo-strategy-more summary")
    page.fill("[name=flash]", "40")
    assert page.locator(".dlmo-strategy-more details[open]").count() == 1
    page.close()
