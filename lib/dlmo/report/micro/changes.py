"""What the chapter changes in the strategy, from the records."""

from dlmo.report import strategy, text
from dlmo.report.candidates import Candidate, Catalogue
from dlmo.report.cited import cited
from dlmo.report.comparison_tables import title
from dlmo.report.text import MISSING


@cited
def sentence(found: Catalogue, dataset: str) -> str:
    """Say what measured arenas change for the candidates of one dataset."""
    pool = [one for one in found.candidates.values() if one.dataset == dataset]
    known = [one for one in pool if one.measured]
    if not known:
        return f"What measured arenas change for {title(dataset)} is {MISSING}."
    able = [one for one in known if one.refusal is None]
    parts = [
        f"The strategy counts a measured arena as RAM for {text.part(len(able), len(pool), 'file')}"
        f" on {title(dataset)}, and leaves out {text.count(len(known) - len(able), 'file')} that "
        "TFLite Micro was seen to refuse"
        + ("." if len(known) == len(pool) else "; of the others it estimates both."),
        _paper(known),
    ]
    return " ".join(part for part in parts if part)


def _paper(known: list[Candidate]) -> str:
    """Say whether what the paper advises for small devices runs on them."""
    names = strategy.PAPER["low-end"]
    advised = [one for one in known if one.technique in names]
    refused = [one for one in advised if one.refusal is not None]
    if not advised:
        return ""
    said = f"The paper advises {text.listing(names, 'or')} for its low-end services:"
    if not refused:
        return f"{said} that runs under TFLite Micro."
    whose = text.listing(one.name for one in refused)
    return f"{said} {whose} cannot run under TFLite Micro, however small. {_instead(known)}"


def _instead(known: list[Candidate]) -> str:
    whole = sorted({one.technique for one in known if one.refusal is None and not one.floats})
    if not whole:
        return ""
    return f"What runs and computes with integers only: {text.listing(whole)}."


@cited
def advice(found: Catalogue, dataset: str) -> str:
    """Return what is recommended for a low-end service on this dataset, with a microcontroller."""
    if dataset not in found.classes:
        return f"A recommendation is {MISSING}."
    limits = strategy.SERVICES["low-end"].model_copy(update={"dataset": dataset})
    said = strategy.advise(found, limits)
    return f"For the low-end service with its limits: {said.sentence}"


@cited
def estimate(found: Catalogue, dataset: str) -> str:
    """Say how the arena compares with the estimate that stands in for it."""
    pairs = [
        (one.arena, one.estimate)
        for one in found.candidates.values()
        if one.dataset == dataset
        and one.measured
        and one.refusal is None
        and one.arena
        and one.estimate
    ]
    if not pairs:
        return ""
    ratios = [arena / computed for arena, computed in pairs]
    low, high = text.ratio(min(ratios)), text.ratio(max(ratios))
    span = low if low == high else f"{low} to {high}"
    return (
        f"A measured arena is {span} times the estimate from the file, which is what the strategy "
        "goes by where no arena is measured."
    )
