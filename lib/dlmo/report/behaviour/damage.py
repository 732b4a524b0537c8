"""Corrupted images: what noise, blur, weather and digital damage leave of the accuracy."""

from collections.abc import Iterator
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dlmo.report import charts, statistics, tables, text
from dlmo.report.behaviour.gathering import (
    NOTHING,
    Behaviour,
    Change,
    File,
    about,
    less,
    points,
    right_corrupted,
)
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import PARENT
from dlmo.report.comparison_charts import NothingToDraw, shape
from dlmo.report.statistics import ALPHA

TOLD, OPEN = "told apart", "not told apart"

COLUMNS = ("technique", "kind", "difference", "low", "high", "p", "adjusted")


def shown(found: Behaviour) -> list[str]:
    """Return the techniques whose files were shown corrupted images."""
    return [name for name in found.techniques if _files(found, name)]


def _files(found: Behaviour, technique: str) -> list[File]:
    return [one for one in found.of(technique).values() if one.shown is not None]


def _compared(found: Behaviour) -> list[str]:
    """Return the techniques that were shown the same corrupted images as NQ."""
    return [name for name in found.others if _pairs(found, name)]


def _pairs(found: Behaviour, technique: str, other: str = PARENT) -> list[tuple[File, File]]:
    return [
        (one, two)
        for one, two in found.pairs(technique, other)
        if one.shown is not None and two.shown is not None and one.shown.same_images(two.shown)
    ]


def corrupted(found: Behaviour, technique: str, other: str = PARENT) -> Change:
    """Return a technique's accuracy on corrupted images less another one's."""
    if not _pairs(found, technique, other):
        return NOTHING
    return less(found, technique, right_corrupted, other)


def extra(found: Behaviour, technique: str) -> Change:
    """Return by how much more a technique changes the accuracy on corrupted than on clean images.

    Of the same images: negative where it loses more on corrupted ones.
    """
    return less(found, technique, _beyond_clean) if _pairs(found, technique) else NOTHING


def _beyond_clean(one: File) -> NDArray[np.float64] | None:
    if one.shown is None:
        return None
    return one.shown.per_image - (one.shown.clean == one.shown.labels)


@cited
def by_kind(found: Behaviour) -> pd.DataFrame:
    """Return each technique's accuracy less NQ's, for each kind of corruption.

    Returns:
        `COLUMNS`: differences in shares, over all severities; p of no difference (paired t over
        the images of a file, or over seeds), and p adjusted for the false discovery rate over all
        techniques and kinds.
    """
    frame = pd.DataFrame(list(_kinds(found)), columns=list(COLUMNS[:-1]))
    frame["adjusted"] = np.array(statistics.benjamini_hochberg(frame["p"].tolist()), float)
    return frame


def _kinds(found: Behaviour) -> Iterator[dict[str, Any]]:
    for technique in _compared(found):
        pairs = _pairs(found, technique)
        unit = found.unit(technique)
        if unit == "seed" and len(pairs) < 2:
            continue
        stacks = [[one.shown.right.mean(axis=1) for one in pair if one.shown] for pair in pairs]
        assert pairs[0][0].shown is not None
        for at, kind in enumerate(pairs[0][0].shown.kinds):
            if unit == "file":
                own, other = (stack[at] for stack in stacks[0])
            else:
                own, other = (
                    np.array([stack[side][at].mean() for stack in stacks]) for side in (0, 1)
                )
            compared = statistics.compare_pairs(own, other)
            yield {
                "technique": technique,
                "kind": kind,
                "difference": compared.interval.estimate,
                "low": compared.interval.low,
                "high": compared.interval.high,
                "p": statistics.two_sided(compared),
            }


@cited
def conditions(found: Behaviour) -> dict[str, tuple[int, int]]:
    """Return for each technique in how many conditions it is told from NQ, and how many there are.

    A condition is a kind in one severity. McNemar's exact test for a file, a paired t-test over
    seeds; corrected for the false discovery rate over all techniques and conditions.
    """
    names, p = [], []
    for technique in _compared(found):
        pairs = _pairs(found, technique)
        if found.unit(technique) == "file":
            each = _mcnemar(*pairs[0])
        elif len(pairs) > 1:
            each = _over_seeds(pairs)
        else:
            continue
        names += [technique] * len(each)
        p += each
    adjusted = statistics.benjamini_hochberg(p)
    sums: dict[str, tuple[int, int]] = {}
    for name, value in zip(names, adjusted, strict=True):
        told, total = sums.get(name, (0, 0))
        sums[name] = (told + (value < ALPHA), total + 1)
    return sums


def _mcnemar(one: File, other: File) -> list[float]:
    assert one.shown is not None and other.shown is not None
    n = len(one.shown.labels)
    first, second = (file.shown.right.reshape(-1, n) for file in (one, other) if file.shown)
    return [
        1.0 if np.array_equal(a, b) else statistics.paired_files(a, b).p
        for a, b in zip(first, second, strict=True)
    ]


def _over_seeds(pairs: list[tuple[File, File]]) -> list[float]:
    means = np.array(
        [[one.shown.right.mean(axis=2).ravel() for one in pair if one.shown] for pair in pairs]
    )
    return [
        statistics.two_sided(statistics.compare_pairs(means[:, 0, at], means[:, 1, at]))
        for at in range(means.shape[2])
    ]


@cited
def notes(found: Behaviour) -> dict[str, str]:
    """Return what the table is made of: how many images, kinds and severities."""
    files = [one.shown for one in found.files.values() if one.shown is not None]
    if not files:
        return {"note_damage": f"What files say of corrupted images is {text.MISSING}."}
    kinds, severities, n = files[0].corrupted.shape
    return {
        "note_damage": (
            f"{n:,} test images, as many of each class, in {kinds} kinds of corruption and "
            f"{severities} severities; clean and corrupted are means over the seeds. Intervals of "
            "a file are over the images, each counted once with all its forms. Beyond clean is how "
            "much larger the difference is than on the same images uncorrupted. Told apart are "
            "conditions (a kind in one severity) by McNemar's exact test or a paired t-test over "
            "seeds, corrected for their number."
        )
    }


@cited
def table(found: Behaviour) -> Table | NothingToDraw:
    """Return each technique's accuracy on clean and corrupted images, and its difference to NQ."""
    names = shown(found)
    if not names:
        return NothingToDraw()
    told = conditions(found)
    lines = [_line(found, name, told) for name in names]
    caption = f"Accuracy on corrupted images: {about(found)}."
    return tables.styled(pd.DataFrame(lines), caption=caption, name="robustness")


def _line(found: Behaviour, name: str, told: dict[str, tuple[int, int]]) -> dict[str, str]:
    files = _files(found, name)
    clean = [float((one.shown.clean == one.shown.labels).mean()) for one in files if one.shown]
    rough = [float(one.shown.per_image.mean()) for one in files if one.shown]
    other = name != PARENT and bool(_pairs(found, name))
    return {
        "Technique": name,
        "Clean (%)": text.figure(100 * float(np.mean(clean)), 1),
        "Corrupted (%)": text.figure(100 * float(np.mean(rough)), 1),
        "Less NQ (points)": points(corrupted(found, name)) if other else text.NONE,
        "beyond clean (points)": points(extra(found, name)) if other else text.NONE,
        "Told apart": "{} of {}".format(*told[name]) if name in told else text.NONE,
    }


@cited
def severities(found: Behaviour) -> alt.LayerChart | NothingToDraw:
    """Draw the accuracy over the severity, mean of all kinds and seeds, a line a technique."""
    names = shown(found)
    if not names:
        return NothingToDraw()
    frame = pd.DataFrame([line for name in names for line in _levels(found, name)])
    base = alt.Chart(frame).encode(
        x=alt.X("severity:Q", title="Severity").axis(tickMinStep=1),
        y=alt.Y("accuracy:Q", title="Accuracy (%)").scale(zero=False),
        color=alt.Color("technique:N", scale=charts.scale(names), title="Technique"),
        detail="technique:N",
    )
    lines = base.mark_line(strokeWidth=1.5, tooltip=False, aria=False)
    dots = base.mark_point(size=55).encode(
        tooltip=[
            alt.Tooltip("technique:N", title="Technique"),
            alt.Tooltip("facts:N", title="Accuracy"),
        ]
    )
    ends = frame[frame["severity"] == frame["severity"].max()]
    said = "; ".join(
        f"{one} ends at {text.figure(share, 1)} %"
        for one, share in zip(ends["technique"], ends["accuracy"], strict=True)
    )
    return alt.LayerChart(layer=[lines, dots]).properties(
        height=320, description=f"Accuracy over severity of corruption, {about(found)}. {said}."
    )


def _levels(found: Behaviour, name: str) -> Iterator[dict[str, Any]]:
    files = _files(found, name)
    clean = np.mean([(one.shown.clean == one.shown.labels).mean() for one in files if one.shown])
    rough = np.mean([one.shown.right.mean(axis=(0, 2)) for one in files if one.shown], axis=0)
    for level, share in enumerate([clean, *rough]):
        facts = f"severity {level}: {text.percent(float(share))}"
        yield {
            "technique": name,
            "severity": level,
            "accuracy": round(100 * float(share), 2),
            "facts": facts,
        }


@cited
def kinds_chart(found: Behaviour, frame: pd.DataFrame) -> alt.LayerChart | NothingToDraw:
    """Draw each technique's difference to NQ for each kind of corruption, over all severities."""
    if frame.empty:
        return NothingToDraw()
    names = list(dict.fromkeys(frame["technique"]))
    kinds = list(dict.fromkeys(frame["kind"]))
    drawn = frame.assign(
        points=(100 * frame["difference"]).round(2),
        told=np.where(frame["adjusted"] < ALPHA, TOLD, OPEN),
        facts=[
            f"{text.points(one)} ({text.points(low)} to {text.points(high)}) points"
            for one, low, high in frame[["difference", "low", "high"]].to_numpy().tolist()
        ],
    )[["technique", "kind", "points", "told", "facts"]]
    base = alt.Chart(drawn).encode(
        x=alt.X("points:Q", title="Difference to NQ (points)").scale(padding=12),
        y=alt.Y("kind:N", sort=kinds, title=None).axis(grid=True),
        color=alt.Color("technique:N", scale=charts.scale(names), title="Technique"),
        tooltip=[
            alt.Tooltip("technique:N", title="Technique"),
            alt.Tooltip("kind:N", title="Corruption"),
            alt.Tooltip("facts:N", title="Difference to NQ"),
        ],
    )
    dots = base.mark_point(size=70, opacity=0.85).encode(
        shape=shape("told", {TOLD: "diamond", OPEN: "circle"}, drawn, "From no difference")
    )
    zero = alt.Chart(alt.sequence(0, 1)).mark_rule(
        strokeDash=[4, 3], color=charts.MUTED.light, tooltip=False, aria=False
    )
    said = "; ".join(_extremes(str(name), own) for name, own in frame.groupby("technique"))
    return alt.LayerChart(layer=[zero.encode(x=alt.datum(0)), dots]).properties(
        height=24 * len(kinds) + 40,
        description=f"Differences to NQ by kind of corruption, {about(found)}. {said}.",
    )


def _extremes(name: str, own: pd.DataFrame) -> str:
    worst = own.sort_values("difference").iloc[0]
    best = text.points(own["difference"].max())
    return f"{name}: {text.points(worst['difference'])} ({worst['kind']}) to {best} points"


@cited
def sentence(found: Behaviour, frame: pd.DataFrame) -> str:
    """Say what corruption costs the parent, and whom it costs more."""
    names = shown(found)
    if PARENT not in names:
        return f"Accuracy on corrupted images is {text.MISSING}."
    files = _files(found, PARENT)
    clean = float(np.mean([(f.shown.clean == f.shown.labels).mean() for f in files if f.shown]))
    rough = float(np.mean([f.shown.per_image.mean() for f in files if f.shown]))
    parts = [
        f"Over all kinds and severities {PARENT} keeps {text.percent(rough)} of "
        f"{text.percent(clean)}."
    ]
    groups: dict[str, list[str]] = {}
    for name in _compared(found):
        change = corrupted(found, name)
        groups.setdefault(text.verdict(change.word), []).append(name)
    said = [f"{text.listing(own)}: {words}" for words, own in groups.items()]
    if said:
        parts.append(f"Beside it, on corrupted images, {'; '.join(said)}.")
    more = [name for name in _compared(found) if _loses_more(extra(found, name))]
    spared = [name for name in _compared(found) if extra(found, name).interval.low > 0]
    if more:
        parts.append(f"{text.listing(more)} lose more there than on the same images uncorrupted.")
    if spared:
        parts.append(f"{text.listing(spared)} lose less there than on the same images uncorrupted.")
    told = frame[frame["adjusted"] < ALPHA]
    if len(told):
        worst = told.sort_values("difference").iloc[0]
        parts.append(
            f"The largest difference of a kind is {text.points(worst['difference'])} points: "
            f"{worst['technique']} with {worst['kind']}."
        )
    return " ".join(parts)


def _loses_more(change: Change) -> bool:
    return change.interval.high < 0
