"""The chapter on quantization (paper, Section 3.1): ranges, integers, floats, and the files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dlmo import datasets, deployable, paper
from dlmo.arithmetic import floats, hybrid, quantization
from dlmo.arithmetic.quantization import Loss, Match
from dlmo.deployable import Deployable
from dlmo.instruments import trace
from dlmo.report import charts, sentences, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import Comparison
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.comparison_tables import title
from dlmo.report.methods import layers
from dlmo.report.methods.files import Files

CONVERSIONS = ("BLQ", "FIQ")
"""The conversions of NQ's weights to 8 bits."""

STEPS = 100
"""Positions of the slider, and points of the curve of losses."""

_BINS = 81

_ROOM = 1.28
"""How much higher than the highest bar the axis reaches: the note stands there."""

IMAGES = "digits"
"""The images that files are run on here: the embedded ones, since the arithmetic is the same."""

Drawn = alt.LayerChart | NothingToDraw


# Equation 1 and Figure 1 --------------------------------------------------------------------------


@cited
def weights(files: Files, layer: int) -> tuple[str, NDArray[np.float32]] | None:
    """Return the name and the float weights of a layer of NQ's file, counted from 1."""
    found = files.read("NQ")
    if found is None:
        return None
    chosen = layers.chosen(found, layer)
    values = found.tensor(chosen.index, chosen.subgraph).values()
    assert values is not None
    return layers.named(chosen, found.layers.index(chosen)), values


def losses(values: NDArray[np.float32]) -> list[Loss]:
    """Return what about `STEPS` clipping ranges cost, the last one the first that clips nothing."""
    largest = float(np.abs(values).max())
    step = float(f"{largest / STEPS:.1g}")
    last = int(np.ceil(largest / step))
    return [quantization.loss(values, round(step * place, 9)) for place in range(4, last + 1)]


@cited
def range_chart(found: tuple[str, NDArray[np.float32]] | None) -> Drawn:
    """Draw a layer's weights, the clipping range that a slider sets, and the levels within it."""
    if found is None:
        return NothingToDraw()
    name, values = found
    costs = losses(values)
    least, largest = costs[0].reach, costs[-1].reach
    slider = alt.binding_range(min=least, max=largest, step=_step(costs), name="Clipping range r ")
    reach = alt.param(name="reach", value=largest, bind=slider)
    marks = [_bars(values, largest), _ends(), _levels(), _readout(costs)]
    return (
        alt.LayerChart(layer=marks)
        .add_params(reach)
        .properties(
            height=330,
            description=f"The weights of {name} as a histogram, with the range from −r to r "
            "and the levels of INT8 within it; a slider below sets r. " + best(found),
        )
    )


def _step(costs: Sequence[Loss]) -> float:
    return round(costs[1].reach - costs[0].reach, 9)


def _bars(values: NDArray[np.float32], largest: float) -> alt.Chart:
    counts, edges = np.histogram(values, bins=_BINS, range=(-largest, largest))
    rows = pd.DataFrame({"from": edges[:-1].round(5), "to": edges[1:].round(5), "weights": counts})
    rows["facts"] = [
        f"{text.count(int(count), 'weight')} from {text.figure(low, 3)} to {text.figure(high, 3)}"
        for low, high, count in rows[["from", "to", "weights"]].to_numpy()
    ]
    inside = "abs(datum.from + datum.to) / 2 <= reach"
    return (
        alt.Chart(rows)
        .mark_bar(cornerRadiusEnd=0)
        .encode(
            x=alt.X("from:Q", title="Weight").scale(nice=False),
            x2="to:Q",
            y=alt.Y("weights:Q", title="Number of weights").scale(
                domainMax=float(counts.max() * _ROOM), nice=False
            ),
            y2=alt.datum(0),
            color=alt.condition(
                inside,
                alt.value(charts.colour("FIQ").light),
                alt.value(charts.colour("PRN").light),
            ),
            tooltip=[alt.Tooltip("facts:N", title="Bar")],
        )
    )


def _ends() -> alt.Chart:
    """Draw -r and r."""
    return (
        alt.Chart(alt.sequence(-1, 2, 2, as_="side"))
        .transform_calculate(end="datum.side * reach")
        .mark_rule(strokeDash=[4, 3], color=charts.INK.light, tooltip=False, aria=False)
        .encode(x="end:Q")
    )


def _levels() -> alt.Chart:
    """Draw the levels of INT8 along the axis."""
    count = quantization.LARGEST
    return (
        alt.Chart(alt.sequence(-count, count + 1, as_="integer"))
        .transform_calculate(level=f"datum.integer * reach / {count}")
        .mark_tick(
            thickness=1, size=12, color=charts.INK.light, opacity=0.7, tooltip=False, aria=False
        )
        .encode(x="level:Q", y=alt.value(324))
    )


def _readout(costs: Sequence[Loss]) -> alt.Chart:
    rows = pd.DataFrame({"r": [one.reach for one in costs], "said": [_cost(one) for one in costs]})
    half = _step(costs) / 2
    return (
        alt.Chart(rows)
        .transform_filter(f"abs(datum.r - reach) < {half}")
        .mark_text(
            align="left", baseline="top", lineBreak="\n", lineHeight=17, tooltip=False, fontSize=12
        )
        .encode(text="said:N", x=alt.value(4), y=alt.value(2))
    )


def _cost(one: Loss) -> str:
    return (
        f"r = {text.figure(one.reach, 3)}: {text.percent(one.clipped, 1)} clipped\n"
        f"error {_tiny(one.total)}\n"
        f"(clipping {_tiny(one.clipping)}, rounding {_tiny(one.rounding)})"
    )


def _tiny(value: float) -> str:
    return text.figure(value, 5)


@cited
def loss_chart(found: tuple[str, NDArray[np.float32]] | None) -> Drawn:
    """Draw the error over the clipping range: clipping, rounding and both."""
    if found is None:
        return NothingToDraw()
    name, values = found
    kinds = {"both": "total", "clipping": "clipping", "rounding": "rounding"}
    rows = pd.DataFrame(
        [
            {"r": round(one.reach, 5), "error of": kind, "error": getattr(one, field)}
            for one in losses(values)
            for kind, field in kinds.items()
            if getattr(one, field) > 0
        ]
    )
    colours = [charts.INK.light, charts.colour("PRN").light, charts.colour("FIQ").light]
    lines = (
        alt.Chart(rows)
        .mark_line()
        .encode(
            x=alt.X("r:Q", title="Clipping range r"),
            y=alt.Y("error:Q", title="Error (root mean square)", axis=alt.Axis(format="~g")).scale(
                type="log"
            ),
            color=alt.Color("error of:N", title="Error of", sort=list(kinds)).scale(
                domain=list(kinds), range=colours
            ),
            strokeDash=alt.StrokeDash("error of:N", title="Error of", sort=list(kinds)).scale(
                domain=list(kinds), range=[[1, 0], [6, 3], [2, 2]]
            ),
        )
    )
    least = min(losses(values), key=lambda one: one.total)
    mark = (
        alt.Chart(pd.DataFrame({"r": [least.reach], "error": [least.total]}))
        .mark_point(color=charts.INK.light, size=90)
        .encode(x="r:Q", y="error:Q")
    )
    return (lines + mark).properties(
        height=260, description=f"Error of quantizing {name} over the clipping range. {best(found)}"
    )


@cited
def best(found: tuple[str, NDArray[np.float32]] | None) -> str:
    """Say which single range is best for a layer, and what one range a channel brings."""
    if found is None:
        return f"The weights are {text.MISSING}, or not kept."
    name, values = found
    costs = losses(values)
    least, whole = min(costs, key=lambda one: one.total), costs[-1]
    axis = layers.channel_axis(values.shape)
    reach = quantization.reaches(values, axis)
    back = quantization.levels(quantization.equation_1(values, reach), reach)
    own = float(np.sqrt(np.mean((values - back) ** 2)))
    return f"In {name} {_least(least, whole)} {_by_channel(reach.size, own / whole.total)}"


def _least(least: Loss, whole: Loss) -> str:
    gain = 1 - least.total / whole.total
    if gain < 0.01:
        return (
            f"no range is better by even {text.percent(0.01, 0)} than the largest magnitude, "
            f"r = {text.figure(whole.reach, 3)}: with {quantization.LEVELS} levels, clipping costs "
            "more than finer levels save."
        )
    return (
        f"the single range with the least error is r = {text.figure(least.reach, 3)}, which clips "
        f"{text.percent(least.clipped, 2)} of the weights and lowers the error by "
        f"{text.percent(gain, 0)} against the range that clips nothing "
        f"(r = {text.figure(whole.reach, 3)})."
    )


def _by_channel(channels: int, remains: float) -> str:
    return (
        f"The converter clips nothing, and takes a range for each of the {channels} channels: "
        f"{text.percent(remains, 0)} of the error of one range for all remain."
    )


# Our integers and the file's ----------------------------------------------------------------------


@cited
def checked(files: Files) -> dict[str, list[Match]]:
    """Compare Equation 1 with each conversion's file that is kept beside NQ's."""
    plain = files.read("NQ")
    found = {name: files.read(name) for name in CONVERSIONS}
    if plain is None:
        return {}
    return {
        name: quantization.matches(plain, one) for name, one in found.items() if one is not None
    }


LIKE_THE_CONVERTER = (
    "Our Equation 1 beside the integers of the files. Where a weight lies at the middle of two "
    "levels, the precision decides: BLQ's converter computes in FP64, FIQ's in FP32, "
    "and so do we."
)


@cited
def matches_table(found: Mapping[str, list[Match]]) -> Table | NothingToDraw:
    """Return layer by layer how many of a file's integers are those of Equation 1."""
    if not found:
        return NothingToDraw()
    lines: list[dict[str, Any]] = []
    for at, match in enumerate(next(iter(found.values()))):
        line: dict[str, Any] = {
            "Layer": layers.named(match.layer, at),
            "Shape": layers.shape(match.layer.shape),
        }
        for name, own in found.items():
            kept = own[at].quantized
            line[f"{name}: ranges"] = str(own[at].channels) if kept else f"{text.NONE} (float)"
            line[f"{name}: equal"] = f"{own[at].equal:,} of {own[at].layer.weights:,}"
        lines.append(line)
    return layers.table(pd.DataFrame(lines), LIKE_THE_CONVERTER)


@cited
def matches_sentence(found: Mapping[str, list[Match]]) -> str:
    """Say whether Equation 1 gives the integers of the files, and what was left float."""
    if not found:
        return f"The files are {text.MISSING}, or not kept."
    said = []
    for name, own in found.items():
        rounded = [match for match in own if match.quantized]
        equal, total = (
            sum(match.equal for match in rounded),
            sum(match.layer.weights for match in rounded),
        )
        whole = "all" if equal == total else f"{equal:,} of"
        said.append(
            f"In {name}'s file {whole} {total:,} integers of {text.count(len(rounded), 'layer')} "
            f"are those that Equation 1 gives, with one range a channel"
        )
    return ". ".join(said) + "."


# Files: what is float, what is integer ------------------------------------------------------------


@cited
def holdings_table(files: Files, techniques: Sequence[str]) -> Table | NothingToDraw:
    """Return what each file's weights and operators are: floats or integers."""
    lines = [
        _holding(name, found) for name in techniques if (found := files.read(name)) is not None
    ]
    if not lines:
        return NothingToDraw()
    return layers.table(pd.DataFrame(lines), "Floats and integers in the files.")


def _holding(name: str, found: Deployable) -> dict[str, Any]:
    by_type = {
        kind: sum(layer.weights for layer in found.layers if layer.dtype == kind)
        for kind in ("float32", "float16", "int8")
    }
    return {
        "File": name,
        "FP32 weights": by_type["float32"],
        "FP16 weights": by_type["float16"],
        "INT8 weights": by_type["int8"],
        "Operators": len(found.nodes),
        "with float arithmetic": len(deployable.float_operators(found)),
        "Input": found.inputs[0].dtype,
        "Output": found.outputs[0].dtype,
    }


@cited
def fallback_sentence(files: Files) -> str:
    """Say where floats remain in the 8-bit files: layers of BLQ, operators of FIQ."""
    dynamic, whole = files.read("BLQ"), files.read("FIQ")
    if dynamic is None or whole is None:
        return files.absent(["BLQ", "FIQ"])
    kept = [layer for layer in dynamic.layers if layer.dtype == "float32"]
    said = "BLQ leaves no layer float."
    if kept:
        sizes = text.listing(f"{layer.weights:,}" for layer in kept)
        least = min(layer.weights for layer in dynamic.layers if layer.dtype == "int8")
        said = (
            f"BLQ leaves {text.count(len(kept), 'layer')} float, with {sizes} weights: the "
            f"converter spares small tensors (the smallest that it rounded has {least:,})."
        )
    left = deployable.float_operators(whole)
    if not left:
        return (
            f"{said} In FIQ's file no operator falls back to floats. The layers that would, in "
            "other networks (hard swish, the products of squeeze-and-excite, a batch normalisation "
            "that follows no convolution), get ranges as well: tfmot is taught to simulate them, "
            "and the converter sees images for them. So of the 8-bit files' weights only BLQ's "
            "small tensors stay float."
        )
    names = text.listing(sorted({node.name for node in left}))
    return f"{said} In FIQ's file {text.count(len(left), 'operator')} fall back to floats: {names}."


# Equation 2 ---------------------------------------------------------------------------------------


@cited
def gaps(files: Files) -> list[hybrid.Gap]:
    """Compute each hybrid layer of BLQ's file anew, from what entered it for one image."""
    path, found = files.path("BLQ"), files.read("BLQ")
    if path is None or found is None:
        return []
    return hybrid.gaps(found, trace.tensors(path, _images(found)[0]))


def _images(found: Deployable, count: int = 100) -> NDArray[np.uint8]:
    """Return some embedded images, as large as the file wants them."""
    images = datasets.load(IMAGES).test.images[:count]
    height, width = found.inputs[0].shape[1:3]
    rows = np.arange(height) * images.shape[1] // height
    columns = np.arange(width) * images.shape[2] // width
    return images[:, rows][:, :, columns]


_SAID = {
    "equation 2": "inputs stay float (Equation 2)",
    "symmetric": "inputs rounded, symmetric",
    "asymmetric": "inputs rounded, asymmetric",
}


@cited
def gaps_table(found: Sequence[hybrid.Gap]) -> Table | NothingToDraw:
    """Return for each hybrid layer how far each way of computing it is from the runtime's."""
    if not found:
        return NothingToDraw()
    lines = [
        {"Layer": layers.operator(gap.operator), "Shape": layers.shape(gap.shape)}
        | {_SAID[name]: text.small(gap.largest[name] / gap.scale) for name in hybrid.HYPOTHESES}
        for gap in found
    ]
    return layers.table(
        pd.DataFrame(lines),
        "The largest difference to what LiteRT's built-in kernels computed, as a share of the "
        "layer's largest output.",
    )


@cited
def gaps_sentence(found: Sequence[hybrid.Gap]) -> str:
    """Say which way of computing the hybrid layers is the runtime's."""
    if not found:
        return f"BLQ's file is {text.MISSING}, or not kept."
    worst = {
        name: max(gap.largest[name] / gap.scale for gap in found) for name in hybrid.HYPOTHESES
    }
    nearest = min(worst, key=lambda name: worst[name])
    return (
        f"Nearest to the runtime, to within {text.small(worst[nearest])} of the largest output, "
        f"is: {_SAID[nearest]}. Equation 2 is off by up to {text.small(worst['equation 2'])}."
    )


@cited
def equation_2_sentence(files: Files) -> str:
    """Say how far BLQ's logits are from those of Equation 2, with both sets of kernels."""
    plain, rounded, path = files.read("NQ"), files.read("BLQ"), files.path("BLQ")
    if plain is None or rounded is None or path is None:
        return files.absent(["NQ", "BLQ"])
    images = _images(rounded)
    wanted = _equation_2(hybrid.as_floats(plain, rounded), images)
    said = {kernels: trace.outputs(path, images, kernels=kernels) for kernels in _KERNELS}
    reach = float(np.abs(wanted).max())
    apart = {name: float(np.abs(found - wanted).max()) / reach for name, found in said.items()}
    between = float(np.abs(said["builtin"] - said["xnnpack"]).max()) / reach
    listed = text.listing(f"{text.small(apart[name])} {_KERNELS[name]}" for name in _KERNELS)
    return (
        f"Over {text.count(len(images), 'image')} of the embedded handwritten digits, the logits "
        f"of BLQ's file differ from those of Equation 2 (NQ's file with BLQ's weights, turned back "
        f"into floats) by up to {listed}, and the two sets of kernels from each other by up to "
        f"{text.small(between)}, as shares of the largest logit."
    )


_KERNELS = {"builtin": "with the built-in kernels", "xnnpack": "with XNNPACK"}


def _equation_2(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    with TemporaryDirectory(prefix="dlmo-") as folder:
        path = Path(folder, "equation_2.tflite")
        path.write_bytes(content)
        return trace.outputs(path, images)


# FP16 and Figure 2 --------------------------------------------------------------------------------


@cited
def formats_table() -> Table:
    """Return what FP32 and FP16 can write."""
    lines = [
        {
            "Format": form.name,
            "Exponent bits": form.exponent,
            "Mantissa bits": form.mantissa,
            "Largest": text.powers(f"{form.largest:.6g}"),
            "Smallest normal": text.powers(f"{form.smallest_normal:.3g}"),
            "Smallest": text.powers(f"{form.smallest:.3g}"),
        }
        for form in (floats.FP32, floats.FP16)
    ]
    return layers.table(pd.DataFrame(lines), "What the two formats can write (IEEE 754).")


@cited
def range_sentence() -> str:
    """Say what the paper prints as FP32's range, and what it is."""
    statement = paper.claim("fp32-range").statement.rstrip(".")
    low, high = (text.scientific(one * floats.FP32.largest, 1) for one in (-1, 1))
    normal = text.scientific(floats.FP32.smallest_normal, 1)
    return (
        f"The paper says: {statement[0].lower()}{text.powers(statement[1:])}. FP32's numbers reach "
        f"from {low} to {high}; {normal} is the smallest normal number, not an end of the range."
    )


@cited
def removal_sentence() -> str:
    """Say what removing the bits that the paper removes leaves."""
    left = floats.by_removal(1.0, floats.PAPERS_RULE)
    removed = len(floats.PAPERS_RULE)
    lacking = floats.FP32.exponent - floats.FP16.exponent
    return (
        f"FP32's exponent has {floats.FP32.exponent} bits and FP16's {floats.FP16.exponent}, so "
        f"{lacking} bits have to go, not {removed}: with {removed} removed, {len(left)} bits "
        f"remain for a format of {floats.FP16.width}. Nor are they the last ones, for the two "
        f"exponents count from different zeros ({floats.FP32.bias} and {floats.FP16.bias})."
    )


@cited
def removal_table(files: Files) -> Table | NothingToDraw:
    """Return for which of the network's weights each rule gives the right FP16 number."""
    found = files.read("NQ")
    if found is None:
        return NothingToDraw()
    values = _all_weights(found)
    last = tuple(range(floats.FP32.exponent - 3, floats.FP32.exponent))
    rules = {
        "the paper's: the last two bits of the exponent": floats.PAPERS_RULE,
        "the last three bits of the exponent": last,
        "the three bits behind the exponent's first": floats.WORKING_RULE,
    }
    normal = np.abs(values) >= floats.FP16.smallest_normal
    lines = [
        {
            "What is removed": rule,
            "Bits that remain": len(floats.by_removal(1.0, places)),
            "Exponent right (%)": text.figure(100 * _right(values, places), 1),
        }
        for rule, places in rules.items()
    ]
    return layers.table(
        pd.DataFrame(lines),
        f"From FP32 to FP16 by removing bits, for a sample of {len(values):,} weights "
        f"({text.percent(float(normal.mean()))} of them within FP16's full precision).",
    )


def _all_weights(found: Deployable, count: int = 2000) -> NDArray[np.float64]:
    parts = [found.tensor(one.index, one.subgraph).values() for one in found.layers]
    whole = np.concatenate([part.ravel() for part in parts if part is not None])
    return np.random.default_rng(0).permutation(whole)[:count].astype(np.float64)


def _right(values: NDArray[np.float64], places: Sequence[int]) -> float:
    return float(np.mean([floats.agrees(float(value), places) for value in values]))


@cited
def rounding_sentence(files: Files) -> str:
    """Say whether F16's file holds rounded or cut mantissas."""
    plain, half = files.read("NQ"), files.read("F16")
    if plain is None or half is None:
        return files.absent(["NQ", "F16"])
    same = {"rounded": 0, "cut": 0, "all": 0}
    for _, before, after in quantization.pairs(plain, half):
        values, stored = before.data(), after.data()
        assert values is not None and stored is not None
        same["all"] += values.size
        same["rounded"] += int((values.astype(np.float16) == stored).sum())
        same["cut"] += int((floats.truncated(values) == stored).sum())
    rounded, cut = (same[name] / same["all"] for name in ("rounded", "cut"))
    return (
        f"The mantissa is not cut off either, but rounded: of the {same['all']:,} weights in F16's "
        f"file {text.percent(rounded)} are NQ's rounded to the nearest, and {text.percent(cut)} "
        f"NQ's with the last bits removed."
    )


# Calibration --------------------------------------------------------------------------------------


@cited
def calibration_chart(found: pd.DataFrame) -> Drawn:
    """Draw FIQ's accuracy over the number of images that set its ranges."""
    return layers.sweep_chart(found, "Calibration images", "FIQ", logarithmic=True, unit="draw")


@cited
def calibration_sentence(found: pd.DataFrame) -> str:
    """Say what is measured of the number of calibration images."""
    return layers.sweep_sentence(found, "calibration images", whole=True, unit="draw")


@cited
def calibrations_elsewhere(swept: Mapping[str, pd.DataFrame]) -> str:
    """Say the same of other networks (by name), where several numbers of images are measured."""
    known = {name: found.dropna(subset=["accuracy"]) for name, found in swept.items()}
    return " ".join(
        layers.sweep_sentence(
            found, f"calibration images of {title(name)}", whole=True, unit="draw"
        )
        for name, found in known.items()
        if found["value"].nunique() > 1
    )


# Accuracy -----------------------------------------------------------------------------------------


@cited
def accuracies(found: Comparison) -> str:
    """Say what the conversions cost in accuracy and save in bytes, in one sentence each."""
    names = [name for name in found.rows if name != "NQ"]
    said = [_saving(found, name) for name in names]
    cost = sentences.against(found, "NQ", names)
    return f"{cost} {' '.join(one for one in said if one)}".strip()


def _saving(found: Comparison, name: str) -> str:
    row, base = found[name], found["NQ"]
    if not row.measured or not base.measured:
        return ""
    return (
        f"{name}'s file has {text.percent(row.bytes / base.bytes, 0)} of NQ's size"
        f" ({text.kilobytes(row.bytes)})."
    )
