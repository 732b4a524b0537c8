"""Saying what a plan will cost, in words, and asking before it is much."""

import sys
from typing import TYPE_CHECKING

import typer

from dlmo.durations import duration
from dlmo.errors import UserError

if TYPE_CHECKING:
    from dlmo.laboratory import Plan

ASK_FROM = 180.0
"""Seconds of training above which a person is asked first."""


def estimate(made: "Plan") -> dict[str, float]:
    """Time a few steps of each missing training, saying so on standard error.

    Returns:
        Seconds by the key of the training.
    """
    from dlmo.laboratory import cost

    def told(what: str, place: int, count: int) -> None:
        typer.echo(f"timing a few steps ({place} of {count}): {what}", err=True)

    return cost.estimate(made, told=told)


def said(made: "Plan", costs: dict[str, float], cores: int) -> str:
    """Return what the missing nodes of a plan will cost, in words."""
    from dlmo.laboratory import cost

    open_ = len(cost.unknown(made, costs))
    time = f"about {duration(cost.total(made.missing, costs, cores))} of training"
    if not made.missing:
        return "nothing to train, convert or judge"
    if not open_ and not costs:
        return "no training; converting and judging only"
    if not costs:
        return f"{open_} training{'s' * (open_ > 1)}, cost unknown"
    return f"{time}, and {open_} more of unknown cost" if open_ else time


def agreed(made: "Plan", costs: dict[str, float], cores: int, yes: bool) -> bool:
    """Ask a person who sits at a terminal, if it will take more than a few minutes.

    Raises:
        UserError: it will, nobody said yes before, and there is no terminal to ask at.
    """
    if yes or not _long(made, costs, cores):
        return True
    if not sys.stdin.isatty():
        raise UserError(
            f"{said(made, costs, cores)}, and no terminal to ask at; add --yes to go on"
        )
    return typer.confirm("Go on?", default=True, err=True)


def _long(made: "Plan", costs: dict[str, float], cores: int) -> bool:
    from dlmo.laboratory import cost

    known = cost.total(made.missing, costs, cores) > ASK_FROM
    return known or (bool(cost.unknown(made, costs)) and not cost.brief(made))
