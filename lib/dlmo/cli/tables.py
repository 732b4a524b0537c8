"""Printing rows: as a table for people, as CSV for programs."""

import csv as csv_
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd


def console() -> Console:
    """Return a console on standard output; a file or a pipe has lines of any length."""
    return Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)


def rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return a data frame's rows as JSON has them: plain numbers, None for what is missing."""
    return [
        {str(name): plain(value) for name, value in row.items()} for row in frame.to_dict("records")
    ]


def plain(value: Any) -> Any:
    """Return a value of a data frame as a plain one; None where it is missing."""
    import pandas as pd

    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def show(rows: Sequence[Mapping[str, Any]], right: Iterable[str] = ()) -> None:
    """Print rows as a table.

    Args:
        rows: each with the same keys, which become the headings.
        right: the columns to align at the right.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, justify="right" if name in set(right) else "left")
    for row in rows:
        # Text, for names have brackets, which would be taken for markup.
        table.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    console().print(table)


def csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as CSV with a line of headings."""
    if rows:
        writer = csv_.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
