"""The paper's three services as limits, its advice and ours."""

from collections.abc import Mapping

import pandas as pd

from dlmo.report import tables, text
from dlmo.report.cited import Table, cited
from dlmo.report.strategy import PAPER, SERVICES, Advice, Limits
from dlmo.report.text import NONE


@cited
def services(advice: Mapping[str, Advice]) -> Table:
    """Return the services with their limits, what the paper advises, and what our records do."""
    lines = [
        {"Service": name, **_limits(SERVICES[name])}
        | {"The paper advises": text.listing(PAPER[name], "or"), "Our records": _choice(one)}
        for name, one in advice.items()
    ]
    caption = "The paper's services as limits, its advice, and what our records recommend."
    return tables.styled(
        pd.DataFrame(lines), caption=caption, name="services", wrap=["Our records"]
    )


def _limits(limits: Limits) -> dict[str, str]:
    return {
        "Classes": str(limits.classes or NONE),
        "Flash": text.kilobytes(limits.flash) if limits.flash is not None else NONE,
        "RAM": text.kilobytes(limits.ram) if limits.ram is not None else NONE,
        "Latency (ratio)": f"{limits.latency:g}" if limits.latency is not None else NONE,
        "Accuracy": text.percent(limits.accuracy, 0) if limits.accuracy is not None else NONE,
    }


def _choice(one: Advice) -> str:
    if one.choice:
        return one.choice
    return "nothing that is measured keeps these limits" if one.dataset else text.MISSING


@cited
def sentences(advice: Mapping[str, Advice]) -> dict[str, str]:
    """Return what is said of each service, by `low_end`, `low_end_why` and so on.

    That is what is recommended, why, how the paper's advice does here, and what would change it.
    """
    return {
        f"{service.replace('-', '_')}{part}": said
        for service, one in advice.items()
        for part, said in _said(one).items()
    }


def _said(one: Advice) -> dict[str, str]:
    parts = {"": one.sentence, "_why": one.reason, "_paper": one.paper}
    parts["_changes"] = " ".join(one.changes)
    return {part: said or text.begin(f"{text.MISSING}.") for part, said in parts.items()}
