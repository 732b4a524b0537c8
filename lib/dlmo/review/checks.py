"""What a review finds: checks of one file, and the verdict that they add up to."""

from dataclasses import dataclass
from typing import Any

COLUMNS = ("record", "list", "bytes", "contents", "weights", "predictions", "latency")
"""What is checked of a file, in order."""


@dataclass(frozen=True)
class Check:
    """One thing compared with what was recorded.

    Attributes:
        name: one of `COLUMNS`.
        equal: whether it is as recorded; None where it is reported and not judged.
        said: in one line what was found.
        short: the same in a word or two, for a cell of a table.
    """

    name: str
    equal: bool | None
    said: str
    short: str = ""

    @property
    def cell(self) -> str:
        """What a table shows of it."""
        words = {True: "equal", False: "DIFFERS", None: "not judged"}
        return self.short or words[self.equal]


@dataclass(frozen=True)
class Verdict:
    """All checks of one file or record.

    Attributes:
        trial: as text; empty where the record cannot say.
        file: relative to the folder of the models, or of the results for a record that is broken.
        checks: what was compared; none where the file isn't kept.
    """

    trial: str
    file: str
    checks: tuple[Check, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything is not as recorded."""
        return any(check.equal is False for check in self.checks)

    @property
    def word(self) -> str:
        """The verdict: `equal`, `DIFFERS`, `equal as far as judged` or `not kept`."""
        if not self.checks:
            return "not kept"
        if self.differs:
            return "DIFFERS"
        judged = all(check.equal is not None for check in self.checks)
        return "equal" if judged else "equal as far as judged"

    def row(self) -> dict[str, Any]:
        """Return the verdict as plain values, each check in words."""
        checks = [{"check": one.name, "equal": one.equal, "said": one.said} for one in self.checks]
        return {"trial": self.trial, "file": self.file, "verdict": self.word, "checks": checks}
