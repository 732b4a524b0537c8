"""Words, tables and charts that the chapters of Section 3 share."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from dlmo.deployable import Deployable, Layer
from dlmo.errors import UserError
from dlmo.report import charts, statistics, tables, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import NothingToDraw

_OPERATORS = {
    "CONV_2D": "convolution",
    "DEPTHWISE_CONV_2D": "depthwise convolution",
    "FULLY_CONNECTED": "fully connected",
    "TRANSPOSE_CONV": "transposed convolution",
    "MAX_POOL_2D": "largest of a window",
    "AVERAGE_POOL_2D": "mean of a window",
    "MEAN": "mean",
    "RESHAPE": "reshape",
    "ADD": "add",
    "MUL": "multiply",
    "PAD": "pad",
    "QUANTIZE": "quantize",
    "DEQUANTIZE": "dequantize",
    "HARD_SWISH": "hard swish",
}


def operator(name: str) -> str:
    """Return an operator's name as prose writes it."""
    return _OPERATORS.get(name, name.lower().replace("_", " "))


def named(layer: Layer, place: int) -> str:
    """Return what a layer is called, counted from 1: `layer 2 (convolution)`."""
    return f"layer {place + 1} ({operator(layer.operator)})"


def shape(sizes: Sequence[int]) -> str:
    """Return a shape as prose writes it: `16×3×3×8`."""
    return "×".join(map(str, sizes))


def channel_axis(sizes: Sequence[int]) -> int:
    """Return the dimension of the output channels in a `.tflite`'s kernel."""
    return len(sizes) - 1 if len(sizes) == 4 and sizes[0] == 1 else 0


def chosen(found: Deployable, number: int) -> Layer:
    """Return the layer with this number, counted from 1.

    Raises:
        UserError: the file has no such layer.
    """
    if not 1 <= number <= len(found.layers):
        raise UserError(f"there is no layer {number}; give a number from 1 to {len(found.layers)}")
    return found.layers[number - 1]


@cited
def table(frame: pd.DataFrame, caption: str) -> Table:
    """Return a table whose columns of words stand left and whose numbers stand right."""
    whole = dict.fromkeys(frame.select_dtypes("integer").columns, "{:,}")
    style = tables.styled(frame, caption=caption, formats=whole)
    right: list[Any] = [
        name for name in frame.columns if name in whole or frame[name].map(_is_number).all()
    ]
    style.set_properties(subset=right, **{"text-align": "right"})
    heads = [f"th.col{list(frame.columns).index(name)}" for name in right]
    rules: list[Any] = [{"selector": head, "props": "text-align: right"} for head in heads]
    style.set_table_styles(rules, overwrite=False)
    return style


def _is_number(cell: object) -> bool:
    return str(cell).lstrip("\u2212+-")[:1].isdigit() or str(cell) in (text.NONE, text.MISSING)


# A varied recipe ----------------------------------------------------------------------------------


@cited
def sweep_chart(
    found: pd.DataFrame,
    title: str,
    technique: str,
    *,
    logarithmic: bool = False,
    form: str = "~g",
    unit: str = "seed",
) -> alt.LayerChart | NothingToDraw:
    """Draw accuracy over a varied value: every seed as a point, their means as a line.

    Args:
        found: of `chapter.sweep`.
        title: of the value, for its axis.
        technique: gives the colour.
        logarithmic: whether the axis is.
        form: how the axis writes values.
        unit: what is repeated: a seed, or a draw of images.
    """
    known = found.dropna(subset=["accuracy"])
    if known.empty:
        return NothingToDraw()
    rows = known[["value", "technique", "repeat", "accuracy"]].copy()
    rows["accuracy"] = (100 * rows["accuracy"].astype(float)).round(2)
    rows["facts"] = [
        f"{text.figure(accuracy, 2)} %, {unit} {int(repeat)}"
        for accuracy, repeat in rows[["accuracy", "repeat"]].to_numpy()
    ]
    colour = charts.colour(technique).light
    asked = sorted(map(float, found["value"].unique()))
    x = alt.X("value:Q", title=title, axis=alt.Axis(format=form, values=asked)).scale(
        type="log" if logarithmic else "linear", domain=[asked[0], asked[-1]], padding=16
    )
    base = alt.Chart(rows).encode(x=x)
    y = alt.Y("accuracy:Q", title="Accuracy (%)").scale(zero=False, padding=16)
    tips = [
        alt.Tooltip("value:Q", title=title, format=form),
        alt.Tooltip("facts:N", title="Accuracy"),
    ]
    points = base.mark_point(color=colour, size=70, opacity=0.7).encode(y=y, tooltip=tips)
    means = base.mark_line(color=colour, tooltip=False, aria=False).encode(y="mean(accuracy):Q")
    return alt.LayerChart(layer=[means, points]).properties(
        height=280,
        description=f"Accuracy of {technique}. {sweep_sentence(found, title.lower(), unit=unit)}",
    )


@cited
def sweep_sentence(
    found: pd.DataFrame, what: str, *, whole: bool = False, share: bool = False, unit: str = "seed"
) -> str:
    """Say what accuracy each value of a varied recipe gives, and which are not measured."""

    def written(value: float) -> str:
        if share:
            return text.percent(value, 0)
        return text.figure(value, 0) if whole else f"{value:g}"

    if found.empty:
        return f"No value of the {what} was asked for."
    known = found.dropna(subset=["accuracy"])
    said = [
        f"{written(float(str(value)))}: {_mean(group, unit)}"
        for value, group in known.groupby("value")
    ]
    absent = [value for value in found["value"].unique() if value not in set(known["value"])]
    parts = [f"Accuracy by {what}: {'; '.join(said)}."] if said else []
    if absent:
        listed = text.listing(written(float(value)) for value in absent)
        parts.append(f"{text.begin(what)} {listed}: {text.MISSING}.")
    return " ".join(parts)


def _mean(group: pd.DataFrame, unit: str) -> str:
    values = group["accuracy"].to_numpy(float)
    found = statistics.mean(values)
    return f"{text.accuracy_with_interval(found)}\u00a0% ({text.count(len(values), unit)})"
