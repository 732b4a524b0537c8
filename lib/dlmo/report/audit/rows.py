"""How the audit names and shows the paper's rows."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from dlmo.report import text
from dlmo.report.comparison_tables import title
from dlmo.report.printed import Mark

KD = ("KD", "KD+F16", "KD+PRN")
"""The techniques of Table 14's right half."""


def where(row: Any) -> str:
    """Return a row's place in words: `Table 13, WRN NQ on CIFAR-100`."""
    network, dataset = title(row.network), title(row.dataset)
    return f"Table {row.table}, {network} {row.technique} on {dataset}"


def each(rows: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a table, their cells by name."""
    yield from rows.itertuples(index=False)


def marks(rows: pd.DataFrame, *kinds: str) -> tuple[Mark, ...]:
    """Return the cells of rows (accuracy, size, latency) as tables mark them."""
    return tuple(
        (int(row.table), str(row.network if row.table == 14 else row.dataset), row.technique, kind)
        for row in each(rows)
        for kind in kinds
    )


def measured_pairs(ours: pd.DataFrame, technique: str) -> pd.DataFrame:
    """Return our rows of a technique beside those of NQ with the same seed.

    Args:
        ours: rows of `records.select()`, may be empty.
        technique: whose columns end in `_x`; those of NQ end in `_y`.
    """
    if ours.empty:
        return ours
    keys = ["dataset", "network", "profile", "seed"]
    both = (ours[ours["technique"] == name] for name in (technique, "NQ"))
    return next(both).merge(next(both), on=keys)


def kb(size: float) -> str:
    """Return bytes in KB as the paper counts them, to the whole KB."""
    return text.figure(size / 1000, 0)


def described(rows: pd.DataFrame, **more: str) -> pd.DataFrame:
    """Return printed rows as a table shows them.

    Args:
        rows: of `paper.results()`.
        more: further columns of theirs, with their headings; numbers with two digits.
    """
    shown = pd.DataFrame(
        {
            "Table": rows["table"].astype(str),
            "Network": rows["network"].map(title),
            "Technique": rows["technique"],
            "Dataset": rows["dataset"].map(title),
            "Printed (% / KB / ms)": rows["printed"],
        }
    )
    for column, head in more.items():
        shown[head] = [text.figure(float(value), 2) for value in rows[column]]
    return shown.reset_index(drop=True)
