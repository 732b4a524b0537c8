"""Latency ratios measured again, and held against what a second measurement may be."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from dlmo import instruments, machine, records
from dlmo.report import statistics, text
from dlmo.review.checks import Check

PROCESSES = 3
"""How many processes measure again, one after the other."""

Group = tuple[str, str, int]
"""Files that were timed together: the baseline's key, kernels, threads."""


def again(
    chosen: Iterable[records.Deployable],
    found: Mapping[str, records.Record],
    files: Mapping[str, Path],
    seconds: float,
) -> dict[str, list[Check]]:
    """Time kept files again, each family together as it was, and judge the ratios.

    Args:
        chosen: the records of the files.
        found: all records by key.
        files: the kept files by key.
        seconds: the budget for one family with one set of kernels.

    Returns:
        By the file's key its checks.
    """
    wanted = {record.key for record in chosen if record.key in files}
    checks: dict[str, list[Check]] = {}
    for (baseline, kernels, threads), timed in _groups(wanted, found).items():
        if baseline not in files:
            for one in timed:
                said = f"with {kernels}: the file that it was compared with is not kept"
                checks.setdefault(one.identity.deployable, []).append(_open(said))
            continue
        keys = dict.fromkeys((baseline, *(one.identity.deployable for one in timed)))
        now = instruments.latency(
            {key: files[key] for key in keys},
            baseline=baseline,
            processes=PROCESSES,
            kernels=kernels,
            threads=threads,
            seconds=seconds,
        )
        for one in timed:
            key = one.identity.deployable
            checks.setdefault(key, []).append(judge(one, now.timings[key].ratio, now.runtime))
    return checks


def judge(record: records.Measurement, ratio: float, runtime: str) -> Check:
    """Hold a second ratio against the prediction interval of the first one's processes.

    On another processor, or with another runtime, it is reported and not judged.
    """
    first = float(record.values["ratio"])
    kernels = record.identity.settings["kernels"]
    said = f"with {kernels} {text.ratio(ratio)} times NQ for {text.ratio(first)}"
    if record.identity.machine != machine.tag(machine.this()):
        return _open(f"{said}; not judged: another processor", f"{text.ratio(ratio)} elsewhere")
    if record.values.get("runtime") != runtime:
        return _open(f"{said}; not judged: {record.values.get('runtime')} there")
    medians = [float(np.median(process)) for process in record.values.get("ratios", ())]
    if len(medians) < 2:
        return _open(f"{said}; not judged: one process predicts nothing")
    range_ = statistics.prediction(medians)
    inside = range_.low <= ratio <= range_.high
    low, high = text.figure(range_.low, 3), text.figure(range_.high, 3)
    where = "inside" if inside else "outside"
    said += f", {where} the prediction interval ({low} to {high})"
    return Check("latency", inside, said, "as predicted" if inside else "")


def _open(said: str, short: str = "") -> Check:
    return Check("latency", None, said, short)


def _groups(
    wanted: set[str], found: Mapping[str, records.Record]
) -> dict[Group, list[records.Measurement]]:
    groups: dict[Group, list[records.Measurement]] = {}
    for one in _latest(wanted, found):
        settings = one.identity.settings
        group = (settings["baseline"], settings["kernels"], settings["threads"])
        groups.setdefault(group, []).append(one)
    return groups


def _latest(wanted: set[str], found: Mapping[str, records.Record]) -> Iterator[records.Measurement]:
    """Yield of each file and setting one latency: this machine's, otherwise the last one."""
    here = machine.tag(machine.this())
    best: dict[tuple[str, str], records.Measurement] = {}
    for one in found.values():
        if not isinstance(one, records.Measurement) or one.identity.instrument != "latency":
            continue
        if one.identity.deployable not in wanted or "ratio" not in one.values:
            continue
        if "runtime" in one.identity.settings:
            continue  # measured again by the replay alone, which has the older runtime
        which = (one.identity.deployable, str(sorted(one.identity.settings.items())))
        best[which] = max(
            (one, best.get(which, one)),
            key=lambda each: (each.identity.machine == here, each.provenance.started),
        )
    yield from best.values()
