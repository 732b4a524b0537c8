"""Claims about orders: rankings of networks, gain against capacity, who is on the Pareto front."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from dlmo.paper import Claim
from dlmo.report import statistics
from dlmo.report.claims.comparing import gains, latency_ratio
from dlmo.report.claims.evidence import Cell, Evidence, NotMeasuredError, counted
from dlmo.report.claims.registry import judges
from dlmo.report.claims.source import Source
from dlmo.report.statistics import Interval
from dlmo.report.text import MISSING, listing

# The same networks on two datasets ----------------------------------------------------------------


@judges("strategy-network-by-dataset")
def order_by_dataset(claim: Claim, source: Source) -> list[Evidence]:
    """Look for two networks that change their order between two datasets, both significantly."""
    name = claim.techniques[0]
    known = {dataset: _shares(claim, source, dataset, name) for dataset in claim.datasets}
    shared = [one for one in claim.networks if all(one in each for each in known.values())]
    cell = Cell(technique=name)
    least = int(claim.numbers["networks"])
    if len(shared) < least:
        why = f"{MISSING}: {len(shared)} networks on both datasets, {least} are needed"
        return [Evidence(cell, missing=why)]
    first, second = (known[dataset] for dataset in claim.datasets)
    pairs = list(combinations(shared, 2))
    corrected = statistics.holm([_turned(first, second, *pair) for pair in pairs])
    p = min(corrected)
    tau = _tau([first[one].mean() for one in shared], [second[one].mean() for one in shared])
    turned = listing("/".join(pairs[i]) for i, one in enumerate(corrected) if one == p and p < 1)
    note = f"rank correlation of the two orders; surest to turn: {turned or 'none'}"
    both = [each[one] for each in (first, second) for one in shared]
    keys = tuple(key for shares in both for key in shares.attrs["keys"])
    # What refutes is the rank correlation itself, not chance.
    return [Evidence(cell, _exactly(tau, len(shared)), p, float(tau < _ONE), keys, note=note)]


_ONE = 1 - 1e-9
"""Where a rank correlation is one but for rounding."""


def _exactly(tau: float, networks: int) -> Interval:
    return Interval(tau, tau, tau, networks)


def _shares(
    claim: Claim, source: Source, dataset: str, name: str
) -> Mapping[str, "pd.Series[float]"]:
    """Return by network the accuracies of those with at least two seeds."""
    found = {}
    for network in claim.networks:
        try:
            rows = source.seeds(dataset, network, name)
        except NotMeasuredError:
            continue
        if len(rows) > 1:
            found[network] = rows["accuracy"].copy()
            found[network].attrs["keys"] = [str(key) for key in rows["accuracy_key"]]
    return found


def _turned(
    first: Mapping[str, "pd.Series[float]"],
    second: Mapping[str, "pd.Series[float]"],
    one: str,
    other: str,
) -> float:
    """Return the p-value of "one is ahead on one dataset and behind on the other"."""
    here = statistics.compare_means(first[one].to_numpy(), first[other].to_numpy())
    there = statistics.compare_means(second[one].to_numpy(), second[other].to_numpy())
    if here.interval.estimate * there.interval.estimate >= 0:
        return 1.0
    ahead = here.interval.estimate > 0
    return max(
        here.above(0) if ahead else here.below(0),
        there.below(0) if ahead else there.above(0),
    )


def _tau(one: list[float], other: list[float]) -> float:
    return float(stats.kendalltau(one, other).statistic)


# Gain and capacity --------------------------------------------------------------------------------


@judges(("ordering", "accuracy_gain"))
def gain_by_capacity(claim: Claim, source: Source) -> list[Evidence]:
    """Rank the networks of each dataset by parameters and by their mean gain (Kendall's tau)."""
    return [_capacity(claim, source, dataset) for dataset in claim.datasets]


def _capacity(claim: Claim, source: Source, dataset: str) -> Evidence:
    name, least = claim.techniques[0], int(claim.numbers["networks"])
    cell = Cell(dataset, technique=name, against=(claim.control or claim.against)[0])
    rows: list[tuple[int, float]] = []
    keys: tuple[str, ...] = ()
    for network in claim.networks:
        try:
            gain, used = gains(claim, source, dataset, network, name)
        except NotMeasuredError:
            continue
        if len(gain) > 1:
            parameters = int(source.seeds(dataset, network, name)["parameters"].iloc[0])
            rows.append((parameters, float(gain.mean())))
            keys += used
    if len(rows) < least:
        why = f"{MISSING}: {len(rows)} networks with several seeds, {least} are needed"
        return Evidence(cell, keys=keys, missing=why)
    sizes, means = zip(*rows, strict=True)
    test = stats.kendalltau(sizes, means, method="exact", alternative="greater")
    if np.isnan(test.statistic):
        why = f"all networks have the same {'size' if len(set(sizes)) == 1 else 'gain'}"
        return Evidence(cell, keys=keys, missing=why)
    tau, note = float(test.statistic), f"{len(rows)} networks"
    # What refutes is the rank correlation itself, not chance.
    refuting = float(tau > 1 - _ONE)
    return Evidence(cell, _exactly(tau, len(rows)), float(test.pvalue), refuting, keys, note=note)


# The Pareto front ---------------------------------------------------------------------------------


@judges(("ordering", "pareto"))
def on_the_front(claim: Claim, source: Source) -> list[Evidence]:
    """Ask in each cell whether another technique is faster, smaller and about as accurate.

    Where a claim names several techniques, one of them must not be beaten.
    """
    return [
        _one_is_not_beaten(claim, source, dataset, network)
        for dataset in claim.datasets
        for network in claim.networks
    ]


def _one_is_not_beaten(claim: Claim, source: Source, dataset: str, network: str) -> Evidence:
    cell = Cell(dataset, network, " or ".join(claim.techniques), "the others")
    notes: list[str] = []
    keys: tuple[str, ...] = ()
    missing = ""
    for name in claim.techniques:
        try:
            better, used = _beaten_by(claim, source, Cell(dataset, network, name))
        except NotMeasuredError as why:
            missing = missing or str(why)
            continue
        keys += used
        if not better:
            return counted(cell, True, keys, f"nothing measured beats {name}")
        notes.append(f"{listing(better)} {'beats' if len(better) == 1 else 'beat'} {name}")
    if missing:
        return Evidence(cell, keys=keys, missing=missing, note="; ".join(notes))
    return counted(cell, False, tuple(dict.fromkeys(keys)), "; ".join(notes))


def _beaten_by(claim: Claim, source: Source, cell: Cell) -> tuple[list[str], tuple[str, ...]]:
    """Return the techniques that are better in all three respects, and the records used.

    Raises:
        NotMeasuredError: none of those measured is, but some aren't measured.
    """
    ours = source.seeds(cell.dataset, cell.network, cell.technique)
    better: list[str] = []
    keys: tuple[str, ...] = tuple(ours["accuracy_key"])
    missing = ""
    for name in claim.against:
        try:
            beats, used = _beats(claim, source, ours, cell, name)
        except NotMeasuredError as why:
            # What can't be had is no rival.
            missing = missing if "can't be had" in str(why) else missing or str(why)
            continue
        better += [name] if beats else []
        keys += used
    if missing and not better:
        raise NotMeasuredError(missing, keys=keys)
    return better, keys


def _beats(
    claim: Claim, source: Source, ours: pd.DataFrame, cell: Cell, name: str
) -> tuple[bool, tuple[str, ...]]:
    theirs = source.seeds(cell.dataset, cell.network, name)
    time = latency_ratio(source, theirs, ours)
    faster = time.interval.high < 1
    smaller = theirs["zipped_bytes"].mean() < ours["zipped_bytes"].mean()
    loss = ours["accuracy"].mean() - theirs["accuracy"].mean()
    margin = claim.margin.value if claim.margin else 0.0
    keys = (*theirs["accuracy_key"], *time.keys)
    return bool(faster and smaller and loss <= margin), keys
