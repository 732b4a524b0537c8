"""Chapters by name, and the trials that they show."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlmo import paths
from dlmo.errors import UserError, unknown

if TYPE_CHECKING:
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


def trials(chapter: str, parameters: Mapping[str, Any]) -> "list[Trial] | None":
    """Return the trials that a chapter shows with some parameters; None where it declares none."""
    if find_spec("dlmo.chapter") is None:
        return None
    return list(import_module("dlmo.chapter").trials(chapter, dict(parameters)))


def required(chapter: str) -> "list[Trial]":
    """Return the trials that a chapter shows with its own parameters.

    Raises:
        UserError: there is no such chapter, or it declares no trials.
    """
    found = trials(find(chapter).stem, {})
    if not found:
        raise UserError(f"the chapter {chapter} declares no trials; select them by --network")
    return found
