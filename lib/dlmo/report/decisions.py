"""The front page's decision: which file for which limit of size, and how sure that is."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import pandas as pd

from dlmo.report import strategy, tables, text
from dlmo.report.candidates import Candidate, Catalogue, Runtime, catalogue
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import PARENT
from dlmo.report.comparison_tables import made_of, title
from dlmo.report.strategy import Advice, Limits
from dlmo.report.text import MISSING

KB = 1000
"""Bytes of a KB, as the paper counts."""


DEVICES: dict[Runtime, str] = {
    "linux": "where LiteRT runs (Linux)",
    "microcontroller": "on a microcontroller (TFLite Micro)",
}
"""How a table's caption names what runs its files; TFLite Micro refuses some that LiteRT runs."""


class Decisions:
    """What is recommended for one dataset under several limits of size.

    Attributes:
        dataset: as the report names it.
        limits: in KB, in rising order.
        advice: by runtime and limit.
    """

    def __init__(self, dataset: str, found: Catalogue, limits: Sequence[int]) -> None:
        self.dataset = dataset
        self.limits = tuple(sorted(set(limits)))
        self._found = found
        self.advice: Mapping[tuple[Runtime, int], Advice] = {
            (runtime, kb): strategy.advise(found, Limits(flash=kb * KB, runtime=runtime))
            for runtime in DEVICES
            for kb in self.limits
        }

    def candidate(self, limit: int, runtime: Runtime = "linux") -> Candidate | None:
        """Return what is recommended under a limit; nothing where nothing is small enough."""
        choice = self.advice[runtime, limit].choice
        return self._found.candidates[choice] if choice else None

    def named(self, name: str) -> Candidate:
        """Return a candidate."""
        return self._found.candidates[name]


@cited
def by_limit(rows: pd.DataFrame, dataset: str, limits: Sequence[int]) -> Decisions:
    """Recommend a file for each runtime and limit; chosen on validation images, see `strategy`.

    Args:
        rows: of `records.select`.
        dataset: as the report names it.
        limits: in KB of the file as it is.
    """
    return Decisions(dataset, catalogue(rows[rows["dataset"] == dataset]), limits)


@cited
def table(decisions: Decisions, limits: Sequence[int], runtime: Runtime = "linux") -> Table:
    """Return the recommendations for one runtime, limits with the same one in one line."""
    choices = [(decisions.candidate(kb, runtime), kb) for kb in sorted(set(limits))]
    lines = pd.DataFrame(
        _line(runtime, [kb for _, kb in some], one)
        for one, some in groupby(choices, key=itemgetter(0))
    )
    caption = (
        f"Which file for which limit of size, on {title(decisions.dataset)}, {DEVICES[runtime]}."
    )
    style = tables.styled(lines, caption=caption, name=f"by-limit-{runtime}")
    style.set_properties(subset=lines.columns.drop("Use"), **{"text-align": "right"})
    return style


def _line(runtime: Runtime, limits: Sequence[int], one: Candidate | None) -> dict[str, str]:
    """Return one line; latencies are measured on Linux alone."""
    said = {"Limit (KB)": text.span(limits, "{:,}".format), "Use": MISSING}
    said |= dict.fromkeys(("Size (KB)", "RAM (KB)", "Accuracy (%)"), text.NONE)
    if runtime == "linux":
        said["Latency (ratio)"] = _latency(one)
    if one is None:
        return said
    ram = one.ram(runtime)
    return said | {
        "Use": _short(one),
        "Size (KB)": text.kb(one.flash),
        "RAM (KB)": MISSING if ram is None else text.kb(ram),
        "Accuracy (%)": _accuracy(one),
    }


def _latency(one: Candidate | None) -> str:
    if one is None:
        return text.NONE
    return MISSING if one.latency is None else text.ratio(one.latency)


def _accuracy(one: Candidate) -> str:
    mean, low, high = (text.figure(100 * share, 1) for share in one.test)
    return f"{mean} ({low} to {high})"


@cited
def sentence(decisions: Decisions, limit: int) -> str:
    """Say what to use under one limit, on Linux and on a microcontroller."""
    one, micro = (decisions.candidate(limit, runtime) for runtime in DEVICES)
    if one is None:
        return f"For {limit:,} KB and {title(decisions.dataset)}, what to use is {MISSING}."
    said = (
        f"If your limit is {limit:,}\u00a0KB, use {_named(one)}: a file of "
        f"{text.kilobytes(one.flash)} that classifies {_right(one)} of the test images of "
        f"{title(decisions.dataset)} correctly."
    )
    if micro == one:
        known = "TFLite Micro runs it on a microcontroller, too"
        return f"{said} {known if one.measured else f'Whether TFLite Micro runs it is {MISSING}'}."
    refused = f"{said} TFLite Micro does not run it"
    if micro is None:
        return f"{refused}; what to use on a microcontroller is {MISSING}."
    return (
        f"{refused}: on a microcontroller, use {_named(micro)}, {text.kilobytes(micro.flash)} and "
        f"{_right(micro)}."
    )


def _named(one: Candidate) -> str:
    return f"{title(one.network)} with {one.technique} ({made_of(one.technique)})"


def _right(one: Candidate) -> str:
    mean, low, high = (text.percent(share) for share in one.test)
    return f"{mean} ({low} to {high})"


def ties(decisions: Decisions, limit: int) -> str:
    """Say which others the validation images do not tell from what is recommended."""
    said: dict[str, list[str]] = {}
    for runtime in DEVICES:
        advice = decisions.advice[runtime, limit]
        if advice.choice is not None and advice.ties:
            choice, *others = map(decisions.named, (advice.choice, *advice.ties))
            said[_short(choice)] = _beside(choice, others)
    if not said:
        return ""
    known = [f"{name} from {text.listing(others)}" for name, others in said.items()]
    return f"The validation images do not tell {', nor '.join(known)}."


@cited
def timed(decisions: Decisions, limits: Sequence[int]) -> str:
    """Say what the table's ratios are of, and on which processors they were measured."""
    places: dict[str, list[str]] = {}
    chosen = dict.fromkeys(decisions.candidate(kb) for kb in sorted(set(limits)))
    for one in filter(None, chosen):
        for name in one.processors:
            places.setdefault(name, []).append(_short(one))
    what = f"Latency is a ratio to {PARENT} of the same network"
    if len(places) < 2:
        return f"{what}{''.join(f', measured on {name}' for name in places)}."
    said = text.listing(f"{name} ({text.listing(some)})" for name, some in places.items())
    return f"{what}, measured on {said}; ratios of two processors do not compare."


def _beside(choice: Candidate, others: list[Candidate]) -> list[str]:
    """Name those that are tied with a choice: of its own network, and of each other one."""
    techniques: dict[str, list[str]] = {}
    for one in others:
        techniques.setdefault(one.network, []).append(one.technique)
    own = techniques.pop(choice.network, [])
    said = [f"its {text.listing(own)}"] if own else []
    return said + [f"{text.listing(own)} of {title(name)}" for name, own in techniques.items()]


def _short(one: Candidate) -> str:
    return f"{one.technique} of {title(one.network)}"
