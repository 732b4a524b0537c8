"""`dlmo replay`: the same files on today's runtime and on that of the paper's day."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from dlmo.cli.options import Datasets, DryRun, Networks, Profile, Seeds, Techniques, seeds, words
from dlmo.errors import UserError, unknown

if TYPE_CHECKING:
    from dlmo.trials import Trial

Seconds = Annotated[
    float,
    typer.Option(
        min=0.5, max=600, help="For one family in one configuration; there are eight of these."
    ),
]


def replay(
    dataset: Datasets = None,
    network: Networks = None,
    technique: Techniques = None,
    profile: Profile = "reference",
    seed: Seeds = None,
    seconds: Seconds = 12.0,
    dry_run: DryRun = False,
) -> None:
    """Time recorded files on four runtimes with one and two threads, alone on the machine.

    The files of one network (and one seed) are timed in turns: on LiteRT with XNNPACK, with its
    built-in and its reference kernels, and on tflite-runtime 2.14.0, which is installed into an
    environment of its own when it is first needed. Then follow the operators of NQ, BLQ, FIQ and
    F16, and the way from a camera's picture to the first choice. What is recorded is not measured
    again; the same command goes on after an interruption. Trainings wait meanwhile.

    \b
    Examples:
      dlmo replay -d cifar10 -n mobilenet_v1
      dlmo replay -d cifar10 -n vggnet -t NQ,BLQ,FIQ --seed 0-2 --dry-run
    """
    from dlmo.laboratory import replay as laboratory

    found = laboratory.families(_selected(dataset, network, technique, profile, seed))
    if not found:
        raise UserError("no recorded files fit the selection; see them by: dlmo records")
    began = time.monotonic()
    for at, family in enumerate(found, 1):
        lacking = laboratory.missing(family)
        first = next(iter(family))
        label = f"[{at}/{len(found)}] {first.dataset}/{first.network} seed {first.seed}"
        typer.echo(
            f"{label}: {lacking} records missing of {len(family)} files", err=dry_run is False
        )
        if dry_run or not lacking:
            continue

        def told(what: str, label: str = label) -> None:
            typer.echo(f"{label} · {time.monotonic() - began:.0f} s · {what}", err=True)

        for note in laboratory.replay(family, seconds=seconds, told=told):
            typer.echo(f"{label}: {note}", err=True)


def _selected(
    dataset: list[str] | None,
    network: list[str] | None,
    technique: list[str] | None,
    profile: str,
    seed: list[str] | None,
) -> "list[Trial]":
    """Return the recorded trials of a selection; a name that no record has is refused."""
    from dlmo import recipes, records
    from dlmo.techniques import technique as named

    found = [one.trial for one in records.every() if isinstance(one, records.Deployable)]
    chosen = {
        "dataset": words(dataset),
        "network": words(network),
        "technique": [named(name).name for name in words(technique)],
    }
    for field, names in chosen.items():
        known = {str(getattr(trial, field)) for trial in found}
        for name in names:
            if name not in known:
                raise unknown(f"{field} among the records", name, known)
    numbers = seeds(seed or ["0"])
    recipes.profile(profile)
    return [
        trial
        for trial in dict.fromkeys(found)
        if all(not names or getattr(trial, field) in names for field, names in chosen.items())
        and trial.profile == profile
        and trial.seed in numbers
        and not trial.overrides
    ]
