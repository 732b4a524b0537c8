"""What a plan will cost: a few steps of each training that it misses, timed on the spot.

Throughput differs between machines by more than any table could hold, so none is kept. The probes
run the real training step on random images, in a process of the kind that will do the work.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from loky import ProcessPoolExecutor

from dlmo import datasets, networks, records
from dlmo.datasets import Dataset, Split
from dlmo.keras_ import keras
from dlmo.laboratory import latency, store
from dlmo.laboratory.nodes import Node, given
from dlmo.laboratory.plan import Plan
from dlmo.laboratory.processes import processes
from dlmo.networks import own
from dlmo.recipes import STEP_MODELS, Step
from dlmo.techniques import StepName
from dlmo.training import loop, steps
from dlmo.trials import Trial

Told = Callable[[str, int, int], None]
"""Is told before each probe: what is timed, which one it is (from 1), and of how many."""

_WORK = 2e10
"""Multiplications that an epoch of a probe is meant to hold: about half a second on two cores."""
_STEPS = (2, 20)
"""Fewest and most steps in an epoch of a probe."""
_ENOUGH = 0.7
"""Seconds to time, when the first epoch (which builds the graph) is over."""
_BRIEF = 20_000
"""Images seen in all trainings together up to which nothing is timed."""
_ENDLESS = 1000
"""Epochs that a probe could run; it is stopped long before."""


@dataclass(frozen=True)
class Probe:
    """What the speed of a training depends on.

    Attributes:
        step: which training step.
        network: its name.
        build: its width and depth.
        shape: of an image: height, width, channels.
        classes: how many.
        recipe: of the step, without what doesn't change the speed.
        earlier: what of the steps before it matters (QAT after PRN keeps the zeros).
        teacher: name, width and depth of the teacher, for `distil`.
    """

    step: StepName
    network: str
    build: tuple[float, float]
    shape: tuple[int, ...]
    classes: int
    recipe: Step
    earlier: tuple[StepName, ...]
    teacher: tuple[str, float, float] | None

    def __str__(self) -> str:
        return f"{self.network} · {self.step}"


class Speed(NamedTuple):
    """How fast a probe was, in seconds.

    Attributes:
        start: before the first step: building the graph.
        step: one step.
        between: between two epochs: checkpoint, and what the teacher says of the epoch's images.
        images: how many those were.
    """

    start: float
    step: float
    between: float
    images: int


def estimate(
    made: Plan, *, told: Told | None = None, limit: float = 180.0, patience: float = 90.0
) -> dict[str, float]:
    """Return how many seconds each missing training will take, by its key.

    Each distinct (step, network, build, batch size, threads) is timed once, and the epochs are
    extrapolated. A plan that misses no training costs nothing, not even a probe.

    Args:
        made: the plan.
        told: is told what is timed.
        limit: seconds after which no further probe is begun.
        patience: seconds after which a probe is given up.

    Returns:
        Seconds by key, of training alone. A training is left out where nothing can be said: its
        data set is not here yet, its step can't be taken, or the time was up.
    """
    probes = {node.key: probe for node in _trainings(made) if (probe := _probe(made, node))}
    speeds = _speeds(list(dict.fromkeys(probes.values())), told, limit, patience)
    shared: set[object] = set()
    return {
        key: _seconds(made.nodes[key], speed, shared)
        for key, probe in probes.items()
        if (speed := speeds.get(probe))
    }


def brief(made: Plan) -> bool:
    """Say whether timing the missing trainings would cost more than they do."""
    seen = 0
    for node in _trainings(made):
        sizes = _sizes(_weights(node).dataset)
        if sizes is None:
            return False
        seen += _recipe(_weights(node)).epochs * sizes.train
    return seen <= _BRIEF


def unknown(made: Plan, costs: dict[str, float]) -> list[Node]:
    """Return the missing trainings of which `estimate` could not say anything."""
    return [node for node in _trainings(made) if node.key not in costs]


def total(nodes: Iterable[Node], costs: dict[str, float], cores: int) -> float:
    """Return the seconds that some nodes take together, on so many cores."""
    return sum(costs.get(node.key, 0.0) * min(node.threads, cores) / cores for node in nodes)


def untimed(made: Plan) -> list[Trial]:
    """Return the trials whose latency is not measured on this machine.

    Args:
        made: a plan that holds the baseline (`NQ`) of each of its trials.
    """
    found = {trial for _, lacking, _ in latency.untimed(made) for trial in lacking}
    return [trial for trial in made.trials if trial in found]


def _trainings(made: Plan) -> list[Node]:
    return [
        node
        for node in made.missing
        if isinstance(node.identity, records.WeightsIdentity) and not given(node.identity)
    ]


def _probe(made: Plan, node: Node) -> Probe | None:
    identity = _weights(node)
    sizes = _sizes(identity.dataset)
    # A model of one's own may take images of another size, or not admit the step at all.
    if sizes is None or own.is_own(identity.network):
        return None
    earlier = [ancestor.step for ancestor in node.ancestors]
    teacher = made.nodes.get(identity.teacher or "")
    same = {"epochs": _ENDLESS, "learning_rate": 0.001, "label_smoothing": 0.0}
    return Probe(
        # Training on is training.
        step="train" if identity.step == "finetune" else identity.step,
        network=identity.network,
        build=(identity.build["width"], identity.build["depth"]),
        shape=sizes.shape,
        classes=len(datasets.classes(identity.dataset)),
        recipe=_recipe(identity).model_copy(update=same),
        earlier=("prune",) if identity.step == "qat" and "prune" in earlier else (),
        teacher=_of_teacher(_weights(teacher)) if teacher else None,
    )


def _of_teacher(identity: records.WeightsIdentity) -> tuple[str, float, float]:
    return identity.network, identity.build["width"], identity.build["depth"]


def _weights(node: Node) -> records.WeightsIdentity:
    assert isinstance(node.identity, records.WeightsIdentity)
    return node.identity


def _recipe(identity: records.WeightsIdentity) -> Step:
    return STEP_MODELS[identity.step].model_validate(identity.recipe)


class _Sizes(NamedTuple):
    train: int
    validation: int
    shape: tuple[int, ...]


@cache
def _sizes(dataset: str) -> _Sizes | None:
    """Return how many images a data set has; nothing where that would need a download."""
    if not datasets.available(dataset):
        return None
    data = datasets.load(dataset)
    return _Sizes(len(data.train), len(data.validation), data.train.images.shape[1:])


def _seconds(node: Node, speed: Speed, shared: set[object]) -> float:
    """Extrapolate from the probe's epochs to those that remain."""
    identity = _weights(node)
    recipe, sizes = _recipe(identity), _sizes(identity.dataset)
    assert sizes is not None
    # Judging an image is the forward third of a training step.
    images = sizes.train // recipe.batch_size * recipe.batch_size + sizes.validation / 3
    between = speed.between
    lesson = (identity.teacher, identity.seed, recipe.augmentation)
    if identity.teacher and lesson not in shared:
        # Students of one teacher share what it says; the first one pays for it.
        shared.add(lesson)
        between *= sizes.train / speed.images
    epoch = images / recipe.batch_size * speed.step + between
    return speed.start + (recipe.epochs - _epochs_done(node.key)) * epoch


def _epochs_done(key: str) -> int:
    """Return the epochs of an interrupted training, which it needn't repeat."""
    with suppress(ValueError, OSError):
        return len(loop.written(store.checkpoints(key)))
    # It can't be read, and will begin anew.
    return 0


def _speeds(
    probes: list[Probe], told: Told | None, limit: float, patience: float
) -> dict[Probe, Speed]:
    found: dict[Probe, Speed] = {}
    until = time.monotonic() + limit
    ordered = sorted(probes, key=lambda probe: probe.recipe.threads)
    for _, group in groupby(ordered, key=lambda probe: probe.recipe.threads):
        remaining = list(group)
        while remaining and time.monotonic() < until:
            # Threads are set once in a process; and one that died takes its pool with it.
            with suppress(TimeoutError, BrokenExecutor), _process() as pool:
                while remaining and time.monotonic() < until:
                    probe = remaining.pop(0)
                    if told:
                        told(str(probe), probes.index(probe) + 1, len(probes))
                    speed = pool.submit(_time, probe).result(timeout=patience)
                    if speed:
                        found[probe] = speed
    return found


@contextmanager
def _process() -> Iterator[ProcessPoolExecutor]:
    with processes(1) as pool, warnings.catch_warnings():
        # Networks of growing size look like a leak; a new worker is as good as the old one.
        warnings.filterwarnings("ignore", message="A worker was restarted")
        yield pool


class _EnoughError(Exception):
    """The clock has seen enough."""


class _Clock:
    """Stands where a training tells its progress, and stops it after a second."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}

    def __call__(self, epoch: int, epochs: int, share: float) -> None:
        now = time.perf_counter()
        if share:
            self._last[epoch] = now
            return
        self._first[epoch] = now
        if epoch > 1 and now - self._first[1] > _ENOUGH:
            raise _EnoughError

    def speed(self, count: int, images: int) -> Speed:
        """Return the median speed of the epochs after the first, of so many steps each."""
        clean = sorted(self._last)[1:]
        step = median(self._last[epoch] - self._first[epoch] for epoch in clean) / count
        ends = pairwise([*clean, clean[-1] + 1])
        between = median(self._first[after] - self._last[epoch] for epoch, after in ends)
        start = self._last[0] - self._began - count * step
        return Speed(max(0.0, start), step, between, images)


def _time(probe: Probe) -> Speed | None:
    """Train on random images until the clock has seen enough; runs in a process of its own."""
    if not steps.configure(probe.recipe.threads):
        return None
    network = steps.build(probe.network, probe.classes, *probe.build, seed=0)
    count = _steps(network, probe.recipe.batch_size)
    data = _noise(probe, count * probe.recipe.batch_size)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        # Soft targets and checkpoints of a probe are nobody else's.
        os.environ["DLMO_STORE"] = folder
        try:
            steps.run(
                probe.step,
                network,
                probe.recipe,
                data,
                0,
                Path(folder) / "checkpoints",
                clock,
                earlier=probe.earlier,
                teacher=_teacher(probe),
            )
        except _EnoughError:
            return clock.speed(count, len(data.train))
        except ValueError:
            # The step can't be taken; the laboratory will record why.
            return None
    return None


def _steps(network: keras.Model, batch: int) -> int:
    fewest, most = _STEPS
    work = 3 * networks.macs(network) * batch  # forward, and twice as much backward
    return int(np.clip(_WORK / work, fewest, most))


def _noise(probe: Probe, count: int) -> Dataset:
    dice = np.random.default_rng(0)

    def split(size: int) -> Split:
        images = dice.integers(0, 256, (size, *probe.shape), np.uint8)
        return Split(images, dice.integers(0, probe.classes, size))

    names = tuple(str(label) for label in range(probe.classes))
    few = min(count, 50)
    return Dataset("noise", names, split(count), split(few), split(few), checksum="")


def _teacher(probe: Probe) -> steps.Teacher | None:
    if probe.teacher is None:
        return None
    name, width, depth = probe.teacher
    model = networks.build(name, probe.classes, width=width, depth=depth)
    model.trainable = False
    return steps.Teacher(model, "probe")
