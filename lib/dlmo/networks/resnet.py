"""ResNet50 and ResNet101, as in `keras.applications` at 32×32×3, with the stock ImageNet strides.

He et al., "Deep Residual Learning for Image Recognition", 2016. So built, the converted sizes match
the paper's Tables to the kilobyte; at 32×32 the last stage sees a single pixel. The convolutions
have biases although a batch normalisation follows, as the stock ones have.

Each block starts as the identity (`zero_gamma`; Goyal et al., 2017): half the epochs for the same
accuracy.
"""

from dlmo.keras_ import keras
from dlmo.networks import parts
from dlmo.networks.registry import Scale, Tensor, network

layers = keras.layers
_EPSILON = 1.001e-5
_FILTERS = (64, 128, 256, 512)


@network
def resnet50(image: Tensor, classes: int, scale: Scale, *, zero_gamma: bool = True) -> Tensor:
    """Build 3 + 4 + 6 + 3 blocks; `zero_gamma` starts each block as the identity."""
    return _resnet(image, classes, scale, (3, 4, 6, 3), zero_gamma)


@network
def resnet101(image: Tensor, classes: int, scale: Scale, *, zero_gamma: bool = True) -> Tensor:
    """Build 3 + 4 + 23 + 3 blocks; `zero_gamma` starts each block as the identity."""
    return _resnet(image, classes, scale, (3, 4, 23, 3), zero_gamma)


def _resnet(
    image: Tensor, classes: int, scale: Scale, counts: tuple[int, ...], zero_gamma: bool
) -> Tensor:
    x = layers.ZeroPadding2D(3)(image)
    x = _unit(x, scale.channels(64), 7, 2, padding="valid")
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    for stage, (filters, count) in enumerate(zip(_FILTERS, counts, strict=True)):
        for block in range(scale.blocks(count)):
            stride = 2 if stage and not block else 1
            x = _block(x, scale.channels(filters), stride, not block, zero_gamma)
    return parts.classifier(x, classes)


def _block(x: Tensor, filters: int, stride: int, projected: bool, zero_gamma: bool) -> Tensor:
    inside = _unit(_unit(x, filters, 1, stride), filters, 3)
    inside = parts.conv(inside, 4 * filters, 1, bias=True)
    inside = parts.normalise(inside, epsilon=_EPSILON, zero=zero_gamma)
    if projected:
        x = parts.conv(x, 4 * filters, 1, stride, bias=True)
        x = parts.normalise(x, epsilon=_EPSILON)
    return layers.ReLU()(layers.Add()([x, inside]))


def _unit(x: Tensor, filters: int, kernel: int, stride: int = 1, padding: str = "same") -> Tensor:
    x = parts.conv(x, filters, kernel, stride, padding=padding, bias=True)
    return layers.ReLU()(parts.normalise(x, epsilon=_EPSILON))
