"""Every network on every runtime: does what one network shows hold for the others?"""

import pandas as pd

from dlmo import records
from dlmo.report import text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import Drawn, NothingToDraw
from dlmo.report.comparison_tables import headed, title
from dlmo.report.runtime import read
from dlmo.report.runtime.charts import pointed
from dlmo.report.runtime.tables import by_runtime
from dlmo.report.runtime.words import spoken
from dlmo.report.text import MISSING, NONE

COMPARED = ("BLQ", "FIQ")
"""The two kinds of 8-bit files: the others run as one of them does."""


def everywhere(dataset: str, profile: str) -> pd.DataFrame:
    """Return the latencies of every network's 8-bit files, on each machine that measured them.

    Columns: those of `read.latencies`, network, machine (its tag) and name: of the network, with
    the machine's instruction set for 8-bit integers, which stands in sets. One thread.
    """
    rows = records.select(dataset=dataset, profile=profile, technique=[read.PARENT, *COMPARED])
    found = [
        _named(read.latencies(own, machine), str(network), machine)
        for network, own in rows.groupby("network", sort=False)
        for machine in read.machines(own)
    ]
    empty = read.latencies(rows.head(0)).assign(network="", machine="", name="")
    known = [one for one in found if len(one)]
    if not known:
        return empty
    together = _distinct(pd.concat(known, ignore_index=True))
    together.attrs["sources"] = sorted({key for one in known for key in one.attrs["sources"]})
    return together


def _named(latencies: pd.DataFrame, network: str, machine: str) -> pd.DataFrame:
    chosen = latencies[(latencies["threads"] == 1) & latencies["technique"].isin(COMPARED)]
    # The last of the instruction sets is the one that decides about 8-bit integers.
    sets = [str(one).rpartition(", ")[2] or NONE for one in chosen["sets"]]
    names = [f"{title(network)} on {one}" for one in sets]
    return chosen.assign(network=network, machine=machine, sets=sets, name=names)


def _distinct(found: pd.DataFrame) -> pd.DataFrame:
    """Let two machines of one kind have two names."""
    several = found.groupby("name")["machine"].transform("nunique") > 1
    return found.assign(
        name=found["name"].where(~several, found["name"] + ", machine " + found["machine"])
    )


@cited
def sentence(found: pd.DataFrame) -> str:
    """Say for how many networks 8-bit files are slower than NQ, today and on the older runtime."""
    known = found[found["ratio"].notna() & (found["kernels"] == "xnnpack")]
    if known.empty:
        return f"What the runtimes do to every network is {MISSING}."
    said = []
    for place, group in known.groupby("where", sort=False):
        parts = [_outcome(name, own) for name, own in group.groupby("technique", sort=False)]
        said.append(f"On {spoken(place)}, {'; '.join(parts)}.")
    return " ".join(said)


def _outcome(technique: object, own: pd.DataFrame) -> str:
    """Return how long files of a technique take, with the names of the exceptions."""
    slower = own[own["low"] > 1]
    ratios = text.span(list(own["ratio"]), text.ratio)
    cases = text.part(len(slower), len(own), "case")
    exceptional = 0 < len(slower) < len(own) / 2
    which = f" ({text.listing(slower['name'])})" if exceptional else ""
    return f"{technique} takes {ratios} times NQ's time and is slower in {cases}{which}"


@cited
def table(found: pd.DataFrame) -> Table:
    """Return the latency ratios of every network's files, a line a file and machine."""
    lines = [
        {("", "Network"): name, ("", "Technique"): technique} | by_runtime(own, found)
        for (name, technique), own in found.groupby(["name", "technique"], sort=False)
    ]
    if not lines:
        lines = [{("", "Network"): MISSING}]
    caption = (
        "Latency of every network's 8-bit files as a ratio to NQ on the same runtime and machine, "
        "one thread, with 95 % intervals over processes and rounds."
    )
    texts = ("Network", "Technique")
    return headed(pd.DataFrame(lines), caption, name="replay-networks", texts=texts)


@cited
def chart(found: pd.DataFrame) -> Drawn:
    """Draw the ratios with XNNPACK, today's and the older one, a row a network and machine."""
    chosen = found[found["ratio"].notna() & (found["kernels"] == "xnnpack")]
    if chosen.empty:
        return NothingToDraw()
    return pointed(
        chosen,
        "Latency, ratio to NQ (less is faster)",
        "Latency of every network's 8-bit files as a ratio to NQ on the same runtime",
        rows="name",
        within="technique",
    )
