"""MobileNet v3's activations as layers.

`keras.applications` writes them with operators, which become layers that tfmot can neither wrap nor
prune. Howard et al., "Searching for MobileNetV3", 2019, Section 5.2.
"""

from dlmo.keras_ import keras, tf
from dlmo.networks.registry import Tensor


@keras.utils.register_keras_serializable(package="dlmo")
class HardSigmoid(keras.layers.Layer):
    """min(max(x + 3, 0), 6) / 6, element by element."""

    def call(self, inputs: Tensor) -> Tensor:
        """Return a tensor of the same shape in [0, 1]."""
        return tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)

    def compute_output_shape(self, input_shape: Tensor) -> Tensor:
        """Return the input's shape."""
        return input_shape


@keras.utils.register_keras_serializable(package="dlmo")
class HardSwish(keras.layers.Layer):
    """x · hard sigmoid(x); the converter makes one operator, HARD_SWISH, of it."""

    def call(self, inputs: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return inputs * (tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0))

    def compute_output_shape(self, input_shape: Tensor) -> Tensor:
        """Return the input's shape."""
        return input_shape
