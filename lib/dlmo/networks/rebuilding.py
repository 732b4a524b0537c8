"""From the configuration of a Keras model to a plain, flat Keras 2 model that tfmot can wrap.

Nested models are dissolved, and configurations of Keras 2 and Keras 3 are both read. Only layers
that Keras itself has are built, from their own arguments: nothing that a file names is imported.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dlmo.errors import ImpossibleError
from dlmo.keras_ import keras
from dlmo.networks.own_files import Described, Weights

_REFUSED = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer", "InputLayer"}
_MODELS = ("Sequential", "Functional", "Model")
_LEFT_OUT = ("_initializer", "_regularizer", "_constraint")
_RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}
_CHANGED = {"hard_sigmoid", "hard_swish", "hard_silu"}
"""Activations that Keras 2 and 3 compute differently, or Keras 2 lacks."""

_Make = Callable[[Any], Any]


def rebuild(described: Described, shape: tuple[int, int, int], *, softmax: bool) -> keras.Model:
    """Return the plain model with its weights.

    Args:
        described: what the file holds.
        shape: of an image: height, width, channels.
        softmax: whether a softmax at the end stays; training needs the logits before it.

    Raises:
        ImpossibleError: a layer is not one that can be built from its configuration.
    """
    builder = _Builder(described.weights)
    image = keras.Input(shape, name="image")
    model = keras.Model(image, builder.model(described.kind, described.config, image, ""))
    for layer, weights in builder.loaded:
        _set(layer, weights)
    return model if softmax else without_softmax(model)


def without_softmax(model: keras.Model) -> keras.Model:
    """Return a model that ends before its softmax; the same model where it has none."""
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax) or (
        isinstance(last, keras.layers.Activation) and last.activation is keras.activations.softmax
    ):
        return keras.Model(model.input, last.input)
    if getattr(last, "activation", None) is keras.activations.softmax:
        linear = type(last).from_config({**last.get_config(), "activation": "linear"})
        made = keras.Model(model.input, linear(last.input))
        linear.set_weights(last.get_weights())
        return made
    return model


def _set(layer: keras.layers.Layer, weights: list[np.ndarray]) -> None:
    try:
        layer.set_weights(weights)
    except ValueError:
        raise ImpossibleError(f"the weights of the layer {layer.name!r} don't fit it") from None


class _Builder:
    """Builds layer after layer, and remembers which weights belong to which."""

    def __init__(self, weights: Weights) -> None:
        self._weights, self._names = weights, set()  # type: ignore[var-annotated]
        self.loaded: list[tuple[keras.layers.Layer, list[np.ndarray]]] = []

    def model(self, kind: str, config: Mapping[str, Any], given: Any, top: str) -> Any:
        """Return what a model makes of a tensor."""
        if kind == "Sequential":
            for layer in config["layers"]:
                if layer["class_name"] != "InputLayer":
                    given = self.maker(layer, top)(given)
            return given
        if kind in _MODELS:
            return _functional(config, given, lambda layer: self.maker(layer, top))
        raise ImpossibleError(
            f"the model is a {kind}; only Sequential and functional ones are read"
        )

    def maker(self, described: Mapping[str, Any], top: str) -> _Make:
        """Return what applies a layer, or a nested model, to a tensor."""
        kind, config = described["class_name"], described["config"]
        name = _name(described)
        if kind in _MODELS:
            inside = {"layers": config} if isinstance(config, list) else config
            return lambda given: self.model(kind, inside, given, top or name)
        layer = _layer(kind, {**config, "name": self._unique(name)})
        weights = self._weights.get((top or name, name), [])
        if weights:
            self.loaded.append((layer, weights))
        return layer

    def _unique(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._names:
            unique, number = f"{name}_{number}", number + 1
        self._names.add(unique)
        return unique


def _name(described: Mapping[str, Any]) -> str:
    return str(described["config"].get("name") or described.get("name"))


def _layer(kind: str, config: Mapping[str, Any]) -> keras.layers.Layer:
    found = getattr(keras.layers, kind, None)
    known = isinstance(found, type) and issubclass(found, keras.layers.Layer)
    if found is None or not known or kind in _REFUSED:
        raise ImpossibleError(f"the layer {config['name']!r} ({kind}) is none of Keras' own")
    allowed = _arguments(found)
    arguments = {
        _RENAMED.get((kind, key), key): _value(config["name"], value)
        for key, value in config.items()
        if not key.endswith(_LEFT_OUT) and key not in ("dtype", "trainable", "batch_input_shape")
    }
    try:
        return found(**{key: value for key, value in arguments.items() if key in allowed})
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise ImpossibleError(f"the layer {config['name']!r} ({kind}): {reason}") from None


def _arguments(kind: type) -> set[str]:
    return {"name"} | {
        name for one in kind.__mro__ if one is not object for name in _signature(one)
    }


def _signature(kind: type) -> Iterator[str]:
    for parameter in inspect.signature(kind).parameters.values():
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            yield parameter.name


def _value(layer: str, value: Any) -> Any:
    if isinstance(value, Mapping):  # Keras 3 writes a function as a mapping
        value = value.get("config")
    if value in _CHANGED if isinstance(value, str) else False:
        raise ImpossibleError(f"the layer {layer!r}: {value} is not the same in all Keras versions")
    if isinstance(value, Mapping):
        raise ImpossibleError(f"the layer {layer!r} has an argument that is an object")
    return tuple(value) if isinstance(value, list) else value


# Functional models --------------------------------------------------------------------------------


def _functional(
    config: Mapping[str, Any], given: Any, maker: Callable[[Mapping[str, Any]], _Make]
) -> Any:
    """Return what a functional model with one input and one output makes of a tensor."""
    (source,), (end,) = _ends(config["input_layers"]), _ends(config["output_layers"])
    made: dict[tuple[str, int], Any] = {(source, 0): given}
    layers = {_name(layer): layer for layer in config["layers"]}
    inside = {name: one for name, one in layers.items() if one["class_name"] != "InputLayer"}
    makers = {name: maker(layer) for name, layer in inside.items()}
    waiting = _uses({name: list(_calls(layer)) for name, layer in inside.items()})
    while waiting:
        ready = [one for one in waiting if all(key in made for key in waiting[one])]
        if not ready:
            raise ImpossibleError(f"the layer {next(iter(waiting))[0]!r} has no way to the input")
        for one in ready:
            tensors = [made[key] for key in waiting.pop(one)]
            made[one] = makers[one[0]](tensors if len(tensors) > 1 else tensors[0])
    return made[max(key for key in made if key[0] == end)]


_Use = tuple[str, int]


def _uses(calls: Mapping[str, list[list[_Use]]]) -> dict[_Use, list[_Use]]:
    """Return what each use of a layer takes, the uses numbered as others name them.

    A nested model of Keras 2 counts from 1, since it was used once when it was made.
    """
    named: dict[str, set[int]] = {}
    for uses in calls.values():
        for call in uses:
            for name, number in call:
                named.setdefault(name, set()).add(number)
    found: dict[_Use, list[_Use]] = {}
    for name, uses in calls.items():
        first = min(named.get(name, {0}))
        first = first if len(uses) == len(named.get(name, ())) else 0
        found |= {(name, first + place): call for place, call in enumerate(uses)}
    return found


def _ends(found: Any) -> list[str]:
    # Keras 3 writes one end as ["input", 0, 0], Keras 2 as [["input", 0, 0]].
    names = [found[0]] if isinstance(found[0], str) else [one[0] for one in found]
    if len(names) != 1:
        raise ImpossibleError(f"the model has {len(names)} inputs or outputs; one of each is read")
    return names


def _calls(layer: Mapping[str, Any]) -> Iterator[list[tuple[str, int]]]:
    """Yield for each time that a layer is used: the layers and uses that it takes."""
    for node in layer["inbound_nodes"]:
        if isinstance(node, Mapping):
            yield list(_history(node["args"]))
        else:
            if any(len(one) > 3 and one[3] for one in node):
                raise ImpossibleError(f"the layer {_name(layer)!r} is called with arguments")
            yield [(str(one[0]), int(one[1])) for one in node]


def _history(arguments: Any) -> Iterator[tuple[str, int]]:
    for one in arguments:
        if isinstance(one, Mapping) and one.get("class_name") == "__keras_tensor__":
            name, use, _ = one["config"]["keras_history"]
            yield str(name), int(use)
        elif isinstance(one, list):
            yield from _history(one)
        else:
            raise ImpossibleError("an operator between layers has a constant; use a layer instead")
