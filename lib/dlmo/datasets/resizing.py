"""A dataset at another size, for models that take no other."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
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
    return Split(stretched(split.images, size), np.array(split.labels))


def stretched(images: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return images [n, h, w, 3] stretched to a height and a width, themselves if they have it."""
    if images.shape[1:3] == size:
        return images
    made = np.empty((len(images), *size, 3), np.uint8)
    for place, image in enumerate(images):
        large = Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS)
        made[place] = np.asarray(large)
    return made
