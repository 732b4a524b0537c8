"""Whether files fail on the same images: agreement of their errors beyond chance."""

from itertools import combinations

import altair as alt
import numpy as np
import pandas as pd

from dlmo.report import charts, statistics, tables, text
from dlmo.report.behaviour.gathering import NOTHING, Behaviour, Change, about
from dlmo.report.behaviour.images import rests_on
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import PARENT
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.statistics import Interval


@cited
def agreement(found: Behaviour, technique: str, other: str = PARENT) -> Change:
    """Return Cohen's kappa of a technique's errors and another one's.

    Of conversions of the same weights that of one seed's files, with its asymptotic interval over
    the images; of others the mean over seeds.
    """
    pairs = found.pairs(technique, other)
    if not pairs:
        return NOTHING
    each = [statistics.kappa(one.right, two.right) for one, two in pairs]
    unit = found.unit(technique, other)
    known = [one.estimate for one in each if not np.isnan(one.estimate)]
    if not known:
        return NOTHING
    interval = each[0] if unit == "file" else statistics.mean(known)
    return Change(interval, "undecided", unit, len(known))


@cited
def between_seeds(found: Behaviour) -> Interval:
    """Return kappa of the errors of two trainings of NQ: mean, least and most over all pairs."""
    files = list(found.of(PARENT).values())
    each = [statistics.kappa(a.right, b.right).estimate for a, b in combinations(files, 2)]
    known = [value for value in each if not np.isnan(value)]
    if not known:
        return Interval(np.nan, np.nan, np.nan, 0)
    return Interval(float(np.mean(known)), min(known), max(known), len(files))


@cited
def table(found: Behaviour) -> Table | NothingToDraw:
    """Return each technique's agreement with NQ, and that of two trainings of NQ."""
    if not found.others:
        return NothingToDraw()
    lines = [
        {
            "Beside NQ": name,
            "Rests on": rests_on(found, name),
            "Kappa of errors": written(agreement(found, name).interval),
            "Both wrong (%)": _both_wrong(found, name),
        }
        for name in found.others
    ]
    seeds = between_seeds(found)
    if seeds.n > 1:
        lines.append(
            {
                "Beside NQ": "NQ with another seed",
                "Rests on": text.count(seeds.n, "seed"),
                "Kappa of errors": written(seeds),
                "Both wrong (%)": text.NONE,
            }
        )
    caption = f"Whether errors fall on the same images: {about(found)}."
    return tables.styled(pd.DataFrame(lines), caption=caption, name="errors")


def written(interval: Interval) -> str:
    """Return a kappa with its interval: `0.93 (0.92 to 0.94)`."""
    if np.isnan(interval.estimate):
        return text.NONE
    middle = text.figure(interval.estimate, 2)
    if np.isnan(interval.low):
        return middle
    return f"{middle} ({text.figure(interval.low, 2)} to {text.figure(interval.high, 2)})"


def _both_wrong(found: Behaviour, name: str) -> str:
    pairs = found.pairs(name)
    used = pairs[:1] if found.unit(name) == "file" else pairs
    share = float(np.mean([(~one.right & ~two.right).mean() for one, two in used]))
    return text.figure(100 * share, 1)


@cited
def matrix(found: Behaviour) -> alt.LayerChart | NothingToDraw:
    """Draw kappa of the errors of every two techniques, one seed's files."""
    files = [one for name in found.techniques if (one := found.file(name)) is not None]
    if len(files) < 2:
        return NothingToDraw()
    names = [one.technique for one in files]
    lines = []
    for one, two in combinations(files, 2):
        kappa = statistics.kappa(one.right, two.right)
        if not np.isnan(kappa.estimate):
            lines.append(
                {
                    "first": one.technique,
                    "second": two.technique,
                    "kappa": round(kappa.estimate, 3),
                    "shown": text.figure(kappa.estimate, 2),
                    "facts": written(kappa),
                }
            )
    frame = pd.DataFrame(lines)
    if frame.empty:
        return NothingToDraw()
    base = alt.Chart(frame).encode(
        x=alt.X("second:N", sort=names, title=None).axis(labelAngle=0, ticks=False, domain=False),
        y=alt.Y("first:N", sort=names, title=None),
        tooltip=[
            alt.Tooltip("first:N", title="First"),
            alt.Tooltip("second:N", title="Second"),
            alt.Tooltip("facts:N", title="Kappa"),
        ],
    )
    discs = base.mark_circle(color=charts.MUTED.light, opacity=0.35).encode(
        size=alt.Size("kappa:Q", legend=None).scale(domain=[0, 1], range=[0, 1400])
    )
    words = base.mark_text(tooltip=False, aria=False).encode(text="shown:N")
    said = "; ".join(
        f"{first} and {second}: {kappa}"
        for first, second, kappa in frame[["first", "second", "shown"]].to_numpy().tolist()
    )
    return alt.LayerChart(layer=[discs, words]).properties(
        height=44 * len(names),
        description=f"Agreement of errors beyond chance (Cohen's kappa), {about(found)}. {said}.",
    )


@cited
def sentence(found: Behaviour) -> str:
    """Say which techniques fail on the images on which NQ fails, beside another training of it."""
    if not found.others:
        return f"Which images are classified wrongly is {text.MISSING}."
    known = {name: agreement(found, name).interval.estimate for name in found.others}
    known = {name: value for name, value in known.items() if not np.isnan(value)}
    if not known:
        return ""
    said = [f"{name} {text.figure(value, 2)}" for name, value in known.items()]
    parts = [f"Kappa of the errors with {PARENT}'s: {text.listing(said)}."]
    seeds = between_seeds(found)
    if seeds.n > 1:
        parts.append(
            f"Two trainings of {PARENT} reach {text.figure(seeds.estimate, 2)} "
            f"({text.figure(seeds.low, 2)} to {text.figure(seeds.high, 2)})."
        )
        near = [name for name, value in known.items() if value > seeds.high]
        far = [name for name, value in known.items() if value <= seeds.high]
        if near:
            parts.append(
                f"{text.listing(near)} fail on {PARENT}'s images more than any other training does."
            )
        if far:
            parts.append(f"{text.listing(far)} no more than another training does.")
    return " ".join(parts)
