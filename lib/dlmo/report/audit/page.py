"""The audit as a page shows it: sentences, one chart, and every finding with its evidence."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import get_args

import altair as alt
import numpy as np
import pandas as pd
from IPython.display import HTML
from scipy import stats

from dlmo.report import charts, folded, text
from dlmo.report.audit.finding import CHECKS, KINDS, Certainty, Finding, Kind
from dlmo.report.audit.scatter import IMAGES, differences
from dlmo.report.cited import cited
from dlmo.report.comparison_tables import title
from dlmo.report.printed import Printed
from dlmo.report.statistics import LEVEL

HEADS: dict[Kind, str] = {
    "error": "In error",
    "limit": "What the numbers cannot show",
    "right": "Said rightly",
}

CERTAINTIES = get_args(Certainty)


@cited
def overview(findings: Sequence[Finding]) -> str:
    """Say how many findings of each kind there are, and how certain the errors are."""
    kinds = Counter(one.kind for one in findings)
    sure = Counter(one.certainty for one in findings if one.kind == "error")
    said = [f"{sure[name]} {name}" for name in CERTAINTIES if sure[name]]
    return (
        f"{text.begin(text.count(len(CHECKS), 'check'))} were made. They find "
        f"{text.count(kinds['error'], 'error')} ({text.listing(said)}), "
        f"{text.count(kinds['limit'], 'limit')} to what the numbers can show, and "
        f"{text.count(kinds['right'], 'statement')} that the tables or arithmetic bear out."
    )


@cited
def listing(findings: Sequence[Finding]) -> HTML:
    """Return every finding by its kind, each with place, evidence and the rows behind it."""
    groups = []
    for kind in KINDS:
        some = [one for one in findings if one.kind == kind]
        if some:
            badges = (one.certainty for one in some)
            groups.append(folded.group(HEADS[kind], badges, map(_finding, some)))
    tally = Counter(one.certainty for one in findings)
    return HTML(folded.whole(groups, {name: tally[name] for name in CERTAINTIES}))


def _finding(finding: Finding) -> str:
    body = [folded.facts({"Where": finding.where, "Evidence": finding.evidence})]
    if finding.table is not None:
        rows = finding.table.astype(str)
        body.append(folded.table(list(rows.columns), rows.to_numpy().tolist()))
    body.append(f"<p>Check: <code>{escape(finding.name)}</code></p>")
    return folded.entry(finding.name.replace("_", "-"), finding.certainty, finding.title, body)


@cited
def scatter(printed: Printed) -> alt.LayerChart:
    """Draw every printed difference to NQ, and the band in which it can't be told from none."""
    frame = differences(printed).assign(points=lambda rows: (100 * rows["less"]).round(2))
    frame["network"], frame["dataset"] = frame["network"].map(title), frame["dataset"].map(title)
    shown = [name for name in charts.TECHNIQUES if name in set(frame["technique"])]
    reach = _reach(printed)
    base = alt.Chart(frame).encode(
        x=alt.X("points:Q", title="Printed accuracy less that of NQ (points)").scale(padding=12),
        y=alt.Y("technique:N", sort=shown, title=None),
        color=alt.Color("technique:N", scale=charts.scale(shown), legend=None),
        tooltip=[
            alt.Tooltip("network:N", title="Network"),
            alt.Tooltip("dataset:N", title="Dataset"),
            alt.Tooltip("technique:N", title="Technique"),
            alt.Tooltip("points:Q", title="Points"),
        ],
    )
    constant = alt.Chart(alt.sequence(0, 1))
    band = constant.mark_rect(color=charts.RULE.light, opacity=0.45, tooltip=False, aria=False)
    return alt.LayerChart(
        layer=[
            band.encode(x=alt.datum(-reach), x2=alt.datum(reach)),
            base.mark_point(size=70, opacity=0.7),
        ]
    ).properties(height=34 * len(shown) + 20, description=_spoken(frame, shown, reach))


def _reach(printed: Printed) -> float:
    """Return the smallest difference that the test images tell from none, in points."""
    share = float(printed.rows.query("dataset == 'cifar10'")["accuracy"].median())
    z = float(stats.norm.ppf((1 + LEVEL) / 2))
    return round(100 * z * float(np.sqrt(2 * share * (1 - share) / IMAGES)), 2)


def _spoken(frame: pd.DataFrame, shown: Sequence[str], reach: float) -> str:
    said = []
    for name in shown:
        points = frame[frame["technique"] == name]["points"]
        ends = f"{text.signed(points.min(), 1)} to {text.signed(points.max(), 1)}"
        said.append(f"{name} {ends} in {text.count(len(points), 'row')}")
    return (
        "Printed differences in accuracy to NQ, in points; the band is "
        f"{text.figure(reach, 1)} points to each side. {'; '.join(said)}."
    )
