"""The instrument `camera`: how long it takes from a camera's picture to the first choice.

A camera gives a picture of its own size, and the network wants another: before the network runs,
the picture is resized (Pillow, bilinear) and its bytes become what the input takes (floats, or
rounded integers, from a table of 256 values).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from dlmo import deployable, machine
from dlmo.deployable import Preprocessing
from dlmo.errors import UserError, unknown
from dlmo.instruments.process import Settings, run, settings
from dlmo.instruments.timing import interval

Stage = Literal["resize", "convert", "hand over", "run", "read"]
STAGES: tuple[Stage, ...] = get_args(Stage)

HEIGHT, WIDTH = 480, 640
"""Of the picture, in pixels: what small cameras give."""


class Span(BaseModel):
    """A ratio with its 95 % bootstrap interval, over processes and the rounds in them."""

    model_config = ConfigDict(frozen=True)

    ratio: float
    low: float
    high: float


class Way(BaseModel):
    """From the picture to the first choice with one file."""

    model_config = ConfigDict(frozen=True)

    whole: Span
    """The whole way, over the baseline's in the same round."""
    shares: dict[Stage, Span]
    """Of each stage in the whole way."""
    milliseconds: float
    """Median of the whole way."""


class Camera(BaseModel):
    """What `camera` found."""

    model_config = ConfigDict(frozen=True)

    baseline: str
    settings: Settings
    runtime: str
    ways: dict[str, Way]


def camera(
    paths: Mapping[str, Path],
    *,
    baseline: str,
    preprocessing: Preprocessing | None = None,
    kernels: str = "xnnpack",
    threads: int = 1,
    processes: int = 3,
    rounds: int = 40,
    seconds: float = 6.0,
    seed: int = 0,
) -> Camera:
    """Time the way from a picture to the first choice with several files, in turns.

    Args:
        paths: the files by name; the baseline is one of them.
        baseline: the name of the file that the others are compared with.
        preprocessing: what the bytes become (default: -1 to 1).
        kernels: "xnnpack", "builtin" or "reference".
        threads: of the runtime.
        processes: how many processes measure, one after the other.
        rounds: how many rounds each measures at most.
        seconds: the budget; every process measures at least one round.
        seed: of the picture, of the orders and of the bootstrap.

    Raises:
        UserError: a file or setting can't be used, or the runtime failed.
    """
    how = settings(kernels, threads)
    if baseline not in paths:
        raise unknown("baseline", baseline, paths)
    if processes < 1 or rounds < 1 or not seconds > 0:
        raise UserError("processes, rounds and seconds must all be positive")
    files = {name: str(Path(path).absolute()) for name, path in paths.items()}
    for file in files.values():
        _check(file)
    order = list(dict.fromkeys(files.values()))
    job = {"paths": order, "rounds": rounds, "seconds": seconds / processes}
    given: dict[str, NDArray[Any]] = {
        "picture": picture(seed),
        "table": (preprocessing or Preprocessing()).table(),
    }
    with machine.quiet():
        answers = [
            run("camera", {**job, "seed": seed + at}, given, how=how, seconds=60 + 4 * seconds)
            for at in range(processes)
        ]
    done = min(len(answer.arrays["stages"]) for answer in answers)
    stages = np.stack([answer.arrays["stages"][:done] for answer in answers]).astype(float)
    at = {name: order.index(file) for name, file in files.items()}
    ways = {
        name: _way(stages[:, :, place], stages[:, :, at[baseline]], seed)
        for name, place in at.items()
    }
    return Camera(baseline=baseline, settings=how, runtime=answers[0].runtime, ways=ways)


def picture(seed: int) -> NDArray[np.uint8]:
    """Return a camera's picture: smooth colours with noise, [480, 640, 3]."""
    chance = np.random.default_rng(seed)
    smooth = np.linspace(0, 200, WIDTH) + chance.uniform(0, 40, (HEIGHT, 1))
    return (smooth[:, :, None] + chance.uniform(0, 15, (HEIGHT, WIDTH, 3))).astype(np.uint8)


def _check(file: str) -> None:
    found = deployable.read(file)
    shape = found.inputs[0].shape if len(found.inputs) == 1 else ()
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
        raise UserError(f"{file} takes no single colour image, but {list(shape)}")


def _way(stages: NDArray[np.float64], base: NDArray[np.float64], seed: int) -> Way:
    """Return ratios of times [processes, rounds, stages]."""
    whole = stages.sum(axis=2, keepdims=True)
    together = np.concatenate([whole / base.sum(axis=2, keepdims=True), stages / whole], axis=2)
    lows, highs = interval(together, seed)
    middles = np.median(together, axis=(0, 1))
    first, *others = (
        Span(ratio=float(middle), low=float(low), high=float(high))
        for middle, low, high in zip(middles, lows, highs, strict=True)
    )
    return Way(
        whole=first,
        shares=dict(zip(STAGES, others, strict=True)),
        milliseconds=float(np.median(whole)) / 1e6,
    )
