"""The chapter on light convolutions (paper, Sections 2 and 4.2): blocks, networks, layers."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from dlmo import paper, records
from dlmo.arithmetic import convolution
from dlmo.arithmetic.convolution import Cost, Place
from dlmo.report import charts, statistics, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.comparison_tables import title
from dlmo.report.methods import layers
from dlmo.report.methods.files import Files

NETWORKS = (
    *("vggnet", "resnet50", "resnet101", "wrn"),
    *("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
)
"""The networks that the paper measures: first those with ordinary convolutions."""

LIGHT = {
    "mobilenet_v1": "separable",
    "mobilenet_v2": "inverted",
    "mobilenet_v3_small": "inverted, SE",
    "mobilenet_v3_large": "inverted, SE",
}
"""The light convolution of each network that has one: depthwise separable convolutions, inverted
residuals, and these with squeeze-and-excite (SE)."""

COUNTED = ("reference", "plain", "untrained")
"""The profiles whose records count a network of full size, the first that has one."""


# Blocks -------------------------------------------------------------------------------------------


def blocks(place: Place, expansion: int) -> dict[str, Cost]:
    """Return what each kind of block costs at one place of a network."""
    wide = expansion * place.channels
    return {
        "ordinary convolution": convolution.standard(place),
        "depthwise separable": convolution.separable(place),
        "inverted residual": convolution.inverted_residual(place, expansion),
        "the same, with squeeze-and-excite": convolution.inverted_residual(place, expansion)
        + convolution.squeeze_excite(wide),
        "the same, without a squeeze": convolution.inverted_residual(place, expansion)
        + convolution.squeeze_excite(wide, squeeze=1),
        "ordinary, as wide inside": convolution.standard(
            Place(place.size, wide, wide, place.kernel)
        ),
    }


@cited
def blocks_table(place: Place, expansion: int) -> Table:
    """Return the blocks with parameters, multiply-accumulates and shares of the ordinary one."""
    found = blocks(place, expansion)
    whole = next(iter(found.values()))
    lines = [
        {
            "Block": name,
            "Parameters": cost.parameters,
            "MACs": cost.macs,
            "MACs, share (%)": text.figure(100 * cost.macs / whole.macs, 0),
        }
        for name, cost in found.items()
    ]
    return layers.table(
        pd.DataFrame(lines),
        f"What a block costs that takes {place.channels} channels to {place.filters} at "
        f"{place.size}×{place.size} pixels, with {place.kernel}×{place.kernel} filters.",
    )


@cited
def blocks_sentence(place: Place, expansion: int) -> str:
    """Say what splitting a convolution saves here, and what its formula says."""
    found = blocks(place, expansion)
    share = found["depthwise separable"].macs / found["ordinary convolution"].macs
    inside = found["inverted residual"].macs / found["ordinary, as wide inside"].macs
    return (
        f"Split in two, the convolution costs {text.percent(share)} of the ordinary one, as "
        f"1/N + 1/k² has it ({text.percent(convolution.share(place))}). An inverted residual is "
        "not cheap beside a convolution between the same narrow ends, but it works on "
        f"{expansion} times as many channels inside, for {text.percent(inside)} of what an "
        "ordinary convolution of that width costs."
    )


@cited
def filters_chart(place: Place) -> alt.LayerChart:
    """Draw what a separable convolution costs of an ordinary one, over filters and kernel."""
    counts = [2**power for power in range(3, 11)]
    lines = [
        {
            "filters": count,
            "kernel": f"{kernel}×{kernel}",
            "share": round(100 * convolution.share(Place(place.size, count, count, kernel)), 2),
        }
        for kernel in (3, 5)
        for count in counts
    ]
    kinds = ["3×3", "5×5"]
    base = alt.Chart(pd.DataFrame(lines)).encode(
        x=alt.X("filters:Q", title="Filters", axis=alt.Axis(values=counts)).scale(
            type="log", nice=False
        ),
        y=alt.Y("share:Q", title="Share of the ordinary MACs (%)"),
        color=alt.Color("kernel:N", title="Kernel", sort=kinds).scale(
            domain=kinds, range=[charts.colour("FIQ").light, charts.colour("BLQ").light]
        ),
        strokeDash=alt.StrokeDash("kernel:N", title="Kernel", sort=kinds).scale(
            domain=kinds, range=[[1, 0], [6, 3]]
        ),
        tooltip=[
            alt.Tooltip("filters:Q", title="Filters"),
            alt.Tooltip("kernel:N", title="Kernel"),
            alt.Tooltip("share:Q", title="Share (%)", format=".1f"),
        ],
    )
    ends = f"{text.figure(lines[0]['share'], 1)} % with {counts[0]} filters to "
    ends += f"{text.figure(lines[len(counts) - 1]['share'], 1)} % with {counts[-1]}"
    return alt.LayerChart(
        layer=[base.mark_line(), base.mark_point(size=40, tooltip=False)]
    ).properties(
        height=260,
        description=f"The cost of a separable convolution: with 3×3 kernels from {ends}.",
    )


# Networks -----------------------------------------------------------------------------------------


@cited
def networks(dataset: str, profile: str) -> pd.DataFrame:
    """Return one row a network of the paper: parameters, MACs, bytes and accuracies of NQ.

    Counts come from the records of any profile that builds the whole network, accuracies from
    `profile` alone.
    """
    return pd.DataFrame([_network(name, dataset, profile) for name in NETWORKS])


def _network(name: str, dataset: str, profile: str) -> dict[str, Any]:
    found = records.select(dataset=dataset, network=name, technique="NQ", profile=list(COUNTED))
    found = found.dropna(subset=["deployable_key"])
    counted = found.iloc[0] if len(found) else None
    trained = found[found["profile"] == profile].dropna(subset=["accuracy"])
    printed = _printed(name, dataset)
    return {
        "network": name,
        "parameters": None if counted is None else int(counted["parameters"]),
        "macs": None if counted is None else int(counted["macs"]),
        "bytes": None if counted is None else int(counted["bytes"]),
        "accuracies": tuple(trained["accuracy"].astype(float)),
        "paper_bytes": printed.get("bytes"),
        "paper_accuracy": printed.get("accuracy"),
    }


def _printed(name: str, dataset: str) -> dict[str, Any]:
    rows = paper.results()
    mine = (rows["network"] == name) & (rows["dataset"] == dataset) & (rows["technique"] == "NQ")
    return dict(rows[mine].iloc[0]) if mine.any() else {}


@cited
def networks_table(found: pd.DataFrame) -> Table:
    """Return the networks with their counts and accuracies, the paper's beside ours."""
    lines = [
        {
            "Network": title(str(row["network"])),
            "Blocks": LIGHT.get(str(row["network"]), "ordinary"),
            "Parameters": _whole(row["parameters"]),
            "MACs": _whole(row["macs"]),
            "Size (KB)": _size(row["bytes"]),
            "paper (KB)": _size(row["paper_bytes"]),
            "Accuracy (%)": _accuracy(row["accuracies"]),
            "paper (%)": _percent(row["paper_accuracy"]),
        }
        for _, row in found.iterrows()
    ]
    return layers.table(pd.DataFrame(lines), "The paper's networks without any other technique.")


def _whole(value: float | None) -> str:
    return text.NONE if value is None or pd.isna(value) else f"{int(value):,}"


def _size(value: float | None) -> str:
    return text.NONE if value is None or pd.isna(value) else text.kb(value)


def _percent(value: float | None) -> str:
    return text.NONE if value is None or pd.isna(value) else text.figure(100 * value, 1)


def _accuracy(values: Sequence[float]) -> str:
    return text.accuracy_with_interval(statistics.mean(values)) if values else text.MISSING


@cited
def networks_chart(found: pd.DataFrame) -> alt.LayerChart | NothingToDraw:
    """Draw the paper's accuracies over the sizes of the networks, and ours where measured."""
    lines = []
    for _, row in found.iterrows():
        name = str(row["network"])
        kind = "light" if name in LIGHT else "ordinary"
        common = {"network": title(name), "convolutions": kind}
        if row["paper_bytes"] and not pd.isna(row["paper_bytes"]):
            accuracy = round(100 * float(row["paper_accuracy"]), 2)
            size = float(row["paper_bytes"]) / 1000
            lines.append({**common, "source": "paper", "size": size, "accuracy": accuracy})
        if row["accuracies"]:
            mean = round(100 * float(sum(row["accuracies"]) / len(row["accuracies"])), 2)
            size = float(row["bytes"]) / 1000
            lines.append({**common, "source": "ours", "size": size, "accuracy": mean})
    if not lines:
        return NothingToDraw()
    kinds, sources = ["ordinary", "light"], ["paper", "ours"]
    ink = charts.INK.light
    points = (
        alt.Chart(pd.DataFrame(lines))
        .mark_point(size=110)
        .encode(
            x=alt.X(
                "size:Q",
                title="Size of the file (KB)",
                axis=alt.Axis(values=[10**power for power in range(7)], format=",d"),
            ).scale(type="log", nice=False, padding=24),
            y=alt.Y("accuracy:Q", title="Accuracy (%)").scale(zero=False, padding=16),
            color=alt.Color("convolutions:N", title="Convolutions", sort=kinds).scale(
                domain=kinds, range=[ink, charts.colour("BLQ").light]
            ),
            shape=alt.Shape(
                "source:N",
                title="Source",
                legend=alt.Legend(
                    symbolFillColor=ink, symbolStrokeColor=ink, orient="bottom", title="Source"
                ),
            ).scale(domain=sources, range=["diamond", "circle"]),
            tooltip=[
                alt.Tooltip("network:N", title="Network"),
                alt.Tooltip("source:N", title="Source"),
                alt.Tooltip("accuracy:Q", title="Accuracy (%)"),
                alt.Tooltip("size:Q", title="KB", format=",.0f"),
            ],
        )
    )
    said = "; ".join(
        f"{one['network']}, {one['source']}: {one['accuracy']:g} %, {one['size']:,.0f} KB"
        for one in lines
    )
    return alt.LayerChart(layer=[points]).properties(
        height=340, description=f"Accuracy over size without any other technique. {said}."
    )


@cited
def networks_sentence(found: pd.DataFrame) -> str:
    """Say what light networks cost of the ordinary ones, and what is not measured."""
    counted = found.dropna(subset=["macs"])
    light = counted[counted["network"].isin(list(LIGHT))]
    parts = []
    base = counted[counted["network"] == "resnet50"]
    if len(light) and len(base):
        shares = (light["macs"].astype(float) / float(base["macs"].iloc[0])).tolist()
        low, high = (text.percent(share) for share in (min(shares), max(shares)))
        parts.append(f"The light networks multiply {low} to {high} of what ResNet50 does.")
    absent = [title(str(name)) for name in found[found["macs"].isna()]["network"]]
    untrained = [title(str(row["network"])) for _, row in found.iterrows() if not row["accuracies"]]
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        parts.append(f"{text.listing(absent)} {verb} {text.MISSING}.")
    counted_only = [name for name in untrained if name not in absent]
    if counted_only:
        parts.append(f"The accuracy of {text.listing(counted_only)} is {text.MISSING}.")
    return " ".join(parts)


# One file -----------------------------------------------------------------------------------------


@cited
def anatomy(files: Files) -> pd.DataFrame:
    """Return how the weights and MACs of NQ's file split by kind of layer."""
    found = files.read("NQ")
    rows = [
        {"kind": _kind(layer.operator, layer.shape), "weights": layer.weights, "macs": layer.macs}
        for layer in (found.layers if found else ())
    ]
    frame = pd.DataFrame(rows, columns=["kind", "weights", "macs"])
    return frame.groupby("kind", sort=False).agg(
        layers=("weights", "size"), weights=("weights", "sum"), macs=("macs", "sum")
    )


def _kind(operator: str, shape: tuple[int, ...]) -> str:
    if operator == "CONV_2D" and shape[1:3] == (1, 1):
        return "pointwise (1×1)"
    if operator == "CONV_2D":
        return f"convolution ({shape[1]}×{shape[2]})"
    if operator == "DEPTHWISE_CONV_2D":
        return f"depthwise ({shape[1]}×{shape[2]})"
    return layers.operator(operator)


@cited
def anatomy_table(found: pd.DataFrame, network: str) -> Table | NothingToDraw:
    """Return the kinds of layers of a file, with their shares."""
    if found.empty:
        return NothingToDraw()
    weights, macs = found["weights"].sum(), found["macs"].sum()
    lines = [
        {
            "Kind": kind,
            "Layers": int(row["layers"]),
            "Weights": int(row["weights"]),
            "Weights (%)": text.figure(100 * row["weights"] / weights, 1),
            "MACs": int(row["macs"]),
            "MACs (%)": text.figure(100 * row["macs"] / macs, 1),
        }
        for kind, row in found.iterrows()
    ]
    return layers.table(pd.DataFrame(lines), f"The layers of {title(network)}, by kind.")


@cited
def anatomy_sentence(found: pd.DataFrame, network: str) -> str:
    """Say in which kind of layer the weights and the work are."""
    if found.empty:
        return f"The file of {title(network)} is {text.MISSING}, or not kept."
    heavy, busy = found["weights"].idxmax(), found["macs"].idxmax()
    weights = found["weights"].max() / found["weights"].sum()
    macs = found["macs"].max() / found["macs"].sum()
    return (
        f"In {title(network)} most weights ({text.percent(float(weights), 0)}) are in layers of "
        f"the kind {heavy}, most multiplications ({text.percent(float(macs), 0)}) in {busy}."
    )
