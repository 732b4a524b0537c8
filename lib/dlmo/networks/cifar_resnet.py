"""Residual networks made for 32×32 images: `resnet56` (the teacher) and MLPerf Tiny's `resnet8`.

`resnet56` has 6n + 2 layers with n = 9 (He et al., "Deep Residual Learning for Image Recognition",
2016, Section 4.2); the paper calls its teacher "ResNet54". `resnet8` follows the reference model of
MLPerf Tiny's image classification benchmark: one residual block a stage, biases in the
convolutions, and no batch normalisation on the shortcuts.
"""

from dlmo.errors import UserError
from dlmo.keras_ import keras
from dlmo.networks import parts
from dlmo.networks.registry import Scale, Tensor, network

layers = keras.layers


@network
def resnet8(image: Tensor, classes: int, scale: Scale) -> Tensor:
    """Build MLPerf Tiny's three-stage network (78,666 parameters for 10 classes)."""
    x = _unit(image, scale.channels(16), bias=True)
    for stage, filters in enumerate((16, 32, 64)):
        x = _block(x, scale.channels(filters), 2 if stage else 1, bias=True)
    return parts.classifier(x, classes, initializer="he_normal")


@network
def resnet56(image: Tensor, classes: int, scale: Scale, *, depth: int = 56) -> Tensor:
    """Build the network of 6n + 2 layers; the shortcut of a wider block is a 1×1 convolution."""
    if depth % 6 != 2 or depth < 8:
        raise UserError(f"resnet56[depth={depth}]: give 6n + 2 (8, 14, 20, …)")
    x = _unit(image, scale.channels(16))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(scale.blocks((depth - 2) // 6)):
            stride = 2 if stage and not block else 1
            x = _block(x, scale.channels(filters), stride)
    return parts.classifier(x, classes, initializer="he_normal")


def _unit(x: Tensor, filters: int, stride: int = 1, *, bias: bool = False) -> Tensor:
    x = parts.conv(x, filters, 3, stride, bias=bias, initializer="he_normal")
    return layers.ReLU()(parts.normalise(x))


def _block(x: Tensor, filters: int, stride: int, *, bias: bool = False) -> Tensor:
    inside = _unit(x, filters, stride, bias=bias)
    inside = parts.conv(inside, filters, bias=bias, initializer="he_normal")
    inside = parts.normalise(inside)
    if stride != 1 or x.shape[-1] != filters:
        x = parts.conv(x, filters, 1, stride, bias=bias, initializer="he_normal")
    return layers.ReLU()(layers.Add()([x, inside]))
