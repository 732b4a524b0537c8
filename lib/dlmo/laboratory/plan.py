"""Trials to nodes: what each trial stands on, and which of it is missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from dlmo import datasets, networks, recipes, records
from dlmo.instruments import damage
from dlmo.laboratory.nodes import Identity, Node, done, float_file, measurement
from dlmo.networks import own
from dlmo.recipes import Distil
from dlmo.techniques import CONVERSION_REVISIONS, STEP_REVISIONS, StepName
from dlmo.training import steps
from dlmo.trials import Trial

PLAIN = {"kernels": "xnnpack", "threads": 1}
"""How accuracy and memory are measured unless somebody asks for more."""

Settings = Mapping[str, Mapping[str, Any]]
"""The settings of instruments, by their names."""

USUAL: Settings = {"accuracy": PLAIN, "memory": PLAIN}
"""What is measured of every file."""


def corrupted(images: int = damage.IMAGES) -> Settings:
    """Return how robustness is measured: on so many test images, corrupted."""
    return {"robustness": {**PLAIN, "images": images}}


def arena(images: int = 1000) -> Settings:
    """Return how the arena is measured: so many test images are classified with LiteRT, too."""
    return {"arena": {"images": images}}


@dataclass
class Plan:
    """What a set of trials needs: all nodes, parents first, and which of them are missing."""

    trials: list[Trial]
    nodes: dict[str, Node] = field(default_factory=dict)
    needs: dict[Trial, list[str]] = field(default_factory=dict)
    missing: list[Node] = field(default_factory=list)
    deployables: dict[Trial, str] = field(default_factory=dict)
    unavailable: dict[Trial, str] = field(default_factory=dict)

    def missing_for(self, trial: Trial) -> list[Node]:
        """Return the missing nodes of one trial, parents first."""
        wanted = set(self.needs[trial])
        return [node for node in self.missing if node.key in wanted]

    def filed(self) -> list[Trial]:
        """Return the trials whose files are here: at most measurements are missing."""
        return [
            trial
            for trial in self.trials
            if trial not in self.unavailable
            and all(
                isinstance(node.identity, records.MeasurementIdentity)
                for node in self.missing_for(trial)
            )
        ]


def plan(
    trials: Iterable[Trial], wanted: Settings | None = None, *, files: Iterable[str] = ()
) -> Plan:
    """Return the plan for some trials; nothing is made or trained yet.

    What another machine has measured of a file is not missing here: it is the file's. (A latency is
    not planned like this; see `latency.plan`.)

    Args:
        trials: what is asked for.
        wanted: the settings of each instrument that measures; by default accuracy and memory.
        files: keys of deployables that must lie here whatever is recorded of them.

    Raises:
        UserError: a name is unknown, a recipe makes no sense, a dataset can't be read.
    """
    made = Plan(list(dict.fromkeys(trials)))
    for trial in made.trials:
        nodes = _nodes(trial, wanted or USUAL)
        made.nodes |= {node.key: node for node in nodes if node.key not in made.nodes}
        made.needs[trial] = [node.key for node in nodes]
        made.deployables[trial] = _deployable(nodes).key
    _find_missing(made, set(files))
    return made


def _find_missing(made: Plan, wanted: set[str]) -> None:
    """Go from the leaves to the roots: what lies lost in the store is missing only if needed."""
    for node in reversed(made.nodes.values()):
        record = _recorded(node)
        reason = records.unavailable(record)
        if reason:
            _mark_unavailable(made, node.key, reason)
        elif record is None or (node.key in wanted and not done(node)):
            parents = () if float_file(node) else node.parents
            wanted.update((node.key, *parents))
            made.missing.insert(0, node)
    available = (trial for trial in made.trials if trial not in made.unavailable)
    needed = {key for trial in available for key in made.needs[trial]}
    made.missing = [node for node in made.missing if node.key in needed]


def _recorded(node: Node) -> records.Record | None:
    if isinstance(node.identity, records.MeasurementIdentity):
        return records.of_any_machine(node.identity)
    return records.find(node.key)


def _mark_unavailable(made: Plan, key: str, reason: str) -> None:
    for trial, needs in made.needs.items():
        if key in needs:
            made.unavailable[trial] = reason


def _deployable(nodes: list[Node]) -> Node:
    return next(node for node in nodes if isinstance(node.identity, records.DeployableIdentity))


def _nodes(trial: Trial, instruments_used: Settings) -> list[Node]:
    """Return the nodes of a trial, parents (and a teacher's nodes) first."""
    profile = recipes.profile(trial.profile)
    nodes, chain = _weights_nodes(trial)
    plan = trial.plan
    wanted = profile.conversion(trial.network, trial.overrides).model_dump(mode="json")
    identity = records.DeployableIdentity(
        weights=chain[-1].key,
        conversion=plan.conversion,
        revision=CONVERSION_REVISIONS[plan.conversion],
        # Only int8 looks at images.
        recipe=wanted if plan.conversion == "int8" else {},
    )
    threads = nodes[-1].threads
    deployable = Node(identity, trial, chain, (chain[-1].key,), threads)
    # What was never trained has no accuracy worth a record.
    untrained = any(ancestor.recipe.get("untrained") for ancestor in chain)
    used = {
        name: how for name, how in instruments_used.items() if name == "memory" or not untrained
    }
    measured = [_measurement(deployable, name, how) for name, how in used.items()]
    return [*nodes, deployable, *measured]


def _measurement(deployable: Node, instrument: str, settings: Mapping[str, Any]) -> Node:
    identity = measurement(instrument, deployable.key, settings)
    return Node(identity, deployable.trial, deployable.ancestors, (deployable.key,), 1)


def _weights_nodes(trial: Trial) -> tuple[list[Node], tuple[records.WeightsIdentity, ...]]:
    nodes: list[Node] = []
    chain: tuple[records.WeightsIdentity, ...] = ()
    profile = recipes.profile(trial.profile)
    for step in trial.plan.steps:
        recipe = profile.step(step, trial.network, trial.overrides)
        teachers: list[Node] = []
        if isinstance(recipe, Distil):
            teachers, _ = _weights_nodes(_teacher(trial, recipe))
        identity = _weights_identity(trial, step, recipe, chain, teachers)
        parents = tuple(parent for parent in (identity.parent, identity.teacher) if parent)
        nodes += [*teachers, Node(identity, trial, chain, parents, recipe.threads)]
        chain = (*chain, identity)
    return nodes, chain


def _teacher(trial: Trial, recipe: Distil) -> Trial:
    """Return the trial that makes a student's teacher; overrides are the student's alone."""
    return trial.model_copy(update={"network": recipe.teacher, "technique": "NQ", "overrides": ()})


def _weights_identity(
    trial: Trial,
    step: StepName,
    recipe: recipes.Step,
    chain: tuple[records.WeightsIdentity, ...],
    teachers: list[Node],
) -> records.WeightsIdentity:
    build = recipes.profile(trial.profile).build(trial.network).model_dump()
    classes = len(datasets.classes(trial.dataset))
    if own.is_own(trial.network):
        own.check(trial.network, classes)
    return records.WeightsIdentity(
        dataset=trial.dataset,
        checksum=datasets.checksum(trial.dataset),
        network=trial.network,
        build=build,
        architecture=_architecture(trial.network, classes, build["width"], build["depth"]),
        step=step,
        revision=STEP_REVISIONS[step],
        recipe=recipe.model_dump(mode="json"),
        seed=trial.seed,
        parent=chain[-1].key if chain else None,
        teacher=teachers[-1].key if teachers else None,
    )


def _architecture(network: str, classes: int, width: float, depth: float) -> str:
    if own.is_own(network):
        # The file decides, weights included; it may have changed since.
        return own.digest(network)
    return _built(network, classes, width, depth)


@cache
def _built(network: str, classes: int, width: float, depth: float) -> str:
    return networks.architecture(steps.build(network, classes, width, depth, seed=0))


__all__ = ["PLAIN", "Identity", "Plan", "plan"]
