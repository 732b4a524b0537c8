"""Chapters by name, and the trials that they show."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlmo import paths
from dlmo.errors import UserError, unknown

if TYPE_CHECKING:
    from dlmo.laboratory import Plan
    from dlmo.trials import Trial


def find(name: str) -> Path:
    """Return the notebook of a chapter, given its name or its file.

    Raises:
        UserError: there is no such chapter; the nearest one is named.
    """
    given = Path(name)
    if given.suffix == ".ipynb" and given.is_file():
        return given.resolve()
    folder = paths.ROOT / "chapters"
    stem = name.removesuffix(".ipynb").removeprefix("chapters/")
    known = {file.stem for file in folder.glob("*.ipynb")}
    if stem not in known:
        raise unknown("chapter", stem, known)
    return folder / f"{stem}.ipynb"


def planned(notebook: Path, parameters: Mapping[str, Any]) -> "Plan | None":
    """Return what running a chapter of the book with some parameters takes; None for nothing."""
    from dlmo import chapter

    if notebook.parent != paths.ROOT / "chapters" or not chapter.trials(notebook.stem, parameters):
        return None
    asked = chapter.ask(notebook.stem, parameters)
    missing = chapter.pending(notebook.stem, asked)
    return chapter.planned(missing, asked) if missing else None


def required(chapter: str) -> "list[Trial]":
    """Return the trials that a chapter shows with its own parameters.

    Raises:
        UserError: there is no such chapter, or it declares no trials.
    """
    from dlmo import chapter as declared

    found = declared.trials(find(chapter).stem, {})
    if not found:
        raise UserError(f"the chapter {chapter} is about no trials; select some by --network")
    return found
