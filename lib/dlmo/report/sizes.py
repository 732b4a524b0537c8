"""Why our files' sizes are not the printed ones: the same files, as older tools write them."""

import pandas as pd

from dlmo.deployable import Deployable, zipped
from dlmo.instruments.rewriting import with_older_quantization
from dlmo.report import text
from dlmo.report.audit import suspects as suspected_cells
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import Comparison, Row
from dlmo.report.comparison_tables import title
from dlmo.report.methods.files import Files
from dlmo.report.overview import overview
from dlmo.report.overview_tables import wide
from dlmo.report.printed import ZIPPED, suspected

NEAR = 0.02
"""How far apart two sizes may be and need no reason."""

USUAL_LEVEL = 6
"""DEFLATE's level where a tool is told none; our records have the smallest, level 9."""

_SAME_LAYOUT = {"BLQ": "PRQ"}
"""A file that is written like another one: only the numbers of its weights differ."""


@cited
def rewritten(rows: pd.DataFrame, profile: str) -> pd.DataFrame:
    """Return one row for each file that the paper prints a size of, but for what cannot be right.

    Columns: network, dataset, technique, printed, ours (counted as the paper counts), and older:
    bytes as the paper's tools would have written the file; NaN where it is not kept.

    Args:
        rows: of `records.select`, of that profile.
        profile: the set of recipes.
    """
    suspects = suspected_cells()
    made = [
        {
            "network": one.network,
            "dataset": one.dataset,
            "technique": name,
            "printed": row.printed.bytes,
            "ours": row.as_printed,
            "older": _older_size(_file(rows, one, row), name),
        }
        for one in overview(rows, profile=profile).measured
        for name, row in one.rows.items()
        if row.measured
        and row.printed is not None
        and not suspected((one.dataset, one.network, name), "size", suspects)
    ]
    columns = ["network", "dataset", "technique", "printed", "ours", "older"]
    return pd.DataFrame(made, columns=columns)


def _file(rows: pd.DataFrame, one: Comparison, row: Row) -> Deployable | None:
    """Return the first seed's file of a technique, or one that is as large by its layout."""
    files = Files(rows[(rows["network"] == one.network) & (rows["dataset"] == one.dataset)], 0)
    kept = files.read(row.technique)
    if kept is None and row.technique in _SAME_LAYOUT:
        like = files.read(_SAME_LAYOUT[row.technique])
        return like if like and like.bytes == row.bytes else None
    return kept


def _older_size(file: Deployable | None, technique: str) -> float:
    if file is None:
        return float("nan")
    data = with_older_quantization(file)
    return len(zipped(data, level=USUAL_LEVEL) if technique in ZIPPED else data)


@cited
def sentence(lines: pd.DataFrame) -> str:
    """Say how many files have the printed size: as they are, and as older tools write them."""
    if lines.empty:
        return f"Sizes beside the paper's are {text.MISSING}."
    kept = lines.dropna(subset=["older"])
    said = [
        f"Of {text.count(len(lines), 'file')} whose size the paper prints, "
        f"{_are(_near(lines, 'ours'))} within {text.percent(NEAR, 0)} of it."
    ]
    if len(kept):
        said.append(
            f"Of the {text.number_word(len(kept))} that are at hand, {_are(_near(kept, 'ours'))}, "
            f"and {text.number_word(_near(kept, 'older'))} would be, had the tools of the paper's "
            "time written them."
        )
        said.append(_left(kept))
    return " ".join(filter(None, said))


def _are(number: int) -> str:
    return f"{text.number_word(number)} {'is' if number == 1 else 'are'}"


def _left(kept: pd.DataFrame) -> str:
    """Say which networks' files have another size even so, the one with the most of them first."""
    far = kept[_apart(kept, "older").abs() > NEAR]
    if far.empty:
        return ""
    named = (
        f"{text.number_word(number)} of {title(str(name))}"
        for name, number in far["network"].value_counts().items()
    )
    worst = text.percent(float(_apart(far, "older").abs().max()), 0)
    return f"That leaves {text.listing(named)}, by at most {worst}."


def _apart(lines: pd.DataFrame, column: str) -> "pd.Series[float]":
    return lines[column].astype(float) / lines["printed"].astype(float) - 1


def _near(lines: pd.DataFrame, column: str) -> int:
    return int((_apart(lines, column).abs() <= NEAR).sum())


@cited
def table(lines: pd.DataFrame) -> Table | None:
    """Return the files whose size is not the printed one, with what older tools make of them."""
    far = lines[_apart(lines, "ours").abs() > NEAR]
    if far.empty:
        return None
    cells = [
        {
            ("", "Network"): title(str(row["network"])),
            ("", "Dataset"): title(str(row["dataset"])),
            ("", "Technique"): row["technique"],
            ("Size (KB)", "paper"): text.kb(row["printed"]),
            ("Size (KB)", "ours"): text.kb(row["ours"]),
            ("Size (KB)", "older tools"): text.kb(row["older"]),
            ("Less paper (%)", "ours"): _share(row, "ours"),
            ("Less paper (%)", "older tools"): _share(row, "older"),
        }
        for _, row in far.iterrows()
    ]
    near = text.percent(NEAR, 0)
    caption = f"Files whose size differs from the paper's by more than {near}: ours, and rewritten."
    return wide(cells, caption, "sizes-rewritten")


def _share(row: "pd.Series[float]", column: str) -> str:
    return text.signed(100 * (row[column] / row["printed"] - 1), 1)
