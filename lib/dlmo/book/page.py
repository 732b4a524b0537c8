"""From an executed chapter to what its page shows of it."""

import html
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from dlmo.book.execute import INJECTED, NOTES, Parameter, parameters


def read(executed: Path) -> str:
    """Return the notebook source of a chapter's page.

    The cells that set the parameters are hidden; a table of the parameters stands below the title
    instead. Times are left out, so that two builds give the same page.

    Args:
        executed: what `execute.execute` wrote, with any parameters.
    """
    notebook = nbformat.read(executed, as_version=4)
    given = notebook.metadata.pop("papermill", {}).get("parameters", {})
    notebook.metadata.pop(NOTES, None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if _tagged(cell, "parameters") or _tagged(cell, INJECTED):
            cell.metadata["tags"] = [*cell.metadata.tags, "remove-cell"]
    declared = list(parameters(executed).values())
    if declared:
        notebook.cells.insert(below_title(notebook), _table(declared, given))
    return nbformat.writes(notebook)


def _tagged(cell: NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def below_title(notebook: NotebookNode) -> int:
    """Return the place of the first cell below a chapter's title and its parameters."""
    kinds = [cell.cell_type for cell in notebook.cells]
    title = kinds.index("markdown") + 1 if "markdown" in kinds else len(kinds)
    set_by = [n + 1 for n, cell in enumerate(notebook.cells) if _tagged(cell, "parameters")]
    return max([title, *set_by])


def _table(declared: list[Parameter], given: dict[str, Any]) -> NotebookNode:
    lines = [
        ":::{dropdown} Parameters of this chapter",
        ":class-container: dlmo-parameters",
        "",
        "| Parameter | Value here | Meaning |",
        "| --- | --- | --- |",
        *(_row(parameter, given) for parameter in declared),
        ":::",
    ]
    cell = nbformat.v4.new_markdown_cell("\n".join(lines))
    cell["id"] = "chapter-parameters"
    return cell


def _row(parameter: Parameter, given: dict[str, Any]) -> str:
    value = given.get(parameter.name, parameter.default)
    changed = f" (default {code(repr(parameter.default))})" if value != parameter.default else ""
    meaning = html.escape(parameter.help).replace("|", "\\|")
    return f"| {code(parameter.name)} | {code(repr(value))}{changed} | {meaning} |"


def code(text: str) -> str:
    """Return a text as code for a cell of a Markdown table, whatever is in it.

    In tags of HTML its quotes would be made typographic.
    """
    said = " ".join(text.splitlines()).replace("|", "\\|")
    mark = fence(said, 1)
    apart = " " if not said or said[0] in "` " or said[-1] in "` " else ""
    return f"{mark}{apart}{said}{apart}{mark}"


def fence(text: str, least: int) -> str:
    """Return as many backticks as it takes to enclose a text, the fewest given."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)
