"""A measured file as a device's developer takes it: model, C array, labels, code, model card."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from dlmo import deployable, microcontroller, records
from dlmo.deployable import Preprocessing, Tensor
from dlmo.errors import UserError
from dlmo.files import write_bytes
from dlmo.report import arenas, statistics, text
from dlmo.report.comparison_tables import title

_TEMPLATES = Path(__file__).with_name("templates")
_TYPES = {"float32": "float", "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t"}
_A_LINE = 12


def export(record: records.Deployable, labels: tuple[str, ...], folder: Path) -> list[Path]:
    """Write everything that is needed to use a file elsewhere.

    Args:
        record: of the file.
        labels: the classes' names in the order of the outputs.
        folder: is made; must be empty if it is there.

    Returns:
        What was written.

    Raises:
        UserError: the file isn't at hand or isn't its record's, or the folder is not empty.
    """
    content = _content(record)
    held = deployable.read(content)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty; name a folder that is, or that is not there yet")
    made = {
        "model.tflite": content,
        "model_data.c": "".join(_c_array(content)).encode(),
        "model_data.h": _HEADER.encode(),
        "labels.txt": "".join(f"{label}\n" for label in labels).encode(),
        "predict.py": _python(record, held.inputs[0]).encode(),
        "preprocess.h": _c_code(record, held.inputs[0], len(labels)).encode(),
        "MODEL_CARD.md": _card(record, held, labels).encode(),
        "record.json": json.dumps(record.model_dump(mode="json"), indent=1).encode(),
    }
    for name, data in made.items():
        write_bytes(folder / name, data)
    return [folder / name for name in made]


def _content(record: records.Deployable) -> bytes:
    place = records.kept(record.key)
    if place is None:
        raise UserError(f"the file of {record.trial} is not here; make it: {_again(record)}")
    content = place.read_bytes()
    if records.sha256(content) != record.sha256:
        raise UserError(
            f"{place} is not the file of its record; delete it and run: {_again(record)}"
        )
    return content


def _again(record: records.Deployable) -> str:
    trial = record.trial
    words = [f"-d {trial.dataset!r}", f"-n {trial.network!r}", f"-t {trial.technique}"]
    words += [f"--profile {trial.profile}", f"-s {trial.seed}"]
    words += [f"-p {name}={value}" for name, value in trial.overrides]
    return " ".join(["dlmo measure", *words])


# C ------------------------------------------------------------------------------------------------

_HEADER = """\
#ifndef DLMO_MODEL_DATA_H
#define DLMO_MODEL_DATA_H

extern const unsigned char dlmo_model[];
extern const unsigned int dlmo_model_bytes;

#endif
"""


def _c_array(content: bytes) -> Iterator[str]:
    """Yield a C file that holds the bytes; a runtime wants them aligned to 16."""
    yield '/* model.tflite as an array. */\n#include <stdalign.h>\n#include "model_data.h"\n\n'
    yield "alignas(16) const unsigned char dlmo_model[] = {\n"
    for start in range(0, len(content), _A_LINE):
        line = ", ".join(f"0x{byte:02x}" for byte in content[start : start + _A_LINE])
        yield f"  {line},\n"
    yield f"}};\nconst unsigned int dlmo_model_bytes = {len(content)};\n"


def _c_code(record: records.Deployable, source: Tensor, classes: int) -> str:
    scale, offset = _numbers(record.preprocessing)
    return _filled(
        "preprocess.h",
        height=source.shape[1],
        width=source.shape[2],
        classes=classes,
        type=_TYPES.get(source.dtype, "float"),
        scale=", ".join(map(repr, scale)),
        offset=", ".join(map(repr, offset)),
        assign=_assign(source),
    )


def _assign(source: Tensor) -> str:
    """Return the statement that turns a real value into the input's type."""
    if source.is_float:
        return "input[i] = value;"
    limits = np.iinfo(source.dtype)
    step = float(source.scale[0]) if len(source.scale) else 1.0
    zero = int(source.zero_point[0]) if len(source.zero_point) else 0
    rounded = f"round((double)value / {step!r}) + {zero}"
    clipped = f"fmin(fmax({rounded}, {limits.min}), {limits.max})"
    return f"input[i] = (dlmo_input_t){clipped};"


# Python -------------------------------------------------------------------------------------------


def _python(record: records.Deployable, source: Tensor) -> str:
    scale, offset = _numbers(record.preprocessing)
    height, width = source.shape[1:3]
    logits = record.output == "logits"
    return _filled(
        "predict.py", height=height, width=width, scale=scale, offset=offset, logits=logits
    )


def _numbers(said: Preprocessing) -> tuple[list[float], list[float]]:
    """Return scale and offset, one for each channel."""
    return (
        np.broadcast_to(said.scale, 3).tolist(),
        np.broadcast_to(said.offset, 3).tolist(),
    )


def _filled(name: str, **values: object) -> str:
    template = Template((_TEMPLATES / f"{name}.txt").read_text("utf-8"))
    return template.substitute({key: str(value) for key, value in values.items()})


# The card -----------------------------------------------------------------------------------------


def _card(record: records.Deployable, held: deployable.Deployable, labels: tuple[str, ...]) -> str:
    trial, made = record.trial, record.provenance
    row = _row(record)
    need = microcontroller.need(held)
    facts = {
        "Technique": trial.technique,
        "Network": title(trial.network),
        "Dataset": f"{title(trial.dataset)}, {len(labels)} classes",
        "Recipes, seed": f"profile {trial.profile}, seed {trial.seed}",
        "File": f"{text.kilobytes(record.bytes)}, SHA-256 `{record.sha256}`",
        "Test accuracy": _accuracy(row),
        "Validation accuracy": _share(row, "validation_accuracy"),
        "Latency": _latency(row),
        "Memory of a process": _memory(row),
        "RAM of a microcontroller": _micro(record.key, held, need),
        "Parameters, multiplications": f"{held.parameters:,}, {held.macs:,} an inference",
        "Weights that are zero": text.percent(held.sparsity),
        "Operators": ", ".join(f"{name} {count}" for name, count in record.operators.items()),
        "Input": f"{_end(held.inputs[0])}; see preprocess.h and predict.py",
        "Output": f"{_end(held.outputs[0])}, {record.output}",
        "Made with": ", ".join(f"{name} {version}" for name, version in made.versions.items()),
        "Made by": f"commit `{made.commit}`, {made.started}",
        "Record": f"`{record.key}`, in record.json",
        "Make it again": f"`{_again(record)}`",
    }
    lines = [f"# {trial.technique} of {title(trial.network)} on {title(trial.dataset)}", ""]
    lines += ["| | |", "| --- | --- |", *(f"| {name} | {said} |" for name, said in facts.items())]
    return "\n".join([*lines, "", _USE, ""])


def _end(tensor: Tensor) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}"


_USE = """\
It classifies images like those of its dataset; on others nothing is known of it. The probabilities
are not calibrated. Accuracy was measured with LiteRT's XNNPACK kernels: other kernels may round
otherwise."""


def _row(record: records.Deployable) -> dict[str, Any]:
    """Return what is measured of a file, by column of `records.table`."""
    table = records.table()
    found = table[table["deployable_key"] == record.key].dropna(axis="columns")
    return {str(name): value for name, value in found.iloc[0].items()} if len(found) else {}


def _accuracy(row: Mapping[str, Any]) -> str:
    measured = records.find(str(row.get("accuracy_key")))
    if not isinstance(measured, records.Measurement):
        return text.MISSING
    images = int(measured.values["test_images"])
    over = statistics.wilson(round(float(row["accuracy"]) * images), images)
    interval = f"{text.percent(over.low)} to {text.percent(over.high)}"
    return f"{text.percent(over.estimate)} ({interval}) of {images:,} images"


def _share(row: Mapping[str, Any], name: str) -> str:
    return text.percent(float(row[name])) if name in row else text.MISSING


def _latency(row: Mapping[str, Any]) -> str:
    if "latency_ratio" not in row:
        return text.MISSING
    return f"{text.ratio(float(row['latency_ratio']))} times that of the float file (XNNPACK)"


def _memory(row: Mapping[str, Any]) -> str:
    if "memory" not in row:
        return text.MISSING
    return f"{text.kilobytes(float(row['memory']))} more, once it runs"


def _micro(key: str, held: deployable.Deployable, need: microcontroller.Need) -> str:
    measured = arenas.read().of(key)
    if measured is None:
        refusal = microcontroller.refusal(held)
        return refusal or f"{text.kilobytes(need.arena)} of arena, estimated from the file"
    if measured.bytes is None:
        return str(measured.refusal)
    return f"{text.kilobytes(measured.bytes)}, the measured arena of {measured.runtime}"
