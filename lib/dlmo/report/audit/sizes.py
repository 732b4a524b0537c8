"""What the printed sizes tell: which are zipped, and which network a file really holds."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dlmo.report import text
from dlmo.report.audit.finding import Finding, check
from dlmo.report.audit.rows import described, each, kb, measured_pairs
from dlmo.report.comparison_tables import title
from dlmo.report.printed import Printed

CLASSES = {"cifar10": 10, "cifar100": 100}
"""The outputs of the two datasets."""

BYTES = {"NQ": 4, "F16": 2}
"""Of a weight in the two kinds of float file."""


@dataclass(frozen=True)
class Published:
    """What a publication says about a network.

    Attributes:
        width: the inputs of its last layer.
        source: the paper's reference for it.
    """

    width: int
    source: str


PUBLISHED = {
    "vggnet": Published(4096, "Simonyan and Zisserman, 2014"),
    "resnet50": Published(2048, "He et al., 2016"),
    "resnet101": Published(2048, "He et al., 2016"),
    "mobilenet_v1": Published(1024, "Howard et al., 2017"),
    "mobilenet_v2": Published(1280, "Sandler et al., 2018"),
    "mobilenet_v3_small": Published(1024, "Howard et al., 2019"),
    "mobilenet_v3_large": Published(1280, "Howard et al., 2019"),
}
"""WRN's last layer is 64 times its widening factor wide, which the paper doesn't name."""

WRN_BASE = 64
"""Inputs of a wide residual network's last layer with a widening factor of one."""

SMALLEST_VGG = 9_220_480
"""Weights and biases of the convolutions of the smallest published VGG (configuration A)."""

NEAR = 0.05
"""How far a width from rounded kilobytes may be off."""


@check
def zipped_pruned_files(printed: Printed) -> Finding | None:
    """Find pruned files that are smaller than files of so many numbers can be."""
    pruned = _ratios(printed, "PRN", "NQ")
    rounded = _ratios(printed, "PRQ", "BLQ")
    smaller = pruned[pruned["ratio"] < 0.9]
    if smaller.empty:
        return None
    usual = smaller["ratio"].quantile([0.05, 0.95])
    return Finding(
        title="The sizes of PRN and PRQ are those of zipped files, all others are not",
        where="Tables 5–11 and 13",
        evidence="A pruned file holds as many numbers as before, zeros among them, and is as large "
        f"until it is zipped. The printed PRN sizes are {text.figure(pruned['ratio'].median(), 2)} "
        f"of NQ's (median; most from {text.figure(usual.iloc[0], 2)} to "
        f"{text.figure(usual.iloc[1], 2)}), the PRQ sizes "
        f"{text.figure(rounded['ratio'].median(), 2)} of BLQ's.{_ours(printed)} No other row is "
        "zipped, so sizes of pruned and of quantized files are not counted alike.",
        certainty="very likely",
        table=described(smaller, ratio="PRN / NQ"),
    )


def _ratios(printed: Printed, technique: str, other: str) -> pd.DataFrame:
    rows = printed.rows[printed.rows["technique"] == technique].copy()
    sizes = [printed.size(row.dataset, row.network, other) for row in each(rows)]
    rows["ratio"] = rows["bytes"] / sizes
    return rows.dropna(subset=["ratio"])


def _ours(printed: Printed) -> str:
    """Say what zipping does to our pruned files."""
    both = measured_pairs(printed.ours, "PRN")
    if both.empty or (both := both.dropna(subset=["bytes_x", "bytes_y"])).empty:
        return ""
    plain = (both["bytes_x"] / both["bytes_y"]).astype(float).median()
    zipped = (both["zipped_bytes_x"] / both["bytes_y"]).astype(float).median()
    return (
        f" Our PRN files are {text.figure(plain, 2)} of NQ's as they are and "
        f"{text.figure(zipped, 2)} of it zipped."
    )


# The last layer tells the network -----------------------------------------------------------------


def widths(printed: Printed) -> Iterator[tuple[str, float]]:
    """Yield for each network the inputs of its last layer, from the growth with the classes.

    Ninety more classes are ninety more columns of as many weights, and a bias each. Where a size is
    misprinted the other kind of file tells.
    """
    more = CLASSES["cifar100"] - CLASSES["cifar10"]
    for network in dict.fromkeys(printed.rows["network"]):
        found = []
        for technique, size in BYTES.items():
            sizes = [printed.size(dataset, network, technique) for dataset in CLASSES]
            found.append((sizes[1] - sizes[0]) / (more * size) - 1)
        # The file of four bytes a weight is the sharper one.
        known = [width for width in found if width > 0]
        if known:
            yield network, known[0]


@check
def last_layers_that_fit(printed: Printed) -> Finding | None:
    """Find the networks whose growth with the classes is that of the published network."""
    fit = [(name, width) for name, width in widths(printed) if _fits(name, width)]
    if not fit:
        return None
    said = [f"{title(name)} {text.figure(PUBLISHED[name].width, 0)}" for name, _ in fit]
    return Finding(
        title="Sizes grow with the classes as those of the named networks do",
        where="Tables 5–11 and 13",
        evidence="From CIFAR-10 to CIFAR-100 only the last layer grows, by ninety times its inputs "
        f"and a bias. The printed growth gives the published number: {text.listing(said)}.",
        certainty="very likely",
        kind="right",
        table=_widths(fit),
    )


@check
def last_layers_that_do_not_fit(printed: Printed) -> Finding | None:
    """Find the networks whose growth with the classes is that of another network."""
    others = [
        (name, width)
        for name, width in widths(printed)
        if name in PUBLISHED and not _fits(name, width)
    ]
    if not others:
        return None
    said = [
        f"{title(name)} about {text.figure(width, 0)} instead of "
        f"{text.figure(PUBLISHED[name].width, 0)}"
        for name, width in others
    ]
    return Finding(
        title=f"{text.listing(title(name) for name, _ in others)}: not the published last layer",
        where=text.listing(_tables(printed, [name for name, _ in others])),
        evidence=f"The growth from CIFAR-10 to CIFAR-100 gives the inputs of the last layer: "
        f"{text.listing(said)}.",
        certainty="very likely",
        table=_widths(others),
    )


def _tables(printed: Printed, networks: Collection[str]) -> list[str]:
    numbers = sorted(set(printed.rows["table"][printed.rows["network"].isin(networks)]))
    return [f"Table {number}" for number in numbers]


def _fits(name: str, width: float) -> bool:
    return name in PUBLISHED and abs(width / PUBLISHED[name].width - 1) < NEAR


def _widths(rows: list[tuple[str, float]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Network": [title(name) for name, _ in rows],
            "From the sizes": [text.figure(width, 0) for _, width in rows],
            "Published": [text.figure(PUBLISHED[name].width, 0) for name, _ in rows],
            "Source": [PUBLISHED[name].source for name, _ in rows],
        }
    )


@check
def wide_network_that_is_not_wide(printed: Printed) -> Finding | None:
    """Find the widening factor of WRN from the growth of its last layer."""
    growth = [printed.size(dataset, "wrn", "F16") for dataset in CLASSES]
    width = (growth[1] - growth[0]) / (
        (CLASSES["cifar100"] - CLASSES["cifar10"]) * BYTES["F16"]
    ) - 1
    if np.isnan(width) or round(width / WRN_BASE) != 1:
        return None
    return Finding(
        title="The wide residual network is not wide",
        where="Table 13",
        evidence="The last layer of a wide residual network has 64 inputs times the widening "
        f"factor. From CIFAR-10 to CIFAR-100 its F16 file grows by {kb(growth[1] - growth[0])} KB, "
        f"about {text.figure(width, 0)} inputs: a factor of one, the plain residual network of the "
        "same depth. The published networks are two to twelve times as wide.",
        certainty="very likely",
    )


@check
def vggnet_of_another_kind(printed: Printed) -> Finding | None:
    """Compare the size of VGGNet with the smallest that was published."""
    size = printed.size("cifar10", "vggnet", "NQ")
    weights = size / BYTES["NQ"]
    if np.isnan(size) or weights > SMALLEST_VGG / 2:
        return None
    return Finding(
        title="VGGNet is not one of the published networks of that name",
        where="Table 5",
        evidence=f"{kb(size)} KB are at most {text.figure(weights, 0)} weights of four bytes. The "
        f"convolutions of the smallest published VGG alone have {text.figure(SMALLEST_VGG, 0)}, "
        f"{text.figure(SMALLEST_VGG / weights, 0)} times as many.",
        certainty="certain",
    )


@check
def more_weights_than_on_imagenet(printed: Printed) -> Finding | None:
    """Find files with more weights than Table 12 gives the same network with more classes."""
    lines = []
    for row in each(printed.imagenet):
        size = printed.size("cifar10", row.network, "NQ")
        quoted = float(str(row.parameters).removesuffix("M")) * 1e6
        lines.append({"network": row.network, "held": size / BYTES["NQ"], "quoted": quoted})
    rows = pd.DataFrame(lines, columns=["network", "held", "quoted"]).dropna()
    over = rows[rows["held"] > rows["quoted"]]
    if over.empty:
        return None
    said = [
        f"{title(row.network)} holds {_millions(row.held)} weights on CIFAR-10, Table 12 gives it "
        f"{_millions(row.quoted)}"
        for row in each(over)
    ]
    return Finding(
        title=f"{text.listing(map(title, over['network']))} hold more weights than Table 12 says",
        where="Tables 10, 11 and 12",
        evidence=f"{text.begin('; '.join(said))}. Table 12's are for ImageNet's thousand classes, "
        "so that ours should be fewer: these are not the networks whose accuracy Table 12 quotes. "
        "Squeeze-and-excite blocks that do not squeeze would explain the surplus.",
        certainty="very likely",
        table=_held(rows),
    )


def _millions(weights: float) -> str:
    return f"{text.figure(weights / 1e6, 1)} million"


def _held(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Network": rows["network"].map(title),
            "Held on CIFAR-10 (millions)": [text.figure(one / 1e6, 2) for one in rows["held"]],
            "Table 12, ImageNet (millions)": [text.figure(one / 1e6, 1) for one in rows["quoted"]],
        }
    )
