"""VGGNet: the paper's smallest network, reconstructed from the sizes in its Table 5.

Three 3×3 convolutions of 8, 16 and 16 filters with biases, a pool after the first and the third,
1,024 values into one dense layer: 13,962 parameters (55.8 KB; the paper prints 56) for 10 classes
and 106,212 (424.8 KB; 425) for 100. The blocks follow Simonyan and Zisserman, "Very Deep
Convolutional Networks for Large-Scale Image Recognition", 2015.
"""

from dlmo.keras_ import keras
from dlmo.networks.registry import Scale, Tensor, network

layers = keras.layers


@network
def vggnet(image: Tensor, classes: int, scale: Scale) -> Tensor:
    """Build the three convolutions and the dense layer."""
    x = layers.MaxPooling2D()(_convolution(image, scale.channels(8)))
    for _ in range(scale.blocks(2)):
        x = _convolution(x, scale.channels(16))
    return layers.Dense(classes)(layers.Flatten()(layers.MaxPooling2D()(x)))


def _convolution(x: Tensor, filters: int) -> Tensor:
    return layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
