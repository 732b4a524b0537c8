"""What is inside a Keras file or SavedModel, and inside what conversion makes of it."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from dlmo import conversion, networks
from dlmo.errors import UserError
from dlmo.files import write_bytes
from dlmo.keras_ import keras
from dlmo.networks import own
from dlmo.report import inspection
from dlmo.report.inspection import Inspection
from dlmo.techniques import ConversionName

_CONVERSIONS: dict[str, ConversionName] = {
    "NQ": "float",
    "BLQ": "dynamic",
    "FIQ": "int8",
    "F16": "f16",
}
_TOLD = (
    *("bytes", "zipped_bytes", "float_operators", "xnnpack", "microcontroller_ram"),
    *("microcontroller_refuses", "litert_refuses"),
)
"""What is told of each conversion."""


def inspect(file: str) -> dict[str, Any]:
    """Return facts and rows of a model's file, which may have options in brackets.

    Raises:
        UserError: it is damaged, or holds a Lambda layer that may not be executed.
    """
    base, bracket, options = file.partition("[")
    # What the input expects changes nothing that is shown.
    name = f"{base}[preprocessing=raw{',' if bracket else ']'}{options}"
    model = own.build(name)
    found = {technique: _converted(model, how) for technique, how in _CONVERSIONS.items()}
    plain = found["NQ"]
    return {
        "facts": _facts(own.given(name).path, model),
        "layers": own.layers(model),
        "operators": plain.operators if isinstance(plain, Inspection) else [],
        "conversions": [_line(technique, one) for technique, one in found.items()],
        "tensors": plain.tensors if isinstance(plain, Inspection) else [],
        "of": {
            "operators": "operators of NQ, its float file",
            "conversions": "conversions (FIQ's ranges are those of random images)",
            "tensors": "tensors of NQ",
        },
    }


def _facts(path: Path, model: keras.Model) -> dict[str, Any]:
    weights = model.get_weights()
    return {
        "bytes": sum(one.stat().st_size for one in own.files(path)),
        "parameters": networks.parameters(model),
        "not_finite": int(sum(np.count_nonzero(~np.isfinite(weight)) for weight in weights)),
        "macs": networks.macs(model),
        "sparsity": own.sparsity(model),
        "weights": sorted({str(weight.dtype) for weight in weights}),
        "input": list(model.input_shape[1:]),
        "output": list(model.output_shape[1:]),
    }


def _converted(model: keras.Model, how: ConversionName) -> Inspection | str:
    """Return what is inside a model's conversion, or why there is none."""
    shape = model.input_shape[1:]
    images = np.random.default_rng(0).uniform(0, 1, (8, *shape)).astype(np.float32)
    try:
        content = conversion.convert(model, how, images)
    except Exception as error:  # the converter's own errors are of many kinds
        return " ".join(str(error).split())[:120] or type(error).__name__
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model.tflite"
        write_bytes(place, content)
        try:
            return inspection.inspect(place)
        except UserError as error:
            return str(error)


def _line(technique: str, found: Inspection | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"technique": technique} | dict.fromkeys(_TOLD) | {"litert_refuses": found}
    return {"technique": technique} | {name: found.facts.get(name) for name in _TOLD}
