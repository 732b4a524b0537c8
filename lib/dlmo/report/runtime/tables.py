"""The tables of the chapter on the runtime."""

from collections.abc import Sequence

import pandas as pd

from dlmo.report import tables, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_tables import headed
from dlmo.report.statistics import Interval
from dlmo.report.text import MISSING, NONE

REFUSED = "does not run"


def _ratio(line: "pd.Series", name: str = "") -> str:
    middle = line[name or "ratio"]
    if pd.isna(middle):
        return NONE
    ends = (f"{name}_low", f"{name}_high") if name else ("low", "high")
    return text.ratio_with_interval(Interval(middle, line[ends[0]], line[ends[1]], 1))


def _cell(line: "pd.Series") -> str:
    return REFUSED if isinstance(line["reason"], str) else _ratio(line)


@cited
def ratios(latencies: pd.DataFrame, techniques: Sequence[str], threads: int) -> Table:
    """Return the latency of each technique over NQ's, a column a runtime.

    Args:
        latencies: of `read.latencies`.
        techniques: the rows.
        threads: of the runtime.
    """
    chosen = latencies[latencies["threads"] == threads]
    lines = [
        {("", "Technique"): name} | by_runtime(chosen[chosen["technique"] == name], chosen)
        for name in techniques
    ]
    caption = (
        f"Latency as a ratio to NQ on the same runtime, {text.count(threads, 'thread')}, with "
        "95 % intervals over processes and rounds."
    )
    return headed(pd.DataFrame(lines), caption, name=f"replay-{threads}")


def by_runtime(some: pd.DataFrame, every: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return the cells of a line, a column a runtime.

    Args:
        some: the latencies of the line, one a runtime.
        every: those of all lines, whose runtimes are the columns.
    """
    cells = {line["where"]: _cell(line) for _, line in some.iterrows()}
    if every.empty:
        return {("", "Latency (ratio)"): MISSING}
    return {_head(place): cells.get(place, MISSING) for place in dict.fromkeys(every["where"])}


def _head(place: str) -> tuple[str, str]:
    runtime, _, kernels = place.partition(", ")
    return runtime, kernels


@cited
def starts(latencies: pd.DataFrame, techniques: Sequence[str]) -> Table:
    """Return how files load, how they begin and how far their slow inferences lie off."""
    chosen = latencies[(latencies["threads"] == 1) & latencies["load"].notna()]
    lines = [
        {
            ("", "Technique"): line["technique"],
            ("", "Runtime"): line["where"],
            ("Ratio to NQ's", "loading"): _ratio(line, "load"),
            ("Ratio to NQ's", "first inference"): _ratio(line, "first"),
            ("Ratio to its own median", "first"): text.ratio(line["first_steady"]),
            ("Ratio to its own median", "99th percentile"): _ratio(line, "tail"),
        }
        for name in techniques
        for _, line in chosen[
            (chosen["technique"] == name) & (chosen["kernels"] != "reference")
        ].iterrows()
    ]
    if not lines:
        lines = [{("", "Technique"): name, ("", "Starting"): MISSING} for name in techniques]
    caption = "Loading, the first inference and the slowest ones, one thread."
    return headed(pd.DataFrame(lines), caption, name="starts", texts=("Technique", "Runtime"))


@cited
def operators(found: pd.DataFrame) -> Table:
    """Return where the time of each file goes, a line a kind of operator.

    Args:
        found: of `read.operators`.
    """
    columns = ["where", "technique", "operator"]
    lines = [
        {
            "Runtime": place,
            "Technique": technique,
            "Operator": operator,
            "Number": len(group),
            "In XNNPACK": int(group["delegated"].astype(bool).sum()),
            "Share of the time (%)": 100 * float(group["share"].astype(float).sum()),
        }
        for (place, technique, operator), group in found.groupby(columns, sort=False)
    ]
    names = ["Runtime", "Technique", "Operator"]
    names += ["Number", "In XNNPACK", "Share of the time (%)"]
    frame = pd.DataFrame(lines, columns=names)
    if frame.empty:
        frame = pd.DataFrame({"Operators": [MISSING]})
    caption = "The operators of each file: how many, how many in XNNPACK, and their share of time."
    formats = {"Share of the time (%)": "{:.1f}"} if lines else {}
    return tables.styled(frame, caption=caption, formats=formats, name="operators")


@cited
def camera(found: pd.DataFrame) -> Table:
    """Return the way from a camera's picture, stage by stage.

    Args:
        found: of `read.camera`.
    """
    stages = {"resize": "resizing", "convert": "converting", "hand_over": "handing over"}
    stages |= {"run": "the network", "read": "reading"}
    lines = [
        {("", "Technique"): line["technique"], ("Whole way", "ratio to NQ's"): _ratio(line)}
        | {
            ("Share of the way (%)", said): text.figure(100 * float(line[name]), 1)
            for name, said in stages.items()
        }
        for _, line in found.iterrows()
    ]
    if not lines:
        lines = [{("", "Way"): MISSING}]
    caption = "From a camera's picture to the first choice, today's XNNPACK, one thread."
    return headed(pd.DataFrame(lines), caption, name="camera")


@cited
def devices(found: pd.DataFrame) -> Table:
    """Return what boards measured, beside nothing of ours: other processors, other ratios.

    Args:
        found: of `read.devices`.
    """
    frame = pd.DataFrame(
        {
            "Board": found["board"],
            "Instruction sets": found["sets"],
            "Runtime": found["where"],
            "Threads": found["threads"],
            "Technique": found["technique"],
            "Ratio to NQ": [_ratio(line) for _, line in found.iterrows()],
            "ms": found["milliseconds"],
        }
    )
    if frame.empty:
        frame = pd.DataFrame({"Boards": ["none imported yet"]})
    formats = {"ms": "{:.3g}"} if "ms" in frame else {}
    caption = "Measured on boards and imported."
    return tables.styled(frame, caption=caption, formats=formats, name="devices")


@cited
def halves(rows: pd.DataFrame, latencies: pd.DataFrame) -> Table:
    """Return what 16-bit weights save: file, memory and time, as ratios to NQ.

    Args:
        rows: of `records.select`, one network's.
        latencies: of `read.latencies`.
    """
    known = rows.set_index(["technique", "seed"])
    lines = []
    for technique in ("F16", "BLQ", "FIQ"):
        chosen = latencies[(latencies["technique"] == technique) & (latencies["threads"] == 1)]
        today = chosen[chosen["where"].str.startswith("LiteRT") & (chosen["kernels"] == "xnnpack")]
        lines.append(
            {
                "Technique": technique,
                "File": _beside(known, technique, "bytes"),
                "Zipped": _beside(known, technique, "zipped_bytes"),
                "Memory when it runs": _beside(known, technique, "memory"),
                "Latency": _ratio(today.iloc[0]) if len(today) else MISSING,
            }
        )
    caption = "What fewer bits save, as ratios to NQ; LiteRT with XNNPACK, one thread."
    return tables.styled(pd.DataFrame(lines), caption=caption, name="halves")


def _beside(known: pd.DataFrame, technique: str, column: str) -> str:
    """Return the mean ratio to NQ over the seeds that both have."""
    values = known[column].astype("Float64").astype(float)
    if technique not in known.index or "NQ" not in known.index:
        return MISSING
    both = pd.DataFrame({"one": values.xs(technique), "base": values.xs("NQ")}).dropna()
    return text.ratio(float((both["one"] / both["base"]).mean())) if len(both) else MISSING
