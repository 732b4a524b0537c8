"""The one door to TensorFlow: sets what must be set before the import, and exports the three.

The Model Optimization Toolkit (`tfmot`) needs Keras 2, which lives on as `tf_keras` and which
TensorFlow uses only if `TF_USE_LEGACY_KERAS` is set before TensorFlow is imported for the first
time in the process.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

os.environ["TF_USE_LEGACY_KERAS"] = "1"
# By default oneDNN's kernels are on for some processors and off for others (AVX2 without VNNI),
# where VGGNet then trains at 2,100 instead of 7,600 images a second on one thread.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what TensorFlow's C++ code writes while it is imported or converts, at any log level.

    It stands above the one line of an error, and in the middle of a progress display.
    """
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


with quiet():
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot
    import tf_keras as keras

tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "quiet", "tf", "tfmot"]
