"""The statistics, against SciPy, statsmodels, other formulas and simulation."""

import math

import numpy as np
import pytest
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from dlmo.report import statistics as judged

PAIRS = [
    ([0.719, 0.722, 0.715, 0.725, 0.718], [0.72, 0.721, 0.716, 0.722, 0.719]),
    ([0.70, 0.71, 0.69], [0.72, 0.721, 0.716]),
    ([0.700, 0.735], [0.71, 0.70]),
]


# One file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("correct", "images"), [(7190, 10_000), (0, 50), (50, 50), (1, 3)])
def test_wilson_is_where_the_score_test_just_rejects(correct, images):
    found = judged.wilson(correct, images)
    z = stats.norm.ppf(0.975)
    for limit in (found.low, found.high):
        if min(limit, 1 - limit) < 1e-9:
            continue
        score = abs(correct / images - limit) / math.sqrt(limit * (1 - limit) / images)
        assert score == pytest.approx(z, rel=1e-6)
    assert found.low <= found.estimate <= found.high


@pytest.mark.parametrize(("correct", "images"), [(0, 0), (5, 4), (-1, 4)])
def test_wilson_refuses_what_cannot_be(correct, images):
    with pytest.raises(ValueError, match="not possible"):
        judged.wilson(correct, images)


def images(both, first, second, neither):
    right = [1] * both + [1] * first + [0] * second + [0] * neither
    other = [1] * both + [0] * first + [1] * second + [0] * neither
    return np.array(right, bool), np.array(other, bool)


@pytest.mark.parametrize(("first", "second"), [(12, 2), (30, 31), (0, 7), (0, 0)])
def test_mcnemar_is_the_binomial_test_of_the_disagreements(first, second):
    found = judged.paired_files(*images(700, first, second, 250))
    assert (found.only_first, found.only_second) == (first, second)
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert found.p == pytest.approx(expected)


def tango(both, first, second, neither, level=0.95):
    """Tango's score interval of a paired difference, by its own equation and a root finder."""
    n, z = both + first + second + neither, stats.norm.ppf((1 + level) / 2)

    def score(delta):
        a, b = 2 * n, -first - second + (2 * n - first + second) * delta
        q = (math.sqrt(b * b - 4 * a * (-second * delta * (1 - delta))) - b) / (2 * a)
        spread = n * (2 * q + delta * (1 - delta))
        return (first - second - n * delta) / math.sqrt(max(spread, 1e-300))

    middle = (first - second) / n
    return (
        optimize.brentq(lambda delta: score(delta) - z, -1 + 1e-9, middle - 1e-12),
        optimize.brentq(lambda delta: score(delta) + z, middle + 1e-12, 1 - 1e-9),
    )


@pytest.mark.parametrize("counts", [(7100, 40, 55, 2805), (7000, 300, 200, 2500), (36, 12, 2, 0)])
def test_the_paired_interval_is_close_to_tangos(counts):
    found = judged.paired_files(*images(*counts)).difference
    n = sum(counts)
    assert found.estimate == pytest.approx((counts[1] - counts[2]) / n)
    low, high = tango(*counts)
    tolerance = 0.15 * (high - low)
    assert found.low == pytest.approx(low, abs=tolerance)
    assert found.high == pytest.approx(high, abs=tolerance)


def test_files_that_never_disagree_have_a_narrow_interval_but_one():
    found = judged.paired_files(*images(7190, 0, 0, 2810)).difference
    assert found.estimate == 0
    assert 0 < found.high < 0.001
    assert found.low == pytest.approx(-found.high)


def test_the_paired_interval_covers_at_its_level():
    chance, truth = np.random.default_rng(0), 0.02
    hits = 0
    for _ in range(400):
        drawn = chance.multinomial(500, [0.70, 0.05, 0.05 - truth, 0.20 + truth])
        found = judged._newcombe(*map(int, drawn), 0.95)
        hits += found.low <= truth <= found.high
    assert 0.92 <= hits / 400 <= 0.985


def test_files_must_have_seen_the_same_images():
    with pytest.raises(ValueError, match="same images"):
        judged.paired_files([True, False], [True])
    with pytest.raises(ValueError, match="same images"):
        judged.paired_files([], [])


# Seeds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("subject", "parent"), PAIRS)
def test_the_paired_interval_is_scipys_and_statsmodels(subject, parent):
    found = judged.paired(subject, parent)
    expected = stats.ttest_rel(subject, parent).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    described = DescrStatsW(np.subtract(subject, parent)).tconfint_mean(0.05)
    assert (found.low, found.high) == pytest.approx(described)
    assert found.n == len(subject)


def test_the_width_is_what_the_design_says():
    for n, standard_deviations in ((3, 2.5), (5, 1.2)):
        found = judged.mean(np.arange(n, dtype=float))
        reach = found.width / 2 / np.arange(n).std(ddof=1)
        assert reach == pytest.approx(standard_deviations, abs=0.05)


def test_one_pair_has_no_interval_and_decides_nothing():
    found = judged.paired([0.7], [0.6])
    assert found.estimate == pytest.approx(0.1)
    assert math.isnan(found.low) and math.isnan(found.high)
    assert not found.excludes(0)
    assert judged.judge([0.1]) == "one pair"
    assert judged.judge([]) == "none"
    with pytest.raises(ValueError, match="one pair"):
        judged.equivalence([0.1])


@pytest.mark.parametrize(("subject", "parent"), PAIRS)
@pytest.mark.parametrize("margin", [0.003, 0.01, 0.05])
def test_equivalence_is_statsmodels_tost(subject, parent, margin):
    found = judged.equivalence(np.subtract(subject, parent), margin)
    p, (_, above, _), (_, below, _) = ttost_paired(
        np.array(subject), np.array(parent), -margin, margin
    )
    assert (found.p_above, found.p_below) == pytest.approx((above, below))
    assert found.p == pytest.approx(p)


@pytest.mark.parametrize(("subject", "parent"), PAIRS)
def test_non_inferiority_and_superiority_are_one_sided_t_tests(subject, parent):
    differences = np.subtract(subject, parent)
    n, spread = len(differences), differences.std(ddof=1)
    found = judged.compare_pairs(subject, parent)
    for edge in (-0.01, 0.0):
        t = (differences.mean() - edge) / (spread / math.sqrt(n))
        assert found.above(edge) == pytest.approx(stats.t.sf(t, n - 1))


@pytest.mark.parametrize(
    ("differences", "word"),
    [
        ([0.001, -0.002, 0.0, 0.001, -0.001], "equivalent"),
        ([0.004, 0.005, 0.006, 0.005, 0.0045], "equivalent"),  # small, though surely not zero
        ([-0.03, -0.028, -0.034, -0.031, -0.03], "lower"),
        ([0.03, 0.028, 0.034], "higher"),
        ([0.03, -0.02, 0.01], "undecided"),
        ([0.0, 0.0, 0.0], "equivalent"),
        ([-0.02, -0.02], "lower"),
        ([0.01, 0.01], "higher"),  # on the margin is not within it
    ],
)
def test_the_words(differences, word):
    assert judged.judge(differences) == word


def test_equivalence_is_the_90_percent_interval_within_the_margin():
    chance = np.random.default_rng(1)
    for _ in range(200):
        differences = chance.normal(0.004, 0.006, size=5)
        inside = judged.mean(differences, 0.90)
        within = inside.low > -0.01 and inside.high < 0.01
        assert (judged.judge(differences) == "equivalent") == within


def test_every_pair_of_files_must_agree():
    same = judged.paired_files(*images(7000, 10, 12, 2978))
    worse = judged.paired_files(*images(6800, 100, 400, 2700))
    better = judged.paired_files(*images(6800, 400, 100, 2700))
    assert judged.judge_files([same, same]) == "equivalent"
    assert judged.judge_files([worse, worse]) == "lower"
    assert judged.judge_files([better]) == "higher"
    assert judged.judge_files([same, worse]) == "undecided"
    assert judged.judge_files([better, worse]) == "undecided"
    assert judged.judge_files([]) == "none"


def test_the_prediction_interval_covers_the_next_value():
    chance, hits = np.random.default_rng(2), 0
    for _ in range(2000):
        *seen, following = chance.normal(0.7, 0.004, size=6)
        found = judged.prediction(seen)
        hits += found.low <= following <= found.high
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)
    wide, narrow = judged.prediction([1.0, 2, 3, 4]), judged.mean([1.0, 2, 3, 4])
    assert wide.width / narrow.width == pytest.approx(math.sqrt(5))
    assert math.isnan(judged.prediction([0.7]).low)


@pytest.mark.parametrize("wrong", [[], [math.nan, 1.0], [math.inf], [[1.0, 2.0]]])
def test_what_is_no_row_of_numbers_is_refused(wrong):
    with pytest.raises(ValueError, match="finite"):
        judged.mean(wrong)


def test_rows_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="pair"):
        judged.paired([0.1, 0.2], [0.1])


# Families -------------------------------------------------------------------------------------


def test_families_are_adjusted_by_hand_and_by_statsmodels():
    p = [0.01, 0.04, 0.03, 0.005]
    assert judged.holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert judged.benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert judged.holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert judged.benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p).tolist())
    assert judged.holm([]) == []
    with pytest.raises(ValueError, match="between 0 and 1"):
        judged.holm([0.2, math.nan])
