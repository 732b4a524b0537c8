"""The chart of an overview: accuracy against size for everything that is measured."""

from collections.abc import Iterator
from typing import Any

import altair as alt
import pandas as pd

from dlmo.report import charts, text
from dlmo.report.cited import cited
from dlmo.report.comparison import CONTROL, PARENT, Comparison
from dlmo.report.comparison_charts import Drawn, NothingToDraw, logarithmic, shape, techniques
from dlmo.report.comparison_tables import title
from dlmo.report.overview import Overview

_SHAPES = (("circle", "triangle-up"), ("square", "triangle-down"), ("diamond", "triangle-right"))
"""Of each dataset: its files, and NQ trained on, which has NQ's colour."""

_NEAR = {"size": 8, "accuracy": 6}
"""How many times larger and how many points higher another network may be and be in the way."""


@cited
def accuracy_against_size(found: Overview) -> Drawn:
    """Draw the accuracy of all measured files over their bytes; lines join those of a network."""
    frame = pd.DataFrame([line for one in found.measured for line in _lines(one)])
    if frame.empty:
        return NothingToDraw()
    base = alt.Chart(frame).encode(
        x=logarithmic(frame, "size", "Size of the file (KB)", 28),
        y=alt.Y("accuracy:Q", title="Accuracy (%)").scale(zero=False, padding=20),
    )
    lines = base.mark_line(color=charts.RULE.light, strokeWidth=1.5, tooltip=False, aria=False)
    points = base.mark_point(size=110).encode(
        color=_colours(frame),
        shape=shape("marked", _shapes(frame), frame, "Dataset"),
        tooltip=_tips(),
    )
    joined = lines.encode(detail=["network:N", "dataset:N"], order="size:Q")
    chart = alt.LayerChart(layer=[joined, points, *_names(frame)])
    return chart.properties(height=460, description=_spoken(frame))


def _colours(frame: pd.DataFrame) -> alt.Color:
    """Return the colours of the techniques; the legend of shapes names NQ trained on."""
    shown = techniques(frame)
    legend = alt.Legend(values=[name for name in shown if name != CONTROL])
    return alt.Color("technique:N", scale=charts.scale(shown), title="Technique", legend=legend)


def _shapes(frame: pd.DataFrame) -> dict[str, str]:
    pairs = list(zip(dict.fromkeys(frame["dataset"]), _SHAPES, strict=False))
    plain = {dataset: kinds[0] for dataset, kinds in pairs}
    return plain | {_trained_on(dataset): kinds[1] for dataset, kinds in pairs}


def _trained_on(dataset: str) -> str:
    return f"{CONTROL}, {dataset}"


_SHIFTS = {"bottom": -6, "top": 8, "middle": 0}
"""How far below its point a name stands, in pixels, by its baseline."""


def _names(frame: pd.DataFrame) -> list[alt.Chart]:
    """Return each network's name over its NQ, or under it where another network lies above.

    Another form of a network is named beside its smallest file: its NQ lies among the network's.
    """
    own = frame[frame["technique"] == PARENT]
    forms = own["network"].str.contains("(", regex=False)
    below = own.apply(lambda line: _covered(line, own), axis=1).astype(bool)
    files = frame[frame["network"].isin(own[forms]["network"])].sort_values("size")
    places = {
        "bottom": own[~forms & ~below],
        "top": own[~forms & below],
        "middle": files.drop_duplicates(["network", "dataset"]),
    }
    return [
        alt.Chart(lines)
        .mark_text(
            align="right",
            baseline=alt.TextBaseline(baseline),
            dx=-8,
            dy=_SHIFTS[baseline],
            tooltip=False,
            aria=False,
        )
        .encode(x="size:Q", y="accuracy:Q", text="network:N")
        for baseline, lines in places.items()
        if len(lines)
    ]


def _covered(line: "pd.Series[Any]", others: pd.DataFrame) -> bool:
    """Return whether another network's files lie where this one's name would stand."""
    higher = others["accuracy"] - line["accuracy"]
    times = others["size"] / line["size"]
    reach = times.between(1 / _NEAR["size"], _NEAR["size"])
    return bool((higher.between(0, _NEAR["accuracy"], inclusive="right") & reach).any())


def _lines(one: Comparison) -> Iterator[dict[str, Any]]:
    dataset = title(one.dataset)
    for row in one.rows.values():
        if row.accuracy is not None and row.bytes > 0:
            ratio = row.ratio.get("xnnpack")
            yield {
                "technique": row.technique,
                "network": title(one.network),
                "dataset": dataset,
                "profile": one.profile,
                "marked": _trained_on(dataset) if row.technique == CONTROL else dataset,
                "accuracy": round(100 * row.accuracy.estimate, 2),
                "interval": text.accuracy_with_interval(row.accuracy),
                "seeds": len(row.accuracies),
                "size": round(row.bytes / 1000, 3),
                "zipped": text.kilobytes(row.zipped_bytes),
                "latency": text.ratio(ratio.estimate) if ratio else text.NONE,
            }


_TIPS = {
    "technique": "Technique",
    "network": "Network",
    "dataset": "Dataset",
    "profile": "Profile",
    "interval": "Accuracy (%)",
    "seeds": "Seeds",
    "size": "Size (KB)",
    "zipped": "Zipped",
    "latency": "Latency, ratio to NQ",
}


def _tips() -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:N", title=said) for name, said in _TIPS.items()]


def _spoken(frame: pd.DataFrame) -> str:
    """Say what the chart shows, how far it reaches, and its extremes; the rest is in its CSV."""
    networks = text.count(frame["network"].nunique(), "network")
    said = [f"Accuracy against the size of the file: {len(frame)} files of {networks}."]
    for dataset, own in frame.groupby("dataset", sort=False):
        best = own.sort_values("accuracy").iloc[-1]
        least = own.sort_values("size").iloc[0]
        low, high = (text.figure(own["accuracy"].agg(one), 1) for one in ("min", "max"))
        small, large = (text.kilobytes(1000 * own["size"].agg(one)) for one in ("min", "max"))
        said.append(
            f"{dataset}: {low} to {high} %, {small} to {large}; the most accurate is "
            f"{best['technique']} of {best['network']}, the smallest {least['technique']} of "
            f"{least['network']}."
        )
    return " ".join([*said, "All values are in the data beside the chart."])
