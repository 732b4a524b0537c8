"""How numbers are judged: intervals, paired comparisons, equivalence, families of tests.

The rules stand in the report's chapter on method and were fixed before the grid was measured:

- The unit of a statement about a technique is the seed, paired by parent: a paired t-interval.
- Wilson's interval and McNemar's test are about one file, or two conversions of the same weights.
- "Similar" is equivalence, by two one-sided tests (TOST); "not significant" is never "equal".
- A second measurement is judged by a prediction interval, not by the first one's confidence.

All accuracies are shares (0 to 1), all differences are "this less that".

SciPy and statsmodels take seconds to import, so functions do that: the book's pages ask this module
for its words alone.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
"""Confidence of every interval unless something else is asked for."""

ALPHA = 0.05
"""Level of every test."""

MARGIN = 0.01
"""How far apart two accuracies may be and still count as similar: 1 point."""

Word = Literal["equivalent", "lower", "higher", "undecided", "one pair", "none"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        n: how many values (seeds, pairs or images) it rests on. With one value where a spread is
            needed, `low` and `high` are NaN.
    """

    estimate: float
    low: float
    high: float
    n: int

    @property
    def width(self) -> float:
        """The length of the interval."""
        return self.high - self.low

    def excludes(self, value: float) -> bool:
        """Say whether the interval lies wholly above or wholly below a value."""
        return bool(self.low > value or self.high < value)


@dataclass(frozen=True)
class Files:
    """Two files on the same images: what McNemar's test and the paired interval say."""

    only_first: int
    only_second: int
    difference: Interval
    p: float


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests: `p` is the larger of the two p-values."""

    p_above: float
    p_below: float

    @property
    def p(self) -> float:
        """The p-value of equivalence."""
        return max(self.p_above, self.p_below)


@dataclass(frozen=True)
class Compared:
    """A difference or a ratio with its interval, and how surely it lies to one side of a value.

    Attributes:
        above: the one-sided p-value of "it is above this value".
        below: the one-sided p-value of "it is below this value".
    """

    interval: Interval
    above: Callable[[float], float]
    below: Callable[[float], float]


def two_sided(found: Compared, value: float = 0.0) -> float:
    """Return the p-value of "it is this value", against both sides."""
    return min(1.0, 2 * min(found.above(value), found.below(value)))


def exactly(value: float) -> Compared:
    """Return a value that is counted, not estimated: its p-values are 0 and 1."""
    return Compared(
        Interval(value, value, value, 1),
        lambda other: float(not value > other),
        lambda other: float(not value < other),
    )


def drawn(estimate: float, draws: ArrayLike, n: int, level: float = LEVEL) -> Compared:
    """Return an estimate with the bootstrap draws around it, [draws].

    Args:
        estimate: of all that was measured.
        draws: the same of each resample.
        n: how many files it rests on.
        level: of the interval.
    """
    values = _numbers(draws)
    low, high = np.percentile(values, [50 * (1 - level), 100 - 50 * (1 - level)])

    def beyond(outside: NDArray[np.bool_]) -> float:
        # No resample on the other side is not a proof: one in all of them is the least.
        return max(int(outside.sum()), 1) / len(values)

    return Compared(
        Interval(estimate, float(low), float(high), n),
        lambda other: beyond(values <= other),
        lambda other: beyond(values >= other),
    )


# One file -------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)  # each pair of files asks for the intervals of both
def wilson(correct: int, images: int, level: float = LEVEL) -> Interval:
    """Return Wilson's interval of one file's accuracy.

    Raises:
        ValueError: there are no images, or more correct ones than images.
    """
    if not 0 <= correct <= images or images == 0:
        raise ValueError(f"{correct} correct of {images} images is not possible")
    # Wilson, 1927.
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(correct, images, alpha=1 - level, method="wilson")
    share = correct / images
    # Rounding leaves the limits of 0 and 1 a hair off.
    return Interval(share, min(float(low), share), max(float(high), share), images)


def paired_files(first: ArrayLike, second: ArrayLike, level: float = LEVEL) -> Files:
    """Compare two files on the same images: the exact McNemar test and a paired interval.

    The interval is Newcombe's (Statistics in Medicine 17, 1998, method 10): two Wilson intervals,
    joined by the correlation of the two files. Wald's would have no width where two files never
    disagree, which is what BLQ and F16 often do.

    Args:
        first: for each image whether this file is right, bool [n].
        second: the same of the file that it is compared with, bool [n].
        level: of the interval.

    Raises:
        ValueError: the two are not about the same number of images.
    """
    table = _crossed(first, second)
    (both, only_first), (only_second, neither) = table
    from statsmodels.stats.contingency_tables import mcnemar

    difference = _newcombe(both, only_first, only_second, neither, level)
    return Files(only_first, only_second, difference, float(mcnemar(table, exact=True).pvalue))


def paired_interval(first: ArrayLike, second: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the difference of two files on the same images; as `paired_files`, without its test.

    Raises:
        ValueError: the two are not about the same number of images.
    """
    (both, only_first), (only_second, neither) = _crossed(first, second)
    return _newcombe(both, only_first, only_second, neither, level)


def kappa(first: ArrayLike, second: ArrayLike, level: float = LEVEL) -> Interval:
    """Return Cohen's kappa of two files' errors on the same images, with its asymptotic interval.

    1: they fail on the same images; 0: as often together as chance has it. Where a file is right,
    or wrong, on every image, there is no kappa: NaN.

    Args:
        first: for each image whether this file is right, bool [n].
        second: the same of the other file, bool [n].
        level: of the interval.

    Raises:
        ValueError: the two are not about the same number of images.
    """
    table = np.array(_crossed(first, second), float)
    images = int(table.sum())
    if 0 in (*table.sum(axis=0), *table.sum(axis=1)):
        return Interval(np.nan, np.nan, np.nan, images)
    from scipy import special
    from statsmodels.stats.inter_rater import cohens_kappa

    found = cohens_kappa(table)
    reach = float(special.ndtri((1 + level) / 2)) * float(found.std_kappa)
    estimate = float(found.kappa)
    return Interval(estimate, max(-1.0, estimate - reach), min(1.0, estimate + reach), images)


def _crossed(first: ArrayLike, second: ArrayLike) -> list[list[int]]:
    """Return how many images both files get right, one of them alone, and neither.

    Raises:
        ValueError: the two are not about the same number of images.
    """
    right, other = np.asarray(first, bool), np.asarray(second, bool)
    if right.shape != other.shape or right.ndim != 1 or not len(right):
        raise ValueError("both files must have been shown the same images")
    return [[int((a & b).sum()) for b in (other, ~other)] for a in (right, ~right)]


def compare_files(first: ArrayLike, second: ArrayLike) -> "Compared":
    """Compare two files on the same images: the paired interval, and its tests by inversion.

    The p-value of "the difference is above x" is the level at which the one-sided limit of
    Newcombe's interval reaches x, so that tests and interval cannot disagree.

    Raises:
        ValueError: the two are not about the same number of images.
    """
    files = paired_files(first, second)
    (both, _), (_, neither) = _crossed(first, second)

    def above(value: float) -> float:
        return _newcombe_above(both, files.only_first, files.only_second, neither, value)

    def below(value: float) -> float:
        return _newcombe_above(both, files.only_second, files.only_first, neither, -value)

    return Compared(files.difference, above, below)


_SURE = 1e-12
"""The smallest p-value that an inverted interval gives."""


def _newcombe_above(both: int, first: int, second: int, neither: int, value: float) -> float:
    """Return the one-sided p-value of "first less second is above the value"."""
    n = both + first + second + neither
    estimate = (first - second) / n
    if estimate == value:
        return 0.5
    if estimate < value:
        return 1 - _newcombe_above(both, second, first, neither, -value)

    def short(p: float) -> float:
        return _newcombe(both, first, second, neither, 1 - 2 * p).low - value

    if short(_SURE) > 0:
        return _SURE
    from scipy import optimize

    return float(optimize.brentq(short, _SURE, 0.5 - 1e-9, xtol=1e-12))


def _newcombe(both: int, first: int, second: int, neither: int, level: float) -> Interval:
    n = both + first + second + neither
    one, two = wilson(both + first, n, level), wilson(both + second, n, level)
    phi = _correlation(both, first, second, neither)
    estimate = one.estimate - two.estimate

    def reach(up: float, down: float) -> float:
        # Rounding can bring the square below zero when the two files agree on every image.
        return float(np.sqrt(max(0.0, up**2 - 2 * phi * up * down + down**2)))

    low = estimate - reach(one.estimate - one.low, two.high - two.estimate)
    high = estimate + reach(one.high - one.estimate, two.estimate - two.low)
    return Interval(estimate, low, high, n)


def _correlation(both: int, first: int, second: int, neither: int) -> float:
    """Return phi, with Newcombe's correction for continuity where it is positive."""
    n = both + first + second + neither
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    product = float(both * neither - first * second)
    if product > 0:
        product = max(0.0, product - n / 2)
    return product / float(np.sqrt(float(margins))) if margins else 0.0


# Seeds ----------------------------------------------------------------------------------------


def mean(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the mean of values with its t-interval; one value has no interval.

    Raises:
        ValueError: there are no values.
    """
    numbers = _numbers(values)
    estimate, n = float(numbers.mean()), len(numbers)
    if n == 1:
        return Interval(estimate, np.nan, np.nan, 1)
    reach = _t(level, n) * float(numbers.std(ddof=1)) / n**0.5
    return Interval(estimate, estimate - reach, estimate + reach, n)


def paired(subject: ArrayLike, parent: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the mean of the differences, subject less parent, with its paired t-interval.

    The images' own chance is not added: all pairs are shown the same test images.

    Args:
        subject: a value for each seed, [n].
        parent: the value of the same seed's parent, [n] in the same order.
        level: of the interval.

    Raises:
        ValueError: the two don't pair.
    """
    return mean(_differences(subject, parent), level)


def prediction(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the interval in which a single further measurement is expected.

    t · s · sqrt(1 + 1/k) to both sides of the mean of k values; one value predicts nothing.
    """
    numbers = _numbers(values)
    estimate, k = float(numbers.mean()), len(numbers)
    if k == 1:
        return Interval(estimate, np.nan, np.nan, 1)
    reach = _t(level, k) * float(numbers.std(ddof=1)) * (1 + 1 / k) ** 0.5
    return Interval(estimate, estimate - reach, estimate + reach, k)


def equivalence(differences: ArrayLike, margin: float = MARGIN) -> Equivalence:
    """Test by TOST whether the mean difference lies within the margin on both sides.

    Args:
        differences: one for each pair, [n], n at least 2.
        margin: the largest difference that still counts as none.

    Raises:
        ValueError: there are fewer than two pairs.
    """
    numbers = _numbers(differences)
    return Equivalence(_one_sided(numbers, above=-margin), _one_sided(-numbers, above=-margin))


def compare_pairs(subject: ArrayLike, parent: ArrayLike) -> Compared:
    """Compare two rows of values that are paired by seed, [n] each, n at least 2.

    Raises:
        ValueError: the two don't pair, or are one pair, which decides nothing.
    """
    numbers = _differences(subject, parent)
    _one_sided(numbers, above=0.0)
    return Compared(
        mean(numbers),
        lambda value: _one_sided(numbers, above=value),
        lambda value: _one_sided(-numbers, above=-value),
    )


def compare_means(first: ArrayLike, second: ArrayLike) -> Compared:
    """Compare the means of two rows of values that don't pair (Welch's t), [n] and [m].

    Raises:
        ValueError: one of them has less than two values.
    """
    one, other = _numbers(first), _numbers(second)
    if min(len(one), len(other)) < 2:
        raise ValueError("one value has no spread")
    return Compared(
        _welch(one, other),
        lambda value: _welch_above(one, other, value),
        lambda value: _welch_above(other, one, -value),
    )


def _welch(one: NDArray[np.float64], other: NDArray[np.float64]) -> Interval:
    estimate, n = float(one.mean() - other.mean()), min(len(one), len(other))
    if max(np.ptp(one), np.ptp(other)) < _NOTHING:
        return Interval(estimate, estimate, estimate, n)
    from scipy import stats

    found = stats.ttest_ind(one, other, equal_var=False).confidence_interval(LEVEL)
    return Interval(estimate, float(found.low), float(found.high), n)


def _welch_above(one: NDArray[np.float64], other: NDArray[np.float64], value: float) -> float:
    if max(np.ptp(one), np.ptp(other)) < _NOTHING:
        return float(not one.mean() - other.mean() > value)
    from scipy import stats

    test = stats.ttest_ind(one - value, other, equal_var=False, alternative="greater")
    return float(test.pvalue)


_NOTHING = 1e-12
"""Differences that only rounding tells apart have no spread: their mean is beyond doubt."""


def _one_sided(differences: ArrayLike, above: float) -> float:
    numbers = _numbers(differences)
    if len(numbers) < 2:
        raise ValueError("one pair decides nothing")
    if np.ptp(numbers) < _NOTHING:
        return float(not numbers.mean() > above)
    from scipy import stats

    return float(stats.ttest_1samp(numbers, above, alternative="greater").pvalue)


def _t(level: float, n: int) -> float:
    from scipy import special

    return float(special.stdtrit(n - 1, (1 + level) / 2))


def _numbers(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, float)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError("needs a row of at least one finite number")
    return numbers


def _differences(subject: ArrayLike, parent: ArrayLike) -> NDArray[np.float64]:
    one, other = _numbers(subject), _numbers(parent)
    if one.shape != other.shape:
        raise ValueError(f"{len(one)} values and {len(other)} values don't pair")
    return one - other


# Words ----------------------------------------------------------------------------------------


def judge(differences: ArrayLike, margin: float = MARGIN, alpha: float = ALPHA) -> Word:
    """Return what the differences say, in one word.

    "equivalent" where TOST puts the mean difference within the margin, else "lower" or "higher"
    where the paired t-interval excludes no difference, else "undecided"; "one pair" decides
    nothing, and "none" are no pairs.
    """
    numbers = np.asarray(differences, float)
    if len(numbers) < 2:
        return "one pair" if len(numbers) else "none"
    if equivalence(numbers, margin).p < alpha:
        return "equivalent"
    return _side(mean(numbers, 1 - alpha))


def judge_files(files: Sequence[Files], margin: float = MARGIN) -> Word:
    """Return what pairs of files of the same weights say; every pair must agree.

    "equivalent" where each paired interval lies wholly within the margin, "lower" or "higher"
    where each McNemar test rejects on that side, else "undecided".
    """
    if not files:
        return "none"
    if all(abs(pair.difference.low) < margin > abs(pair.difference.high) for pair in files):
        return "equivalent"
    significant = all(pair.p < ALPHA for pair in files)
    sides = {pair.difference.estimate > 0 for pair in files}
    if significant and len(sides) == 1:
        return "higher" if sides.pop() else "lower"
    return "undecided"


def _side(interval: Interval) -> Word:
    if not interval.excludes(0):
        return "undecided"
    return "higher" if interval.estimate > 0 else "lower"


# Families -------------------------------------------------------------------------------------


def partial_conjunction(p: Sequence[float], least: int) -> float:
    """Return the p-value of "at least so many of these hold" (Benjamini and Heller, 2008).

    With n p-values, (n - u + 1) times the u-th smallest, at most 1; all of them: the largest.

    Raises:
        ValueError: more are asked for than there are, or none.
    """
    if not 1 <= least <= len(p):
        raise ValueError(f"{least} of {len(p)} p-values is not possible")
    return min(1.0, (len(p) - least + 1) * sorted(p)[least - 1])


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's method, in the order given (the family of claims)."""
    return _adjusted(p, "holm")


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted for the false discovery rate (exploration), in the order given."""
    return _adjusted(p, "fdr_bh")


def _adjusted(p: Sequence[float], method: str) -> list[float]:
    if not len(p):
        return []
    if not all(0 <= value <= 1 for value in p):
        raise ValueError("p-values lie between 0 and 1")
    from statsmodels.stats.multitest import multipletests

    # statsmodels collects garbage at each call: a quarter of a second, unless all is set apart.
    gc.freeze()
    try:
        return [float(value) for value in multipletests(list(p), alpha=ALPHA, method=method)[1]]
    finally:
        gc.unfreeze()
