"""Latency: the deployables of one family timed against their NQ, alone on the machine."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from statistics import median
from typing import Any

from dlmo import instruments, recipes, records
from dlmo.laboratory import store
from dlmo.laboratory.nodes import Stopwatch, measurement
from dlmo.laboratory.plan import Plan, Settings
from dlmo.laboratory.plan import plan as plan_untimed
from dlmo.trials import Trial

KERNELS = ("xnnpack", "builtin")
BASELINE = "NQ"
"""The technique that the others are compared with."""

STAND_IN = recipes.parse_overrides({"train.untrained": True, "train.epochs": 0})
"""What makes of a family's NQ its stand-in. A float file takes as long whatever it has learnt, and
NQ's own is often too large to be kept, while its children's are."""

Family = dict[Trial, str]
"""Trials that differ in their technique alone (or in what the technique was overridden with), and
the keys of their deployables."""


def plan(trials: Iterable[Trial], instruments: Settings | None = None) -> Plan:
    """Return the plan for trials, their NQ among them, that are to be timed on this machine.

    A latency is a machine's: where this one has not measured it, the files must lie here. An NQ
    that was trained elsewhere is not trained again for its children's sake: its stand-in joins.
    """
    wanted = list(trials)
    made = plan_untimed(wanted, instruments)
    joining = [_stand_in(family) for family, lacking, _ in untimed(made) if _lost(family, lacking)]
    if joining:
        wanted += joining
        made = plan_untimed(wanted, instruments)
    needed = {
        key
        for family, lacking, _ in untimed(made)
        for key in (baseline_of(family), *lacking.values())
    }
    return plan_untimed(wanted, instruments, files=needed)


def _stand_in(family: Family) -> Trial:
    return next(iter(family)).model_copy(update={"technique": BASELINE, "overrides": STAND_IN})


def _lost(family: Family, lacking: Family) -> bool:
    """Say whether a family's NQ is recorded, does not lie here, and others wait for it."""
    base = baseline_of(family)
    others = any(trial.technique != BASELINE for trial in lacking)
    return others and records.find(base) is not None and store.deployable_file(base) is None


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

    Beside a stand-in NQ is not missing: its ratio is 1 by definition.
    """
    bases = _bases(family)
    return {
        trial: key
        for trial, key in family.items()
        if key not in bases[:-1]
        and all(records.find(_identity(key, base, settings).key) is None for base in bases)
    }


def baseline_of(family: Family) -> str:
    """Return the key of the file that a family's others are compared with: NQ's, or its stand-in's.

    The stand-in is part of a family only where `plan` found NQ's file lost.
    """
    return _bases(family)[-1]


def _bases(family: Family) -> list[str]:
    """Return the keys of NQ and, if it joined, of its stand-in."""
    floats = {trial: key for trial, key in family.items() if trial.technique == BASELINE}
    joined = floats.get(_stand_in(family))
    return [next(iter(floats.values())), *([joined] if joined else [])]


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
