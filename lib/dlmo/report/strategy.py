"""Which file for which device: limits in, a recommendation with its reason out.

The rule, fixed before the grid was measured: of the candidates that keep the limits, those count
that no other one beats in everything (the Pareto front). Recommended is the most accurate of them
on the validation images, or the smallest of those that its paired interval does not tell from it
and that lie within the margin of equivalence. The page chooses by the same rule in
`book/assets/dlmo-strategy.js` and says the same words, which it takes from here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pandas as pd
from pydantic import Field

from dlmo.errors import unknown
from dlmo.report import text
from dlmo.report.candidates import (
    RUNTIMES,
    Candidate,
    Catalogue,
    Frozen,
    Pair,
    Runtime,
    catalogue,
)
from dlmo.report.cited import cited
from dlmo.report.comparison_tables import title
from dlmo.report.statistics import MARGIN, Interval


class Limits(Frozen):
    """What a device and a service allow; what is None is not limited.

    Attributes:
        dataset: the dataset that stands for the task; None: the one that `classes` suits best.
        classes: how many classes the service tells apart.
        flash: bytes of the file.
        ram: bytes, counted as `runtime` says.
        latency: as a multiple of the network's own float file.
        accuracy: least accuracy on the validation images, 0 to 1.
        lacking: operators that the device does not have.
        integers: whether the device computes with integers only.
        runtime: which runtime the device has.
    """

    dataset: str | None = None
    classes: int | None = Field(default=None, ge=2)
    flash: int | None = Field(default=None, ge=0)
    ram: int | None = Field(default=None, ge=0)
    latency: float | None = Field(default=None, gt=0)
    accuracy: float | None = Field(default=None, ge=0, le=1)
    lacking: frozenset[str] = frozenset()
    integers: bool = False
    runtime: Runtime = "linux"


@dataclass(frozen=True)
class Advice:
    """What is recommended, and why.

    Attributes:
        dataset: whose records were asked; None where there are none.
        satisfying: names of the candidates that keep all limits.
        front: of these, those that no other one beats in everything.
        choice: the recommended one; None where none keeps the limits.
        best: the one of highest validation accuracy on the front.
        ties: those of `satisfying` that the intervals do not tell from `choice`.
        failures: of every other candidate, the first limit that it does not keep.
        sentence: the recommendation in one sentence: file, flash, RAM, accuracy, latency.
        reason: why this one.
        changes: what would change the advice, a sentence each.
        paper: what the paper would have advised, and how that does here.
    """

    dataset: str | None = None
    satisfying: tuple[str, ...] = ()
    front: tuple[str, ...] = ()
    choice: str | None = None
    best: str | None = None
    ties: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
    reason: str = ""
    changes: tuple[str, ...] = ()
    paper: str = ""


WORDS: dict[str, str] = {
    "empty": f"Which file suits is {text.MISSING}.",
    "choice": (
        "{name}: {flash} of flash, {ram}, {test} of the test images right, {latency} (file {file})."
    ),
    "none": "Nothing that is measured on {dataset} keeps these limits.",
    "count": (
        "Judged on {dataset} ({classes} classes): {satisfying} of {all} candidates keep the "
        "limits, {front} of them on the Pareto front of {objectives}."
    ),
    "best": (
        "This one is the most accurate on the validation images, and nothing smaller on the front "
        f"comes within {text.MARGIN_IN_POINTS} without its interval telling them apart."
    ),
    "tied": (
        "{best} is the most accurate on the validation images, but {name} cannot be told from it "
        "({difference} points) and is cheaper."
    ),
    "missed": "Not kept, by how many of the {all} candidates: {counts}.",
    "below": "With less than {value} of {what}: {other}.",
    "faster": "If less than {value} times its float file's time is allowed: {other}.",
    "better": "If it must be more accurate on the validation images: {other}.",
    "without": "Without the limit on {what}: {other}.",
    "nothing": "nothing that is measured",
    "service": "The paper would call this a {service} service and advise {advice}.",
    "unlimited": "The paper advises by a service's limits; here there are none.",
    "same": "That is what is recommended here.",
    "kept": (
        "{name} keeps the limits here, with {flash} of flash; it differs from the recommended one "
        "by {difference} points on the validation images."
    ),
    "failed": "{name} does not keep the limits here: {what}.",
    "absent": f"Here that is {text.MISSING}.",
}
"""What is said, here and on the page; braces stand for what is filled in."""

LIMITS: dict[str, str] = {
    "flash": "flash",
    "ram": "RAM",
    "latency": "latency",
    "accuracy": "accuracy",
    "operators": "an operator that the device lacks",
    "integers": "arithmetic with floats",
    "runtime": "what the runtime can run",
}
"""Each limit as sentences name it, in the order in which they are looked at."""

OBJECTIVES: dict[str, str] = {
    "validation": "validation accuracy",
    "flash": "flash",
    "ram": "RAM",
    "time": "latency",
}
"""What candidates are compared by; one that is not known of all is left out."""

PAPER: dict[str, tuple[str, ...]] = {
    "low-end": ("PRQ",),
    "mid-end": ("PRN",),
    "high-end": ("F16", "PRN"),
}
"""What the paper advises for each of its services (paper, Section 4.3)."""

SERVICES: dict[str, Limits] = {
    "low-end": Limits(classes=2, flash=256_000, ram=128_000, runtime="microcontroller"),
    "mid-end": Limits(classes=10, flash=8_000_000, latency=1.0),
    "high-end": Limits(classes=100, latency=1.0, accuracy=0.6),
}
"""The paper's three services as limits. It names no numbers: those of flash, RAM, latency and
accuracy are ours, one device of each kind."""


def recommend(rows: pd.DataFrame, limits: Limits) -> Advice:
    """Recommend a file for a device.

    Args:
        rows: of `records.select`; several datasets, networks and profiles may be mixed.
        limits: what the device and the service allow.

    Raises:
        UserError: the limits name a dataset that has no records.
    """
    return advise(catalogue(rows), limits)


@cited
def services(found: Catalogue) -> dict[str, Advice]:
    """Return the advice for each of the paper's services."""
    return {name: advise(found, limits) for name, limits in SERVICES.items()}


# Choosing -----------------------------------------------------------------------------------------


def advise(found: Catalogue, limits: Limits) -> Advice:
    """Choose among gathered candidates; see `recommend`."""
    dataset = _dataset(found, limits)
    if dataset is None:
        return Advice(sentence=WORDS["empty"])
    pool = [one for one in found.candidates.values() if one.dataset == dataset]
    failed = {one.name: failures(one, limits) for one in pool}
    kept = [one for one in pool if not failed[one.name]]
    choice, best, front = _choose(kept, found, limits.runtime)
    judged = _Judged(found, limits, dataset, pool, failed, kept, front, choice, best)
    return Advice(
        dataset=dataset,
        satisfying=tuple(one.name for one in kept),
        front=tuple(one.name for one in front),
        choice=choice.name if choice else None,
        best=best.name if best else None,
        ties=tuple(
            one.name
            for one in kept
            if choice and one is not choice and found.pair(choice.name, one.name).tie
        ),
        failures={name: limits[0] for name, limits in failed.items() if limits},
        sentence=judged.sentence(),
        reason=judged.reason(),
        changes=tuple(judged.changes()),
        paper=judged.paper(),
    )


def failures(one: Candidate, limits: Limits) -> list[str]:
    """Return which limits a candidate does not keep; what is not known of it keeps no limit."""
    micro = limits.runtime == "microcontroller"
    said = {
        "flash": _above(one.flash, limits.flash),
        "ram": _above(one.ram(limits.runtime), limits.ram),
        "latency": _above(one.latency, limits.latency),
        "accuracy": limits.accuracy is not None and one.validation < limits.accuracy,
        "operators": bool(limits.lacking & set(one.operators)),
        "integers": limits.integers and one.floats,
        "runtime": micro and one.refusal is not None,
    }
    return [limit for limit in LIMITS if said[limit]]


def _above(value: float | None, limit: float | None) -> bool:
    return limit is not None and (value is None or value > limit)


def _dataset(found: Catalogue, limits: Limits) -> str | None:
    if not found.classes:
        return None
    if limits.dataset is not None:
        if limits.dataset not in found.classes:
            raise unknown("dataset with records", limits.dataset, found.classes)
        return limits.dataset
    wanted = limits.classes or 0
    count = dict.fromkeys(found.classes, 0)
    for one in found.candidates.values():
        count[one.dataset] += 1

    def unsuited(name: str) -> tuple[bool, int, int, str]:
        classes = found.classes[name]
        return classes < wanted, abs(classes - wanted) if wanted else 0, -count[name], name

    return min(found.classes, key=unsuited)


def _costs(one: Candidate, runtime: Runtime) -> dict[str, float | None]:
    return {
        "validation": -one.validation,
        "flash": one.flash,
        "ram": one.ram(runtime),
        "time": one.time,
    }


def objectives(kept: Sequence[Candidate], runtime: Runtime) -> list[str]:
    """Return what these candidates can be compared by."""
    costs = [_costs(one, runtime) for one in kept]
    return [name for name in OBJECTIVES if all(cost[name] is not None for cost in costs)]


def pareto(kept: Sequence[Candidate], runtime: Runtime) -> list[Candidate]:
    """Return those that no other one equals in everything and beats in something."""
    names = objectives(kept, runtime)
    costs = [[_costs(one, runtime)[name] for name in names] for one in kept]
    return [
        one
        for one, own in zip(kept, costs, strict=True)
        if not any(_beats(other, own) for other in costs)
    ]


def _beats(other: Sequence[Any], own: Sequence[Any]) -> bool:
    return other != own and all(a <= b for a, b in zip(other, own, strict=True))


def _choose(
    kept: Sequence[Candidate], found: Catalogue, runtime: Runtime
) -> tuple[Candidate | None, Candidate | None, list[Candidate]]:
    """Return the recommended one, the most accurate one, and the front."""
    front = pareto(kept, runtime)
    if not front:
        return None, None, front
    best = min(front, key=lambda one: (-one.validation, one.flash, one.name))
    near = [one for one in front if one is best or _close(found.pair(best.name, one.name))]
    return min(near, key=lambda one: _dear(one, runtime)), best, front


def _close(pair: Pair) -> bool:
    return pair.tie and abs(pair.difference) <= MARGIN


def _dear(one: Candidate, runtime: Runtime) -> tuple[float, float, float, str]:
    ram = one.ram(runtime)
    return one.flash, inf if ram is None else ram, inf if one.time is None else one.time, one.name


# Saying -------------------------------------------------------------------------------------------


def pieces(one: Candidate) -> dict[str, str]:
    """Return what sentences say of a candidate; `ram` by runtime."""
    mean, low, high = one.test
    ram = {
        runtime: f"{text.kilobytes(size)} of RAM{_how(one, runtime)}"
        if size is not None
        else f"RAM {text.MISSING}"
        for runtime in RUNTIMES
        for size in (one.ram(runtime),)
    }
    ratio = text.MISSING if one.latency is None else text.ratio(one.latency)
    return {
        "name": one.name,
        "file": one.file,
        "flash": text.kilobytes(one.flash),
        "linux": ram["linux"],
        "microcontroller": ram["microcontroller"],
        "test": f"{text.percent(mean)} ({text.percent(low)} to {text.percent(high)})",
        "ratio": ratio,
        "latency": f"latency {text.MISSING}"
        if one.latency is None
        else f"{ratio} times the time of its float file",
    }


def _how(one: Candidate, runtime: Runtime) -> str:
    """Return whether the RAM of a microcontroller is measured or estimated."""
    if runtime != "microcontroller":
        return ""
    return " (measured arena)" if one.measured and one.refusal is None else " (estimated)"


def difference(pair: Pair) -> str:
    """Return a pair's difference in points with its interval."""
    nan = float("nan")
    low, high = (nan if one is None else one for one in (pair.low, pair.high))
    return text.difference_with_interval(Interval(pair.difference, low, high, 1))


def service(limits: Limits) -> str | None:
    """Return which of the paper's services limits stand for (paper, Section 4.3).

    Low-end services are not sensitive to delay, mid-end ones are, and high-end ones need accuracy
    besides. Where nothing is limited it is none of them.
    """
    wanted = (limits.flash, limits.ram, limits.latency, limits.accuracy)
    if wanted == (None, None, None, None):
        return None
    if limits.latency is None:
        return "low-end"
    return "mid-end" if limits.accuracy is None else "high-end"


@dataclass(frozen=True)
class _Judged:
    """All that the sentences of one recommendation are made of."""

    found: Catalogue
    limits: Limits
    dataset: str
    pool: list[Candidate]
    failed: Mapping[str, list[str]]
    kept: list[Candidate]
    front: list[Candidate]
    choice: Candidate | None
    best: Candidate | None

    def sentence(self) -> str:
        if self.choice is None:
            return WORDS["none"].format(dataset=title(self.dataset))
        said = pieces(self.choice)
        return WORDS["choice"].format(**said, ram=said[self.limits.runtime])

    def reason(self) -> str:
        if self.choice is None or self.best is None:
            return WORDS["missed"].format(all=len(self.pool), counts=self._counts())
        counted = WORDS["count"].format(
            dataset=title(self.dataset),
            classes=self.found.classes[self.dataset],
            satisfying=len(self.kept),
            all=len(self.pool),
            front=len(self.front),
            objectives=text.listing(
                OBJECTIVES[name] for name in objectives(self.kept, self.limits.runtime)
            ),
        )
        if self.choice is self.best:
            return f"{counted} {WORDS['best']}"
        pair = self.found.pair(self.choice.name, self.best.name)
        names = {"best": self.best.name, "name": self.choice.name}
        return f"{counted} {WORDS['tied'].format(**names, difference=difference(pair))}"

    def _counts(self) -> str:
        missed = {
            limit: sum(limit in failed for failed in self.failed.values()) for limit in LIMITS
        }
        return text.listing(
            f"{LIMITS[limit]} ({count})" for limit, count in missed.items() if count
        )

    def changes(self) -> Iterable[str]:
        """Yield what would change the advice: less of what there is, and one limit less."""
        if self.choice is not None:
            yield from self._tighter(self.choice)
        set_ = {limit for failed in self.failed.values() for limit in failed}
        for limit in LIMITS:
            if limit in set_:
                others = [one for one in self.pool if self.failed[one.name] in ([], [limit])]
                other = self._other(others)
                if other not in (WORDS["nothing"], self.choice.name if self.choice else None):
                    yield WORDS["without"].format(what=LIMITS[limit], other=other)

    def _tighter(self, choice: Candidate) -> Iterable[str]:
        runtime, said = self.limits.runtime, pieces(choice)
        ram, ratio = choice.ram(runtime), choice.latency
        less = [one for one in self.kept if one.flash < choice.flash]
        yield WORDS["below"].format(value=said["flash"], what="flash", other=self._other(less))
        if ram is not None:
            less = [one for one in self.kept if (one.ram(runtime) or inf) < ram]
            size = text.kilobytes(ram)
            yield WORDS["below"].format(value=size, what="RAM", other=self._other(less))
        if ratio is not None:
            less = [one for one in self.kept if (one.latency or inf) < ratio]
            yield WORDS["faster"].format(value=said["ratio"], other=self._other(less))
        more = [one for one in self.kept if one.validation > choice.validation]
        yield WORDS["better"].format(other=self._other(more))

    def _other(self, kept: Sequence[Candidate]) -> str:
        choice, _, _ = _choose(kept, self.found, self.limits.runtime)
        return choice.name if choice else WORDS["nothing"]

    def paper(self) -> str:
        name = service(self.limits)
        if name is None:
            return WORDS["unlimited"]
        advised = [one for one in self.pool if one.technique in PAPER[name]]
        said = WORDS["service"].format(service=name, advice=text.listing(PAPER[name], "or"))
        return f"{said} {self._as_here(advised)}"

    def _as_here(self, advised: list[Candidate]) -> str:
        if not advised:
            return WORDS["absent"]
        kept = [one for one in advised if not self.failed[one.name]]
        one, _, _ = _choose(kept or advised, self.found, self.limits.runtime)
        assert one is not None
        missed = self.failed[one.name]
        if missed:
            what = (one.refusal if limit == "runtime" else LIMITS[limit] for limit in missed)
            return WORDS["failed"].format(name=one.name, what=text.listing(map(str, what)))
        if one is self.choice or self.choice is None:
            return WORDS["same"]
        less = difference(self.found.pair(one.name, self.choice.name))
        return WORDS["kept"].format(name=one.name, difference=less, flash=pieces(one)["flash"])


# For the page -------------------------------------------------------------------------------------


def embedded(found: Catalogue) -> dict[str, Any]:
    """Return all that a page needs to choose by itself, as plain JSON."""
    names = list(found.candidates)
    return {
        "candidates": [_row(one) for one in found.candidates.values()],
        "pairs": {
            f"{names.index(first)},{names.index(second)}": _cells(pair)
            for (first, second), pair in found.pairs.items()
        },
        "datasets": {
            name: {"title": title(name), "classes": found.classes[name]}
            for name in sorted(found.classes)
        },
        "operators": sorted({one for each in found.candidates.values() for one in each.operators}),
        "words": WORDS,
        "limits": LIMITS,
        "objectives": OBJECTIVES,
        "paper": {name: list(advice) for name, advice in PAPER.items()},
        "services": {name: _plain(limits) for name, limits in SERVICES.items()},
        "runtimes": RUNTIMES,
        "margin": MARGIN,
    }


def _row(one: Candidate) -> dict[str, Any]:
    kept = ("name", "dataset", "technique", "flash", "latency", "time", "validation", "floats")
    row = one.model_dump(include={*kept, "operators", "refusal"}, mode="json")
    ram = {runtime: one.ram(runtime) for runtime in RUNTIMES}
    sizes = {
        runtime: None if size is None else text.kilobytes(size) for runtime, size in ram.items()
    }
    return {**row, "ram": ram, "sizes": sizes, "said": pieces(one)}


def _cells(pair: Pair) -> list[Any]:
    return [pair.difference, pair.tie, difference(pair), difference(pair.turned())]


def _plain(limits: Limits) -> dict[str, Any]:
    return limits.model_dump(mode="json", exclude_defaults=True)
