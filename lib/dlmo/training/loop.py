"""The training loop: Keras' `fit`, with batches made inside the step, and resumable by epoch."""

import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dlmo import machine
from dlmo.datasets import Split
from dlmo.files import write_bytes
from dlmo.keras_ import keras, tf
from dlmo.recipes import Distil, Precision, Step
from dlmo.training import depthwise, products
from dlmo.training.batches import Batches, normalise
from dlmo.training.precision import rounding
from dlmo.training.soft_targets import SoftTargets

Progress = Callable[[int, int, float], None]
"""Is told (epoch, epochs, share of the epoch that is done)."""
History = list[dict[str, float]]

_NOT_DECAYED = ["bias", "gamma", "beta", "_min", "_max", "optimizer_step", "mask", "threshold"]
_HISTORY = "history.json"
_MACHINES = "machines.json"
_EXECUTIONS = 20
"""Steps that run without coming back to Python."""


class Loop(keras.Model):
    """A network with its data and its loss, for `fit`; the data set that `fit` sees only ticks."""

    def __init__(
        self, network: keras.Model, batches: Batches, recipe: Step, soft: SoftTargets | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.loss_seen = keras.metrics.Mean(name="loss")
        self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        self._batches, self._recipe, self._soft = batches, recipe, soft
        self._classes = network.output_shape[-1]
        self._pruned = [layer for layer in network.layers if hasattr(layer, "pruning_step")]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics that `fit` resets at each epoch."""
        return [self.loss_seen, self.accuracy]

    def call(self, images: Any, training: bool = False) -> Any:
        """Return logits [b, classes]."""
        return self.network(images, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step; which one it is, the optimizer's own counter knows."""
        step = self.optimizer.iterations
        batch = self._batches.at(step)
        for layer in self._pruned:
            layer.pruning_step.assign(step)
        with _computing(self._recipe.precision), tf.GradientTape() as tape:
            logits = self.network(batch.images, training=True)
            loss = self._loss(logits, batch.labels, batch.index)
        weights = self.network.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return self._seen(batch.labels, logits, loss)

    def test_step(self, data: tuple[Any, Any]) -> dict[str, Any]:
        """Judge a batch of the validation images (uint8)."""
        images, labels = data
        with rounding(self._recipe.precision):
            logits = self.network(normalise(images, self._batches.preprocessing), training=False)
        self.accuracy.update_state(labels, logits)
        return {"accuracy": self.accuracy.result()}

    def _seen(self, labels: Any, logits: Any, loss: Any) -> dict[str, Any]:
        self.loss_seen.update_state(loss)
        self.accuracy.update_state(labels, logits)
        return {"loss": self.loss_seen.result(), "accuracy": self.accuracy.result()}

    def _loss(self, logits: Any, labels: Any, index: Any) -> Any:
        smooth = self._recipe.label_smoothing
        hard_targets = tf.one_hot(labels, self._classes) * (1 - smooth) + smooth / self._classes
        hard = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(hard_targets, logits))
        if self._soft is None or not isinstance(self._recipe, Distil):
            return hard
        heat, weight = self._recipe.temperature, self._recipe.soft_weight
        soft_targets = tf.nn.softmax(self._soft.at(index) / heat)
        soft = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(soft_targets, logits / heat))
        # The factor keeps the soft gradients' size when the temperature changes (Hinton et al.).
        return (1 - weight) * hard + weight * heat**2 * soft


@contextmanager
def _computing(precision: Precision) -> Iterator[None]:
    """Compute the layers that are called inside quickly, and in a precision."""
    with depthwise.quick_on_small_maps(), products.as_products(), rounding(precision):
        yield


def fit(
    loop: Loop,
    recipe: Step,
    steps: int,
    validation: Split,
    folder: Path,
    progress: Progress,
) -> tuple[Loop, History]:
    """Train, or go on training from the last finished epoch.

    Args:
        loop: at its start; the checkpoint is loaded into it.
        recipe: how to train.
        steps: batches in an epoch.
        validation: judged after each epoch.
        folder: where checkpoints are kept until the caller removes them.
        progress: is told how far it is.

    Returns:
        The trained loop, and for each epoch its loss, accuracies and seconds.
    """
    if folder.exists() and not _readable(folder):
        aside = folder.with_name(f"{folder.name}.corrupt-{time.time_ns()}")
        shutil.move(folder, aside)
        warnings.warn(f"the checkpoint can't be read; set aside as {aside.name}", stacklevel=2)
    return _fit(loop, recipe, steps, validation, folder, progress)


def _readable(folder: Path) -> bool:
    """Say whether the checkpoint and the history are whole, if there are any."""
    try:
        written(folder)
        earlier_machines(folder)
        for index in (folder / "checkpoint").rglob("*.index"):
            reader = tf.train.load_checkpoint(str(index.with_suffix("")))
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, OSError):
        return False
    return True


def _fit(
    loop: Loop, recipe: Step, steps: int, validation: Split, folder: Path, progress: Progress
) -> tuple[Loop, History]:
    folder.mkdir(parents=True, exist_ok=True)
    # steps_per_execution may not exceed the epoch.
    loop.compile(optimizer=optimizer(recipe, steps), steps_per_execution=min(_EXECUTIONS, steps))
    # Its variables made inside the step would have the step traced once more.
    loop.optimizer.build(loop.network.trainable_variables)
    diary = _Diary(folder, recipe.epochs, steps, progress, loop)
    loop.fit(
        _untuned(tf.data.Dataset.range(steps)),
        epochs=recipe.epochs,
        validation_data=_batched(validation),
        verbose=0,
        # The diary first: a history with an epoch too many can be cut, a missing one can't be made.
        callbacks=[
            diary,
            keras.callbacks.BackupAndRestore(str(folder / "checkpoint"), delete_checkpoint=False),
        ],
    )
    return loop, diary.history


def written(folder: Path) -> History:
    """Return what a folder of checkpoints tells of the epochs that are done; none, if it is new.

    Raises:
        ValueError: it isn't whole.
    """
    file = folder / _HISTORY
    return json.loads(file.read_text("utf-8")) if file.exists() else []


def _note_machine(folder: Path) -> None:
    """Leave word that this machine has trained, for the case that another one goes on."""
    known = [*earlier_machines(folder), machine.this()]
    write_bytes(folder / _MACHINES, json.dumps([one.model_dump() for one in known]).encode())


def earlier_machines(folder: Path) -> tuple[machine.Machine, ...]:
    """Return the other machines that have trained what is checkpointed in a folder."""
    file = folder / _MACHINES
    known = json.loads(file.read_text("utf-8")) if file.exists() else []
    found = (machine.Machine.model_validate(one) for one in known)
    return tuple(one for one in found if one != machine.this())


def optimizer(recipe: Step, steps: int) -> keras.optimizers.Optimizer:
    """Return a recipe's optimizer for epochs of so many steps."""
    rate: Any = recipe.learning_rate
    if recipe.schedule == "one_cycle":
        total = steps * recipe.epochs
        rising = round(total * recipe.warmup)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if rising else recipe.learning_rate,
            max(1, total - rising),
            warmup_target=recipe.learning_rate if rising else None,
            warmup_steps=rising,
        )
    decay = recipe.weight_decay or None
    if recipe.optimizer == "adam":
        made = keras.optimizers.Adam(rate, weight_decay=decay)
    else:
        made = keras.optimizers.SGD(rate, recipe.momentum, nesterov=True, weight_decay=decay)
    if decay:
        made.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return made


class _Diary(keras.callbacks.Callback):
    """Keeps the history beside the checkpoint, tells the progress, and takes the machine's turn."""

    def __init__(
        self, folder: Path, epochs: int, steps: int, progress: Progress, loop: Loop
    ) -> None:
        super().__init__()
        self.history: History = []
        self._folder, self._epochs, self._steps, self._progress = folder, epochs, steps, progress
        self._soft = loop._soft
        self._turn = ExitStack()
        self._epoch, self._began = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch and not self.history:
            self.history = written(self._folder)[:epoch]
        self._turn.enter_context(machine.training_turn())
        if self._soft:
            self._soft.load(epoch)
        self._epoch, self._began = epoch, time.perf_counter()
        self._progress(epoch, self._epochs, 0.0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._progress(self._epoch, self._epochs, (batch + 1) / self._steps)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self._began
        logs = logs or {}
        entry = {"epoch": epoch + 1, "loss": logs["loss"], "accuracy": logs["accuracy"]}
        entry |= {"validation_accuracy": logs["val_accuracy"], "seconds": seconds}
        self.history.append({key: round(float(value), 5) for key, value in entry.items()})
        write_bytes(self._folder / _HISTORY, json.dumps(self.history).encode())
        _note_machine(self._folder)
        self._turn.close()

    def on_train_end(self, logs: Any = None) -> None:
        self._turn.close()
        self.history = self.history or written(self._folder)


def _batched(split: Split) -> tf.data.Dataset:
    pairs = (np.asarray(split.images), np.asarray(split.labels))
    return _untuned(tf.data.Dataset.from_tensor_slices(pairs).batch(500).prefetch(1))


def _untuned(data: tf.data.Dataset) -> tf.data.Dataset:
    """Switch the automatic tuning off.

    Its thread sleeps for up to a minute at a time, and the end of an epoch waits until it wakes.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)
