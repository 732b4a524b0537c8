"""`dlmo recommend`: which file for which device, and why."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlmo.cli.options import PlanFormat, words
from dlmo.errors import UserError, unknown

if TYPE_CHECKING:
    from dlmo.report.strategy import Advice, Limits

_KB = 1000


def recommend(
    service: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Begin with a service of the paper: low-end, …"),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("-d", "--dataset", metavar="NAME", help="Judge on this one.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, help="How many classes the service tells apart.")
    ] = None,
    flash: Annotated[float | None, typer.Option(min=0, metavar="KB", help="Of the file.")] = None,
    ram: Annotated[float | None, typer.Option(min=0, metavar="KB", help="See --runtime.")] = None,
    latency: Annotated[
        float | None, typer.Option(metavar="RATIO", help="At most, to the network's float file.")
    ] = None,
    accuracy: Annotated[
        float | None, typer.Option(min=0, max=100, metavar="%", help="Least, on validation images.")
    ] = None,
    lacks: Annotated[
        list[str] | None,
        typer.Option(metavar="OPERATOR", help="The device lacks it; repeat, or list with commas."),
    ] = None,
    integers: Annotated[
        bool | None, typer.Option("--integers", help="The device computes with integers only.")
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(metavar="NAME", help="linux (LiteRT) or microcontroller.")
    ] = None,
    profile: Annotated[str, typer.Option(metavar="NAME", help="Set of recipes.")] = "reference",
    shape: Annotated[PlanFormat, typer.Option("--format", help="How to print it.")] = (
        PlanFormat.TEXT
    ),
) -> None:
    """Recommend a measured file for a device: the limits in, the file and the reason out.

    KB are 1000 bytes. RAM is the measured growth of a process (linux), or the
    measured arena of TFLite Micro (microcontroller); where that is not measured,
    the peak of the activations, estimated from the file. The answer says which.

    \b
    Examples:
      dlmo recommend --service low-end
      dlmo recommend --classes 10 --flash 64 --integers
      dlmo recommend -d cifar10 --ram 32 --runtime microcontroller --format json
    """
    given = {
        "dataset": dataset,
        "classes": classes,
        "flash": None if flash is None else round(flash * _KB),
        "ram": None if ram is None else round(ram * _KB),
        "latency": latency,
        "accuracy": None if accuracy is None else accuracy * 0.01,
        "lacking": frozenset(words(lacks)) or None,
        "integers": integers,
        "runtime": runtime,
    }
    limits = _limits(service, {name: value for name, value in given.items() if value is not None})
    _print(limits, _advised(limits, profile), shape)


def _limits(service: str | None, given: dict[str, Any]) -> "Limits":
    from dlmo.report import strategy
    from dlmo.report.candidates import RUNTIMES

    if service is not None and service not in strategy.SERVICES:
        raise unknown("service", service, strategy.SERVICES)
    if given.get("runtime") not in (None, *RUNTIMES):
        raise unknown("runtime", given["runtime"], RUNTIMES)
    if given.get("latency", 1) <= 0:
        raise UserError("--latency is a ratio above 0; 1 is the network's own float file")
    begun = strategy.SERVICES[service].model_dump(exclude_defaults=True) if service else {}
    return strategy.Limits.model_validate({**begun, **given})


def _advised(limits: "Limits", profile: str) -> "Advice":
    from dlmo import recipes, records
    from dlmo.report import strategy

    recipes.profile(profile)
    found = strategy.catalogue(records.select(profile=profile))
    known = {name for one in found.candidates.values() for name in one.operators}
    for name in limits.lacking - known if known else ():
        raise unknown("operator", name, known)
    return strategy.advise(found, limits)


def _print(limits: "Limits", advice: "Advice", shape: PlanFormat) -> None:
    if shape is PlanFormat.JSON:
        said = {"limits": limits.model_dump(mode="json"), **asdict(advice)}
        typer.echo(json.dumps(said, indent=1, ensure_ascii=False))
        return
    typer.echo(advice.sentence)
    for line in (advice.reason, advice.paper):
        if line:
            typer.echo(f"\n{line}")
    if advice.ties:
        typer.echo(f"\nNot told apart from it: {', '.join(advice.ties)}.")
    if advice.changes:
        typer.echo("\nWhat would change the advice:")
    for line in advice.changes:
        typer.echo(f"  {line}")
