"""A user's own model: a Keras file, a SavedModel or a `.tflite`, named by its path.

`model.keras[preprocessing=raw]`: options in brackets say what its input expects (see
`deployable.Preprocessing.parse`), its size where the file leaves that open, and `lambda=run` that
its Lambda layers may be executed.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlmo import deployable, spec
from dlmo.deployable import Preprocessing
from dlmo.errors import ImpossibleError, UserError, unknown
from dlmo.keras_ import keras, tf
from dlmo.networks import own_files, rebuilding
from dlmo.networks.counts import layer_macs

SUFFIXES = (".h5", ".hdf5", ".keras", ".tflite")
OPTIONS = ("preprocessing", "size", "lambda")
SIZE = 32
"""Height and width where a model takes any."""


class Given(NamedTuple):
    """A model's file, and what was said of it.

    Attributes:
        path: the file or the SavedModel's folder.
        preprocessing: what its input expects.
        size: height and width where it takes any.
        trusted: whether its Lambda layers may be executed.
    """

    path: Path
    preprocessing: Preprocessing
    size: int
    trusted: bool

    @property
    def is_tflite(self) -> bool:
        """Whether it is a finished file."""
        return self.path.suffix.lower() == ".tflite"


def is_own(network: str) -> bool:
    """Say whether a network's name is the path of a file."""
    base = network.partition("[")[0].strip()
    return "/" in base or base.lower().endswith(SUFFIXES)


def given(network: str) -> Given:
    """Read the name of an own model.

    Raises:
        UserError: there is no such file, or an option makes no sense.
    """
    base, options = spec.options(network)
    for name in options:
        if name not in OPTIONS:
            raise unknown("option of an own model:", name, OPTIONS)
    path = Path(base).expanduser()
    if not path.exists():
        raise UserError(f"there is no model {path}")
    if "preprocessing" not in options:
        raise UserError(
            f"say what the input of {path} expects: --preprocessing raw (0 to 255), 0..1, -1..1 or "
            "MEAN/DEVIATION"
        )
    size = options.get("size", SIZE)
    if not isinstance(size, int) or not 1 <= size <= 4096:
        raise UserError(f"{path}: size={size} is no number of pixels")
    allowed = options.get("lambda", "refuse")
    if allowed not in ("run", "refuse"):
        raise UserError(f"{path}: lambda={allowed}; write lambda=run to have them executed")
    preprocessing = Preprocessing.parse(str(options["preprocessing"]))
    return Given(path, preprocessing, size, allowed == "run")


def digest(network: str) -> str:
    """Return 32 hexadecimal digits that stand for the content of a model's file.

    Raises:
        UserError: it can't be read.
    """
    source = given(network).path
    return _digest(source, _state(source))


@lru_cache(maxsize=16)
def _digest(source: Path, state: tuple[Any, ...]) -> str:
    total = hashlib.sha256()
    try:
        for file in files(source):
            total.update(str(file.relative_to(source)).encode() + file.read_bytes())
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror}") from None
    return total.hexdigest()[:32]


def files(source: Path) -> Iterator[Path]:
    """Yield a model's file, or the files of its folder."""
    yield from sorted(source.rglob("*.*")) if source.is_dir() else [source]


def _state(source: Path) -> tuple[Any, ...]:
    try:
        return tuple((one.stat().st_mtime_ns, one.stat().st_size) for one in files(source))
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror}") from None


def check(network: str, classes: int) -> None:
    """Check that a model can be measured on images of so many classes.

    Raises:
        UserError: it is damaged, tells another number of classes apart, takes no images of three
            channels, or its weights are not finite.
    """
    source = given(network).path
    _check(network, classes, _state(source))


@lru_cache(maxsize=16)
def _check(network: str, classes: int, state: tuple[Any, ...]) -> None:
    found = given(network)
    if found.is_tflite:
        held = deployable.read(found.path)
        ends = [(tuple(one.shape) for one in end) for end in (held.inputs, held.outputs)]
        (taken, *more), (said, *others) = map(list, ends)
        if more or others or not held.nodes:
            raise UserError(f"{found.path} does not map one image to one row of classes")
    else:
        model = build(network)
        taken, said = model.input_shape, model.output_shape
        if not all(np.isfinite(weight).all() for weight in model.get_weights()):
            raise UserError(
                f"{found.path}: its weights are not finite numbers (NaN); train it again"
            )
    if len(taken) != 4 or taken[-1] != 3:
        raise UserError(f"{found.path} takes {_shape(taken)}; an image is [height, width, 3]")
    if len(said) != 2 or said[-1] != classes:
        raise UserError(
            f"{found.path} gives {_shape(said)}, and the dataset has {classes} classes; give a "
            "model for these classes"
        )


def _shape(shape: Any) -> str:
    return f"[{', '.join('any' if one is None else str(one) for one in shape[1:])}]"


def image_size(network: str) -> tuple[int, int]:
    """Return height and width of the images that a model takes."""
    found = given(network)
    if found.is_tflite:
        height, width = deployable.read(found.path).inputs[0].shape[1:3]
        return height, width
    height, width = build(network).input_shape[1:3]
    return height, width


def build(network: str, *, softmax: bool = True) -> keras.Model:
    """Return an own Keras model with its weights.

    Args:
        network: its name.
        softmax: whether a softmax at the end stays.

    Returns:
        A flat model of plain layers where its configuration allows that, otherwise the whole graph
        as one layer, which can be converted but not trained.

    Raises:
        UserError: the file is damaged, or holds a Lambda layer that may not be executed.
    """
    keras.backend.reset_uids()
    found = given(network)
    if found.is_tflite:
        raise UserError(f"{found.path} is a finished file: it is measured, nothing is made of it")
    try:
        described, whole = _described(found)
    except ImpossibleError as error:
        raise UserError(f"{found.path}: {error}") from None
    try:
        if described is None:
            raise ImpossibleError("it is a graph without layers")
        return rebuilding.rebuild(described, _shape_of(described, found.size), softmax=softmax)
    except (ImpossibleError, KeyError, TypeError, ValueError, IndexError) as error:
        if whole is None or not softmax:
            reason = error if isinstance(error, ImpossibleError) else "its layers make no model"
            raise UserError(f"{found.path}: {reason}") from None
        return whole()


def has_softmax(network: str) -> bool:
    """Say whether a model ends in a softmax."""
    model = build(network)
    return rebuilding.without_softmax(model) is not model


def trainable(network: str) -> None:
    """Check that an own model can be trained on.

    Raises:
        ImpossibleError: it can't; says why.
    """
    try:
        build(network, softmax=False)
    except UserError as error:
        raise ImpossibleError(f"it cannot be trained on: {error}") from None


def _shape_of(described: own_files.Described, size: int) -> tuple[int, int, int]:
    """Return the shape of an image: from the input layer, or the first layer that names one."""
    shapes: list[Any] = []

    def look(one: Any) -> None:
        shapes.extend(
            one[key]
            for key in ("batch_shape", "batch_input_shape")
            if isinstance(one.get(key), list | tuple) and len(one[key]) == 4
        )

    for layer in described.config["layers"]:
        own_files.walk({"config": layer["config"]}, look)
        if shapes:
            break
    if not shapes:
        return size, size, 3
    height, width, channels = (shapes[0][1] or size, shapes[0][2] or size, shapes[0][3] or 3)
    return int(height), int(width), int(channels)


def _described(found: Given) -> tuple[own_files.Described | None, Callable[[], Any] | None]:
    """Return a model's configuration, if it has one, and what loads its whole graph."""
    if found.path.is_dir():
        return _saved(found)
    described = own_files.read(found.path)
    _refuse_lambda(found, described.config)
    if own_files.has_lambda(described.config):
        return None, lambda: _executed(found)
    return described, None


def _executed(found: Given) -> keras.Model:
    """Load a model as Keras does, its Lambda layers included: the user has said so."""
    try:
        return keras.models.load_model(found.path, compile=False, safe_mode=False)
    except Exception as error:  # whatever a function from elsewhere raises
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"{found.path} cannot be loaded by Keras 2: {detail}") from None


def _refuse_lambda(found: Given, config: Any) -> None:
    if own_files.has_lambda(config) and not found.trusted:
        raise UserError(
            f"{found.path} holds a Lambda layer, which is a program; it is executed only where you "
            "say so: PATH[lambda=run]"
        )


# SavedModels --------------------------------------------------------------------------------------


def _saved(found: Given) -> tuple[own_files.Described | None, Callable[[], Any]]:
    if not (found.path / "saved_model.pb").is_file():
        raise UserError(f"{found.path} is no SavedModel (no saved_model.pb) and no Keras file")
    described = None
    if (found.path / "keras_metadata.pb").is_file():
        if b'"class_name": "Lambda"' in (found.path / "keras_metadata.pb").read_bytes():
            _refuse_lambda(found, {"class_name": "Lambda"})
        described = _layers_of(found.path)
    return described, lambda: _graph(found)


def _layers_of(path: Path) -> own_files.Described | None:
    try:
        model = keras.models.load_model(path, compile=False)
        return own_files.Described(type(model).__name__, model.get_config(), dict(_leaves(model)))
    except Exception:  # a model without layers to show; its graph may still be whole
        return None


def _leaves(model: Any, top: str = "") -> Iterator[tuple[tuple[str, str], list[np.ndarray]]]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _leaves(layer, top or layer.name)
        elif layer.weights:
            yield (top or layer.name, layer.name), layer.get_weights()


class Served(keras.layers.Layer):
    """The whole graph of a SavedModel as one layer."""

    def __init__(self, loaded: Any, signature: Any, **more: Any) -> None:
        super().__init__(**more)
        self._loaded, self._signature = loaded, signature
        self._kept = list(signature.variables)

    def call(self, images: Any) -> Any:
        """Return what the graph makes of images."""
        name = next(iter(self._signature.structured_input_signature[1]))
        return next(iter(self._signature(**{name: images}).values()))


def _graph(found: Given) -> keras.Model:
    try:
        loaded = tf.saved_model.load(str(found.path))
        signature = loaded.signatures["serving_default"]
        (taken,) = signature.structured_input_signature[1].values()
        shape = [one or found.size for one in taken.shape.as_list()[1:]]
        image = keras.Input(shape, name="image")
        return keras.Model(image, Served(loaded, signature, name="graph")(image))
    except Exception as error:  # TensorFlow raises what it likes on a damaged folder
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"{found.path} cannot be loaded as a SavedModel: {detail}") from None


def layers(model: keras.Model) -> list[dict[str, Any]]:
    """Return a row a layer: name, kind, output's shape, parameters, MACs, the share of zeros."""
    return [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "output": "×".join(str(one or "any") for one in layer.output_shape[1:]),
            "parameters": int(layer.count_params()),
            "macs": layer_macs(layer),
            "sparsity": sparsity(layer),
        }
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def sparsity(of: keras.Model | keras.layers.Layer) -> float | None:
    """Return the share of zeros in the kernels of a layer or a model; None where it has none."""
    kernels = [weight for weight in of.get_weights() if weight.ndim > 1]
    total = sum(kernel.size for kernel in kernels)
    return 1 - sum(map(np.count_nonzero, kernels)) / total if total else None
