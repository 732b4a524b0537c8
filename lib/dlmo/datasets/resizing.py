"""A dataset at another size, for models that take no other."""

from dataclasses import replace

import numpy as np
from PIL import Image

from dlmo.datasets.dataset import Dataset, Split
from dlmo.errors import UserError

MEMORY = 4_000_000_000
"""Bytes that the images of a dataset may take."""


def resized(data: Dataset, size: tuple[int, int]) -> Dataset:
    """Return a dataset with its images at a size; labels, splits and checksum are the same.

    Args:
        data: the dataset.
        size: height and width in pixels.

    Raises:
        UserError: the images would not fit into memory.
    """
    splits = (data.train, data.validation, data.test)
    if all(split.images.shape[1:3] == size for split in splits):
        return data
    needed = sum(map(len, splits)) * size[0] * size[1] * 3
    if needed > MEMORY:
        raise UserError(
            f"{data.name} at {size[0]} × {size[1]} pixels needs {needed / 1e9:.0f} GB of memory; "
            "keep fewer classes of it: NAME[class,class]"
        )
    return replace(
        data,
        train=_split(data.train, size),
        validation=_split(data.validation, size),
        test=_split(data.test, size),
    )


def _split(split: Split, size: tuple[int, int]) -> Split:
    images = np.empty((len(split), *size, 3), np.uint8)
    for place, image in enumerate(split.images):
        large = Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS)
        images[place] = np.asarray(large)
    return Split(images, np.array(split.labels))
