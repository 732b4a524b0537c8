"""The charts of the chapter on the runtime."""

import altair as alt
import pandas as pd

from dlmo.report import charts, text
from dlmo.report.cited import cited
from dlmo.report.comparison_charts import Drawn, NothingToDraw, logarithmic, shape
from dlmo.report.statistics import Interval

_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")

_LINES = "split(replace(replace(datum.label, ' on ', '|on '), ' (', '|('), '|')"
"""A network's options and its machine stand below its name, so that a phone has room to draw."""

_NAMES = {"where": "Runtime", "name": "Network", "by": "Computed by", "with interval": "Ratio"}


def _tips(*names: str) -> list[alt.Tooltip]:
    titles = {name: _NAMES.get(name, text.begin(name)) for name in names}
    return [alt.Tooltip(f"{name}:N", title=title) for name, title in titles.items()]


def _said(line: "pd.Series") -> str:
    return text.ratio_with_interval(Interval(line["ratio"], line["low"], line["high"], 1))


@cited
def ratios(latencies: pd.DataFrame) -> Drawn:
    """Draw each technique's latency over NQ's on every runtime, with one thread.

    Args:
        latencies: of `read.latencies`.
    """
    chosen = latencies[(latencies["threads"] == 1) & latencies["ratio"].notna()]
    return pointed(
        chosen[chosen["technique"] != "NQ"],
        "Latency, ratio to NQ (less is faster)",
        "Latency as a ratio to NQ on the same runtime",
    )


@cited
def across(found: pd.DataFrame) -> Drawn:
    """Draw each file's time on other runtimes over its own on today's XNNPACK, one thread.

    Args:
        found: of `read.across`.
    """
    chosen = found[(found["threads"] == 1) & (found["ratio"] != 1)]
    return pointed(
        chosen,
        "Time over the same file's with XNNPACK today",
        "The same file elsewhere, as a ratio to its time with today's XNNPACK",
    )


def pointed(
    chosen: pd.DataFrame,
    title: str,
    description: str,
    *,
    rows: str = "technique",
    within: str = "where",
) -> Drawn:
    """Draw ratios with their intervals: a colour a technique, a shape a runtime.

    Args:
        chosen: with the columns technique, where, ratio, low, high, `rows` and `within`.
        title: of the axis.
        description: what is drawn, without the numbers.
        rows: the column with the names of the rows.
        within: the column whose values lie apart within a row.
    """
    if chosen.empty:
        return NothingToDraw()
    names = list(dict.fromkeys((rows, "technique", "where")))
    frame = chosen[[*names, "ratio", "low", "high"]].assign(
        **{"with interval": [_said(line) for _, line in chosen.iterrows()]}
    )
    numbers = ["ratio", "low", "high"]
    frame[numbers] = frame[numbers].astype(float).round(4)
    order = {name: list(dict.fromkeys(frame[name])) for name in names}
    shapes = dict(zip(order["where"], _SHAPES, strict=False))
    legend = {"legend": None} if rows == "technique" else {"title": "Technique"}
    base = alt.Chart(frame).encode(
        y=alt.Y(f"{rows}:N", sort=order[rows], title=None)
        .axis(labelExpr=_LINES)
        .scale(paddingInner=0.3),
        yOffset=alt.YOffset(f"{within}:N", sort=order[within]),
        color=alt.Color("technique:N", scale=charts.scale(order["technique"]), **legend),
        tooltip=_tips(*names, "with interval"),
    )
    marks = base.mark_point(size=85).encode(
        x=logarithmic(frame, "ratio", title, 16),
        # Long names: one a line, and whole.
        shape=shape("where", shapes, frame, "Runtime", columns=1, labelLimit=400),
    )
    reach = base.mark_rule(strokeWidth=2, tooltip=False, aria=False).encode(x="low:Q", x2="high:Q")
    one = alt.Chart(alt.sequence(0, 1)).mark_rule(
        strokeDash=[4, 3], color=charts.MUTED.light, tooltip=False, aria=False
    )
    said = "; ".join(
        f"{', '.join(line[:-1])}: {line[-1]}"
        for line in frame[[*names, "with interval"]].to_numpy()
    )
    return alt.LayerChart(layer=[one.encode(x=alt.datum(1)), reach, marks]).properties(
        height=60 + (16 + 14 * len(order[within])) * len(order[rows]),
        description=f"{description}. {said}.",
    )


@cited
def operators(found: pd.DataFrame, place: str) -> Drawn:
    """Draw the time of each operator on one runtime, as a share of NQ's whole time there.

    Args:
        found: of `read.operators`.
        place: the runtime, as `read.where` writes it.
    """
    chosen = found[found["where"] == place]
    base = chosen[chosen["technique"] == "NQ"]
    if base.empty:
        return NothingToDraw()
    whole = float(base["milliseconds"].iloc[0])
    frame = pd.DataFrame(
        {
            "technique": chosen["technique"],
            "operator": _labels(chosen),
            "time": (100 * chosen["share"] * chosen["milliseconds"] / whole).astype(float).round(3),
            "by": ["XNNPACK" if one else "built-in kernel" for one in chosen["delegated"]],
        }
    )
    frame["share"] = [f"{text.figure(one, 1)} %" for one in frame["time"]]
    shown = list(dict.fromkeys(frame["technique"]))
    order = _together(frame)
    drawn = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            y=alt.Y("operator:N", sort=order, title=None),
            yOffset=alt.YOffset("technique:N", sort=shown),
            x=alt.X("time:Q", title="Time (% of the whole NQ file's)"),
            color=alt.Color("technique:N", scale=charts.scale(shown), title="Technique"),
            tooltip=_tips("technique", "operator", "by", "share"),
        )
    )
    largest = frame.sort_values("time", ascending=False).head(6)
    said = "; ".join(
        f"{a}, {b}: {c}" for a, b, c in largest[["technique", "operator", "share"]].values
    )
    return alt.LayerChart(layer=[drawn]).properties(
        height=60 + (10 + 7 * len(shown)) * len(order),
        description=f"The time of each operator on {place}. The largest: {said}.",
    )


def _labels(chosen: pd.DataFrame) -> list[str]:
    """Return a name for each operator, the same for the same operator of another technique."""
    counts: dict[tuple[str, str], int] = {}
    labels = []
    for technique, operator in zip(chosen["technique"], chosen["operator"], strict=True):
        counts[technique, operator] = counts.get((technique, operator), 0) + 1
        short = str(operator).replace("_2D", "").replace("_", " ").lower()
        labels.append(f"{short} {counts[technique, operator]}")
    return labels


def _together(frame: pd.DataFrame) -> list[str]:
    """Return the operators of all techniques in one order that fits each file's."""
    order: list[str] = []
    for _, one in frame.groupby("technique", sort=False):
        at = 0
        for label in one["operator"]:
            if label in order:
                at = order.index(label) + 1
            else:
                order.insert(at, label)
                at += 1
    return order
