"""How trainings went: the recorded histories of the steps that follow on NQ's training."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from dlmo import records
from dlmo.report import charts, text
from dlmo.report.cited import cited
from dlmo.report.comparison_charts import NothingToDraw

COLUMNS = ("technique", "seed", "epoch", "validation", "training")


@cited
def after_training(rows: pd.DataFrame, techniques: Sequence[str]) -> pd.DataFrame:
    """Return the accuracies of each epoch of a technique's last training step.

    Args:
        rows: of `records.select`.
        techniques: which; of those that share their training the first is taken.

    Returns:
        technique, seed, epoch (from 1; 0 is where the step before it ended), validation and
        training (accuracies in per cent).
    """
    lines: list[dict[str, float | str]] = []
    for name in techniques:
        for _, row in rows[rows["technique"] == name].iterrows():
            made = records.find(str(row["weights_key"]))
            if isinstance(made, records.Weights):
                lines += _lines(name, int(row["seed"]), made)
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    return frame.drop_duplicates(["technique", "seed", "epoch"], ignore_index=True)


def _lines(name: str, seed: int, made: records.Weights) -> list[dict[str, float | str]]:
    parent = records.find(made.identity.parent) if made.identity.parent else None
    before = parent.history[-1:] if isinstance(parent, records.Weights) else []
    whole = [(0, entry) for entry in before]
    whole += [(int(entry["epoch"]), entry) for entry in made.history]
    return [
        {
            "technique": name,
            "seed": seed,
            "epoch": epoch,
            "validation": round(100 * entry["validation_accuracy"], 2),
            "training": round(100 * entry["accuracy"], 2),
        }
        for epoch, entry in whole
    ]


@cited
def chart(found: pd.DataFrame, since: str) -> alt.LayerChart | NothingToDraw:
    """Draw the validation accuracy after each epoch: a line a seed, one colour a technique.

    Args:
        found: of `after_training`.
        since: what came before epoch 1, for the axis.
    """
    if found.empty:
        return NothingToDraw()
    names = [str(name) for name in dict.fromkeys(found["technique"])]
    ends = _ends(found, names)
    base = alt.Chart(found).encode(
        x=alt.X("epoch:Q", title=f"Epochs after {since}"),
        y=alt.Y("validation:Q", title="Validation accuracy (%)").scale(zero=False),
        color=alt.Color("technique:N", scale=charts.scale(names), title="Technique"),
        detail="seed:N",
    )
    lines = base.mark_line(strokeWidth=1.5, tooltip=False, aria=False).encode(
        strokeDash=alt.StrokeDash("technique:N", sort=names, title="Technique").scale(
            domain=names, range=_DASHES[: len(names)]
        )
    )
    tips = [alt.Tooltip(f"{name}:N", title=text.begin(name)) for name in COLUMNS[:4]]
    dots = base.mark_point(size=26).encode(tooltip=tips)
    return alt.LayerChart(layer=[lines, dots]).properties(
        height=320, description=f"Validation accuracy by epoch after {since}. {ends}"
    )


_DASHES = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4]]


def _ends(found: pd.DataFrame, names: Sequence[str]) -> str:
    said = []
    for name in names:
        own = found[found["technique"] == name]
        last = own[own["epoch"] == own["epoch"].max()]["validation"]
        epochs = text.count(int(own["epoch"].max()), "epoch")
        said.append(f"{name} ends at {text.figure(float(last.mean()), 1)} % after {epochs}")
    return f"{'; '.join(said)}."
