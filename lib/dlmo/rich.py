"""What JupyterLab and VS Code show of a trial or a record: a table of its facts."""

from collections.abc import Mapping
from html import escape
from typing import Any

_MANY = 8
"""Entries above which a list or a mapping is folded."""


def facts(title: str, values: Mapping[str, Any]) -> str:
    """Return HTML: a title, and a row a fact; what is nested is a table within, what is long folds.

    Args:
        title: above the table.
        values: by name; empty ones are left out.
    """
    return f"<strong>{escape(title)}</strong>{_table(values)}"


def _table(values: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th style="text-align: left">{escape(str(name).replace("_", " "))}</th>'
        f'<td style="text-align: left">{_cell(value)}</td></tr>'
        for name, value in values.items()
        if value not in (None, "", (), [], {})
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return _folded(len(value), _table(value))
    if isinstance(value, list | tuple):
        said = "".join(f"<li>{_cell(one)}</li>" for one in value)
        return _folded(len(value), f"<ul>{said}</ul>")
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(str(value))


def _folded(count: int, inside: str) -> str:
    if count <= _MANY:
        return inside
    return f"<details><summary>{count} entries</summary>{inside}</details>"
