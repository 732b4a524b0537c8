"""Cells that cannot be right: a digit is lost, or they are another row's."""

from typing import Any

import pandas as pd

from dlmo.report import text
from dlmo.report.audit.finding import Finding, check
from dlmo.report.audit.rows import KD, described, each, kb, marks, where
from dlmo.report.comparison_tables import title
from dlmo.report.printed import Printed

HALF = 2.0
"""F16 stores two bytes for a weight's four."""

APART = 0.25
"""How far from a half a file may be before its size is wrong, not just overhead."""


@check
def lost_digit(printed: Printed) -> Finding | None:
    """Find an NQ size that isn't about twice the F16 size of the same network."""
    rows = _halves(printed)
    wrong = rows[(rows["ratio"] / HALF - 1).abs() > APART]
    if wrong.empty:
        return None
    said = [_restored(printed, row) for row in each(wrong)]
    right = rows.drop(wrong.index)["ratio"]
    usual = f"{text.figure(right.min(), 2)} to {text.figure(right.max(), 2)}"
    return Finding(
        title=f"A digit is missing in {text.listing(where(row) for row in each(wrong))}",
        where=text.listing(dict.fromkeys(f"Table {row.table}" for row in each(wrong))),
        evidence=f"A float file is about twice its F16 file: {usual} times in the other "
        f"{text.count(len(right), 'pair')}. {' '.join(said)}",
        certainty="certain",
        table=described(wrong, ratio="NQ / F16"),
        cells=marks(wrong, "size"),
    )


def _halves(printed: Printed) -> pd.DataFrame:
    rows = printed.rows[printed.rows["technique"] == "NQ"].copy()
    rows["half"] = [printed.size(row.dataset, row.network, "F16") for row in each(rows)]
    rows["ratio"] = rows["bytes"] / rows["half"]
    return rows.dropna(subset=["ratio"])


def _restored(printed: Printed, row: Any) -> str:
    """Say which number a missing digit would make, by the same network's other column."""
    other = "cifar10" if row.dataset == "cifar100" else "cifar100"
    half = printed.size(other, row.network, "F16")
    expected = printed.size(other, row.network, "NQ") + HALF * (row.half - half)
    made = _with_one_more_digit(round(row.bytes / 1000))
    near = min(made, key=lambda number: abs(1000 * number - expected))
    return (
        f"{title(row.network)} is printed with {kb(row.bytes)} KB, "
        f"{text.figure(row.ratio, 2)} times its F16 file; its other column and the growth of F16 "
        f"make it about {kb(expected)} KB, and {text.figure(near, 0)} is one digit away."
    )


def _with_one_more_digit(number: int) -> list[int]:
    digits = str(number)
    places = range(len(digits) + 1)
    return [int(digits[:at] + str(one) + digits[at:]) for at in places for one in range(10)]


@check
def copied_sizes(printed: Printed) -> Finding | None:
    """Find a size and a latency that different networks share to the last digit."""
    rows = printed.results
    shared = [
        group
        for _, group in rows.groupby(["size_kb", "latency_ms"])
        if group["network"].nunique() > 1
    ]
    if not shared:
        return None
    found = pd.concat(shared)
    copies = found[found["technique"].isin(KD)]
    first = text.listing(where(row) for row in each(found.drop(copies.index)))
    source = f"; they are those of {first}" if first else ""
    sizes = text.listing(dict.fromkeys(kb(size) for size in copies["bytes"]))
    many = text.begin(text.count(len(copies), "row"))
    return Finding(
        title=f"{many} of Table 14 repeat one row's size and latency",
        where="Table 14",
        evidence=f"{many} of different networks and techniques print the same {sizes} KB and the "
        f"same latency{source}. {_without_distillation(printed, copies)}",
        certainty="very likely",
        table=described(found),
        cells=marks(copies, "size", "latency"),
    )


def _without_distillation(printed: Printed, copies: pd.DataFrame) -> str:
    """Say what the same files take without distillation, which does not change a file's size."""
    sizes = [
        printed.size(row.dataset, row.network, row.technique.removeprefix("KD+"))
        for row in each(copies)
        if row.technique.startswith("KD+")
    ]
    if not sizes:
        return ""
    least, most = kb(min(sizes)), kb(max(sizes))
    return f"Without distillation the same files take {least} to {most} KB."


@check
def copied_accuracies(printed: Printed) -> Finding | None:
    """Find one accuracy with distillation for different networks that is another row's."""
    distilled = printed.results[printed.results["technique"] == "KD"]
    twice = distilled[distilled.duplicated("accuracy", keep=False)]
    twice = twice.groupby("accuracy").filter(lambda group: group["network"].nunique() > 1)
    if twice.empty:
        return None
    values = set(twice["accuracy"])
    undistilled = printed.rows[~printed.rows["technique"].isin(KD)]
    others = undistilled[undistilled["accuracy"].isin(values)]
    source = text.listing(where(row) for row in each(others))
    said = text.percent(float(twice["accuracy"].iloc[0]))
    losses = [_loss(printed, row) for row in each(twice)]
    return Finding(
        title="Different students have the same accuracy with distillation",
        where="Table 14",
        evidence=f"{text.listing(title(name) for name in twice['network'])} both print {said} with "
        f"distillation{f', which is the accuracy of {source}' if source else ''}. Taken as "
        f"printed, distillation costs {text.listing(losses)}, while the text speaks of a limited "
        "improvement.",
        certainty="very likely",
        table=described(pd.concat([twice, others])),
        cells=marks(twice, "accuracy"),
    )


def _loss(printed: Printed, row: Any) -> str:
    loss = printed.accuracy(row.dataset, row.network, "NQ") - row.accuracy
    return f"{title(row.network)} {text.figure(100 * loss, 1)} points"


@check
def carried_accuracies(printed: Printed) -> Finding | None:
    """Find compressed students that have exactly the accuracy of the float student."""
    joined = printed.results[printed.results["technique"].str.startswith("KD+")]
    if joined.empty:
        return None
    float_ = [printed.accuracy(row.dataset, row.network, "KD") for row in each(joined)]
    if not (joined["accuracy"] == float_).all():
        return None
    others = printed.rows[printed.rows["technique"].isin(["F16", "PRN"])]
    less = [
        abs(row.accuracy - printed.accuracy(row.dataset, row.network, "NQ")) for row in each(others)
    ]
    equal = sum(one == 0 for one in less)
    return Finding(
        title="Compressed students have exactly the accuracy of the float student",
        where="Table 14",
        evidence=f"All {text.count(len(joined), 'row')} of distillation joined with F16 or pruning "
        "print the float student's accuracy to the last digit. Elsewhere F16 and PRN have exactly "
        f"NQ's accuracy in {equal} of {len(less)} rows, and differ by up to "
        f"{text.figure(100 * max(less), 1)} points.",
        certainty="likely",
        table=described(joined),
    )


@check
def repeated_rows(printed: Printed) -> Finding | None:
    """Check that Table 14 repeats the earlier tables where it has no distillation."""
    later = printed.results[(printed.results["table"] == 14)]
    later = later[~later["technique"].isin(KD)]
    earlier = printed.results[printed.results["table"] != 14]
    both = later.merge(earlier, on=["dataset", "network", "technique"], suffixes=("", "_before"))
    same = (both["printed"] == both["printed_before"]).all()
    if both.empty or not same:
        return None
    tables = text.listing(str(number) for number in sorted(set(both["table_before"])))
    return Finding(
        title="Table 14's undistilled columns are those of the earlier tables",
        where=f"Tables {tables} and 14",
        evidence=f"All {text.count(len(both), 'row')} agree to the last digit.",
        certainty="certain",
        kind="right",
    )
