"""The text's statements about its tables, counted in the tables."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from dlmo.paper import Claim
from dlmo.report import text
from dlmo.report.audit.finding import Finding, check
from dlmo.report.audit.rows import each
from dlmo.report.claims.evidence import Cell
from dlmo.report.claims.printed import values
from dlmo.report.claims.words import cell_name
from dlmo.report.comparison_tables import title
from dlmo.report.printed import Printed
from dlmo.report.statistics import MARGIN

TEACHER = 54
"""The depth of the teacher, "ResNet54" (Section 4.2)."""


# Percentages --------------------------------------------------------------------------------------


@check
def quarter_to_half(printed: Printed) -> Finding | None:
    """Count the printed sizes after quantization that are 25 % to 50 % of the original."""
    name = "quantization-size-25-to-50-printed"
    found = _bounded(printed, name, "Sizes after quantization")
    if found is None:
        return None
    ratios = values(printed, printed.claims[name])
    less = [1 - ratio for ratio in ratios.values() if not np.isnan(ratio)]
    by = f"{text.percent(min(less), 0)} to {text.percent(max(less), 0)}"
    wording = f" As printed, decreased by, it would not fit: sizes decrease by {by}. It means to."
    return replace(found, evidence=found.evidence + wording)


@check
def v2_beside_resnet50(printed: Printed) -> Finding | None:
    """Count MobileNet v2's sizes that are 5 % to 10 % of ResNet50's."""
    return _bounded(printed, "v2-5-to-10-percent-printed", "MobileNet v2's sizes beside ResNet50's")


@check
def v3_beside_v2(printed: Printed) -> Finding | None:
    """Count MobileNet v3's sizes that are 141 % to 391 % of MobileNet v2's."""
    name = "v3-141-to-391-percent-of-v2-printed"
    return _bounded(printed, name, "MobileNet v3's sizes beside MobileNet v2's")


@check
def v3_beside_resnet50(printed: Printed) -> Finding | None:
    """Count MobileNet v3's sizes that are 13 % to 37 % of ResNet50's."""
    name = "v3-13-to-37-percent-of-resnet50-printed"
    return _bounded(printed, name, "MobileNet v3's sizes beside ResNet50's")


@check
def accuracy_around_80(printed: Printed) -> Finding | None:
    """Count the quantized networks whose accuracy is around 80 %."""
    return _bounded(printed, "int8-accuracy-80-printed", "Accuracies after quantization")


def _bounded(printed: Printed, name: str, subject: str) -> Finding | None:
    """Compare what a statement says with the range that the tables give."""
    claim = printed.claims.get(name)
    if claim is None or claim.bounds is None:
        return None
    found = {cell: one for cell, one in values(printed, claim).items() if not np.isnan(one)}
    low, high = claim.bounds
    outside = {cell: one for cell, one in found.items() if not _inside(one, low, high)}
    least, most = min(found.values()), max(found.values())
    right = not outside
    evidence = (
        f"The text says “{claim.quote}”. The tables give {text.percent(least)} to "
        f"{text.percent(most)}; "
    )
    evidence += (
        f"all {text.count(len(found), 'value')} are within."
        if right
        else f"{len(outside)} of {len(found)} are outside, rounding allowed."
    )
    return Finding(
        title=subject + (" are as the text says" if right else " are not as the text says"),
        where=claim.place,
        evidence=evidence,
        certainty="certain",
        kind="right" if right else "error",
        table=None if right else _cells(claim, outside),
    )


def _inside(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _cells(claim: Claim, found: dict[Cell, float]) -> pd.DataFrame:
    head = "Accuracy" if claim.metric == "accuracy" else "Share"
    return pd.DataFrame(
        {
            "Outside": [cell_name(cell) for cell in found],
            f"{head} (%)": [text.figure(100 * one, 1) for one in found.values()],
        }
    )


# Comparisons --------------------------------------------------------------------------------------


@check
def quantization_similar_or_better(printed: Printed) -> Finding | None:
    """Find quantized networks that lose more than a point, where the text says none does."""
    names, networks = ("BLQ", "FIQ", "F16", "QAT"), ("vggnet", "resnet50", "resnet101")
    rows = printed.rows
    rows = rows[rows["technique"].isin(names) & rows["network"].isin(networks)]
    less = _less(printed, rows, "NQ")
    worse = less[less["less"] < -MARGIN]
    if worse.empty:
        return None
    return Finding(
        title="Not every quantization is similar to NQ or better",
        where="Section 4.1; Tables 5–7",
        evidence=f"{text.begin(text.number_word(len(worse)))} of {len(less)} rows lose more than "
        f"{text.MARGIN_IN_POINTS}, up to {text.figure(-100 * worse['less'].min(), 1)}.",
        certainty="certain",
        table=_shown(worse, "Less NQ (points)"),
    )


@check
def v2_is_better_than_resnet50(printed: Printed) -> Finding | None:
    """Compare the accuracies of MobileNet v2 and ResNet50."""
    return _ahead(printed, "mobilenet_v2", ("resnet50",), "Section 4.2; Tables 6 and 9")


@check
def v2_is_better_than_v3(printed: Printed) -> Finding | None:
    """Compare the accuracies of MobileNet v2 and v3."""
    others = ("mobilenet_v3_small", "mobilenet_v3_large")
    return _ahead(printed, "mobilenet_v2", others, "Section 4.2; Tables 9–11")


@check
def wrn_is_the_most_accurate(printed: Printed) -> Finding | None:
    """Compare the accuracy of WRN with all others."""
    others = tuple(name for name in dict.fromkeys(printed.rows["network"]) if name != "wrn")
    return _ahead(printed, "wrn", others, "Section 4.2; Table 13")


def _ahead(printed: Printed, network: str, others: Sequence[str], where: str) -> Finding | None:
    """Report that a network is ahead of others wherever both are printed."""
    lead = [
        printed.accuracy(dataset, network, "NQ") - printed.accuracy(dataset, other, "NQ")
        for dataset in ("cifar10", "cifar100")
        for other in others
    ]
    known = [one for one in lead if not np.isnan(one)]
    if not known or min(known) <= 0:
        return None
    rest = text.listing(title(name) for name in others) if len(others) < 4 else "all other networks"
    return Finding(
        title=f"{title(network)} is more accurate than {rest}, as printed",
        where=where,
        evidence=f"It leads by {text.figure(100 * min(known), 1)} to "
        f"{text.figure(100 * max(known), 1)} points in {text.count(len(known), 'comparison')}.",
        certainty="certain",
        kind="right",
    )


@check
def wrn_is_not_the_smallest(printed: Printed) -> Finding | None:
    """Find a network that is smaller than WRN, which is said to have the minimal size."""
    rows = printed.rows[
        (printed.rows["technique"] == "NQ") & (printed.rows["dataset"] == "cifar10")
    ]
    size = printed.size("cifar10", "wrn", "NQ")
    smaller = rows[rows["bytes"] < size]
    if np.isnan(size) or smaller.empty:
        return None
    said = [f"{title(row.network)} with {text.kilobytes(row.bytes)}" for row in each(smaller)]
    return Finding(
        title="WRN does not have the minimal size",
        where="Section 4.2; Tables 5 and 13",
        evidence=f"WRN takes {text.kilobytes(size)} on CIFAR-10; smaller is {text.listing(said)}.",
        certainty="certain",
    )


@check
def v1_is_like_v2(printed: Printed) -> Finding | None:
    """Compare the accuracies of MobileNet v1 and v2, which are said to be similar."""
    less = {
        dataset: printed.accuracy(dataset, "mobilenet_v1", "NQ")
        - printed.accuracy(dataset, "mobilenet_v2", "NQ")
        for dataset in ("cifar10", "cifar100")
    }
    known = {name: one for name, one in less.items() if not np.isnan(one)}
    if not known or max(map(abs, known.values())) <= MARGIN:
        return None
    said = [f"{text.points(one)} points on {title(name)}" for name, one in known.items()]
    return Finding(
        title="MobileNet v1 is not like v2 on both datasets",
        where="Section 4.2; Tables 8 and 9",
        evidence=f"v1 less v2 is {text.listing(said)}; similar is read as within "
        f"{text.MARGIN_IN_POINTS}.",
        certainty="certain",
    )


@check
def pruning_gain_and_capacity(printed: Printed) -> Finding | None:
    """Rank the networks by size and by pruning's gain, which are said to rise together."""
    rows = printed.rows[printed.rows["technique"] == "PRN"]
    less = _less(printed, rows, "NQ").assign(
        size=[printed.size(row.dataset, row.network, "F16") for row in each(rows)]
    )
    taus = {
        str(name): float(stats.kendalltau(group["size"], group["less"]).statistic)
        for name, group in less.groupby("dataset")
        if len(group) > 2
    }
    if not taus or min(taus.values()) >= 1 - 1e-9:
        return None
    said = [f"{text.figure(tau, 2)} on {title(name)}" for name, tau in taus.items()]
    lost = int((less["less"] < 0).sum())
    return Finding(
        title="Pruning's gain does not rise steadily with the size of the network",
        where="Remark 4; Section 4.1; Tables 5–11 and 13",
        evidence=f"Over all networks Kendall's rank correlation of size and gain (PRN less NQ) is "
        f"{text.listing(said)}, where one would be in step. In {lost} of {len(less)} rows the gain "
        "is a loss.",
        certainty="certain",
        table=_shown(less.sort_values(["dataset", "size"]), "PRN less NQ (points)"),
    )


@check
def v3_on_imagenet(printed: Printed) -> Finding | None:
    """Compare Table 12's accuracies of MobileNet v3 with that of v2."""
    base = printed.accuracy("", "mobilenet_v2", "NQ")
    less = {
        name: printed.accuracy("", name, "NQ") - base
        for name in ("mobilenet_v3_small", "mobilenet_v3_large")
    }
    worse = {name: one for name, one in less.items() if one < 0}
    if not worse:
        return None
    said = [f"{title(name)} {text.points(one)} points" for name, one in less.items()]
    return Finding(
        title=f"On ImageNet {text.listing(map(title, worse))} is not better than MobileNet v2",
        where="Section 4.2; Table 12",
        evidence=f"Against v2: {text.listing(said)}.",
        certainty="certain",
    )


@check
def teacher_of_impossible_depth(printed: Printed) -> Finding | None:
    """Check that a residual network for CIFAR can have the teacher's depth, 6n + 2."""
    if "kd-raises-accuracy" not in printed.claims or (TEACHER - 2) % 6 == 0:
        return None
    near = 6 * round((TEACHER - 2) / 6) + 2
    return Finding(
        title=f"There is no residual network of depth {TEACHER} for CIFAR",
        where="Section 4.2",
        evidence=f"Such networks have 6n + 2 layers; the nearest is {near}, which is a published "
        "one.",
        certainty="likely",
    )


def _less(printed: Printed, rows: pd.DataFrame, base: str) -> pd.DataFrame:
    others = [printed.accuracy(row.dataset, row.network, base) for row in each(rows)]
    return rows.assign(less=(rows["accuracy"] - others).round(9)).dropna(subset=["less"])


def _shown(rows: pd.DataFrame, head: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Network": rows["network"].map(title),
            "Technique": rows["technique"],
            "Dataset": rows["dataset"].map(title),
            head: [text.points(one) for one in rows["less"]],
        }
    )
