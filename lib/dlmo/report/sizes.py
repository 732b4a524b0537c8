"""Why our files' sizes are not the printed ones: the same files, as older tools write them."""

from collections.abc import Collection, Iterator

import pandas as pd

from dlmo import deployable
from dlmo.deployable import Deployable
from dlmo.instruments.rewriting import with_older_quantization
from dlmo.report import text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison import Comparison
from dlmo.report.comparison_tables import title
from dlmo.report.methods.files import Files
from dlmo.report.overview import Overview
from dlmo.report.overview_tables import wide
from dlmo.report.printed import Mark, suspected

NEAR = 0.02
"""How far apart two sizes may be and need no reason."""

USUAL_LEVEL = 6
"""DEFLATE's level where a tool is told none; our records have the smallest, level 9."""

_ZIPPED = ("PRN", "PRQ")
_SAME_LAYOUT = {"BLQ": "PRQ"}
"""A file that is as large as another one, byte for byte, since only its weights differ."""


@cited
def rewritten(found: Overview, rows: pd.DataFrame, suspects: Collection[Mark]) -> pd.DataFrame:
    """Return one row for each file that the paper prints a size of, but for what cannot be right.

    Columns: network, dataset, technique, printed, ours, and older: bytes as the paper's tools would
    have written the file; NaN where it is not kept.

    Args:
        found: every network and technique.
        rows: of `records.select`, of the same profile.
        suspects: the printed cells that cannot be right.
    """
    made = [
        line
        for one in found.measured
        for line in _lines(one, rows)
        if not suspected((one.dataset, one.network, str(line["technique"])), "size", suspects)
    ]
    columns = ["network", "dataset", "technique", "printed", "ours", "older"]
    return pd.DataFrame(made, columns=columns)


def _lines(one: Comparison, rows: pd.DataFrame) -> Iterator[dict[str, object]]:
    mine = rows[(rows["network"] == one.network) & (rows["dataset"] == one.dataset)]
    for name, row in one.rows.items():
        if not row.measured or row.printed is None:
            continue
        file = _file(mine, name)
        yield {
            "network": one.network,
            "dataset": one.dataset,
            "technique": name,
            "printed": row.printed.bytes,
            "ours": row.zipped_bytes if name in _ZIPPED else row.bytes,
            "older": float("nan") if file is None else _older_size(file, name in _ZIPPED),
        }


def _file(rows: pd.DataFrame, technique: str) -> Deployable | None:
    """Return the first seed's file of a technique, or one of the same layout."""
    files = Files(rows, 0)
    kept = files.read(technique)
    if kept is None and technique in _SAME_LAYOUT:
        return files.read(_SAME_LAYOUT[technique])
    return kept


def _older_size(file: Deployable, zipped: bool) -> int:
    data = with_older_quantization(file)
    return len(deployable.zipped(data, level=USUAL_LEVEL) if zipped else data)


@cited
def sentence(lines: pd.DataFrame) -> str:
    """Say how many files have the printed size: as they are, and as older tools write them."""
    if lines.empty:
        return f"Sizes beside the paper's are {text.MISSING}."
    kept = lines.dropna(subset=["older"])
    said = [
        f"Of {text.count(len(lines), 'file')} whose size the paper prints, "
        f"{_near(lines, 'ours')} within {text.percent(NEAR, 0)} of it."
    ]
    if len(kept):
        said.append(
            f"Of the {text.number_word(len(kept))} that could be written again, "
            f"{_near(kept, 'ours')} near it now, and {_near(kept, 'older')} if the tools of the "
            "paper's time write them."
        )
        said.append(_left(kept))
    return " ".join(said)


def _left(kept: pd.DataFrame) -> str:
    """Say which networks' files have another size even so, the one with the most of them first."""
    far = kept[_apart(kept, "older").abs() > NEAR]
    if far.empty:
        return "None is left."
    networks = far["network"].value_counts()
    named = (
        f"{title(str(name))} ({text.number_word(number)})" for name, number in networks.items()
    )
    worst = float(_apart(far, "older").abs().max())
    return f"The others are of {text.listing(named)}, by at most {text.percent(worst, 0)}."


def _apart(lines: pd.DataFrame, column: str) -> "pd.Series[float]":
    return lines[column].astype(float) / lines["printed"].astype(float) - 1


def _near(lines: pd.DataFrame, column: str) -> str:
    near = int((_apart(lines, column).abs() <= NEAR).sum())
    return f"{text.number_word(near)} {'is' if near == 1 else 'are'}"


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
