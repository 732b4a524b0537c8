"""`dlmo reproduce`: train a trial again from its recipe and compare with its record."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlmo.cli import costs
from dlmo.cli.options import PlanFormat

if TYPE_CHECKING:
    from dlmo.laboratory import Plan
    from dlmo.laboratory.reproduce import Reproduction


def reproduce(
    trial: Annotated[
        str, typer.Argument(help="As dataset/network/technique/profile/seed, {key=value} behind.")
    ],
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Cores to keep busy.  [all]", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, however long.")] = False,
    shape: Annotated[PlanFormat, typer.Option("--format", help="How to print it.")] = (
        PlanFormat.TEXT
    ),
) -> None:
    """Train a trial, and all that it stands on, again; records and models stay as they are.

    With the instruction sets and the versions of the record, the predictions must be equal.
    Elsewhere the new accuracy is held against the interval in which the recorded seeds predict
    one more. The exit code is 1 if it is not as it must be.

    \b
    Examples:
      dlmo reproduce cifar10/vggnet/NQ/reference/0
      dlmo reproduce "digits/vggnet/PRN/smoke/0{sparsity=0.5}"
    """
    from psutil import cpu_count

    from dlmo import trials
    from dlmo.cli import progress
    from dlmo.laboratory.reproduce import reproduce as again

    wanted, cores = trials.parse(trial), workers or cpu_count() or 1

    def agreed(made: "Plan") -> bool:
        return _agreed(made, cores, yes)

    with progress.watching({}, cores) as watch:
        found = again(wanted, workers=cores, watch=watch, agreed=agreed)
    if found is None:
        return
    typer.echo(json.dumps(_row(found), indent=1) if shape is PlanFormat.JSON else _said(found))
    if found.failed:
        raise typer.Exit(1)


def _agreed(made: "Plan", cores: int, yes: bool) -> bool:
    from dlmo.laboratory import cost

    if yes or cost.brief(made):
        return True
    found = costs.estimate(made)
    typer.echo(costs.said(made, found, cores), err=True)
    return costs.agreed(made, found, cores, yes)


def _said(found: "Reproduction") -> str:
    from dlmo.report import text

    one, other = text.percent(found.recorded, 2), text.percent(found.again, 2)
    predictions = found.predictions
    said = [f"{found.trial}: accuracy {other}, recorded {one}"]
    if predictions.equal:
        said.append(f"equal: the same class and probability for {predictions.images:,} images")
        return "\n".join(said)
    said.append(
        f"another class for {predictions.others:,} of {predictions.images:,} images "
        f"({text.percent(predictions.share, 2)})"
    )
    return "\n".join([*said, _verdict(found)])


def _verdict(found: "Reproduction") -> str:
    from dlmo.report import text

    if not found.apart:
        return "DIFFERS: same seed, threads, instruction sets and versions must give the same"
    apart = "; ".join(found.apart)
    if found.inside is None:
        return f"not judged: one recorded seed predicts nothing, and this is another place: {apart}"
    low, high = text.percent(found.expected.low, 2), text.percent(found.expected.high, 2)
    seeds = text.count(found.expected.n, "seed")
    where = "inside" if found.inside else "OUTSIDE"
    return f"{where} the interval that {seeds} predict ({low} to {high}); another place: {apart}"


def _row(found: "Reproduction") -> dict[str, Any]:
    judged = found.inside is not None
    return {
        "trial": str(found.trial),
        "verdict": found.word,
        "accuracy": found.again,
        "recorded_accuracy": found.recorded,
        "images": found.predictions.images,
        "differ": found.predictions.others,
        "apart": list(found.apart),
        "predicted": [found.expected.low, found.expected.high] if judged else None,
        "seeds": found.expected.n,
    }
