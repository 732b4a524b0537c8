"""The batches of a training, made inside the training step itself.

Which images stand in a batch, and how each is flipped and shifted, follows from the seed, the
epoch and the image alone. So a training that goes on after an interruption sees what it would have
seen, and a teacher can look at exactly the picture that its student will see.
"""

from typing import Any, NamedTuple

import numpy as np

from dlmo.datasets import Split
from dlmo.deployable import Preprocessing
from dlmo.errors import UserError
from dlmo.keras_ import tf
from dlmo.recipes import Augmentation, Step

_GREY = 128
"""What a shift brings in from outside: after normalisation, nearly 0."""
_ORDER, _CHANGE, _STREAMS = 0, 1, 2


class Batch(NamedTuple):
    """Images float32 [b, h, w, 3] in [-1, 1], labels int64 [b], and their places in the split."""

    images: Any
    labels: Any
    index: Any


class Batches:
    """The training images of a split, batch by batch.

    Raises:
        UserError: the batch is larger than the data.
    """

    def __init__(
        self, split: Split, recipe: Step, seed: int, preprocessing: Preprocessing | None = None
    ) -> None:
        if recipe.batch_size > len(split.labels):
            raise UserError(
                f"batch_size is {recipe.batch_size}, but there are only {len(split.labels)} "
                "training images; choose a smaller batch_size"
            )
        self.size = len(split.labels)
        self.steps = self.size // recipe.batch_size
        self._batch = recipe.batch_size
        self.augmentation = recipe.augmentation
        self._seed = seed
        self.preprocessing = preprocessing or Preprocessing()
        self._pixels = tf.constant(_pack(split.images))
        self._labels = tf.constant(split.labels)

    def at(self, step: Any) -> Batch:
        """Return the batch of a step (int64 scalar, counted from 0 over all epochs)."""
        epoch = step // self.steps
        places = (step % self.steps) * self._batch + tf.range(self._batch, dtype=tf.int64)
        index = self._shuffle(places, epoch, _ORDER)
        return Batch(self.images(index, epoch), tf.gather(self._labels, index), index)

    def images(self, index: Any, epoch: Any, preprocessing: Preprocessing | None = None) -> Any:
        """Return images [b] as they look in an epoch: float32 [b, h, w, 3], preprocessed."""
        pixels = tf.gather(self._pixels, index)
        if self.augmentation != Augmentation():
            pixels = self._augmented(pixels, index, epoch)
        bytes_ = tf.bitcast(pixels, tf.uint8)[..., :3]
        return normalise(bytes_, preprocessing or self.preprocessing)

    def _augmented(self, pixels: Any, index: Any, epoch: Any) -> Any:
        """Flip and shift: two gathers of whole pixels, which cost a fiftieth of a training step."""
        # A permutation of all images deals every flip and shift out equally often.
        lot = tf.cast(self._shuffle(index, epoch, _CHANGE), tf.int32)[:, None]
        shift, reach = self.augmentation.shift, 2 * self.augmentation.shift + 1
        down, right = (lot // 2) % reach, (lot // (2 * reach)) % reach
        height, width = pixels.shape[1:]
        edge = [[0, 0], [shift, shift], [shift, shift]]
        pixels = tf.pad(pixels, edge, constant_values=_pack(np.full((1, 1, 1, 3), _GREY))[0, 0, 0])
        columns = tf.range(width)
        if self.augmentation.flip:
            columns = tf.where(lot % 2 == 1, width - 1 - columns, columns)
        pixels = tf.gather(pixels, tf.range(height) + down, batch_dims=1)
        turned = tf.transpose(pixels, [0, 2, 1])
        return tf.transpose(tf.gather(turned, columns + right, batch_dims=1), [0, 2, 1])

    def _shuffle(self, index: Any, epoch: Any, stream: int) -> Any:
        seed = tf.stack([tf.constant(_STREAMS * self._seed + stream, tf.int64), epoch])
        last = tf.constant(self.size - 1, tf.int64)
        return tf.random.experimental.index_shuffle(index, seed, last)


def normalise(images: Any, preprocessing: Preprocessing | None = None) -> Any:
    """Return uint8 images as a network takes them: float32, in [-1, 1] unless told otherwise."""
    if preprocessing in (None, Preprocessing()):
        return tf.cast(images, tf.float32) / 127.5 - 1.0
    return tf.cast(images, tf.float32) * preprocessing.scale + preprocessing.offset


def _pack(images: np.ndarray) -> np.ndarray:
    """Return images [n, h, w, 3] as int32 [n, h, w]: a pixel is moved as one number, not three."""
    padded = np.zeros((*images.shape[:3], 4), np.uint8)
    padded[..., :3] = images
    return padded.view(np.int32)[..., 0]
