"""The charts of a comparison: accuracy against size, latency, the spread between seeds."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import altair as alt
import pandas as pd

from dlmo.report import charts, text
from dlmo.report.cited import cited
from dlmo.report.comparison import CONTROL, KERNELS, PARENT, Comparison, Row
from dlmo.report.comparison_tables import about
from dlmo.report.statistics import MARGIN

PAPER, OURS, TRAINED_ON = "paper", "ours", "ours, NQ trained on"
SEED, MEAN = "one seed", "mean"
SERIES = {"paper": "paper (from its ms)", KERNELS[0]: "XNNPACK", KERNELS[1]: "built-in kernels"}

_SHAPES = {PAPER: "diamond", OURS: "circle", TRAINED_ON: "triangle-up"}
_SERIES_SHAPES = {
    SERIES["paper"]: "diamond",
    SERIES[KERNELS[0]]: "circle",
    SERIES[KERNELS[1]]: "square",
}


_THEIRS = {"profile": text.NONE}
"""The paper's numbers are of none of our profiles."""


class NothingToDraw:
    """What stands in a chart's place while there are no numbers."""

    def _repr_html_(self) -> str:
        return f"<p><em>{text.begin(text.MISSING)}.</em></p>"

    def __repr__(self) -> str:
        return text.begin(text.MISSING)


Drawn = alt.LayerChart | NothingToDraw


# Accuracy against size ---------------------------------------------------------------------------


@cited
def accuracy_against_size(comparison: Comparison) -> Drawn:
    """Draw accuracy over the bytes of the file as it is, ours with the seeds, and the paper's.

    The vertical line at a point of ours goes from the least to the most accurate seed.
    """
    frame = _frame(_each(comparison, _points), "least", "most")
    if frame.empty:
        return NothingToDraw()
    shown = techniques(frame)
    base = alt.Chart(frame).encode(
        x=logarithmic(frame, "size", "Size of the file (KB)", 28),
        color=alt.Color("technique:N", scale=charts.scale(shown), title="Technique"),
        tooltip=_tips("source", "Accuracy and size"),
    )
    marks = base.mark_point(size=120).encode(
        y=alt.Y("accuracy:Q", title="Accuracy (%)").scale(zero=False, padding=16),
        shape=shape("source", _SHAPES, frame, "Source"),
    )
    seeds = base.mark_rule(strokeWidth=2, tooltip=False, aria=False).encode(
        y="least:Q", y2="most:Q"
    )
    return _finished(
        _layers(marks, seeds, frame, "least"),
        380,
        f"Accuracy against the size of the file, {about(comparison)}. " + _spoken(frame, "source"),
    )


def _points(row: Row) -> Iterator[dict[str, Any]]:
    paper = row.printed
    if paper:
        facts = f"{text.percent(paper.accuracy)}, {text.kilobytes(paper.bytes)}"
        accuracy = round(100 * paper.accuracy, 2)
        size = paper.bytes / 1000
        yield _line(row, facts, source=PAPER, accuracy=accuracy, size=size, **_THEIRS)
    if row.accuracy is not None and row.bytes > 0:
        least, most = min(row.accuracies.values()), max(row.accuracies.values())
        facts = f"{text.percent(row.accuracy.estimate)} ({_over(row)}), "
        facts += f"{text.kilobytes(row.bytes)}, zipped {text.kilobytes(row.zipped_bytes)}"
        yield _line(
            row,
            facts,
            source=TRAINED_ON if row.technique == CONTROL else OURS,
            accuracy=round(100 * row.accuracy.estimate, 2),
            size=round(row.bytes / 1000, 3),
            least=round(100 * least, 2),
            most=round(100 * most, 2),
        )


def _over(row: Row) -> str:
    """Return from where to where the seeds go: `70.9 to 71.8 over five seeds`."""
    shares = row.accuracies.values()
    seeds = text.count(len(shares), "seed")
    if len(shares) == 1:
        return seeds
    least, most = (text.figure(100 * share, 1) for share in (min(shares), max(shares)))
    return f"{least} to {most} over {seeds}"


# Latency -----------------------------------------------------------------------------------------


@cited
def latency_ratios(comparison: Comparison) -> Drawn:
    """Draw each technique's latency over NQ's: the paper's, and ours with both sets of kernels."""
    frame = _frame(_each(comparison, _ratios), "low", "high")
    if frame.empty:
        return NothingToDraw()
    shown = techniques(frame)
    series = [name for name in SERIES.values() if name in set(frame["series"])]
    base = alt.Chart(frame).encode(
        y=alt.Y("technique:N", sort=shown, title=None).scale(paddingInner=0.35),
        yOffset=alt.YOffset("series:N", sort=series),
        color=alt.Color("technique:N", scale=charts.scale(shown), legend=None),
        tooltip=_tips("series", "Latency"),
    )
    marks = base.mark_point(size=95).encode(
        x=logarithmic(frame, "ratio", "Latency, ratio to NQ (less is faster)", 16),
        shape=shape("series", _SERIES_SHAPES, frame, "Runtime"),
    )
    reach = base.mark_rule(strokeWidth=2, tooltip=False, aria=False).encode(x="low:Q", x2="high:Q")
    one = _constant().mark_rule(
        strokeDash=[4, 3], color=charts.MUTED.light, tooltip=False, aria=False
    )
    return _finished(
        one.encode(x=alt.datum(1)) + _layers(marks, reach, frame, "low"),
        60 + 44 * len(shown),
        f"Latency as a ratio to NQ, {about(comparison)}. " + _spoken(frame, "series"),
    )


def _ratios(row: Row) -> Iterator[dict[str, Any]]:
    if row.technique == PARENT:
        return
    if row.printed:
        facts = f"{text.times(row.printed.ratio)} times NQ"
        ratio = round(row.printed.ratio, 3)
        yield _line(row, facts, series=SERIES["paper"], ratio=ratio, **_THEIRS)
    for kernels in KERNELS:
        found = row.ratio.get(kernels)
        if found is not None:
            yield _line(
                row,
                f"{text.ratio_with_interval(found)} times NQ",
                series=SERIES[kernels],
                ratio=round(found.estimate, 4),
                low=round(found.low, 4),
                high=round(found.high, 4),
            )


# Seeds -------------------------------------------------------------------------------------------


@cited
def seed_spread(comparison: Comparison) -> Drawn:
    """Draw the accuracy of every seed, their mean, and the paper's single value."""
    frame = _frame(_each(comparison, _seeds))
    if frame.empty or comparison.empty:
        return NothingToDraw()
    shown = techniques(frame)
    kinds = {SEED: "circle", PAPER: "diamond"}
    base = alt.Chart(frame).encode(
        x=alt.X("accuracy:Q", title="Accuracy (%)").scale(zero=False, padding=12),
        y=alt.Y("technique:N", sort=shown, title=None),
        color=alt.Color("technique:N", scale=charts.scale(shown), legend=None),
        tooltip=_tips("kind", "Accuracy"),
    )
    dots = base.transform_filter(alt.datum.kind == SEED).mark_point(size=70, opacity=0.65)
    means = base.transform_filter(alt.datum.kind == MEAN).mark_tick(thickness=3, size=20)
    printed = base.transform_filter(alt.datum.kind == PAPER).mark_point(size=110)
    marked = shape("kind", kinds, frame, "Value")
    return _finished(
        dots.encode(shape=marked) + means + printed.encode(shape=marked),
        50 + 32 * len(shown),
        f"Accuracy of every seed, {about(comparison)}. "
        + _spoken(frame[frame["kind"] != SEED], "kind"),
    )


def _seeds(row: Row) -> Iterator[dict[str, Any]]:
    for seed, share in row.accuracies.items():
        facts = f"seed {seed}: {text.percent(share, 2)}"
        yield _line(row, facts, kind=SEED, seed=seed, accuracy=round(100 * share, 2))
    mean = row.accuracy.estimate if row.accuracy else None
    for kind, value in ((MEAN, mean), (PAPER, row.printed.accuracy if row.printed else None)):
        if value is not None:
            theirs = _THEIRS if kind == PAPER else {}
            accuracy = round(100 * value, 2)
            yield _line(row, text.percent(value), kind=kind, accuracy=accuracy, **theirs)


# Differences -------------------------------------------------------------------------------------


@cited
def differences(comparison: Comparison) -> Drawn:
    """Draw each technique's paired differences, the margin of 1 point as a band.

    A technique that was trained on is drawn against NQ and against NQ+FT.
    """
    frame = _frame(_each(comparison, _pairs))
    if frame.empty:
        return NothingToDraw()
    shown = techniques(frame)
    base = alt.Chart(frame).encode(
        y=alt.Y("technique:N", sort=shown, title=None),
        yOffset=alt.YOffset("against:N", sort=[PARENT, CONTROL]),
        color=alt.Color("technique:N", scale=charts.scale(shown), legend=None),
        tooltip=_tips("against", "Points"),
    )
    shapes = {f"less {PARENT}": "circle", f"less {CONTROL}": "triangle-up"}
    marks = base.mark_point(size=95).encode(
        x=alt.X("difference:Q", title="Difference in accuracy (points)").scale(padding=12),
        shape=shape("against", shapes, frame, "Difference"),
    )
    reach = base.mark_rule(strokeWidth=2, tooltip=False, aria=False).encode(x="low:Q", x2="high:Q")
    edge = 100 * MARGIN
    band = _constant().mark_rect(color=charts.RULE.light, opacity=0.45, tooltip=False, aria=False)
    zero = _constant().mark_rule(
        strokeDash=[4, 3], color=charts.MUTED.light, tooltip=False, aria=False
    )
    return _finished(
        band.encode(x=alt.datum(-edge), x2=alt.datum(edge))
        + zero.encode(x=alt.datum(0))
        + _layers(marks, reach, frame, "low"),
        60 + 34 * len(shown),
        f"Paired differences in accuracy with 95 % intervals, {about(comparison)}; the band is "
        "1 point to each side. " + _spoken(frame, "against"),
    )


def _pairs(row: Row) -> Iterator[dict[str, Any]]:
    for other, found in row.differences.items():
        if found.values:
            written = text.difference_with_interval(found.interval)
            pairs = text.count(len(found.values), "pair")
            said = "" if found.word == "one pair" else f", {text.verdict(found.word)}"
            yield _line(
                row,
                f"{written} points, {pairs}{said}",
                against=f"less {other}",
                difference=round(100 * found.interval.estimate, 3),
                low=round(100 * found.interval.low, 3),
                high=round(100 * found.interval.high, 3),
            )


# The form ----------------------------------------------------------------------------------------

_NAMES = {
    "source": "Source",
    "series": "Runtime",
    "kind": "Value",
    "against": "Difference",
}


def _line(row: Row, facts: str, **values: Any) -> dict[str, Any]:
    """Return a row of a chart's data; `facts` is what its tooltip says."""
    return {"technique": row.technique, **values, "facts": facts}


def _each(
    comparison: Comparison, lines: Callable[[Row], Iterable[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    for row in comparison.rows.values():
        for line in lines(row):
            yield {"profile": comparison.profile} | line


def _frame(lines: Iterable[dict[str, Any]], *columns: str) -> pd.DataFrame:
    """Return the lines as a frame; the columns are there even where no line has them."""
    frame = pd.DataFrame(list(lines))
    return frame.reindex(columns=list(dict.fromkeys([*frame.columns, *columns])))


def techniques(frame: pd.DataFrame) -> list[str]:
    """Return the techniques of a chart's data, in their order."""
    return [str(name) for name in dict.fromkeys(frame["technique"])]


def _tips(kind: str, facts: str) -> list[alt.Tooltip]:
    """Return the lines of a tooltip; `facts` is what a line's facts are about."""
    return [
        alt.Tooltip("technique:N", title="Technique"),
        alt.Tooltip(f"{kind}:N", title=_NAMES[kind]),
        alt.Tooltip("facts:N", title=facts),
        alt.Tooltip("profile:N", title="Profile"),
    ]


def shape(
    column: str, shapes: dict[str, str], frame: pd.DataFrame, title: str, **form: Any
) -> alt.Shape:
    """Return the shapes of a column's values, with a legend that can be read on a dark page.

    Args:
        column: whose values the shapes are.
        shapes: by value.
        frame: what is drawn; only what it holds is in the legend.
        title: of the legend.
        form: more of Altair's properties of a legend.
    """
    used = [name for name in shapes if name in set(frame[column])]
    scale = alt.Scale(domain=used, range=[shapes[name] for name in used])
    # Without a colour of its own the legend is black, on a dark page too; at the bottom it does
    # not compete with the techniques for a phone's width.
    ink = charts.INK.light
    legend = alt.Legend(
        symbolFillColor=ink, symbolStrokeColor=ink, orient="bottom", title=title, **form
    )
    return alt.Shape(f"{column}:N", scale=scale, legend=legend)


def _spoken(frame: pd.DataFrame, kind: str) -> str:
    """Return the key facts of a chart as a sentence, for those who do not see it."""
    columns = frame[["technique", kind, "facts"]].to_numpy().tolist()
    said = [f"{technique}, {which}: {facts}" for technique, which, facts in columns]
    return "; ".join(said) + "." if said else f"{text.begin(text.MISSING)}."


def _constant() -> alt.Chart:
    """Return a chart of one line without data, for marks that stand at fixed values."""
    return alt.Chart(alt.sequence(0, 1))


def _layers(marks: alt.Chart, spans: alt.Chart, frame: pd.DataFrame, column: str) -> alt.LayerChart:
    """Return the marks over their spans; without spans the scale would have no extent."""
    drawn = [spans, marks] if frame[column].notna().any() else [marks]
    return alt.LayerChart(layer=drawn)


def logarithmic(frame: pd.DataFrame, column: str, title: str, padding: int) -> alt.X:
    """Return a logarithmic horizontal axis with round numbers, more of them for a short way."""
    reach = frame[column].max() / frame[column].min()
    digits = (1, 2, 5) if reach > _FAR else (1, 1.5, 2, 3, 4, 5, 7)
    steps = [digit * 10.0**power for power in range(-2, 6) for digit in digits]
    axis = alt.Axis(values=steps, format="~g", labelOverlap=True)
    return alt.X(f"{column}:Q", title=title, axis=axis).scale(
        type="log", nice=False, padding=padding
    )


_FAR = 20
"""From the least to the largest value of an axis: above it 1, 2 and 5 of each power are enough."""


def _finished(chart: alt.LayerChart, height: int, description: str) -> alt.LayerChart:
    return chart.properties(height=height, description=description)
