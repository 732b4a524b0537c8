"""Convolutions of single pixels as the products of matrices that they are, where oneDNN is slow.

A MobileNet is made of 1×1 convolutions, a bottleneck of two in three; and a 3×3 kernel sees
nothing but zeros around a map of one pixel. oneDNN convolves them up to ten times as long as it
takes for the product, the longer the smaller the maps and the more channels: half of the time that
MobileNet v1 is trained at 32×32 pixels, three fifths of ResNet50's. The sums are the same; only
their order is not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from dlmo.keras_ import keras, tf

_stock = keras.layers.Conv2D.convolution_op


@contextmanager
def as_products() -> Iterator[None]:
    """Let the layers that are called inside convolve single pixels by a product."""
    with mock.patch.object(keras.layers.Conv2D, "convolution_op", _convolve):
        yield


def _convolve(layer: Any, x: Any, kernel: Any) -> Any:
    """Convolve as the layer does; takes the place of its method."""
    place = _place(layer, x)
    if place is None:
        return _stock(layer, x, kernel)
    # A mean of single pixels is those pixels, and quicker than a slice, whose gradient is slow.
    apart = layer.strides if x.shape[1:3] != (1, 1) else (1, 1)
    seen = x if apart == (1, 1) else tf.nn.avg_pool2d(x, 1, apart, "VALID")
    matrix = kernel[place] if max(kernel.shape[:2]) > 1 else tf.reshape(kernel, kernel.shape[2:])
    product = tf.reshape(seen, (-1, matrix.shape[0])) @ matrix
    return tf.reshape(product, (-1, *seen.shape[1:3], matrix.shape[1]))


def _place(layer: Any, x: Any) -> tuple[int, int] | None:
    """Return the row and column of the kernel that alone see pixels, if there are such."""
    if layer.data_format != "channels_last" or layer.groups != 1 or None in x.shape[1:]:
        return None
    rows, columns = layer.kernel_size
    if (rows, columns) == (1, 1):
        return 0, 0
    alone = x.shape[1:3] == (1, 1) and layer.padding == "same"
    # TensorFlow pads the odd pixel after the map.
    return ((rows - 1) // 2, (columns - 1) // 2) if alone else None
