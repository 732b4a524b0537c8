"""`dlmo run`: execute a chapter again, with other parameters."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlmo.cli.options import Parameters, pairs
from dlmo.errors import UserError

if TYPE_CHECKING:
    from dlmo.book.execute import Parameter

Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="The executed notebook.")
]


def run(
    chapter: Annotated[str, typer.Argument(help="A chapter's name, with or without .ipynb.")],
    parameter: Parameters = None,
    output: Output = None,
    listing: Annotated[
        bool, typer.Option("--parameters", help="Only list the chapter's parameters.")
    ] = False,
    cost: Annotated[
        bool, typer.Option("--cost/--no-cost", help="Say first what its trainings will cost.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, however long.")] = False,
) -> None:
    """Execute a chapter with other parameters; the chapter itself stays as it is.

    The executed notebook goes to _build/reruns/, named after its parameters.

    \b
    Examples:
      dlmo run quantization_and_pruning --parameters
      dlmo run quantization_and_pruning -p network=resnet50 -p dataset=cifar100
    """
    from dlmo.cli import chapters

    notebook = chapters.find(chapter)
    declared = _declared(notebook)
    if listing:
        typer.echo(_listed(notebook, declared))
        return
    values = _values(notebook, declared, pairs(parameter))
    target = _target(notebook, output, values)
    if cost and not _agreed(notebook, values, yes):
        raise typer.Exit(0)
    _execute(notebook, target, values)


def _declared(notebook: Path) -> "dict[str, Parameter]":
    from dlmo.book import execute

    return execute.parameters(notebook)


def _listed(notebook: Path, declared: "Mapping[str, Parameter]") -> str:
    lines = [
        f"  {one.name}: {type(one.default).__name__} = {one.default!r}"
        + (f"  ({one.help})" if one.help else "")
        for one in declared.values()
    ]
    return "\n".join([f"parameters of {notebook.stem}:", *(lines or ["  none"])])


def _values(
    notebook: Path, declared: "Mapping[str, Parameter]", given: Mapping[str, str]
) -> dict[str, Any]:
    """Return the given values in the types that the chapter declares.

    Raises:
        UserError: a parameter is unknown or of the wrong type; the right ones are listed first.
    """
    from dlmo.book import execute

    try:
        values = {name: _value(word, declared.get(name)) for name, word in given.items()}
        execute.check(notebook, values)
    except UserError:
        typer.echo(_listed(notebook, declared), err=True)
        raise
    return values


def _value(word: str, declared: "Parameter | None") -> Any:
    from dlmo import recipes

    default = declared.default if declared else None
    if isinstance(default, str):
        return word
    if isinstance(default, list) and not word.startswith("["):
        return [recipes.value(part) for part in word.split(",")]
    return recipes.value(word)


def _target(notebook: Path, output: Path | None, values: Mapping[str, Any]) -> Path:
    from dlmo import paths

    mark = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:8]
    name = f"{notebook.stem}-{mark}.ipynb"
    if output is None:
        return paths.ROOT / "_build/reruns" / name
    target = output / name if output.is_dir() else output
    if target.suffix != ".ipynb":
        raise UserError(f"{output} is no notebook; give a folder or a file that ends in .ipynb")
    if target.resolve() == notebook:
        raise UserError(f"{output} is the chapter itself; choose another file")
    return target


def _agreed(notebook: Path, values: Mapping[str, Any], yes: bool) -> bool:
    """Say what the chapter's missing trials will cost, and ask if that is much."""
    from dlmo.cli import chapters, costs

    wanted = chapters.pending(notebook, values)
    if not wanted:
        return True
    from psutil import cpu_count

    from dlmo import laboratory
    from dlmo.laboratory import cost

    made = laboratory.plan(wanted)
    if cost.brief(made):
        typer.echo(f"{len(cost.unknown(made, {}))} short trainings", err=True)
        return True
    found = costs.estimate(made)
    cores = cpu_count() or 1
    typer.echo(costs.said(made, found, cores), err=True)
    return costs.agreed(made, found, cores, yes)


def _execute(notebook: Path, target: Path, values: Mapping[str, Any]) -> None:
    from dlmo.book import execute

    typer.echo(f"executed: {execute.execute(notebook, target, values, limit=None)}")
