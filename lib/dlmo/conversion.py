"""Weights to deployable: the four conversions of the TFLite converter, with a fixed batch of 1."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dlmo.keras_ import keras, quiet, tf
from dlmo.techniques import ConversionName


def convert(
    model: keras.Model, conversion: ConversionName, calibration: np.ndarray | None = None
) -> bytes:
    """Return the bytes of the `.tflite` file.

    Args:
        model: plain, or fake-quantized by QAT; takes float32 [b, h, w, 3], returns logits.
        conversion: float, dynamic (BLQ), int8 (FIQ, QAT) or f16 (paper, Section 3.1).
        calibration: float32 [n, h, w, 3], preprocessed as the deployable's input will be and not
            augmented; int8 needs it. QAT needs it, too: what no fake quantizer covers would
            silently stay float.

    Raises:
        ValueError: int8 without calibration.
    """
    converter = _converter(model)
    _OPTIONS[conversion](converter, calibration)
    with quiet():
        return bytes(converter.convert())


def calibrated(content: bytes, calibration: np.ndarray) -> bytes:
    """Return the int8 file (FIQ) of a float file: what `convert` makes of the weights in it.

    The converter, too, makes a float file first, and this is the rest of its way; what that has
    for such a file is not public. What the converter notes of how it was called stays as it was.

    Args:
        content: a float `.tflite` of this converter, with a fixed batch of 1.
        calibration: as for `convert`.
    """
    from tensorflow.lite.python import convert as converting
    from tensorflow.lite.python.optimize import calibrator
    from tensorflow.lite.tools import flatbuffer_utils

    observer = calibrator.Calibrator(calibrator.add_intermediate_tensors(content))
    images = tf.lite.RepresentativeDataset(_one_by_one(calibration)).input_gen
    with quiet():
        ranged = observer.calibrate(images)
        made = flatbuffer_utils.convert_bytearray_to_object(
            bytearray(converting.mlir_quantize(ranged))
        )
    return bytes(flatbuffer_utils.convert_object_to_bytearray(made))


def calibration_images(images: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return some of the images [n, h, w, 3], drawn without repetition; all, if they are few."""
    drawn = np.random.default_rng(seed).permutation(len(images))[:samples]
    return images[np.sort(drawn)]


def _converter(model: keras.Model) -> Any:
    image = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, "image")
    served = tf.Module()
    served.logits = tf.function(
        lambda image: {"logits": model(image, training=False)}, input_signature=[image]
    )
    traced = served.logits.get_concrete_function()
    # Not the model: the converter saves what it is given, and with a model each of its layers.
    # That took three to four times as long for ResNet-8, and about a gigabyte more for ResNet101.
    served.kept = traced.variables
    return tf.lite.TFLiteConverter.from_concrete_functions([traced], served)


def _dynamic(converter: Any, _: np.ndarray | None) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _f16(converter: Any, _: np.ndarray | None) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _int8(converter: Any, calibration: np.ndarray | None) -> None:
    if calibration is None:
        raise ValueError("int8 needs calibration images")

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _one_by_one(calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def _one_by_one(images: np.ndarray) -> Callable[[], Iterator[list[np.ndarray]]]:
    def representative() -> Iterator[list[np.ndarray]]:
        for image in images:
            yield [image[np.newaxis]]

    return representative


_OPTIONS: dict[ConversionName, Callable[[Any, np.ndarray | None], None]] = {
    "float": lambda converter, _: None,
    "dynamic": _dynamic,
    "int8": _int8,
    "f16": _f16,
}
