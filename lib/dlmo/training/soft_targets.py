"""What a teacher says of the images that its students see (paper, Section 3.3).

The logits are kept for each (teacher, seed, augmentation, epoch), so that they are computed once
and shared by all students.
"""

from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from dlmo import paths
from dlmo.deployable import Preprocessing
from dlmo.files import write_atomically
from dlmo.keras_ import keras, tf
from dlmo.training.batches import Batches
from dlmo.training.precision import computing_in

_BATCH = 500


class SoftTargets:
    """The teacher's logits on the augmented images, an epoch at a time: float16 [n, classes]."""

    def __init__(self, teacher: keras.Model, key: str, batches: Batches, seed: int) -> None:
        self._teacher = teacher
        self._batches = batches
        change = f"flip{batches.augmentation.flip:d}-shift{batches.augmentation.shift}"
        self._folder = paths.store() / "soft" / key / f"{seed}-{change}"
        shape = (batches.size, teacher.output_shape[-1])
        self._current = tf.Variable(tf.zeros(shape, tf.float16), trainable=False)
        self._predict = tf.function(self._logits)

    def load(self, epoch: int) -> None:
        """Make the targets of an epoch the current ones, computing them if nobody has yet."""
        file = self._folder / f"{epoch}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            if not file.exists():
                write_atomically(file, lambda stream: np.save(stream, self._compute(epoch)))
        self._current.assign(_read(file))

    def at(self, index: Any) -> Any:
        """Return the teacher's logits for images [b]: float32 [b, classes]."""
        return tf.cast(tf.gather(self._current, index), tf.float32)

    def _compute(self, epoch: int) -> np.ndarray:
        places = np.split(np.arange(self._batches.size), range(_BATCH, self._batches.size, _BATCH))
        now = tf.constant(epoch, tf.int64)
        # Students share them, whatever the precision of the one that comes first.
        with computing_in("float32"):
            logits = [self._predict(tf.constant(index), now).numpy() for index in places]
        return np.concatenate(logits).astype("f2")

    def _logits(self, index: Any, epoch: Any) -> Any:
        # Teachers are networks of ours, whatever the student's input expects.
        images = self._batches.images(index, epoch, Preprocessing())
        return self._teacher(images, training=False)


def _read(file: Path) -> np.ndarray:
    return np.load(file, allow_pickle=False)
