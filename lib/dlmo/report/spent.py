"""The compute that was spent: measured, from the durations that records keep."""

from collections.abc import Iterable, Sequence

import altair as alt
import pandas as pd

from dlmo import records, sources
from dlmo.report import charts, tables, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.comparison_tables import title
from dlmo.techniques import PARTS, StepName

HOUR = 3600.0


@cited
def trainings(found: Iterable[records.Record] | None = None) -> pd.DataFrame:
    """Return one row for each training step that was run, whatever it was used for afterwards.

    Columns: dataset, network, profile, technique (whose training it is: a step that several
    techniques share counts once), epochs, hours (of wall time), core_hours (times the threads).
    """
    known = records.every() if found is None else list(found)
    weights = {one.key: one for one in known if isinstance(one, records.Weights)}
    sources.note(*weights)
    rows = [_training(one, weights) for one in weights.values()]
    columns = ["dataset", "network", "profile", "technique", "epochs", "hours", "core_hours"]
    return pd.DataFrame(rows, columns=columns)


def _training(one: records.Weights, weights: dict[str, records.Weights]) -> dict[str, object]:
    chain = [one]
    while (parent := weights.get(chain[0].identity.parent or "")) is not None:
        chain.insert(0, parent)
    hours = one.seconds / HOUR
    return {
        "dataset": one.identity.dataset,
        "network": one.identity.network,
        "profile": one.trial.profile,
        "technique": named([made.identity.step for made in chain]),
        "epochs": len(one.history),
        "hours": hours,
        "core_hours": hours * one.provenance.threads,
    }


def named(steps: Sequence[StepName]) -> str:
    """Return the technique that training steps belong to: `PRN` for (train, prune)."""
    short: dict[StepName, str] = {}
    for name, part in PARTS.items():
        for step in part.steps:
            short.setdefault(step, name)
    base, *rest = (short[step] for step in steps)
    # NQ is not written in front of what follows it, but in front of the control.
    first = [base] if base != "NQ" or not rest or rest[0] == "FT" else []
    return "+".join([*first, *rest])


def elsewhere(found: Iterable[records.Record] | None = None) -> tuple[int, float, int, float]:
    """Return how many files were converted, in how many hours, and measurements and their hours."""
    known = records.every() if found is None else list(found)
    made = [one for one in known if isinstance(one, records.Deployable)]
    measured = [one for one in known if isinstance(one, records.Measurement)]
    seconds = [sum(one.provenance.seconds for one in some) for some in (made, measured)]
    return len(made), seconds[0] / HOUR, len(measured), seconds[1] / HOUR


@cited
def sentence(spent: pd.DataFrame, rest: tuple[int, float, int, float]) -> str:
    """Say what trainings took, what the rest took, and which network was the dearest."""
    if spent.empty:
        return f"{text.begin(text.MISSING)}."
    files, converting, measurements, measuring = rest
    by_network = spent.groupby("network")["hours"].sum().sort_values()
    dearest = str(by_network.index[-1])
    share = float(by_network.iloc[-1] / by_network.sum())
    most = f" {title(dearest)} took {text.percent(share, 0)} of it." if len(by_network) > 1 else ""
    return (
        f"The records hold {text.count(len(spent), 'training')} of "
        f"{text.count(len(by_network), 'network')}: {hours(spent['hours'].sum())} of wall time, "
        f"{hours(spent['core_hours'].sum())} of processor time.{most} Converting "
        f"{text.count(files, 'file')} took {hours(converting)}, and "
        f"{text.count(measurements, 'measurement')} {hours(measuring)}."
    )


def hours(value: float) -> str:
    """Return a duration in hours, or in minutes below one hour."""
    return f"{text.figure(60 * value, 0)} min" if value < 1 else f"{text.figure(value, 1)} h"


@cited
def chart(spent: pd.DataFrame) -> alt.Chart | NothingToDraw:
    """Draw the hours of training by network and technique."""
    if spent.empty:
        return NothingToDraw()
    frame = _grouped(spent, ["network", "technique"])
    frame["network"] = frame["network"].map(title)
    frame["which"] = frame["network"] + ", " + frame["technique"]
    shown = list(dict.fromkeys(frame["technique"]))
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            y=alt.Y("which:N", sort=list(frame["which"]), title=None),
            x=alt.X("hours:Q", title="Training (hours of wall time)").axis(labelOverlap=True),
            color=alt.Color("technique:N", scale=charts.scale(shown), legend=None),
            tooltip=[
                alt.Tooltip("network:N", title="Network"),
                alt.Tooltip("technique:N", title="Technique"),
                alt.Tooltip("trainings:Q", title="Trainings"),
                alt.Tooltip("hours:Q", title="Hours", format=".2f"),
                alt.Tooltip("each:Q", title="Hours each", format=".2f"),
            ],
        )
        .properties(
            height=24 * len(frame) + 10,
            description="Hours of training by network and technique. " + _spoken(frame),
        )
    )


@cited
def table(spent: pd.DataFrame) -> Table | None:
    """Return trainings, epochs and hours by dataset, network, profile and technique."""
    if spent.empty:
        return None
    frame = _grouped(spent, ["dataset", "network", "profile", "technique"])
    shown = pd.DataFrame(
        {
            "Network": frame["network"].map(title),
            "Dataset": frame["dataset"].map(title),
            "Profile": frame["profile"],
            "Technique": frame["technique"],
            "Trainings": frame["trainings"],
            "Epochs": frame["epochs"],
            "Hours": frame["hours"],
            "Hours each": frame["each"],
        }
    )
    formats = {"Hours": "{:.2f}", "Hours each": "{:.2f}"}
    return tables.styled(shown, caption="What was trained, and how long it took.", formats=formats)


ORDER = ("NQ", "NQ+FT", *(name for name in charts.TECHNIQUES if name != "NQ"))


def _grouped(spent: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    totals = {
        "trainings": ("hours", "size"),
        "epochs": ("epochs", "sum"),
        "hours": ("hours", "sum"),
    }
    frame = spent.groupby(by, sort=False).agg(**totals).reset_index()
    frame["each"] = frame["hours"] / frame["trainings"]
    return frame.sort_values(by, key=_place, ignore_index=True)


def _place(column: "pd.Series[str]") -> "pd.Series[str]":
    """Sort techniques in the report's order, everything else by name."""
    if column.name != "technique":
        return column
    places = {name: at for at, name in enumerate(ORDER)}
    return column.map(lambda name: f"{places.get(name, len(places)):02d} {name}")


def _spoken(frame: pd.DataFrame) -> str:
    said = [
        f"{row.network}, {row.technique}: {hours(float(str(row.hours)))}"
        for row in frame.itertuples()
    ]
    return "; ".join(said) + "."
