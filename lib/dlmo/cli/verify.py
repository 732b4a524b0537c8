"""`dlmo verify`: measure the kept files again and compare with the records."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlmo.cli.options import (
    Datasets,
    Format,
    Networks,
    Parameters,
    Seeds,
    Techniques,
    Workers,
    pairs,
    seeds,
    words,
)

if TYPE_CHECKING:
    from dlmo.review import Verdict
    from dlmo.trials import Trial


def verify(
    dataset: Datasets = None,
    network: Networks = None,
    technique: Techniques = None,
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="Set of recipes.  [all]")
    ] = None,
    seed: Seeds = None,
    parameter: Parameters = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Classify the test images again.")
    ] = True,
    validation: Annotated[
        bool, typer.Option("--validation", help="The validation images, too.")
    ] = False,
    latency: Annotated[
        bool, typer.Option("--latency", help="Time the files again, alone on the machine.")
    ] = False,
    workers: Workers = None,
    shape: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """Measure the files in data/models/ again and compare them with their records.

    Bytes, contents and predictions must be equal; where kernels or instruction sets are others
    than the record's, the share of predictions that differ is reported. Without a selection,
    everything is checked. The exit code is 1 if something differs.

    \b
    Examples:
      dlmo verify
      dlmo verify -d cifar10 -n vggnet -t NQ,FIQ --seed 0-2 --validation
      dlmo verify --no-images --format json
    """
    from dlmo import review

    wanted = _selected(dataset, network, technique, profile, seed, parameter)
    verdicts = review.verify(
        wanted, images=images, validation=validation, latency=latency, workers=workers
    )
    _print(verdicts, shape)
    if any(verdict.differs for verdict in verdicts):
        raise typer.Exit(1)


def _selected(
    dataset: list[str] | None,
    network: list[str] | None,
    technique: list[str] | None,
    profile: str | None,
    seed: list[str] | None,
    parameter: list[str] | None,
) -> "list[Trial] | None":
    """Return the recorded trials of a selection, None for all; names are checked first."""
    from dlmo import recipes
    from dlmo.techniques import technique as named

    chosen: dict[str, set[Any]] = {
        "dataset": set(words(dataset)),
        "network": set(words(network)),
        "technique": {named(name).name for name in words(technique)},
        "profile": {recipes.profile(profile).name} if profile else set(),
        "seed": set(seeds(seed or [])),
    }
    changed = {key: recipes.value(word) for key, word in pairs(parameter).items()}
    overrides = recipes.parse_overrides(changed)
    if not any(chosen.values()) and not changed:
        return None
    return [
        trial
        for trial in _recorded()
        if all(not values or getattr(trial, name) in values for name, values in chosen.items())
        and (not changed or trial.overrides == overrides)
    ]


def _recorded() -> "set[Trial]":
    """Return the trials of all deployables whose records can be read at all."""
    from dlmo import paths, records
    from dlmo.errors import UserError

    found = set()
    for file in paths.results().glob("*/*/*.deployable.json"):
        try:
            found.add(records.read(file).trial)
        except UserError:
            continue
    return found


def _print(verdicts: "list[Verdict]", shape: Format) -> None:
    from dlmo.cli import tables

    if shape is Format.JSON:
        typer.echo(json.dumps([one.row() for one in verdicts], indent=1, ensure_ascii=False))
        return
    rows = [_row(one) for one in verdicts]
    if shape is Format.CSV:
        tables.csv(rows)
        return
    tables.show(rows)
    for one in verdicts:
        for check in one.checks:
            if check.equal is not True:
                typer.echo(f"{one.trial or one.file}: {check.name}: {check.said}")
    _sum_up(verdicts)


def _row(verdict: "Verdict") -> dict[str, str]:
    from dlmo.review import COLUMNS

    cells: dict[str, list[str]] = {name: [] for name in COLUMNS}
    for check in verdict.checks:
        cells[check.name].append(check.cell)
    said = {name: ", ".join(dict.fromkeys(found)) for name, found in cells.items()}
    return {"trial": verdict.trial or verdict.file, **said, "verdict": verdict.word}


def _sum_up(verdicts: "list[Verdict]") -> None:
    counts: dict[str, int] = {}
    for one in verdicts:
        counts[one.word] = counts.get(one.word, 0) + 1
    said = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
    typer.echo(f"in all: {said}")
    if "not kept" in counts:
        typer.echo("what is not kept only a new training can check: dlmo reproduce TRIAL")
