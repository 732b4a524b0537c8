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
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="PATH",
        help="A folder of reruns, or the executed notebook.  [_build/reruns]",
        show_default=False,
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "-y", "-f", "--parameters-file", metavar="FILE", help="papermill's: YAML; may be repeated."
    ),
]


def run(
    chapter: Annotated[str, typer.Argument(help="A chapter's name, with or without .ipynb.")],
    parameter: Parameters = None,
    file: Files = None,
    preprocessing: Annotated[
        str | None,
        typer.Option(
            metavar="WORD",
            help="Of an own model's input: raw, 0..1, -1..1, MEAN/DEVIATION.",
        ),
    ] = None,
    allow: Annotated[
        bool,
        typer.Option("--run-lambda", help="Execute the Lambda layers of an own model: programs."),
    ] = False,
    output: Output = None,
    listing: Annotated[
        bool, typer.Option("--parameters", help="Only list the chapter's parameters.")
    ] = False,
    cost: Annotated[
        bool, typer.Option("--cost/--no-cost", help="Say first what its trainings will cost.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask, however long.")] = False,
) -> None:
    """Execute a chapter with other parameters and make its page.

    The page and the executed notebook go to _build/reruns/, beside an index of
    all reruns. The chapter itself stays as it is; -p overrules -y.

    \b
    Examples:
      dlmo run quantization_and_pruning --parameters
      dlmo run quantization_and_pruning -p network=resnet50 -p dataset=cifar100
      dlmo run quantization_and_pruning -y mine.yml --yes
      dlmo run quantization_and_pruning -p network=my.keras --preprocessing raw
    """
    from dlmo.cli import chapters

    notebook = chapters.find(chapter)
    declared = _declared(notebook)
    if listing:
        typer.echo(_listed(notebook, declared))
        return
    values = _values(notebook, declared, _from_files(file), pairs(parameter))
    values = _described(values, preprocessing, allow)
    target = _target(notebook, output, values)
    if cost and not _agreed(notebook, values, yes):
        raise typer.Exit(0)
    _execute(notebook, target, values)


def _from_files(files: list[Path] | None) -> dict[str, Any]:
    from dlmo.chapter import yaml_files

    return {name: value for file in files or () for name, value in yaml_files.mapping(file).items()}


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
    notebook: Path,
    declared: "Mapping[str, Parameter]",
    filed: Mapping[str, Any],
    given: Mapping[str, str],
) -> dict[str, Any]:
    """Return the given values in the types that the chapter declares.

    Raises:
        UserError: a parameter is unknown or of the wrong type; the right ones are listed first.
    """
    from dlmo.book import execute

    try:
        words = {name: _value(word, declared.get(name)) for name, word in given.items()}
        values = {**filed, **words}
        execute.check(notebook, values)
    except UserError:
        typer.echo(_listed(notebook, declared), err=True)
        raise
    return {name: _anchored(name, value) for name, value in values.items()}


def _anchored(name: str, value: Any) -> Any:
    """Return a path of a data set or a model in full: a chapter is executed in another folder."""
    if name not in ("dataset", "network") or not isinstance(value, str):
        return value
    base, bracket, options = value.partition("[")
    if not Path(base).exists() or _registered(name, base):
        return value
    return f"{Path(base).resolve()}{bracket}{options}"


def _described(values: dict[str, Any], preprocessing: str | None, allow: bool) -> dict[str, Any]:
    """Put what is said of an own model into the brackets behind its name."""
    said = {"preprocessing": preprocessing, "lambda": "run" if allow else None}
    given = [f"{name}={value}" for name, value in said.items() if value is not None]
    if not given:
        return values
    network = str(values.get("network", ""))
    if "/" not in network:
        raise UserError("--preprocessing and --run-lambda are about an own model: -p network=PATH")
    base, _, options = network.partition("[")
    options = options.removesuffix("]")
    return {**values, "network": f"{base}[{','.join([*filter(None, [options]), *given])}]"}


def _registered(name: str, base: str) -> bool:
    from dlmo import datasets

    return name == "dataset" and base in datasets.names()


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
    from dlmo.book import reruns

    mark = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:8]
    name = f"{notebook.stem}-{mark}.ipynb"
    if output is None:
        return paths.ROOT / reruns.FOLDER / name
    if output.suffix == ".ipynb":
        target = output
    elif output.suffix and not output.is_dir():
        raise UserError(f"{output} is no notebook; give a folder or a file that ends in .ipynb")
    else:
        target = output / name
    if target.resolve() == notebook:
        raise UserError(f"{output} is the chapter itself; choose another file")
    return target


def _agreed(notebook: Path, values: Mapping[str, Any], yes: bool) -> bool:
    """Say what the chapter's missing trials will cost, and ask if that is much."""
    from dlmo.cli import chapters, costs

    made = chapters.planned(notebook, values)
    if made is None:
        return True
    from psutil import cpu_count

    from dlmo.laboratory import cost

    if cost.brief(made):
        typer.echo(f"{len(cost.unknown(made, {}))} short trainings", err=True)
        return True
    found = costs.estimate(made)
    cores = cpu_count() or 1
    typer.echo(costs.said(made, found, cores), err=True)
    return costs.agreed(made, found, cores, yes)


def _execute(notebook: Path, target: Path, values: Mapping[str, Any]) -> None:
    from dlmo.book import reruns

    page = reruns.run(notebook, target, values)
    typer.echo(f"executed: {target}")
    typer.echo(f"page: {page}")
