"""Our training with augmentation against a bare `model.fit` on the same arrays without it.

Prints images a second of each and their ratio (target: at least 0.95), the two taking turns in one
process, so that other programs on the machine disturb both alike.
"""

import argparse
import statistics
import time
from typing import Any

import numpy as np

from dlmo import recipes
from dlmo.datasets import Split
from dlmo.keras_ import keras, tf
from dlmo.recipes import Step
from dlmo.training import steps
from dlmo.training.batches import Batches, normalise
from dlmo.training.loop import Loop, optimizer


class Clock(keras.callbacks.Callback):
    """When each execution ended, since `fit` itself may return seconds later."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        float((logs or {})["loss"])
        self.ends.append(time.perf_counter())


def images_a_second(model: keras.Model, arguments: tuple, images: int, **options: int) -> float:
    """Return the speed from the end of the first execution to that of the last."""
    clock = Clock()
    model.fit(*arguments, epochs=1, verbose=0, callbacks=[clock], **options)
    executions = len(clock.ends)
    return images * (executions - 1) / executions / (clock.ends[-1] - clock.ends[0])


def augmented(network: str, recipe: Step, batches: int, executions: int) -> tuple[Loop, Split]:
    """Return our loop, compiled, and the random images of so many batches that it trains on."""
    chance = np.random.default_rng(0)
    count = batches * recipe.batch_size
    split = Split(
        chance.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8),
        chance.integers(0, 10, count, dtype=np.int64),
    )
    loop = Loop(steps.build(network, 10, 1.0, 1.0, 0), Batches(split, recipe, 0), recipe)
    loop.compile(optimizer(recipe, batches), steps_per_execution=min(executions, batches))
    return loop, split


def compare(network: str, batches: int, turns: int) -> tuple[float, float]:
    recipe = recipes.profile("reference").step("train", network)
    steps.configure(recipe.threads)
    ours, split = augmented(network, recipe, batches, executions=20)
    count = len(split.labels)
    bare = keras.models.clone_model(ours.network)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    bare.compile(optimizer(recipe, batches), loss, metrics=["accuracy"])
    arrays = np.asarray(normalise(split.images)), split.labels
    ticks = (tf.data.Dataset.range(batches),)
    found: list[tuple[float, float]] = []
    for _ in range(turns + 1):
        with_augmentation = images_a_second(ours, ticks, count)
        without = images_a_second(bare, arrays, count, batch_size=recipe.batch_size)
        found.append((with_augmentation, without))
    mine, theirs = zip(*found[1:], strict=True)
    return statistics.median(mine), statistics.median(theirs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=["vggnet"])
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    for name in given.networks:
        mine, theirs = compare(name, given.batches, given.turns)
        print(f"{name}: ours {mine:.0f}/s, bare fit {theirs:.0f}/s, ratio {mine / theirs:.3f}")
