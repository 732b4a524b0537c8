"""The chart of an overview: accuracy against size for everything that is measured."""

from collections.abc import Iterator
from typing import Any

import altair as alt
import pandas as pd

from dlmo.report import charts, text
from dlmo.report.cited import cited
from dlmo.report.comparison import PARENT, Comparison, Row
from dlmo.report.comparison_charts import Drawn, NothingToDraw, logarithmic, shape, techniques
from dlmo.report.comparison_tables import title
from dlmo.report.overview import Overview

_SHAPES = ("circle", "square", "triangle-up", "diamond")


@cited
def accuracy_against_size(found: Overview) -> Drawn:
    """Draw the accuracy of all measured files over their bytes; lines join those of a network."""
    frame = pd.DataFrame([line for one in found.measured for line in _lines(one)])
    if frame.empty:
        return NothingToDraw()
    shown = techniques(frame)
    datasets = dict(zip(dict.fromkeys(frame["dataset"]), _SHAPES, strict=False))
    base = alt.Chart(frame).encode(
        x=logarithmic("size", "Size of the file (KB)", 28),
        y=alt.Y("accuracy:Q", title="Accuracy (%)").scale(zero=False, padding=20),
    )
    lines = base.mark_line(color=charts.RULE.light, strokeWidth=1.5, tooltip=False, aria=False)
    points = base.mark_point(size=110).encode(
        color=alt.Color("technique:N", scale=charts.scale(shown), title="Technique"),
        shape=shape("dataset", datasets, frame, "Dataset"),
        tooltip=_tips(),
    )
    names = base.transform_filter(alt.datum.technique == PARENT).mark_text(
        align="right", baseline="bottom", dx=-8, dy=-6, tooltip=False, aria=False
    )
    joined = lines.encode(detail=["network:N", "dataset:N"], order="size:Q")
    chart = alt.LayerChart(layer=[joined, points, names.encode(text="network:N")])
    return chart.properties(height=420, description=_spoken(frame))


def _lines(one: Comparison) -> Iterator[dict[str, Any]]:
    for row in one.rows.values():
        if row.accuracy is not None and row.bytes > 0:
            yield {
                "technique": row.technique,
                "network": title(one.network),
                "dataset": title(one.dataset),
                "accuracy": round(100 * row.accuracy.estimate, 2),
                "size": round(row.bytes / 1000, 3),
                "zipped": text.kilobytes(row.zipped_bytes),
                "facts": _facts(row),
            }


def _facts(row: Row) -> str:
    assert row.accuracy is not None
    seeds = text.count(len(row.accuracies), "seed")
    said = f"{text.accuracy_with_interval(row.accuracy)}\u00a0% ({seeds}), "
    said += text.kilobytes(row.bytes)
    ratio = row.ratio.get("xnnpack")
    return said + (f", {text.ratio(ratio.estimate)} times NQ's latency" if ratio else "")


def _tips() -> list[alt.Tooltip]:
    names = ("technique", "network", "dataset", "zipped", "facts")
    return [alt.Tooltip(f"{name}:N", title=name.capitalize()) for name in names]


def _spoken(frame: pd.DataFrame) -> str:
    rows = frame[["network", "dataset", "technique", "facts"]].to_numpy().tolist()
    said = "; ".join(
        f"{network} on {dataset}, {name}: {facts}" for network, dataset, name, facts in rows
    )
    return f"Accuracy against the size of the file, everything that is measured. {said}."
