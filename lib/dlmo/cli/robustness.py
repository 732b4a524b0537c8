"""`dlmo robustness`: show the files of measured trials corrupted images."""

from typing import Annotated

import typer

from dlmo.cli import further
from dlmo.cli.options import (
    Datasets,
    DryRun,
    Networks,
    Parameters,
    Profile,
    Seeds,
    Techniques,
    Workers,
    ordered,
    selected,
)

Images = Annotated[
    int, typer.Option("--images", min=10, max=100_000, help="How many test images; 75 times each.")
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

    wanted = ordered(selected(dataset, network, technique, profile, seed, parameter))
    further.measure(wanted, laboratory.corrupted(images), dry_run=dry_run, workers=workers)
