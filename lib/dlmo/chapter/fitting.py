"""Files under TFLite Micro for a chapter: what lacks is measured, and the live check."""

import sys

import pandas as pd

from dlmo import datasets, instruments, microcontroller, paths, records
from dlmo.chapter import live
from dlmo.chapter.asked import Asked, changed
from dlmo.deployable import read
from dlmo.errors import UserError
from dlmo.report import arenas

IMAGES = 20
"""How many test images the live check classifies under TFLite Micro."""


def measured(name: str, asked: Asked, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a chapter's rows, after measuring the arenas that lack where the chapter measures.

    Args:
        name: of the chapter.
        asked: what it was asked for.
        rows: what it got; see `measuring.rows`.

    Raises:
        UserError: a file can't be measured.
    """
    if asked.measure == "never" or (asked.measure == "auto" and not changed(name, asked)):
        return rows
    known = arenas.read()
    lacking = rows.dropna(subset=["deployable_key"])
    lacking = lacking[[known.of(str(key)) is None for key in lacking["deployable_key"]]]
    if len(lacking) and not instruments.micro.available():
        print("TFLite Micro has no build for this system; its records are shown.", file=sys.stderr)
    elif len(lacking):
        _measure([str(key) for key in lacking["deployable_key"]])
    return rows


def _measure(keys: list[str]) -> None:
    # The laboratory brings TensorFlow: only for those who need it.
    from dlmo import laboratory

    found = (records.find(key) for key in keys)
    how = laboratory.arena()
    made = laboratory.plan([one.trial for one in found if one is not None], how)
    laboratory.measure(made.filed(), with_latency=False, instruments=how)


def live_arenas(network: str = "vggnet") -> pd.DataFrame | None:
    """Train and convert a small network, and run its files under TFLite Micro.

    Returns:
        One row a technique: technique, runs, operator, arena, computed (bytes), agreement (share of
        the images with LiteRT's first choice); None where TFLite Micro has no build.

    Raises:
        LiveCheckError: the 8-bit file does not run, a file with 8-bit weights alone does, or an
            arena is smaller than what is computed from the file.
    """
    techniques = ["NQ", "BLQ", "FIQ"]
    live.live_check(network, techniques)
    if not instruments.micro.available():
        return None
    images = datasets.load(live.DATASET).test.images[:IMAGES]
    with paths.inside(live.folder()):
        # Other chapters' checks may have left other networks there.
        table = records.table()
        rows = table[table["network"] == network].set_index("technique")
        keys = {name: str(rows.loc[name, "deployable_key"]) for name in techniques}
        lines = [{"technique": name, **_line(key, images)} for name, key in keys.items()]
    found = pd.DataFrame(lines)
    check(found)
    return found


def _line(key: str, images: object) -> dict[str, object]:
    place = records.kept(key)
    if place is None:
        raise UserError(f"the file {key} of the live check is gone; build the page again")
    arena, said = instruments.arena(place, images)  # type: ignore[arg-type]
    other = instruments.accuracy(place, images, kernels="builtin")  # type: ignore[arg-type]
    return {
        "runs": arena.runs,
        "operator": arena.operator or "",
        "arena": arena.bytes,
        "computed": microcontroller.need(read(place)).activations,
        "agreement": None if said is None else float((said == other.classes).mean()),
    }


def check(found: pd.DataFrame) -> None:
    """Check what must hold for rows of `live_arenas`.

    Raises:
        LiveCheckError: something does not hold; says what.
    """
    rows = found.set_index("technique")
    if not rows.loc["FIQ", "runs"] or rows.loc["BLQ", "runs"]:
        raise live.LiveCheckError("TFLite Micro must run FIQ and refuse BLQ, and does not")
    able = rows[rows["runs"].astype(bool)]
    for name, row in able.iterrows():
        if row["arena"] < row["computed"]:
            raise live.LiveCheckError(f"the arena of {name} is smaller than its values at the peak")
        if row["agreement"] < 0.9:
            raise live.LiveCheckError(f"{name} agrees with LiteRT on {row['agreement']:.0%} only")
