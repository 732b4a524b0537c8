"""What a built network is: the hash of its architecture, its parameters, its multiplications."""

import hashlib
import json
from math import prod
from typing import Any

from dlmo.keras_ import keras


def architecture(model: keras.Model) -> str:
    """Return a hash of the layers, their configuration and how they are connected.

    It does not depend on names, and so not on Keras' counters for automatic names, nor on weights.

    Returns:
        32 hexadecimal digits.
    """
    number = {layer.name: index for index, layer in enumerate(model.layers)}
    description = [
        [type(layer).__name__, _nameless(layer.get_config()), _sources(layer, number)]
        for layer in model.layers
    ]
    text = json.dumps(description, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def parameters(model: keras.Model) -> int:
    """Return the number of weights, batch normalisation's moving statistics included."""
    return int(model.count_params())


def macs(model: keras.Model) -> int:
    """Return the multiply-accumulates of one image: convolutions and dense layers only."""
    return sum(map(layer_macs, model.layers))


def layer_macs(outer: keras.layers.Layer) -> int:
    """Return those of one layer, which may be wrapped."""
    layer, output = getattr(outer, "layer", outer), outer.output_shape
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return prod(output[1:3]) * prod(layer.depthwise_kernel.shape)
    if isinstance(layer, keras.layers.Conv2D):
        return prod(output[1:3]) * prod(layer.kernel.shape)
    if isinstance(layer, keras.layers.Dense):
        return prod(output[1:-1]) * prod(layer.kernel.shape)
    return 0


def _nameless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nameless(inner) for key, inner in value.items() if key != "name"}
    if isinstance(value, list | tuple):
        return [_nameless(inner) for inner in value]
    return value


def _plain(value: Any) -> Any:
    return value.tolist()  # Keras keeps some numbers as NumPy scalars.


def _sources(layer: keras.layers.Layer, number: dict[str, int]) -> list[int]:
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return [number[tensor.node.layer.name] for tensor in inputs if tensor.node.layer is not layer]
