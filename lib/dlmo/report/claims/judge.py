"""From evidence to verdicts: how many cells must pass, families, and what is judged beside."""

import math
from collections.abc import Iterable, Sequence

from dlmo import paper
from dlmo.paper import Claim, Judging
from dlmo.report import statistics
from dlmo.report.cited import cited
from dlmo.report.claims import comparing, contents, formats, printed, ranking
from dlmo.report.claims.evidence import Evidence, Verdict, Word
from dlmo.report.claims.registry import judge_of
from dlmo.report.claims.rules import counts, exact
from dlmo.report.claims.source import BUILTIN, THEN, Kept, Source

PROFILE, BESIDE = "reference", "plain"
"""The profile that the report reports, and the one that is judged beside it."""

JUDGES = (comparing, contents, formats, printed, ranking)
"""The modules whose functions judge; each registers them when it is imported."""


def all_verdicts() -> list[Verdict]:
    """Return the verdicts under both profiles; under `plain` only where something was measured."""
    kept = Kept()
    return both(verdicts(PROFILE, kept=kept), verdicts(BESIDE, kept=kept))


@cited
def both(found: Sequence[Verdict], beside: Sequence[Verdict]) -> list[Verdict]:
    """Return verdicts and those of another profile, of these only what was measured."""
    return [*found, *(one for one in beside if one.profile and one.measured)]


@cited
def verdicts(
    profile: str = PROFILE, claims: Sequence[Claim] | None = None, kept: Kept | None = None
) -> list[Verdict]:
    """Judge claims by the records of one profile, families corrected.

    Args:
        profile: whose records are read.
        claims: which; all of `data/paper/claims.yaml` where they are not given.
        kept: the records, where they have been read already.
    """
    source, rules = Source(profile, kept=kept or Kept()), paper.judging()
    found = [_with_beside(claim, source, rules) for claim in claims or paper.claims()]
    return _corrected(found, rules)


def judge(claim: Claim, source: Source, rules: Judging) -> Verdict:
    """Judge one claim, its p-value not yet corrected for the family."""
    profile = "" if claim.unit == "arithmetic" else source.profile
    if claim.test == "not-testable":
        return Verdict(claim, "", "can't be tested", remark=claim.confirms)
    return _weighed(claim, profile, tuple(judge_of(claim)(claim, source)), source, rules)


def _weighed(
    claim: Claim, profile: str, evidence: tuple[Evidence, ...], source: Source, rules: Judging
) -> Verdict:
    measured = [one for one in evidence if one.measured]
    draft = Verdict(
        claim, profile, "not yet measured", evidence, named=len(evidence), measured=len(measured)
    )
    if not measured:
        return draft
    refuting = _refuting(claim, measured, rules)
    passing = sum(one.p < rules.alpha for one in measured)
    draft = draft.but(passing=passing, refuting=refuting)
    if len(measured) < rules.coverage * len(evidence):
        return draft
    least = needed(claim, len(measured), rules)
    p = statistics.partial_conjunction([one.p for one in measured], least)
    broken = _also_broken(claim, source)
    draft = draft.but(p=1.0 if broken else p, remark=broken)
    return draft.but(word=_word(draft, least, rules))


def needed(claim: Claim, cells: int, rules: Judging) -> int:
    """Return how many of so many cells must pass."""
    return {"all": cells, "most": math.ceil(rules.most * cells - 1e-9), "some": 1}[claim.cells]


def _refuting(claim: Claim, measured: Sequence[Evidence], rules: Judging) -> int:
    """Count the cells that refute; Holm over them where each is a test, not an interval."""
    p = [one.refuting for one in measured]
    if claim.unit in ("seed", "file") and min(p) < rules.alpha:
        p = statistics.holm(p)
    return sum(one < rules.alpha for one in p)


def _word(verdict: Verdict, least: int, rules: Judging) -> Word:
    p = verdict.p if verdict.corrected is None else verdict.corrected
    if verdict.refuting > verdict.measured - least:
        return "holds in part" if verdict.passing else "does not hold"
    return "holds" if p is not None and p < rules.alpha else "undecided"


def _also_broken(claim: Claim, source: Source) -> str:
    """Say what must hold besides and doesn't; nothing where it does."""
    if claim.also is None:
        return ""
    changed = {"test": "ratio", "metric": claim.also.metric, "bounds": claim.also.bounds}
    beside = claim.model_copy(update={**changed, "margin": None, "also": None})
    evidence = [one for one in judge_of(beside)(beside, source) if one.measured]
    broken = [one.cell for one in evidence if one.p > 0]
    if not broken:
        return ""
    return f"what must hold besides ({claim.also.metric}) does not in {len(broken)} cells"


# Families -----------------------------------------------------------------------------------------


def _corrected(found: list[Verdict], rules: Judging) -> list[Verdict]:
    """Correct the p-values of each family: Holm over claims, Benjamini-Hochberg for exploration.

    What isn't measured yet counts with a p-value of 1, so that a verdict doesn't come to hold
    because its rivals are late.
    """
    families = {"claims": statistics.holm, "exploration": statistics.benjamini_hochberg}
    for family, correct in families.items():
        places = [
            place
            for place, one in enumerate(found)
            if one.claim.family == family and counts(one.claim)
        ]
        p = correct([1.0 if found[i].p is None else float(found[i].p or 0.0) for i in places])
        for place, value in zip(places, p, strict=True):
            found[place] = _with_correction(found[place], value, rules)
    return [one.but(p=None) if exact(one.claim) else one for one in found]


def _with_correction(verdict: Verdict, value: float, rules: Judging) -> Verdict:
    if verdict.p is None:
        return verdict
    least = needed(verdict.claim, verdict.measured, rules)
    corrected = verdict.but(corrected=value)
    return corrected.but(word=_word(corrected, least, rules))


# Beside -------------------------------------------------------------------------------------------


def _with_beside(claim: Claim, source: Source, rules: Judging) -> Verdict:
    verdict = judge(claim, source, rules)
    beside = {label: judge(one, other, rules) for label, one, other in _variants(claim, source)}
    return verdict.but(beside={label: one for label, one in beside.items() if one.named})


def _variants(claim: Claim, source: Source) -> Iterable[tuple[str, Claim, Source]]:
    """Yield how a claim is judged besides: without its control, on other kernels or images."""
    # A control of the same name differs in its recipe only, and there it is compared with itself.
    if claim.control and not set(claim.against) <= set(paper.networks()):
        plain = claim.model_copy(update={"control": (), "control_recipe": None})
        yield f"against {', '.join(claim.against)}, as the paper compares", plain, source
    if claim.metric == "latency" and claim.test != "prediction":
        yield "with the built-in kernels", claim, source.on(kernels=BUILTIN)
        yield "on the runtime of the paper's day", claim, source.on(runtime=THEN)
    if claim.metric == "accuracy" and claim.test in ("equivalence", "non-inferiority"):
        yield "on corrupted images", claim, source.on_corrupted()
