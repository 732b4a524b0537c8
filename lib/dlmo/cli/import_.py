"""`dlmo import`: take what a board of one's own measured."""

from pathlib import Path
from typing import Annotated

import typer

from dlmo.cli.options import words

File = Annotated[Path, typer.Argument(metavar="FILE", help="A log or a CSV.", show_default=False)]
Name = Annotated[str, typer.Option("--board", metavar="NAME", help="The board and its processor.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--instruction-set", metavar="NAME", help="Such as neon; repeat, or with commas."),
]
System = Annotated[str, typer.Option(metavar="NAME", help="Operating system and architecture.")]
Runtime = Annotated[
    str, typer.Option(metavar="NAME", help="Runtime and version, for benchmark_model's output.")
]


def import_(
    file: File,
    board: Name,
    instruction_set: Sets = None,
    system: System = "Linux aarch64",
    runtime: Runtime = "LiteRT benchmark_model",
) -> None:
    """Add a board's latencies to the records, so that they stand beside ours.

    FILE is the output of LiteRT's benchmark_model (several runs may follow each other), or a CSV
    with the columns deployable, runtime, kernels, threads and milliseconds; it may have the columns
    load_milliseconds, first_milliseconds, p99_milliseconds, deviation_milliseconds and runs. A
    deployable is named by its key or by its file's name in data/models.

    \b
    Examples:
      dlmo import pi.log --board "Raspberry Pi 5" --instruction-set neon,asimd,asimddp
      dlmo import board.csv --board "STM32MP157" --instruction-set neon --system "Linux armv7l"
    """
    from dlmo.instruments import device

    on = device.board(board, words(instruction_set), system)
    found = device.read(file, on, runtime)
    new, old = device.add(found)
    typer.echo(f"{new} new records of {on.name}, {old} were there already")
