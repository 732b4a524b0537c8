"""What verbs share that show files which are there to one more instrument."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from dlmo.laboratory.plan import Plan, Settings
    from dlmo.trials import Trial


def measure(wanted: "list[Trial]", how: "Settings", *, dry_run: bool, workers: int | None) -> None:
    """Measure the files of some trials, or list what is missing; nothing is trained or converted.

    Args:
        wanted: the trials; those without a file are named and left out.
        how: the instrument with its settings; see `laboratory.plan`.
        dry_run: only list.
        workers: cores to keep busy; by default all.
    """
    from dlmo import laboratory
    from dlmo.cli import progress

    made = laboratory.plan(wanted, how)
    ready = made.filed()
    _say_left_out(made, ready)
    missing = [node for trial in ready for node in made.missing_for(trial)]
    typer.echo(f"{len(missing)} of {len(ready)} files to measure", err=True)
    if dry_run or not missing:
        for node in missing:
            typer.echo(node.label)
        return
    with progress.watching({}, workers or 1) as watch:
        laboratory.measure(ready, workers=workers, watch=watch, with_latency=False, instruments=how)


def _say_left_out(made: "Plan", ready: "list[Trial]") -> None:
    for trial in made.trials:
        if trial in made.unavailable:
            typer.echo(f"{trial}: cannot be had: {made.unavailable[trial]}", err=True)
        elif trial not in ready:
            typer.echo(f"{trial}: not measured yet, left out; first: dlmo measure", err=True)
