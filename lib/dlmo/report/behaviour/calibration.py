"""Calibration: whether a probability means what it says."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dlmo.report import charts, statistics, tables, text
from dlmo.report.behaviour.gathering import NOTHING, Behaviour, Change, File, about
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import PARENT
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.statistics import LEVEL, MARGIN, Interval, Word

BINS = 15
"""Equal parts of the scale from 0 to 1 (Guo et al., ICML 2017)."""

FEWEST = 20
"""Images that a part must have to be drawn."""

SURE = 0.9
"""The probability from which on a file counts as sure."""

REPLICATES = 1000
_CHUNK = 50
_NULLS = 4000


def error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error, 0 to 1.

    The images are put into `BINS` parts by their confidence; it is the mean over all images of the
    distance between the mean confidence and the share of right choices in their part.

    Args:
        confidence: the probability of the first choice, [n].
        right: whether it is right, [n].
    """
    sums = np.bincount(_parts(confidence), weights=right - confidence, minlength=BINS)
    return float(np.abs(sums).sum() / len(confidence))


def _parts(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.minimum((confidence * BINS).astype(int), BINS - 1)


def by_chance(confidence: NDArray[np.float64]) -> float:
    """Return the error that a file without any fault would show on average, 0 to 1.

    Each image is then right with just the probability that the file gives; the sum over a part is
    nearly normal, and the mean distance of such a sum from its mean is √(2/π) of its deviation.

    Args:
        confidence: the probability of the first choice, [n].
    """
    return float(np.sqrt(2 / np.pi) * _deviations(confidence).sum() / len(confidence))


def _deviations(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    variances = np.bincount(_parts(confidence), confidence * (1 - confidence), minlength=BINS)
    return np.sqrt(variances)


def interval(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    draws: NDArray[np.float64],
    level: float = LEVEL,
) -> Interval:
    """Return a file's error with its interval over the images.

    The error of a sample is too high on average, and that of a sample of a sample once more: the
    basic bootstrap interval (the draws' quantiles, mirrored at the estimate) takes the excess off.
    It begins at zero where a file without any fault would show as much by chance.

    Args:
        confidence: the probability of the first choice, [n].
        right: whether it is right, [n].
        draws: of `drawn`, [replicates].
        level: of the interval.
    """
    estimate, n = error(confidence, right), len(right)
    low, high = np.percentile(draws, [50 * (1 - level), 100 - 50 * (1 - level)])
    chance = np.random.default_rng(0).standard_normal((_NULLS, BINS)) * _deviations(confidence)
    faultless = estimate <= np.percentile(np.abs(chance).sum(axis=1) / n, 100 * level)
    least = 0.0 if faultless else max(0.0, float(2 * estimate - high))
    return Interval(estimate, least, float(2 * estimate - low), n)


def drawn(files: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]]) -> NDArray[np.float64]:
    """Return the error of files in bootstrap samples of their images, [files, replicates].

    Every file is given the same samples, so that differences between files are paired.

    Args:
        files: confidence and right, [n] each, of the same images.
    """
    n = len(files[0][0])
    parts = [_parts(confidence) for confidence, _ in files]
    gaps = [right - confidence for confidence, right in files]
    chance = np.random.default_rng(0)
    found = np.empty((len(files), REPLICATES))
    rows = np.arange(_CHUNK)[:, None] * BINS
    for start in range(0, REPLICATES, _CHUNK):
        sample = chance.integers(n, size=(_CHUNK, n), dtype=np.int32)
        for at, (part, gap) in enumerate(zip(parts, gaps, strict=True)):
            places = (rows + part[sample]).ravel()
            sums = np.bincount(places, weights=gap[sample].ravel(), minlength=_CHUNK * BINS)
            found[at, start : start + _CHUNK] = np.abs(sums.reshape(_CHUNK, BINS)).sum(axis=1) / n
    return found


class Calibration:
    """The calibration of the seed's files, and the errors of all.

    Attributes:
        found: the predictions.
        errors: with intervals over the images, of the seed's file, by technique.
    """

    def __init__(self, found: Behaviour) -> None:
        self.found = found
        self._files = {name: one for name in found.techniques if (one := found.file(name))}
        pairs = [(one.confidence, one.right) for one in self._files.values()]
        draws = drawn(pairs) if pairs else np.empty((0, REPLICATES))
        self._draws = dict(zip(self._files, draws, strict=True))
        self.errors = {name: self._error(name) for name in self._files}

    def file(self, technique: str) -> File:
        """Return the file of the seed."""
        return self._files[technique]

    def _error(self, name: str) -> Interval:
        one = self._files[name]
        return interval(one.confidence, one.right, self._draws[name])

    def less(self, technique: str) -> Change:
        """Return a technique's calibration error less NQ's; see `gathering.less`."""
        pairs = self.found.pairs(technique)
        if not pairs:
            return NOTHING
        unit = self.found.unit(technique)
        each = [[error(one.confidence, one.right) for one in pair] for pair in pairs]
        apart = [own - other for own, other in each]
        if unit == "seed":
            return Change(statistics.mean(apart), statistics.judge(apart), unit, len(apart))
        draws = self._draws[technique] - self._draws[PARENT]
        found = statistics.drawn(apart[0], draws, len(pairs[0][0].right)).interval
        return Change(found, _word(found), unit, len(apart))


def _word(interval: Interval) -> Word:
    if max(abs(interval.low), abs(interval.high)) < MARGIN:
        return "equivalent"
    if not interval.excludes(0):
        return "undecided"
    return "higher" if interval.estimate > 0 else "lower"


@cited
def calibrate(found: Behaviour) -> Calibration:
    """Compute the calibration of all files."""
    return Calibration(found)


@cited
def table(known: Calibration) -> Table | NothingToDraw:
    """Return accuracy, confidence and calibration error of each technique."""
    if not known.errors:
        return NothingToDraw()
    lines = [_line(known, name) for name in known.errors]
    caption = f"Confidence and calibration of one seed's files: {about(known.found)}."
    return tables.styled(pd.DataFrame(lines), caption=caption, name="calibration")


def _line(known: Calibration, name: str) -> dict[str, str]:
    one = known.file(name)
    sure = one.confidence >= SURE
    less = known.less(name) if name != PARENT else NOTHING
    return {
        "Technique": name,
        "Right (%)": text.figure(100 * one.accuracy, 1),
        "Confidence (%)": text.figure(100 * float(one.confidence.mean()), 1),
        "Error (points)": _points(known.errors[name]),
        "by chance": text.figure(100 * by_chance(one.confidence), 2),
        "Less NQ (points)": text.NONE
        if less.word == "none"
        else text.difference_with_interval(less.interval),
        "Sure and wrong (%)": text.figure(100 * float((sure & ~one.right).mean()), 1),
    }


def _points(interval: Interval) -> str:
    middle, low, high = (
        text.figure(100 * one, 2) for one in (interval.estimate, interval.low, interval.high)
    )
    return f"{middle} ({low} to {high})"


@cited
def chart(known: Calibration) -> alt.LayerChart | NothingToDraw:
    """Draw the share of right choices over the confidence, a line a technique."""
    frame = pd.DataFrame([line for name in known.errors for line in _bins(known, name)])
    if frame.empty:
        return NothingToDraw()
    shown = list(known.errors)
    base = alt.Chart(frame).encode(
        x=alt.X("confidence:Q", title="Confidence (%)").scale(zero=False, padding=10),
        y=alt.Y("right:Q", title="Right (%)").scale(zero=False, padding=10),
        color=alt.Color("technique:N", scale=charts.scale(shown), title="Technique"),
    )
    lines = base.mark_line(strokeWidth=1.5, tooltip=False, aria=False)
    dots = base.mark_point(size=55).encode(
        tooltip=[
            alt.Tooltip("technique:N", title="Technique"),
            alt.Tooltip("facts:N", title="Share"),
        ]
    )
    ends = pd.DataFrame({"confidence": [frame["confidence"].min(), 100.0]})
    equal = (
        alt.Chart(ends)
        .mark_line(strokeDash=[4, 3], color=charts.MUTED.light, tooltip=False, aria=False)
        .encode(x="confidence:Q", y="confidence:Q")
    )
    said = "; ".join(f"{name}: error {_points(one)} points" for name, one in known.errors.items())
    return alt.LayerChart(layer=[equal, lines, dots]).properties(
        height=340,
        description=f"Share of right choices over confidence, {about(known.found)}; the dashed "
        f"line is where both are equal. {said}.",
    )


def _bins(known: Calibration, name: str) -> Iterator[dict[str, Any]]:
    one = known.file(name)
    parts = _parts(one.confidence)
    for part in range(BINS):
        own = parts == part
        if own.sum() >= FEWEST:
            confidence = 100 * float(one.confidence[own].mean())
            right = 100 * float(one.right[own].mean())
            facts = f"{text.figure(right, 1)} % right at {text.figure(confidence, 1)} %, "
            yield {
                "technique": name,
                "confidence": round(confidence, 2),
                "right": round(right, 2),
                "facts": f"{facts}{own.sum():,} images",
            }


@cited
def sentence(known: Calibration) -> str:
    """Say how far confidence is from accuracy, and what techniques change about it."""
    if PARENT not in known.errors:
        return f"Calibration is {text.MISSING}."
    base = known.file(PARENT)
    over = float(base.confidence.mean()) - base.accuracy
    side = "more" if over > 0 else "less"
    parts = [
        f"{PARENT} is on average {text.points(abs(over)).lstrip('+')} points {side} confident than "
        f"it is right; its calibration error is {_points(known.errors[PARENT])} points, where "
        f"chance alone makes {text.figure(100 * by_chance(base.confidence), 2)}."
    ]
    groups: dict[str, list[str]] = {}
    for name in known.found.others:
        word = known.less(name).word
        groups.setdefault(_SAID[word], []).append(name)
    said = [f"of {text.listing(names)} it {words}" for words, names in groups.items()]
    if said:
        parts.append(f"{text.begin('; '.join(said))}.")
    return " ".join(parts)


_SAID: dict[Word, str] = {
    "equivalent": f"is the same within {text.MARGIN_IN_POINTS}",
    "lower": "is lower",
    "higher": "is higher",
    "undecided": "cannot be told from it",
    "one pair": "is measured once, which decides nothing",
    "none": f"is {text.MISSING}",
}
