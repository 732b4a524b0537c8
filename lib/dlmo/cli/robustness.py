"""`dlmo robustness`: show the files of measured trials corrupted images."""

from typing import TYPE_CHECKING, Annotated

import typer

from dlmo.cli.options import (
    Datasets,
    Networks,
    Parameters,
    Profile,
    Seeds,
    Techniques,
    ordered,
    selected,
)

if TYPE_CHECKING:
    from dlmo.laboratory import Plan
    from dlmo.trials import Trial

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what is missing.")]
Images = Annotated[
    int, typer.Option("--images", min=10, max=100_000, help="How many test images; 75 times each.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Cores to keep busy.  [all]", show_default=False)
]


def robustness(
    dataset: Datasets = None,
    network: Networks = None,
    technique: Techniques = None,
    profile: Profile = "reference",
    seed: Seeds = None,
    parameter: Parameters = None,
    images: Images = 500,
    dry_run: DryRun = False,
    workers: Workers = None,
) -> None:
    """Measure files on corrupted images: 15 kinds of corruption in five severities.

    Files come from measured trials; nothing is trained. What is measured already is kept, so that
    a stopped run goes on. Of several records of a file the report reads the one with the most
    images. Without --technique, the paper's seven.

    \b
    Examples:
      dlmo robustness -d cifar10 -n vggnet --seed 0-4
      dlmo robustness -d cifar10 -n wrn -t NQ,FIQ,PRN --dry-run
    """
    from dlmo import laboratory
    from dlmo.cli import progress

    wanted = ordered(selected(dataset, network, technique, profile, seed, parameter))
    how = laboratory.corrupted(images)
    ready = _ready(laboratory.plan(wanted, how))
    made = laboratory.plan(ready, how)
    typer.echo(f"{len(made.missing)} of {len(ready)} files to measure", err=True)
    if dry_run or not made.missing:
        for node in made.missing:
            typer.echo(node.label)
        return
    with progress.watching({}, workers or 1) as watch:
        laboratory.measure(ready, workers=workers, watch=watch, with_latency=False, instruments=how)


def _ready(made: "Plan") -> "list[Trial]":
    """Return the trials whose files are there, and say of the others that they aren't."""
    ready = []
    for trial in made.trials:
        lacking = [
            node for node in made.missing_for(trial) if not node.label.endswith("· robustness")
        ]
        if trial in made.unavailable:
            typer.echo(f"{trial}: cannot be had: {made.unavailable[trial]}", err=True)
        elif lacking:
            typer.echo(f"{trial}: not measured yet, left out; first: dlmo measure", err=True)
        else:
            ready.append(trial)
    return ready
