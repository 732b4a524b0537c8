"""What CIFAR-10 and CIFAR-100 share (Krizhevsky 2009, "Learning Multiple Layers of Features")."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlmo.datasets.archive import Archive
from dlmo.datasets.dataset import Dataset, Split
from dlmo.datasets.splits import SPLIT_REVISION, digest, stratified

VALIDATION = (0.1,)
"""5,000 of the 50,000 official training images."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where an archive keeps what.

    Attributes:
        train: the files of the training images, in order.
        test: the file of the test images.
        stratify: the key of the labels within which the split is stratified.
        meta: the file of the classes' names.
    """

    train: tuple[str, ...]
    test: str
    stratify: str
    meta: str


@dataclass(frozen=True, eq=False)
class Cifar:
    """One dataset of an official archive.

    Attributes:
        name: the dataset's name.
        archive: the archive.
        layout: where it keeps what.
        labels: the key of the labels.
        meta: the key of the classes' names.
        names: the classes' names, known before a file is there.
    """

    name: str
    archive: Archive
    layout: Layout
    labels: str
    meta: str
    names: tuple[str, ...]

    def classes(self) -> tuple[str, ...]:
        """Return the classes' names in the order of the official labels."""
        return self.names

    def checksum(self) -> str:
        """Return the SHA-256 over the official MD5s, the split's revision and the name."""
        return digest("cifar", self.name, dict(self.archive.files), SPLIT_REVISION)

    def state(self) -> str:
        """Return the place: what is read there has the official checksums or is refused."""
        return str(self.where())

    def read(self) -> Dataset:
        """Read, check and split the official files, downloading them where they are missing.

        Raises:
            UserError: they are neither here nor to be had, or not the official ones.
        """
        self.archive.fetch()
        images, labels = self._part(self.layout.train)
        held_out, kept = stratified(labels[self.layout.stratify], _numbers(len(images)), VALIDATION)
        test_images, test_labels = self._part((self.layout.test,))
        return Dataset(
            name=self.name,
            classes=tuple(self.archive.read(self.layout.meta)[self.meta]),
            train=Split(images[kept], labels[self.labels][kept]),
            validation=Split(images[held_out], labels[self.labels][held_out]),
            test=Split(test_images, test_labels[self.labels]),
            checksum=self.checksum(),
        )

    def where(self) -> Path:
        """Return the folder of the official files."""
        return self.archive.where()

    def present(self) -> bool:
        """Say whether the official files are there."""
        return self.archive.present()

    def bytes(self) -> int:
        """Return the size of the files that are there."""
        return self.archive.bytes()

    def fetch(self, progress: bool = True) -> Path:
        """Return the folder, after downloading the archive where it is missing.

        Raises:
            UserError: it cannot be had.
        """
        return self.archive.fetch(progress)

    def _part(
        self, files: tuple[str, ...]
    ) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]:
        batches = [self.archive.read(name) for name in files]
        rows = np.concatenate([batch["data"] for batch in batches])
        images = np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        keys = {self.labels, self.layout.stratify}
        return images, {
            key: np.concatenate([np.array(batch[key], dtype=np.int64) for batch in batches])
            for key in keys
        }


def _numbers(n: int) -> list[str]:
    return [str(number) for number in range(n)]
