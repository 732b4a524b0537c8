"""List a folder of images: which files belong to which class, and what was left out."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from dlmo.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
LEAST = 5
"""The fewest images a class: one for validation, one for test, and three to learn from."""

LARGEST_FILE = 64_000_000
_NAMED = 5


class LeftOut:
    """What was left out, by reason."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, reason: str, name: str) -> None:
        """Remember a file or folder that was left out."""
        self._found.setdefault(reason, []).append(name)

    def notes(self) -> tuple[str, ...]:
        """Return one sentence a reason: how many, and the first names."""
        return tuple(
            f"{len(names)} left out ({reason}): {', '.join(names[:_NAMED])}"
            + (", …" if len(names) > _NAMED else "")
            for reason, names in self._found.items()
        )


@dataclass(frozen=True)
class Listing:
    """The classes of a folder, sorted, with their files; and what was left out."""

    classes: dict[str, tuple[Path, ...]]
    left_out: LeftOut


def listing(path: str) -> Listing:
    """List the classes of a folder and check that each can be split.

    Raises:
        UserError: the folder is missing or unreadable, or has fewer than two classes, or one of
            them fewer than `LEAST` images.
    """
    root = _root(path)
    left_out = LeftOut()
    classes: dict[str, tuple[Path, ...]] = {}
    for entry in _entries(root):
        if _inside(entry, root, left_out) and _is_folder(entry, root, left_out):
            name = normalize("NFC", entry.name)
            if name in classes:
                raise UserError(f"{path}: two subfolders are both called {name!r}; join them")
            classes[name] = tuple(_images(entry, root, left_out))
    if len(classes) < 2:
        raise UserError(
            f"{path} has {len(classes)} subfolder(s) of images; a dataset needs two or more, one "
            "for each class"
        )
    demand_enough(path, {name: len(files) for name, files in classes.items()}, left_out)
    return Listing(classes, left_out)


def demand_enough(path: str, counts: dict[str, int], left_out: LeftOut) -> None:
    """Check that no class is too small to be split.

    Raises:
        UserError: a class is; with the first reasons for which images were left out.
    """
    small = {name: count for name, count in counts.items() if count < LEAST}
    if small:
        named = [f"{name!r} has {count or 'none'}" for name, count in small.items()]
        found = ", ".join(named[:_NAMED])
        if len(named) > _NAMED:
            found += f" and {len(named) - _NAMED} more"
        why = "; ".join(("", *left_out.notes()))
        raise UserError(
            f"{path}: each class needs {LEAST} images (JPEG, PNG or WebP) or more, directly in "
            f"its subfolder; {found}{why}"
        )


def _root(path: str) -> Path:
    try:
        root = Path(path).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"the folder {path} is not there or cannot be opened") from error
    if not root.is_dir():
        raise UserError(
            f"{path} is a file; a dataset is a folder with one subfolder for each class"
        )
    return root


def _entries(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir(), key=lambda entry: normalize("NFC", entry.name))
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be read ({error.strerror})") from error
    return [entry for entry in found if not entry.name.startswith(".")]


def _inside(entry: Path, root: Path, left_out: LeftOut) -> bool:
    if not entry.is_symlink():
        return True
    try:
        if entry.resolve(strict=True).is_relative_to(root):
            return True
    except (OSError, RuntimeError):
        left_out.add("a link that leads nowhere", _relative(entry, root))
        return False
    left_out.add("a link that leads outside the folder", _relative(entry, root))
    return False


def _is_folder(entry: Path, root: Path, left_out: LeftOut) -> bool:
    try:
        if entry.is_dir():
            return True
    except OSError:
        left_out.add("cannot be opened", _relative(entry, root))
        return False
    left_out.add("not in a class's subfolder", _relative(entry, root))
    return False


def _images(folder: Path, root: Path, left_out: LeftOut) -> Iterator[Path]:
    for entry in _entries(folder):
        if not _inside(entry, root, left_out):
            continue
        reason = _refusal(entry)
        if reason:
            left_out.add(reason, _relative(entry, root))
        else:
            yield entry


def _refusal(entry: Path) -> str | None:
    try:
        found = entry.stat()
    except OSError:
        return "cannot be opened"
    if stat.S_ISDIR(found.st_mode):
        return "a folder within a class's subfolder"
    if entry.suffix.lower() not in SUFFIXES:
        return "not named as JPEG, PNG or WebP"
    if not stat.S_ISREG(found.st_mode):
        return "not a file"
    if found.st_size > LARGEST_FILE:
        return f"larger than {LARGEST_FILE // 1_000_000} MB"
    return None


def _relative(entry: Path, root: Path) -> str:
    return os.fspath(entry.relative_to(root))
