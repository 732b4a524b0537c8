"""From a name with options to a source and the classes that are kept of it."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlmo import spec
from dlmo.datasets import registry
from dlmo.datasets.dataset import Dataset, Split
from dlmo.datasets.folder import Folder
from dlmo.datasets.splits import digest
from dlmo.errors import UserError, unknown


@dataclass(frozen=True)
class Selection:
    """A source and the classes that are kept, in the order of their new labels (none: all)."""

    source: registry.Source
    kept: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name that means this selection, spelled in one way."""
        source = self.source.name
        if not self.kept:
            return source
        if source.endswith("]"):
            return f"{source[:-1]},{','.join(self.kept)}]"
        return f"{source}[{','.join(self.kept)}]"

    def classes(self) -> tuple[str, ...]:
        """Return the classes' names in the order of the labels."""
        return self.kept or self.source.classes()

    def checksum(self) -> str:
        """Return the source's checksum, or one over it and the kept classes in their order."""
        return digest(self.source.checksum(), self.kept) if self.kept else self.source.checksum()

    def restrict(self, whole: Dataset) -> Dataset:
        """Return the part of the source's dataset that is selected."""
        if not self.kept:
            return whole
        return Dataset(
            name=self.name,
            classes=self.kept,
            train=_restrict(whole.train, whole.classes, self.kept),
            validation=_restrict(whole.validation, whole.classes, self.kept),
            test=_restrict(whole.test, whole.classes, self.kept),
            checksum=self.checksum(),
            notes=whole.notes,
        )


def select(name: str) -> Selection:
    """Read a dataset's name: registered, or a folder of images; with options in brackets.

    Raises:
        UserError: the name means no dataset, or its options make no sense.
    """
    text = str(name).strip()
    if text not in registry.sources() and Path(text).is_dir() and text:
        return Selection(Folder(text))
    base, items = spec.split(text)
    if base in registry.sources():
        return _restricted(registry.sources()[base], items)
    if not (_is_path(base) or Path(base).is_dir()):
        raise unknown("dataset", base, registry.sources())
    options = [item for item in items if "=" in item]
    kept = tuple(item for item in items if "=" not in item)
    return _restricted(Folder(base, **_sizes(text, options)), kept)


def _is_path(text: str) -> bool:
    return any(separator in text for separator in ("/", os.sep, os.altsep or os.sep))


def _sizes(text: str, options: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in options:
        key, _, value = item.partition("=")
        if key.strip() != "size" or not value.strip().isdecimal():
            raise UserError(f"{text!r}: {item!r} is no option of a folder of images; try size=64")
        found["size"] = int(value)
    return found


def _restricted(source: registry.Source, kept: tuple[str, ...]) -> Selection:
    if not kept:
        return Selection(source)
    known = source.classes()
    for item in kept:
        if item not in known:
            raise unknown(f"class of {source.name}", item, known)
    twice = [item for item, count in Counter(kept).items() if count > 1]
    if twice:
        raise UserError(f"{source.name}: the class {twice[0]!r} is named twice")
    if len(kept) < 2:
        raise UserError(f"{source.name}[{kept[0]}]: one class; name two or more to tell apart")
    return Selection(source, kept)


def _restrict(split: Split, classes: tuple[str, ...], kept: tuple[str, ...]) -> Split:
    renumbered = np.full(len(classes), -1, dtype=np.int64)
    renumbered[[classes.index(name) for name in kept]] = np.arange(len(kept))
    labels = renumbered[split.labels]
    return Split(split.images[labels >= 0], labels[labels >= 0])
