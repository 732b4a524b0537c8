"""`dlmo measure`: make what a selection of trials misses, or say what that would be."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlmo.cli import costs as words_of_cost
from dlmo.cli.options import (
    Datasets,
    Networks,
    Parameters,
    PlanFormat,
    Profile,
    Seeds,
    Techniques,
    Workers,
    ordered,
    selected,
)
from dlmo.durations import duration
from dlmo.errors import UserError

if TYPE_CHECKING:
    from dlmo.laboratory import Plan
    from dlmo.trials import Trial

Chapter = Annotated[
    str | None, typer.Option(metavar="NAME", help="The trials that a chapter shows.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what is missing, and its cost.")]
Shape = Annotated[PlanFormat, typer.Option("--format", help="Of --dry-run.")]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler, tcp://host:port.")
]
Latency = Annotated[bool, typer.Option("--latency/--no-latency", help="Measure latencies too.")]
Cost = Annotated[bool, typer.Option("--cost/--no-cost", help="Time a few steps to tell the cost.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, however long it takes.")]


def measure(
    dataset: Datasets = None,
    network: Networks = None,
    technique: Techniques = None,
    profile: Profile = "reference",
    seed: Seeds = None,
    parameter: Parameters = None,
    chapter: Chapter = None,
    dry_run: DryRun = False,
    shape: Shape = PlanFormat.TEXT,
    workers: Workers = None,
    scheduler: Scheduler = None,
    latency: Latency = True,
    cost: Cost = True,
    yes: Yes = False,
) -> None:
    """Train, convert and measure what a selection of trials misses; what exists is kept.

    Without --technique, the paper's seven are measured. -p changes a recipe, in every step
    (-p sparsity=0.5) or in one (-p train.epochs=3).

    \b
    Examples:
      dlmo measure -d digits -n vggnet -t NQ,BLQ --profile smoke
      dlmo measure -d cifar10 -n vggnet -n wrn --seed 0-2 --dry-run
      dlmo measure -d "cifar10[automobile,truck]" -n vggnet -t PRN -p sparsity=0.9
    """
    if chapter:
        _refuse_both(dataset, network, technique, seed, parameter)
        wanted = _of_chapter(chapter)
    else:
        wanted = selected(dataset, network, technique, profile, seed, parameter)
    wanted = ordered(_with_baselines(wanted) if latency else wanted)
    made, late = _planned(wanted, latency)
    found = words_of_cost.estimate(made) if cost else {}
    cores = workers or _cores()
    if dry_run:
        _tell(made, late, found, cores, shape)
    elif words_of_cost.agreed(made, found, cores, yes):
        _work(made, late, found, cores, scheduler)


def _refuse_both(*selection: list[str] | None) -> None:
    if any(selection):
        raise UserError("--chapter selects trials itself; leave out the other selections")


def _of_chapter(name: str) -> "list[Trial]":
    from dlmo.cli import chapters

    return chapters.required(name)


def _with_baselines(wanted: "list[Trial]") -> "list[Trial]":
    """Put before each trial its NQ: a latency is a ratio to NQ."""
    return list(dict.fromkeys(each for trial in wanted for each in (trial.sibling("NQ"), trial)))


def _planned(wanted: "list[Trial]", latency: bool) -> "tuple[Plan, list[Trial]]":
    """Return the plan, and the trials whose latency is to be measured."""
    from dlmo import laboratory
    from dlmo.laboratory import cost
    from dlmo.laboratory.latency import plan

    if not latency:
        return laboratory.plan(wanted), []
    made = plan(wanted)
    return made, cost.untimed(made)


def _cores() -> int:
    from psutil import cpu_count

    return cpu_count() or 1


def _tell(
    made: "Plan", late: "list[Trial]", costs: dict[str, float], cores: int, shape: PlanFormat
) -> None:
    rows = _rows(made, late, costs)
    if shape is PlanFormat.JSON:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    width = max(len(row["trial"]) for row in rows)
    for row in rows:
        typer.echo(f"{row['trial']:{width}}  {_state(row)}")
    typer.echo(f"in all: {words_of_cost.said(made, costs, cores)}")


def _state(row: dict[str, Any]) -> str:
    if row["state"] == "unavailable":
        return f"cannot be had: {row['reason']}"
    if row["state"] == "measured":
        return "measured"
    cost = "" if row["seconds"] is None else f", about {duration(row['seconds'])}"
    return f"missing: {', '.join(row['missing'])}{cost}"


def _rows(made: "Plan", late: "list[Trial]", costs: dict[str, float]) -> list[dict[str, Any]]:
    """Return a row a trial; what several of them need stands with the first."""
    told: set[str] = set()
    rows = []
    for trial in made.trials:
        own = [node for node in made.missing_for(trial) if node.key not in told]
        shared = [node for node in made.missing_for(trial) if node.key in told]
        told |= {node.key for node in own}
        names = [_part(node.label) for node in own] + ["latency"] * (trial in late)
        names += [f"(with another: {_part(node.label)})" for node in shared]
        known = [costs[node.key] for node in own if node.key in costs]
        rows.append(
            {
                "trial": str(trial),
                **trial.model_dump(mode="json"),
                "state": "missing" if names else "measured",
                "missing": names,
                "seconds": round(sum(known), 1) if known else None,
                "reason": made.unavailable.get(trial),
            }
        )
        if trial in made.unavailable:
            rows[-1] |= {"state": "unavailable", "missing": []}
    return rows


def _part(label: str) -> str:
    return label.rpartition(" · ")[2]


def _work(
    made: "Plan",
    late: "list[Trial]",
    costs: dict[str, float],
    cores: int,
    scheduler: str | None,
) -> None:
    from dlmo import laboratory
    from dlmo.cli import progress

    if made.missing:
        typer.echo(words_of_cost.said(made, costs, cores), err=True)
    if late:
        count = f"{len(late)} latenc{'y' if len(late) == 1 else 'ies'}"
        typer.echo(f"{count} to measure at the end; trainings wait meanwhile", err=True)
    with progress.watching(costs, cores) as watch:
        laboratory.measure(
            made.trials, workers=cores, scheduler=scheduler, watch=watch, with_latency=bool(late)
        )
    _report(made)


def _report(made: "Plan") -> None:
    """Print what the trials' records say now."""
    from dlmo import records
    from dlmo.cli import tables

    frame = records.table()
    said = frame[frame["deployable_key"].isin(made.deployables.values())]
    latest = said.drop_duplicates("deployable_key").set_index("deployable_key")
    rows = []
    for trial, key in made.deployables.items():
        row: Any = latest.loc[key] if key in latest.index else {}
        rows.append(
            {
                "trial": str(trial),
                "accuracy": _number(row, "accuracy", "{:.4f}"),
                "bytes": _number(row, "bytes", "{:,}"),
                "zipped_bytes": _number(row, "zipped_bytes", "{:,}"),
                "latency_ratio": _number(row, "latency_ratio", "{:.3f}"),
            }
        )
    tables.show(rows, right=("accuracy", "bytes", "zipped_bytes", "latency_ratio"))


def _number(row: Any, name: str, form: str) -> str:
    from dlmo.cli import tables

    value = tables.plain(row[name]) if name in row else None
    return "" if value is None else form.format(value)
