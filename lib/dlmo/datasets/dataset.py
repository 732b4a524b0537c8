"""What every source makes: a named dataset of three splits, images and labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels, in one order; both arrays are read-only.

    Attributes:
        images: uint8 [n, height, width, 3], red, green, blue, 0 to 255.
        labels: int64 [n], indices into the dataset's `classes`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check shapes and types, and lock the arrays (the caller's own stay as they are).

        Raises:
            ValueError: the arrays are not what the attributes promise.
        """
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] != 3:
            raise ValueError(
                f"images: {self.images.dtype} {self.images.shape}, not uint8 [n,h,w,3]"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(f"labels: {self.labels.dtype} {self.labels.shape}, not int64 [n]")
        object.__setattr__(self, "images", _locked(self.images))
        object.__setattr__(self, "labels", _locked(self.labels))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset, read and split.

    Attributes:
        name: the name that loads it again.
        classes: the classes' names; a label is an index into them.
        train: the images that networks learn from.
        validation: the images for choosing recipes and choosing between trials.
        test: the images that are used once per trial.
        checksum: SHA-256 over what the dataset consists of; part of every record's key.
        notes: what a reader should know about how it was read, one sentence an entry
            (files that were left out, and why).
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    checksum: str
    notes: tuple[str, ...] = ()


def _locked(array: NDArray[np.generic]) -> NDArray[np.generic]:
    view = array.view()
    view.flags.writeable = False
    return view
