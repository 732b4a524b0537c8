"""Datasets by name: `cifar10`, `cifar100`, `cifar100_coarse`, `digits`, or a folder of images.

Any of them can be restricted to some classes: `cifar10[automobile,truck]`. A new source is one file
that registers itself; see `registry.Source` for what it has to offer.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from dlmo.datasets import cifar10, cifar100, digits, registry
from dlmo.datasets.dataset import Dataset, Split
from dlmo.datasets.folder import Folder
from dlmo.datasets.resizing import resized
from dlmo.datasets.selection import select
from dlmo.datasets.sheet import sheet
from dlmo.datasets.splits import SPLIT_REVISION

__all__ = [
    "SPLIT_REVISION",
    "Dataset",
    "Split",
    "Status",
    "available",
    "checksum",
    "cifar10",
    "cifar100",
    "classes",
    "digits",
    "fetch",
    "is_folder",
    "load",
    "names",
    "resized",
    "sheet",
    "sizes",
    "status",
]


class Status(NamedTuple):
    """Where a dataset's files are.

    Attributes:
        name: the dataset.
        where: the folder of its files.
        present: whether they are there.
        bytes: the size of what is there.
    """

    name: str
    where: Path
    present: bool
    bytes: int


def names() -> tuple[str, ...]:
    """Return the names of the registered datasets."""
    return tuple(registry.sources())


def load(name: str) -> Dataset:
    """Return a dataset; a process reads it once, as long as its files stay as they are.

    Args:
        name: a registered name or a folder of images; kept classes, or `size=` for a folder, in
            brackets.

    Raises:
        UserError: the name means nothing, or the files are missing, tampered with or unusable.
    """
    selection = select(name)
    return selection.restrict(_read(selection.source, selection.source.state()))


def checksum(name: str) -> str:
    """Return the SHA-256 that stands for a dataset in keys, equal to `load(name).checksum`.

    For CIFAR it is derived from the official MD5s, without reading a file.

    Raises:
        UserError: the name means nothing, or a folder cannot be read.
    """
    return select(name).checksum()


def classes(name: str) -> tuple[str, ...]:
    """Return the classes' names in the order of the labels, without reading images.

    Raises:
        UserError: the name means nothing, or a folder cannot be read.
    """
    return select(name).classes()


def sizes(name: str) -> list[tuple[int, int]]:
    """Return width and height of each image of a folder as it is there; nothing for others.

    Raises:
        UserError: the name means nothing, or a folder cannot be read.
    """
    source = select(name).source
    return source.sizes() if isinstance(source, Folder) else []


def is_folder(name: str) -> bool:
    """Say whether a name means a user's own folder of images.

    Raises:
        UserError: the name means nothing.
    """
    return isinstance(select(name).source, Folder)


def available(name: str) -> bool:
    """Say whether a dataset can be loaded without a download.

    Raises:
        UserError: the name means nothing.
    """
    return select(name).source.present()


def fetch(name: str, progress: bool = True) -> Path:
    """Return the folder of a dataset's files, after downloading them where they are missing.

    Raises:
        UserError: the name means nothing, or the files cannot be had.
    """
    return select(name).source.fetch(progress)


def status() -> list[Status]:
    """Return one row a registered dataset."""
    return [
        Status(name, source.where(), source.present(), source.bytes())
        for name, source in registry.sources().items()
    ]


@lru_cache(maxsize=4)
def _read(source: registry.Source, state: str) -> Dataset:
    return source.read()
