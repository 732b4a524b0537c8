"""The training steps: what each does to the network it is given, and the weights that remain."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dlmo import networks
from dlmo.datasets import Dataset
from dlmo.deployable import Preprocessing
from dlmo.keras_ import keras, tf, tfmot
from dlmo.recipes import Prune, Step
from dlmo.techniques import StepName
from dlmo.training import compression
from dlmo.training.batches import Batches, normalise
from dlmo.training.loop import History, Loop, Progress, fit
from dlmo.training.precision import computing_in
from dlmo.training.soft_targets import SoftTargets

_RANGE_IMAGES = 500
"""Training images that set the ranges with which QAT begins."""


def configure(threads: int) -> bool:
    """Set TensorFlow's threads and determinism for this process.

    Returns:
        False if the process already computes with another number of threads; then this training
        needs a process of its own.
    """
    wanted = (threads, threads)
    if _threads() == wanted:
        tf.config.experimental.enable_op_determinism()
        return True
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        return False
    tf.config.experimental.enable_op_determinism()
    return True


def _threads() -> tuple[int, int]:
    threading = tf.config.threading
    return (
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    )


class Teacher:
    """The teacher of a distillation: its network with its weights, and the key of those."""

    def __init__(self, network: keras.Model, key: str) -> None:
        self.network, self.key = network, key


def run(
    step: StepName,
    network: keras.Model,
    recipe: Step,
    data: Dataset,
    seed: int,
    folder: Path,
    progress: Progress,
    *,
    earlier: Sequence[StepName] = (),
    teacher: Teacher | None = None,
    preprocessing: Preprocessing | None = None,
) -> tuple[keras.Model, History]:
    """Run one step, or go on with it where it was interrupted.

    Args:
        step: which one.
        network: the plain network, with the weights of the steps before it.
        recipe: the step's recipe.
        data: trained on its training split; its validation split is judged at each epoch.
        seed: decides the order of the images and how each is changed.
        folder: where checkpoints lie until the caller has the weights safe.
        progress: is told how far it is.
        earlier: the steps before this one (QAT after PRN keeps the zeros).
        teacher: for `distil`.
        preprocessing: what the network's input expects; by default [-1, 1].

    Returns:
        The network that remains (fake-quantized after `qat`, else plain), and the history.
    """
    if recipe.untrained:
        _wake(network, seed)
        return network, []
    batches = Batches(data.train, recipe, seed, preprocessing)
    soft = SoftTargets(teacher.network, teacher.key, batches, seed) if teacher else None
    prepared = _prepared(step, network, recipe, batches, data, earlier)
    with computing_in(recipe.precision):
        loop, history = fit(
            Loop(prepared, batches, recipe, soft),
            recipe,
            batches.steps,
            data.validation,
            folder,
            progress,
        )
    if step == "prune":
        return compression.strip(loop.network), history
    if step == "qat":
        compression.settle(loop.network)
    return loop.network, history


def _wake(network: keras.Model, seed: int) -> None:
    """Draw what begins at zero: biases, shifts, and the last scale of each residual block.

    A trained network has no such zeros. In a file they are equal tensors, kernels even where the
    scale is folded into them, and of equal tensors the converter keeps one.
    """
    drawn = np.random.default_rng(seed)
    for weight in network.trainable_variables:
        if not weight.numpy().any():
            weight.assign(drawn.normal(0, 0.1, weight.shape))


def _prepared(
    step: StepName,
    network: keras.Model,
    recipe: Step,
    batches: Batches,
    data: Dataset,
    earlier: Sequence[StepName],
) -> keras.Model:
    """Return the network that this step trains."""
    if step == "prune" and isinstance(recipe, Prune):
        return compression.prune(network, _schedule(recipe, batches.steps))
    if step == "qat":
        images = data.train.images[:_RANGE_IMAGES]
        return compression.quantize(
            network,
            preserve_sparsity="prune" in earlier,
            images=np.asarray(normalise(images, batches.preprocessing)),
        )
    return network


def fake_quantized(network: keras.Model) -> keras.Model:
    """Return the network whose weights QAT leaves, for finished weights with their ranges.

    Args:
        network: plain, of the same architecture.
    """
    # Without the masks that keep zeros while it trains, even after pruning: the finished weights
    # have these zeros, and for ResNet101 the masks take the converter more than a gigabyte.
    return compression.quantize(network)


def _schedule(recipe: Prune, steps: int) -> tfmot.sparsity.keras.PruningSchedule:
    total = steps * recipe.epochs
    begin, end = round(total * recipe.begin), round(total * recipe.end)
    return tfmot.sparsity.keras.PolynomialDecay(
        recipe.initial_sparsity,
        recipe.sparsity,
        begin_step=begin,
        end_step=max(end, begin + 1),
        frequency=_dividing(recipe.frequency, end - begin),
    )


def _dividing(frequency: int, span: int) -> int:
    """Return a frequency that meets the last step, at which the target sparsity is reached."""
    frequency = max(1, min(frequency, span))
    while span % frequency:
        frequency -= 1
    return frequency


def build(network: str, classes: int, width: float, depth: float, seed: int) -> keras.Model:
    """Build a network with the random weights of a seed, in a session of its own."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return networks.build(network, classes, width=width, depth=depth)
