"""`dlmo inspect`: what is inside a model's file."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dlmo.cli.options import PlanFormat
from dlmo.errors import UserError


def inspect(
    file: Annotated[str, typer.Argument(help="A .tflite, an .h5, a .keras or a SavedModel.")],
    tensors: Annotated[
        bool, typer.Option("--tensors", help="Also every tensor and its quantization.")
    ] = False,
    shape: Annotated[PlanFormat, typer.Option("--format", help="How to print it.")] = (
        PlanFormat.TEXT
    ),
) -> None:
    """Show what a model's file holds, without running it.

    Of a .tflite: operators, parameters, multiply-accumulates, sizes, sparsity,
    quantization, what XNNPACK would run, and what a microcontroller would need.
    Of a Keras file: its layers.

    \\b
    Examples:
      dlmo inspect data/models/cifar10/vggnet/FIQ-*.tflite --tensors
      dlmo inspect my.keras --format json
    """
    path = Path(file)
    if not path.exists():
        raise UserError(f"there is no file {file}")
    said = _finished(path) if path.is_file() and _is_tflite(path) else _keras(file)
    if not tensors:
        said.pop("tensors", None)
    if shape is PlanFormat.JSON:
        typer.echo(json.dumps(said, indent=1, ensure_ascii=False))
    else:
        _show(said)


def _is_tflite(path: Path) -> bool:
    if path.suffix.lower() == ".tflite":
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(8)[4:] == b"TFL3"
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None


def _finished(path: Path) -> dict[str, Any]:
    from dlmo.report import inspection

    found = inspection.inspect(path)
    return {"facts": found.facts, "operators": found.operators, "tensors": found.tensors}


def _keras(file: str) -> dict[str, Any]:
    from dlmo import networks
    from dlmo.networks import own

    model = own.build(f"{file}[preprocessing=raw]")
    facts = {
        "parameters": networks.parameters(model),
        "macs": networks.macs(model),
        "input": list(model.input_shape[1:]),
        "output": list(model.output_shape[1:]),
    }
    return {"facts": facts, "layers": own.layers(model)}


def _show(said: dict[str, Any]) -> None:
    from dlmo.cli import tables

    width = max(map(len, said["facts"]))
    for name, value in said["facts"].items():
        typer.echo(f"{name.replace('_', ' '):{width}}  {_plain(value)}")
    for kind in ("operators", "layers", "tensors"):
        if said.get(kind):
            typer.echo()
            rows = [{key: _plain(value) for key, value in row.items()} for row in said[kind]]
            tables.show(
                rows, right=("weights", "macs", "parameters", "sparsity", "bytes", "scales")
            )


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1%}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
