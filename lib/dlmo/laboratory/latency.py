"""Latency: the deployables of one family timed against their NQ, alone on the machine.

NQ's file is often too large to be kept. Where it was lost, and another float file of the same
network lies here, that is the baseline: it holds the same operators. The record names it.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from statistics import median
from typing import Any

from dlmo import instruments, records
from dlmo.laboratory import store
from dlmo.laboratory.nodes import Stopwatch, measurement
from dlmo.laboratory.plan import Plan, Settings
from dlmo.laboratory.plan import plan as plan_untimed
from dlmo.trials import Trial

KERNELS = ("xnnpack", "builtin")
BASELINE = "NQ"
"""The technique that the others are compared with."""

Family = dict[Trial, str]
"""Trials that differ in their technique alone (or in what the technique was overridden with), and
the keys of their deployables."""


def plan(trials: Iterable[Trial], instruments: Settings | None = None) -> Plan:
    """Return the plan for trials, their NQ among them, that are to be timed on this machine.

    A latency is a machine's: where this one has not measured it, the files must lie here.
    """
    wanted = list(trials)
    made = plan_untimed(wanted, instruments)
    needed = {
        key
        for family, lacking, _ in untimed(made)
        for key in (baseline_of(family), *lacking.values())
    }
    return plan_untimed(wanted, instruments, files=needed)


def untimed(made: Plan, threads: int = 1) -> Iterator[tuple[Family, Family, dict[str, Any]]]:
    """Yield the families of a plan that lack latencies, with what lacks, and how it is timed."""
    for family in families(made):
        for kernels in KERNELS:
            settings = {"kernels": kernels, "threads": threads}
            lacking = missing(family, settings)
            if lacking:
                yield family, lacking, settings


def measure(made: Plan, *, threads: int = 1, seconds: float = 60.0) -> None:
    """Measure what a plan's trials miss, a family at a time.

    Args:
        made: the plan, with everything else done.
        threads: of the runtime.
        seconds: the budget for one family with one set of kernels.
    """
    for family, lacking, settings in untimed(made, threads):
        _time(family, lacking, settings, seconds)


def families(made: Plan) -> Iterator[Family]:
    """Return the available trials of a plan, family by family."""

    def family(trial: Trial) -> tuple[str, ...]:
        return trial.dataset, trial.network, trial.profile, f"{trial.seed:06d}"

    found = [trial for trial in made.trials if trial not in made.unavailable]
    for _, members in groupby(sorted(found, key=family), key=family):
        yield {trial: made.deployables[trial] for trial in members}


def missing(family: Family, settings: dict[str, Any]) -> Family:
    """Return the part of a family whose latency isn't measured on this machine.

    An NQ that is not even the baseline, since its file was lost, is not missing.
    """
    bases, base = _floats(family), baseline_of(family)
    lost = {bases[0]} - {base}
    return {
        trial: key
        for trial, key in family.items()
        if key not in lost
        and all(records.find(_identity(key, one, settings).key) is None for one in bases)
    }


def baseline_of(family: Family) -> str:
    """Return the key of the file that a family's others are compared with.

    It is NQ's, unless that was lost and another float file of the family lies here.
    """
    floats = _floats(family)
    if records.find(floats[0]) is None:  # it will be made
        return floats[0]
    return next((key for key in floats if store.deployable_file(key)), floats[0])


def _floats(family: Family) -> list[str]:
    """Return the keys of the float files of a family, NQ's first."""
    base = next(key for trial, key in family.items() if trial.technique == BASELINE)
    others = (
        key
        for trial, key in family.items()
        if trial.plan.conversion == "float" and not trial.overrides
    )
    return list(dict.fromkeys((base, *others)))


def _identity(key: str, base: str, settings: dict[str, Any]) -> records.MeasurementIdentity:
    return measurement("latency", key, {**settings, "baseline": base})


def _time(family: Family, missing: Family, settings: dict[str, Any], seconds: float) -> None:
    base = baseline_of(family)
    files = {key: store.deployable_file(key) for key in {base, *missing.values()}}
    here = {key: file for key, file in files.items() if file is not None}
    watch = Stopwatch(settings["threads"])
    found = instruments.latency(here, baseline=base, seconds=seconds, **settings)
    write(found, {trial: key for trial, key in missing.items() if key in here}, settings, watch)


def write(
    found: instruments.Latency, family: Family, settings: dict[str, Any], watch: Stopwatch
) -> None:
    """Write the records of the timed files of a family."""
    rounds = found.rounds()
    for trial, key in family.items():
        ratios = rounds[rounds["file"] == key].groupby("process")["ratio"]
        timing = found.timings[key].model_dump()
        values = {
            "ratio": timing.pop("ratio"),
            "ratio_interval": [timing.pop("low"), timing.pop("high")],
            **timing,
            "ratios": [[round(ratio, 4) for ratio in one] for _, one in ratios],
            "loads": _milliseconds(found.loads[key]),
            "firsts": _milliseconds(found.firsts[key]),
            "medians": _milliseconds(median(one) for one in found.medians[key]),
            "p99s": _milliseconds(found.p99s[key]),
            "runtime": found.runtime,
        }
        record(_identity(key, found.baseline, settings), trial, watch, values)


def record(
    identity: records.MeasurementIdentity, trial: Trial, watch: Stopwatch, values: dict[str, Any]
) -> None:
    """Write one measurement."""
    records.write(
        records.make(
            records.Measurement,
            identity,
            trial=trial,
            provenance=watch.provenance(),
            values=values,
        )
    )


def _milliseconds(times: Iterable[float]) -> list[float]:
    """Return ns as ms, a number a process."""
    return [round(time / 1e6, 6) for time in times]
