"""The replay: one family's files on today's runtime and on that of the paper's day.

What is measured of a family, in this order; each part is left out where its records stand:

- `latency` of every file, ratios to NQ, for each of `CONFIGURATIONS`, these in turns; where a
  runtime does not run a file, the record gives the reason;
- `runtimes`: from the same run, each file's time in each configuration, process by process, so
  that a file can be compared with itself on another runtime;
- `operators` of one file of each kind of arithmetic;
- `camera`: from a camera's picture to the first choice.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dlmo import instruments, machine, records
from dlmo.deployable import Preprocessing
from dlmo.errors import UserError
from dlmo.instruments import older
from dlmo.instruments.camera import HEIGHT, WIDTH
from dlmo.instruments.process import ChildError, Kernels, Settings
from dlmo.laboratory import latency, store
from dlmo.laboratory.latency import Family
from dlmo.laboratory.nodes import Stopwatch, measurement
from dlmo.trials import Trial


class Configuration(NamedTuple):
    """A way to run files.

    Attributes:
        kernels: see `instruments.Kernels`.
        threads: of the runtime.
        older: whether the runtime is that of the paper's day.
    """

    kernels: Kernels
    threads: int
    older: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in a record's identity."""
        named = {"runtime": older.NAME} if self.older else {}
        return {"kernels": self.kernels, "threads": self.threads, **named}

    @property
    def name(self) -> str:
        """As `runtimes` records write it: `xnnpack, 1`, `tflite-runtime 2.14.0, xnnpack, 1`."""
        runtime = f"{older.NAME}, " if self.older else ""
        return f"{runtime}{self.kernels}, {self.threads}"


_WAYS: tuple[tuple[Kernels, bool], ...] = (
    ("xnnpack", False),
    ("builtin", False),
    ("reference", False),
    ("xnnpack", True),
)

TODAY = Configuration("xnnpack", 1)
"""With what a file's other configurations are compared."""

CONFIGURATIONS = tuple(
    Configuration(kernels, threads, old) for threads in (1, 2) for kernels, old in _WAYS
)

OPERATORS = ("NQ", "BLQ", "FIQ", "F16")
"""The techniques whose operators are timed; the others' files hold the same operators."""

OPERATORS_ON = tuple(one for one in CONFIGURATIONS if one.threads == 1 and one[0] != "reference")

Told = Callable[[str], None]
"""Is told what is measured now."""


@dataclass
class _Family:
    """A family on this machine.

    Attributes:
        members: its trials and the keys of their deployables, those whose file is here.
        base: NQ's key.
        label: what a person reads.
    """

    members: Family
    base: str
    label: str
    files: dict[str, Path] = field(default_factory=dict)


def families(wanted: Iterable[Trial]) -> list[Family]:
    """Return the recorded trials of a selection by family, NQ added to each.

    A family without a recorded NQ is left out.
    """
    today = set(records.select()["deployable_key"].dropna())
    known = {
        record.trial: record.key
        for record in records.every()
        if isinstance(record, records.Deployable) and record.key in today
    }
    groups: dict[Trial, Family] = {}
    for trial in dict.fromkeys(wanted):
        base = trial.sibling(latency.BASELINE)
        if base in known and trial in known:
            groups.setdefault(base, {base: known[base]})[trial] = known[trial]
    return list(groups.values())


def replay(family: Family, *, seconds: float = 12.0, told: Told = lambda _: None) -> list[str]:
    """Measure what a family misses.

    Args:
        family: see `families`; files that are not here are left out.
        seconds: the budget of each configuration; operators and the camera take less.
        told: is told what is measured.

    Returns:
        What could not be measured, and why, a line each; reasons that belong to a file are records.

    Raises:
        UserError: NQ's file is not here, or a file is damaged.
    """
    ours = _here(family)
    notes: list[str] = []
    ways = list(CONFIGURATIONS)
    if not _done_with_older(ours):
        try:
            told("the older runtime")
            older.python()
        except UserError as error:
            notes.append(f"left out: {error}")
            ways = [way for way in ways if not way.older]
    _latencies(ours, ways, seconds, told)
    for way in OPERATORS_ON:
        if way in ways:
            _operators(ours, way, seconds / 3, told)
    _camera(ours, seconds / 2, told)
    return notes


def missing(family: Family) -> int:
    """Return how many records of a replay a family lacks on this machine."""
    try:
        ours = _here(family)
    except UserError:
        return 0
    return sum(records.find(one.key) is None for one in _identities(ours))


def _identities(ours: _Family) -> Iterator[records.MeasurementIdentity]:
    for way in CONFIGURATIONS:
        yield from (_timed(ours, way, key) for key in ours.members.values())
    for key in ours.members.values():
        yield _across(ours, CONFIGURATIONS, key)
        yield _seen(ours, key)
    for way in OPERATORS_ON:
        yield from (_cut(way, key) for key in _kinds(ours).values())


def _done_with_older(ours: _Family) -> bool:
    """Say whether nothing is left that needs the older runtime."""
    identities = [_across(ours, CONFIGURATIONS, key) for key in ours.members.values()]
    identities += [
        _cut(way, key) for way in OPERATORS_ON if way.older for key in _kinds(ours).values()
    ]
    return all(records.find(one.key) is not None for one in identities)


def _here(family: Family) -> _Family:
    base = latency.baseline_of(family)
    files = {key: store.deployable_file(key) for key in family.values()}
    found = {key: file.absolute() for key, file in files.items() if file is not None}
    first = next(iter(family))
    label = f"{first.dataset}/{first.network} seed {first.seed}, profile {first.profile}"
    if base not in found:
        raise UserError(f"{label}: the file of NQ is neither in the store nor kept; make it again")
    members = {trial: key for trial, key in family.items() if key in found}
    return _Family(members, base, label, found)


def _settings(way: Configuration) -> Settings:
    runtime = older.python() if way.older else None
    return instruments.Settings(kernels=way.kernels, threads=way.threads, runtime=runtime)


# Latency ------------------------------------------------------------------------------------------


def _timed(ours: _Family, way: Configuration, key: str) -> records.MeasurementIdentity:
    return measurement("latency", key, {**way.settings, "baseline": ours.base})


def _across(ours: _Family, ways: Iterable[Configuration], key: str) -> records.MeasurementIdentity:
    return measurement("runtimes", key, {"on": [way.name for way in ways]})


def _latencies(ours: _Family, ways: list[Configuration], seconds: float, told: Told) -> None:
    """Time a family in all configurations, unless every record stands."""
    wanted = [_across(ours, ways, key) for key in ours.members.values()]
    wanted += [_timed(ours, way, key) for way in ways for key in ours.members.values()]
    if all(records.find(one.key) is not None for one in wanted):
        return
    watch = Stopwatch(max(way.threads for way in ways))
    refused = {way: _refused(ours, way, told) for way in ways}
    running = [way for way in ways if ours.base not in refused[way]]
    turns = [
        instruments.Turn(
            {key: file for key, file in ours.files.items() if key not in refused[way]},
            _settings(way),
        )
        for way in running
    ]

    def tell(at: int, number: int) -> None:
        way = running[at % len(running)]
        told(f"latency, process {at + 1} of {number}: {way.name}")

    found = instruments.latencies(turns, baseline=ours.base, seconds=seconds, told=tell)
    by_way = dict(zip(running, found, strict=True))
    for way in ways:
        _write_latency(ours, way, by_way.get(way), refused[way], watch)
    for trial, key in ours.members.items():
        identity = _across(ours, ways, key)
        if records.find(identity.key) is None:
            times = {
                way.name: [round(float(one) / 1e6, 6) for one in _medians(said, key)]
                for way, said in by_way.items()
                if key in said.medians
            }
            latency.record(identity, trial, watch, {"milliseconds": times})


def _refused(ours: _Family, way: Configuration, told: Told) -> dict[str, str]:
    """Return the files that a configuration does not run, and why."""
    told(f"which files run: {way.name}")
    with machine.training_turn():
        found = instruments.refusals(ours.files, _settings(way))
    return {key: without_folders(reason, ours.files[key]) for key, reason in found.items()}


def without_folders(reason: str, file: Path) -> str:
    """Return a reason without what it says of this machine's folders."""
    return reason.replace(f"{file.parent}/", "").replace(str(file.parent), "")


def _medians(found: instruments.Latency, key: str) -> list[float]:
    return [sorted(one)[len(one) // 2] for one in found.medians[key]]


def _write_latency(
    ours: _Family,
    way: Configuration,
    found: instruments.Latency | None,
    refused: dict[str, str],
    watch: Stopwatch,
) -> None:
    lacking = {
        trial: key
        for trial, key in ours.members.items()
        if records.find(_timed(ours, way, key).key) is None
    }
    if found is not None:
        timed = {trial: key for trial, key in lacking.items() if key in found.timings}
        latency.write(found, timed, way.settings, watch)
    for trial, key in lacking.items():
        if found is None or key not in found.timings:
            reason = refused.get(key) or f"{latency.BASELINE} does not run: {refused[ours.base]}"
            values = {"reason": reason, "runtime": older.NAME if way.older else _today()}
            latency.record(_timed(ours, way, key), trial, watch, values)


def _today() -> str:
    package = "ai-edge-litert"
    return f"{package} {machine.versions().get(package, 'unknown')}"


# Operators and the camera -------------------------------------------------------------------------


def _kinds(ours: _Family) -> Family:
    return {trial: key for trial, key in ours.members.items() if trial.technique in OPERATORS}


def _no_haste(error: UserError) -> None:
    """Raise an error that is of a slow machine, not of a file: it is no reason to record.

    Raises:
        ChildError: the child was not done in time.
    """
    if isinstance(error, ChildError) and error.code is None:
        raise error


def _cut(way: Configuration, key: str) -> records.MeasurementIdentity:
    return measurement("operators", key, way.settings)


def _operators(ours: _Family, way: Configuration, seconds: float, told: Told) -> None:
    for trial, key in _kinds(ours).items():
        identity = _cut(way, key)
        if records.find(identity.key) is not None:
            continue
        told(f"operators of {trial.technique}: {way.name}")
        watch = Stopwatch(1)
        runtime = older.python() if way.older else None
        try:
            found = instruments.operators(
                ours.files[key], kernels=way.kernels, seconds=seconds, runtime=runtime
            )
            values = described(found)
        except UserError as error:
            _no_haste(error)
            reason = without_folders(str(error), ours.files[key])
            values = {"reason": reason, "runtime": older.NAME if way.older else _today()}
        latency.record(identity, trial, watch, values)


def described(found: instruments.Operators) -> dict[str, Any]:
    """Return what a record says of operators, a list a column, to four digits."""
    shares = found.shares
    return {
        "places": [one.place for one in shares],
        "operators": [one.operator for one in shares],
        "outputs": [one.output for one in shares],
        "macs": [one.macs for one in shares],
        "delegated": [one.delegated for one in shares],
        "shares": [float(f"{one.share:.4g}") for one in shares],
        "lows": [float(f"{one.low:.4g}") for one in shares],
        "highs": [float(f"{one.high:.4g}") for one in shares],
        "total": [round(one, 4) for one in (found.total.share, found.total.low, found.total.high)],
        "milliseconds": found.milliseconds,
        "difference": found.difference,
        "runtime": found.runtime,
    }


def _bytes(key: str) -> Preprocessing:
    """Return what a file's network expects of the bytes of an image."""
    made = records.find(key)
    return made.preprocessing if isinstance(made, records.Deployable) else Preprocessing()


def _seen(ours: _Family, key: str) -> records.MeasurementIdentity:
    settings = {**TODAY.settings, "baseline": ours.base, "picture": [HEIGHT, WIDTH]}
    return measurement("camera", key, settings)


def _camera(ours: _Family, seconds: float, told: Told) -> None:
    lacking = {
        trial: key
        for trial, key in ours.members.items()
        if records.find(_seen(ours, key).key) is None
    }
    if not lacking:
        return
    told("from a camera's picture to the first choice")
    watch = Stopwatch(1)
    try:
        found = instruments.camera(
            ours.files, baseline=ours.base, preprocessing=_bytes(ours.base), seconds=seconds
        )
    except UserError as error:
        _no_haste(error)
        for trial, key in lacking.items():
            reason = without_folders(str(error), ours.files[key])
            latency.record(_seen(ours, key), trial, watch, {"reason": reason, "runtime": _today()})
        return
    for trial, key in lacking.items():
        way = found.ways[key]
        values = {
            "ratio": way.whole.ratio,
            "ratio_interval": [way.whole.low, way.whole.high],
            "shares": {name: one.ratio for name, one in way.shares.items()},
            "intervals": {name: [one.low, one.high] for name, one in way.shares.items()},
            "milliseconds": way.milliseconds,
            "runtime": found.runtime,
        }
        latency.record(_seen(ours, key), trial, watch, values)
