"""The gradient of a depthwise kernel on maps smaller than the kernel, where oneDNN's is slow.

On the last maps of a MobileNet that sees 32×32 pixels (2×2 and 1×1), oneDNN computes the gradient
of a depthwise kernel 20 to 100 times as long as by the sums written here: half of the time that
MobileNet v2 is trained, two thirds of v3's. The sums are the same; only their order is not.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

from dlmo.keras_ import keras, tf

_BACKEND = inspect.getmodule(keras.layers.DepthwiseConv2D).backend  # type: ignore[union-attr]
_stock = _BACKEND.depthwise_conv2d


@contextmanager
def quick_on_small_maps() -> Iterator[None]:
    """Let the depthwise layers that are called inside have the quick gradient."""
    with mock.patch.object(_BACKEND, "depthwise_conv2d", _convolve):
        yield


def _convolve(x: Any, kernel: Any, strides: tuple[int, int], padding: str, **other: Any) -> Any:
    """Convolve as Keras' backend does."""
    stock = partial(_stock, strides=strides, padding=padding, **other)
    plain = other["data_format"] == "channels_last" and set(other["dilation_rate"]) == {1}
    if not plain or None in x.shape[1:] or not _small(x.shape[1:3], kernel.shape[:2]):
        return stock(x, kernel)
    return _quick(x, tf.convert_to_tensor(kernel), stock, (*strides, padding.upper()))


def _small(pixels: tuple[int, int], kernel: tuple[int, int]) -> bool:
    return pixels[0] < kernel[0] or pixels[1] < kernel[1]


def _quick(x: Any, kernel: Any, stock: Any, place: tuple[int, int, str]) -> Any:
    @tf.custom_gradient
    def convolved(x: Any, kernel: Any) -> Any:
        def gradients(upstream: Any) -> tuple[Any, Any]:
            return _of_input(x, kernel, upstream, place), kernel_gradient(
                x, kernel.shape, upstream, place
            )

        return stock(x, kernel), gradients

    return convolved(x, kernel)


def _of_input(x: Any, kernel: Any, upstream: Any, place: tuple[int, int, str]) -> Any:
    """Return the input's gradient, oneDNN's own: it is quick everywhere."""
    high, wide, padding = place
    return tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        input_sizes=tf.shape(x),
        filter=kernel,
        out_backprop=upstream,
        strides=[1, high, wide, 1],
        padding=padding,
    )


def kernel_gradient(
    x: Any, shape: tuple[int, ...], upstream: Any, place: tuple[int, int, str]
) -> Any:
    """Return the gradient of a depthwise kernel, an output pixel after the other.

    Args:
        x: the layer's input [b, h, w, c].
        shape: the kernel's [kh, kw, c, m].
        upstream: the gradient of the output [b, h', w', c·m].
        place: strides (vertical, horizontal) and padding (SAME or VALID).

    Returns:
        [kh, kw, c, m].
    """
    high, wide, padding = place
    outputs = tf.reshape(upstream, [-1, *upstream.shape[1:3], *shape[2:]])
    rows = _windows(x.shape[1], shape[0], high, outputs.shape[1], padding)
    columns = _windows(x.shape[2], shape[1], wide, outputs.shape[2], padding)
    parts = []
    for row, (above, seen_rows, below) in enumerate(rows):
        for column, (left, seen_columns, right) in enumerate(columns):
            seen = x[:, seen_rows, seen_columns, :, None]
            product = seen * outputs[:, row : row + 1, column : column + 1]
            part = tf.reduce_sum(product, axis=0)
            parts.append(tf.pad(part, [[above, below], [left, right], [0, 0], [0, 0]]))
    return tf.add_n(parts)


def _windows(
    size: int, kernel: int, stride: int, outputs: int, padding: str
) -> list[tuple[int, slice, int]]:
    """Return for each output what the kernel sees: how much lies before, the pixels, and after."""
    missing = max((outputs - 1) * stride + kernel - size, 0) if padding == "SAME" else 0
    windows = []
    for output in range(outputs):
        first = output * stride - missing // 2
        last = first + kernel
        seen = slice(max(first, 0), min(last, size))
        windows.append((seen.start - first, seen, last - seen.stop))
    return windows
