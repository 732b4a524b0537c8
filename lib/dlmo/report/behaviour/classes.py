"""Class by class: where a mean hides that some classes lose."""

from collections.abc import Iterator
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from dlmo.report import charts, statistics, tables, text
from dlmo.report.behaviour.gathering import (
    Behaviour,
    about,
    less,
    named,
    points,
    right,
)
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import PARENT
from dlmo.report.comparison_charts import NothingToDraw, shape
from dlmo.report.statistics import ALPHA, Interval

COLUMNS = ("technique", "unit", "label", "name", "difference", "low", "high", "p", "adjusted")

TOLD, OPEN = "told apart", "not told apart"


@cited
def changes(found: Behaviour) -> pd.DataFrame:
    """Return how much of each class every technique classifies rightly, less NQ.

    Returns:
        `COLUMNS`: differences in shares with their intervals; p of no difference (McNemar's exact
        test for a file, a paired t-test over seeds), and p adjusted for the false discovery rate
        over all techniques and classes.
    """
    frame = pd.DataFrame(list(_lines(found)), columns=list(COLUMNS[:-1]))
    frame["adjusted"] = np.array(statistics.benjamini_hochberg(frame["p"].tolist()), float)
    return frame


def _lines(found: Behaviour) -> Iterator[dict[str, Any]]:
    for technique in found.others:
        unit = found.unit(technique)
        if unit == "seed" and len(found.pairs(technique)) < 2:
            continue
        for label in range(len(found.pairs(technique)[0][0].counts)):
            interval, p = _in_class(found, technique, label)
            yield {
                "technique": technique,
                "unit": unit,
                "label": label,
                "name": named(found, label),
                "difference": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "p": p,
            }


def _in_class(found: Behaviour, technique: str, label: int) -> tuple[Interval, float]:
    own = found.labels() == label
    pairs = found.pairs(technique)
    total = int(pairs[0][0].counts[label])
    # What no file gets right has no known label, and is wrong for both.
    unknown = np.zeros(max(0, total - int(own.sum())), bool)
    both = [[np.concatenate([one.right[own], unknown]) for one in pair] for pair in pairs]
    if found.unit(technique) == "file":
        first, second = both[0]
        files = statistics.paired_files(first, second)
        return files.difference, files.p
    compared = statistics.compare_pairs(
        *([one.mean() for one in side] for side in zip(*both, strict=True))
    )
    return compared.interval, statistics.two_sided(compared)


@cited
def table(found: Behaviour, frame: pd.DataFrame) -> Table | NothingToDraw:
    """Return for each technique the mean difference and the classes that lose and gain most."""
    if frame.empty:
        return NothingToDraw()
    lines = []
    for technique, own in frame.groupby("technique", sort=False):
        worst = own.sort_values("difference").iloc[0]
        best = own.sort_values("difference").iloc[-1]
        lines.append(
            {
                "Technique": technique,
                "All classes (points)": points(less(found, str(technique), right)),
                "Lowest class": _told(worst),
                "Highest class": _told(best),
                "Classes told apart": f"{_count(own)} of {len(own)}",
            }
        )
    caption = f"Differences to {PARENT} by class, in points: {about(found)}."
    return tables.styled(
        pd.DataFrame(lines), caption=caption, name="classes", wrap=["Lowest class", "Highest class"]
    )


def _told(line: "pd.Series[Any]") -> str:
    return f"{line['name']} {text.points(line['difference'])}{_mark(line)}"


def _mark(line: "pd.Series[Any]") -> str:
    return "*" if line["adjusted"] < ALPHA else ""


def _count(own: pd.DataFrame) -> int:
    return int((own["adjusted"] < ALPHA).sum())


@cited
def chart(found: Behaviour, frame: pd.DataFrame) -> alt.LayerChart | NothingToDraw:
    """Draw every class's difference to NQ, a row a technique; the stroke is all classes' mean."""
    if frame.empty:
        return NothingToDraw()
    shown = list(dict.fromkeys(frame["technique"]))
    drawn = frame.assign(
        points=(100 * frame["difference"]).round(2),
        told=np.where(frame["adjusted"] < ALPHA, TOLD, OPEN),
        facts=[_facts(line) for _, line in frame.iterrows()],
    )[["technique", "name", "points", "told", "facts"]]
    base = alt.Chart(drawn).encode(
        x=alt.X("points:Q", title="Difference to NQ within a class (points)").scale(padding=12),
        y=alt.Y("technique:N", sort=shown, title=None),
        color=alt.Color("technique:N", scale=charts.scale(shown), legend=None),
        tooltip=[
            alt.Tooltip("technique:N", title="Technique"),
            alt.Tooltip("name:N", title="Class"),
            alt.Tooltip("facts:N", title="Difference to NQ"),
        ],
    )
    dots = base.mark_point(size=75, opacity=0.8).encode(
        shape=shape("told", {TOLD: "diamond", OPEN: "circle"}, drawn, "From no difference")
    )
    averages = drawn.groupby("technique", sort=False, as_index=False)["points"].mean()
    means = (
        alt.Chart(averages)
        .mark_tick(thickness=3, size=24, tooltip=False, aria=False)
        .encode(
            x="points:Q",
            y=alt.Y("technique:N", sort=shown, title=None),
            color=alt.Color("technique:N", scale=charts.scale(shown), legend=None),
        )
    )
    zero = alt.Chart(alt.sequence(0, 1)).mark_rule(
        strokeDash=[4, 3], color=charts.MUTED.light, tooltip=False, aria=False
    )
    return alt.LayerChart(layer=[zero.encode(x=alt.datum(0)), dots, means]).properties(
        height=60 + 34 * len(shown),
        description=f"Differences to NQ by class, {about(found)}. {_spoken(frame)}",
    )


def _facts(line: "pd.Series[Any]") -> str:
    found = Interval(line["difference"], line["low"], line["high"], 0)
    return f"{text.difference_with_interval(found)} points, adjusted p {line['adjusted']:.2g}"


def _spoken(frame: pd.DataFrame) -> str:
    said = []
    for technique, own in frame.groupby("technique", sort=False):
        worst = own.sort_values("difference").iloc[0]
        said.append(
            f"{technique}: {text.points(own['difference'].min())} to "
            f"{text.points(own['difference'].max())} points, worst {worst['name']}"
        )
    return "; ".join(said) + "."


@cited
def sentence(found: Behaviour, frame: pd.DataFrame) -> str:
    """Say which techniques hide the loss of a class behind their mean."""
    if frame.empty:
        return f"Differences by class are {text.MISSING}."
    quiet, said = [], []
    for technique, own in frame.groupby("technique", sort=False):
        lost = own[(own["adjusted"] < ALPHA) & (own["difference"] < 0)].sort_values("difference")
        if lost.empty:
            quiet.append(str(technique))
            continue
        worst = lost.iloc[0]
        mean = less(found, str(technique), right).interval.estimate
        said.append(
            f"{technique} loses {text.points(-worst['difference']).lstrip('+')} points on "
            f"{worst['name']} while all classes together change by {text.points(mean)}"
        )
    parts = [f"{text.begin('; '.join(said))}."] if said else []
    if quiet:
        parts.append(f"Of {text.listing(quiet)} no class is shown to lose.")
    return " ".join(parts)
