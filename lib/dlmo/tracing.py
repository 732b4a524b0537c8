"""What a process reads and trains, noted while it does so; the book's status page shows it.

Chapters need not say what they use: Python's own audit events tell it, and so nothing is forgotten.
"""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dlmo import paths

VARIABLE = "DLMO_TRACE"
"""Names the file to which a process appends its notes; without it nothing is noted."""

KINDS = {
    ".weights.json": "record of weights",
    ".deployable.json": "record of a file",
    ".measurement.json": "measurement",
    ".unavailable.json": "record of what cannot be had",
    ".npz": "file of predictions",
    ".tflite": "model",
    ".csv": "table",
    ".yaml": "list",
    ".bib": "list",
    ".yml": "profile",
}
"""How the status page calls a file that was read, by its ending."""

_TRAINED = ".weights.json"
_begun = False


def begin() -> None:
    """Note from now on what this process reads and trains, if the environment asks for it."""
    global _begun
    file = os.environ.get(VARIABLE)
    if not file or _begun:
        return
    _begun = True
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    sys.addaudithook(_hook(handle, _roots()))


def _roots() -> tuple[str, ...]:
    folders = (paths.results(), paths.models(), paths.recipes(), paths.paper())
    return tuple(f"{folder.resolve()}{os.sep}" for folder in folders)


def _hook(handle: int, roots: tuple[str, ...]) -> Callable[[str, tuple[Any, ...]], None]:
    seen: set[str] = set()

    def note(line: str) -> None:
        if line not in seen:
            seen.add(line)
            os.write(handle, f"{line}\n".encode())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and _is_read(arguments, roots):
            note(f"read\t{os.fspath(arguments[0])}")
        elif event == "os.rename" and str(arguments[1]).endswith(_TRAINED):
            # A record is written under another name and then moved into place.
            note(f"trained\t{arguments[1]}")

    return hook


def _is_read(arguments: tuple[Any, ...], roots: tuple[str, ...]) -> bool:
    path, mode = arguments[0], arguments[1]
    if not isinstance(path, str | os.PathLike) or (mode is not None and "r" not in mode):
        return False
    name = os.fspath(path)
    return isinstance(name, str) and name.startswith(roots)


def summary(file: Path) -> dict[str, Any]:
    """Return what the notes in a file say.

    Returns:
        `read`: how many files of each of `KINDS`; `trained`: `DATASET/NETWORK` and how many steps.
    """
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    notes = [line.partition("\t") for line in dict.fromkeys(lines)]
    return {
        "read": _counted(_kind(path) for verb, _, path in notes if verb == "read"),
        "trained": _counted(
            "/".join(Path(path).parts[-3:-1]) for verb, _, path in notes if verb == "trained"
        ),
    }


def _kind(path: str) -> str:
    return next((kind for ending, kind in KINDS.items() if path.endswith(ending)), "other file")


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
