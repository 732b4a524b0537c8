"""The arena: deployables that are made already, run under TFLite Micro one after the other."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dlmo import instruments, machine, records
from dlmo.laboratory import nodes, store
from dlmo.laboratory.nodes import Node
from dlmo.laboratory.plan import Plan, plan
from dlmo.trials import Trial

IMAGES = 1000
"""How many test images, from the first on, are classified for comparison with LiteRT."""


@dataclass
class Work:
    """What is to be measured of some trials.

    Attributes:
        missing: what is not measured yet on this machine, file by file.
        done: how many are.
        unmade: trials whose file is not here.
        unavailable: trials that cannot be had, and why.
    """

    missing: list[Node] = field(default_factory=list)
    done: int = 0
    unmade: list[Trial] = field(default_factory=list)
    unavailable: dict[Trial, str] = field(default_factory=dict)


def work(trials: Iterable[Trial], images: int = IMAGES) -> Work:
    """Return what is to be measured of some trials; nothing is trained or converted for it.

    Raises:
        UserError: a name is unknown, or a dataset can't be read.
    """
    made = plan(trials)
    found = Work(unavailable=dict(made.unavailable))
    for trial in made.trials:
        if trial in made.unavailable:
            continue
        node = _node(made, trial, images)
        if records.find(node.key) is not None:
            found.done += 1
        elif store.deployable_file(made.deployables[trial]) is None:
            found.unmade.append(trial)
        elif node.key not in {one.key for one in found.missing}:
            found.missing.append(node)
    return found


def _node(made: Plan, trial: Trial, images: int) -> Node:
    parent = made.nodes[made.deployables[trial]]
    identity = records.MeasurementIdentity(
        deployable=parent.key,
        instrument="arena",
        revision=instruments.REVISIONS["arena"],
        settings={"images": images},
        machine=machine.tag(machine.this()),
    )
    return Node(identity, trial, parent.ancestors, (parent.key,), 1)


def measure(found: Work, tell: Callable[[Node], None] | None = None) -> None:
    """Measure what is missing; `tell` hears of each before it begins.

    Raises:
        UserError: TFLite Micro is not installed here, or a file can't be measured; what was
            finished is kept.
    """
    for node in found.missing:
        if tell:
            tell(node)
        nodes.run(node)
