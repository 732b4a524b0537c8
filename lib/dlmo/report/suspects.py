"""Printed numbers that cannot be right, found by arithmetic on the paper's own tables.

Only what no measurement is needed for; the audit page says more, and how certain it is.
"""

import pandas as pd

from dlmo import paper
from dlmo.report.cited import cited

Mark = tuple[int, str, str, str]
"""A printed cell: number of the table, dataset (in Table 14 the network), technique, and which of
accuracy, size and latency."""

_DISTILLED = 14


@cited
def cells() -> frozenset[Mark]:
    """Return every printed cell that cannot be right."""
    rows = paper.results()
    return frozenset((*_grown(rows), *_changed(rows), *_shared(rows)))


def _grown(rows: pd.DataFrame) -> list[Mark]:
    """Return sizes of NQ that are below those of the same network with fewer bits."""
    marks: list[Mark] = []
    for _, part in rows.groupby(["table", "dataset", "network"]):
        first, sizes = part.iloc[0], part.set_index("technique")["bytes"]
        base, fewer = sizes.get("NQ"), sizes[sizes.index.isin(["BLQ", "FIQ", "F16"])]
        if base is not None and len(fewer) and base < fewer.min():
            marks.append((int(first["table"]), str(first["dataset"]), "NQ", "size"))
    return marks


def _changed(rows: pd.DataFrame) -> list[Mark]:
    """Return sizes and latencies that distillation changes, which leaves the network as it is."""
    marks: list[Mark] = []
    found = rows[rows["table"] == _DISTILLED].set_index(["network", "technique"])
    for network, technique in found.index:
        before = technique.removeprefix("KD+") if technique != "KD" else "NQ"
        if before == technique or (network, before) not in found.index:
            continue
        after, other = found.loc[(network, technique)], found.loc[(network, before)]
        for column, kind in (("bytes", "size"), ("latency_ms", "latency")):
            if after[column] != other[column]:
                marks.append((_DISTILLED, str(network), str(technique), kind))
    return marks


def _shared(rows: pd.DataFrame) -> list[Mark]:
    """Return accuracies of distilled networks that fell, to the very same value as another's."""
    found = rows[rows["table"] == _DISTILLED].set_index(["technique", "network"])["accuracy"]
    after, before = found["KD"], found["NQ"]
    fell = after[after < before.reindex(after.index)]
    twice = fell[fell.duplicated(keep=False)]
    return [(_DISTILLED, str(network), "KD", "accuracy") for network in twice.index]
