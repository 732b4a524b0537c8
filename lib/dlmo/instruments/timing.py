"""The instrument `latency`: how long files take, in turns, and as ratios to one of them.

Shared machines change their speed by more than techniques differ, within minutes. Files are
therefore timed interleaved: every round times each file, in a shuffled order, for a few
milliseconds, and the result is the ratio within the round. Absolute times are context.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from dlmo import deployable, machine
from dlmo.errors import UserError, unknown
from dlmo.instruments.process import Answer, ChildError, Settings, run, settings

REPLICATES = 2000
"""Bootstrap replicates behind an interval."""


class Timing(BaseModel):
    """How long one file takes."""

    model_config = ConfigDict(frozen=True)

    ratio: float
    """Median over processes and rounds of its time over the baseline's in the same round."""
    low: float
    high: float
    """95 % bootstrap interval of `ratio`, over processes and the rounds in them."""
    milliseconds: float
    """Median steady inference."""
    p99_milliseconds: float
    """99th percentile of all steady inferences, disturbances by other programs included."""
    load_milliseconds: float
    """Median over processes: opening the file, packing weights, allocating tensors."""
    first_milliseconds: float
    """Median over processes: the first inference after loading."""


class Latency(BaseModel):
    """What `latency` found; everything but the interval's chance can be computed again from it."""

    model_config = ConfigDict(frozen=True)

    baseline: str
    settings: Settings
    runtime: str
    """The runtime's package and version."""
    timings: dict[str, Timing]
    medians: dict[str, list[list[float]]]
    """Of each file, by process and round: the median steady inference in ns."""
    loads: dict[str, list[float]]
    """Of each file, by process: loading in ns."""
    firsts: dict[str, list[float]]
    """Of each file, by process: the first inference in ns."""
    p99s: dict[str, list[float]]
    """Of each file, by process: the 99th percentile of its steady inferences in ns."""

    def table(self) -> pd.DataFrame:
        """Return one row a file (its name is the index), with the columns of `Timing`."""
        rows = {name: timing.model_dump() for name, timing in self.timings.items()}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("file")

    def rounds(self) -> pd.DataFrame:
        """Return one row a file, process and round: columns file, process, round, ns, ratio."""
        base = np.array(self.medians[self.baseline])
        rows = [
            (name, process, turn, ns, ns / base[process, turn])
            for name, processes in self.medians.items()
            for process, turns in enumerate(processes)
            for turn, ns in enumerate(turns)
        ]
        return pd.DataFrame(rows, columns=["file", "process", "round", "ns", "ratio"])


@dataclass(frozen=True)
class Turn:
    """Files that are timed against each other, and how they are run."""

    paths: Mapping[str, Path]
    how: Settings


Told = Callable[[int, int], None]
"""Is told before each process: which one it is (from 0), and of how many."""


def latency(
    paths: Mapping[str, Path],
    *,
    baseline: str,
    processes: int = 5,
    rounds: int = 40,
    block_ms: float = 3.0,
    kernels: str = "xnnpack",
    threads: int = 1,
    seconds: float = 120.0,
    seed: int = 0,
    runtime: Path | None = None,
) -> Latency:
    """Time the files against each other, alone on the machine (see `machine.quiet`).

    Each process loads all files, so they must fit into memory together.

    Args:
        paths: the files by name; the baseline is one of them.
        baseline: the name of the file that the others are compared with.
        processes: how many processes measure, one after the other.
        rounds: how many rounds each measures at most.
        block_ms: how long each file runs in a round, at least three inferences.
        kernels: "xnnpack", "builtin" or "reference".
        threads: of the runtime.
        seconds: the budget; when it is spent, processes end after the round they are in. Every
            process measures at least one round, and waiting for the machine isn't counted.
        seed: of the orders and of the bootstrap.
        runtime: the Python of another environment, with another runtime.

    Raises:
        UserError: a file or setting can't be used, or the runtime failed.
    """
    turn = Turn(paths, settings(kernels, threads, runtime))
    (found,) = latencies(
        [turn],
        baseline=baseline,
        processes=processes,
        rounds=rounds,
        block_ms=block_ms,
        seconds=seconds,
        seed=seed,
    )
    return found


def latencies(
    turns: Sequence[Turn],
    *,
    baseline: str,
    processes: int = 5,
    rounds: int = 40,
    block_ms: float = 3.0,
    seconds: float = 120.0,
    seed: int = 0,
    told: Told | None = None,
) -> list[Latency]:
    """Time files in several ways, the ways in turns: a process of each, then the next of each.

    So what the machine does in between falls on all ways alike, and a file's time in one way can
    be compared with its time in another, process by process. The baseline belongs to every turn.

    Args:
        turns: which files, and how; each turn has its result.
        baseline, processes, rounds, block_ms, seed: see `latency`.
        seconds: the budget of each turn.
        told: is told how far it is.

    Raises:
        UserError: a file or setting can't be used, or the runtime failed.
    """
    if processes < 1 or rounds < 1 or not seconds > 0 or not block_ms > 0:
        raise UserError("processes, rounds, seconds and block_ms must all be positive")
    files = [_ordered(turn.paths, baseline) for turn in turns]
    for file in {file for one in files for file in one.values()}:
        deployable.read(file)  # a damaged file should fail before the machine is held
    job = {"rounds": rounds, "block_ns": block_ms * 1e6, "seconds": seconds / processes}
    answers: list[list[Answer]] = [[] for _ in turns]
    with machine.quiet():
        for at in range(processes * len(turns)):
            process, place = divmod(at, len(turns))
            if told:
                told(at, processes * len(turns))
            order = {**job, "paths": _distinct(files[place]), "seed": seed + process}
            how = turns[place].how
            answers[place].append(run("clock", order, {}, how=how, seconds=60 + 4 * seconds))
    return [
        _latency(files[place], turn.how, answers[place], seed) for place, turn in enumerate(turns)
    ]


def refusals(paths: Mapping[str, Path], how: Settings) -> dict[str, str]:
    """Return by name the files that a runtime does not run, and what becomes of them.

    They are run together first, and one by one only where that fails.
    """
    job = {"rounds": 1, "block_ns": 1, "seconds": 1, "seed": 0}

    def refusal(*names: str) -> str | None:
        wanted = [str(Path(paths[name]).absolute()) for name in names]
        try:
            run("clock", {**job, "paths": list(dict.fromkeys(wanted))}, {}, how=how, seconds=120)
        except ChildError as error:
            if error.code is None:
                raise  # too slow a machine is no refusal
            return str(error)
        return None

    if not paths or refusal(*paths) is None:
        return {}
    said = {name: refusal(name) for name in paths}
    return {name: reason for name, reason in said.items() if reason is not None}


def _ordered(paths: Mapping[str, Path], baseline: str) -> dict[str, str]:
    """Return the files by name, the baseline first."""
    if baseline not in paths:
        raise unknown("baseline", baseline, paths)
    order = [baseline, *(name for name in paths if name != baseline)]
    return {name: str(Path(paths[name]).absolute()) for name in order}


def _distinct(files: Mapping[str, str]) -> list[str]:
    """Return the paths, each once: a file under two names is timed once, and gets ratio 1."""
    return list(dict.fromkeys(files.values()))


def _latency(files: dict[str, str], how: Settings, answers: list[Answer], seed: int) -> Latency:
    at = {name: _distinct(files).index(file) for name, file in files.items()}
    done = min(len(answer.arrays["medians"]) for answer in answers)
    medians = np.stack([answer.arrays["medians"][:done] for answer in answers])
    loads = np.stack([answer.arrays["load"] for answer in answers])
    firsts = np.stack([answer.arrays["first"] for answer in answers])
    p99s = {name: [_p99([answer], index) for answer in answers] for name, index in at.items()}
    baseline = next(iter(files))
    ratios = medians / medians[:, :, at[baseline], None]
    lows, highs = interval(ratios, seed)
    timings = {
        name: Timing(
            ratio=float(np.median(ratios[:, :, index])),
            low=float(lows[index]),
            high=float(highs[index]),
            milliseconds=float(np.median(medians[:, :, index])) / 1e6,
            p99_milliseconds=_p99(answers, index) / 1e6,
            load_milliseconds=float(np.median(loads[:, index])) / 1e6,
            first_milliseconds=float(np.median(firsts[:, index])) / 1e6,
        )
        for name, index in at.items()
    }
    return Latency(
        baseline=baseline,
        settings=how,
        runtime=answers[0].runtime,
        timings=timings,
        medians={name: medians[:, :, index].tolist() for name, index in at.items()},
        loads={name: loads[:, index].tolist() for name, index in at.items()},
        firsts={name: firsts[:, index].tolist() for name, index in at.items()},
        p99s=p99s,
    )


def _p99(answers: list[Answer], index: int) -> float:
    times = np.concatenate([answer.arrays[f"times{index}"] for answer in answers])
    return float(np.percentile(times, 99))


def interval(
    ratios: NDArray[np.float64], seed: int, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bootstrap interval of the median ratio of each file; see `resampled`.

    Args:
        ratios: [processes, rounds, files].
        seed: of the draws.
        level: of the interval.

    Returns:
        The lower and the upper limits, [files] each.
    """
    tails = [50 * (1 - level), 100 - 50 * (1 - level)]
    low, high = np.percentile(resampled(ratios, seed), tails, axis=1)
    return low, high


def resampled(ratios: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the median ratio of each file in each bootstrap replicate, [files, replicates].

    Processes are drawn first, and then rounds within each drawn process: two rounds of one
    process share its memory layout and the state of the machine, and tell less than two processes.

    Args:
        ratios: [processes, rounds, files].
        seed: of the draws.
    """
    processes, rounds, files = ratios.shape
    chance = np.random.default_rng(seed)
    drawn = chance.integers(processes, size=(REPLICATES, processes, 1))
    turns = chance.integers(rounds, size=(REPLICATES, processes, rounds))
    medians = [np.median(ratios[drawn, turns, file], axis=(1, 2)) for file in range(files)]
    return np.array(medians)
