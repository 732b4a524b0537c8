"""The front page's decision: which file for which limit of size, and how sure that is."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dlmo.report import strategy, tables, text
from dlmo.report.candidates import Candidate, Catalogue, catalogue
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_tables import made_of, title
from dlmo.report.strategy import Advice, Limits
from dlmo.report.text import MISSING

KB = 1000
"""Bytes of a KB, as the paper counts."""


class Decisions:
    """What is recommended for one dataset under several limits of size.

    Attributes:
        dataset: as the report names it.
        advice: by limit in KB.
    """

    def __init__(self, dataset: str, found: Catalogue, advice: Mapping[int, Advice]) -> None:
        self.dataset = dataset
        self.advice = advice
        self._found = found

    def candidate(self, limit: int) -> Candidate | None:
        """Return what is recommended under a limit; nothing where nothing is small enough."""
        choice = self.advice[limit].choice
        return self._found.candidates[choice] if choice else None

    def named(self, name: str) -> Candidate:
        """Return a candidate."""
        return self._found.candidates[name]


@cited
def by_limit(rows: pd.DataFrame, dataset: str, limits: Sequence[int]) -> Decisions:
    """Recommend a file for each limit; chosen on validation images, see `strategy`.

    Args:
        rows: of `records.select`.
        dataset: as the report names it.
        limits: in KB of the file as it is.
    """
    found = catalogue(rows[rows["dataset"] == dataset])
    wanted = {kb: Limits(flash=kb * KB) for kb in limits}
    return Decisions(
        dataset, found, {kb: strategy.advise(found, one) for kb, one in wanted.items()}
    )


@cited
def table(decisions: Decisions, limits: Sequence[int]) -> Table:
    """Return the table of the recommendations."""
    lines = [_line(limit, decisions.candidate(limit)) for limit in sorted(set(limits))]
    caption = f"Which file for which limit of size, on {title(decisions.dataset)}."
    numbers: list[Any] = [
        "Limit (KB)",
        "Size (KB)",
        "Accuracy (%)",
        "Latency (ratio to NQ)",
        "Seeds",
    ]
    style = tables.styled(pd.DataFrame(lines), caption=caption, name="by-limit")
    style.set_properties(subset=numbers, **{"text-align": "right"})
    return style


def _line(limit: int, one: Candidate | None) -> dict[str, str]:
    head = {"Limit (KB)": f"{limit:,}"}
    if one is None:
        return head | dict.fromkeys(_HEADS, text.NONE) | {"Use": f"nothing so small is {_MEASURED}"}
    return head | {
        "Use": f"{one.technique} of {title(one.network)}",
        "Size (KB)": text.kb(one.flash),
        "Accuracy (%)": _accuracy(one),
        "Latency (ratio to NQ)": MISSING if one.latency is None else text.ratio(one.latency),
        "Seeds": str(one.seeds),
    }


_MEASURED = MISSING.removeprefix("not yet ") + " yet"
_HEADS = ("Use", "Size (KB)", "Accuracy (%)", "Latency (ratio to NQ)", "Seeds")


def _accuracy(one: Candidate) -> str:
    mean, low, high = (text.figure(100 * share, 1) for share in one.test)
    return f"{mean} ({low} to {high})"


@cited
def sentence(decisions: Decisions, limit: int) -> str:
    """Say what to use under one limit."""
    one = decisions.candidate(limit)
    dataset = title(decisions.dataset)
    if one is None:
        return f"For {limit:,} KB and {dataset}, what to use is {MISSING}."
    mean, low, high = (text.percent(share) for share in one.test)
    return (
        f"If your limit is {limit:,}\u00a0KB, use {title(one.network)} with {one.technique} "
        f"({made_of(one.technique)}): a file of {text.kilobytes(one.flash)} that classifies "
        f"{mean} ({low} to {high}) of the test images of {dataset} correctly."
    )


def ties(decisions: Decisions) -> str:
    """Say which others the validation images do not tell from what is recommended."""
    said: dict[str, list[str]] = {}
    for limit in sorted(decisions.advice):
        advice = decisions.advice[limit]
        if advice.choice is not None and advice.ties:
            choice, *others = map(decisions.named, (advice.choice, *advice.ties))
            said[_short(choice)] = _beside(choice, others)
    if not said:
        return ""
    known = [f"{name} from {text.listing(others)}" for name, others in said.items()]
    return f"The validation images do not tell {', nor '.join(known)}."


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
