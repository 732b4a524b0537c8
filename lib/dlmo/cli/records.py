"""`dlmo records`: what has been measured, as a table, as CSV or as JSON."""

import json
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlmo.cli.options import Datasets, Format, Networks, Techniques, words
from dlmo.errors import UserError, unknown

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(rich_markup_mode=None)

_MAIN = (
    *("dataset", "network", "technique", "profile", "seed", "accuracy", "validation_accuracy"),
    *("bytes", "zipped_bytes", "latency_ratio", "parameters", "nonzero"),
)
_SHARES = ("accuracy", "validation_accuracy", "latency_ratio", "nonzero")
_COUNTS = ("bytes", "zipped_bytes", "parameters")
_KEY = re.compile(r"[0-9a-f]{4,16}")


@app.callback(invoke_without_command=True)
def _records(
    context: typer.Context,
    shape: Annotated[Format, typer.Option("--format", help="How to print them.")] = Format.TABLE,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also what today's recipes would not make, and overridden."),
    ] = False,
    dataset: Datasets = None,
    network: Networks = None,
    technique: Techniques = None,
    profile: Annotated[
        list[str] | None, typer.Option("--profile", metavar="NAME", help="Profile.")
    ] = None,
) -> None:
    """Print the records, a row a trial: accuracy, size, latency ratio, parameters.

    Accuracies and shares are between 0 and 1, sizes in bytes. JSON and CSV have every column.

    \b
    Examples:
      dlmo records --dataset cifar10 --technique NQ,PRQ
      dlmo records --format json --all
      dlmo records show 1f2e3d4c
      dlmo records check
    """
    if context.invoked_subcommand is not None:
        return
    wanted = {"dataset": words(dataset), "network": words(network)}
    wanted |= {"technique": _techniques(technique), "profile": _profiles(profile)}
    _print(_selected(wanted, everything), shape)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="A record's key, or its first digits.")],
) -> None:
    """Print one record: what it was made of, by what, and what it says."""
    from dlmo import paths, records

    if not _KEY.fullmatch(key):
        raise UserError(f"{key!r} is no key; a key has 16 hexadecimal digits, 4 of them will do")
    found = sorted(paths.results().glob(f"*/*/{key}*.json"))
    if not found:
        raise UserError(f"there is no record {key} in {paths.results()}; see: dlmo records --all")
    if len(found) > 1:
        names = ", ".join(file.name.split(".")[0] for file in found[:5])
        raise UserError(f"{len(found)} records begin with {key}: {names}; give more digits")
    typer.echo(json.dumps(records.read(found[0]).model_dump(mode="json"), indent=2))


@app.command()
def check() -> None:
    """Read every record and its predictions; refuse the first that is not what it was."""
    from dlmo import paths, records

    found = records.every()
    kept = [one for one in found if isinstance(one, records.Measurement) and one.predictions]
    for record in kept:
        records.predictions(record)
    typer.echo(
        f"{len(found):,} records and {len(kept):,} files of predictions in {paths.results()}: sound"
    )


def _techniques(given: list[str] | None) -> list[str]:
    from dlmo.techniques import technique

    return [technique(name).name for name in words(given)]


def _profiles(given: list[str] | None) -> list[str]:
    from dlmo import recipes

    known = recipes.names()
    for name in words(given):
        if name not in known:
            raise unknown("profile", name, known)
    return words(given)


def _selected(wanted: dict[str, list[str]], everything: bool) -> "pd.DataFrame":
    from dlmo import records

    asked: dict[str, Any] = {name: values for name, values in wanted.items() if values}
    return records.select(current=not everything, **asked)


def _print(frame: "pd.DataFrame", shape: Format) -> None:
    from dlmo.cli import tables

    if shape is Format.CSV:
        typer.echo(frame.to_csv(index=False), nl=False)
        return
    rows = tables.rows(frame)
    if shape is Format.JSON:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    elif not rows:
        typer.echo("no records; measure some: dlmo measure --help", err=True)
    else:
        tables.show([_short(row) for row in rows], right=(*_COUNTS, *_SHARES, "seed"))


def _short(row: dict[str, Any]) -> dict[str, str]:
    said = {}
    for name in _MAIN:
        value = row[name]
        form = "{:.4f}" if name in _SHARES else "{:,}" if name in _COUNTS else "{}"
        said[name] = "" if value is None else form.format(value)
    if row["overrides"]:
        said["technique"] += f" {{{row['overrides']}}}"
    return said
