"""The tables of a comparison: the paper beside us, differences with their verdicts, files."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dlmo.report import tables, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import CONTROL, KERNELS, PARENT, Comparison, Row, comparators
from dlmo.report.text import MISSING, NONE
from dlmo.techniques import ConversionName, StepName, technique

Cells = Callable[[Row], Mapping[tuple[str, str], str]]

TITLES = {
    "vggnet": "VGGNet",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet56": "ResNet56",
    "mobilenet_v1": "MobileNet v1",
    "mobilenet_v2": "MobileNet v2",
    "mobilenet_v3_small": "MobileNet v3 small",
    "mobilenet_v3_small[squeeze=4]": "MobileNet v3 small (squeeze 4)",
    "mobilenet_v3_large": "MobileNet v3 large",
    "wrn": "WRN",
    "resnet8": "ResNet-8",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "cifar100_coarse": "CIFAR-100 (20 superclasses)",
}
"""How prose writes the names of networks and datasets; others are written as they are."""


def title(name: str) -> str:
    """Return a network's or a dataset's name as prose writes it; of a path, its last part."""
    base, bracket, options = name.partition("[")
    if "/" not in base:
        return TITLES.get(name, name)
    kept = re.sub(r"(preprocessing|lambda)=[^,\]]*,?", "", options)
    inside = kept.rstrip("],") if bracket else ""
    return Path(base).name + (f"[{inside}]" if inside else "")


def about(comparison: Comparison) -> str:
    """Return what a comparison is about: `VGGNet on CIFAR-10, profile reference`."""
    network, dataset = title(comparison.network), title(comparison.dataset)
    return f"{network} on {dataset}, profile {comparison.profile}"


# The techniques -----------------------------------------------------------------------------------


def techniques_table(names: Sequence[str]) -> Table:
    """Return what each technique is made of: training steps, and the conversion that ends it."""
    lines = [
        {
            "Technique": name,
            "Training": text.listing((_STEPS[step] for step in technique(name).steps), "then"),
            "Conversion": _CONVERSIONS[technique(name).conversion],
        }
        for name in names
    ]
    return tables.styled(pd.DataFrame(lines), caption="The techniques of this page.")


def made_of(name: str) -> str:
    """Return what a technique is made of, in words: `train, then prune; 16-bit float weights`."""
    made = technique(name)
    steps = text.listing((_STEPS[step] for step in made.steps), "then")
    return f"{steps}; {_CONVERSIONS[made.conversion]}"


_STEPS: dict[StepName, str] = {
    "train": "train",
    "distil": "distil",
    "finetune": "train on",
    "prune": "prune",
    "qat": "train on with simulated rounding",
}
_CONVERSIONS: dict[ConversionName, str] = {
    "float": "none, 32-bit floats",
    "dynamic": "8-bit weights, values scaled while it runs",
    "int8": "8-bit weights, 8-bit arithmetic",
    "f16": "16-bit float weights",
}


# The paper beside us ------------------------------------------------------------------------------


@cited
def side_by_side(comparison: Comparison) -> Table:
    """Return the paper's table beside ours: accuracy, size and latency of each technique."""
    source = f"Table {comparison.table} of the paper" if comparison.table else "The paper"
    return _grouped(comparison, beside, f"{source} beside ours: {about(comparison)}.")


def beside(row: Row) -> dict[tuple[str, str], str]:
    """Return the cells of one technique, the paper's and ours, by group and column."""
    paper = row.printed
    return {
        ("Accuracy (%)", "paper"): text.figure(100 * paper.accuracy, 1) if paper else NONE,
        ("Accuracy (%)", "ours"): _ours(row),
        ("Accuracy (%)", "seeds"): str(len(row.accuracies) or NONE),
        ("Accuracy (%)", "less paper"): _to_paper(row),
        ("Size (KB)", "paper"): text.kb(paper.bytes) if paper else NONE,
        ("Size (KB)", "ours"): _number(row, row.bytes, text.kb),
        ("Size (KB)", "zipped"): _number(row, row.zipped_bytes, text.kb),
        ("Latency (ratio)", "paper"): text.times(paper.ratio) if paper else NONE,
        ("Latency (ratio)", "ours"): _ratio(row, "xnnpack", interval=False),
    }


def _ours(row: Row) -> str:
    if row.accuracy is None:
        return f"cannot be had: {row.reason}" if row.reason else MISSING
    return text.accuracy_with_interval(row.accuracy)


def _to_paper(row: Row) -> str:
    if np.isnan(row.to_paper):
        return NONE
    return text.points(row.to_paper) + ("*" if row.expected is False else "")


# Differences ------------------------------------------------------------------------------------


@cited
def differences(comparison: Comparison) -> Table:
    """Return each technique's difference to NQ, and to NQ+FT where it was trained on."""
    caption = f"Paired differences in accuracy: {about(comparison)}."
    # Where there is nothing to compare, NQ's empty line says so.
    names = [name for name in comparison.rows if name != PARENT] or [PARENT]
    return _grouped(comparison, _less, caption, names, words=("verdict",))


def _less(row: Row) -> dict[tuple[str, str], str]:
    cells: dict[tuple[str, str], str] = {("", "Pairs"): NONE}
    for other in (PARENT, CONTROL):
        found, head = row.differences.get(other), f"Less {other}"
        known = found is not None and found.values
        cells[head, "points"] = (
            text.difference_with_interval(found.interval)
            if found and known
            else _absent(row, other)
        )
        if other == PARENT:
            cells["", "Pairs"] = str(len(found.values)) if found and known else NONE
        cells[head, "verdict"] = text.verdict(found.word) if found and known else NONE
    return cells


def _absent(row: Row, other: str) -> str:
    if row.reason and not row.measured:
        return "cannot be had"
    return MISSING if other in comparators(row.technique) else NONE


# Files ------------------------------------------------------------------------------------------


@cited
def files(comparison: Comparison) -> Table:
    """Return what the files hold and how they run: zeros, latency with both kernels, memory."""
    return _grouped(comparison, _file, f"The files and how they run: {about(comparison)}.")


def _file(row: Row) -> dict[tuple[str, str], str]:
    return {
        ("Weights not zero (%)", "all"): _number(row, row.nonzero, _share),
        ("Weights not zero (%)", "pruned"): _number(row, row.pruned_nonzero, _share),
        ("Latency (ratio)", "XNNPACK"): _ratio(row, KERNELS[0]),
        ("Latency (ratio)", "built-in kernels"): _ratio(row, KERNELS[1]),
        ("Memory", "MB"): _number(row, row.memory, lambda size: text.figure(size / 1e6, 1)),
    }


def _share(value: float) -> str:
    return text.figure(100 * value, 1)


def _number(row: Row, value: float, write: Callable[[float], str]) -> str:
    return write(value) if not np.isnan(value) else _nothing(row)


def _ratio(row: Row, kernels: str, *, interval: bool = True) -> str:
    found = row.ratio.get(kernels)
    if found is None:
        return _nothing(row)
    return text.ratio_with_interval(found) if interval else text.ratio(found.estimate)


def _nothing(row: Row) -> str:
    # A row that nobody measured says so once; one in which a measurement lacks says which.
    return MISSING if row.measured else NONE


# Profiles ---------------------------------------------------------------------------------------


@cited
def profiles(comparisons: Sequence[Comparison]) -> Table:
    """Return the accuracies of several profiles side by side, and what each technique does."""
    profiles = text.listing(f"profile {comparison.profile}" for comparison in comparisons)
    caption = f"The same techniques under {profiles}."
    names = list(comparisons[0].rows)
    lines = [
        {("", "Technique"): name}
        | {key: cell for one in comparisons for key, cell in _profile(one, name).items()}
        for name in names
    ]
    return headed(pd.DataFrame(lines), caption, ())


def _profile(comparison: Comparison, name: str) -> dict[tuple[str, str], str]:
    row, head = comparison[name], f"Profile {comparison.profile}"
    less = row.differences.get(PARENT)
    known = less is not None and less.values
    return {
        (head, "accuracy (%)"): _ours(row),
        (head, "seeds"): str(len(row.accuracies) or NONE),
        (head, "less NQ (points)"): text.difference_with_interval(less.interval)
        if less and known
        else NONE,
    }


# The live check ---------------------------------------------------------------------------------


def live(checked: pd.DataFrame | None) -> Table | None:
    """Return what the live check measured; see `sentences.live`."""
    if checked is None:
        return None
    frame = pd.DataFrame(
        {
            "Technique": checked["technique"],
            "Accuracy (%)": 100 * checked["accuracy"],
            "Size (KB)": checked["bytes"].astype(float) / 1000,
            "Zipped (KB)": checked["zipped_bytes"].astype(float) / 1000,
            "Zeros among what is pruned (%)": 100 * (1 - checked["pruned_nonzero"]),
        }
    )
    if "corrupted_accuracy" in checked:
        frame["Corrupted (%)"] = 100 * checked["corrupted_accuracy"]
    formats = dict.fromkeys(frame.columns[1:], "{:.1f}")
    return tables.styled(
        frame, caption="Trained, converted and measured as the library is now.", formats=formats
    )


# The form ---------------------------------------------------------------------------------------


def _grouped(
    comparison: Comparison,
    cells: Cells,
    caption: str,
    names: Sequence[str] | None = None,
    words: Sequence[str] = (),
) -> Table:
    wanted = list(comparison.rows) if names is None else names
    lines = [{("", "Technique"): name, **cells(comparison[name])} for name in wanted]
    return headed(pd.DataFrame(lines), caption, words)


def headed(
    frame: pd.DataFrame,
    caption: str,
    words: Sequence[str] = (),
    *,
    name: str | None = None,
    texts: Sequence[str] = ("Technique",),
) -> Table:
    """Return a table with two rows of heads; what is neither words nor text stands right.

    Args:
        frame: its columns are pairs of group and column.
        caption: the sentence above it.
        words: columns whose words may be broken into lines.
        name: by which pages refer to it.
        texts: columns of names.
    """
    columns: list[Any] = list(frame.columns)
    frame.columns = pd.MultiIndex.from_tuples(columns)
    numbers = [column for column in columns if column[1] not in (*texts, *words)]
    style = tables.styled(frame, caption=caption, name=name)
    style.set_properties(subset=numbers, **{"text-align": "right"})
    wrapped: list[Any] = [column for column in columns if column[1] in words]
    style.set_properties(subset=wrapped, **{"white-space": "normal", "max-width": "7.5rem"})
    # Words are wider than numbers; at full size they would push the last column out of sight.
    style.map(lambda cell: "font-size: 0.8em" if cell == MISSING else "", subset=numbers)
    heads = [f"th.level1.col{columns.index(column)}" for column in numbers]
    rules: list[Any] = [{"selector": head, "props": "text-align: right"} for head in heads]
    rules += [
        {"selector": "thead tr:first-child th", "props": "border-bottom: 0; padding-bottom: 0"},
        tables.NARROW,
    ]
    style.set_table_styles(rules, overwrite=False)
    return style
