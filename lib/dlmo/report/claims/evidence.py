"""What a verdict rests on: cells, what each of them says, and the verdict itself."""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from dlmo.paper import Claim
from dlmo.report.statistics import Compared, Interval

Word = Literal[
    "holds",
    "holds in part",
    "does not hold",
    "undecided",
    "not yet measured",
    "can't be tested",
]

WORDS: tuple[Word, ...] = get_args(Word)
"""The verdicts, in the order in which they are shown."""


@dataclass(frozen=True)
class Cell:
    """One (dataset, network, technique), compared with a technique or a network; see the head of
    `data/paper/claims.yaml`. What a claim doesn't name is empty.
    """

    dataset: str = ""
    network: str = ""
    technique: str = ""
    against: str = ""


@dataclass(frozen=True)
class Evidence:
    """What one cell says.

    Attributes:
        interval: the estimate with its interval; None where nothing is estimated.
        p: of what confirms the claim in this cell.
        refuting: the p-value of what refutes it. Both are 0 or 1 where something is counted.
        keys: of the records that it rests on.
        missing: why the cell decides nothing, empty where it is measured.
        note: what an interval can't say.
    """

    cell: Cell
    interval: Interval | None = None
    p: float = 1.0
    refuting: float = 1.0
    keys: tuple[str, ...] = ()
    missing: str = ""
    note: str = ""

    @property
    def measured(self) -> bool:
        """Whether the cell takes part in the verdict."""
        return not self.missing


def counted(cell: Cell, passes: bool, keys: tuple[str, ...] = (), note: str = "") -> Evidence:
    """Return the evidence of something that is so or not, without chance."""
    return Evidence(cell, p=float(not passes), refuting=float(passes), keys=keys, note=note)


@dataclass(frozen=True)
class Comparison:
    """What was found for one cell: for each file, or once for all seeds together."""

    found: tuple[Compared, ...]
    keys: tuple[str, ...] = ()
    note: str = ""

    @property
    def interval(self) -> Interval:
        """One interval for all: the mean of the estimates, from the lowest limit to the highest."""
        intervals = [one.interval for one in self.found]
        if len(intervals) == 1:
            return intervals[0]
        return Interval(
            sum(one.estimate for one in intervals) / len(intervals),
            min(one.low for one in intervals),
            max(one.high for one in intervals),
            len(intervals),
        )


class NotMeasuredError(Exception):
    """A cell decides nothing: it says why, with what there is all the same."""

    def __init__(
        self, why: str, interval: Interval | None = None, keys: tuple[str, ...] = ()
    ) -> None:
        super().__init__(why)
        self.interval, self.keys = interval, keys


@dataclass(frozen=True)
class Verdict:
    """What the records say about a claim.

    Attributes:
        profile: whose records were read; empty where it is the paper's own numbers.
        word: the verdict.
        named: how many cells the claim names; `measured`, `passing` and `refuting` of them.
        p: of the claim (the partial conjunction over the cells); None where nothing is left to
            chance or nothing is measured.
        corrected: the same, corrected for its family; None where it isn't counted in one.
        remark: what else there is to say about how it was judged.
        beside: the same claim judged in another way, by what was changed.
    """

    claim: Claim
    profile: str
    word: Word
    evidence: tuple[Evidence, ...] = ()
    named: int = 0
    measured: int = 0
    passing: int = 0
    refuting: int = 0
    p: float | None = None
    corrected: float | None = None
    remark: str = ""
    beside: dict[str, "Verdict"] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all records that it rests on, each once."""
        return tuple(dict.fromkeys(key for one in self.evidence for key in one.keys))

    def but(self, **changed: object) -> "Verdict":
        """Return the verdict with some of its fields changed."""
        return replace(self, **changed)  # type: ignore[arg-type]
