"""Training in bfloat16 against float32: images a second on one thread, and their ratio.

Both take turns in one process.
"""

import argparse
import statistics

from training import augmented, images_a_second

from dlmo import recipes
from dlmo.keras_ import tf
from dlmo.recipes import Precision
from dlmo.training import steps
from dlmo.training.precision import computing_in

_BOTH: tuple[Precision, ...] = ("float32", "bfloat16")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=["resnet8"])
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--turns", type=int, default=2)
    given = parser.parse_args()
    steps.configure(1)
    for name in given.networks:
        recipe = recipes.profile("reference").step("train", name)
        loops = {
            precision: augmented(
                name,
                recipe.model_copy(update={"precision": precision}),
                given.batches,
                executions=5,
            )[0]
            for precision in _BOTH
        }
        images, ticks = given.batches * recipe.batch_size, tf.data.Dataset.range(given.batches)
        found: dict[Precision, list[float]] = {precision: [] for precision in _BOTH}
        for _ in range(given.turns + 1):  # the first one traces
            for precision, speeds in found.items():
                with computing_in(precision):
                    speeds.append(images_a_second(loops[precision], (ticks,), images))
        single, half = (statistics.median(speeds[1:]) for speeds in found.values())
        print(f"{name}: float32 {single:.0f}/s, bfloat16 {half:.0f}/s, ratio {half / single:.2f}")
