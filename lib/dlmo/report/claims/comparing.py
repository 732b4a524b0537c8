"""What is compared in one cell: accuracies over seeds, files image by image, sizes, runtimes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dlmo import paper, records
from dlmo.instruments import timing
from dlmo.paper import Claim
from dlmo.report import statistics
from dlmo.report.claims.evidence import Cell, Comparison, NotMeasuredError
from dlmo.report.claims.registry import compares
from dlmo.report.claims.source import Source
from dlmo.report.printed import ZIPPED
from dlmo.report.statistics import Compared, Interval
from dlmo.report.text import MISSING

ONE_PAIR = "one pair, which decides nothing"

# Over seeds ---------------------------------------------------------------------------------------


@compares(("seed", "accuracy"))
def accuracy_over_seeds(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Compare accuracies: paired by seed with a technique, Welch's t with another network."""
    subject = source.seeds(cell.dataset, cell.network, cell.technique)
    if _is_network(cell.against):
        other = source.seeds(cell.dataset, cell.against, cell.technique)
        return _means(subject["accuracy"], other["accuracy"], _keys(subject, other))
    recipe = claim.control_recipe if claim.control else None
    other = source.seeds(cell.dataset, cell.network, cell.against, recipe)
    return _pairs(subject["accuracy"], other["accuracy"], _keys(subject, other))


@compares(("seed", "accuracy_gain"))
def gain_over_seeds(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Compare what a technique gains over its control in two networks (Welch's t)."""
    one, keys = gains(claim, source, cell.dataset, cell.network, cell.technique)
    other, more = gains(claim, source, cell.dataset, cell.against, cell.technique)
    return _means(one, other, (*keys, *more))


def gains(
    claim: Claim, source: Source, dataset: str, network: str, technique: str
) -> tuple["pd.Series[float]", tuple[str, ...]]:
    """Return a technique's accuracy less its control's by seed, and the records' keys.

    Raises:
        NotMeasuredError: there is no seed of both.
    """
    subject = source.seeds(dataset, network, technique)
    # Techniques pair in order with as many controls; one control serves them all.
    controls = claim.control or claim.against
    place = claim.techniques.index(technique) if len(controls) == len(claim.techniques) else 0
    control = source.seeds(dataset, network, controls[place], claim.control_recipe)
    less = (subject["accuracy"] - control["accuracy"]).dropna()
    if less.empty:
        raise NotMeasuredError(f"{MISSING}: no seed has both {technique} and {controls[place]}")
    return less, _keys(subject, control)


@compares(("seed", "generalization_gap"))
def gap_over_seeds(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Compare training less test accuracy of two networks (Welch's t).

    The training accuracy is the one recorded in the last epoch, on images as they were trained on.
    """
    one = source.seeds(cell.dataset, cell.network, cell.technique)
    other = source.seeds(cell.dataset, cell.against, cell.technique)
    keys = (*_keys(one, other), *one["weights_key"], *other["weights_key"])
    return _means(_gaps(source, one), _gaps(source, other), keys)


def _gaps(source: Source, rows: pd.DataFrame) -> "pd.Series[float]":
    last = [source.weights(key).history[-1]["accuracy"] for key in rows["weights_key"]]
    return pd.Series(last, index=rows.index) - rows["accuracy"]


def _pairs(
    subject: "pd.Series[float]", other: "pd.Series[float]", keys: tuple[str, ...]
) -> Comparison:
    both = subject.index.intersection(other.index)
    if both.empty:
        raise NotMeasuredError(f"{MISSING}: no seed has both")
    if len(both) == 1:
        only = float(subject[both[0]] - other[both[0]])
        raise NotMeasuredError(ONE_PAIR, Interval(only, np.nan, np.nan, 1), keys)
    found = statistics.compare_pairs(subject[both].to_numpy(), other[both].to_numpy())
    return Comparison((found,), keys)


def _means(one: "pd.Series[float]", other: "pd.Series[float]", keys: tuple[str, ...]) -> Comparison:
    if min(len(one), len(other)) < 2:
        less = float(one.mean() - other.mean())
        raise NotMeasuredError(ONE_PAIR, Interval(less, np.nan, np.nan, 1), keys)
    return Comparison((statistics.compare_means(one.to_numpy(), other.to_numpy()),), keys)


# Files, image by image ----------------------------------------------------------------------------


@compares(("file", "accuracy"))
def accuracy_of_files(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Compare two conversions of the same weights image by image, seed by seed."""
    subject = source.seeds(cell.dataset, cell.network, cell.technique)
    other = source.seeds(cell.dataset, cell.network, cell.against)
    return _image_by_image(source, subject, other)


@compares("fiq-small-calibration")
def accuracy_of_calibrated_files(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Compare files calibrated with few and with many images; both must pass."""
    other = source.seeds(cell.dataset, cell.network, cell.against)
    counts = [int(claim.numbers[name]) for name in ("few", "many")]
    each = [_image_by_image(source, source.calibrated(cell, n), other) for n in counts]
    keys = tuple(dict.fromkeys(key for one in each for key in one.keys))
    return Comparison(tuple(found for one in each for found in one.found), keys)


def _image_by_image(source: Source, subject: pd.DataFrame, other: pd.DataFrame) -> Comparison:
    both = _common(subject, other)
    found = [
        _of_images(
            source.right(str(subject.loc[seed, "accuracy_key"])),
            source.right(str(other.loc[seed, "accuracy_key"])),
        )
        for seed in both
    ]
    return Comparison(tuple(found), _keys(subject.loc[both], other.loc[both]))


def _of_images(one: np.ndarray, other: np.ndarray) -> Compared:
    """Compare files image by image: right or wrong, or shares of each image's corrupted forms."""
    if one.dtype == bool:
        return statistics.compare_files(one, other)
    if one.shape != other.shape:
        raise NotMeasuredError(f"{MISSING}: the two were not shown the same corrupted images")
    return statistics.compare_pairs(one, other)


# Sizes --------------------------------------------------------------------------------------------


@compares(("file", "bytes"), ("file", "zipped_bytes"), ("file", "size_as_printed"))
def size_of_files(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Compare sizes, seed by seed; another network's with the same technique."""
    subject = source.seeds(cell.dataset, cell.network, cell.technique)
    network, name = cell.network, cell.against
    if _is_network(cell.against):
        network, name = cell.against, cell.technique
    other = source.seeds(cell.dataset, network, name)
    both = _common(subject, other)
    one = subject.loc[both, _size(claim, cell.technique)].astype(float)
    two = other.loc[both, _size(claim, name)].astype(float)
    ratios = (one / two).to_list()
    keys = (*subject.loc[both, "deployable_key"], *other.loc[both, "deployable_key"])
    return Comparison(tuple(statistics.exactly(ratio) for ratio in ratios), keys)


def _size(claim: Claim, technique: str) -> str:
    if claim.metric != "size_as_printed":
        return str(claim.metric)
    return "zipped_bytes" if technique in ZIPPED else "bytes"


# Runtimes -----------------------------------------------------------------------------------------


@compares(("runtime", "latency"))
def latency_of_files(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Compare latencies within the same rounds, over all seeds' processes, on one machine."""
    subject = source.seeds(cell.dataset, cell.network, cell.technique)
    other = source.seeds(cell.dataset, cell.network, cell.against)
    return latency_ratio(source, subject, other)


def latency_ratio(source: Source, subject: pd.DataFrame, other: pd.DataFrame) -> Comparison:
    """Return the ratio of latencies with its bootstrap over processes and rounds.

    Raises:
        NotMeasuredError: no seed was timed with both.
    """
    pairs = _timed_together(source, subject, other)
    if not pairs:
        raise NotMeasuredError(f"{MISSING}: no latency of both")
    last = max((one for one, _ in pairs), key=lambda record: record.provenance.started)
    here = [(a, b) for a, b in pairs if a.identity.machine == last.identity.machine]
    keys = tuple(record.key for pair in here for record in pair)
    if keys not in source.kept.ratios:
        source.kept.ratios[keys] = _ratio(here)
    return Comparison((source.kept.ratios[keys],), keys)


Pair = tuple[records.Measurement, records.Measurement]


def _ratio(pairs: Sequence[Pair]) -> Compared:
    ratios = _stacked([_divided(one, two) for one, two in pairs])
    draws = timing.resampled(ratios[:, :, None], seed=0)[0]
    return statistics.drawn(float(np.median(ratios)), draws, len(pairs))


def _timed_together(source: Source, subject: pd.DataFrame, other: pd.DataFrame) -> list[Pair]:
    pairs: list[Pair] = []
    for seed in _common(subject, other):
        first = source.timed(str(subject.loc[seed, "deployable_key"]))
        second = source.timed(str(other.loc[seed, "deployable_key"]))
        pairs += [
            (one, two)
            for one in first
            for two in second
            if one.identity.machine == two.identity.machine
        ]
    return pairs


def _divided(one: records.Measurement, two: records.Measurement) -> np.ndarray:
    # Both are ratios to the same file in the same rounds, so that it cancels.
    top, bottom = _rounds(one), _rounds(two)
    processes = min(len(top), len(bottom))
    turns = min(top.shape[1], bottom.shape[1])
    return top[:processes, :turns] / bottom[:processes, :turns]


def _rounds(record: records.Measurement) -> np.ndarray:
    processes = record.values["ratios"]
    turns = min(map(len, processes))
    return np.array([process[:turns] for process in processes])


def _stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    turns = min(part.shape[1] for part in parts)
    return np.concatenate([part[:, :turns] for part in parts])


@compares(("runtime", "memory"))
def memory_of_files(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Compare the growth of the process's peak memory, seed by seed."""
    subject = source.seeds(cell.dataset, cell.network, cell.technique).dropna(subset=["memory"])
    other = source.seeds(cell.dataset, cell.network, cell.against).dropna(subset=["memory"])
    both = _common(subject, other)
    one, two = (rows.loc[both, "memory"].astype(float) for rows in (subject, other))
    found = tuple(statistics.exactly(ratio) for ratio in one / two)
    keys = (*subject.loc[both, "deployable_key"], *other.loc[both, "deployable_key"])
    return Comparison(found, keys)


@compares(("prediction", "latency"))
def time_beside_the_printed(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Compare our time for so many single images with the time that the paper prints."""
    rows = source.seeds(cell.dataset, cell.network, cell.technique)
    timed = [record for key in rows["deployable_key"] for record in source.timed(str(key))]
    if not timed:
        raise NotMeasuredError(f"{MISSING}: no latency of {cell.network} {cell.technique}")
    printed = printed_latency(cell)
    images = claim.numbers["images"]
    ratios = [images * float(record.values["milliseconds"]) / printed for record in timed]
    found = tuple(statistics.exactly(ratio) for ratio in ratios)
    return Comparison(found, tuple(record.key for record in timed))


def printed_latency(cell: Cell) -> float:
    """Return the milliseconds that the paper prints of a cell."""
    rows = paper.results()
    names = {"dataset": cell.dataset, "network": cell.network, "technique": cell.technique}
    for column, name in names.items():
        rows = rows[rows[column] == name]
    return float(rows["latency_ms"].iloc[0])


@compares(("runtime", "conversion_share"))
def share_of_conversion(claim: Claim, source: Source, cell: Cell) -> Comparison:
    """Return the share that conversions have in the delay; none where there is no delay."""
    delay = latency_of_files(claim, source, cell)
    found: Compared = delay.found[0]
    if found.interval.high <= 1:
        return Comparison((statistics.exactly(0.0),), delay.keys, "no delay to find a cause for")
    keys = source.seeds(cell.dataset, cell.network, cell.technique)["deployable_key"]
    cut = [record for key in keys for record in source.cut(str(key))]
    if not cut:
        raise NotMeasuredError(
            f"{MISSING}: the time of single operators (there is a delay)",
            found.interval,
            delay.keys,
        )
    return Comparison(
        (_in_delay(found.interval, cut),), (*delay.keys, *(record.key for record in cut))
    )


CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
"""The operators that convert a file's float input and output."""

_DRAWS = 4000


def conversion(record: records.Measurement) -> tuple[float, float, float]:
    """Return the share of converting in a file's time, with the sums of the limits."""
    values = record.values
    at = [place for place, name in enumerate(values["operators"]) if name in CONVERSIONS]
    share, low, high = (
        sum(values[name][one] for one in at) for name in ("shares", "lows", "highs")
    )
    return share, low, high


def _in_delay(ratio: statistics.Interval, cut: Sequence[records.Measurement]) -> Compared:
    """Return which part of the delay converting is: its time over that by which FIQ exceeds NQ."""
    chance = np.random.default_rng(0)
    each = np.array([conversion(record) for record in cut])
    share, spread = each[:, 0].mean(), (each[:, 2] - each[:, 1]).mean() / 3.92 / len(cut) ** 0.5
    logarithm = np.log([ratio.estimate, ratio.low, ratio.high])
    wide = (logarithm[2] - logarithm[1]) / 3.92
    times = np.exp(chance.normal(logarithm[0], wide, _DRAWS))
    shares = np.maximum(chance.normal(share, spread, _DRAWS), 0)
    # Where there is no delay in a draw, converting is no part of one.
    draws = np.where(times > 1, shares / np.maximum(1 - 1 / times, 1e-9), 0)
    estimate = share / (1 - 1 / ratio.estimate) if ratio.estimate > 1 else 0.0
    return statistics.drawn(float(estimate), draws, len(cut))


# Both ---------------------------------------------------------------------------------------------


def _is_network(name: str) -> bool:
    return name in paper.networks()


def _common(subject: pd.DataFrame, other: pd.DataFrame) -> list[int]:
    both = subject.index.intersection(other.index)
    if both.empty:
        raise NotMeasuredError(f"{MISSING}: no seed has both")
    return list(both)


def _keys(*rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(key) for one in rows for key in one["accuracy_key"])
