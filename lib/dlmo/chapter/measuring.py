"""How a chapter gets its numbers: from records, and from the laboratory only where it must.

The rule: a chapter with its own parameters reads records and shows what is there; what is not says
"not yet measured". With other parameters (another dataset, network, profile, technique, more seeds)
what lacks is measured. `measure="never"` and `measure="missing"` overrule this either way.
"""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from dlmo import recipes, records
from dlmo.chapter.asked import SWEEPS, Asked, changed
from dlmo.errors import UserError
from dlmo.trials import Trial

if TYPE_CHECKING:
    from dlmo.laboratory import Plan

ASK_FROM = 180.0
"""Seconds of training above which a person who can answer is asked first."""

LATENCY_SECONDS = {"smoke": 3.0}
"""The budget for timing one family with one set of kernels, where it isn't a minute."""


def rows(name: str, asked: Asked) -> pd.DataFrame:
    """Return the rows of the flat table that a chapter is about, measured now if need be.

    Args:
        name: of the chapter.
        asked: what it was asked for.

    Returns:
        All recorded seeds of the dataset, the network and the profile; see `records.table`.

    Raises:
        UserError: something that is to be measured cannot be.
    """
    missing = pending(name, asked)
    if missing:
        _measure(missing, asked)
    return select(asked, asked.profile)


def select(asked: Asked, profile: str) -> pd.DataFrame:
    """Return the recorded rows of the same dataset, network and techniques under a profile."""
    return records.select(
        dataset=asked.dataset,
        network=asked.network,
        profile=profile,
        technique=asked.techniques,
    )


def pending(name: str, asked: Asked) -> list[Trial]:
    """Return the trials that running a chapter will measure, none where it only reads."""
    if asked.measure == "never" or (asked.measure == "auto" and not changed(name, asked)):
        return []
    wanted = asked.trials
    have = _recorded(asked, {one.technique for one in wanted})
    done = have[have["reason"].notna() | (have["accuracy"].notna() & _timed(have, asked))]
    keys = set(zip(done["technique"], done["seed"], done["changes"], strict=True))
    return [one for one in wanted if (one.technique, one.seed, _changes(one, asked)) not in keys]


def _recorded(asked: Asked, techniques: Iterable[str]) -> pd.DataFrame:
    """Return the rows of some techniques, whatever was overridden, with `changes` as a column."""
    found = records.select(
        current=False,
        dataset=asked.dataset,
        network=asked.network,
        profile=asked.profile,
        technique=list(techniques),
    )
    found = found[found["current"]]
    written = [_read(str(overrides), asked) for overrides in found["overrides"]]
    return found.assign(changes=pd.Series(written, index=found.index, dtype=object))


def _changes(trial: Trial, asked: Asked) -> frozenset[tuple[str, Any]]:
    return _read(",".join(f"{name}={value}" for name, value in trial.overrides), asked)


def _read(written: str, asked: Asked) -> frozenset[tuple[str, Any]]:
    """Return what overrides change, however they are written: with their step or without.

    What the conversion's recipe says anyway is no change.
    """
    usual = recipes.profile(asked.profile).conversion(asked.network).model_dump()
    pairs = [word.partition("=")[::2] for word in written.split(",") if word]
    given = {name.rpartition(".")[2]: recipes.value(value) for name, value in pairs}
    return frozenset((f, v) for f, v in given.items() if f not in usual or usual[f] != v)


def _timed(have: pd.DataFrame, asked: Asked) -> "pd.Series[bool]":
    both = have["latency_ratio"].notna() & have["latency_ratio_builtin"].notna()
    # A varied recipe is judged by its accuracy and its size alone.
    return both | (have["overrides"] != "") if asked.latency else both | True


def replay(name: str, asked: Asked, seconds: float = 6.0) -> None:
    """Measure what the replay of a chapter's files lacks, where the chapter measures at all.

    Args:
        name: of the chapter.
        asked: what it was asked for; its files are made already, see `rows`.
        seconds: the budget of each configuration.

    Raises:
        UserError: something that is to be measured cannot be.
    """
    if asked.measure == "never" or (asked.measure == "auto" and not changed(name, asked)):
        return
    from dlmo.laboratory import replay as laboratory

    for family in laboratory.families(asked.trials):
        if laboratory.missing(family):
            for note in laboratory.replay(family, seconds=seconds, told=_say):
                _say(note)


def sweep(asked: Asked, parameter: str) -> pd.DataFrame:
    """Return what is recorded of a varied recipe.

    Args:
        asked: what the chapter was asked for.
        parameter: one of `asked.SWEEPS`, such as "sparsities".

    Returns:
        The columns of `records.table`, `value` and `repeat`: the seed; where a conversion is
        varied, the draw of the images, and rows of the first seed alone. A value without a record
        has one row of nothing but itself.
    """
    names, key = SWEEPS[parameter]
    found = _recorded(asked, names)
    drawn = key.startswith("conversion.")
    if drawn:
        found = found[found["seed"] == asked.seed]
    draws = [dict(changes).get(_DRAW, 0) for changes in found["changes"]]
    found = found.assign(repeat=draws if drawn else found["seed"])
    bare = [
        changes - {(_DRAW, draw)} for changes, draw in zip(found["changes"], draws, strict=True)
    ]
    wanted = {value: _changes(trial, asked) for value, trial in asked.varied(parameter)}
    parts = [
        found[[one == changes for one in bare]].assign(value=float(value))
        for value, changes in wanted.items()
    ]
    absent = [{"value": float(v)} for v, part in zip(wanted, parts, strict=True) if part.empty]
    rows = [part for part in parts if len(part)]
    table = pd.concat(rows, ignore_index=True) if rows else found.assign(value=float("nan"))[:0]
    return pd.concat([table, pd.DataFrame(absent, columns=["value"])], ignore_index=True)


_DRAW = "calibration_seed"
"""What repeats a conversion: other images of the same number."""


def _measure(missing: list[Trial], asked: Asked) -> None:
    # The laboratory brings TensorFlow: only for those who need it.
    from psutil import cpu_count

    from dlmo import laboratory
    from dlmo.laboratory import outlook

    made = planned(missing, asked)
    _say(f"{len(missing)} of {len(asked.trials)} trials are not measured yet: measuring them.")
    cores = cpu_count() or 1
    costs = _agreed(made, cores) if made.missing and _answers() else {}
    watch = outlook.Lines(outlook.Outlook(costs, cores))
    if asked.latency:
        _say("Latencies come last: up to a minute for each technique's kernels.")
    laboratory.measure(
        made.trials,
        with_latency=asked.latency,
        latency_seconds=LATENCY_SECONDS.get(asked.profile, 60.0),
        watch=watch,
    )


def planned(missing: list[Trial], asked: Asked) -> "Plan":
    """Return what measuring some trials takes, and their NQ, with which the others are compared."""
    from dlmo import laboratory
    from dlmo.laboratory import latency

    wanted = [*missing, *(trial.sibling(latency.BASELINE) for trial in missing)]
    return (latency.plan if asked.latency else laboratory.plan)(wanted)


def _agreed(made: "Plan", cores: int) -> dict[str, float]:
    """Say what a plan costs, and ask where that is more than a few minutes.

    Returns:
        Seconds of training by key.

    Raises:
        UserError: the answer is no.
    """
    from dlmo.laboratory import cost

    costs = cost.estimate(made)
    seconds = cost.total(made.missing, costs, cores)
    _say(f"That takes about {max(1, round(seconds / 60))} min of training.")
    if (seconds > ASK_FROM or cost.unknown(made, costs)) and not _yes():
        raise UserError('nothing was measured; measure = "never" shows what is recorded')
    return costs


def _answers() -> bool:
    """Say whether a person could answer: in a notebook's window or at a terminal.

    papermill cannot; there `dlmo run` has said the cost and asked before it began.
    """
    try:
        from IPython import get_ipython
    except ImportError:
        return sys.stdin.isatty()
    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False)) if kernel else sys.stdin.isatty()


def _yes() -> bool:
    return input("Go on? [Y/n] ").strip().lower() in ("", "y", "yes")


def _say(line: str) -> None:
    print(f"dlmo: {line}", file=sys.stderr, flush=True)
