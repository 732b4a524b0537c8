"""Tables as the pages show them: pandas' Table with a fixed identity and a class of our own."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

import pandas as pd

from dlmo.report.cited import Table

Format = str | Callable[[object], str]


NARROW = {"selector": "th, td", "props": "padding-left: 0.25rem; padding-right: 0.25rem"}
"""A style rule for tables of many columns."""


def styled(
    table: pd.DataFrame,
    *,
    caption: str | None = None,
    formats: Mapping[str, Format] | None = None,
    index: bool = False,
    name: str | None = None,
    wrap: Sequence[str] = (),
) -> Table:
    """Return the table for a page; numbers stand right, missing values are a dash.

    Args:
        table: what to show, one row a line; text is escaped.
        caption: the sentence above it.
        formats: for each column how to write its values, as `Styler.format` takes them.
        index: whether to show the index.
        name: the table's identity, by default a hash of its contents, so that two builds give the
            same bytes. Pages refer to a named table with a caption by `{numref}` and `table-NAME`.
        wrap: columns whose words may be broken into lines.
    """
    identity = name or sha256(f"{caption}{table.to_csv()}".encode()).hexdigest()[:8]
    style = Table(table, uuid=identity, caption=caption, cell_ids=False)
    style.format(dict(formats or {}), na_rep="–", escape="html")
    # Without this class the theme treats the table as a picture and boxes it in dark mode.
    known = f' data-name="{name}"' if name else ""
    style.set_table_attributes(f'class="dataframe"{known}')
    numbers = table.select_dtypes("number").columns
    style.set_properties(subset=numbers, **{"text-align": "right"})
    style.set_properties(subset=list(wrap), **{"white-space": "normal", "min-width": "8rem"})
    if not index:
        style.hide(axis="index")
    return style
