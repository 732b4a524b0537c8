"""How much the paper's accuracies scatter, and what its test set can show."""

import numpy as np
import pandas as pd
from scipy import stats

from dlmo.report import text
from dlmo.report.audit.finding import Finding, check
from dlmo.report.audit.rows import KD, each, measured_pairs
from dlmo.report.cited import cited
from dlmo.report.comparison_tables import title
from dlmo.report.printed import Printed
from dlmo.report.statistics import ALPHA, LEVEL

IMAGES = 10_000
"""The test images of CIFAR-10 and of CIFAR-100."""


@check
def resolution_of_the_test_images(printed: Printed) -> Finding | None:
    """Count the differences to NQ that so many test images can't tell from none."""
    less = differences(printed)
    if less.empty:
        return None
    shown = less["p"] < ALPHA
    reach = stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt(2 * 0.8 * 0.2 / IMAGES)
    return Finding(
        title="Most differences are smaller than the test images can show",
        where="Tables 5–11 and 13",
        evidence=f"Two networks near {text.percent(0.8, 0)} must differ by "
        f"{text.figure(100 * reach, 1)} points before {text.figure(IMAGES, 0)} test images tell "
        f"them apart at {text.percent(ALPHA, 0)}. Of the {len(less)} printed differences to NQ, "
        f"{int((~shown).sum())} are not that large. Conversions of the same weights would be told "
        "apart sooner, had the paper compared them image by image; the spread between trainings "
        "comes on top, and no row was repeated.",
        certainty="certain",
        kind="limit",
        table=_by_technique(less),
    )


@cited
def differences(printed: Printed) -> pd.DataFrame:
    """Return each printed accuracy less that of NQ, and its p-value for unpaired files."""
    printed.note()
    rows = printed.rows[~printed.rows["technique"].isin(["NQ", *KD])]
    lines = []
    for row in each(rows):
        base = printed.accuracy(row.dataset, row.network, "NQ")
        error = np.sqrt((row.accuracy * (1 - row.accuracy) + base * (1 - base)) / IMAGES)
        p = float(2 * stats.norm.sf(abs(row.accuracy - base) / error))
        name = {"dataset": row.dataset, "network": row.network, "technique": row.technique}
        lines.append({**name, "less": row.accuracy - base, "p": p})
    return pd.DataFrame(lines)


def _by_technique(less: pd.DataFrame) -> pd.DataFrame:
    groups = less.groupby("technique", sort=False)
    return pd.DataFrame(
        {
            "Technique": list(groups.groups),
            "Differences": [str(len(group)) for _, group in groups],
            "Lowest": [text.points(group["less"].min()) for _, group in groups],
            "Highest": [text.points(group["less"].max()) for _, group in groups],
            "Too small to show": [str(int((group["p"] >= ALPHA).sum())) for _, group in groups],
        }
    )


@check
def f16_noise(printed: Printed) -> Finding | None:
    """Take F16 less NQ, which rounding can't explain, for an estimate of the paper's noise."""
    less = _less(printed, "F16")
    if less.empty or less.abs().max() <= ROUNDING:
        return None
    noise = spread(less)
    equal = _less(printed, "BLQ")
    return Finding(
        title="F16 and NQ are separate trainings, and show how much one training scatters",
        where="Tables 5–11 and 13",
        evidence=f"Halving the bits of a weight hardly moves accuracy{_ours(printed)}; the printed "
        f"F16 less NQ runs from {text.points(less.min())} to {text.points(less.max())} points over "
        f"{text.count(len(less), 'pair')}. So the two were "
        "trained apart, and their differences estimate the scatter of one training: a standard "
        f"deviation of {text.figure(100 * noise, 1)} points. BLQ less NQ has "
        f"{text.figure(100 * spread(equal), 1)}.",
        certainty="very likely",
        kind="limit",
        table=_pairs(printed, less),
    )


ROUNDING = 0.005
"""What rounding to half the bits can do to an accuracy, generously: half a point."""


def spread(less: "pd.Series[float]") -> float:
    """Return the standard deviation of one training from differences of two: their RMS by √2."""
    return float(np.sqrt((less**2).mean() / 2))


def _less(printed: Printed, technique: str) -> "pd.Series[float]":
    found = differences(printed)
    if found.empty:
        return pd.Series(dtype=float)
    return found[found["technique"] == technique].set_index(["network", "dataset"])["less"]


def _ours(printed: Printed) -> str:
    """Say what F16 does to our files."""
    both = measured_pairs(printed.ours, "F16")
    if both.empty:
        return ""
    less = (both["accuracy_x"] - both["accuracy_y"]).dropna().abs()
    if less.empty:
        return ""
    pairs = text.count(len(less), "pair")
    return f" (in our {pairs} of files by {text.figure(100 * less.max(), 2)} points at most)"


def _pairs(printed: Printed, less: "pd.Series[float]") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Network": [title(network) for network, _ in less.index],
            "Dataset": [title(dataset) for _, dataset in less.index],
            "F16 less NQ (points)": [text.points(value) for value in less],
        }
    )


@check
def pruned_weights_quantized(printed: Printed) -> Finding | None:
    """Check that PRQ has PRN's accuracy, as rounding the same weights would have it."""
    rows = printed.rows[printed.rows["technique"] == "PRQ"]
    less = np.array(
        [row.accuracy - printed.accuracy(row.dataset, row.network, "PRN") for row in each(rows)]
    )
    if not len(less) or np.nanmax(np.abs(less)) > ROUNDING:
        return None
    return Finding(
        title="PRQ rounds the weights of PRN",
        where="Tables 5–11 and 13",
        evidence=f"PRQ less PRN is {text.points(less.min())} to {text.points(less.max())} points "
        f"in all {text.count(len(less), 'pair')}: what rounding the same weights would do, and "
        "what separate trainings would not.",
        certainty="very likely",
        kind="right",
    )
