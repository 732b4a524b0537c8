"""The instrument `accuracy` against a bare LiteRT loop, and one worker against two.

Prints ratios of one run: the instrument's time over the loop's (target: at most 1.1, start-up and
loading reported apart), and how much faster two workers measure two files (target: at least 1.7).
Both start from the same bytes: the loop computes its inputs at once, the instrument while it runs.
A second ratio gives the loop its inputs for nothing; with a network as small as VGGNet that shows.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from dlmo import instruments
from dlmo.deployable import Preprocessing


def bare_loop(model: Path, images: np.ndarray) -> tuple[float, float, float]:
    """Return seconds to load, to compute the inputs, and to run them all."""
    began = time.perf_counter()
    interpreter = Interpreter(str(model), num_threads=1)
    interpreter.allocate_tensors()
    entrance = interpreter.get_input_details()[0]["index"]
    exit_ = interpreter.get_output_details()[0]["index"]
    loaded = time.perf_counter()
    inputs = Preprocessing().apply(images)
    prepared = time.perf_counter()
    for image in inputs:
        interpreter.set_tensor(entrance, image[np.newaxis])
        interpreter.invoke()
        interpreter.get_tensor(exit_)
    return loaded - began, prepared - loaded, time.perf_counter() - prepared


def seconds(model: Path, images: np.ndarray) -> float:
    began = time.perf_counter()
    instruments.accuracy(model, images, threads=1)
    return time.perf_counter() - began


def compare(model: Path, images: np.ndarray) -> None:
    start = min(seconds(model, images[:1]) for _ in range(3))
    turns = [(seconds(model, images) - start, bare_loop(model, images)) for _ in range(5)]
    whole = np.median([ours / (prepare + loop) for ours, (_, prepare, loop) in turns])
    given = np.median([ours / loop for ours, (_, _, loop) in turns])
    print(
        f"{model.parent.name}, start-up and loading: {start:.2f} s (bare: {turns[0][1][0]:.2f} s)"
    )
    print(
        f"instrument over bare loop: {whole:.3f}, over one with its inputs given: {given:.3f} "
        f"(medians of {len(turns)})"
    )
    one = sum(seconds(model, images) for _ in range(2))
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(seconds, [model] * 2, [images] * 2))
    print(f"two workers over one: {one / (time.perf_counter() - began):.2f} times faster")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--images", type=int, default=10_000)
    given = parser.parse_args()
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (given.images, 32, 32, 3), dtype=np.uint8)
    for model in given.models:
        compare(model, images)
