"""A folder of images, one subfolder a class: a user's own data, read with distrust."""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlmo.datasets import picture
from dlmo.datasets.dataset import Dataset, Split
from dlmo.datasets.listing import LeftOut, Listing, demand_enough, listing
from dlmo.datasets.splits import HELD_OUT, SPLIT_REVISION, digest, stratified
from dlmo.errors import UserError

FOLDER_REVISION = 1
"""Raise it when the same files come to give other pixels: it is part of the checksum."""

SIZE = 32
SIZES = range(8, 513)
_MEMORY = 4_000_000_000


@dataclass(frozen=True)
class Folder:
    """A folder of images.

    Attributes:
        path: the folder, as the user wrote it.
        size: width and height of the images, in pixels; every image is squeezed to a square.
    """

    path: str
    size: int = SIZE

    def __post_init__(self) -> None:
        """Check the size.

        Raises:
            UserError: it is too small for the networks or too large for the memory.
        """
        if self.size not in SIZES:
            raise UserError(
                f"{self.path}: size={self.size} is not within {SIZES[0]} to {SIZES[-1]}"
            )

    @property
    def name(self) -> str:
        """Return the path, with the size where it is not 32."""
        return self.path if self.size == SIZE else f"{self.path}[size={self.size}]"

    def classes(self) -> tuple[str, ...]:
        """Return the subfolders' names, sorted.

        Raises:
            UserError: the folder cannot be read, or its classes are too few or too small.
        """
        return tuple(listing(self.path).classes)

    def checksum(self) -> str:
        """Return the SHA-256 over classes, the files' content and the size, not over file names.

        Raises:
            UserError: as for `classes`.
        """
        return _checksum(self, self.state())

    def state(self) -> str:
        """Return a digest of the files' names, sizes and times.

        Raises:
            UserError: as for `classes`.
        """
        found = listing(self.path)
        return digest(
            [[name, [_stamp(path) for path in paths]] for name, paths in found.classes.items()],
            found.left_out.notes(),
        )

    def read(self) -> Dataset:
        """Read and split the folder: 15 % validation, 15 % test, at least one of each a class.

        Raises:
            UserError: as for `classes`, or so many files are broken that a class is too small.
        """
        found = listing(self.path)
        self._demand_memory(found)
        images, labels, keys = self._pixels(found)
        counts = np.bincount(labels, minlength=len(found.classes)).tolist()
        by_class = dict(zip(found.classes, counts, strict=True))
        demand_enough(self.path, by_class, found.left_out)
        parts = stratified(labels, keys, HELD_OUT)
        validation, test, train = (Split(images[part], labels[part]) for part in parts)
        notes = (*found.left_out.notes(), *_repeated(keys, *parts))
        classes = tuple(found.classes)
        return Dataset(self.name, classes, train, validation, test, self.checksum(), notes)

    def sizes(self) -> list[tuple[int, int]]:
        """Return width and height of each image before it is squeezed; broken ones are left out.

        Raises:
            UserError: as for `classes`.
        """
        files = (path for paths in listing(self.path).classes.values() for path in paths)
        return [size for path in files if (size := picture.size(path))]

    def where(self) -> Path:
        """Return the folder."""
        return Path(self.path).expanduser()

    def present(self) -> bool:
        """Say whether the folder is there."""
        return self.where().is_dir()

    def bytes(self) -> int:
        """Return the size of the images' files.

        Raises:
            UserError: as for `classes`.
        """
        files = listing(self.path).classes.values()
        return sum(_size_and_time(path)[0] for paths in files for path in paths)

    def fetch(self, progress: bool = True) -> Path:
        """Return the folder; there is nothing to download.

        Raises:
            UserError: it is not there.
        """
        if not self.present():
            raise UserError(f"the folder {self.path} is not there")
        return self.where()

    def _demand_memory(self, found: Listing) -> None:
        count = sum(len(paths) for paths in found.classes.values())
        needed = count * self.size**2 * 3
        if needed > _MEMORY:
            raise UserError(
                f"{self.path}: {count} images of size {self.size} need {needed / 1e9:.0f} GB of "
                "memory; choose a smaller size="
            )

    def _pixels(self, found: Listing) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
        images, labels, keys = [], [], []
        for label, paths in enumerate(found.classes.values()):
            # In the order of their content, so that renaming files changes nothing.
            for key, path in sorted((_key(path), path) for path in paths):
                pixels = _decode(path, self.size, found.left_out)
                if pixels is not None:
                    images.append(pixels)
                    labels.append(label)
                    keys.append(key)
        stacked = np.stack(images) if images else np.empty((0, self.size, self.size, 3), np.uint8)
        return stacked, np.array(labels, dtype=np.int64), keys


@lru_cache(maxsize=16)
def _checksum(folder: Folder, state: str) -> str:
    classes = listing(folder.path).classes
    content = {name: sorted(_key(path) for path in paths) for name, paths in classes.items()}
    return digest("folder", content, folder.size, SPLIT_REVISION, FOLDER_REVISION)


def _stamp(path: Path) -> list[str | int]:
    return [str(path), *_size_and_time(path)]


def _size_and_time(path: Path) -> tuple[int, int]:
    """Return bytes and nanoseconds; of a file that has vanished since it was listed, zeros."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _key(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def _decode(path: Path, size: int, left_out: LeftOut) -> NDArray[np.uint8] | None:
    name = str(Path(path.parent.name, path.name))
    try:
        return picture.decode(path.read_bytes(), size)
    except OSError:
        left_out.add("cannot be opened", name)
    except ValueError as error:
        left_out.add(str(error), name)
    return None


def _repeated(
    keys: list[str],
    validation: NDArray[np.int64],
    test: NDArray[np.int64],
    train: NDArray[np.int64],
) -> tuple[str, ...]:
    seen = {keys[i] for i in (*train, *validation)}
    again = sum(keys[i] in seen for i in test)
    return (f"{again} test image(s) are also among the training images",) if again else ()
