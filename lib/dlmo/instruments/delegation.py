"""The instrument `delegation`: which operators of a file a runtime gives to XNNPACK."""

from pathlib import Path
from typing import Any

from dlmo import deployable
from dlmo.instruments.process import run, settings


def delegated(path: Path, *, seconds: float = 60.0, runtime: Path | None = None) -> list[bool]:
    """Return for each operator of the first graph, in order, whether XNNPACK computes it.

    The runtime itself says so, in a child process, once it has loaded the file.

    Args:
        path: of the file.
        seconds: after which the child is stopped.
        runtime: the Python of another environment, with another runtime.

    Raises:
        UserError: the file can't be used, or the runtime refuses it or aborts.
    """
    path = Path(path).absolute()
    found = deployable.read(path)
    how = settings("xnnpack", 1, runtime)
    answer = run("partition", {"path": str(path)}, {}, how=how, seconds=seconds)
    nodes = [node for node in found.nodes if node.subgraph == 0]
    inside: set[int] = set()
    for part in answer.numbers["delegates"]:
        inside |= _between(nodes, set(part["inputs"]), list(part["outputs"]))
    return [place in inside for place in range(len(nodes))]


def _between(nodes: list[Any], sources: set[int], wanted: list[int]) -> set[int]:
    """Return the places of the operators that make some tensors out of others."""
    made = {index: place for place, node in enumerate(nodes) for index in node.outputs}
    found: set[int] = set()
    while wanted:
        place = made.get(wanted.pop())
        if place is None or place in found:
            continue
        found.add(place)
        wanted += [index for index in nodes[place].inputs if index not in sources]
    return found
