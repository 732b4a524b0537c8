"""The committed summary of all verdicts, so that a change of verdict shows in a diff.

A CSV: one line a claim and profile, so that one changed verdict is one changed line. It lies beside
the records that it sums up, and moves with them.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from dlmo import paths
from dlmo.errors import UserError
from dlmo.files import write_bytes
from dlmo.report.cited import cited
from dlmo.report.claims.evidence import Verdict
from dlmo.report.text import count, listing

COLUMNS = (
    *("claim", "profile", "verdict"),
    *("named", "measured", "passing", "refuting", "p", "corrected"),
)

RENEW = "dlmo claims --write"


def file() -> Path:
    """Return where the summary lies: `verdicts.csv` in the results."""
    return paths.results() / "verdicts.csv"


def rows(verdicts: Iterable[Verdict]) -> Iterator[dict[str, str]]:
    """Yield the lines of the summary."""
    for one in verdicts:
        yield {
            "claim": one.claim.id,
            "profile": one.profile,
            "verdict": one.word,
            "named": str(one.named),
            "measured": str(one.measured),
            "passing": str(one.passing),
            "refuting": str(one.refuting),
            "p": _short(one.p),
            "corrected": _short(one.corrected),
        }


def written(verdicts: Iterable[Verdict]) -> str:
    """Return the summary as it is kept."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows(verdicts))
    return text.getvalue()


def write(verdicts: Iterable[Verdict]) -> Path:
    """Write the summary and return where.

    Raises:
        UserError: the results can't be written to.
    """
    write_bytes(file(), written(verdicts).encode())
    return file()


def changes(verdicts: Iterable[Verdict]) -> list[str]:
    """Return what differs from the committed summary, a line a verdict; nothing where it is right.

    Raises:
        UserError: there is no summary, or it is none.
    """
    kept = {(one["claim"], one["profile"]): one for one in _read()}
    now = {(one["claim"], one["profile"]): one for one in rows(verdicts)}
    lines = []
    for name in dict.fromkeys([*kept, *now]):
        old, new = kept.get(name), now.get(name)
        if old != new:
            lines.append(f"{' under '.join(filter(None, name))}: {_said(old)} → {_said(new)}")
    return lines


@cited
def current(verdicts: Iterable[Verdict]) -> str:
    """Say where the committed summary is older than the records; nothing where it is not."""
    if not file().exists():
        return f"No summary of the verdicts is kept yet; `{RENEW}` writes it."
    lines = changes(verdicts)
    if not lines:
        return ""
    shown = [*lines[:3], *([count(len(lines) - 3, "other")] if len(lines) > 3 else [])]
    return f"The committed summary is older than the records: {listing(shown)}; {RENEW} renews it."


def _read() -> list[dict[str, str]]:
    try:
        lines = list(csv.DictReader(file().read_text("utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file()} cannot be read ({error}); write it: {RENEW}") from None
    if not lines or set(lines[0]) != set(COLUMNS):
        raise UserError(f"{file()} is no summary of verdicts; write it again: {RENEW}")
    return lines


def _said(line: dict[str, str] | None) -> str:
    if line is None:
        return "nothing"
    cells = f"{line['passing']} of {line['measured']} cells pass"
    p = f", p {line['corrected'] or line['p']}" if line["p"] else ""
    return f"{line['verdict']} ({cells}{p})"


def _short(p: float | None) -> str:
    # Three digits: processors differ in the last ones.
    return "" if p is None else f"{p:.3g}"
