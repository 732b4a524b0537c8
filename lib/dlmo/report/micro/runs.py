"""Whether files run under TFLite Micro, what is in the way, and what they answer."""

from collections.abc import Sequence

import pandas as pd

from dlmo.report import text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.methods import layers
from dlmo.report.micro.files import One
from dlmo.report.text import MISSING, NONE

_KERNELS = {"xnnpack": "XNNPACK", "builtin": "built-in"}


@cited
def table(found: Sequence[One]) -> Table | NothingToDraw:
    """Return for each deployable whether it runs, what stops it, and agreement with LiteRT."""
    if not found:
        return NothingToDraw()
    lines = [{"Technique": one.technique, **_line(one)} for one in found]
    made = layers.table(pd.DataFrame(lines), "Files under TFLite Micro.")
    made.set_properties(
        subset=["The runtime says"], **{"white-space": "normal", "min-width": "12rem"}
    )
    return made


def _line(one: One) -> dict[str, str]:
    said = one.measured
    names = {name: f"Agrees with {title} (%)" for name, title in _KERNELS.items()}
    if said is None:
        empty = dict.fromkeys((*names.values(), "Right (%)", "The runtime says"), NONE)
        return {"Runs": MISSING, "In the way": NONE, **empty}
    share = {
        title: text.figure(100 * said.agreement[name], 1) if name in said.agreement else NONE
        for name, title in names.items()
    }
    right = NONE if said.accuracy is None else text.figure(100 * said.accuracy, 1)
    return {
        "Runs": "yes" if said.runs else "no",
        "In the way": NONE if said.runs else _operator(one),
        **share,
        "Right (%)": right,
        "The runtime says": NONE if said.runs else (said.reason or NONE),
    }


def _operator(one: One) -> str:
    assert one.measured is not None
    if one.measured.operator is None:
        return "not told"
    if one.measured.place is None:
        return one.measured.operator
    return f"{one.measured.operator} ({_ordinal(one.measured.place)})"


def _ordinal(place: int) -> str:
    number = place + 1
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0)
    return f"{number}{ending or 'th'} operator"


@cited
def sentence(found: Sequence[One]) -> str:
    """Say which files run, which do not, and by which operator they are stopped."""
    known = [one for one in found if one.measured is not None]
    if not known:
        return f"What TFLite Micro does with these files is {MISSING}."
    able = [one.technique for one in known if one.runs]
    parts = [
        f"TFLite Micro runs {text.part(len(able), len(known), 'file')}"
        + (f": {text.listing(able)}." if able else ".")
    ]
    for operator, names in _stopped(known).items():
        verb = "is" if len(names) == 1 else "are"
        parts.append(f"{text.listing(names)} {verb} stopped by {operator}.")
    absent = [one.technique for one in found if one.measured is None]
    if absent:
        parts.append(f"{text.listing(absent)}: {MISSING}.")
    return " ".join(parts)


def _stopped(known: Sequence[One]) -> dict[str, list[str]]:
    stopped: dict[str, list[str]] = {}
    for one in known:
        if one.measured is not None and not one.runs:
            operator = f"`{one.measured.operator}`" if one.measured.operator else "an unnamed part"
            stopped.setdefault(operator.strip("`"), []).append(one.technique)
    return stopped


@cited
def agreement_sentence(found: Sequence[One]) -> str:
    """Say on how many images the top class is LiteRT's."""
    able = [one.measured for one in found if one.measured is not None and one.measured.agreement]
    if not able:
        return f"Agreement with LiteRT is {MISSING}."
    parts = []
    for name, title in _KERNELS.items():
        shares = [one.agreement[name] for one in able if name in one.agreement]
        if shares:
            parts.append(f"with its {title} kernels on {_range(shares)}")
    images = {one.images for one in able}
    most = f"{min(images):,}" if len(images) == 1 else f"{min(images):,} to {max(images):,}"
    return (
        f"On the first {most} test images the files that run have the same first choice as LiteRT "
        f"{text.listing(parts)} of the images."
    )


def _range(shares: Sequence[float]) -> str:
    low, high = min(shares), max(shares)
    if round(low, 3) == round(high, 3):
        return text.percent(low)
    return f"{text.figure(100 * low, 1)} to {text.percent(high)}"


@cited
def runtime_sentence(found: Sequence[One]) -> str:
    """Say with which build of TFLite Micro was measured."""
    builds = sorted({one.measured.runtime for one in found if one.measured is not None})
    if not builds:
        return ""
    return f"Measured with {text.listing(builds)}, its reference kernels, on the host."


def live_table(checked: pd.DataFrame | None) -> Table | NothingToDraw:
    """Return what the live check found, a row a technique."""
    if checked is None:
        return NothingToDraw()
    lines = [
        {
            "Technique": row["technique"],
            "Runs": "yes" if row["runs"] else "no",
            "In the way": row["operator"] or NONE,
            "Values, computed (KB)": text.kb(row["computed"]),
            "Arena (KB)": text.kb(row["arena"]) if row["runs"] else NONE,
        }
        for _, row in checked.iterrows()
    ]
    return layers.table(pd.DataFrame(lines), "Files made a moment ago, under TFLite Micro.")


def live_sentence(checked: pd.DataFrame | None, wanted: bool) -> str:
    """Say what the live check found, or why there is none."""
    if not wanted:
        return "The live check was left out."
    if checked is None:
        return (
            "TFLite Micro has no build for this system, so that its part of the check was left "
            "out; the records above were made where it has one."
        )
    shares = [float(one) for one in checked["agreement"].dropna()]
    return f"The files that run agree with LiteRT on {_range(shares)} of the images."
