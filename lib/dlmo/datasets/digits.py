"""The embedded dataset: scikit-learn's 1,797 handwritten digits, enlarged to 32×32×3."""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlmo.datasets.dataset import Dataset, Split
from dlmo.datasets.registry import register
from dlmo.datasets.splits import HELD_OUT, SPLIT_REVISION, digest, stratified

_BRIGHTEST = 16
_ENLARGEMENT = 4


@dataclass(frozen=True)
class Digits:
    """The digits; they come with scikit-learn and need no file of their own."""

    name: str = "digits"

    def classes(self) -> tuple[str, ...]:
        """Return "0" to "9"."""
        return tuple("0123456789")

    def checksum(self) -> str:
        """Return the SHA-256 over pixels, labels and the split's revision."""
        content = [sha256(array.tobytes()).hexdigest() for array in _pixels()]
        return digest("digits", content, SPLIT_REVISION)

    def state(self) -> str:
        """Return a constant: the files belong to the installation."""
        return ""

    def read(self) -> Dataset:
        """Read, enlarge and split the digits, stratified, without an official test set."""
        images, labels = _pixels()
        keys = [str(number) for number in range(len(labels))]
        parts = stratified(labels, keys, HELD_OUT)
        validation, test, train = (Split(images[part], labels[part]) for part in parts)
        return Dataset(self.name, self.classes(), train, validation, test, self.checksum())

    def where(self) -> Path:
        """Return the folder of scikit-learn's data."""
        import sklearn.datasets

        return Path(sklearn.datasets.__file__).parent / "data"

    def present(self) -> bool:
        """Say yes: scikit-learn is a requirement."""
        return True

    def bytes(self) -> int:
        """Return the size of scikit-learn's file."""
        return (self.where() / "digits.csv.gz").stat().st_size

    def fetch(self, progress: bool = True) -> Path:
        """Return the folder of scikit-learn's data; there is nothing to download."""
        return self.where()


@lru_cache(maxsize=1)
def _pixels() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import load_digits  # here: importing it takes a second

    values, labels = load_digits(return_X_y=True)
    grey = np.rint(values.reshape(-1, 8, 8) * (255 / _BRIGHTEST)).astype(np.uint8)
    large = grey.repeat(_ENLARGEMENT, axis=1).repeat(_ENLARGEMENT, axis=2)
    return np.stack([large] * 3, axis=-1), labels.astype(np.int64)


register(Digits())
