"""The sentences of the chapter on the runtime."""

import pandas as pd

from dlmo.report import text
from dlmo.report.cited import cited
from dlmo.report.claims.comparing import CONVERSIONS
from dlmo.report.statistics import Interval
from dlmo.report.text import MISSING

QUANTIZED = ("BLQ", "FIQ", "QAT", "PRQ")
"""The techniques with 8-bit weights, of which Remark 2 speaks."""

OLDER = "tflite-runtime"


def _with(line: "pd.Series") -> str:
    return text.ratio_with_interval(Interval(line["ratio"], line["low"], line["high"], 1))


def _within(line: "pd.Series") -> str:
    """Return a ratio with its interval, to stand in brackets."""
    return _with(line).replace(" (", ", ").rstrip(")")


def spoken(place: object) -> str:
    """Return a runtime and its kernels as a sentence names them: `LiteRT 2.3.0 with XNNPACK`."""
    return str(place).replace(", ", " with ")


@cited
def replayed(latencies: pd.DataFrame) -> str:
    """Say on which runtimes 8-bit files are slower than NQ, and on which faster; one thread."""
    chosen = latencies[
        latencies["technique"].isin(QUANTIZED)
        & (latencies["threads"] == 1)
        & latencies["ratio"].notna()
    ]
    if chosen.empty:
        return f"How fast 8-bit files are on which runtime is {MISSING}."
    said = []
    for place, group in chosen.groupby("where", sort=False):
        parts = []
        for word, lines in (
            ("slower than NQ", group[group["low"] > 1]),
            ("faster than NQ", group[group["high"] < 1]),
            ("not to be told from NQ", group[(group["low"] <= 1) & (group["high"] >= 1)]),
        ):
            if len(lines):
                named = [f"{line['technique']} ({_within(line)})" for _, line in lines.iterrows()]
                verb = "is" if len(named) == 1 else "are"
                parts.append(f"{text.listing(named)} {verb} {word}")
        said.append(f"On {spoken(place)}, {'; '.join(parts)}.")
    return " ".join(said)


@cited
def verdict(latencies: pd.DataFrame) -> str:
    """Say whether Remark 2 is a matter of the runtime: files whose verdict turns with it."""
    chosen = latencies[
        latencies["technique"].isin(QUANTIZED)
        & (latencies["threads"] == 1)
        & latencies["ratio"].notna()
    ]
    turned = _turned(chosen)
    if chosen.empty:
        return f"Whether the delay belongs to the technique or to the runtime is {MISSING}."
    if not turned:
        return "No 8-bit file is slower than NQ on one of these runtimes and faster on another."
    verb = "is" if len(turned) == 1 else "are"
    return (
        f"{text.listing(turned)} {verb} slower than NQ on one runtime and faster on another, with "
        "the very same bytes: there the delay is a property of the runtime, not of quantization."
    )


@cited
def threads(latencies: pd.DataFrame) -> str:
    """Say whether a second thread changes what is faster than NQ."""
    known = latencies[latencies["ratio"].notna() & (latencies["technique"] != "NQ")]
    names = ["technique", "where"]
    one, two = (known[known["threads"] == number].set_index(names) for number in (1, 2))
    both = [place for place in one.index if place in two.index]
    if not both:
        return f"What a second thread changes is {MISSING}."
    turned = [
        f"{technique} on {spoken(place)}"
        for technique, place in both
        if {_side(one.loc[(technique, place)]), _side(two.loc[(technique, place)])} == {-1, 1}
    ]
    said = (
        f"Of {text.count(len(both), 'ratio')} that were measured with one and with two threads, "
        f"{text.number_word(len(turned))} {'lies' if len(turned) == 1 else 'lie'} on the other "
        "side of NQ with the second thread"
    )
    return f"{said}: {text.listing(turned)}." if turned else f"{said}."


def _side(line: "pd.Series") -> int:
    """Return -1 for faster than NQ, 1 for slower, 0 where the interval holds both."""
    return int(line["low"] > 1) - int(line["high"] < 1)


@cited
def reasons(latencies: pd.DataFrame) -> str:
    """Say which files do not run where, and what the runtime says."""
    refused = latencies[latencies["reason"].notna() & (latencies["threads"] == 1)]
    if latencies.empty:
        return f"Which files run where is {MISSING}."
    if refused.empty:
        return "Every file runs on every runtime on which it was tried."
    said: dict[tuple[str, str], list[str]] = {}
    for (place, reason), names in refused.groupby(["where", "reason"], sort=False)["technique"]:
        heard = str(reason).split(": ", 2)[-1].split(". ")[0][:160].rstrip(".")
        said.setdefault((spoken(place), heard), []).extend(names)
    return " ".join(
        f"{text.listing(names)} {'does' if len(names) == 1 else 'do'} not run on {place}: "
        f"\u201c{heard}\u201d."
        for (place, heard), names in said.items()
    )


@cited
def older(latencies: pd.DataFrame) -> str:
    """Say whether the runtime of the paper's day was measured on the machine of the records."""
    if latencies.empty:
        return f"The runtime of the paper's day is {MISSING}."
    if any(str(place).startswith(OLDER) for place in latencies["where"]):
        sets = latencies["sets"].iloc[0] or "no instruction set that we list"
        return f"All times are of one processor, with {sets}; another one has other ratios."
    return (
        f"On the machine of these records {OLDER} was not measured: there is no wheel of it for "
        "the platform, or it was not asked for."
    )


@cited
def conversion(operators: pd.DataFrame, technique: str = "FIQ") -> str:
    """Say what converting the input and the output takes, which the paper blames for the delay."""
    chosen = operators[operators["technique"] == technique]
    if chosen.empty:
        return f"What converting the input takes is {MISSING}."
    said = []
    for place, group in chosen.groupby("where", sort=False):
        parts = group[group["operator"].isin(CONVERSIONS)]
        if parts.empty:
            continue
        share, low, high = (float(parts[name].sum()) for name in ("share", "low", "high"))
        said.append(
            f"{text.percent(share)} ({text.percent(low)} to {text.percent(high)}) of the time on "
            f"{place}"
        )
    if not said:
        return f"{technique} has no operator that converts its input."
    return (
        f"In {technique}'s file, the operators that convert the float input to integers and the "
        f"integer output to floats take {text.listing(said)}."
    )


@cited
def parts(operators: pd.DataFrame) -> str:
    """Say how well the operators run alone account for the whole file."""
    if operators.empty:
        return f"The time of single operators is {MISSING}."
    files = operators.drop_duplicates(["technique", "where"])
    low, high = (text.ratio(one) for one in (files["total"].min(), files["total"].max()))
    apart = float(files["difference"].max())
    same = (
        "Run one after the other, they give the whole file's output to the last bit."
        if apart == 0
        else f"Their last output differs from the whole file's by at most {apart:.2g}."
    )
    return f"Together they take {low} to {high} times as long as the whole file. {same}"


@cited
def undelegated(operators: pd.DataFrame) -> str:
    """Say which operators XNNPACK leaves to the built-in kernels, and their share of the time."""
    chosen = operators[operators["kernels"] == "xnnpack"]
    if chosen.empty:
        return f"What XNNPACK takes over is {MISSING}."
    return " ".join(_taken_over(str(place), one) for place, one in chosen.groupby("where"))


def _taken_over(place: str, chosen: pd.DataFrame) -> str:
    """Say of one runtime which files XNNPACK computes as a whole, and what it leaves of others."""
    whole, rest = [], []
    for technique, group in chosen.groupby("technique", sort=False):
        left = group[~group["delegated"].astype(bool)]
        share = float(left["share"].sum() / group["share"].sum())
        if left.empty:
            whole.append(str(technique))
        else:
            number = text.part(len(left), len(group), "operator")
            rest.append(f"{number} of {technique} ({text.percent(share, 0)} of the time)")
    parts = [f"XNNPACK takes over {text.listing(whole)} as a whole"] if whole else []
    parts += [f"it leaves to the built-in kernels {text.listing(rest)}"] if rest else []
    return f"On {place.removesuffix(', XNNPACK')}, {'; '.join(parts)}."


@cited
def camera(found: pd.DataFrame) -> str:
    """Say what a faster network is worth on the whole way from a picture."""
    if found.empty or "NQ" not in set(found["technique"]):
        return f"The way from a camera's picture is {MISSING}."
    base = found[found["technique"] == "NQ"].iloc[0]
    others = found[found["technique"] != "NQ"]
    said = (
        f"With NQ, resizing takes {text.percent(float(base['resize']), 0)} of the way from the "
        f"picture to the first choice, and the network {text.percent(float(base['run']), 0)}."
    )
    if others.empty:
        return said
    best = others.iloc[int(others["ratio"].to_numpy(float).argmin())]
    return f"{said} The fastest whole way is {best['technique']}'s, {_with(best)} times NQ's."


@cited
def starting(latencies: pd.DataFrame) -> str:
    """Say what loading and the first inference cost, and how far the slowest lie off."""
    known = latencies[(latencies["threads"] == 1) & latencies["load"].notna()]
    today = known[known["where"].str.startswith("LiteRT") & (known["kernels"] == "xnnpack")]
    if today.empty:
        return f"Loading and first inferences are {MISSING}."
    others = today[today["technique"] != "NQ"]
    slow = today.iloc[int(today["tail"].to_numpy(float).argmax())]
    said = ""
    if len(others):
        low, high = (text.ratio(float(one)) for one in (others["load"].min(), others["load"].max()))
        said = f"With XNNPACK, files load in {low} to {high} times the time of NQ. "
    return (
        f"{said}The widest tail is {slow['technique']}'s: its 99th percentile is "
        f"{text.ratio(float(slow['tail']))} times its median."
    )


@cited
def strategy(latencies: pd.DataFrame, camera: pd.DataFrame) -> str:
    """Say what the measurements change in the strategy."""
    known = latencies[(latencies["threads"] == 1) & latencies["ratio"].notna()]
    eight = known[known["technique"].isin(QUANTIZED)]
    today = eight[eight["where"].str.startswith("LiteRT") & (eight["kernels"] == "xnnpack")]
    lines = []
    if today.empty:
        lines.append(f"Whether 8-bit files suit a device that must answer fast is {MISSING}.")
    else:
        quick = [line["technique"] for _, line in today.iterrows() if line["high"] < 1]
        lines.append(
            f"With today's runtime, speed is a reason for {text.listing(quick)}, not against it."
            if quick
            else "Today's runtime gives no 8-bit file of this network an advantage in speed."
        )
    turned = _turned(eight)
    if turned:
        lines.append(
            f"The runtime must be chosen before the technique: for {text.listing(turned)} it "
            "decides whether the file is faster or slower than NQ."
        )
    lines.append(_pruned(known))
    if len(camera) and "NQ" in set(camera["technique"]):
        share = float(camera[camera["technique"] == "NQ"]["run"].iloc[0])
        lines.append(
            f"No technique can shorten the way from the picture by more than "
            f"{text.percent(share, 0)}: that is what the network takes of it."
        )
    return " ".join(lines)


def _turned(eight: pd.DataFrame) -> list[str]:
    slower = set(eight.loc[eight["low"] > 1, "technique"])
    faster = set(eight.loc[eight["high"] < 1, "technique"])
    return [name for name in dict.fromkeys(eight["technique"]) if name in slower & faster]


def _pruned(known: pd.DataFrame) -> str:
    lines = known[known["technique"] == "PRN"]
    if lines.empty:
        return f"Whether pruning saves time is {MISSING}."
    quick = [line["where"] for _, line in lines.iterrows() if line["high"] < 0.95]
    if quick:
        return f"Pruning saves time on {text.listing(quick)}."
    return "Pruning is no means to speed here: on no runtime does PRN save a twentieth of the time."
