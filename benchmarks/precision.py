"""Training in bfloat16 against float32: images a second on one thread, and their ratio.

Both take turns in one process. A step is timed from within, since `fit` may return late.
"""

import argparse
import statistics
import time
from typing import Any

from training import augmented

from dlmo import recipes
from dlmo.keras_ import keras, tf
from dlmo.recipes import Precision
from dlmo.training import steps
from dlmo.training.precision import computing_in


class Clock(keras.callbacks.Callback):
    """Notes when each execution of `fit` ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ends.append(time.perf_counter())


def images_a_second(loop: keras.Model, batches: int, images: int, precision: Precision) -> float:
    clock = Clock()
    with computing_in(precision):
        loop.fit(tf.data.Dataset.range(batches), verbose=0, callbacks=[clock])
    executions = len(clock.ends)
    return images * (executions - 1) / executions / (clock.ends[-1] - clock.ends[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=["resnet8"])
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--turns", type=int, default=2)
    given = parser.parse_args()
    steps.configure(1)
    for name in given.networks:
        recipe = recipes.profile("reference").step("train", name)
        loop, _ = augmented(name, recipe, given.batches, executions=5)
        images = given.batches * recipe.batch_size
        found: dict[Precision, list[float]] = {"float32": [], "bfloat16": []}
        for _ in range(given.turns + 1):  # the first one traces
            for precision, speeds in found.items():
                speeds.append(images_a_second(loop, given.batches, images, precision))
        single, half = (statistics.median(speeds[1:]) for speeds in found.values())
        print(f"{name}: float32 {single:.0f}/s, bfloat16 {half:.0f}/s, ratio {half / single:.2f}")
