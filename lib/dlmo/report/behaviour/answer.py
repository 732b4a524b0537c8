"""Is similar accuracy similar behaviour? All aspects together, and the paper's Remark 1."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from dlmo.report import tables, text
from dlmo.report.behaviour import damage, errors, images
from dlmo.report.behaviour.calibration import SURE, Calibration
from dlmo.report.behaviour.gathering import (
    Behaviour,
    Change,
    about,
    less,
    right,
)
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import PARENT
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.statistics import ALPHA, LEVEL

ASPECTS: dict[str, str] = {
    "accuracy": "accuracy",
    "classes": "single classes",
    "images": "single images",
    "calibration": "calibration",
    "corrupted": "corrupted images",
}
"""What is compared, as sentences name it. Each is similar by the same margin of 1 point, or 1 image
in 100; classes are where none is told apart."""

NOTES = {
    "margin": text.MARGIN_IN_POINTS,
    "note_calibration": (
        f"Intervals of the calibration error ({text.percent(LEVEL, 0)}) are over the images, and "
        f"take off what chance adds; sure is a file from {text.percent(SURE, 0)} on. Less NQ is of "
        "one file where the weights are NQ's, and over the seeds otherwise."
    ),
}
"""What stands in the prose of the page."""

REMARK = ("BLQ", "FIQ", "F16")
"""The techniques that the paper's Remark 1 is about."""


@dataclass(frozen=True)
class Behaves:
    """How one technique behaves beside NQ.

    Attributes:
        changes: by aspect, but for the classes.
        classes: how many are told apart, and how many there are; nothing where not measured.
    """

    technique: str
    changes: Mapping[str, Change]
    classes: tuple[int, int] | None

    def similar(self, aspect: str) -> bool | None:
        """Say whether an aspect is similar, or shown not to be; None where that is open."""
        if aspect == "classes":
            return None if self.classes is None else self.classes[0] == 0
        word = self.changes[aspect].word
        return True if word == "equivalent" else False if word in ("lower", "higher") else None

    @property
    def known(self) -> list[str]:
        """The aspects that are measured."""
        return [
            name
            for name in ASPECTS
            if (self.classes if name == "classes" else self.changes[name].word != "none")
        ]


@cited
def behaviour(found: Behaviour, by_class: pd.DataFrame, known: Calibration) -> dict[str, Behaves]:
    """Return how each technique behaves beside NQ."""
    made = {}
    for name in found.others:
        own = by_class[by_class["technique"] == name]
        told = (int((own["adjusted"] < ALPHA).sum()), len(own)) if len(own) else None
        changes = {
            "accuracy": less(found, name, right),
            "images": images.other_class(found, name),
            "calibration": known.less(name),
            "corrupted": damage.corrupted(found, name),
        }
        made[name] = Behaves(name, changes, told)
    return made


@cited
def table(found: Behaviour, behaves: Mapping[str, Behaves]) -> Table | NothingToDraw:
    """Return all aspects of each technique beside NQ."""
    if not behaves:
        return NothingToDraw()
    lines = [_line(found, one) for one in behaves.values()]
    caption = f"Beside {PARENT}, in points or images of 100: {about(found)}."
    return tables.styled(pd.DataFrame(lines), caption=caption, name="behaviour")


def _line(found: Behaviour, one: Behaves) -> dict[str, str]:
    changes = one.changes
    another = changes["images"].interval.estimate
    kappa = errors.agreement(found, one.technique).interval.estimate
    classes = text.MISSING if one.classes is None else "{} of {}".format(*one.classes)
    return {
        "Technique": one.technique,
        "Accuracy": _cell(one, "accuracy", _short(changes["accuracy"])),
        "Classes told apart": _cell(one, "classes", classes),
        "Other class": _cell(one, "images", text.figure(100 * another, 2)),
        "Calibration error": _cell(one, "calibration", _short(changes["calibration"])),
        "Corrupted images": _cell(one, "corrupted", _short(changes["corrupted"])),
        "Kappa of errors": text.figure(kappa, 2),
    }


def _short(change: Change) -> str:
    return text.MISSING if change.word == "none" else text.points(change.interval.estimate, 2)


def _cell(one: Behaves, aspect: str, written: str) -> str:
    similar = one.similar(aspect)
    return written if similar is None else f"{written} {'=' if similar else '≠'}"


@cited
def sentence(behaves: Mapping[str, Behaves]) -> str:
    """Answer the question of the page: is similar accuracy similar behaviour?"""
    if not behaves:
        return f"Whether similar accuracy is similar behaviour is {text.MISSING}."
    same = [one for one in behaves.values() if one.similar("accuracy")]
    if not same:
        return "No technique is shown to be as accurate as NQ, so that the question does not arise."
    whole = [one.technique for one in same if all(one.similar(name) for name in one.known)]
    parts = [
        f"{text.listing(one.technique for one in same)} {_is(same)} as accurate as {PARENT} within "
        f"{text.MARGIN_IN_POINTS}."
    ]
    if whole:
        verb = "behaves" if len(whole) == 1 else "behave"
        parts.append(f"Of these {text.listing(whole)} {verb} like it in all that is measured here.")
    for one in same:
        apart = [ASPECTS[name] for name in one.known if one.similar(name) is False]
        open_ = [ASPECTS[name] for name in one.known if one.similar(name) is None]
        said = [f"differs in {text.listing(apart)}"] if apart else []
        said += [f"is undecided in {text.listing(open_)}"] if open_ else []
        if said:
            parts.append(f"{one.technique} {text.listing(said)}.")
    return " ".join(parts)


def _is(several: list[Behaves]) -> str:
    return "is" if len(several) == 1 else "are"


@cited
def remark(behaves: Mapping[str, Behaves]) -> str:
    """Say what that means for Remark 1, which is about rounding the finished network."""
    own = [behaves[name] for name in REMARK if name in behaves]
    if not own:
        return f"What Remark 1 leaves out is {text.MISSING}."
    similar = [one for one in own if one.similar("accuracy")]
    if not similar:
        return "Remark 1's similar accuracy is itself not shown here."
    apart = [one.technique for one in similar if any(one.similar(n) is False for n in one.known)]
    if not apart:
        return (
            f"For {text.listing(one.technique for one in similar)} Remark 1's similar accuracy is "
            "not shown to hide other behaviour."
        )
    rest = [one.technique for one in similar if one.technique not in apart]
    said = (
        f"Remark 1's similar accuracy is not similar behaviour for {text.listing(apart)}: it is a "
        "mean, in which images that are lost and images that are won make up for each other."
    )
    return f"{said} For {text.listing(rest)} nothing speaks against it." if rest else said
