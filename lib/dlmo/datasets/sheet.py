"""The data sheet: what a dataset consists of, counted."""

from hashlib import sha256

import numpy as np
import pandas as pd

from dlmo.datasets.dataset import Dataset, Split


def sheet(dataset: Dataset) -> pd.DataFrame:
    """Count a dataset's images, one row a class and a last row "total".

    Returns:
        Columns `train`, `validation`, `test` (images), and `test_seen`: test images whose pixels
        are also those of a training or validation image, whatever its label.
    """
    count = len(dataset.classes)
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    columns = {name: np.bincount(split.labels, minlength=count) for name, split in splits.items()}
    seen = set(_hashes(dataset.train)) | set(_hashes(dataset.validation))
    again = np.array([image in seen for image in _hashes(dataset.test)], dtype=bool)
    columns["test_seen"] = np.bincount(dataset.test.labels[again], minlength=count)
    table = pd.DataFrame(columns, index=pd.Index(dataset.classes, name="class"))
    return pd.concat([table, table.sum().to_frame("total").T.rename_axis("class")])


def _hashes(split: Split) -> list[bytes]:
    return [sha256(image.tobytes()).digest() for image in split.images]
