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
    Of a Keras file or SavedModel: its layers, then the same of the files that
    conversion makes of it.

    \\b
    Examples:
      dlmo inspect data/models/cifar10/vggnet/FIQ-*.tflite --tensors
      dlmo inspect my.keras --format json
      dlmo inspect "mine.h5[size=96,lambda=run]"
    """
    path = Path(file.partition("[")[0]).expanduser()
    if not path.exists():
        raise UserError(f"there is no file {path}")
    if path.is_file() and _is_tflite(path):
        said = _finished(path)
    else:
        from dlmo.cli import keras_file

        said = keras_file.inspect(file)
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


def _show(said: dict[str, Any]) -> None:
    from dlmo.cli import tables

    width = max(map(len, said["facts"]))
    for name, value in said["facts"].items():
        typer.echo(f"{name.replace('_', ' '):{width}}  {_plain(value)}")
    for kind in ("layers", "operators", "conversions", "tensors"):
        if said.get(kind):
            typer.echo(f"\n{said.get('of', {}).get(kind, kind)}:")
            rows = [{key: _plain(value) for key, value in row.items()} for row in said[kind]]
            tables.show(
                rows,
                right=(
                    *("weights", "macs", "parameters", "sparsity", "scales"),
                    *("bytes", "zipped_bytes", "float_operators", "microcontroller_ram"),
                ),
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
