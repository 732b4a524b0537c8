"""Would zeros make a file faster? What XNNPACK's sparse kernels ask for, held against the file.

XNNPACK computes a network with its sparse kernels only where all of these hold: the processor is
an Arm one (on x86 with AVX its authors expect the dense kernels to be faster, and the sparse ones
are off); the network begins with a 3×3 convolution of stride 2 on 3 channels; and at least two
thirds of the weights of a 1×1 convolution are zero. Only 1×1 convolutions become sparse.
"""

from dataclasses import dataclass

import pandas as pd

from dlmo import deployable
from dlmo.deployable import Deployable
from dlmo.report import tables, text
from dlmo.report.cited import Table, cited
from dlmo.report.methods.files import Files
from dlmo.report.text import MISSING

LEAST = 2 / 3
"""The share of zeros from which a 1×1 convolution becomes sparse."""


@dataclass(frozen=True)
class Need:
    """What a file offers to the sparse kernels.

    Attributes:
        stem: whether it begins with a 3×3 convolution of stride 2 on 3 channels.
        pointwise: how many 1×1 convolutions it has.
        sparse: how many of these have enough zeros.
        share: of all multiplications, that these compute.
    """

    stem: bool
    pointwise: int
    sparse: int
    share: float


def need(found: Deployable) -> Need:
    """Return what a file offers to the sparse kernels."""
    convolutions = [node for node in found.nodes if node.name == "CONV_2D"]
    kernels = [(node, deployable.kernel(found, node)) for node in convolutions]
    shapes = [(node, kernel) for node, kernel in kernels if kernel is not None]
    stem = bool(shapes) and _is_stem(*shapes[0])
    pointwise = [(node, one) for node, one in shapes if one.shape[1:3] == (1, 1)]
    enough = [node for node, one in pointwise if 1 - one.nonzero() / max(1, one.elements) >= LEAST]
    share = sum(node.macs for node in enough) / max(1, found.macs)
    return Need(stem, len(pointwise), len(enough), share)


def _is_stem(node: deployable.Operator, kernel: deployable.Tensor) -> bool:
    return kernel.shape[1:] == (3, 3, 3) and node.options.stride == (2, 2)


@cited
def table(files: Files, latencies: pd.DataFrame) -> Table:
    """Return, for the pruned files, which conditions hold, and what was measured.

    Args:
        files: of one seed.
        latencies: of `read.latencies`.
    """
    lines = []
    for technique in ("PRN", "PRQ"):
        found = files.read(technique)
        line = {"Technique": technique}
        if found is None:
            lines.append(line | {"Measured (ratio to NQ)": MISSING})
            continue
        offered = need(found)
        lines.append(
            line
            | {
                "Arm processor": _arm(latencies),
                "Stem 3×3, stride 2": _word(offered.stem),
                "1×1 convolutions": str(offered.pointwise),
                "with enough zeros": str(offered.sparse),
                "Multiplications in these (%)": text.figure(100 * offered.share, 1),
                "Measured (ratio to NQ)": _measured(latencies, technique),
            }
        )
    caption = "What XNNPACK's sparse kernels ask for, and what the pruned files offer."
    return tables.styled(pd.DataFrame(lines), caption=caption, name="sparse")


def _arm(latencies: pd.DataFrame) -> str:
    """Say whether the processor of the records is an Arm one."""
    return _word("NEON" in str(latencies["sets"].iloc[0])) if len(latencies) else MISSING


def _word(holds: bool) -> str:
    return "yes" if holds else "no"


def _measured(latencies: pd.DataFrame, technique: str) -> str:
    chosen = latencies[(latencies["technique"] == technique) & (latencies["threads"] == 1)]
    today = chosen[chosen["where"].str.startswith("LiteRT") & (chosen["kernels"] == "xnnpack")]
    if today.empty or pd.isna(today["ratio"].iloc[0]):
        return MISSING
    return text.ratio(float(today["ratio"].iloc[0]))


@cited
def sentence(files: Files) -> str:
    """Say whether zeros could make the pruned file faster, and where."""
    found = files.read("PRN")
    if found is None:
        return f"What PRN's file offers to the sparse kernels is {MISSING}."
    offered = need(found)
    lacking = [] if offered.stem else ["a stem with stride two"]
    lacking += [] if offered.pointwise else ["any pointwise convolution"]
    if lacking:
        return (
            f"This network lacks {text.listing(lacking)}: its zeros are multiplied like any other "
            "number on every processor."
        )
    return (
        f"Of its {text.count(offered.pointwise, 'pointwise convolution')} "
        f"{text.number_word(offered.sparse)} have enough zeros, with "
        f"{text.percent(offered.share, 0)} of all multiplications: on an Arm processor these could "
        "become sparse, on x86 they do not."
    )
