"""The claims as a page shows them: a filter, and each claim with its criterion and evidence."""

import json
import re
from collections.abc import Iterable, Sequence
from html import escape

import altair as alt
import pandas as pd
from IPython.display import HTML

from dlmo import paper
from dlmo.report import charts, folded, tables, text
from dlmo.report.cited import Table, cited, markup
from dlmo.report.claims import words
from dlmo.report.claims.evidence import WORDS, Evidence, Verdict, Word
from dlmo.report.claims.rules import exact

PLACES = (
    "Abstract",
    *("Section 3.1", "Section 3.2", "Section 3.3", "Section 4.1"),
    *("The remarks", "Section 4.2", "Section 4.3", "Section 5"),
)
"""Where in the paper claims stand, in its order."""

_SECTIONS = {number: "Section 4.1" if number < 8 else "Section 4.2" for number in range(5, 15)}
"""The section that each table belongs to."""


def place(verdict: Verdict) -> str:
    """Return under which part of the paper a claim is shown."""
    said = verdict.claim.place
    if said.startswith("Abstract"):
        return PLACES[0]
    if said.startswith("Remark"):
        return "The remarks"
    section = re.match(r"Section \d(\.\d)?", said)
    table = re.search(r"Tables? (\d+)", said)
    return section[0] if section else _SECTIONS[int(table[1])] if table else PLACES[0]


def grouped(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """Return the verdicts by their place in the paper."""
    found: dict[str, list[Verdict]] = {name: [] for name in PLACES}
    for one in verdicts:
        found[place(one)].append(one)
    return {name: some for name, some in found.items() if some}


# The overview -------------------------------------------------------------------------------------


@cited
def overview(verdicts: Sequence[Verdict]) -> alt.LayerChart:
    """Draw how many claims of each part of the paper have which verdict."""
    frame = _tally(verdicts)
    shown = [word for word in WORDS if word in set(frame["verdict"])]
    order = [name for name in PLACES if name in set(frame["place"])]
    across = alt.X("verdict:N", sort=shown, title=None).axis(
        labelAngle=0, labelExpr=f"({json.dumps(_BROKEN)})[datum.label]", labelFontSize=11
    )
    base = alt.Chart(frame).encode(
        x=across,
        y=alt.Y("place:N", sort=order, title=None),
        tooltip=[
            alt.Tooltip("place:N", title="Place"),
            alt.Tooltip("verdict:N", title="Verdict"),
            alt.Tooltip("claims:Q", title="Claims"),
            alt.Tooltip("which:N", title="Which"),
        ],
    )
    size = alt.Size("claims:Q", legend=None).scale(type="sqrt", range=[60, 900])
    discs = base.mark_circle(color=charts.RULE.light, opacity=1).encode(size=size)
    numbers = base.mark_text(color=charts.INK.light, fontWeight=600, tooltip=False).encode(
        text="claims:Q"
    )
    return alt.LayerChart(layer=[discs, numbers]).properties(
        height=44 * len(order),
        description="How many claims of each part of the paper have which verdict. "
        + _spoken(frame),
    )


_BROKEN: dict[Word, list[str]] = {
    "holds": ["holds"],
    "holds in part": ["holds", "in part"],
    "does not hold": ["does", "not hold"],
    "undecided": ["unde-", "cided"],
    "not yet measured": ["not yet", "mea-", "sured"],
    "can't be tested": ["can't be", "tested"],
}
"""The verdicts in lines, so that six of them fit a phone."""


def _tally(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    lines = []
    for name, some in grouped(verdicts).items():
        for word in WORDS:
            which = [one.claim.subject for one in some if one.word == word]
            if which:
                lines.append(
                    {
                        "place": name,
                        "verdict": word,
                        "claims": len(which),
                        "which": "; ".join(which),
                    }
                )
    return pd.DataFrame(lines)


def _spoken(frame: pd.DataFrame) -> str:
    said = [
        f"{name}: {text.listing(f'{row.claims} {row.verdict}' for row in some.itertuples())}"
        for name, some in frame.groupby("place", sort=False)
    ]
    return "; ".join(said) + "."


@cited
def concluded(verdicts: Sequence[Verdict], section: str = "Section 5") -> Table:
    """Return a table of the claims that the paper makes in a section, with their verdicts."""
    lines = [
        {
            "The paper says": one.claim.statement,
            "Verdict": one.word,
            "Cells measured": f"{one.measured} of {one.named}" if one.named else text.NONE,
        }
        for one in verdicts
        if section in one.claim.place
    ]
    return tables.styled(
        pd.DataFrame(lines),
        caption=f"What the paper says in its {section}, and the verdicts.",
        name="concluded",
        wrap=["The paper says"],
    )


# The list -----------------------------------------------------------------------------------------


@cited
def listing(verdicts: Sequence[Verdict], beside: Sequence[Verdict] = ()) -> HTML:
    """Return all claims by place, filtered by verdict, each with its criterion and evidence.

    Args:
        verdicts: of the profile that the page is about.
        beside: the same claims under another profile.
    """
    other = {one.claim.id: one for one in beside}
    groups = [
        folded.group(
            name,
            (one.word for one in some),
            (_claim(one, other.get(one.claim.id)) for one in some),
        )
        for name, some in grouped(verdicts).items()
    ]
    tally: dict[str, int] = {word: sum(one.word == word for one in verdicts) for word in WORDS}
    return HTML(folded.whole(groups, tally))


def _claim(verdict: Verdict, other: Verdict | None) -> str:
    claim = verdict.claim
    body = [_facts(verdict), _evidence(verdict), *_beside(verdict, other)]
    return folded.entry(claim.id, verdict.word, claim.statement, body)


def _facts(verdict: Verdict) -> str:
    claim = verdict.claim
    return folded.facts(
        {
            "Found": words.found(verdict),
            "Place": claim.place + (f": “{claim.quote}”" if claim.quote else ""),
            "Judged by": words.how(claim),
            "Confirmed if": claim.confirms,
            "Refuted if": claim.refutes,
            "Post hoc": claim.reason or "",
        }
    )


def _beside(verdict: Verdict, other: Verdict | None) -> Iterable[str]:
    named = dict(verdict.beside)
    if other is not None and other.profile and other.measured:
        named = {f"with profile {other.profile}": other, **named}
    for label, one in named.items():
        said = f"{label}: {one.word if one.measured else text.MISSING}"
        what = f" {words.found(one)}" if one.measured else ""
        yield f"<p><strong>{escape(text.begin(said))}.</strong>{escape(what)}</p>"
        yield _evidence(one) if one.measured else ""


def _evidence(verdict: Verdict) -> str:
    """Return the table of the measured cells, and the records that they rest on."""
    shown = [one for one in verdict.evidence if one.measured or one.interval is not None]
    below = markup(verdict.keys)
    if not shown or (verdict.named == 1 and shown[0].interval is None):
        return below
    alpha = paper.judging().alpha
    lines = [_line(verdict, one, alpha) for one in shown]
    return folded.table(("Cell", "Estimate", "p", "Says"), lines) + below


def _line(verdict: Verdict, one: Evidence, alpha: float) -> tuple[str, ...]:
    # What is counted has no p-value.
    chance = one.measured and not exact(verdict.claim)
    return (
        words.cell_name(one.cell),
        words.estimate(verdict.claim, one.interval),
        words.p_value(one.p) if chance else text.NONE,
        "; ".join(part for part in (words.says(one, alpha), one.note) if part),
    )
