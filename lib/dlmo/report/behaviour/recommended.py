"""What accuracy hides of the files that the strategy recommends."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from dlmo import records
from dlmo.report import strategy, tables, text
from dlmo.report.behaviour import damage, errors, images
from dlmo.report.behaviour.gathering import Behaviour, Change, gather, points
from dlmo.report.candidates import Candidate, Catalogue, catalogue
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import PARENT
from dlmo.report.statistics import MARGIN
from dlmo.report.text import MISSING, NONE


@dataclass(frozen=True, eq=False)
class Looked:
    """A recommended file beside its float parent.

    Attributes:
        services: for which it is recommended.
        another: the share of test images with another class than from NQ.
        corrupted: accuracy on corrupted images less NQ's.
        kappa: agreement of the errors.
        firmer: a candidate that keeps the same limits and is shown to lose less on corrupted
            images, by more than the margin; nothing where there is none.
    """

    services: tuple[str, ...]
    candidate: Candidate
    another: Change
    corrupted: Change
    kappa: Change
    firmer: str | None

    @property
    def is_parent(self) -> bool:
        """Whether it is the float file itself."""
        return self.candidate.technique == PARENT


@cited
def advice(profile: str) -> list[Looked]:
    """Look into the files that are recommended for the paper's services.

    Args:
        profile: whose records may be recommended.
    """
    rows = records.select(profile=profile)
    found = catalogue(rows)
    return looked(rows, found, strategy.services(found))


@cited
def looked(
    rows: pd.DataFrame, found: Catalogue, advised: Mapping[str, strategy.Advice]
) -> list[Looked]:
    """Look into recommended files.

    Args:
        rows: of `records.select`.
        found: the candidates among them.
        advised: by service.
    """
    by_choice: dict[str, list[str]] = {}
    for service, one in advised.items():
        if one.choice:
            by_choice.setdefault(one.choice, []).append(service)
    kept: dict[tuple[str, str, str], Behaviour] = {}
    return [
        _looked(
            rows,
            found,
            choice,
            services,
            [advised[service].satisfying for service in services],
            kept,
        )
        for choice, services in by_choice.items()
    ]


def _looked(
    rows: pd.DataFrame,
    found: Catalogue,
    choice: str,
    services: list[str],
    satisfying: list[tuple[str, ...]],
    kept: dict[tuple[str, str, str], Behaviour],
) -> Looked:
    one = found.candidates[choice]
    own = _behaviour(rows, one, kept)
    common = set(satisfying[0]).intersection(*satisfying[1:])
    return Looked(
        tuple(services),
        one,
        images.other_class(own, one.technique),
        damage.corrupted(own, one.technique),
        errors.agreement(own, one.technique),
        _firmer(rows, found, one, common, kept),
    )


def _behaviour(
    rows: pd.DataFrame, one: Candidate, kept: dict[tuple[str, str, str], Behaviour]
) -> Behaviour:
    place = (one.dataset, one.network, one.profile)
    if place not in kept:
        own = rows[rows["overrides"] == ""]
        names = [PARENT, *(name for name in own["technique"].unique() if name != PARENT)]
        kept[place] = gather(own, *place, techniques=names)
    return kept[place]


def _firmer(
    rows: pd.DataFrame,
    found: Catalogue,
    choice: Candidate,
    names: set[str],
    kept: dict[tuple[str, str, str], Behaviour],
) -> str | None:
    """Return who keeps the limits too and is more accurate on corrupted images, by the margin."""
    own = _behaviour(rows, choice, kept)
    gains = {}
    for name in sorted(names - {choice.name}):
        one = found.candidates[name]
        # Other networks saw other trainings, and are compared by their accuracy on the other pages.
        if (one.dataset, one.network, one.profile) != (
            choice.dataset,
            choice.network,
            choice.profile,
        ):
            continue
        change = damage.corrupted(own, one.technique, choice.technique)
        if change.interval.low > 0 and change.interval.estimate > MARGIN:
            gains[name] = change.interval.estimate
    return max(gains, key=lambda name: gains[name]) if gains else None


@cited
def table(found: list[Looked], name: str = "recommended") -> Table:
    """Return what accuracy hides of each recommended file, beside its float parent.

    Args:
        found: the files.
        name: of the table, on its page.
    """
    lines = [
        {
            "Service": text.listing(one.services),
            "Recommended": one.candidate.name,
            "Another class than NQ (%)": _share(one),
            "Corrupted images, less NQ (points)": _cell(one, points(one.corrupted)),
            "Kappa of errors": _cell(one, errors.written(one.kappa.interval)),
        }
        for one in found
    ]
    if not lines:
        lines = [{"Service": NONE, "Recommended": MISSING}]
    caption = "What accuracy hides of the files that are recommended for the paper's services."
    return tables.styled(pd.DataFrame(lines), caption=caption, name=name, wrap=["Recommended"])


def _cell(one: Looked, written: str) -> str:
    return "it is NQ" if one.is_parent else written


def _share(one: Looked) -> str:
    if one.is_parent:
        return "it is NQ"
    if one.another.word == "none":
        return MISSING
    return text.figure(100 * one.another.interval.estimate, 2)


@cited
def sentence(found: list[Looked]) -> str:
    """Say what the recommendations would be if behaviour counted as accuracy does."""
    if not found:
        return f"What accuracy hides of recommended files is {MISSING}."
    parts = []
    for one in found:
        name, services = one.candidate.name, text.listing(one.services)
        if one.is_parent:
            parts.append(f"{name} ({services}) is the float file itself.")
            continue
        parts.append(f"{name} ({services}) {text.listing(_traits(one))}.")
    firmer = [one for one in found if one.firmer]
    for one in firmer:
        parts.append(
            f"On corrupted images {one.firmer}, which keeps the same limits, is more accurate than "
            f"{one.candidate.name} by more than {text.MARGIN_IN_POINTS}: where the camera sees bad "
            "weather, it is the better choice."
        )
    unseen = [one for one in found if not one.is_parent and one.corrupted.word == "none"]
    if unseen:
        names = text.listing([one.candidate.name for one in unseen])
        parts.append(f"Whether corrupted images would speak against {names} is {MISSING}.")
    elif not firmer:
        parts.append(
            "No file of the same network that keeps the limits is shown to be more accurate on "
            f"corrupted images by more than {text.MARGIN_IN_POINTS}: the recommendations stay."
        )
    return " ".join(parts)


def _traits(one: Looked) -> list[str]:
    another = one.another
    if another.word == "none":
        return [f"is {MISSING} image by image"]
    share = text.percent(another.interval.estimate)
    said = [f"gives {share} of the images another class than its float parent"]
    if one.corrupted.word == "none":
        said.append(f"is {MISSING} on corrupted images")
    else:
        change = text.points(one.corrupted.interval.estimate)
        said.append(f"changes the accuracy on corrupted images by {change} points")
    return said
