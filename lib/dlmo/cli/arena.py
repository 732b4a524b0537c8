"""`dlmo arena`: what TFLite Micro does with the files of a selection of trials."""

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


def arena(
    dataset: Datasets = None,
    network: Networks = None,
    technique: Techniques = None,
    profile: Profile = "reference",
    seed: Seeds = None,
    parameter: Parameters = None,
    images: Annotated[
        int, typer.Option(min=1, help="Test images that LiteRT classifies, too.")
    ] = 1000,
    dry_run: DryRun = False,
    workers: Workers = None,
) -> None:
    """Run converted files under TFLite Micro: arena, operators in the way, agreement with LiteRT.

    Nothing is trained or converted; what is measured already is kept. It is no
    latency, so that a busy machine will do.

    \b
    Examples:
      dlmo arena -d cifar10 -n vggnet
      dlmo arena -d cifar10 -n mobilenet_v1,wrn -t NQ,FIQ,QAT --seed 0-2 --dry-run
    """
    from dlmo import laboratory

    wanted = ordered(selected(dataset, network, technique, profile, seed, parameter))
    further.measure(wanted, laboratory.arena(images), dry_run=dry_run, workers=workers)
