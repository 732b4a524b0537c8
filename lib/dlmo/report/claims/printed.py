"""Claims that the paper's own tables decide."""

from functools import lru_cache

from dlmo import paper
from dlmo.paper import Claim
from dlmo.report import statistics
from dlmo.report.claims.evidence import Cell, Comparison
from dlmo.report.claims.registry import compares
from dlmo.report.claims.source import Source


@compares(("arithmetic", "bytes"))
def printed_sizes(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Divide a printed size by the one that it is compared with."""
    return _counted(_size(cell) / _size(_other(cell)), cell)


@compares(("arithmetic", "accuracy"))
def printed_accuracies(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Take a printed accuracy, less the one that it is compared with if there is one."""
    value = _accuracy(cell)
    return _counted(value - _accuracy(_other(cell)) if cell.against else value, cell)


def _counted(value: float, cell: Cell) -> Comparison:
    return Comparison((statistics.exactly(round(value, 9)),))


def _other(cell: Cell) -> Cell:
    if cell.against in paper.networks():
        return Cell(cell.dataset, cell.against, cell.technique)
    return Cell(cell.dataset, cell.network, cell.against)


def _size(cell: Cell) -> float:
    return _printed()[cell.dataset, cell.network, cell.technique][1]


def _accuracy(cell: Cell) -> float:
    if not cell.dataset:
        return _imagenet()[cell.network]
    return _printed()[cell.dataset, cell.network, cell.technique][0]


@lru_cache
def _printed() -> dict[tuple[str, str, str], tuple[float, float]]:
    # Table 14 repeats rows of others; the first table is where a row stands.
    rows = paper.results().drop_duplicates(["dataset", "network", "technique"])
    keys = rows[["dataset", "network", "technique"]].itertuples(index=False, name=None)
    values = rows[["accuracy", "bytes"]].astype(float).itertuples(index=False, name=None)
    return dict(zip(keys, values, strict=True))


@lru_cache
def _imagenet() -> dict[str, float]:
    table = paper.table(12)
    return dict(zip(table["network"], table["accuracy_percent"].astype(float) / 100, strict=True))
