"""Small `.tflite` files for the tests, made once by a process of its own, which needs TensorFlow.

`folder(cache)` returns the folder with the files; they are made again when this script changes.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

SHAPE = (16, 16, 3)


def folder(cache: Any) -> Path:
    """Return the folder of the files, kept in pytest's cache."""
    revision = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    place = Path(cache.mkdir(f"deployables-{revision}"))
    with FileLock(place / "lock"):
        if not (place / "done").exists():
            subprocess.run([sys.executable, __file__, str(place)], check=True, capture_output=True)
            (place / "done").touch()
    return place


def network(width: int, hidden: int = 24, *, softmax: bool = False, free: bool = False) -> Any:
    from tf_keras import Sequential, layers, utils

    utils.set_random_seed(3)
    model = Sequential(
        [
            layers.Input(SHAPE, batch_size=None if free else 1),
            layers.Conv2D(width, 3, strides=2, activation="relu"),
            layers.DepthwiseConv2D(3, activation="relu"),
            layers.Conv2D(2 * width, 1, activation="relu"),
            layers.Flatten(),
            layers.Dense(hidden, activation="relu"),
            layers.Dense(10, activation="softmax" if softmax else None),
        ]
    )
    chance = np.random.default_rng(3)
    model.set_weights([w + chance.normal(0, 0.05, w.shape) for w in model.get_weights()])
    return model


def dead() -> Any:
    """Return a network with constant logits: its int8 softmax aborts the reference kernels."""
    from tf_keras import Sequential, layers

    last = layers.Dense(10, activation="softmax", kernel_initializer="zeros")
    return Sequential([layers.Input(SHAPE, batch_size=1), layers.Flatten(), last])


def foreign() -> Any:
    """Return a network with an operation that only TensorFlow itself has."""
    import tensorflow as tf
    from tf_keras import Sequential, layers

    strange = layers.Lambda(
        lambda x: tf.raw_ops.AdjustContrastv2(images=x, contrast_factor=tf.constant(2.0))
    )
    return Sequential(
        [layers.Input(SHAPE, batch_size=1), strange, layers.Flatten(), layers.Dense(10)]
    )


def big() -> Any:
    from tf_keras import Sequential, layers

    wide = [layers.Dense(1536) for _ in range(3)]
    return Sequential(
        [layers.Input(SHAPE, batch_size=1), layers.Flatten(), *wide, layers.Dense(10)]
    )


def pruned(model: Any, share: float) -> Any:
    """Set the smallest `share` of each kernel to zero."""

    def keep(weight: np.ndarray) -> np.ndarray:
        size = np.abs(weight)
        return np.where(size < np.quantile(size, share), 0, weight) if weight.ndim > 1 else weight

    model.set_weights([keep(weight) for weight in model.get_weights()])
    return model


def samples() -> Iterator[list[np.ndarray]]:
    chance = np.random.default_rng(0)
    for _ in range(16):
        yield [chance.uniform(-1, 1, (1, *SHAPE)).astype(np.float32)]


def convert(model: Any, kind: str) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "f16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "encoded":
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    if kind == "foreign":
        converter.optimizations = []
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
    if kind.startswith(("int8", "uint8")):
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if kind.endswith("_io"):
        dtype = tf.int8 if kind == "int8_io" else tf.uint8
        converter.inference_input_type = converter.inference_output_type = dtype
    return converter.convert()


def main(place: Path) -> None:
    plain = network(8)
    sparse = pruned(network(64, 64), 0.8)
    files = {kind: (plain, kind) for kind in ("float", "dynamic", "f16", "int8")}
    files |= {kind: (plain, kind) for kind in ("int8_io", "uint8_io")}
    files |= {"softmax_int8": (network(8, softmax=True), "int8_io")}
    files |= {"free_batch": (network(8, free=True), "float")}
    files |= {"narrow": (network(16, 32), "float"), "wide": (network(64, 128), "float")}
    files |= {"sparse": (sparse, "float"), "sparse_dynamic": (sparse, "dynamic")}
    files |= {"sparse_encoded": (sparse, "encoded")}
    files |= {"dead_int8": (dead(), "int8"), "big": (big(), "float")}
    files |= {"foreign": (foreign(), "foreign")}
    for name, (model, kind) in files.items():
        (place / f"{name}.tflite").write_bytes(convert(model, kind))


if __name__ == "__main__":
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    main(Path(sys.argv[1]))
