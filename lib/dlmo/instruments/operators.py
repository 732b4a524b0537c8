"""The instrument `operators`: where the time of a file goes, operator by operator.

Each operator is run alone, as a file of its own (see `cutting`), in turns with the whole file; its
time is given as a share of the whole file's in the same round. Run one after the other, the parts
must say what the whole says: how far they are apart is measured, too.
"""

import tempfile
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from dlmo import deployable, machine
from dlmo.deployable import Deployable
from dlmo.errors import UserError
from dlmo.instruments.cutting import Part, parts
from dlmo.instruments.delegation import delegated
from dlmo.instruments.process import Answer, Settings, run, settings
from dlmo.instruments.timing import interval


class Share(BaseModel):
    """One operator's part of the time."""

    model_config = ConfigDict(frozen=True)

    place: int
    """In the first graph, from 0."""
    operator: str
    output: str
    """Type and shape of what it makes: "int8 1×16×16×8"."""
    macs: int
    delegated: bool
    """Whether XNNPACK computes it in the whole file."""
    share: float
    """Median over processes and rounds of its time over the whole file's in the same round."""
    low: float
    high: float
    """95 % bootstrap interval of `share`, over processes and the rounds in them."""


class Operators(BaseModel):
    """What `operators` found."""

    model_config = ConfigDict(frozen=True)

    settings: Settings
    runtime: str
    """The runtime's package and version."""
    shares: tuple[Share, ...]
    total: Share
    """All of them together: what is above 1 is the cost of starting each alone."""
    milliseconds: float
    """Median time of the whole file."""
    difference: float
    """The largest difference between the whole's output and that of its parts in a row."""


def operators(
    path: Path,
    *,
    kernels: str = "xnnpack",
    processes: int = 3,
    rounds: int = 30,
    block_ms: float = 0.5,
    seconds: float = 6.0,
    seed: int = 0,
    runtime: Path | None = None,
) -> Operators:
    """Measure the share of each operator of a file, with one thread, alone on the machine.

    Args:
        path: of the file.
        kernels: "xnnpack", "builtin" or "reference".
        processes: how many processes measure, one after the other.
        rounds: how many rounds each measures at most.
        block_ms: how long each operator runs in a round, at least three times.
        seconds: the budget; every process measures at least one round.
        seed: of the orders, of the inputs and of the bootstrap.
        runtime: the Python of another environment, with another runtime.

    Raises:
        UserError: the file or a setting can't be used, or the runtime failed.
    """
    if processes < 1 or rounds < 1 or not seconds > 0 or not block_ms > 0:
        raise UserError("processes, rounds, seconds and block_ms must all be positive")
    how, path = settings(kernels, 1, runtime), Path(path).absolute()
    found = deployable.read(path)
    places = [False] * len(found.nodes)
    if kernels == "xnnpack":
        places = delegated(path, runtime=runtime)
    with tempfile.TemporaryDirectory(prefix="dlmo-") as name:
        cut = parts(found)
        files = [_written(Path(name), part) for part in cut]
        difference = _chain(path, cut, files, how, seed)
        job = {
            "paths": [str(path), *files],
            "rounds": rounds,
            "block_ns": block_ms * 1e6,
            "seconds": seconds / processes,
        }
        with machine.quiet():
            answers = [
                run("clock", {**job, "seed": seed + at}, {}, how=how, seconds=60 + 4 * seconds)
                for at in range(processes)
            ]
    return _operators(found, cut, places, how, answers, difference, seed)


def chained(path: Path, *, kernels: str = "builtin", seed: int = 0) -> tuple[int, float]:
    """Run a file, and its operators one after the other, without timing either.

    Returns:
        The number of operators, and the largest difference between the two outputs.

    Raises:
        UserError: the file can't be used, or the runtime failed.
    """
    how, path = settings(kernels, 1), Path(path).absolute()
    with tempfile.TemporaryDirectory(prefix="dlmo-") as name:
        cut = parts(deployable.read(path))
        files = [_written(Path(name), part) for part in cut]
        return len(cut), _chain(path, cut, files, how, seed)


def _written(folder: Path, part: Part) -> str:
    file = folder / f"operator-{part.place:03d}.tflite"
    file.write_bytes(part.data)
    return str(file)


def _chain(path: Path, cut: list[Part], files: list[str], how: Settings, seed: int) -> float:
    order = [
        {"path": file, "inputs": part.inputs, "outputs": part.outputs}
        for part, file in zip(cut, files, strict=True)
    ]
    job = {"path": str(path), "parts": order, "seed": seed}
    return float(run("chain", job, {}, how=how, seconds=120).numbers["difference"])


def _operators(
    found: Deployable,
    cut: list[Part],
    places: list[bool],
    how: Settings,
    answers: list[Answer],
    difference: float,
    seed: int,
) -> Operators:
    done = min(len(answer.arrays["medians"]) for answer in answers)
    medians = np.stack([answer.arrays["medians"][:done] for answer in answers])
    ratios = medians[:, :, 1:] / medians[:, :, :1]
    together = np.concatenate([ratios, ratios.sum(axis=2, keepdims=True)], axis=2)
    lows, highs = interval(together, seed)
    shares = np.median(together, axis=(0, 1))
    spans = [
        {"share": float(share), "low": float(low), "high": float(high)}
        for share, low, high in zip(shares, lows, highs, strict=True)
    ]
    *each, total = spans
    return Operators(
        settings=how,
        runtime=answers[0].runtime,
        shares=tuple(
            Share(
                place=part.place,
                operator=part.node.name,
                output=_output(found, part),
                macs=part.node.macs,
                delegated=places[part.place],
                **span,
            )
            for part, span in zip(cut, each, strict=True)
        ),
        total=Share(place=-1, operator="all", output="", macs=found.macs, delegated=False, **total),
        milliseconds=float(np.median(medians[:, :, 0])) / 1e6,
        difference=difference,
    )


def _output(found: Deployable, part: Part) -> str:
    made = found.tensor(part.outputs[0])
    return f"{made.dtype} {'×'.join(map(str, made.shape))}"
