"""What the printed latencies can and can't be."""

import numpy as np
import pandas as pd

from dlmo.report import text
from dlmo.report.audit.finding import Finding, check
from dlmo.report.audit.rows import described, each
from dlmo.report.comparison_tables import title
from dlmo.report.printed import Printed

CORE = 2 * 16 * 5e9
"""Multiply-accumulates a second of one large processor core: two units of 16 lanes at 5 GHz."""

BYTES = 4
"""Of a float weight."""

ALIKE = 0.1
"""How far two files of one network may be apart in size and still be the same amount of work."""


@check
def latency_for_all_images(printed: Printed) -> Finding | None:
    """Ask what it would take if the printed latency were for all test images."""
    claim = printed.claims.get("latency-of-10000-images")
    rows = printed.rows[printed.rows["technique"] == "NQ"].copy()
    if claim is None or rows.empty:
        return None
    images = claim.numbers["images"]
    # Every weight is used at least once for an image; convolutions use theirs many times.
    rows["rate"] = rows["bytes"] / BYTES * images / (rows["latency_ms"] / 1000)
    rows["times"] = rows["rate"] / CORE
    beyond = rows[rows["times"] > 1]
    if beyond.empty:
        return None
    return Finding(
        title="The printed latency is not that of all test images",
        where="Section 4.1; Tables 5–11 and 13",
        evidence=f"Were it the time for {text.figure(images, 0)} images, then "
        f"{len(beyond)} of {len(rows)} networks would need more than a large processor core can "
        f"compute, up to {text.figure(rows['times'].max(), 0)} times as much, even if each weight "
        f"were used only once for an image.{_ours(printed, images)} Milliseconds for one image "
        "fit a small device.",
        certainty="very likely",
        table=described(beyond, times="Of a core, at least"),
    )


def _ours(printed: Printed, images: float) -> str:
    """Say how the weights of a measured network are really used."""
    ours = printed.ours
    if ours.empty or "macs" not in ours:
        return ""
    known = ours.dropna(subset=["macs"]).drop_duplicates("network")
    said = []
    for row in each(known):
        printed_ms = printed.latency(row.dataset, row.network, "NQ")
        if not np.isnan(printed_ms):
            times = float(row.macs) * images / (printed_ms / 1000) / CORE
            said.append(f"{title(row.network)}, counted exactly, {text.figure(times, 0)} times")
    return f" {text.begin(text.listing(said))}." if said else ""


@check
def latency_of_one_network(printed: Printed) -> Finding | None:
    """Compare the latencies of one network on both datasets: only the last layer differs."""
    rows = _both(printed)
    scattered = rows[(rows["times"] > TWICE) | (rows["times"] < 1 / TWICE)]
    if scattered.empty:
        return None
    return Finding(
        title="The same network takes very different times on the two datasets",
        where="Tables 6–11 and 13",
        evidence="With ten times the classes only the last layer grows, and these files by less "
        f"than {text.percent(ALIKE, 0)}. Yet the printed latencies of the "
        f"{text.count(len(rows), 'pair')} differ by factors of "
        f"{text.figure(rows['times'].min(), 2)} to {text.figure(rows['times'].max(), 2)}, "
        f"{text.number_word(len(scattered))} of them beyond {text.figure(TWICE, 1)}. "
        "Ratios of latencies in these tables are no more certain than that.",
        certainty="certain",
        kind="limit",
        table=_times(scattered),
    )


TWICE = 1.5
"""From which factor on two latencies of the same work are called very different."""


def _both(printed: Printed) -> pd.DataFrame:
    rows = printed.rows[printed.rows["dataset"] == "cifar10"].copy()
    names = list(rows[["network", "technique"]].itertuples(index=False, name=None))
    rows["size"] = [printed.size("cifar100", *name) for name in names]
    rows["other"] = [printed.latency("cifar100", *name) for name in names]
    alike = (rows["size"] / rows["bytes"] - 1).abs() < ALIKE
    rows = rows[alike & rows["other"].notna()]
    return rows.assign(times=rows["other"] / rows["latency_ms"])


def _times(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Network": rows["network"].map(title),
            "Technique": rows["technique"],
            "CIFAR-10 (ms)": [f"{value:g}" for value in rows["latency_ms"]],
            "CIFAR-100 (ms)": [f"{value:g}" for value in rows["other"]],
            "Factor": [text.figure(value, 2) for value in rows["times"]],
        }
    )


@check
def pruning_is_not_always_faster(printed: Printed) -> Finding | None:
    """Compare PRN's latencies with NQ's, which Remark 3 says pruning shortens."""
    rows = printed.rows[printed.rows["technique"] == "PRN"].copy()
    rows["base"] = [printed.latency(row.dataset, row.network, "NQ") for row in each(rows)]
    rows["times"] = rows["latency_ms"] / rows["base"]
    rows = rows.dropna(subset=["times"])
    slower = rows[rows["times"] >= 1]
    if rows.empty or slower.empty:
        return None
    return Finding(
        title="Pruning does not shorten every printed latency",
        where="Remark 3; Tables 5–11 and 13",
        evidence=f"In {len(slower)} of {len(rows)} rows PRN takes as long as NQ or longer.",
        certainty="certain",
        table=described(slower, times="Times NQ"),
    )


@check
def f16_is_the_fastest_quantization(printed: Printed) -> Finding | None:
    """Compare F16's latencies with those of the 8-bit files."""
    rows = printed.rows[printed.rows["technique"] == "F16"]
    others = ("BLQ", "FIQ", "QAT")
    ratios = [
        printed.latency(row.dataset, row.network, name) / row.latency_ms
        for row in each(rows)
        for name in others
    ]
    known = [ratio for ratio in ratios if not np.isnan(ratio)]
    if not known or min(known) <= 1:
        return None
    return Finding(
        title="F16 is the fastest of the printed quantizations",
        where="Section 4.1; Tables 5–11 and 13",
        evidence=f"The 8-bit files take {text.figure(min(known), 1)} to "
        f"{text.figure(max(known), 0)} times F16's latency in all {len(known)} comparisons.",
        certainty="certain",
        kind="right",
    )
