"""The chapter on quantization-aware training (paper, Section 3.1)."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from dlmo import deployable, records
from dlmo.arithmetic import simulation
from dlmo.arithmetic.simulation import Simulated
from dlmo.deployable import Deployable
from dlmo.report import comparison, statistics, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.methods import layers
from dlmo.report.methods.files import Files

TECHNIQUE = "QAT"
BESIDE = ("NQ", "FIQ", "NQ+FT+FIQ")
"""What QAT is compared with: the float network, the same conversion, and that of the control."""


# What it brings -----------------------------------------------------------------------------------


@cited
def differences_table(rows: pd.DataFrame, shorter: pd.DataFrame) -> Table:
    """Return QAT less each of `BESIDE` and each shorter control, paired by seed.

    Args:
        rows: of `records.select`.
        shorter: controls that were trained on for `value` epochs, see `chapter.sweep`.
    """
    lines = []
    for other, found in _differences(rows, shorter).items():
        known = bool(found.values)
        written = text.difference_with_interval(found.interval) if known else text.MISSING
        lines.append(
            {
                "Compared with": other,
                "Pairs": str(len(found.values)) if known else text.NONE,
                "Difference (points)": written,
                "Verdict": text.verdict(found.word) if known else text.NONE,
            }
        )
    return layers.table(
        pd.DataFrame(lines), f"Paired differences in accuracy: {TECHNIQUE} less each of these."
    )


def _differences(rows: pd.DataFrame, shorter: pd.DataFrame) -> dict[str, comparison.Difference]:
    own = rows[rows["technique"] == TECHNIQUE]
    found = {other: comparison.difference(rows, TECHNIQUE, other) for other in BESIDE}
    for epochs in shorter["value"].unique():
        name = f"{BESIDE[-1]} of {text.count(int(epochs), 'epoch')}"
        some = shorter[shorter["value"] == epochs].assign(technique=name)
        both = pd.concat([own, some], ignore_index=True)
        found[name] = comparison.difference(both, TECHNIQUE, name)
    return found


@cited
def gain_sentence(rows: pd.DataFrame, shorter: pd.DataFrame) -> str:
    """Say what QAT brings beyond rounding the finished network, and beyond longer training.

    Args:
        rows: of `records.select`.
        shorter: see `differences_table`.
    """
    found = {name: one for name, one in _differences(rows, shorter).items() if name != BESIDE[0]}
    known = {other: one for other, one in found.items() if one.values}
    absent = [other for other in found if other not in known]
    said = [
        f"from {other} by {text.points(one.interval.estimate, 2)} points ({text.verdict(one.word)})"
        for other, one in known.items()
    ]
    parts = [f"QAT differs {text.listing(said)}."] if said else []
    if absent:
        parts.append(f"The comparison with {text.listing(absent)} is {text.MISSING}.")
    return " ".join(parts)


@cited
def epochs_sentence(rows: pd.DataFrame) -> str:
    """Say for how long each was trained on: the control is not as short as QAT is."""
    length = {}
    for name in ("NQ", TECHNIQUE, "NQ+FT+FIQ"):
        own = rows[rows["technique"] == name]["epochs"].dropna()
        if own.empty:
            return ""
        length[name] = int(own.iloc[0])
    extra = {name: length[name] - length["NQ"] for name in length if name != "NQ"}
    return (
        f"QAT trains on for {text.count(extra[TECHNIQUE], 'epoch')}, the control NQ+FT for "
        f"{text.count(extra['NQ+FT+FIQ'], 'epoch')}."
    )


# Simulation and file ------------------------------------------------------------------------------


@cited
def simulated(files: Files) -> list[Simulated]:
    """Compare the integers that training simulated with those of QAT's file."""
    weights, found = files.weights(TECHNIQUE), files.read(TECHNIQUE)
    return simulation.compare(weights, found) if weights and found else []


@cited
def simulated_table(found: Sequence[Simulated], files: Files) -> Table | NothingToDraw:
    """Return layer by layer the ranges of simulation and files, and how many integers agree."""
    if not found:
        return NothingToDraw()
    plain = files.read("FIQ")
    lines = []
    for at, one in enumerate(found):
        line = {
            "Layer": layers.named(one.layer, at),
            "Ranges simulated": one.ranges,
            "in QAT's file": one.scales,
        }
        if plain is not None:
            other = plain.layers[at]
            line["in FIQ's file"] = len(plain.tensor(other.index, other.subgraph).scale)
        line["Integers as simulated (%)"] = text.figure(100 * one.equal, 2)
        lines.append(line)
    return layers.table(
        pd.DataFrame(lines), "Ranges of the weights, and the integers of QAT's file."
    )


@cited
def simulated_sentence(found: Sequence[Simulated], files: Files) -> str:
    """Say whether the file holds what training simulated, and where it is coarser than FIQ's."""
    if not found:
        return f"QAT's weights and file are {text.MISSING}, or not kept."
    total = sum(one.layer.weights for one in found)
    same = sum(one.equal * one.layer.weights for one in found) / total
    whole = "All" if round(same * total) == total else text.percent(same, 2) + " of the"
    said = f"{whole} {total:,} weights of QAT's file are the integers that training simulated."
    plain = files.read("FIQ")
    if plain is None:
        return said
    coarse = [
        layers.named(one.layer, at)
        for at, one in enumerate(found)
        if one.scales < len(plain.tensor(plain.layers[at].index, plain.layers[at].subgraph).scale)
    ]
    if not coarse:
        return f"{said} Its weights have as many ranges as FIQ's."
    have = "has" if len(coarse) == 1 else "have"
    return (
        f"{said} But {text.listing(coarse)} {have} one range for the whole tensor, where FIQ's "
        "file has one a channel: the toolkit simulates no other."
    )


@cited
def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Return for each seed the validation accuracy of the simulation and of the file, 0 to 1."""
    lines = []
    for _, row in rows[rows["technique"] == TECHNIQUE].dropna(subset=["accuracy"]).iterrows():
        made = records.find(str(row["weights_key"]))
        if isinstance(made, records.Weights) and made.history:
            lines.append(
                {
                    "seed": int(row["seed"]),
                    "simulation": made.history[-1]["validation_accuracy"],
                    "file": float(row["validation_accuracy"]),
                }
            )
    return pd.DataFrame(lines, columns=["seed", "simulation", "file"])


@cited
def judged_sentence(found: pd.DataFrame) -> str:
    """Say how far the file's accuracy is from that of the simulation, on the validation images."""
    if found.empty:
        return f"The accuracy of simulation and file is {text.MISSING}."
    interval = statistics.mean((found["file"] - found["simulation"]).to_numpy(float))
    return (
        "On the validation images the file differs from the simulation's last epoch by "
        f"{text.difference_with_interval(interval)} points "
        f"({text.count(len(found), 'seed')})."
    )


# What stays float ---------------------------------------------------------------------------------


def fallback_table(found: Mapping[str, Deployable]) -> Table:
    """Return for each way in which one network was converted what of its file computes with floats.

    Args:
        found: the files, by what distinguishes their conversions.
    """
    lines = [
        {
            "Converted": way,
            "Size (KB)": text.kb(one.bytes),
            "Operators": len(one.nodes),
            "of these, with floats": len(deployable.float_operators(one)),
            "Which": _counted(one) or text.NONE,
        }
        for way, one in found.items()
    ]
    return layers.table(pd.DataFrame(lines), "One fake-quantized network, converted in two ways.")


def _counted(one: Deployable) -> str:
    names = Counter(node.name for node in deployable.float_operators(one))
    return text.listing(f"{name} ({count})" for name, count in names.items())


def fallback_sentence(found: Mapping[str, Deployable]) -> str:
    """Say what the file that kept floats would do on a device, and what it shows of it."""
    without, with_ = found.values()
    left = deployable.float_operators(without)
    if not left:
        return "Both files compute with integers only."
    larger = without.bytes / with_.bytes - 1
    return (
        f"The converter said nothing of the {text.count(len(left), 'float operator')}; the file is "
        f"{text.percent(larger)} larger than the one that computes with integers only."
    )
