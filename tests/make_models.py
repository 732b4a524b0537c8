"""Keras models of a user, made by Keras 2 and by Keras 3, each in a process of its own.

`folder(cache)` returns the folder with the files. Beside each stands what the Keras that made it
says of the images of `images()`: the reference for everything that reads the file.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

SIZE = 32


def folder(cache: Any) -> Path:
    """Return the folder of the files, kept in pytest's cache."""
    revision = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    place = Path(cache.mkdir(f"models-{revision}"))
    with FileLock(place / "lock"):
        for keras in ("2", "3"):
            if not (place / f"done-{keras}").exists():
                command = [sys.executable, __file__, str(place), keras]
                subprocess.run(command, check=True, capture_output=True)
                (place / f"done-{keras}").touch()
    return place


def images(size: int = SIZE) -> np.ndarray:
    """Return images float32 [20, size, size, 3] between -1 and 1."""
    return np.random.default_rng(0).uniform(-1, 1, (20, size, size, 3)).astype(np.float32)


def functional(keras: Any, size: int = SIZE, classes: int = 10, end: str | None = "softmax") -> Any:
    """Return a model with a branch, a nested model, and batch normalisation that has seen data."""
    layers = keras.layers
    image = keras.Input((size, size, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.MaxPooling2D()(layers.ReLU()(x))
    x = layers.Add()([x, layers.Conv2D(8, 1, activation="relu")(x)])
    inner = keras.Sequential([layers.DepthwiseConv2D(3), layers.Activation("relu")], name="inner")
    x = layers.GlobalAveragePooling2D()(inner(x))
    return moved(keras.Model(image, layers.Dense(classes, activation=end)(x)))


def sequential(keras: Any, end: bool = False) -> Any:
    layers = keras.layers
    last = [layers.Softmax()] if end else []
    stack = [layers.Conv2D(8, 3, strides=4), layers.ReLU(), layers.Flatten(), layers.Dense(10)]
    return moved(keras.Sequential([keras.Input((SIZE, SIZE, 3)), *stack, *last]))


def moved(model: Any) -> Any:
    """Give all weights values that are not their first ones, moving statistics included."""
    dice = np.random.default_rng(1)
    model.set_weights([np.abs(w) + dice.uniform(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def lambdas(keras: Any) -> Any:
    mark = "__import__('os').environ.__setitem__('DLMO_LAMBDA_RAN', '1')"
    image = keras.Input((SIZE, SIZE, 3))
    code = eval(f"lambda x: ({mark}, x * 2.0)[1]")
    x = keras.layers.Lambda(code, output_shape=(SIZE, SIZE, 3))(image)
    return keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(x)))


def keep(place: Path, model: Any, name: str, *files: str) -> None:
    size = model.input_shape[1] or SIZE
    np.save(place / f"{name}.npy", np.asarray(model(images(size))))
    for file in files:
        model.save(place / file)


def main(place: Path, version: str) -> None:
    if version == "2":
        import tf_keras as keras

        keep(place, functional(keras), "keras2", "keras2.h5", "keras2.keras", "keras2-saved")
        keep(place, functional(keras, size=20), "small", "small.h5")
        keep(place, functional(keras, classes=3), "three", "three.h5")
        broken = functional(keras)
        broken.set_weights([np.full_like(w, np.nan) for w in broken.get_weights()])
        broken.save(place / "nan.h5")
        lambdas(keras).save(place / "lambda2.h5")
        functional(keras).save_weights(place / "weights.h5")
    else:
        import keras

        model = functional(keras)
        keep(place, model, "keras3", "keras3.keras", "keras3.h5")
        model.export(place / "keras3-export", verbose=False)
        keep(place, sequential(keras, end=True), "keras3-seq", "keras3-seq.keras")
        lambdas(keras).save(place / "lambda3.keras")


if __name__ == "__main__":
    os.environ["TF_USE_LEGACY_KERAS"] = "1" if sys.argv[2] == "2" else "0"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    main(Path(sys.argv[1]), sys.argv[2])
