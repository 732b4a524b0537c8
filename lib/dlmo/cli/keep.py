"""`dlmo keep`: put deployables where readers download and reviewers re-measure them."""

from typing import Annotated

import typer

from dlmo.cli.options import Datasets, Networks, Parameters, Profile, Seeds, Techniques, selected


def keep(
    dataset: Datasets = None,
    network: Networks = None,
    technique: Techniques = None,
    profile: Profile = "reference",
    seed: Seeds = None,
    parameter: Parameters = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Keep their weights too, for later trials.")
    ] = False,
) -> None:
    """Copy the deployables of measured trials into data/models/, and list all that are there.

    Files of more than 7 MB stay out: `dlmo measure` makes them again.

    \b
    Example:
      dlmo keep -d cifar10 -n vggnet -t NQ,FIQ,PRQ --seed 0-4
    """
    from dlmo.laboratory.keep import keep as copy

    kept = copy(selected(dataset, network, technique, profile, seed, parameter), weights=weights)
    typer.echo(f"{len(kept)} files kept")
