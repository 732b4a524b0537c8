"""How far the laboratory is: a live table on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dlmo.durations import duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dlmo.laboratory import Node, Plan
    from dlmo.laboratory.outlook import Outlook
    from dlmo.laboratory.schedule import Watch


@contextmanager
def watching(costs: dict[str, float], cores: int) -> Iterator["Watch"]:
    """Give what `laboratory.measure` tells its progress to.

    Args:
        costs: seconds by the key of a training, as estimated.
        cores: that work on the plan.
    """
    from dlmo.laboratory.outlook import Lines, Outlook

    outlook = Outlook(costs, cores)
    if not sys.stderr.isatty():
        yield Lines(outlook)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:

        def draw(made: "Plan", running: dict[str, "Node"], done: set[str]) -> None:
            live.update(_picture(outlook, made, running, done), refresh=True)

        yield draw


def _picture(
    outlook: "Outlook", made: "Plan", running: dict[str, "Node"], done: set[str]
) -> "RenderableType":
    """Return the live table: a line for the plan, a line for each node that runs."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    states = outlook.see(running)
    table = Table.grid(padding=(0, 2))
    left = outlook.left(made, states, done)
    rest = f"{duration(left)} left" if left is not None else ""
    count = max(1, len(made.missing))
    table.add_row(
        Text("the plan", "bold"), f"{len(done)}/{count}", ProgressBar(count, len(done), 24), rest
    )
    for key, node in running.items():
        state = states[key]
        epoch = f"epoch {state.epoch}/{state.epochs}" if state.epochs else ""
        bar = ProgressBar(1.0, state.share or 0.0, 24) if state.epochs else ""
        rest = f"{duration(state.left)} left" if state.left is not None else ""
        table.add_row(Text(node.label, overflow="ellipsis"), epoch, bar, rest)
    if not running:
        table.add_row(Text("latencies, if they are missing: the machine must be quiet"), "", "", "")
    return table
