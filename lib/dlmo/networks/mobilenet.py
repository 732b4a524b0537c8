"""MobileNet v1 and v2, as in `keras.applications` at 32×32×3.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
2017, Table 1; Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018,
Table 2. So built, the converted sizes match the paper's to within 0.1 %. The stock networks end in
a 1×1 convolution (v1) or a softmax; here a dense layer with as many weights returns logits.
"""

from dlmo.keras_ import keras
from dlmo.networks import parts
from dlmo.networks.registry import Scale, Tensor, network

layers = keras.layers

_V1 = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 2, 6), (1024, 2, 2))
"""Filters, stride of the first block, blocks."""

_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 2, 3),
    (6, 64, 2, 4),
    (6, 96, 1, 3),
    (6, 160, 2, 3),
    (6, 320, 1, 1),
)
"""Expansion, filters, stride of the first block, blocks."""


@network
def mobilenet_v1(image: Tensor, classes: int, scale: Scale) -> Tensor:
    """Build a stem and thirteen depthwise separable blocks."""
    x = _normalised_relu6(parts.conv(image, scale.channels(32), 3, 2))
    for filters, first_stride, count in _V1:
        for block in range(scale.blocks(count)):
            x = _depthwise_unit(x, 1 if block else first_stride)
            x = _normalised_relu6(parts.conv(x, scale.channels(filters), 1))
    return parts.classifier(x, classes)


@network
def mobilenet_v2(image: Tensor, classes: int, scale: Scale, *, zero_gamma: bool = True) -> Tensor:
    """Build a stem, seventeen inverted residual blocks and a 1×1 convolution of 1,280 filters.

    With `zero_gamma` the blocks with a shortcut start as the identity. Without, training
    diverges at the rates of the recipe.
    """
    x = _normalised_relu6(parts.conv(image, scale.channels(32), 3, 2))
    for expansion, filters, first_stride, count in _V2:
        for block in range(scale.blocks(count)):
            stride = 1 if block else first_stride
            x = _inverted_residual(x, expansion, scale.channels(filters), stride, zero_gamma)
    x = _normalised_relu6(parts.conv(x, scale.channels(1280), 1))
    return parts.classifier(x, classes)


def _inverted_residual(
    x: Tensor, expansion: int, filters: int, stride: int, zero_gamma: bool
) -> Tensor:
    same_shape = stride == 1 and x.shape[-1] == filters
    inside = x
    if expansion > 1:
        inside = _normalised_relu6(parts.conv(x, expansion * x.shape[-1], 1))
    inside = _depthwise_unit(inside, stride)
    inside = parts.normalise(parts.conv(inside, filters, 1), zero=zero_gamma and same_shape)
    return layers.Add()([x, inside]) if same_shape else inside


def _depthwise_unit(x: Tensor, stride: int) -> Tensor:
    if stride == 1:
        return _normalised_relu6(parts.depthwise(x))
    padded = parts.pad_for_stride(x)
    return _normalised_relu6(parts.depthwise(padded, stride=stride, padding="valid"))


def _normalised_relu6(x: Tensor) -> Tensor:
    return layers.ReLU(6.0)(parts.normalise(x))
