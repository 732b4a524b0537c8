"""Convolutions as products of matrices, where they are little else and oneDNN's are slow.

A MobileNet is made of 1×1 convolutions, a bottleneck of two in three; and on the last maps of
32×32 pixels' images (2×2 and 1×1) every output of a 3×3 kernel sees every pixel. oneDNN convolves
them up to ten times as long as it takes for the product, the longer the smaller the maps and the
more channels: two fifths of the time that MobileNet v1 is trained, two thirds of ResNet50's. The
sums are the same; only their order is not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any
from unittest import mock

from dlmo.keras_ import keras, tf

_stock = keras.layers.Conv2D.convolution_op


@contextmanager
def as_products() -> Iterator[None]:
    """Let the layers that are called inside multiply matrices where that is quicker."""
    with mock.patch.object(keras.layers.Conv2D, "convolution_op", _convolve):
        yield


def _convolve(layer: Any, x: Any, kernel: Any) -> Any:
    """Convolve as the layer does; takes the place of its method."""
    if layer.data_format == "channels_last" and layer.groups == 1 and None not in x.shape[1:]:
        if layer.kernel_size == (1, 1):
            return _of_pixels(x, kernel, layer.strides)
        if _sees_all(layer, x.shape[1:3]):
            return _of_maps(x, kernel)
    return _stock(layer, x, kernel)


def _sees_all(layer: Any, pixels: tuple[int, int]) -> bool:
    """Say whether every output sees every pixel, and there are as many of both."""
    fits = all(n - 1 <= (size - 1) // 2 for n, size in zip(pixels, layer.kernel_size, strict=True))
    whole = layer.strides == (1, 1) or pixels == (1, 1)
    return fits and whole and layer.padding == "same" and layer.dilation_rate == (1, 1)


def _of_pixels(x: Any, kernel: Any, strides: tuple[int, int]) -> Any:
    """Convolve [b, h, w, c] with [1, 1, c, d]; the padding is none in any case."""
    if strides != (1, 1):
        # A mean of single pixels is those pixels; the gradient of a slice would be slow.
        x = tf.nn.avg_pool2d(x, 1, strides, "VALID")
    matrix = tf.reshape(kernel, kernel.shape[2:])
    made = tf.reshape(x, (-1, x.shape[3])) @ matrix
    return tf.reshape(made, (-1, *x.shape[1:3], matrix.shape[1]))


def _of_maps(x: Any, kernel: Any) -> Any:
    """Convolve [b, h, w, c] with [kh, kw, c, d], an output pixel after the other."""
    high, wide, inputs = x.shape[1:]
    rows, columns, _, outputs = kernel.shape
    seen = tf.reshape(x, (-1, high * wide * inputs))
    taps = tf.reshape(kernel, (rows * columns, inputs, outputs))
    made = []
    for row, column in product(range(high), range(wide)):
        # TensorFlow pads the odd pixel after the map, so the kernel's middle is here.
        down, right = (rows - 1) // 2 - row, (columns - 1) // 2 - column
        order = [(i + down) * columns + j + right for i, j in product(range(high), range(wide))]
        made.append(seen @ tf.reshape(tf.gather(taps, order), (-1, outputs)))
    return tf.reshape(tf.stack(made, axis=1), (-1, high, wide, outputs))
