"""What each test asks of a difference or a ratio: p-values of what confirms and what refutes."""

from collections.abc import Callable

from dlmo.paper import Claim
from dlmo.report.statistics import Compared

Rule = Callable[[Claim, Compared], tuple[float, float]]

SIZES = ("bytes", "zipped_bytes", "size_as_printed")
RATIOS = (*SIZES, "latency", "memory", "conversion_share")
"""The metrics that are ratios of subject to comparator, less being better."""

COUNTS = (*SIZES, "memory", "operators", "weights", "logits", "pareto")
"""The metrics that are counted, not estimated: they have no p-value."""


def rule(claim: Claim, found: Compared) -> tuple[float, float]:
    """Return the p-values of what confirms and of what refutes a claim in one cell.

    For runtimes a p-value below 5 % says that the whole 95 % interval lies there, to both sides.
    """
    confirming, refuting = _RULES[claim.test](claim, found)
    sides = 2 if claim.unit == "runtime" else 1
    return min(1.0, sides * confirming), min(1.0, sides * refuting)


def exact(claim: Claim) -> bool:
    """Say whether chance has no part in a claim's verdict."""
    return claim.unit == "arithmetic" or claim.metric in COUNTS


def counts(claim: Claim) -> bool:
    """Say whether a claim's p-value is one of its family's."""
    return not (claim.post_hoc or exact(claim) or claim.test == "not-testable")


def _margin(claim: Claim) -> float:
    return claim.margin.value if claim.margin else 0.0


def _equivalence(claim: Claim, found: Compared) -> tuple[float, float]:
    margin = _margin(claim)
    inside = max(found.above(-margin), found.below(margin))
    return inside, min(1.0, 2 * min(found.above(margin), found.below(-margin)))


def _non_inferiority(claim: Claim, found: Compared) -> tuple[float, float]:
    margin = _margin(claim)
    return found.above(-margin), found.below(-margin)


def _superiority(claim: Claim, found: Compared) -> tuple[float, float]:
    if claim.metric in RATIOS:
        return found.below(1), found.above(claim.numbers.get("refuted_at", 1))
    margin = _margin(claim)
    return found.above(margin), found.below(claim.numbers.get("refuted_at", margin))


def _within(claim: Claim, found: Compared) -> tuple[float, float]:
    """Inside the bounds, both included; refuted beyond one of them."""
    low, high = claim.bounds or (0.0, None)
    inside = [0.0]
    outside = [1.0]
    if low is not None:
        inside.append(_at_least(found, low))
        outside.append(found.below(low))
    if high is not None:
        inside.append(_at_most(found, high))
        outside.append(found.above(high))
    return max(inside), min(outside)


def _at_least(found: Compared, value: float) -> float:
    return 0.0 if found.interval.low == found.interval.high == value else found.above(value)


def _at_most(found: Compared, value: float) -> float:
    return 0.0 if found.interval.low == found.interval.high == value else found.below(value)


_RULES: dict[str, Rule] = {
    "equivalence": _equivalence,
    "non-inferiority": _non_inferiority,
    "superiority": _superiority,
    "ordering": _superiority,
    "ratio": _within,
    "prediction": _within,
    "arithmetic": _within,
}
