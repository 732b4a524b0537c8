"""The tables of an overview: the paper's Tables 5 to 14 beside ours, and what is measured."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from dlmo import paper
from dlmo.report import tables, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import KERNELS, PARENT, ROWS, Comparison, Difference, Row
from dlmo.report.comparison_tables import beside, headed, title
from dlmo.report.overview import Overview, in_table_14, order
from dlmo.report.printed import Mark
from dlmo.report.text import MISSING, NONE

SUSPECT = "†"
"""What stands behind a printed number that is an obvious error."""

EMPTY = "○"
"""What stands in the matrix where nothing is measured yet."""

APART = "\u00a0· "
"""What stands between two datasets in one cell."""

_GROUPS = {"Accuracy (%)": "accuracy", "Size (KB)": "size", "Latency (ratio)": "latency"}


@cited
def printed(table: int, found: Overview, suspects: Collection[Mark] = ()) -> Table:
    """Return one of the paper's Tables 5 to 11 and 13, both datasets, ours beside it.

    Args:
        table: its number.
        found: with the table's network.
        suspects: the cells that are to be marked.
    """
    results = paper.results()
    network = str(results["network"][results["table"] == table].iloc[0])
    part = found.of(network).comparisons
    lines = [
        {("", "Dataset"): title(one.dataset), ("", "Technique"): name}
        | _marked(beside(one[name]), (table, one.dataset, name), suspects)
        for one in part
        for name in order(table, part)
    ]
    caption = f"Table {table} of the paper, {title(network)}, beside ours"
    return wide(lines, f"{caption} (profile {part[0].profile}).", f"paper-{table}")


def _marked(
    cells: dict[tuple[str, str], str], row: tuple[int, str, str], suspects: Collection[Mark]
) -> dict[tuple[str, str], str]:
    wrong = {("paper", kind) for kind in _GROUPS.values() if (*row, kind) in suspects}
    return {
        (group, column): f"{cell}{SUSPECT}" if (column, _GROUPS.get(group)) in wrong else cell
        for (group, column), cell in cells.items()
    }


# Without training -------------------------------------------------------------------------------


@cited
def untrained(found: Overview) -> Table | None:
    """Return size, memory and latency of each file beside the paper's; None where there is none."""
    lines = [
        {
            ("", "Network"): title(one.network),
            ("", "Dataset"): title(one.dataset),
            ("", "Technique"): row.technique,
            ("Size (KB)", "paper"): text.kb(row.printed.bytes) if row.printed else NONE,
            ("Size (KB)", "ours"): text.kb(row.bytes),
            ("Memory", "MB"): text.figure(row.memory / 1e6, 1),
            ("Latency (ratio)", "paper"): text.times(row.printed.ratio) if row.printed else NONE,
            ("Latency (ratio)", "XNNPACK"): ratio(row, KERNELS[0]),
            ("Latency (ratio)", "built-in"): ratio(row, KERNELS[1]),
        }
        for one in found
        for row in one.files
    ]
    caption = "Files of networks that wait for training, with weights as they were drawn."
    return wide(lines, caption, "untrained") if lines else None


# Table 12 ---------------------------------------------------------------------------------------


@cited
def imagenet(found: Overview) -> Table:
    """Return the paper's Table 12, which quotes ImageNet results, and the networks built here."""
    lines = [
        {
            ("", "Network"): str(row["row"]),
            ("ImageNet, as quoted", "top-1 (%)"): str(row["accuracy_percent"]),
            ("ImageNet, as quoted", "MAdds (millions)"): str(row["madds_millions"]),
            ("ImageNet, as quoted", "parameters"): str(row["parameters"]),
            ("Built here, CIFAR-10", "parameters"): _parameters(found, str(row["network"])),
            ("Built here, CIFAR-10", "NQ (%)"): _plain(found, str(row["network"])),
        }
        for _, row in paper.table(12).iterrows()
    ]
    caption = "Table 12 of the paper, results on ImageNet that it quotes, and the networks here."
    return headed(pd.DataFrame(lines), caption, name="paper-12", texts=("Network",))


def _parameters(found: Overview, network: str) -> str:
    known = [one[PARENT] for one in found.of(network) if one[PARENT].measured]
    return f"{known[0].parameters / 1e6:.1f}M" if known else MISSING


def _plain(found: Overview, network: str) -> str:
    known = [one[PARENT].accuracy for one in found.of(network, dataset="cifar10")]
    return text.accuracy_with_interval(known[0]) if known and known[0] else MISSING


@cited
def variant(found: Overview, network: str, other: str, techniques: Sequence[str]) -> Table:
    """Return two forms of a network side by side, on CIFAR-10.

    Args:
        found: in which both are.
        network: the paper's form.
        other: the other form.
        techniques: the rows.
    """
    parts = {title(name): list(found.of(name, dataset="cifar10")) for name in (network, other)}
    lines = [
        {("", "Technique"): technique}
        | {
            (name, column): write(one, technique)
            for name, ones in parts.items()
            for one in ones
            for column, write in (("accuracy (%)", accuracy), ("size (KB)", _size))
        }
        for technique in techniques
    ]
    caption = f"{' and '.join(parts)}, CIFAR-10."
    return headed(pd.DataFrame(lines), caption, name="variant")


def _size(one: Comparison, name: str) -> str:
    return text.kb(one[name].bytes) if one[name].measured else MISSING


# Cells ------------------------------------------------------------------------------------------


def ratio(row: Row, kernels: str = KERNELS[0]) -> str:
    """Return a latency over NQ's, or that it is not measured yet."""
    found = row.ratio.get(kernels)
    # A row that nobody measured says so once.
    return text.ratio(found.estimate) if found else MISSING if row.has_file else NONE


def accuracy(one: Comparison, name: str) -> str:
    """Return an accuracy with its interval, or why there is none."""
    known = one[name].accuracy
    if known is None and one[name].reason:
        return f"cannot be had: {one[name].reason}"
    return text.accuracy_with_interval(known) if known else MISSING


def difference(found: Difference) -> str:
    """Return a difference with its interval, or a dash."""
    return text.difference_with_interval(found.interval) if found.values else NONE


# What is measured ---------------------------------------------------------------------------------


@cited
def matrix(found: Overview, techniques: Sequence[str] = ROWS) -> Table:
    """Return how many seeds of each technique of each network are measured, by dataset."""
    datasets = list(dict.fromkeys(one.dataset for one in found))
    parts = {one.network: found.of(one.network) for one in found}
    lines = [
        {"Network": title(network)} | {name: _cells(part, name, datasets) for name in techniques}
        for network, part in parts.items()
    ]
    caption = (
        f"What is measured: seeds of each technique on {APART.join(map(title, datasets))}; "
        f"{EMPTY} is {MISSING}, and × cannot be had. One number is of the first: distilled "
        "students are on it alone, as in the paper."
    )
    frame = pd.DataFrame(lines)
    style = tables.styled(frame, caption=caption, name="measured-so-far", wrap=["Network"])
    style.set_properties(subset=list(techniques), **{"text-align": "right"})
    rules: list[Any] = [{"selector": "th:not(.col0)", "props": "text-align: right"}, tables.NARROW]
    style.set_table_styles(rules, overwrite=False)
    return style


def _cells(part: Overview, name: str, datasets: Sequence[str]) -> str:
    known = {one.dataset: _cell(one, name) for one in part}
    return APART.join(known.get(one, "") for one in datasets).rstrip(APART)


def _cell(one: Comparison, name: str) -> str:
    row = one[name]
    if row.measured:
        return str(len(row.accuracies))
    if row.reason:
        return "×"
    return EMPTY if _wanted(one, name) else ""


def _wanted(one: Comparison, name: str) -> bool:
    """Return whether the paper has such a row or our control, or we have it all the same."""
    if one[name].measured:
        return True
    if name in ROWS:
        return one.network in paper.networks()
    return one.dataset == "cifar10" and in_table_14(one.network, name)


# Parts ------------------------------------------------------------------------------------------


def wide(lines: Iterable[dict[tuple[str, str], str]], caption: str, name: str) -> Table:
    """Return a table of networks with two rows of heads."""
    texts = ("Dataset", "Network", "Technique")
    return headed(pd.DataFrame(list(lines)), caption, name=name, texts=texts)


def count(found: Overview, techniques: Sequence[str] = ROWS) -> Iterator[bool]:
    """Yield for each cell of the matrix whether it is measured."""
    for one in found:
        yield from (bool(one[name].accuracies) for name in techniques if _wanted(one, name))
