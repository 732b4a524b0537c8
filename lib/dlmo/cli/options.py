"""What several verbs take: lists of names, seeds, `key=value`, and formats of output."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dlmo.errors import UserError

if TYPE_CHECKING:
    from dlmo.trials import Trial

Datasets = Annotated[
    list[str] | None,
    typer.Option("--dataset", "-d", metavar="NAME", help="Data set; repeat, or list with commas."),
]
Networks = Annotated[
    list[str] | None,
    typer.Option("--network", "-n", metavar="NAME", help="Network; repeat, or list with commas."),
]
Techniques = Annotated[
    list[str] | None,
    typer.Option(
        "--technique", "-t", metavar="NAME", help="Technique; repeat, or list with commas."
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("-p", "--parameter", metavar="KEY=VALUE", help="What to change; may be repeated."),
]

_COMMA = re.compile(r",(?![^\[]*\])")
_SEEDS = re.compile(r"(?P<first>\d{1,9})(-(?P<last>\d{1,9}))?")
_MOST_SEEDS = 1000


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class PlanFormat(StrEnum):
    """How a plan is printed."""

    TEXT = "text"
    JSON = "json"


Profile = Annotated[str, typer.Option("--profile", metavar="NAME", help="Set of recipes.")]
Seeds = Annotated[
    list[str] | None,
    typer.Option("--seed", "-s", metavar="N", help="Seed or range, 0-4; may be repeated.  [0]"),
]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what is missing.")]
Workers = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Cores to keep busy.  [all]", show_default=False)
]


def words(given: Iterable[str] | None) -> list[str]:
    """Return the names in repeated options and comma lists, each once, in their order.

    Commas in brackets belong to a name: `cifar10[automobile,truck]`.

    Raises:
        UserError: a name is empty.
    """
    found = [word.strip() for text in given or () for word in _COMMA.split(text)]
    if "" in found:
        raise UserError(f"{','.join(given or ())!r} has an empty name; write for example NQ,BLQ")
    return list(dict.fromkeys(found))


def seeds(given: Iterable[str]) -> list[int]:
    """Return the seeds that `0`, `0,2` and `0-4` mean, each once.

    Raises:
        UserError: a part is neither a number nor a range, or there are too many.
    """
    found: dict[int, None] = {}
    for word in words(given):
        match = _SEEDS.fullmatch(word)
        first = int(match["first"]) if match else 0
        last = int((match and match["last"]) or first)
        if not match or not first <= last < first + _MOST_SEEDS:
            raise UserError(f"{word!r} is no seed; write a number or a range: 3, 0-4")
        found |= dict.fromkeys(range(first, last + 1))
    return list(found)


def pairs(given: Iterable[str] | None) -> dict[str, str]:
    """Return `key=value` options as a mapping; the values are still text.

    Raises:
        UserError: one is not of that form, or a key comes twice.
    """
    found: dict[str, str] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not key.strip() or not equals:
            raise UserError(f"{text!r} is not of the form key=value; write for example -p epochs=3")
        if key.strip() in found:
            raise UserError(f"the parameter {key.strip()} is given twice")
        found[key.strip()] = value.strip()
    return found


def ordered(trials: Iterable["Trial"]) -> list["Trial"]:
    """Return trials so that each network is finished before the next one begins."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.dataset, trial.network), []).append(trial)
    return [trial for group in groups.values() for trial in group]


def selected(
    dataset: list[str] | None,
    network: list[str] | None,
    technique: list[str] | None,
    profile: str,
    seed: list[str] | None,
    parameter: list[str] | None,
) -> "list[Trial]":
    """Return the trials of a selection; names are checked as far as that is quick."""
    from dlmo import datasets, recipes
    from dlmo.techniques import PAPER
    from dlmo.trials import Trial

    if not dataset or not network:
        raise UserError("say what to measure: --dataset NAME and --network NAME, or --chapter NAME")
    recipes.profile(profile)
    for name in words(dataset):
        datasets.classes(name)
    changed = {key: recipes.value(word) for key, word in pairs(parameter).items()}
    overrides = recipes.parse_overrides(changed)
    return [
        Trial(
            dataset=one,
            network=name,
            technique=short,
            profile=profile,
            seed=number,
            overrides=overrides,
        )
        for one in words(dataset)
        for name in words(network)
        for number in seeds(seed or ["0"])
        for short in words(technique) or PAPER
    ]
