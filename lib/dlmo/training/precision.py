"""The precision of a training's arithmetic: float32, or bfloat16 in convolutions and products.

With bfloat16, weights, sums, statistics and the optimizer stay float32: TensorFlow rounds only what
enters a convolution or a matrix product. On an x86 processor without AVX-512 it leaves all as it
is; with AVX-512 but without its bfloat16, oneDNN emulates the rounding, which is slow.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dlmo.keras_ import tf
from dlmo.recipes import Precision

_OPTION = "auto_mixed_precision_onednn_bfloat16"


@contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """Let the functions of TensorFlow that are called inside compute in a precision."""
    before = tf.config.optimizer.get_experimental_options().get(_OPTION, False)
    tf.config.optimizer.set_experimental_options({_OPTION: precision == "bfloat16"})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OPTION: before})
