"""Pruning and fake quantization: everything that tfmot must be taught, in one place.

The Model Optimization Toolkit (tfmot) simulates a quantized network by wrapping each layer. Its
own registry refuses four kinds of layers that the paper's networks have: the hard swish and hard
sigmoid of MobileNet v3, the `Multiply` of its squeeze-and-excite, and a batch normalisation that
does not directly follow a convolution (every pre-activation network). `_Registry` and `_Layout`
teach it these, and mend three more things:

- tfmot simulates a depthwise kernel with one scale, where the file has one a channel:
  `ChannelwiseDepthwise` simulates what is deployed;
- tfmot gives an average pooling a scale of its own, which the converter refuses;
- each range begins at [-6, 6], those of activations move by a thousandth a step, and the input's
  begins at [0, 0]: a short training would simulate ranges that the network does not have.
  `quantize` sets the weights' ranges from the weights, the input's to [-1, 1], and those of the
  activations from images, if it is given any.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlmo.errors import ImpossibleError
from dlmo.keras_ import keras, tf, tfmot
from dlmo.networks.activations import HardSigmoid, HardSwish

_stock: Any = tfmot.quantization.keras
_OUTPUT_ONLY = (
    keras.layers.Multiply,
    keras.layers.BatchNormalization,
    HardSigmoid,
    HardSwish,
)
_SAME_SCALE = (keras.layers.AveragePooling2D,)
"""What the file computes on its input's scale. tfmot gives it one of its own: no conversion."""

_INPUT_RANGE = (-1.0, 1.0)
"""What the networks take: the host computes x / 127.5 - 1."""


class OutputOnly(_stock.QuantizeConfig):
    """Quantize what a layer returns, and nothing inside of it; or, with `quiet`, nothing at all."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def get_weights_and_quantizers(self, layer: keras.layers.Layer) -> list[Any]:
        """Return no weights."""
        return []

    def get_activations_and_quantizers(self, layer: keras.layers.Layer) -> list[Any]:
        """Return no activations."""
        return []

    def set_quantize_weights(self, layer: keras.layers.Layer, quantize_weights: list[Any]) -> None:
        """Leave the weights as they are."""
        return  # AutoGraph warns of a function without a statement.

    def set_quantize_activations(
        self, layer: keras.layers.Layer, quantize_activations: list[Any]
    ) -> None:
        """Leave the activations as they are."""
        return

    def get_output_quantizers(self, layer: keras.layers.Layer) -> list[Any]:
        """Return the quantizer of the output: 8 bits, one asymmetric range for the tensor."""
        if self.quiet:
            return []
        moving = _stock.quantizers.MovingAverageQuantizer
        return [moving(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)]

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {"quiet": self.quiet}


class ChannelwiseDepthwise(_stock.quantizers.LastValueQuantizer):
    """Quantize a depthwise kernel [h, w, c, m] with one symmetric range for each of c·m channels.

    tfmot takes the last axis, m, for the channels: one range for the whole tensor.
    """

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)

    def build(self, tensor_shape: Any, name: str, layer: keras.layers.Layer) -> dict[str, Any]:
        """Create the variables of the ranges, [c·m] each."""
        return super().build(_channels_last(tensor_shape), name, layer)

    def __call__(self, inputs: Any, training: bool, weights: dict[str, Any], **kwargs: Any) -> Any:
        """Return the kernel, rounded."""
        flat = tf.reshape(inputs, _channels_last(inputs.shape))
        return tf.reshape(super().__call__(flat, training, weights, **kwargs), inputs.shape)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs: nothing."""
        return {}


class _Registry(_stock.QuantizeRegistry):
    """A stock registry, the layers that it refuses, and its depthwise convolution, mended."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock

    def supports(self, layer: keras.layers.Layer) -> bool:
        return isinstance(layer, _OUTPUT_ONLY) or self._stock.supports(layer)

    def get_quantize_config(self, layer: keras.layers.Layer) -> Any:
        if isinstance(layer, _OUTPUT_ONLY):
            return OutputOnly()
        if isinstance(layer, _SAME_SCALE):
            return OutputOnly(quiet=True)
        config = self._stock.get_quantize_config(layer)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            config.weight_quantizer = ChannelwiseDepthwise()
        return config


class _Layout(_stock.QuantizeLayoutTransform):
    """The stock fusions, and one more: the file fuses a ReLU into the batch normalisation."""

    def apply(self, model: keras.Model, layer_quantize_map: dict[str, Any]) -> tuple[Any, Any]:
        stock = _stock.default_8bit.Default8BitQuantizeLayoutTransform()
        model, configs = stock.apply(model, layer_quantize_map)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization) and _feeds_only_a_relu(layer):
                configs[layer.name].update(quantize_config=OutputOnly(quiet=True))
        return model, configs


class _Scheme(_stock.QuantizeScheme):
    def __init__(self, stock: Any) -> None:
        self._stock = stock

    def get_layout_transformer(self) -> Any:
        return _Layout()

    def get_quantize_registry(self) -> Any:
        return _Registry(self._stock.get_quantize_registry())


def quantize(
    model: keras.Model, *, preserve_sparsity: bool = False, images: np.ndarray | None = None
) -> keras.Model:
    """Return a copy of a plain model that simulates full integer quantization (QAT).

    Args:
        model: as `networks.build` gives it, trained.
        preserve_sparsity: keep every zero of the convolutions and dense layers at zero (PRN+QAT).
        images: float32 [n, h, w, 3] in [-1, 1], some hundred: sets the ranges of the activations to
            those that `model` has on them. Without, they begin at tfmot's [-6, 6].

    Returns:
        A model from the same images to the same logits, give or take the quantization.

    Raises:
        ImpossibleError: a layer of a model of one's own has no simulation.
    """
    stock = (
        _stock.collab_opts.Default8BitPrunePreserveQuantizeScheme
        if preserve_sparsity
        else _stock.default_8bit.Default8BitQuantizeScheme
    )()
    scheme = _Scheme(stock)
    _refuse_unknown_layers(model, scheme.get_quantize_registry())
    with _stock.quantize_scope({"OutputOnly": OutputOnly}):
        annotated = _stock.quantize_annotate_model(_copy(model))
        keras.backend.reset_uids()
        quantized = _stock.quantize_apply(annotated, scheme)
    _set_weight_ranges(quantized)
    _set_activation_ranges(quantized, model, images)
    return quantized


def settle(quantized: keras.Model) -> None:
    """Give the channels that pruning has emptied a range again, once QAT has ended.

    In the file a bias is counted in units of its channel's scale. The scale of an emptied channel
    is zero, so that its bias would be lost: a VGGNet with 80 % zeros fell from 69 to 59 % between
    simulation and file. Under any range the weights of such a channel are zero.
    """
    for layer in _wrappers(quantized):
        for _, _, limits in layer._weight_vars:
            low, high = limits["min_var"].numpy(), limits["max_var"].numpy()
            empty = high <= low
            width = high.max() if high.max() > 0 else 1.0
            _set_range(
                limits["min_var"],
                limits["max_var"],
                np.where(empty, -width, low),
                np.where(empty, width, high),
            )


def prune(model: keras.Model, schedule: Any) -> keras.Model:
    """Return a copy of a plain model whose smallest weights become zero during training.

    Training it needs the callback `tfmot.sparsity.keras.UpdatePruningStep`.

    Args:
        model: as `networks.build` gives it.
        schedule: a `tfmot.sparsity.keras.PruningSchedule`: how sparse at which step, and how often
            the masks are computed anew.
    """

    def wrap(layer: keras.layers.Layer) -> keras.layers.Layer:
        copy = type(layer).from_config(layer.get_config())
        if not _prunable_attributes(layer):
            return copy
        return tfmot.sparsity.keras.prune_low_magnitude(copy, pruning_schedule=schedule)

    pruned = keras.models.clone_model(model, clone_function=wrap)
    for layer in pruned.layers:
        plain = getattr(layer, "layer", layer)
        plain.set_weights(model.get_layer(plain.name).get_weights())
    return pruned


def strip(model: keras.Model) -> keras.Model:
    """Return the plain model inside of a pruned or a fake-quantized one.

    Of a pruned model, the masks are applied once more, so that no optimizer step after the last
    callback is left in the weights.

    Returns:
        A model of the same architecture as the one that was wrapped, with its own weights.
    """
    plain = _rebuild(model)
    for layer in model.layers:
        values = {_attribute(weight): weight.numpy() for weight in layer.weights}
        for weight, mask, _ in getattr(layer, "pruning_vars", []):
            values[_attribute(weight)] *= mask.numpy()
        name = getattr(layer, "layer", layer).name
        if name in {target.name for target in plain.layers}:
            target = plain.get_layer(name)
            target.set_weights([values[_attribute(weight)] for weight in target.weights])
    return plain


def prunable(model: keras.Model) -> list[str]:
    """Return the names of the weights of a plain model that pruning sparsifies.

    They are the kernels of the convolutions and dense layers, not the depthwise kernels, biases
    or batch normalisations: "80 % sparse" is a share of these.
    """
    return [
        getattr(layer, attribute).name
        for layer in model.layers
        for attribute in _prunable_attributes(layer)
    ]


def _refuse_unknown_layers(model: keras.Model, registry: _Registry) -> None:
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer) and not registry.supports(layer):
            raise ImpossibleError(
                f"QAT cannot simulate the layer {layer.name!r} ({type(layer).__name__}) of the "
                f"model {model.name!r}; build it from Keras layers as those in lib/dlmo/networks"
            )


def _copy(model: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _prunable_attributes(layer: keras.layers.Layer) -> list[str]:
    kinds = (keras.layers.Conv2D, keras.layers.Dense)
    # DepthwiseConv2D is no Conv2D's subclass in Keras 2, and tfmot leaves it alone.
    return ["kernel"] if isinstance(layer, kinds) else []


def _attribute(weight: Any) -> str:
    """Return the last part of a weight's name: `kernel:0`."""
    return weight.name.rsplit("/", 1)[-1]


def _channels_last(shape: Any) -> tuple[int, ...]:
    """Return a depthwise kernel's shape [h, w, c, m] as [h, w, 1, c·m]."""
    height, width, channels, multiplier = shape
    return height, width, 1, channels * multiplier


def _feeds_only_a_relu(layer: keras.layers.Layer) -> bool:
    consumers = [node.outbound_layer for node in layer.outbound_nodes]
    return len(consumers) == 1 and isinstance(consumers[0], keras.layers.ReLU)


def _rebuild(model: keras.Model) -> keras.Model:
    """Build the plain model anew, from the configurations of the wrapped layers."""
    image = keras.Input(model.input_shape[1:], name=model.input_names[0])
    made = {id(model.input): image}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        source = tf.nest.map_structure(lambda tensor: made[id(tensor)], layer.input)
        unwrapped = _unwrapped(layer)
        made[id(layer.output)] = unwrapped(source) if unwrapped else source
    return keras.Model(image, made[id(model.output)], name=model.name)


def _unwrapped(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """Return a new plain layer like the wrapped one, or nothing for the one that tfmot added."""
    if type(layer).__name__ == "QuantizeLayer":
        return None
    plain = layer.layer if isinstance(layer, keras.layers.Wrapper) else layer
    config = plain.get_config()
    activation = config.get("activation")
    if isinstance(activation, dict) and activation["class_name"] == "QuantizeAwareActivation":
        inside = activation["config"]["activation"]
        # tfmot silences only linear activations.
        config["activation"] = inside if isinstance(inside, str) else "linear"
    return type(plain).from_config(config)


def _set_weight_ranges(quantized: keras.Model) -> None:
    """Set each range to the weight's own largest magnitude, by channel where tfmot does."""
    for layer in _wrappers(quantized):
        for weight, _, limits in layer._weight_vars:
            values = weight.numpy().reshape(-1, limits["max_var"].shape.num_elements())
            largest = np.abs(values).max(axis=0).reshape(limits["max_var"].shape)
            _set_range(limits["min_var"], limits["max_var"], -largest, largest)


def _set_activation_ranges(
    quantized: keras.Model, model: keras.Model, images: np.ndarray | None
) -> None:
    for entrance in (layer for layer in quantized.layers if hasattr(layer, "quantizer_vars")):
        limits = entrance.quantizer_vars
        _set_range(limits["min_var"], limits["max_var"], *_input_range(images))
    if images is None:
        return
    ranged = [layer for layer in _wrappers(quantized) if _activation_limits(layer)]
    inside = [model.get_layer(layer.layer.name).output for layer in ranged]
    lows, highs = _extremes(keras.Model(model.input, inside), images)
    for layer, low, high in zip(ranged, lows, highs, strict=True):
        low_variable, high_variable = _activation_limits(layer)
        _set_range(low_variable, high_variable, min(low, 0.0), max(high, 0.0))


def _input_range(images: np.ndarray | None) -> tuple[float, float]:
    """Return [-1, 1], or more where a model of one's own takes other values."""
    low, high = _INPUT_RANGE
    if images is None:
        return low, high
    return min(low, float(images.min())), max(high, float(images.max()))


def _activation_limits(layer: Any) -> tuple[Any, ...]:
    """Return the two variables that hold the range of what a wrapped layer returns, or none."""
    names = ("output", "post_activation")
    found = {_attribute(weight): weight for weight in layer.weights}
    for name in names:
        if f"{name}_min:0" in found:
            return found[f"{name}_min:0"], found[f"{name}_max:0"]
    return ()


def _extremes(outputs: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest value of every output over all images."""

    @tf.function
    def batch_extremes(batch: Any) -> tuple[Any, Any]:
        tensors = tf.nest.flatten(outputs(batch, training=False))
        lows = tf.stack([tf.reduce_min(tensor) for tensor in tensors])
        return lows, tf.stack([tf.reduce_max(tensor) for tensor in tensors])

    batches = np.split(images.astype("float32"), range(64, len(images), 64))
    lows, highs = zip(*(batch_extremes(batch) for batch in batches), strict=True)
    return np.min(lows, axis=0), np.max(highs, axis=0)


def _set_range(low_variable: Any, high_variable: Any, low: Any, high: Any) -> None:
    low_variable.assign(low)
    high_variable.assign(high)


def _wrappers(model: keras.Model) -> Iterator[Any]:
    yield from (layer for layer in model.layers if isinstance(layer, _stock.QuantizeWrapperV2))
