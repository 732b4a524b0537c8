"""A finding of the audit, and the register of the checks that make them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import pandas as pd

from dlmo.report.cited import cited
from dlmo.report.printed import Mark, Printed

Certainty = Literal["certain", "very likely", "likely", "open"]
Kind = Literal["error", "limit", "right"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""In error; what the numbers can't show; said rightly."""


@dataclass(frozen=True, eq=False)
class Finding:
    """What a check found.

    Attributes:
        title: in one line.
        where: the place in the paper.
        evidence: sentences, every number computed.
        certainty: how certain the finding is.
        kind: whether the paper is in error, is limited by its own precision, or is right.
        table: the rows behind it, as they are shown; None where the sentences say all.
        cells: the printed cells that cannot be right.
        name: of the check.
    """

    title: str
    where: str
    evidence: str
    certainty: Certainty
    kind: Kind = "error"
    table: pd.DataFrame | None = None
    cells: tuple[Mark, ...] = ()
    name: str = ""


Check = Callable[[Printed], Finding | None]

CHECKS: dict[str, Check] = {}
"""Every check by its name, in the order in which their findings are shown."""


def check(function: Check) -> Check:
    """Register a check: it returns what it found, or nothing."""
    CHECKS[function.__name__] = function
    return function


@cited
def findings(printed: Printed | None = None) -> list[Finding]:
    """Return what all checks find: errors first, then limits, then what is right.

    Args:
        printed: the numbers; the paper's where they are not given.
    """
    numbers = printed or Printed()
    numbers.note()
    found = []
    for name, look in CHECKS.items():
        finding = look(numbers)
        if finding is not None:
            found.append(replace(finding, name=name))
    return sorted(found, key=lambda one: KINDS.index(one.kind))


def suspects() -> frozenset[Mark]:
    """Return every printed cell that cannot be right, by all findings.

    They cite nothing: a mark leads to its finding, and a table that is marked rests on its cells.
    """
    return frozenset(cell for finding in findings() for cell in finding.cells)
