"""The precision of a training's arithmetic: float32, or bfloat16 in convolutions and products.

With bfloat16, weights, sums, statistics and the optimizer stay float32: only what enters and what
leaves a convolution or a matrix product is rounded. TensorFlow does so by itself, which is quick
where the processor multiplies bfloat16; without AVX-512 it trained WRN 17 times as slowly as in
float32. There the values are rounded here, and multiplied in float32.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from dlmo import machine
from dlmo.keras_ import keras, tf
from dlmo.recipes import Precision

_OPTION = "auto_mixed_precision_onednn_bfloat16"
_NATIVE = {"amx_bf16", "avx512_bf16"}


@contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """Let the functions of TensorFlow that are called inside compute in a precision."""
    before = tf.config.optimizer.get_experimental_options().get(_OPTION, False)
    by_itself = precision == "bfloat16" and _multiplies()
    tf.config.optimizer.set_experimental_options({_OPTION: by_itself})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OPTION: before})


@contextmanager
def rounding(precision: Precision) -> Iterator[None]:
    """Let the layers that are called inside round to a precision that the processor lacks."""
    with ExitStack() as patches:
        if precision == "bfloat16" and not _multiplies():
            stock = keras.layers.Conv2D.convolution_op

            def convolve(layer: Any, x: Any, kernel: Any) -> Any:
                return _rounded(stock(layer, _rounded(x), _rounded(tf.convert_to_tensor(kernel))))

            patches.enter_context(
                mock.patch.object(keras.layers.Conv2D, "convolution_op", convolve)
            )
            patches.enter_context(mock.patch.object(keras.layers.Dense, "call", _dense))
        yield


def _multiplies() -> bool:
    """Say whether the processor multiplies bfloat16."""
    return not _NATIVE.isdisjoint(machine.this().instruction_sets)


def _dense(layer: Any, x: Any) -> Any:
    made = _rounded(_rounded(x) @ _rounded(tf.convert_to_tensor(layer.kernel)))
    return layer.activation(made if layer.bias is None else made + layer.bias)


@tf.custom_gradient
def _rounded(x: Any) -> Any:
    """Round to bfloat16, and what comes back through the gradient as well."""
    return _round(x), _round


def _round(x: Any) -> Any:
    return tf.cast(tf.cast(x, tf.bfloat16), tf.float32)
