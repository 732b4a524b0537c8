"""Which function judges which claim: by its id, by its test and metric, or by unit and metric."""

from collections.abc import Callable

from dlmo.paper import Claim
from dlmo.report.claims.evidence import Cell, Comparison, Evidence, NotMeasuredError
from dlmo.report.claims.rules import rule
from dlmo.report.claims.source import Source, cells

Judge = Callable[[Claim, Source], list[Evidence]]
Compare = Callable[[Claim, Source, Cell], Comparison]
Look = Callable[[Claim, Source, Cell], Evidence]

_JUDGES: dict[str | tuple[str, str], Judge] = {}


def judges(*which: str | tuple[str, str]) -> Callable[[Judge], Judge]:
    """Register a function that judges a claim as a whole.

    Args:
        which: claims' ids, or pairs of a test or a unit and a metric. The particular goes before
            the general.
    """

    def register(judge: Judge) -> Judge:
        _JUDGES.update(dict.fromkeys(which, judge))
        return judge

    return register


def looks(*which: str | tuple[str, str]) -> Callable[[Look], Look]:
    """Register a function that judges one cell by itself."""

    def register(look: Look) -> Look:
        def judge(claim: Claim, source: Source) -> list[Evidence]:
            return [_looked(look, claim, source, cell) for cell in cells(claim)]

        judges(*which)(judge)
        return look

    return register


def compares(*which: str | tuple[str, str]) -> Callable[[Compare], Compare]:
    """Register a function that compares in one cell; the claim's test says what follows."""

    def register(compare: Compare) -> Compare:
        looks(*which)(lambda claim, source, cell: _compared(compare, claim, source, cell))
        return compare

    return register


def judge_of(claim: Claim) -> Judge:
    """Return the function that judges a claim.

    Raises:
        LookupError: there is none; a claim of a new kind needs one.
    """
    metric = claim.metric or ""
    for which in (claim.id, (claim.test, metric), (claim.unit, metric)):
        if which in _JUDGES:
            return _JUDGES[which]
    raise LookupError(f"no function judges {claim.id} ({claim.unit}, {claim.test}, {metric})")


def _looked(look: Look, claim: Claim, source: Source, cell: Cell) -> Evidence:
    try:
        return look(claim, source, cell)
    except NotMeasuredError as why:
        return Evidence(cell, why.interval, keys=why.keys, missing=str(why))


def _compared(compare: Compare, claim: Claim, source: Source, cell: Cell) -> Evidence:
    comparison = compare(claim, source, cell)
    # Every file must agree: the largest p counts, of what confirms and of what refutes.
    says = [rule(claim, one) for one in comparison.found]
    p, refuting = max(one[0] for one in says), max(one[1] for one in says)
    return Evidence(
        cell, comparison.interval, p, refuting, keys=comparison.keys, note=comparison.note
    )
