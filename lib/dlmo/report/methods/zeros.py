"""The chapters on pruning (paper, Section 3.2): the schedule, the zeros, and what they cost."""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from dlmo import deployable, recipes
from dlmo.arithmetic import pruning, quantization
from dlmo.deployable import Deployable, Layer
from dlmo.report import charts, comparison, statistics, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.methods import layers
from dlmo.report.methods.files import Files

Drawn = alt.LayerChart | NothingToDraw

_ONE_SHOT = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


# The schedule -------------------------------------------------------------------------------------


def recipe(profile: str, network: str) -> recipes.Prune:
    """Return how a profile prunes a network."""
    found = recipes.profile(profile).step("prune", network)
    assert isinstance(found, recipes.Prune)
    return found


@cited
def schedule_chart(given: recipes.Prune) -> alt.LayerChart:
    """Draw the sparsity that a recipe asks for, by epoch."""
    epochs = np.linspace(0, given.epochs, 121)
    rows = pd.DataFrame({"epoch": epochs.round(2), "sparsity": _target(given, epochs)})
    line = (
        alt.Chart(rows)
        .mark_line(color=charts.colour("PRN").light)
        .encode(
            x=alt.X("epoch:Q", title="Epochs of pruning"),
            y=alt.Y("sparsity:Q", title="Weights set to zero (%)"),
            tooltip=[
                alt.Tooltip("epoch:Q", title="Epoch"),
                alt.Tooltip("sparsity:Q", title="Zeros (%)", format=".1f"),
            ],
        )
    )
    end = alt.Chart(alt.sequence(0, 1)).mark_rule(
        strokeDash=[4, 3], color=charts.MUTED.light, tooltip=False, aria=False
    )
    return alt.LayerChart(
        layer=[end.encode(x=alt.datum(given.end * given.epochs)), line]
    ).properties(height=240, description=f"The schedule of pruning. {schedule_sentence(given)}")


def _target(given: recipes.Prune, epochs: np.ndarray) -> np.ndarray:
    shares = pruning.sparsity(
        epochs / given.epochs,
        initial=given.initial_sparsity,
        final=given.sparsity,
        begin=given.begin,
        end=given.end,
    )
    return (100 * shares).round(2)


@cited
def schedule_sentence(given: recipes.Prune) -> str:
    """Say when which share of the weights is zero."""
    half = float(_target(given, np.array([given.end * given.epochs / 2]))[0])
    end = text.figure(given.end * given.epochs, 0)
    return (
        f"The recipe prunes for {text.count(given.epochs, 'epoch')} and asks for "
        f"{text.percent(given.sparsity, 0)} zeros from epoch {end} on; halfway there it asks for "
        f"{text.figure(half, 0)} % already. The masks are chosen anew every "
        f"{given.frequency} steps until then, and stay from then on."
    )


# The zeros ----------------------------------------------------------------------------------------


@cited
def zeros_table(files: Files, technique: str = "PRN") -> Table | NothingToDraw:
    """Return layer by layer what is zero in a pruned file, and in NQ's."""
    found, plain = files.read(technique), files.read("NQ")
    if found is None:
        return NothingToDraw()
    lines = []
    for at, layer in enumerate(found.layers):
        line = {
            "Layer": layers.named(layer, at),
            "Weights": layer.weights,
            f"Zeros, {technique} (%)": text.figure(100 * layer.sparsity, 1),
        }
        if plain is not None:
            line["NQ (%)"] = text.figure(100 * plain.layers[at].sparsity, 1)
        line["Channels of zeros only"] = f"{_empty(found, layer)} of {_channels(layer)}"
        lines.append(line)
    return layers.table(pd.DataFrame(lines), f"What is zero in {technique}'s file.")


def _channels(layer: Layer) -> int:
    return layer.shape[layers.channel_axis(layer.shape)]


def _empty(found: Deployable, layer: Layer) -> int:
    values = found.tensor(layer.index, layer.subgraph).values()
    assert values is not None
    reach = quantization.reaches(values, layers.channel_axis(layer.shape))
    return int((reach == 0).sum())


@cited
def zeros_sentence(files: Files, technique: str = "PRN") -> str:
    """Say how sparse a file is, in all, and what is never pruned."""
    found = files.read(technique)
    if found is None:
        return files.absent([technique])
    spared = [layer for layer in found.layers if layer.operator == "DEPTHWISE_CONV_2D"]
    said = f"{text.percent(found.sparsity)} of the weights in {technique}'s file are zero"
    said += ", layer by layer the same share: the target holds for each layer on its own."
    if not spared:
        return said
    share = sum(layer.weights for layer in spared) / found.weights
    return f"{said} Depthwise kernels ({text.percent(share)} of the weights) are not pruned."


# The size -----------------------------------------------------------------------------------------


@cited
def sizes(files: Files) -> pd.DataFrame:
    """Return NQ's file with its smallest weights set to zero, untrained: bytes and zipped bytes."""
    plain = files.read("NQ")
    lines = []
    for share in _ONE_SHOT if plain is not None else ():
        assert plain is not None
        content = pruning.pruned_file(plain, share)
        zipped = len(deployable.zipped(content))
        lines.append({"zeros": share, "bytes": len(content), "zipped": zipped})
    return pd.DataFrame(lines, columns=["zeros", "bytes", "zipped"])


@cited
def size_chart(found: pd.DataFrame, files: Files) -> Drawn:
    """Draw the size of the file over the share of zeros: as it is, zipped, and PRN's own."""
    if found.empty:
        return NothingToDraw()
    lines = [
        {"zeros": 100 * row["zeros"], "file": kind, "size": row[column] / 1000}
        for _, row in found.iterrows()
        for kind, column in (("as it is", "bytes"), ("zipped", "zipped"))
    ]
    kinds = ["as it is", "zipped"]
    base = alt.Chart(pd.DataFrame(lines)).encode(
        x=alt.X("zeros:Q", title="Weights set to zero (%)"),
        y=alt.Y("size:Q", title="Size (KB)"),
        color=alt.Color("file:N", title="File", sort=kinds).scale(
            domain=kinds, range=[charts.INK.light, charts.colour("PRN").light]
        ),
        tooltip=[
            alt.Tooltip("zeros:Q", title="Zeros (%)"),
            alt.Tooltip("size:Q", title="KB", format=".1f"),
            alt.Tooltip("file:N", title="File"),
        ],
    )
    drawn = [base.mark_line(), base.mark_point(size=45)]
    drawn += _recorded(files)
    return alt.LayerChart(layer=drawn).properties(
        height=300, description=f"The file's size over its zeros. {size_sentence(found, files)}"
    )


def _recorded(files: Files) -> list[alt.Chart]:
    """Return PRN's own file as two points."""
    made = files.read("PRN")
    if made is None:
        return []
    pairs = (("PRN as it is", made.bytes), ("PRN zipped", made.zipped_bytes))
    rows = pd.DataFrame(
        [{"zeros": 100 * made.sparsity, "size": size / 1000, "said": said} for said, size in pairs]
    )
    tips = [alt.Tooltip("said:N", title="File"), alt.Tooltip("size:Q", title="KB", format=".1f")]
    mark = alt.Chart(rows).mark_point(shape="diamond", size=130, color=charts.colour("PRN").light)
    return [mark.encode(x="zeros:Q", y="size:Q", tooltip=tips)]


@cited
def size_sentence(found: pd.DataFrame, files: Files) -> str:
    """Say what zeros save: nothing in the file, and how much of the archive."""
    if found.empty:
        return f"NQ's file is {text.MISSING}, or not kept."
    first, last = found.iloc[0], found.iloc[-1]
    plain = "does not change" if first["bytes"] == last["bytes"] else "changes"
    said = (
        f"Up to {text.percent(last['zeros'], 0)} zeros the size of the file {plain}; zipped, it "
        f"falls from {text.kilobytes(first['zipped'])} to {text.kilobytes(last['zipped'])}."
    )
    made = files.read("PRN")
    if made is None:
        return said
    return f"{said} PRN's own file has {text.kilobytes(made.zipped_bytes)} zipped."


# Sparsity and accuracy ----------------------------------------------------------------------------


@cited
def sweep_chart(found: pd.DataFrame) -> Drawn:
    """Draw PRN's accuracy over its sparsity."""
    return layers.sweep_chart(found, "Sparsity", "PRN", form=".0%")


@cited
def sweep_sentence(found: pd.DataFrame) -> str:
    """Say what is measured of the sparsity."""
    return layers.sweep_sentence(found, "sparsity", share=True)


# Pruned and rounded -------------------------------------------------------------------------------


@cited
def survival_table(files: Files) -> Table | NothingToDraw:
    """Return layer by layer whether PRN's zeros are PRQ's, and what rounding zeroes further."""
    lines = []
    for at, (layer, before, after) in enumerate(_both(files)):
        first, second = before.values(), after.values()
        assert first is not None and second is not None
        zero, still = first == 0, second == 0
        lines.append(
            {
                "Layer": layers.named(layer, at),
                "Weights": layer.weights,
                "Zeros in PRN": int(zero.sum()),
                "of them zero in PRQ": int((zero & still).sum()),
                "further zeros in PRQ": int((still & ~zero).sum()),
            }
        )
    if not lines:
        return NothingToDraw()
    return layers.table(pd.DataFrame(lines), "Zeros before and after rounding.")


def _both(files: Files) -> list[tuple[Layer, deployable.Tensor, deployable.Tensor]]:
    pruned, rounded = files.read("PRN"), files.read("PRQ")
    return list(quantization.pairs(pruned, rounded)) if pruned and rounded else []


@cited
def survival_sentence(files: Files) -> str:
    """Say whether zeros survive rounding."""
    lost, further, zeros, rest = 0, 0, 0, 0
    for _, before, after in _both(files):
        first, second = before.values(), after.values()
        assert first is not None and second is not None
        zeros += int((first == 0).sum())
        rest += int((first != 0).sum())
        lost += int(((first == 0) & (second != 0)).sum())
        further += int(((first != 0) & (second == 0)).sum())
    if not zeros:
        return files.absent(["PRN", "PRQ"])
    kept = "every one" if lost == 0 else f"{zeros - lost:,}"
    more = f"sets {text.small(further / rest)} of the other weights to zero"
    return (
        f"Of {zeros:,} zeros in PRN's file {kept} is zero in PRQ's, since Equation 1 maps zero to "
        f"zero; rounding {more if further else 'makes no further zeros'}."
    )


@cited
def entropy_table(files: Files, techniques: Sequence[str]) -> Table | NothingToDraw:
    """Return what each file takes, and how many bits a weight holds at least."""
    lines = []
    for name in techniques:
        found = files.read(name)
        if found is None:
            continue
        lines.append(
            {
                "File": name,
                "As it is (KB)": text.kb(found.bytes),
                "Zipped (KB)": text.kb(found.zipped_bytes),
                "Zeros (%)": text.figure(100 * found.sparsity, 1),
                "Bits a weight, stored": text.figure(_stored_bits(found), 1),
                "Entropy (bits)": text.figure(_entropy(found), 2),
            }
        )
    if not lines:
        return NothingToDraw()
    return layers.table(pd.DataFrame(lines), "The size of the files, and what is in it.")


def _stored_bits(found: Deployable) -> float:
    width = {"float32": 32, "float16": 16, "int8": 8}
    return sum(layer.weights * width.get(layer.dtype, 32) for layer in found.layers) / found.weights


def _entropy(found: Deployable) -> float:
    """Return the mean entropy of a weight, layer by layer."""
    total = 0.0
    for layer in found.layers:
        values = found.tensor(layer.index, layer.subgraph).data()
        assert values is not None
        total += layer.weights * pruning.entropy(values)
    return total / found.weights


# Do two savings add up? ---------------------------------------------------------------------------

CORNERS = ("NQ+FT", "PRN", "NQ+FT+BLQ", "PRQ")
"""Neither, pruned, rounded, both; all trained for equally long."""


def interaction(rows: pd.DataFrame) -> tuple[float, ...]:
    """Return PRQ - PRN - (NQ+FT+BLQ - NQ+FT) in accuracy, for each seed that has all four."""
    wide = rows.dropna(subset=["accuracy"]).pivot_table("accuracy", "seed", "technique")
    if not set(CORNERS) <= set(wide.columns):
        return ()
    whole = wide[list(CORNERS)].dropna()
    neither, pruned, rounded, both = (whole[name].to_numpy(float) for name in CORNERS)
    return tuple(map(float, both - pruned - (rounded - neither)))


@cited
def interaction_sentence(rows: pd.DataFrame) -> str:
    """Say whether pruning and rounding together cost more or less than each on its own."""
    values = interaction(rows)
    if not values:
        return f"Whether the two losses add up is {text.MISSING}."
    said: dict[statistics.Word, str] = {
        "equivalent": f"the losses add up, to within {text.MARGIN_IN_POINTS}",
        "lower": "together they cost more than that",
        "higher": "together they cost less than that",
        "undecided": "that decides nothing",
        "one pair": "one seed decides nothing",
    }
    written = text.difference_with_interval(statistics.mean(values))
    return (
        f"PRQ's accuracy differs by {written} points ({text.count(len(values), 'seed')}) from what "
        f"the two losses would give if they added up: {said[statistics.judge(values)]}."
    )


@cited
def sizes_sentence(rows: pd.DataFrame) -> str:
    """Say whether the savings of the zipped files multiply."""
    mean = rows.groupby("technique")["zipped_bytes"].mean()
    if not set(CORNERS) <= set(mean.dropna().index):
        return f"The sizes of all four files are {text.MISSING}."
    neither, pruned, rounded, both = (float(mean[name]) for name in CORNERS)
    shares = {"pruning": pruned / neither, "rounding": rounded / neither}
    each = text.listing(f"{name} leaves {text.percent(one, 0)}" for name, one in shares.items())
    product = shares["pruning"] * shares["rounding"]
    return (
        f"Of the zipped bytes {each}; if the two multiplied, both would leave "
        f"{text.percent(product)}, and they leave {text.percent(both / neither)}."
    )


@cited
def corners_table(rows: pd.DataFrame) -> Table:
    """Return the four files with accuracy and sizes, and the differences in accuracy."""
    lines = []
    for name in CORNERS:
        own = rows[rows["technique"] == name].dropna(subset=["accuracy"])
        less = comparison.difference(rows, name, CORNERS[0])
        known = len(own) > 0
        mean = statistics.mean(own["accuracy"].to_numpy(float)) if known else None
        lines.append(
            {
                "Technique": name,
                "Accuracy (%)": text.accuracy_with_interval(mean) if mean else text.MISSING,
                "less NQ+FT (points)": text.difference_with_interval(less.interval)
                if less.values and name != CORNERS[0]
                else text.NONE,
                "Size (KB)": text.kb(float(own["bytes"].mean())) if known else text.NONE,
                "Zipped (KB)": text.kb(float(own["zipped_bytes"].mean())) if known else text.NONE,
            }
        )
    return layers.table(pd.DataFrame(lines), "Pruned, rounded, both and neither.")
