"""`dlmo arena`: what TFLite Micro does with the files of a selection of trials."""

import time
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
    from dlmo.laboratory.arena import Work
    from dlmo.laboratory.nodes import Node


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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is missing.")] = False,
) -> None:
    """Run converted files under TFLite Micro: arena, operators in the way, agreement with LiteRT.

    Nothing is trained or converted; what is measured already is kept. It is no
    latency, so that a busy machine will do.

    \b
    Examples:
      dlmo arena -d cifar10 -n vggnet
      dlmo arena -d cifar10 -n mobilenet_v1,wrn -t NQ,FIQ,QAT --seed 0-2 --dry-run
    """
    from dlmo.laboratory import arena as laboratory

    wanted = ordered(selected(dataset, network, technique, profile, seed, parameter))
    found = laboratory.work(wanted, images)
    _say(found)
    if not dry_run:
        laboratory.measure(found, _Teller(len(found.missing)))
        if found.missing:
            typer.echo(f"measured: {len(found.missing)}")


def _say(found: "Work") -> None:
    for trial, reason in found.unavailable.items():
        typer.echo(f"{trial}  cannot be had: {reason}")
    for trial in found.unmade:
        typer.echo(f"{trial}  its file is not here; make it with: dlmo measure")
    for node in found.missing:
        typer.echo(f"{node.trial}  missing")
    typer.echo(f"in all: {found.done} measured, {len(found.missing)} missing")


class _Teller:
    """Says on standard error which file is measured, how far it is, and how long it has taken."""

    def __init__(self, total: int) -> None:
        self._total, self._at, self._began = total, 0, time.monotonic()

    def __call__(self, node: "Node") -> None:
        self._at += 1
        spent = time.monotonic() - self._began
        typer.echo(f"[{self._at}/{self._total}, {spent:.0f} s] {node.label}", err=True)
