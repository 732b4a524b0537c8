"""One network on one dataset, technique by technique: what the paper says, and what we measured.

`compare` gathers everything once, as numbers; tables, charts and sentences are made from it, so
that they cannot disagree with each other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from dlmo import paper, records, sources, techniques
from dlmo.instruments import timing
from dlmo.report import statistics, text
from dlmo.report.printed import ZIPPED
from dlmo.report.statistics import Interval, Word
from dlmo.sources import Noted, Noting

ROWS: tuple[str, ...] = ("NQ", "NQ+FT", "BLQ", "FIQ", "F16", "QAT", "PRN", "PRQ")
"""The rows of Tables 5 to 7, and the control that the paper lacks."""

PARENT = "NQ"
CONTROL = "NQ+FT"
STUDENT = "KD"

KERNELS = ("xnnpack", "builtin")
"""The two sets of kernels with which latencies are measured."""


@dataclass(frozen=True)
class Printed:
    """What the paper prints of one technique; sizes in bytes (its KB are 1000 bytes).

    Attributes:
        ratio: its latency over that of NQ in the same table, computed from the milliseconds.
    """

    accuracy: float
    bytes: int
    milliseconds: float
    ratio: float


@dataclass(frozen=True)
class Difference:
    """A technique less another one with the same seed.

    Attributes:
        values: for each pair, in shares.
        interval: the mean; over seeds, or over images where there is one pair of files of the same
            weights.
        word: what the differences say.
        unit: "seed", or "file" where images were paired.
    """

    to: str
    values: tuple[float, ...]
    interval: Interval
    word: Word
    unit: str = "seed"


@dataclass(frozen=True)
class Row(Noted):
    """One technique, the paper's numbers and ours; what is read of it is noted as a source.

    Attributes:
        accuracies: test accuracy by seed.
        accuracy: their mean and t-interval; for one seed, Wilson's interval over the images.
        prediction: where one more measurement is expected; NaN for one seed.
        bytes, zipped_bytes, nonzero, pruned_nonzero, memory: means over the seeds; NaN where
            nothing was measured.
        ratio: latency over NQ's by kernels, with an interval over processes and rounds.
        beside: the technique whose file it was timed beside: NQ, or another float file where
            NQ's was lost.
        reason: why it can't be had.
        sources: for each field the keys of the records that it rests on.
    """

    technique: str
    printed: Printed | None = None
    accuracies: Mapping[int, float] = field(default_factory=dict)
    accuracy: Interval | None = None
    prediction: Interval | None = None
    bytes: float = np.nan
    zipped_bytes: float = np.nan
    nonzero: float = np.nan
    pruned_nonzero: float = np.nan
    memory: float = np.nan
    parameters: float = np.nan
    epochs: float = np.nan
    ratio: Mapping[str, Interval] = field(default_factory=dict)
    beside: str = PARENT
    differences: Mapping[str, Difference] = field(default_factory=dict)
    reason: str | None = None
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        """Whether there is at least one accuracy of it."""
        # Read past the note: what is only counted is no source.
        return bool(vars(self)["accuracies"])

    @property
    def has_file(self) -> bool:
        """Whether there is at least one file of it, trained or not."""
        # Read past the note, as above.
        return not np.isnan(vars(self)["bytes"])

    @property
    def as_printed(self) -> float:
        """Our size in bytes, counted as the paper counts: pruned files are zipped."""
        return self.zipped_bytes if self.technique in ZIPPED else self.bytes

    @property
    def to_paper(self) -> float:
        """Our mean accuracy less the paper's; NaN where one of the two is missing."""
        if self.printed is None or self.accuracy is None:
            return np.nan
        return self.accuracy.estimate - self.printed.accuracy

    @property
    def expected(self) -> bool | None:
        """Whether the paper's accuracy lies in our prediction interval; None where unknown."""
        if self.printed is None or self.prediction is None or np.isnan(self.prediction.low):
            return None
        return self.prediction.low <= self.printed.accuracy <= self.prediction.high


@dataclass(frozen=True)
class Comparison:
    """All techniques of one network on one dataset with one profile.

    Attributes:
        table: the number of the paper's table, None where the paper has no such network.
        rows: by technique, in the order in which they were asked for.
        machine: the processor that timed the files, with its widest instruction set; empty where
            none did.
    """

    dataset: str
    network: str
    profile: str
    table: int | None
    rows: Mapping[str, Row]
    machine: str = ""

    def __getitem__(self, technique: str) -> Row:
        return self.rows.get(technique, Row(technique))

    def measured(self, *names: str) -> list[Row]:
        """Return the rows with an accuracy; all, or those of these techniques."""
        wanted = names or tuple(self.rows)
        return [self[name] for name in wanted if self[name].measured]

    @property
    def files(self) -> list[Row]:
        """The rows with a file, trained or not."""
        return [row for row in self.rows.values() if row.has_file]

    @property
    def empty(self) -> bool:
        """Whether nothing was measured."""
        return not self.measured()


def compare(
    rows: pd.DataFrame,
    dataset: str,
    network: str,
    profile: str,
    techniques: Sequence[str] = ROWS,
) -> Comparison:
    """Gather the paper's numbers and ours.

    Args:
        rows: of `records.select`; rows of other datasets, networks or profiles are left out.
        dataset: as the report names it.
        network: as the report names it.
        profile: as the report names it.
        techniques: which, in the order in which they are to be shown.
    """
    same = (rows["dataset"] == dataset) & (rows["network"] == network)
    ours = rows[same & (rows["profile"] == profile)]
    timed = _timed_groups(ours[ours["technique"].isin(techniques)])
    ratios = _latencies(timed)
    beside = _beside(timed, ours)
    table, printed = _printed(dataset, network)
    by_name = {name: ours[ours["technique"] == name] for name in techniques}
    nothing: Mapping[str, Interval] = {}
    made = {
        name: _row(name, found, printed.get(name), ratios.get(name, nothing), ours, table)
        for name, found in by_name.items()
    }
    made |= {name: replace(made[name], beside=other) for name, other in beside.items()}
    return Comparison(dataset, network, profile, table, made, _processor(timed))


def _row(
    name: str,
    found: pd.DataFrame,
    printed: Printed | None,
    ratio: Mapping[str, Interval],
    ours: pd.DataFrame,
    table: int | None,
) -> Row:
    seeds = found.dropna(subset=["accuracy"]).drop_duplicates("seed").set_index("seed").sort_index()
    reasons = found["reason"].dropna()
    if seeds.empty:
        return Row(
            name,
            printed,
            reason=str(reasons.iloc[0]) if len(reasons) else None,
            # Untrained weights have files, and no accuracy.
            ratio=ratio,
            bytes=_mean(found["bytes"]),
            memory=_mean(found["memory"]),
            sources=_sources(found, table),
        )
    accuracies = dict(zip(map(int, seeds.index), map(float, seeds["accuracy"]), strict=True))
    return Row(
        name,
        printed,
        accuracies=accuracies,
        accuracy=_accuracy(seeds),
        prediction=statistics.prediction(list(accuracies.values())),
        ratio=ratio,
        differences=_differences(name, seeds, ours),
        bytes=_mean(seeds["bytes"]),
        zipped_bytes=_mean(seeds["zipped_bytes"]),
        nonzero=_mean(seeds["nonzero"]),
        pruned_nonzero=_mean(seeds["pruned_nonzero"]),
        memory=_mean(seeds["memory"]),
        parameters=_mean(seeds["parameters"]),
        epochs=_mean(seeds["epochs"]),
        sources=_sources(seeds, table),
    )


_RESTS_ON = {
    "accuracy_key": ("accuracies", "accuracy", "prediction"),
    "deployable_key": ("bytes", "zipped_bytes", "nonzero", "pruned_nonzero"),
    "memory_key": ("memory",),
    "weights_key": ("parameters", "epochs"),
    "reason_key": ("reason",),
}
"""The fields of a row by the column with the keys of their records."""


def _sources(found: pd.DataFrame, table: int | None) -> dict[str, tuple[str, ...]]:
    made = {name: _keys(found, key) for key, names in _RESTS_ON.items() for name in names}
    return made | {"printed": (sources.table(table),) if table else ()}


def _keys(found: pd.DataFrame, column: str) -> tuple[str, ...]:
    return tuple(map(str, found[column].dropna()))


def _mean(values: "pd.Series[Any]") -> float:
    known = values.dropna().astype(float)
    return float(known.mean()) if len(known) else np.nan


def _accuracy(seeds: pd.DataFrame) -> Interval:
    if len(seeds) > 1:
        return statistics.mean(seeds["accuracy"].to_numpy(float))
    share = float(seeds["accuracy"].iloc[0])
    record = records.find(str(seeds["accuracy_key"].iloc[0]))
    if not isinstance(record, records.Measurement):
        return Interval(share, np.nan, np.nan, 1)
    images = int(record.values["test_images"])
    found = statistics.wilson(round(share * images), images)
    return Interval(share, found.low, found.high, 1)


# Differences ------------------------------------------------------------------------------------


def difference(rows: pd.DataFrame, name: str, other: str) -> Difference:
    """Return a technique less another one, paired by seed.

    Args:
        rows: of `records.select`, of one dataset, network and profile.
        name: the technique.
        other: what it is compared with.
    """
    known = rows[rows["technique"] == name].dropna(subset=["accuracy"])
    seeds = known.drop_duplicates("seed").set_index("seed").sort_index()
    return _difference(other, name, *_pairs(other, seeds, rows))


def _differences(name: str, seeds: pd.DataFrame, ours: pd.DataFrame) -> Mapping[str, Difference]:
    pairs = {other: _pairs(other, seeds, ours) for other in comparators(name)}
    made = {other: _difference(other, name, *both) for other, both in pairs.items()}
    keys = {
        other: (*_keys(one, "accuracy_key"), *_keys(base, "accuracy_key"))
        for other, (one, base) in pairs.items()
    }
    return Noting(made, keys)


def comparators(name: str) -> tuple[str, ...]:
    """Return what a technique is compared with: NQ, the control where it was trained on, and KD.

    KD where it was distilled before anything else was done.
    """
    if name == PARENT:
        return ()
    steps = techniques.technique(name).steps
    control = (CONTROL,) if name != CONTROL and not _same_weights(name, PARENT) else ()
    return (PARENT, *control, *((STUDENT,) if "distil" in steps and name != STUDENT else ()))


def _same_weights(name: str, other: str) -> bool:
    """Say whether two techniques convert the same weights."""
    return techniques.technique(name).steps == techniques.technique(other).steps


def _pairs(
    other: str, seeds: pd.DataFrame, ours: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of the seeds that both have, and the other technique's rows beside them."""
    base = ours[ours["technique"] == other].dropna(subset=["accuracy"])
    base = base.drop_duplicates("seed").set_index("seed")
    both = [seed for seed in seeds.index if seed in base.index]
    return seeds.loc[both], base.loc[both]


def _difference(other: str, name: str, seeds: pd.DataFrame, base: pd.DataFrame) -> Difference:
    less = seeds["accuracy"] - base["accuracy"]
    values = tuple(float(value) for value in less)
    if len(values) == 1 and _same_weights(name, other):
        found = _one_file(seeds.iloc[0], base.iloc[0])
        if found is not None:
            word = statistics.judge_files([found])
            return Difference(other, values, found.difference, word, "file")
    return _over_seeds(other, values)


def _over_seeds(other: str, values: tuple[float, ...]) -> Difference:
    interval = statistics.mean(values) if values else Interval(np.nan, np.nan, np.nan, 0)
    return Difference(other, values, interval, statistics.judge(values))


def _one_file(row: "pd.Series[Any]", base: "pd.Series[Any]") -> statistics.Files | None:
    """Compare two conversions of the same weights, image by image, where predictions are kept."""
    right, other = (records.right(str(one["accuracy_key"]), "test") for one in (row, base))
    if right is None or other is None:
        return None
    return statistics.paired_files(right, other)


def paired(subject: Row, parent: Row) -> Difference:
    """Return a technique less another one of the same comparison, over the seeds that both have."""
    seeds = [seed for seed in subject.accuracies if seed in parent.accuracies]
    values = tuple(subject.accuracies[seed] - parent.accuracies[seed] for seed in seeds)
    return _over_seeds(parent.technique, values)


# Latency ----------------------------------------------------------------------------------------


_Timed = Mapping[tuple[str, str], Sequence[records.Measurement]]
"""Latencies by technique and kernels, over all seeds."""


def _timed_groups(ours: pd.DataFrame) -> _Timed:
    names = dict(ours.dropna(subset=["deployable_key"])[["deployable_key", "technique"]].to_numpy())
    found: dict[tuple[str, str], list[records.Measurement]] = {}
    for record in _on_one_machine(_timed(names)):
        kind = (names[record.identity.deployable], str(record.identity.settings["kernels"]))
        found.setdefault(kind, []).append(record)
    return found


def _latencies(timed: _Timed) -> dict[str, Mapping[str, Interval]]:
    """Return by technique and kernels the ratio to NQ, over all seeds' processes and rounds."""
    ratios: dict[str, dict[str, Interval]] = {}
    keys: dict[str, dict[str, list[str]]] = {}
    for (technique, kernels), group in timed.items():
        ratios.setdefault(technique, {})[kernels] = pooled(group)
        keys.setdefault(technique, {})[kernels] = [record.key for record in group]
    return {name: Noting(one, keys[name]) for name, one in ratios.items()}


def _processor(timed: _Timed) -> str:
    machine = next((group[0].provenance.machine for group in timed.values()), None)
    return text.processor(machine) if machine else ""


def _beside(timed: _Timed, ours: pd.DataFrame) -> dict[str, str]:
    """Return which technique those were timed beside that were timed beside another than NQ."""
    names = ours.drop_duplicates("deployable_key").set_index("deployable_key")["technique"]
    found = {
        technique: str(names.get(str(one.identity.settings.get("baseline")), PARENT))
        for (technique, _), group in timed.items()
        for one in group
    }
    return {technique: other for technique, other in found.items() if other != PARENT}


def _timed(keys: Mapping[str, str]) -> Iterator[records.Measurement]:
    for record in records.every():
        if not isinstance(record, records.Measurement):
            continue
        identity = record.identity
        wanted = identity.instrument == "latency" and identity.settings.get("threads") == 1
        wanted &= "runtime" not in identity.settings and "ratio" in record.values
        if wanted and identity.deployable in keys and identity.settings.get("kernels") in KERNELS:
            yield record


def _on_one_machine(timed: Iterable[records.Measurement]) -> list[records.Measurement]:
    """Keep the latencies of one machine, since two make no average.

    It is the one that timed the most techniques, and among equals the one that measured last.
    """
    machines: dict[str, list[records.Measurement]] = {}
    for one in timed:
        machines.setdefault(one.identity.machine, []).append(one)

    def rank(found: list[records.Measurement]) -> tuple[int, str]:
        techniques = {one.trial.technique for one in found if one.trial}
        return len(techniques), max(one.provenance.started for one in found)

    return max(machines.values(), key=rank, default=[])


def pooled(group: Sequence[records.Measurement]) -> Interval:
    """Return the median ratio over processes and rounds of all seeds' files of one technique."""
    if len(group) == 1:
        values = group[0].values
        low, high = values["ratio_interval"]
        return Interval(float(values["ratio"]), float(low), float(high), 1)
    processes = [process for record in group for process in record.values["ratios"]]
    rounds = min(map(len, processes))
    ratios = np.array([process[:rounds] for process in processes])[:, :, None]
    lows, highs = timing.interval(ratios, seed=0)
    return Interval(float(np.median(ratios)), float(lows[0]), float(highs[0]), len(group))


# The paper --------------------------------------------------------------------------------------


def _printed(dataset: str, network: str) -> tuple[int | None, dict[str, Printed]]:
    results = paper.results()
    rows = results[(results["dataset"] == dataset) & (results["network"] == network)]
    if rows.empty:
        return None, {}
    # Table 14 repeats rows of others: the first table is where a network stands.
    first = int(rows["table"].min())
    rows = rows[rows["table"] == first].set_index("technique")
    base = float(rows["latency_ms"].get(PARENT, np.nan))
    return first, {
        str(name): Printed(
            float(row["accuracy"]),
            int(row["bytes"]),
            float(row["latency_ms"]),
            float(row["latency_ms"]) / base,
        )
        for name, row in rows.iterrows()
    }
