"""Sweeps: a grid of trials, said in a YAML file, and the overview of what came of it.

Each key of the file is a part of a trial (dataset, network, technique, profile, seed) or a recipe
parameter (`sparsity`, `train.epochs`); each value is one or a list, and all are combined.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
from pandas.io.formats.style import Styler

from dlmo import recipes, records
from dlmo.chapter import yaml_files
from dlmo.errors import UserError, unknown
from dlmo.report import charts, tables, text
from dlmo.report.comparison_tables import title
from dlmo.trials import Trial

PARTS = ("dataset", "network", "technique", "profile", "seed")
DEFAULTS: dict[str, list[Any]] = {"technique": ["NQ"], "profile": ["quick"], "seed": [0]}
MOST = 2000
"""Points of a sweep."""


@dataclass(frozen=True)
class Point:
    """One point of the grid: its values by axis, and its trial, without overrides that do nothing.

    Different points can be the same trial: pruning's sparsity does nothing to NQ.
    """

    values: Mapping[str, Any]
    """None where the trial has no such parameter."""
    trial: Trial


@dataclass(frozen=True)
class Sweep:
    """A grid.

    Attributes:
        axes: what is varied, in the order of the file.
        points: each trial once.
    """

    axes: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def trials(self) -> list[Trial]:
        """The trials of the points."""
        return [point.trial for point in self.points]


def read(file: Path) -> Sweep:
    """Read a sweep's file.

    Raises:
        UserError: it is no YAML, a key or a value makes no sense, or the grid is too large.
    """
    given = yaml_files.mapping(file)
    grid = {**DEFAULTS, **{key: _listed(file, key, value) for key, value in given.items()}}
    _check(grid)
    for name in ("dataset", "network"):
        if name not in grid:
            raise UserError(f"{file}: say which {name}: {name}: …")
    size = math.prod(map(len, grid.values()))
    if size > MOST:
        raise UserError(f"{file}: {size:,} points; at most {MOST:,} are read")
    combined = (dict(zip(grid, values, strict=True)) for values in product(*grid.values()))
    points = {point.trial: point for point in map(_point, combined)}
    axes = tuple(key for key, values in grid.items() if len(values) > 1)
    return Sweep(axes, tuple(points.values()))


def _listed(file: Path, key: str, value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str | int | float) for one in values):
        raise UserError(f"{file}: {key} must be a number, a word, or a list of them")
    return list(dict.fromkeys(values))


def _check(grid: Mapping[str, list[Any]]) -> None:
    known = {*recipes.fields(), *PARTS}
    for key in grid:
        if key.rpartition(".")[2] not in known:
            raise unknown("key of a sweep", key, known)
    for profile in grid["profile"]:
        recipes.profile(str(profile))


def _point(values: dict[str, Any]) -> Point:
    overrides = recipes.parse_overrides(
        {key: value for key, value in values.items() if key not in PARTS}
    )
    parts = {name: str(values[name]) for name in PARTS if name != "seed"}
    trial = Trial(**parts, seed=values["seed"], overrides=overrides)
    known = {
        key: value if key in PARTS or _has(trial, key) else None for key, value in values.items()
    }
    return Point(known, trial.model_copy(update={"overrides": _acting(trial)}))


def _has(trial: Trial, key: str) -> bool:
    """Say whether a trial has a recipe parameter: NQ has no sparsity."""
    where, _, field = key.rpartition(".")
    models: dict[str, Any] = {step: recipes.STEP_MODELS[step] for step in trial.plan.steps}
    models["conversion"] = recipes.Conversion
    return any(field in model.model_fields for step, model in models.items() if where in ("", step))


def _acting(trial: Trial) -> recipes.Overrides:
    """Return the overrides that change something of a trial."""
    profile = recipes.profile(trial.profile)

    def made(overrides: recipes.Overrides) -> list[Any]:
        steps = [profile.step(step, trial.network, overrides) for step in trial.plan.steps]
        return [*steps, profile.conversion(trial.network, overrides)]

    whole = made(trial.overrides)
    return tuple(
        one
        for place, one in enumerate(trial.overrides)
        if made(trial.overrides[:place] + trial.overrides[place + 1 :]) != whole
    )


# The overview -------------------------------------------------------------------------------------

_MEASURED = {
    "accuracy": "Test accuracy (%)",
    "validation_accuracy": "Validation accuracy (%)",
    "bytes": "Size (KB)",
    "zipped_bytes": "Zipped (KB)",
    "zeros": "Zeros (%)",
    "latency_ratio": "Latency (ratio)",
}


def rows(sweep: Sweep) -> pd.DataFrame:
    """Return a row a point: its axes, what was measured (NaN where not yet), and `reason`."""
    table = records.table()
    table = table.assign(zeros=1 - table["nonzero"])
    keys = [*PARTS, "overrides"]
    known = {
        tuple(row[key] for key in keys): row for row in table[table["current"]].to_dict("records")
    }
    return pd.DataFrame([_row(point, known) for point in sweep.points])


def _row(point: Point, known: Mapping[tuple[Any, ...], Mapping[Any, Any]]) -> dict[str, Any]:
    trial = point.trial
    changed = ",".join(f"{name}={value}" for name, value in trial.overrides)
    key = (*(getattr(trial, name) for name in PARTS), changed)
    found = known.get(key, {})
    said = {name: found.get(name, float("nan")) for name in _MEASURED}
    reason = found.get("reason")
    return {**point.values, **said, "reason": reason if isinstance(reason, str) else None}


def overview(sweep: Sweep) -> str:
    """Say how many points there are, and how many are measured."""
    found = rows(sweep)
    done = int(found["accuracy"].notna().sum())
    gone = int(found["reason"].notna().sum())
    said = f"{text.begin(text.count(len(found), 'point'))}, {done} measured"
    return f"{said}, {gone} that cannot be had." if gone else f"{said}."


def chart(sweep: Sweep) -> Any:
    """Return a chart: accuracy against the first numeric axis, or size; None where nothing is."""
    found = _scaled(rows(sweep)).dropna(subset=["accuracy"])
    if found.empty:
        return None
    across = next((axis for axis in sweep.axes if _numeric(axis, found)), None)
    x = across or "bytes"
    shown = found.rename(columns=lambda name: name.replace(".", "_"))
    field = x.replace(".", "_")
    colours = list(dict.fromkeys(shown["technique"]))
    encoded = alt.Chart(shown).encode(
        x=alt.X(f"{field}:Q", title=across or _MEASURED["bytes"], scale=alt.Scale(zero=False)),
        y=alt.Y("accuracy:Q", title=_MEASURED["accuracy"], scale=alt.Scale(zero=False)),
        color=alt.Color("technique:N", title=None, scale=charts.scale(colours)),
        shape=_shapes(shown),
        tooltip=[one.replace(".", "_") for one in (*sweep.axes, "accuracy", "bytes")],
    )
    lines = encoded.mark_line() if across else encoded.mark_point()
    what = f"{across} " if across else "the file's size "
    described = f"Test accuracy of each point of the sweep against {what}, by technique."
    return alt.layer(lines, encoded.mark_point()).properties(
        height=320, description=described.replace(" ,", ",")
    )


def _shapes(shown: pd.DataFrame) -> alt.Shape:
    grey = alt.Legend(symbolFillColor=charts.MUTED.light, symbolStrokeColor=charts.MUTED.light)
    return alt.Shape(
        "network:N", title=None, legend=grey if shown["network"].nunique() > 1 else None
    )


def _numeric(axis: str, found: pd.DataFrame) -> bool:
    return axis != "seed" and pd.api.types.is_numeric_dtype(found[axis])


def _scaled(found: pd.DataFrame) -> pd.DataFrame:
    shown = found.copy()
    for name in ("accuracy", "validation_accuracy", "zeros"):
        shown[name] = 100 * shown[name].astype(float)
    for name in ("bytes", "zipped_bytes"):
        shown[name] = shown[name].astype(float) / 1000
    return shown


def table(sweep: Sweep) -> Styler:
    """Return all points: what is varied, and what was measured."""
    found = _scaled(rows(sweep))
    axes = [*(sweep.axes or ("network", "technique"))]
    for name in {"dataset", "network"} & set(axes):
        found[name] = found[name].map(title)
    shown = found[[*axes, *_MEASURED]].rename(columns=_MEASURED)
    shown["Remark"] = [
        reason or (text.MISSING if pd.isna(accuracy) else "")
        for reason, accuracy in zip(found["reason"], found["accuracy"], strict=True)
    ]
    formats: dict[str, tables.Format] = dict.fromkeys(list(_MEASURED.values()), "{:.1f}")
    formats[_MEASURED["latency_ratio"]] = "{:.2f}"
    return tables.styled(shown, caption="All points of the sweep.", formats=formats)
