"""The front page's findings: one line a question, over all that is measured.

Each says how far differences reach, in the paper and here, and what several trainings decide;
`findings` names the networks.
"""

from collections.abc import Iterable, Sequence

from dlmo import sources
from dlmo.report import text
from dlmo.report.cited import cited
from dlmo.report.comparison import PARENT, Comparison, Difference, paired
from dlmo.report.distillation import printed_gain
from dlmo.report.overview import PAIRS, Overview
from dlmo.report.statistics import Word


@cited
def span(found: Overview, names: Sequence[str], other: str = PARENT) -> str:
    """Say how far techniques lie from another one, and how many of the differences are decided."""
    printed = [gap for one in found for name in names for gap in _printed(one, name, other)]
    pairs = [one[name].differences.get(other) for one in found.measured for name in names]
    return _said(f"{text.listing(names)} less {other}", printed, [pair for pair in pairs if pair])


@cited
def taught(found: Overview) -> str:
    """Say the same of distilled files less those that had no teacher (Table 14)."""
    sources.note(sources.table(14))
    networks = dict.fromkeys(one.network for one in found)
    gains = [printed_gain(name, *pair) for name in networks for pair in PAIRS]
    pairs = [paired(one[new], one[old]) for one in found.measured for old, new in PAIRS]
    printed = [gain for gain in gains if gain is not None]
    return _said("Accuracy with a teacher, less that without", printed, pairs)


def _printed(one: Comparison, name: str, other: str) -> list[float]:
    row, base = one[name].printed, one[other].printed
    return [] if row is None or base is None else [row.accuracy - base.accuracy]


def _said(what: str, printed: Sequence[float], pairs: Iterable[Difference]) -> str:
    known = [pair for pair in pairs if pair.values]
    theirs = [f"{text.span(printed, text.points)} points in the paper"] if printed else []
    ours = (
        f"{text.span([pair.interval.estimate for pair in known], text.points)} points here"
        if known
        else ""
    )
    ours = ours or f"{text.MISSING} here"
    return f"{what}: {', '.join([*theirs, ours])}. {_decided(known)}".rstrip()


_WORDS: dict[Word, str] = {
    "equivalent": f"equivalent within {text.MARGIN_IN_POINTS}",
    "lower": "lower",
    "higher": "higher",
    "undecided": "still open",
}


def _decided(known: Sequence[Difference]) -> str:
    """Count what the differences say; of a step that was trained once there is nothing to say."""
    judged = [pair.word for pair in known if pair.word in _WORDS]
    once = len(known) - len(judged)
    alone = "trained once, which decides nothing"
    if not judged:
        return f"Each was {alone}." if once else ""
    said = text.outcomes(judged, _WORDS, ("is", "are"), "case that can be judged")
    rest = f"; {text.number_word(once)} {'was' if once == 1 else 'were'} {alone}" if once else ""
    return f"{text.begin(said)}{rest}."
