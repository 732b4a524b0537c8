"""Wide residual networks: WRN-34-1 is the student of the paper's Table 13.

Zagoruyko and Komodakis, "Wide Residual Networks", 2016: 6n + 4 layers, batch normalisation and ReLU
before each convolution.
"""

from dlmo.errors import UserError
from dlmo.keras_ import keras
from dlmo.networks import parts
from dlmo.networks.registry import Scale, Tensor, network

layers = keras.layers


@network
def wrn(image: Tensor, classes: int, scale: Scale, *, depth: int = 34, width: int = 1) -> Tensor:
    """Build WRN-`depth`-`width`."""
    if depth % 6 != 4 or depth < 10:
        raise UserError(f"wrn[depth={depth}]: give 6n + 4 (10, 16, 22, …)")
    x = _conv(image, scale.channels(16))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(scale.blocks((depth - 4) // 6)):
            stride = 2 if stage and not block else 1
            x = _block(x, scale.channels(filters * width), stride)
    return parts.classifier(_activated(x), classes, initializer="he_normal")


def _block(x: Tensor, filters: int, stride: int) -> Tensor:
    activated = _activated(x)
    inside = _conv(activated, filters, 3, stride)
    inside = _conv(_activated(inside), filters)
    if stride != 1 or x.shape[-1] != filters:
        x = _conv(activated, filters, 1, stride)
    return layers.Add()([x, inside])


def _activated(x: Tensor) -> Tensor:
    return layers.ReLU()(parts.normalise(x))


def _conv(x: Tensor, filters: int, kernel: int = 3, stride: int = 1) -> Tensor:
    return parts.conv(x, filters, kernel, stride, initializer="he_normal")
