"""Reading a user's Keras file as data: configuration and weights, and no code.

No loader of Keras is used for `.h5` and `.keras`: those import what a file names. A SavedModel is a
graph, which TensorFlow must load; of its Keras layers the configuration is looked at before.
"""

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dlmo.errors import UserError

Weights = dict[tuple[str, str], list[np.ndarray]]
"""By the layer of the whole model and, within that, the innermost layer (often the same)."""

LARGEST = 2_000_000_000
"""Bytes of a file, and of what it unpacks to."""

_CONTAINERS = ("Sequential", "Functional", "Model")


@dataclass(frozen=True)
class Described:
    """What a Keras file holds.

    Attributes:
        kind: of the model: "Sequential", "Functional" or "Model".
        config: its configuration, as `get_config` gave it.
        weights: of its layers.
    """

    kind: str
    config: Mapping[str, Any]
    weights: Weights


def read(path: Path) -> Described:
    """Read an `.h5` or a `.keras` file.

    Raises:
        UserError: it is damaged, or none; says why.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} is larger than {LARGEST / 1e9:.0f} GB")
        return (_zipped if zipfile.is_zipfile(path) else _hierarchical)(path)
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # a hostile file can make either library raise anything
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(
            f"{path} is no Keras file, or is damaged ({detail}); give an .h5, a .keras, a "
            "SavedModel's folder or a .tflite"
        ) from None


# .h5 ----------------------------------------------------------------------------------------------


def _hierarchical(path: Path) -> Described:
    with h5py.File(path, "r") as file:
        config = _text(file.attrs.get("model_config"))
        if config is None:
            raise UserError(
                f"{path} holds weights but no model; save the whole model: model.save(…)"
            )
        described = json.loads(config)
        groups = file["model_weights"]
        weights: Weights = {}
        for layer in groups:
            for name in groups[layer].attrs.get("weight_names", ()):
                parts = (_text(name) or "").split("/")
                inner = parts[-2] if len(parts) > 1 else layer
                values = np.asarray(groups[layer]["/".join(parts)])
                weights.setdefault((layer, inner), []).append(values)
    return Described(described["class_name"], _config(described), weights)


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value


def _config(described: Mapping[str, Any]) -> dict[str, Any]:
    config = described["config"]
    # The first versions of Keras 2 kept a Sequential as the list of its layers.
    return {"layers": config} if isinstance(config, list) else config


# .keras -------------------------------------------------------------------------------------------


def _zipped(path: Path) -> Described:
    with zipfile.ZipFile(path) as archive:
        described = json.loads(_member(archive, "config.json"))
        config = _config(described)
        with h5py.File(io.BytesIO(_member(archive, "model.weights.h5")), "r") as file:
            weights = {
                (top, inner): [np.asarray(group[str(n)]) for n in range(len(group))]
                for top, inner, place in places(config)
                if (group := file.get(f"{place}/vars")) is not None
            }
    return Described(described["class_name"], config, weights)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > LARGEST:
        raise ValueError(f"{name} unpacks to more than {LARGEST / 1e9:.0f} GB")
    return archive.read(name)


def places(
    config: Mapping[str, Any], before: str = "", top: str | None = None
) -> Iterator[tuple[str, str, str]]:
    """Yield of each innermost layer: the layer of the whole model, its name, its weights' place.

    A place is counted by kinds, in the order of the layers: `layers/conv2d_1`.
    """
    count: Counter[str] = Counter()
    for layer in config["layers"]:
        kind, inside = layer["class_name"], layer["config"]
        if kind == "InputLayer":
            continue
        word = _snake(kind)
        place = f"{before}layers/{word}_{count[word]}" if count[word] else f"{before}layers/{word}"
        count[word] += 1
        name = inside.get("name") or layer.get("name")
        if kind in _CONTAINERS:
            yield from places(_config(layer), f"{place}/", top or name)
        else:
            yield top or name, name, place


def _snake(kind: str) -> str:
    spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


# Both ---------------------------------------------------------------------------------------------


def walk(value: Any, found: Callable[[Mapping[str, Any]], None]) -> None:
    """Call a function with every mapping in a configuration."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            found(one)
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)


def has_lambda(config: Mapping[str, Any]) -> bool:
    """Say whether a configuration holds a Lambda layer: a function as bytes, to be executed."""
    kinds: set[Any] = set()
    walk(config, lambda one: kinds.add(str(one.get("class_name"))))
    return bool(kinds & {"Lambda", "__lambda__"})
