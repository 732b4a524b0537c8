"""The pieces that several networks share: thin functions over real Keras layers."""

from dlmo.keras_ import keras
from dlmo.networks.registry import Tensor

layers = keras.layers

MOMENTUM = 0.9
"""Of the moving statistics of batch normalisation. At 0.9 they are right after some thirty steps;
Keras' default, 0.99, needs hundreds, which a short training or a live check does not have."""


def normalise(x: Tensor, *, epsilon: float = 1e-3, zero: bool = False) -> Tensor:
    """Apply batch normalisation; `zero` starts its scale (gamma) at 0."""
    gamma = "zeros" if zero else "ones"
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=epsilon, gamma_initializer=gamma)(x)


def conv(
    x: Tensor,
    filters: int,
    kernel: int = 3,
    stride: int = 1,
    *,
    padding: str = "same",
    bias: bool = False,
    initializer: str = "glorot_uniform",
) -> Tensor:
    """Apply a linear convolution with a square kernel."""
    return layers.Conv2D(
        filters,
        kernel,
        stride,
        padding=padding,
        use_bias=bias,
        kernel_initializer=initializer,
    )(x)


def depthwise(
    x: Tensor, kernel: int = 3, stride: int = 1, *, padding: str = "same", bias: bool = False
) -> Tensor:
    """Apply a linear depthwise convolution with a square kernel."""
    return layers.DepthwiseConv2D(kernel, stride, padding=padding, use_bias=bias)(x)


def pad_for_stride(x: Tensor, kernel: int = 3) -> Tensor:
    """Pad as `keras.applications` does before a valid convolution of stride 2."""
    far = kernel // 2
    rows, columns = (far - (1 - side % 2) for side in x.shape[1:3])
    return layers.ZeroPadding2D(((rows, far), (columns, far)))(x)


def classifier(x: Tensor, classes: int, *, initializer: str = "glorot_uniform") -> Tensor:
    """Average over the image, then one dense layer: [b, h, w, c] to logits [b, classes]."""
    pooled = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(classes, kernel_initializer=initializer)(pooled)
