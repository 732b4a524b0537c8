"""What is recorded of a network's files on runtimes and boards, as data frames.

Each frame is of one dataset, network and profile, pools the seeds, and keeps to the machine that
measured last: two machines make no average.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from functools import wraps
from typing import Any, ParamSpec

import numpy as np
import pandas as pd

from dlmo import records, sources
from dlmo.report import comparison, statistics, text
from dlmo.report.statistics import Interval

PARENT = "NQ"

KERNELS = {
    "xnnpack": "XNNPACK",
    "builtin": "built-in kernels",
    "reference": "reference kernels",
}
"""How prose writes the kernels."""

_PACKAGES = {"ai-edge-litert": "LiteRT"}


P = ParamSpec("P")


def _noting(function: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """Let a frame know the records that it was read from, and no others."""

    @wraps(function)
    def noting(*args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        with sources.collecting() as found:
            frame = function(*args, **kwargs)
        frame.attrs["sources"] = sorted(found)
        return frame

    return noting


def where(runtime: str, kernels: str) -> str:
    """Return a runtime and its kernels as prose writes them: `LiteRT 2.3.0, XNNPACK`."""
    package, _, version = runtime.partition(" ")
    return f"{_PACKAGES.get(package, package)} {version}".strip() + f", {KERNELS[kernels]}"


def _measured(
    rows: pd.DataFrame, instrument: str, machine: str | None = None
) -> Iterator[tuple[str, records.Measurement]]:
    """Yield an instrument's records with their technique, of one machine: else the last one."""
    known = rows.dropna(subset=["deployable_key"])
    names = dict(zip(known["deployable_key"], known["technique"], strict=True))
    found = _of(instrument, names)
    if instrument != "device" and found:
        chosen = machine or found[-1].identity.machine
        found = [one for one in found if one.identity.machine == chosen]
    for one in found:
        sources.note(one.key)
        yield names[one.identity.deployable], one


def _of(instrument: str, deployables: Container[str]) -> list[records.Measurement]:
    """Return what an instrument recorded of some files, the latest last."""
    found = [
        one
        for one in records.every()
        if isinstance(one, records.Measurement)
        and one.identity.instrument == instrument
        and one.identity.deployable in deployables
    ]
    return sorted(found, key=lambda one: one.provenance.started)


def machines(rows: pd.DataFrame) -> list[str]:
    """Return the tags of the machines that measured latencies, the first to measure first."""
    found = _of("latency", set(rows["deployable_key"].dropna()))
    return list(dict.fromkeys(one.identity.machine for one in found))


def _in_order(lines: Sequence[dict[str, Any]], rows: pd.DataFrame, columns: str) -> pd.DataFrame:
    """Return lines as a frame, techniques in the order of the rows, then runtimes and threads."""
    frame = pd.DataFrame(list(lines), columns=columns.split())
    names = [*comparison.ROWS, *rows["technique"]]
    order = {name: place for place, name in enumerate(dict.fromkeys(names))}
    kernels = list(KERNELS)
    keys = pd.DataFrame(
        {
            "technique": frame["technique"].map(order),
            "older": [not str(one).startswith("LiteRT") for one in frame["where"]],
            "kernels": [kernels.index(one) for one in frame["kernels"]],
            "threads": frame["threads"],
        }
    )
    return frame.loc[keys.sort_values(list(keys.columns), kind="stable").index].reset_index(
        drop=True
    )


def geometric(values: Sequence[float]) -> Interval:
    """Return the geometric mean of ratios, one a process, with its t-interval on the log scale."""
    found = statistics.mean(np.log(np.asarray(values, float)))
    middle, low, high = (float(np.exp(one)) for one in (found.estimate, found.low, found.high))
    return Interval(middle, low, high, found.n)


# Latency ------------------------------------------------------------------------------------------

_LATENCY = (
    "technique where kernels threads ratio low high files reason load load_low load_high first "
    "first_low first_high first_steady tail tail_low tail_high milliseconds sets"
)


@_noting
def latencies(rows: pd.DataFrame, machine: str | None = None) -> pd.DataFrame:
    """Return the latency of each technique in each configuration, or why there is none.

    Args:
        rows: of one dataset, network and profile.
        machine: the tag of the one that measured; by default that which measured last.

    Columns: technique, where, kernels, threads; ratio to NQ with low and high, and the number of
    files; reason; load and first: ratios to NQ's in the same process, with limits; first_steady:
    the first inference over a steady one of the same file; tail: the 99th percentile over the
    median, with limits; milliseconds of a steady inference; sets: the instruction sets.
    """
    groups: dict[tuple[str, str, str, int], list[records.Measurement]] = {}
    bases: dict[tuple[str, str, int, str], records.Measurement] = {}
    for technique, one in _measured(rows, "latency", machine):
        settings = one.identity.settings
        kernels, threads = str(settings["kernels"]), int(settings["threads"])
        place = where(str(one.values.get("runtime", "")), kernels)
        groups.setdefault((technique, place, kernels, threads), []).append(one)
        if one.identity.deployable == settings.get("baseline"):
            bases[place, kernels, threads, one.identity.deployable] = one
    lines = [
        {
            "technique": name,
            "where": place,
            "kernels": kernels,
            "threads": threads,
            **_pooled([one for one in group if "ratio" in one.values]),
            **_starting(group, bases, (place, kernels, threads)),
            "reason": next((one.values["reason"] for one in group if "reason" in one.values), None),
            "sets": ", ".join(text.instruction_sets(group[0].provenance.machine.instruction_sets)),
        }
        for (name, place, kernels, threads), group in groups.items()
    ]
    return _in_order(lines, rows, _LATENCY)


def _pooled(group: Sequence[records.Measurement]) -> dict[str, Any]:
    if not group:
        return {"files": 0}
    found = comparison.pooled(group)
    times = [one.values["milliseconds"] for one in group if "milliseconds" in one.values]
    return {
        "ratio": found.estimate,
        "low": found.low,
        "high": found.high,
        "files": found.n,
        "milliseconds": float(np.median(times)) if times else np.nan,
    }


def _starting(
    group: Sequence[records.Measurement],
    bases: dict[tuple[str, str, int, str], records.Measurement],
    place: tuple[str, str, int],
) -> dict[str, Any]:
    """Return how files start beside NQ's, and how far their slow inferences lie from the median."""
    loads, firsts, own, tails = [], [], [], []
    for one in group:
        base = bases.get((*place, str(one.identity.settings.get("baseline"))))
        if base is None:
            continue
        mine, theirs = _by_process(one), _by_process(base)
        if not mine or not theirs:
            continue
        loads += [a / b for a, b in zip(mine["loads"], theirs["loads"], strict=False)]
        firsts += [a / b for a, b in zip(mine["firsts"], theirs["firsts"], strict=False)]
        own += [a / b for a, b in zip(mine["firsts"], mine["medians"], strict=True)]
        tails += [a / b for a, b in zip(mine["p99s"], mine["medians"], strict=True)]
    if not loads:
        return {}
    found = {"load": geometric(loads), "first": geometric(firsts), "tail": geometric(tails)}
    spans = {
        f"{name}{end}": value
        for name, one in found.items()
        for end, value in (("", one.estimate), ("_low", one.low), ("_high", one.high))
    }
    return {**spans, "first_steady": geometric(own).estimate}


_LISTS = {
    "loads": "load_milliseconds",
    "firsts": "first_milliseconds",
    "medians": "milliseconds",
    "p99s": "p99_milliseconds",
}
"""Times by process, and what older records have in their place: one number over all processes."""


def _by_process(one: records.Measurement) -> dict[str, list[float]]:
    """Return a record's times, a number a process; empty where it has none."""
    values = one.values
    if all(name in values for name in _LISTS):
        return {name: values[name] for name in _LISTS}
    if all(name in values for name in _LISTS.values()):
        return {name: [values[single]] for name, single in _LISTS.items()}
    return {}


# The same file on another runtime -----------------------------------------------------------------


@_noting
def across(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each file's time elsewhere over its own on today's XNNPACK with one thread.

    Columns: technique, where, kernels, threads, ratio, low, high: over the processes, which took
    turns.
    """
    today = "xnnpack, 1"
    groups: dict[tuple[str, str], list[float]] = {}
    for technique, one in _measured(rows, "runtimes"):
        times = one.values["milliseconds"]
        for name, taken in times.items():
            if today in times:
                ratios = [a / b for a, b in zip(taken, times[today], strict=True)]
                groups.setdefault((technique, name), []).extend(ratios)
    lines = [
        {"technique": technique, **_named(name), **_span(geometric(ratios))}
        for (technique, name), ratios in groups.items()
    ]
    return _in_order(lines, rows, "technique where kernels threads ratio low high")


def _named(name: str) -> dict[str, Any]:
    """Take a configuration's name apart: `tflite-runtime 2.14.0, xnnpack, 1`."""
    *runtime, kernels, threads = name.split(", ")
    return {
        "where": where(runtime[0] if runtime else "LiteRT", kernels),
        "kernels": kernels,
        "threads": int(threads),
    }


def _span(found: Interval) -> dict[str, float]:
    return {"ratio": found.estimate, "low": found.low, "high": found.high}


# Operators ----------------------------------------------------------------------------------------

_OPERATORS = (
    "technique where kernels threads place operator output macs delegated share low high total "
    "milliseconds difference seed"
)


@_noting
def operators(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the operators of one seed's files with their shares of the time, a row an operator."""
    lines = []
    for technique, one in _measured(rows, "operators"):
        values, settings = one.values, one.identity.settings
        if one.trial.seed != seed or "shares" not in values:
            continue
        kernels = str(settings["kernels"])
        common = {
            "technique": technique,
            "where": where(str(values["runtime"]), kernels),
            "kernels": kernels,
            "threads": 1,
            "total": values["total"][0],
            "milliseconds": values["milliseconds"],
            "difference": values["difference"],
            "seed": seed,
        }
        names = ("places", "operators", "outputs", "macs", "delegated", "shares", "lows", "highs")
        for line in zip(*(values[name] for name in names), strict=True):
            singular = dict(zip(_OPERATORS.split()[4:12], line, strict=True))
            lines.append({**common, **singular})
    return _in_order(lines, rows, _OPERATORS)


def first(found: pd.DataFrame) -> str:
    """Return the runtime of the first row, today's; "" where there is none."""
    return str(found["where"].iloc[0]) if len(found) else ""


def last(found: pd.DataFrame) -> str:
    """Return the oldest runtime in the rows; "" where there is none."""
    older = [one for one in found["where"] if not one.startswith("LiteRT")]
    return str((older or list(found["where"]) or [""])[-1])


# Camera -------------------------------------------------------------------------------------------


@_noting
def camera(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the way from a camera's picture to the first choice, of the first seed of each.

    Columns: technique, where, kernels, threads; ratio to NQ's way, low, high; and the share of
    each stage.
    """
    lines: dict[str, dict[str, Any]] = {}
    for technique, one in sorted(_measured(rows, "camera"), key=lambda each: each[1].trial.seed):
        values, kernels = one.values, str(one.identity.settings["kernels"])
        if "ratio" not in values:
            continue
        low, high = values["ratio_interval"]
        line = {"technique": technique, "kernels": kernels, "threads": 1}
        line |= {"where": where(str(values["runtime"]), kernels), "ratio": values["ratio"]}
        lines.setdefault(technique, {**line, "low": low, "high": high, **values["shares"]})
    frame = _in_order(
        [
            {name.replace(" ", "_"): value for name, value in line.items()}
            for line in lines.values()
        ],
        rows,
        "technique where kernels threads ratio low high resize convert hand_over run read",
    )
    return frame


# Boards -------------------------------------------------------------------------------------------


@_noting
def devices(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what boards measured, of which `dlmo import` made records.

    Columns: technique, where, kernels, threads, board, sets, milliseconds; ratio to NQ on the same
    board in the same way, with low and high where the log has a deviation and a count.
    """
    found = list(_measured(rows, "device"))
    bases = {_way(one): one for technique, one in found if technique == PARENT}
    lines = []
    for technique, one in found:
        base = bases.get(_way(one))
        lines.append(
            {
                "technique": technique,
                "where": _board_runtime(one),
                "kernels": one.identity.settings["kernels"],
                "threads": one.identity.settings["threads"],
                "board": one.provenance.machine.processor,
                "sets": ", ".join(one.provenance.machine.instruction_sets) or "not named",
                "milliseconds": one.values["milliseconds"],
                **(_span(over(one, base)) if base is not None else {}),
            }
        )
    columns = "technique where kernels threads board sets milliseconds ratio low high"
    return _in_order(lines, rows, columns)


def _board_runtime(one: records.Measurement) -> str:
    return f"{one.values['runtime']}, {KERNELS[str(one.identity.settings['kernels'])]}"


def _way(one: records.Measurement) -> tuple[Any, ...]:
    settings = one.identity.settings
    ways = (settings["kernels"], settings["threads"], settings["runtime"])
    return (one.identity.machine, *ways, one.trial.seed)


def over(one: records.Measurement, base: records.Measurement) -> Interval:
    """Return the ratio of two means, with limits where deviations and counts are known."""
    ratio = one.values["milliseconds"] / base.values["milliseconds"]
    reach = 1.96 * float(np.hypot(_error(one), _error(base))) if one.key != base.key else 0.0
    return Interval(ratio, ratio * float(np.exp(-reach)), ratio * float(np.exp(reach)), 1)


def _error(one: records.Measurement) -> float:
    """Return the relative standard error of a mean, NaN where it is not known."""
    values = one.values
    if "deviation_milliseconds" not in values or "runs" not in values:
        return float("nan")
    error = values["deviation_milliseconds"] / values["runs"] ** 0.5
    return float(error / values["milliseconds"])
