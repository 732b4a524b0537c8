"""Claims that the paper's own tables decide."""

from functools import lru_cache

from dlmo import paper
from dlmo.paper import Claim
from dlmo.report import statistics
from dlmo.report.claims.evidence import Cell, Comparison
from dlmo.report.claims.registry import compares
from dlmo.report.claims.source import Source, cells
from dlmo.report.printed import Place, Printed


@compares(("arithmetic", "bytes"), ("arithmetic", "accuracy"))
def printed_values(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Take a printed number, divided by or less the one that it is compared with."""
    return Comparison((statistics.exactly(value(_paper(), claim, cell)),))


def values(printed: Printed, claim: Claim) -> dict[Cell, float]:
    """Return what a claim about printed numbers is about, cell by cell."""
    return {cell: value(printed, claim, cell) for cell in cells(claim)}


def value(printed: Printed, claim: Claim, cell: Cell) -> float:
    """Return a ratio of sizes, a difference of accuracies, or one accuracy that stands alone."""
    here: Place = (cell.dataset, cell.network, cell.technique)
    there: Place = (cell.dataset, cell.network, cell.against)
    if cell.against in paper.networks():
        there = (cell.dataset, cell.against, cell.technique)
    if claim.metric == "bytes":
        found = printed.size(*here) / printed.size(*there)
    elif cell.against:
        found = printed.accuracy(*here) - printed.accuracy(*there)
    else:
        found = printed.accuracy(*here)
    # Rounded, so that a printed 82 % less a printed 80 % is no hair more than 2 points.
    return round(found, 9)


@lru_cache(maxsize=1)
def _paper() -> Printed:
    return Printed()
