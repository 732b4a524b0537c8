"""A verdict in words: cells, estimates, p-values, and one sentence for what was found."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from dlmo import paper
from dlmo.paper import Claim
from dlmo.report import text
from dlmo.report.cited import cited
from dlmo.report.claims.evidence import WORDS, Cell, Evidence, Verdict, Word
from dlmo.report.claims.rules import RATIOS, counts, exact
from dlmo.report.comparison_tables import title
from dlmo.report.statistics import Interval

SHOWN = 4
"""How many cells a sentence names before it counts the rest."""


def cell_name(cell: Cell) -> str:
    """Return a cell as a table says it: `VGGNet on CIFAR-10: BLQ against NQ`."""
    network, against = title(cell.network), title(cell.against)
    place = f"{network} on {title(cell.dataset)}" if cell.dataset and network else network
    place = place or title(cell.dataset)
    what = f"{cell.technique} against {against}" if against else cell.technique
    return ": ".join(part for part in (place, what) if part) or "the format itself"


def estimate(claim: Claim, found: Interval | None) -> str:
    """Return an estimate with its interval in the unit of its metric; a dash for none."""
    if found is None or np.isnan(found.estimate):
        return text.NONE
    if claim.metric in RATIOS:
        return text.ratio_with_interval(found)
    if (claim.test == "ordering" and claim.metric == "accuracy_gain") or _is_tau(claim):
        return f"τ = {text.figure(found.estimate, 2)}"
    if claim.unit == "arithmetic" and not claim.against:
        return text.percent(found.estimate)
    exactly = found.low == found.high
    said = text.points(found.estimate) if exactly else text.difference_with_interval(found)
    return f"{said} points"


def _is_tau(claim: Claim) -> bool:
    return claim.test == "ordering" and claim.metric == "accuracy" and not claim.against


def p_value(p: float | None) -> str:
    """Return a p-value: `0.012`, `< 0.001`; a dash for none."""
    if p is None:
        return text.NONE
    return "< 0.001" if p < 0.001 else text.figure(p, 3 if p < 0.1 else 2)


def says(evidence: Evidence, alpha: float) -> str:
    """Return in a word or two what a cell says about its claim."""
    if evidence.missing:
        return evidence.missing
    if evidence.p < alpha:
        return "passes"
    return "fails" if evidence.refuting < alpha else "undecided"


def found(verdict: Verdict) -> str:
    """Return one sentence: how many cells there are, how many pass, which fail, and the p-value."""
    if verdict.word == "can't be tested":
        return verdict.remark
    if not verdict.evidence:
        return f"{text.begin(text.MISSING)}."
    parts = [_cells(verdict), _failing(verdict), _chance(verdict), _besides(verdict)]
    return " ".join(part for part in parts if part)


def _cells(verdict: Verdict) -> str:
    if verdict.named == 1 and verdict.measured and verdict.evidence[0].note:
        return f"{text.begin(verdict.evidence[0].note)}."
    measured = f"{verdict.measured} of {verdict.named} named cells"
    said = f"Measured: {measured}."
    if verdict.claim.unit == "arithmetic":
        said = f"{text.begin(text.count(verdict.named, 'printed value'))} compared."
    if verdict.word == "not yet measured" and verdict.measured:
        said = f"Measured: {measured}, too few for a verdict."
    if not verdict.measured:
        return f"{said} {text.begin(_first_reason(verdict))}."
    return f"{said} The criterion passes in {verdict.passing}."


def _first_reason(verdict: Verdict) -> str:
    return next((one.missing for one in verdict.evidence if one.missing), text.MISSING)


def _failing(verdict: Verdict) -> str:
    """Name the cells in which the claim fails, the plainest first."""
    failing = [one for one in verdict.evidence if one.measured and one.refuting < one.p]
    if not failing or not verdict.refuting or verdict.named == 1:
        return ""
    failing.sort(key=lambda one: one.refuting)
    shown = failing[: verdict.refuting][:SHOWN]
    names = [f"{cell_name(one.cell)}{_value(verdict.claim, one)}" for one in shown]
    more = verdict.refuting - len(shown)
    names += [f"{text.count(more, 'other')}"] if more > 0 else []
    return f"It fails in {verdict.refuting}: {'; '.join(names)}."


def _value(claim: Claim, one: Evidence) -> str:
    said = estimate(claim, one.interval)
    return f", {said}" if said != text.NONE else ""


def _chance(verdict: Verdict) -> str:
    if verdict.p is None:
        return ""
    said = f"p {_equals(verdict.p)}"
    if verdict.corrected is not None:
        how = {"claims": "Holm", "exploration": "Benjamini-Hochberg"}[verdict.claim.family]
        said += f", corrected ({how}) {_equals(verdict.corrected)}"
    return f"{text.begin(said)}."


def _equals(p: float) -> str:
    said = p_value(p)
    return said if said.startswith("<") else f"= {said}"


def _besides(verdict: Verdict) -> str:
    return f"{text.begin(verdict.remark)}." if verdict.remark else ""


def how(claim: Claim) -> str:
    """Return how a claim is judged, in a line."""
    if claim.test == "not-testable":
        return "Not testable."
    parts = [f"{text.begin(claim.test)} of {(claim.metric or '').replace('_', ' ')}"]
    parts.append(f"unit: {claim.unit}")
    which = {"all": "every cell", "most": "most cells", "some": "one cell"}
    parts.append(f"{which[claim.cells]} that is measured")
    if claim.control:
        parts.append(f"control: {text.listing(dict.fromkeys(claim.control))}{_recipe(claim)}")
    parts.append(_family(claim))
    return "; ".join(parts) + "."


def _recipe(claim: Claim) -> str:
    changed = claim.control_recipe or {}
    said = [f"{name.replace('_', ' ')} {value:g}" for name, value in changed.items()]
    return f" with {text.listing(said)}" if said else ""


def _family(claim: Claim) -> str:
    if claim.post_hoc:
        return "post hoc, in no family"
    if exact(claim):
        return "counted, without chance"
    assert counts(claim)
    return f"family: {claim.family}"


# The whole ----------------------------------------------------------------------------------------

_VERBS: dict[Word, tuple[str, str]] = {
    "holds": ("holds", "hold"),
    "holds in part": ("holds in part", "hold in part"),
    "does not hold": ("does not hold", "do not hold"),
    "undecided": ("is undecided", "are undecided"),
    "not yet measured": ("is not yet measured", "are not yet measured"),
    "can't be tested": ("can't be tested", "can't be tested"),
}


@cited
def overview(verdicts: Sequence[Verdict]) -> str:
    """Say how many claims there are and how many have which verdict."""
    tally = Counter(one.word for one in verdicts)
    said = [
        f"{text.number_word(tally[word])} {_VERBS[word][tally[word] > 1]}"
        for word in WORDS
        if tally[word]
    ]
    return f"Of {text.count(len(verdicts), 'claim')}, {text.listing(said)}."


@cited
def remarks(verdicts: Iterable[Verdict]) -> str:
    """Say what became of the paper's four remarks."""
    by_word: dict[Word, list[str]] = {}
    for one in verdicts:
        if one.claim.place.startswith("Remark"):
            name = f"{one.claim.place.split(';')[0]} ({one.claim.subject})"
            by_word.setdefault(one.word, []).append(name)
    said = [
        f"{text.listing(by_word[word])} {_VERBS[word][len(by_word[word]) > 1]}."
        for word in WORDS
        if word in by_word
    ]
    return " ".join(said)


@cited
def families(verdicts: Sequence[Verdict]) -> str:
    """Say how many p-values each family has, and how many verdicts are in none."""
    sizes = Counter(one.claim.family for one in verdicts if counts(one.claim))
    post_hoc = sum(one.claim.post_hoc for one in verdicts)
    level = text.percent(paper.judging().alpha, 0)
    return (
        f"Holm's method corrects the {sizes['claims']} p-values of the family of claims, that of "
        f"Benjamini and Hochberg those of exploration ({sizes['exploration']}), each at {level}; "
        f"what is not measured yet counts with a p-value of one. {post_hoc} verdicts were known in "
        "part when their criteria were written; they are marked post hoc and are in no family."
    )
