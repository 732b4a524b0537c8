"""The claims as a page shows them: a filter, and each claim with its criterion and evidence."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import altair as alt
import pandas as pd
from IPython.display import HTML

from dlmo import paper
from dlmo.report import charts, text
from dlmo.report.claims import words
from dlmo.report.claims.evidence import WORDS, Evidence, Verdict

PLACES = (
    "Abstract and Section 1",
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


def overview(verdicts: Sequence[Verdict]) -> alt.LayerChart:
    """Draw how many claims of each part of the paper have which verdict."""
    frame = _tally(verdicts)
    shown = [word for word in WORDS if word in set(frame["verdict"])]
    order = [name for name in PLACES if name in set(frame["place"])]
    across = alt.X("verdict:N", sort=shown, title=None).axis(
        orient="top", labelAngle=0, labelExpr="split(datum.label, ' ')", domain=False, ticks=False
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


# The list -----------------------------------------------------------------------------------------


def listing(verdicts: Sequence[Verdict], beside: Sequence[Verdict] = ()) -> HTML:
    """Return all claims by place, filtered by verdict, each with its criterion and evidence.

    Args:
        verdicts: of the profile that the page is about.
        beside: the same claims under another profile.
    """
    other = {one.claim.id: one for one in beside}
    groups = [_group(name, some, other) for name, some in grouped(verdicts).items()]
    return HTML(f"<div class='dlmo-claims'>{_filter(verdicts)}{''.join(groups)}</div>")


def _filter(verdicts: Sequence[Verdict]) -> str:
    choices = [("all", len(verdicts))]
    choices += [(word, sum(one.word == word for one in verdicts)) for word in WORDS]
    buttons = [
        f"<label><input type='radio' name='dlmo-verdict' value='{_slug(word)}'"
        f"{' checked' if word == 'all' else ''}> {escape(word)} ({many})</label>"
        for word, many in choices
        if many
    ]
    return f"<fieldset><legend>Show</legend>{''.join(buttons)}</fieldset>"


def _group(name: str, verdicts: Sequence[Verdict], other: Mapping[str, Verdict]) -> str:
    claims = "".join(_claim(one, other.get(one.claim.id)) for one in verdicts)
    words_ = " ".join(dict.fromkeys(_slug(one.word) for one in verdicts))
    return f"<section data-verdicts='{words_}'><h3>{escape(name)}</h3>{claims}</section>"


def _claim(verdict: Verdict, other: Verdict | None) -> str:
    claim = verdict.claim
    name = f"claim-{claim.id}"
    head = (
        f"<span class='dlmo-verdict'>{escape(verdict.word)}</span> "
        f"<span class='dlmo-statement'>{escape(claim.statement)}</span>"
    )
    body = _facts(verdict) + _evidence(verdict) + "".join(_beside(verdict, other))
    return (
        f"<details class='dlmo-claim' id='{name}' data-verdict='{_slug(verdict.word)}'>"
        f"<summary>{head}</summary><div>{body}</div></details>"
    )


def _facts(verdict: Verdict) -> str:
    claim = verdict.claim
    lines = {
        "Found": words.found(verdict),
        "Place": claim.place + (f": “{claim.quote}”" if claim.quote else ""),
        "Judged by": words.how(claim),
        "Confirmed if": claim.confirms,
        "Refuted if": claim.refutes,
        "Post hoc": claim.reason or "",
    }
    said = [f"<dt>{name}</dt><dd>{escape(line)}</dd>" for name, line in lines.items() if line]
    return f"<dl>{''.join(said)}</dl>"


def _beside(verdict: Verdict, other: Verdict | None) -> Iterable[str]:
    named = dict(verdict.beside)
    if other is not None and other.measured:
        named = {f"with profile {other.profile}": other, **named}
    for label, one in named.items():
        said = f"{label}: {one.word}" if one.measured else f"{label}: {text.MISSING}"
        yield f"<p><strong>{escape(text.begin(said))}.</strong> "
        yield f"{escape(words.found(one))}</p>" if one.measured else "</p>"
        yield _evidence(one) if one.measured else ""


def _evidence(verdict: Verdict) -> str:
    """Return the table of the measured cells, and how many there are besides."""
    shown = [one for one in verdict.evidence if one.measured or one.interval is not None]
    if not shown or (len(shown) == 1 and shown[0].interval is None):
        return _keys(verdict)
    alpha = paper.judging().alpha
    head = ("Cell", "Estimate", "p", "Says")
    top = "".join(f"<th scope='col'>{name}</th>" for name in head)
    lines = "".join(_line(verdict, one, alpha) for one in shown)
    table = f"<table class='dataframe'><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"
    return f"<div class='dlmo-scroll'>{table}</div>{_keys(verdict)}"


def _line(verdict: Verdict, one: Evidence, alpha: float) -> str:
    chance = verdict.p is not None and one.measured and one.p > 0
    cells = (
        words.cell_name(one.cell),
        words.estimate(verdict.claim, one.interval),
        words.p_value(one.p) if chance else text.NONE,
        "; ".join(part for part in (words.says(one, alpha), one.note) if part),
    )
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _keys(verdict: Verdict) -> str:
    return markup(verdict.keys)


def markup(keys: Sequence[str]) -> str:
    """Return the keys of records, folded up."""
    if not keys:
        return ""
    many = text.count(len(keys), "record")
    return (
        f'<details class="dlmo-sources"><summary>{many}</summary>'
        f"<code>{' '.join(sorted(keys))}</code></details>"
    )


def _slug(word: str) -> str:
    return re.sub(r"[^a-z]+", "-", word)
