"""`dlmo data`: where the data sets are, fetching them, counting them."""

import json
from typing import Annotated

import typer

from dlmo.cli.options import Format
from dlmo.errors import UserError

app = typer.Typer(rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="Name of a data set, or a folder of images.")]
Shape = Annotated[Format, typer.Option("--format", help="How to print it.")]


@app.callback(invoke_without_command=True)
def _data(context: typer.Context) -> None:
    """Say which data sets are here; fetch one; count its images.

    \b
    Examples:
      dlmo data
      dlmo data fetch cifar10
      dlmo data sheet "cifar10[automobile,truck]"
    """
    if context.invoked_subcommand is None:
        status()


@app.command()
def status(shape: Shape = Format.TABLE) -> None:
    """Say for each data set whether it is here, how large it is, and where it lies or would lie."""
    from dlmo import datasets
    from dlmo.cli import tables

    rows = [
        {"dataset": one.name, "here": one.present, "bytes": one.bytes, "where": str(one.where)}
        for one in datasets.status()
    ]
    if shape is Format.JSON:
        typer.echo(json.dumps(rows, indent=1))
    elif shape is Format.CSV:
        tables.csv(rows)
    else:
        said = [
            {
                **row,
                "here": "yes" if row["here"] else "no",
                "bytes": f"{row['bytes']:,}" if row["here"] else "",
            }
            for row in rows
        ]
        tables.show(said, right=("bytes",))


@app.command()
def fetch(name: Name) -> None:
    """Download a data set's official archive, unless it is here, and check it."""
    from dlmo import datasets

    typer.echo(f"{name} is in {datasets.fetch(name)}")


@app.command()
def sheet(name: Name, shape: Shape = Format.TABLE) -> None:
    """Count a data set's images: a row a class, a column a split, and duplicates across splits.

    Below stand the sizes of a folder's images, and which files were left out and why.
    """
    from dlmo import datasets
    from dlmo.chapter import data_sheet
    from dlmo.cli import tables

    if not datasets.available(name):
        raise UserError(f"{name} is not here; fetch it first: dlmo data fetch {name}")
    data = datasets.load(name)
    counted = datasets.sheet(data).reset_index(names="class")
    rows = tables.rows(counted)
    if shape is Format.JSON:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    elif shape is Format.CSV:
        tables.csv(rows)
    else:
        tables.show(rows, right=tuple(counted.columns[1:]))
    for line in (data_sheet.counted(data), *data.notes):
        # What reads JSON or CSV reads rows alone.
        typer.echo(line, err=shape is not Format.TABLE)
