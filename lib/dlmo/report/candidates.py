"""The candidates of a recommendation: each technique of each network, as a device sees it.

A candidate's file is the one of the seed that is best on the validation images; what candidates are
chosen by is the validation images, too. The test images are only reported.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from dlmo import deployable, microcontroller, records
from dlmo.report import arenas, statistics, text
from dlmo.report.cited import cited
from dlmo.report.comparison_tables import title
from dlmo.report.statistics import Interval

Runtime = Literal["linux", "microcontroller"]
"""LiteRT in a process of its own, or TFLite Micro, which knows fewer operators and types."""

RUNTIMES: dict[Runtime, str] = {
    "linux": "LiteRT on Linux: RAM is the measured growth of the process",
    "microcontroller": (
        "TFLite Micro: RAM is its measured arena, else an estimate of it from the file"
    ),
}
"""What is counted as RAM, by runtime."""


class Frozen(BaseModel):
    """What is never changed, and has no other fields than its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(Frozen):
    """One technique of one network on one dataset, as a device sees it.

    Attributes:
        name: what identifies it, and what people read.
        file: the name of its file.
        key: of the file's record.
        seeds: how many it rests on.
        flash: bytes of the file.
        process: growth of a process's memory in bytes, to 0.1 MB; None where not measured.
        arena: bytes of TFLite Micro's arena where that is measured, else as estimated from the
            file; None where the file isn't at hand either.
        measured: whether `arena` and `refusal` are measured.
        estimate: bytes of the arena, from the file.
        latency: median ratio to the network's float file, to a hundredth; None where not measured.
        time: `latency` in ms of the float file, for comparing networks; None where it is not
            measured on the machine that timed most of the dataset's candidates.
        processors: on which `latency` was measured.
        validation: mean accuracy on the validation images.
        test: mean accuracy on the test images with its interval.
        operators: which its file has.
        floats: whether some compute with floats.
        refusal: why TFLite Micro does not run it.
    """

    name: str
    dataset: str
    network: str
    technique: str
    profile: str
    file: str
    key: str
    seeds: int
    flash: int
    process: int | None
    arena: int | None
    measured: bool = False
    estimate: int | None = None
    latency: float | None
    time: float | None
    processors: tuple[str, ...] = ()
    validation: float
    test: tuple[float, float, float]
    operators: tuple[str, ...]
    floats: bool
    refusal: str | None

    def ram(self, runtime: Runtime) -> int | None:
        """Return the bytes of RAM as a runtime counts them."""
        return self.process if runtime == "linux" else self.arena


class Pair(Frozen):
    """Two candidates on the same validation images: the first less the second.

    Attributes:
        low, high: of the interval; None where one pair decides nothing.
        unit: what was paired: "seed", "file" (image by image), or "network" (not paired).
    """

    difference: float
    low: float | None
    high: float | None
    unit: Literal["seed", "file", "network"]

    @property
    def tie(self) -> bool:
        """Whether the interval does not tell the two apart."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high

    def turned(self) -> "Pair":
        """Return the second less the first."""
        low, high = (None if one is None else -one for one in (self.high, self.low))
        return Pair(difference=-self.difference, low=low, high=high, unit=self.unit)


@dataclass(frozen=True)
class Catalogue:
    """All candidates, and how each pair on one dataset compares.

    Attributes:
        candidates: by name.
        pairs: by the two names, in the order of `candidates`.
        classes: of each dataset.
    """

    candidates: Mapping[str, Candidate]
    pairs: Mapping[tuple[str, str], Pair]
    classes: Mapping[str, int]

    def pair(self, first: str, second: str) -> Pair:
        """Return how two candidates of one dataset compare, the first less the second."""
        found = self.pairs.get((first, second))
        return found if found is not None else self.pairs[second, first].turned()


# Gathering --------------------------------------------------------------------------------------


@cited
def catalogue(rows: pd.DataFrame) -> Catalogue:
    """Gather the candidates of rows that are measured."""
    known = rows.dropna(subset=["accuracy", "validation_accuracy", "deployable_key"])
    known = known.drop_duplicates([*_GROUP, "seed"], keep="last")
    found = {one.key: one for one in records.every()}
    floats, micro = _floats(known, found), arenas.read()
    candidates: dict[str, Candidate] = {}
    groups: dict[str, _Seeds] = {}
    profiles = known["profile"].nunique() > 1
    for _, group in known.groupby(list(_GROUP), sort=True):
        name = _name(group.iloc[0], profiles)
        seeds = group.set_index("seed").sort_index()
        groups[name] = _seeds(seeds)
        candidates[name] = _candidate(name, seeds, found, floats, micro)
    right = cache(partial(records.right, part="validation"))
    pairs = {
        (first.name, second.name): _pair(groups[first.name], groups[second.name], right)
        for first, second in combinations(candidates.values(), 2)
        if first.dataset == second.dataset
    }
    return Catalogue(candidates, pairs, _classes(known, found))


_GROUP = ("dataset", "network", "technique", "profile")


def _name(row: "pd.Series[Any]", profiles: bool) -> str:
    ending = f", profile {row['profile']}" if profiles else ""
    return f"{row['technique']} of {title(row['network'])} on {title(row['dataset'])}{ending}"


def _floats(known: pd.DataFrame, found: Mapping[str, Any]) -> dict[str, float]:
    """Return by latency record how long the file takes that it was timed beside, in ms.

    Milliseconds of two machines do not compare: of each dataset those of one machine are taken,
    the one that timed the most.
    """
    timed = [found[key] for key in map(str, known["latency_key"].dropna())]
    counts: dict[str, Counter[str]] = {}
    for one in timed:
        counts.setdefault(one.trial.dataset, Counter())[one.identity.machine] += 1
    chosen = {dataset: count.most_common(1)[0][0] for dataset, count in counts.items()}
    here = [one for one in timed if one.identity.machine == chosen[one.trial.dataset]]
    spent = {one.identity.deployable: one.values.get("milliseconds") for one in here}
    bases = {one.key: spent.get(one.identity.settings["baseline"]) for one in here}
    return {key: float(value) for key, value in bases.items() if value is not None}


def _candidate(
    name: str,
    seeds: pd.DataFrame,
    found: Mapping[str, Any],
    floats: Mapping[str, float],
    micro: arenas.Arenas,
) -> Candidate:
    best = seeds.iloc[int(seeds["validation_accuracy"].to_numpy(float).argmax())]
    record = found[str(best["deployable_key"])]
    kind = {column: str(best[column]) for column in _GROUP}
    here = _on_one_machine(seeds, found)
    latency = _known(here["latency_ratio"].astype(float).median(), 2)
    timed = list(here["latency_key"])
    bases = [floats[key] for key in timed if key in floats]
    base = float(np.median(bases)) if bases else None
    arena, refusal, estimate = _inside(record.key, micro)
    memory = best["memory"]
    return Candidate(
        name=name,
        file=_file(record.key, f"{kind['technique']}-{kind['profile']}-{best.name}"),
        key=record.key,
        seeds=len(seeds),
        flash=int(best["bytes"]),
        process=None if pd.isna(memory) else round(int(memory), -5),
        arena=arena,
        measured=micro.of(record.key) is not None,
        estimate=estimate,
        latency=latency,
        time=None if latency is None or base is None else latency * base,
        processors=tuple(sorted({text.processor(found[key].provenance.machine) for key in timed})),
        validation=float(seeds["validation_accuracy"].mean()),
        test=_test(seeds, found),
        operators=tuple(sorted(record.operators)),
        floats=bool(record.float_operators),
        refusal=refusal,
        **kind,
    )


def _on_one_machine(seeds: pd.DataFrame, found: Mapping[str, Any]) -> pd.DataFrame:
    """Keep the seeds that the machine of the most of them timed; two machines make no median."""
    timed = seeds.dropna(subset=["latency_key"])
    machines = timed["latency_key"].map(lambda key: str(found[key].identity.machine))
    return timed[machines.isin(machines.mode()[:1])]


def _known(value: float, digits: int) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)


def _file(key: str, trial: str) -> str:
    place = records.kept(key)
    return place.name if place is not None and "-" in place.name else f"{trial}.{key}.tflite"


def _inside(key: str, micro: arenas.Arenas) -> tuple[int | None, str | None, int | None]:
    """Return a file's RAM under TFLite Micro, why that refuses it, and the estimate of the RAM.

    What is not measured is estimated from the file, as far as that is at hand.
    """
    place, said = records.kept(key), micro.of(key)
    estimate, refusal = (None, None) if place is None else _read(place, place.stat().st_mtime_ns)
    if said is None:
        return estimate, refusal, estimate
    return said.bytes if said.runs else estimate, said.refusal, estimate


@cache
def _read(place: Path, changed: int) -> tuple[int, str | None]:
    held = deployable.read(place)
    return microcontroller.need(held).arena, microcontroller.refusal(held)


def _test(seeds: pd.DataFrame, found: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the mean test accuracy with its interval: over seeds, or over images for one seed."""
    shares = seeds["accuracy"].to_numpy(float)
    if len(shares) > 1:
        over = statistics.mean(shares)
    else:
        images = int(found[str(seeds["accuracy_key"].iloc[0])].values["test_images"])
        over = statistics.wilson(round(float(shares[0]) * images), images)
    return float(shares.mean()), over.low, over.high


def _classes(known: pd.DataFrame, found: Mapping[str, Any]) -> dict[str, int]:
    first = known.drop_duplicates("dataset")
    pairs = zip(first["dataset"], first["accuracy_key"], strict=True)
    return {str(name): len(found[str(key)].values["confusion"]) for name, key in pairs}


# Comparing --------------------------------------------------------------------------------------


_Right = Callable[[str], np.ndarray | None]
"""Says on which validation images a file is right, by the key of its accuracy."""


class _Seeds(NamedTuple):
    """What is compared of a candidate; plain values, since there are thousands of pairs."""

    parent: tuple[str, str]
    accuracies: Mapping[int, float]
    keys: Mapping[int, str]


def _seeds(group: pd.DataFrame) -> _Seeds:
    """Return of a candidate's rows, by seed, what is compared of them."""
    first, seeds = group.iloc[0], [int(seed) for seed in group.index]
    return _Seeds(
        (str(first["network"]), str(first["profile"])),
        dict(zip(seeds, map(float, group["validation_accuracy"]), strict=True)),
        dict(zip(seeds, map(str, group["accuracy_key"]), strict=True)),
    )


def _pair(first: _Seeds, second: _Seeds, right: _Right) -> Pair:
    """Compare two candidates on the validation images, paired as far as they share a parent."""
    one, other = first.accuracies, second.accuracies
    related = first.parent == second.parent
    both = [seed for seed in one if seed in other]
    if related and len(both) > 1:
        found = statistics.paired([one[seed] for seed in both], [other[seed] for seed in both])
        return _of(found, "seed")
    if not related and min(len(one), len(other)) > 1:
        means = statistics.compare_means(list(one.values()), list(other.values()))
        return _of(means.interval, "network")
    # Not the best seeds: chosen by these very images, they would look better than they are.
    seeds = (both[0], both[0]) if both else (next(iter(one)), next(iter(other)))
    return _files(first, second, seeds, right)


def _files(first: _Seeds, second: _Seeds, seeds: tuple[int, int], right: _Right) -> Pair:
    """Compare two files image by image: which of the two to deploy, not which technique is better.

    Without the predictions of both one pair decides nothing.
    """
    one, other = right(first.keys[seeds[0]]), right(second.keys[seeds[1]])
    if one is None or other is None:
        gap = first.accuracies[seeds[0]] - second.accuracies[seeds[1]]
        return _of(Interval(gap, np.nan, np.nan, 1), "file")
    return _of(statistics.paired_interval(one, other), "file")


def _of(found: Interval, unit: Literal["seed", "file", "network"]) -> Pair:
    low, high = (None if np.isnan(one) else float(one) for one in (found.low, found.high))
    return Pair(difference=found.estimate, low=low, high=high, unit=unit)
