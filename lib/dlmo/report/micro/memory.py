"""RAM: operator by operator, against what the interpreter reports, in place and in patches."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import pandas as pd

from dlmo import microcontroller
from dlmo.deployable import Deployable
from dlmo.microcontroller import Patched, Step
from dlmo.report import charts, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import Drawn, NothingToDraw
from dlmo.report.methods import layers
from dlmo.report.micro.files import One, named
from dlmo.report.text import MISSING, NONE

_PARTS = {
    "read": ("F16", "it reads"),
    "written": ("FIQ", "it writes"),
    "waiting": ("QAT", "waits for a later one"),
}
"""What is in RAM at an operator: the technique whose colour it has, and its name."""


@cited
def table(found: Sequence[One]) -> Table | NothingToDraw:
    """Return for each deployable its flash, its values at the peak, and the measured arena."""
    if not found:
        return NothingToDraw()
    lines = [
        {
            "Technique": one.technique,
            "Flash (KB)": text.kb(one.flash),
            "Values, computed (KB)": _kb(one.computed),
            "Values, reported (KB)": _of(one, "head"),
            "What stays (KB)": _of(one, "tail"),
            "Arena (KB)": _of(one, "bytes"),
            "Smallest arena (KB)": _of(one, "least"),
        }
        for one in found
    ]
    return layers.table(pd.DataFrame(lines), "Flash and RAM of each file.")


def _kb(size: int | None) -> str:
    return NONE if size is None else text.kb(size)


def _of(one: One, name: str) -> str:
    if one.measured is None:
        return MISSING if name == "bytes" else NONE
    return _kb(getattr(one.measured, name))


@cited
def sentence(found: Sequence[One]) -> str:
    """Say how what the interpreter reports compares with what is computed from the file."""
    able = [one for one in found if one.measured is not None and one.measured.head is not None]
    if not able:
        return f"The arena is {MISSING}."
    same = [one for one in able if _apart(one) == 0]
    said = (
        "The interpreter reports to the byte what its planner makes of the values in the file, for "
        f"{text.part(len(same), len(able), 'file')} that run."
        if len(able) > 1
        else _single(able[0])
    )
    apart = [
        f"{one.technique} ({text.signed(_apart(one) / 1000, 1)}\u00a0KB)"
        for one in able
        if one not in same
    ]
    parts = [said]
    if apart:
        parts.append(f"It reports other values for {text.listing(apart)}.")
    parts += _gaps(able)
    stays = [(one.measured.tail or 0) / (one.measured.bytes or 1) for one in able if one.measured]
    parts.append(f"What stays is {_span(stays)} of the arena.")
    return " ".join(parts)


def _gaps(able: Sequence[One]) -> list[str]:
    """Say where the planner leaves gaps, and how large they are."""
    gaps = {
        one.technique: gap for one in able if (gap := (one.planned or 0) - (one.computed or 0)) > 0
    }
    if not gaps:
        return []
    sizes = text.span(sorted(gaps.values()), text.kb)
    return [
        f"It leaves gaps of {sizes}\u00a0KB, in which nothing lies at the peak, in the arena of "
        f"{text.listing(gaps)}."
    ]


def _single(one: One) -> str:
    if _apart(one) == 0:
        return (
            "The interpreter reports to the byte what its planner makes of the values in the file."
        )
    return f"The interpreter reports {text.signed(_apart(one) / 1000, 1)}\u00a0KB more or less."


def _apart(one: One) -> int:
    """Return what is reported less what is planned by the rule, in bytes."""
    assert one.measured is not None and one.measured.head is not None
    return one.measured.head - (one.planned or 0)


def _span(shares: Sequence[float]) -> str:
    low, high = min(shares), max(shares)
    if round(low, 2) == round(high, 2):
        return text.percent(low, 0)
    return f"{text.figure(100 * low, 0)} to {text.percent(high, 0)}"


# Operator by operator -----------------------------------------------------------------------------


@cited
def curve_chart(one: One | None) -> Drawn:
    """Draw what is in RAM while each operator runs, and what in-place execution would leave."""
    if one is None or one.held is None:
        return NothingToDraw()
    frame = pd.DataFrame(list(_bars(one.held)))
    if frame.empty:
        return NothingToDraw()
    domain = [name for _, name in _PARTS.values()]
    colours = alt.Scale(
        domain=domain, range=[charts.colour(short).light for short, _ in _PARTS.values()]
    )
    place = alt.X("place:O", title="Operator, in the order in which they run").axis(
        labelOverlap=True, labelAngle=0
    )
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=place,
            y=alt.Y("sum(size):Q", title="RAM (KB)").stack("zero"),
            color=alt.Color("part:N", scale=colours, title=None, legend=alt.Legend(columns=1)),
            order=alt.Order("rank:O"),
            tooltip=[
                alt.Tooltip("place:O", title="Operator"),
                alt.Tooltip("operator:N", title="Kind"),
                alt.Tooltip("part:N", title="Part"),
                alt.Tooltip("said:N", title="Size"),
            ],
        )
    )
    over = frame.drop_duplicates("place")
    ticks = (
        alt.Chart(over)
        .mark_tick(color=charts.colour("BLQ").light, thickness=3, width=18)
        .encode(
            x=place,
            y="inplace:Q",
            tooltip=[
                alt.Tooltip("place:O", title="Operator"),
                alt.Tooltip("inplace_said:N", title="In place"),
            ],
        )
    )
    return alt.LayerChart(layer=[bars, ticks]).properties(
        height=320, description=_spoken(one, frame)
    )


def _bars(held: Deployable) -> Iterator[dict[str, Any]]:
    steps = microcontroller.curve(held)
    for step, left in zip(steps, microcontroller.in_place(held), strict=True):
        sizes = {"read": step.inputs, "written": step.outputs, "waiting": step.others}
        for rank, (part, size) in enumerate(sizes.items()):
            yield {
                "place": step.place + 1,
                "operator": step.name,
                "part": _PARTS[part][1],
                "rank": rank,
                "size": size / 1000,
                "said": text.kilobytes(size),
                "inplace": left / 1000,
                "inplace_said": text.kilobytes(left),
            }


def _spoken(one: One, frame: pd.DataFrame) -> str:
    totals = frame.groupby(["place", "operator"], as_index=False)["size"].sum()
    said = "; ".join(f"{row.place} {row.operator} {row.size:.1f}" for row in totals.itertuples())
    return f"RAM in KB while each operator of {named(one)} runs: {said}."


@cited
def peak_sentence(one: One | None) -> str:
    """Say at which operator the peak is and what makes it."""
    if one is None or one.held is None:
        return f"The file is {MISSING}, or not kept here."
    steps = microcontroller.curve(one.held)
    step = max(steps, key=lambda each: each.bytes)
    waits = f", while {text.kilobytes(step.others)} wait" if step.others else ""
    said = (
        f"The peak of {named(one)} is {text.kilobytes(step.bytes)}, at operator {step.place + 1} "
        f"of {len(steps)}, {step.name}: it reads {text.kilobytes(step.inputs)} and writes "
        f"{text.kilobytes(step.outputs)}{waits}."
    )
    return f"{said}{_within(steps, step)}"


def _within(steps: Sequence[Step], peak: Step) -> str:
    """Say what the peak would be if the program quantized the image itself."""
    others = [step for step in steps if step.name != "QUANTIZE"]
    if peak.name != "QUANTIZE" or peak.place != 0 or not others:
        return ""
    # The float image is gone before any other operator runs.
    most = max(others, key=lambda step: step.bytes)
    return (
        " That is the image as floats beside the same image as integers. A program that fills in "
        f"the integers itself needs {text.kilobytes(most.bytes)}, the peak of what follows "
        f"({most.name}, operator {most.place + 1})."
    )


# In place, in patches -----------------------------------------------------------------------------


@cited
def savings_table(found: Sequence[One], sides: Sequence[int]) -> Table | NothingToDraw:
    """Return for each file that is kept its peak as it is, in place, and in patches."""
    lines = [_saving(one, one.held, sides) for one in found if one.held is not None and one.runs]
    if not lines:
        return NothingToDraw()
    return layers.table(
        pd.DataFrame(lines), "RAM of the values at the peak, computed: as it is, and otherwise."
    )


def _saving(one: One, held: Deployable, sides: Sequence[int]) -> dict[str, str]:
    plain = microcontroller.need(held).activations
    over = max(microcontroller.in_place(held), default=plain)
    cut = microcontroller.best(held, sides)
    return {
        "Technique": one.technique,
        "As it is (KB)": text.kb(plain),
        "In place (KB)": text.kb(over),
        "saves (%)": _share(over, plain),
        "In patches (KB)": NONE if cut is None else text.kb(cut.bytes),
        "saves (%) ": NONE if cut is None else _share(cut.bytes, plain),
        "Patches": NONE if cut is None else f"{cut.side} × {cut.side}",
        "Operators in patches": NONE if cut is None else str(cut.stage),
        "Computes more (%)": NONE if cut is None else text.figure(100 * cut.extra, 1),
    }


def _share(less: int, plain: int) -> str:
    return text.figure(100 * (1 - less / plain), 0)


@cited
def savings_sentence(found: Sequence[One], sides: Sequence[int]) -> str:
    """Say what in-place and patch-based execution would save of the peak, over the files."""
    kept = [one.held for one in found if one.held is not None and one.runs]
    if not kept:
        return f"What they would save is {MISSING}: no file that runs is kept here."
    plain = [microcontroller.need(held).activations for held in kept]
    over = [
        1 - max(microcontroller.in_place(held)) / size
        for held, size in zip(kept, plain, strict=True)
    ]
    cuts = [
        (microcontroller.best(held, sides), size) for held, size in zip(kept, plain, strict=True)
    ]
    said = f"In-place execution would save {_span(over)} of the peak"
    known = [(cut, size) for cut, size in cuts if cut is not None]
    if not known:
        return f"{said}. No first stage of these files can be cut into patches."
    saved = [1 - cut.bytes / size for cut, size in known]
    return f"{said}; patches would save {_span(saved)} and compute {_more(known)} more."


def _more(known: Sequence[tuple[Patched, int]]) -> str:
    return _span([cut.extra for cut, _ in known])
