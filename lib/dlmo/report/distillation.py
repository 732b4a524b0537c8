"""Distillation: the paper's Table 14 beside ours, what it leaves out, and what the numbers say."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import pandas as pd

from dlmo import paper, sources
from dlmo.report import text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import PARENT, STUDENT, Comparison, Difference, Row, paired
from dlmo.report.comparison_tables import title
from dlmo.report.findings import place
from dlmo.report.overview import PAIRS, Overview, in_table_14, table_14
from dlmo.report.overview_tables import SUSPECT, accuracy, difference, ratio, wide
from dlmo.report.printed import Mark
from dlmo.report.statistics import Word
from dlmo.report.text import MISSING, NONE

FURTHER = (*PAIRS, ("BLQ", "KD+BLQ"), ("FIQ", "KD+FIQ"), ("PRQ", "KD+PRQ"))
"""Table 14's pairs, and those of techniques that the paper does not combine with distillation."""

TECHNIQUES = tuple(name for pair in FURTHER for name in pair)
"""All that the tables and sentences below look at."""

LEFT_OUT = ("resnet8", "wrn")
"""The students that Table 14 lacks: small enough to need a teacher."""

# Tables -----------------------------------------------------------------------------------------


@cited
def accuracies(found: Overview, suspects: Collection[Mark] = ()) -> Table:
    """Return the accuracies of the paper's Table 14, original and distilled, beside ours."""
    sources.note(sources.table(14))
    lines = [
        _named(one, after)
        | _printed_gain(one.network, before, after, suspects)
        | _gain(one, before, after, "Accuracy (%), ours")
        for one, before, after in _in_the_table(found)
    ]
    return wide(lines, _caption("accuracy", found), "paper-14")


@cited
def files(found: Overview, suspects: Collection[Mark] = ()) -> Table:
    """Return the sizes and latencies of the paper's Table 14, distilled, beside ours."""
    sources.note(sources.table(14))
    lines = []
    for one, _, after in _in_the_table(found):
        theirs = _printed(one.network).get(after, {})
        base = _printed(one.network).get(PARENT, {})
        size, delay = (_mark(one.network, after, kind, suspects) for kind in ("size", "latency"))
        printed = text.kb(theirs["bytes"]) if theirs else NONE
        times = text.times(theirs["latency_ms"] / base["latency_ms"]) if theirs and base else NONE
        lines.append(
            _named(one, after)
            | {("Size (KB)", "paper"): printed + size}
            | _weighed(one[after])
            | {("Latency (ratio to NQ)", "paper"): times + delay}
            | {("Latency (ratio to NQ)", "ours"): ratio(one[after])}
        )
    return wide(lines, _caption("files after distillation", found), "paper-14-files")


@cited
def further(found: Overview) -> Table | None:
    """Return what is distilled here and not in Table 14; None where nothing is."""
    lines = [
        _named(one, after)
        | _gain(one, before, after, "Accuracy (%)")
        | _weighed(one[after])
        | {("Latency", "(ratio to NQ)"): ratio(one[after])}
        for one in found
        for before, after in FURTHER
        if one[after].measured and not in_table_14(one.network, after)
    ]
    profile = next(iter(found)).profile
    caption = f"Distilled here and not in the paper, on CIFAR-10 (profile {profile})."
    return wide(lines, caption, "distilled-further") if lines else None


def _in_the_table(found: Overview) -> Iterator[tuple[Comparison, str, str]]:
    for before, after in PAIRS:
        for one in found:
            if in_table_14(one.network, after):
                yield one, before, after


def _caption(what: str, found: Overview) -> str:
    profile = next(iter(found)).profile
    return f"Table 14 of the paper, CIFAR-10: {what}, beside ours (profile {profile})."


def _named(one: Comparison, technique: str) -> dict[tuple[str, str], str]:
    return {("", "Network"): title(one.network), ("", "Technique"): technique}


def _gain(one: Comparison, before: str, after: str, head: str) -> dict[tuple[str, str], str]:
    pair = paired(one[after], one[before])
    return {
        (head, "without"): accuracy(one, before),
        (head, "with KD"): accuracy(one, after),
        (head, "gain"): difference(pair),
    }


def _printed_gain(
    network: str, before: str, after: str, suspects: Collection[Mark]
) -> dict[tuple[str, str], str]:
    theirs = _printed(network)
    share = {name: text.figure(100 * theirs[name]["accuracy"], 1) for name in theirs}
    less = printed_gain(network, before, after)
    suspect = _mark(network, after, "accuracy", suspects)
    return {
        ("Accuracy (%), paper", "without"): share.get(before, NONE),
        ("Accuracy (%), paper", "with KD"): share.get(after, NONE) + suspect,
        ("Accuracy (%), paper", "gain"): NONE if less is None else text.points(less),
    }


def _weighed(row: Row) -> dict[tuple[str, str], str]:
    return {
        ("Size (KB)", "ours"): text.kb(row.bytes) if row.measured else MISSING,
        ("Size (KB)", "zipped"): text.kb(row.zipped_bytes) if row.measured else NONE,
    }


def _mark(network: str, technique: str, kind: str, suspects: Collection[Mark]) -> str:
    return SUSPECT if (14, network, technique, kind) in suspects else ""


def _printed(network: str) -> dict[str, dict[str, Any]]:
    """Return a network's rows of Table 14 by technique."""
    rows = table_14()
    found: pd.DataFrame = rows[rows["network"] == network].set_index("technique")
    return {str(name): dict(row) for name, row in found.iterrows()}


def printed_gain(network: str, before: str, after: str) -> float | None:
    """Return what distillation gains in the paper's Table 14, None where one of the two lacks."""
    rows = _printed(network)
    if not {before, after} <= set(rows):
        return None
    return float(rows[after]["accuracy"] - rows[before]["accuracy"])


# Sentences --------------------------------------------------------------------------------------


@cited
def in_the_paper() -> str:
    """Say what distillation alone gains in the paper's Table 14, computed from its cells."""
    sources.note(sources.table(14))
    gains = {name: printed_gain(name, PARENT, "KD") for name in paper.networks()}
    said = (f"{title(name)} {text.points(one)}" for name, one in gains.items() if one is not None)
    return f"In the paper KD less NQ is, in points: {text.listing(said)}."


@cited
def gains(found: Overview) -> str:
    """Say what distillation gains, technique by technique, over the same without a teacher."""
    said = [
        _less(
            ((one, paired(one[after], one[before])) for one in found.measured),
            f"{after} less {before}",
            found,
        )
        for before, after in PAIRS
    ]
    return " ".join(part for part in said if part) or f"Distillation is {MISSING}."


@cited
def afterwards(found: Overview) -> str:
    """Say what 8 bits and pruning cost a distilled network."""
    said = [
        _less(
            ((one, one[name].differences.get(STUDENT)) for one in found.measured),
            f"{name} less {STUDENT}",
            found,
        )
        for name in ("KD+BLQ", "KD+FIQ", "KD+PRN", "KD+PRQ")
    ]
    said += [
        f"{row.technique} of {title(one.network)} cannot be had: {row.reason}."
        for one in found
        for row in one.rows.values()
        if row.reason and row.technique in dict(FURTHER).values()
    ]
    return " ".join(part for part in said if part) or f"What follows on KD is {MISSING}."


def _less(pairs: Iterable[tuple[Comparison, Difference | None]], what: str, found: Overview) -> str:
    words: dict[Word, list[str]] = {}
    for one, pair in pairs:
        if pair is not None and pair.values:
            said = f"{place(one, found)} {text.difference_with_interval(pair.interval)}"
            words.setdefault(pair.word, []).append(said)
    parts = [
        f"{text.listing(some)}, {text.verdict(word)}{' each' if len(some) > 1 else ''}"
        for word, some in words.items()
    ]
    return f"{what}, in points: {'; '.join(parts)}." if parts else ""


@cited
def timed_beside(found: Overview) -> str:
    """Say whose latency was timed beside another float file than NQ's."""
    others: dict[str, list[str]] = {}
    for one in found:
        names = {row.beside for row in one.rows.values() if row.ratio and row.beside != PARENT}
        if names:
            others.setdefault(text.listing(sorted(names)), []).append(title(one.network))
    return " ".join(
        f"The distilled files of {text.listing(networks)} were timed beside {name}, a float file "
        f"with the same operators, since that of {PARENT} is not kept."
        for name, networks in others.items()
    )
