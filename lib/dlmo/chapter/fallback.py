"""Floats that stay in an 8-bit file without a word, shown on files that are made for a chapter."""

from collections.abc import Mapping

from dlmo import datasets, deployable, files, paths, recipes
from dlmo.chapter import live
from dlmo.deployable import Deployable
from dlmo.techniques import ConversionName

WAYS: dict[str, ConversionName] = {"without images": "dynamic", "with images": "int8"}
"""How the same fake-quantized network is converted; the first is the toolkit's own way of QAT."""


def converted() -> Mapping[str, Deployable]:
    """Return the file of one fake-quantized network, converted in each of `WAYS`.

    The network is a convolution and a squeeze-and-excite of MobileNet v3, untrained: which
    operators a file holds does not rest on its weights.

    Raises:
        LiveCheckError: the file that was converted with images has a float operator.
    """
    with paths.inside(live.folder()):
        places = {
            way: paths.store() / f"squeeze-and-excite-{way.replace(' ', '-')}.tflite"
            for way in WAYS
        }
        if not all(place.is_file() for place in places.values()):
            for way, made in _made().items():
                files.write_bytes(places[way], made)
        found = {way: deployable.read(place) for way, place in places.items()}
    if deployable.float_operators(found["with images"]):
        raise live.LiveCheckError("a float operator stays though the conversion saw images")
    return found


def _made() -> dict[str, bytes]:
    # TensorFlow only where something is made.
    from dlmo import conversion
    from dlmo.keras_ import keras
    from dlmo.networks.mobilenet_v3 import squeeze_and_excite
    from dlmo.training import compression, steps

    # The live check trains in this process only if the number of threads is its own.
    steps.configure(recipes.profile(live.PROFILE).step("train", "any", ()).threads)
    data = datasets.load(live.DATASET)
    image = keras.Input(data.train.images.shape[1:])
    inside = squeeze_and_excite(keras.layers.Conv2D(8, 3, activation="relu")(image))
    logits = keras.layers.Dense(len(data.classes))(keras.layers.Flatten()(inside))
    simulated = compression.quantize(keras.Model(image, logits))
    images = deployable.Preprocessing().apply(data.train.images[:20])
    return {way: conversion.convert(simulated, how, images) for way, how in WAYS.items()}
