"""Image by image: how many get another class than from the parent, and which."""

from collections.abc import Iterator
from html import escape
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML

from dlmo import datasets
from dlmo.errors import UserError
from dlmo.report import pictures, statistics, tables, text
from dlmo.report.behaviour.gathering import (
    NOTHING,
    Behaviour,
    Change,
    File,
    about,
    named,
)
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import PARENT
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.statistics import ALPHA, MARGIN, Interval

SIZE = 64
"""Width and height of a picture on the page, in pixels."""


@cited
def other_class(found: Behaviour, technique: str, other: str = PARENT) -> Change:
    """Return the share of test images that a technique puts into another class than NQ does.

    "equivalent" where the interval lies below the margin (1 image in 100), "higher" where above.
    """
    pairs = found.pairs(technique, other)
    if not pairs:
        return NOTHING
    shares = [float((one.classes != two.classes).mean()) for one, two in pairs]
    unit = found.unit(technique, other)
    if unit == "file":
        n = len(pairs[0][0].classes)
        interval = statistics.wilson(round(shares[0] * n), n)
    else:
        interval = statistics.mean(shares)
    if np.isnan(interval.low):
        return Change(interval, "one pair", unit, 1)
    small, large = interval.high < MARGIN, interval.low > MARGIN
    return Change(
        interval, "equivalent" if small else "higher" if large else "undecided", unit, len(shares)
    )


@cited
def between_seeds(found: Behaviour) -> Interval:
    """Return the share of images on which two trainings of NQ differ: mean, least and most."""
    files = list(found.of(PARENT).values())
    shares = [float((a.classes != b.classes).mean()) for a, b in combinations(files, 2)]
    if not shares:
        return Interval(np.nan, np.nan, np.nan, 0)
    return Interval(float(np.mean(shares)), min(shares), max(shares), len(files))


@cited
def tally(found: Behaviour) -> pd.DataFrame:
    """Return for each technique what becomes of the images: shares of all, and a paired test.

    Returns:
        technique, unit, pairs, another (with low and high), broken (NQ right, this one wrong),
        mended (the other way round), otherwise (both wrong, in different ways), p of "broken as
        often as mended" (McNemar's exact test of the seed's file, or a paired t-test over seeds)
        and p adjusted for the false discovery rate.
    """
    lines = list(_tallied(found))
    frame = pd.DataFrame(lines)
    if lines:
        known = [1.0 if np.isnan(p) else float(p) for p in frame["p"]]
        frame["adjusted"] = statistics.benjamini_hochberg(known)
    return frame


def _tallied(found: Behaviour) -> Iterator[dict[str, Any]]:
    for technique in found.others:
        change = other_class(found, technique)
        pairs = found.pairs(technique)
        used = pairs[:1] if change.unit == "file" else pairs
        moved = [(~one.right & two.right, one.right & ~two.right) for one, two in used]
        wrong = [~a.right & ~b.right & (a.classes != b.classes) for a, b in used]
        yield {
            "technique": technique,
            "unit": change.unit,
            "pairs": len(used),
            "another": change.interval.estimate,
            "low": change.interval.low,
            "high": change.interval.high,
            "broken": float(np.mean([one.mean() for one, _ in moved])),
            "mended": float(np.mean([one.mean() for _, one in moved])),
            "otherwise": float(np.mean([one.mean() for one in wrong])),
            "p": _p(used, change.unit),
        }


def _p(pairs: list[tuple[File, File]], unit: str) -> float:
    if unit == "file":
        return statistics.paired_files(pairs[0][0].right, pairs[0][1].right).p
    if len(pairs) < 2:
        return np.nan
    first, second = ([pair[side].accuracy for pair in pairs] for side in (0, 1))
    return statistics.two_sided(statistics.compare_pairs(first, second))


@cited
def table(found: Behaviour, frame: pd.DataFrame) -> Table | NothingToDraw:
    """Return the tally, in images of 100."""
    if frame.empty:
        return NothingToDraw()
    lines = [
        {
            "Technique": line["technique"],
            "Rests on": rests_on(found, str(line["technique"])),
            "Another class": _share(Interval(line["another"], line["low"], line["high"], 0)),
            "Broken": text.figure(100 * line["broken"], 2),
            "Mended": text.figure(100 * line["mended"], 2),
            "Wrong otherwise": text.figure(100 * line["otherwise"], 2),
            "p, adjusted": "–" if np.isnan(line["p"]) else f"{line['adjusted']:.2g}",
        }
        for _, line in frame.iterrows()
    ]
    caption = f"What becomes of each 100 test images, beside {PARENT}: {about(found)}."
    return tables.styled(pd.DataFrame(lines), caption=caption, name="images")


def rests_on(found: Behaviour, technique: str) -> str:
    """Return what a statement about a technique rests on: `a file` or `five seeds`."""
    if found.unit(technique) == "file":
        return f"a file (seed {found.pairs(technique)[0][0].seed})"
    return text.count(len(found.pairs(technique)), "seed")


def _share(interval: Interval) -> str:
    middle = text.figure(100 * interval.estimate, 2)
    if np.isnan(interval.low):
        return middle
    low, high = (text.figure(100 * one, 2) for one in (interval.low, interval.high))
    return f"{middle} ({low} to {high})"


@cited
def sentence(found: Behaviour, frame: pd.DataFrame) -> str:
    """Say how many images change their class where the accuracy hardly does, beside seeds."""
    if frame.empty:
        return f"What becomes of single images is {text.MISSING}."
    said = []
    for _, line in frame.iterrows():
        gap = line["mended"] - line["broken"]
        said.append(
            f"{line['technique']} {text.percent(line['another'])} "
            f"(accuracy {text.points(gap)} points)"
        )
    parts = [f"Another class than from {PARENT} get, of all images: {text.listing(said)}."]
    seeds = between_seeds(found)
    if seeds.n > 1:
        parts.append(
            f"Two trainings of {PARENT} itself differ on {text.percent(seeds.estimate)} of the "
            f"images ({text.count(seeds.n, 'seed')}, each with each)."
        )
        more = [str(one) for one in frame[frame["another"] > seeds.estimate]["technique"]]
        if more:
            verb = "differs" if len(more) == 1 else "differ"
            parts.append(f"{text.listing(more)} {verb} from it by more than that.")
        else:
            parts.append("No technique differs from its own parent by as much.")
    return " ".join(parts)


@cited
def tested(frame: pd.DataFrame) -> str:
    """Say for which techniques more images break than mend, or the other way round."""
    if frame.empty:
        return ""
    sure = frame[(frame["adjusted"] < ALPHA) & frame["p"].notna()]
    worse = [str(one) for one in sure[sure["broken"] > sure["mended"]]["technique"]]
    better = [str(one) for one in sure[sure["broken"] < sure["mended"]]["technique"]]
    open_ = [str(one) for one in frame["technique"] if one not in (*worse, *better)]
    parts = [f"more images break than mend with {text.listing(worse)}"] if worse else []
    parts += [f"more mend than break with {text.listing(better)}"] if better else []
    parts += [f"neither is shown of {text.listing(open_)}"] if open_ else []
    return f"{text.begin('; '.join(parts))} (corrected for the number of tests)."


# Pictures ---------------------------------------------------------------------------------------


@cited
def gallery(found: Behaviour, technique: str, count: int) -> HTML:
    """Show the images on which the parent was surest and a technique says another class.

    Args:
        found: the predictions.
        technique: whose file of the seed is looked into.
        count: of images at most.
    """
    pair = next(iter(found.pairs(technique)), None)
    if pair is None:
        return HTML(f"<p><em>{text.begin(text.MISSING)}.</em></p>")
    places = disagreements(*pair)[:count]
    images = _images(found.dataset)
    if images is None or not len(places):
        why = "The pictures are shown where the dataset's files are at hand."
        none = f"{technique} and {PARENT} give every image the same class."
        return HTML(f"<p><em>{why if len(places) else none}</em></p>")
    labels = found.labels()
    figures = "".join(_figure(found, pair, int(at), images[at], int(labels[at])) for at in places)
    return HTML(f'<div class="dlmo-sheet-examples">{figures}</div>')


def disagreements(one: File, other: File) -> np.ndarray:
    """Return where two files say different classes, the other one's surest choices first."""
    places = np.flatnonzero(one.classes != other.classes)
    return places[np.argsort(-other.confidence[places], kind="stable")]


def _images(dataset: str) -> np.ndarray | None:
    try:
        return datasets.load(dataset).test.images if datasets.available(dataset) else None
    except UserError:
        return None


def _figure(
    found: Behaviour, pair: tuple[File, File], at: int, image: np.ndarray, label: int
) -> str:
    one, other = pair
    said = [
        f"{file.technique}: {named(found, int(file.classes[at]))} "
        f"({text.figure(float(file.confidence[at]), 2)})"
        for file in (other, one)
    ]
    truth = named(found, label) if label >= 0 else "neither is right"
    words = [truth, *said]
    caption = "".join(f"<span>{escape(word)}</span><br>" for word in words)
    return (
        f'<figure><img src="{pictures.png(image)}" alt="{escape("; ".join(words), quote=True)}" '
        f'width="{SIZE}" height="{SIZE}"><figcaption>{caption}</figcaption></figure>'
    )
