"""`dlmo sweep`: a grid of trials in parallel, and one page about all of them."""

from pathlib import Path
from typing import Annotated

import typer

from dlmo.cli import costs
from dlmo.errors import UserError


def sweep(
    file: Annotated[Path, typer.Argument(help="YAML: what is combined; see the example.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Of the page.  [_build/reruns]",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Cores to keep busy.  [all]", show_default=False),
    ] = None,
    latency: Annotated[bool, typer.Option("--latency", help="Measure latencies, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is missing.")] = False,
    cost: Annotated[
        bool, typer.Option("--cost/--no-cost", help="Time a few steps to tell the cost.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask, however long.")] = False,
) -> None:
    """Measure all combinations that a file lists, and make one page of them.

    Keys are dataset, network, technique, profile, seed and recipe parameters;
    each value is one or a list. What is measured already is kept, so an
    interrupted sweep goes on where it was.

    \b
    Example (a file grid.yml, then: dlmo sweep grid.yml):
      dlmo sweep grid.yml --dry-run
        dataset: digits
        network: vggnet
        profile: smoke
        technique: [NQ, PRN]
        sparsity: [0.5, 0.8, 0.9]
    """
    from psutil import cpu_count

    from dlmo import laboratory, paths
    from dlmo.book import reruns
    from dlmo.chapter import sweeps
    from dlmo.cli import progress

    read = sweeps.read(file)
    target = (output or paths.ROOT / reruns.FOLDER) / f"sweep-{file.stem}.ipynb"
    if target.parent.exists() and not target.parent.is_dir():
        raise UserError(f"{target.parent} is a file; name a folder")
    made = laboratory.plan(read.trials)
    cores = workers or cpu_count() or 1
    found = costs.estimate(made) if cost and made.missing else {}
    typer.echo(f"{len(read.points)} points; {costs.said(made, found, cores)}", err=True)
    if dry_run or not costs.agreed(made, found, cores, yes):
        return
    if made.missing or latency:
        with progress.watching(found, cores) as watch:
            laboratory.measure(read.trials, workers=cores, watch=watch, with_latency=latency)
    page = reruns.run(reruns.SWEEP, target, {"file": str(file.resolve())})
    typer.echo(f"page: {page}")
