"""The live check: a few techniques from training to measurement on a small dataset.

What it makes is kept beside the book, and made again as soon as the library, a recipe or a pinned
package has changed: an edit of a chapter's text does not train, and chapters share what is equal.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dlmo import files, instruments, machine, paths, recipes, records
from dlmo.report import text
from dlmo.trials import Trial

DATASET, PROFILE = "digits", "smoke"

LEAST = 0.5
"""Accuracy that every file must reach."""

CHANCE = 0.1
"""Accuracy of guessing."""

ZEROS = 0.8
"""The share of zeros that profile `smoke` prunes to."""

CORRUPTED = 60
"""Images that are corrupted; of ten classes."""


class LiveCheckError(AssertionError):
    """What was trained and measured just now does not behave as it must."""


def live_check(
    network: str = "vggnet",
    techniques: Sequence[str] = ("NQ", "FIQ", "PRN"),
    *,
    corrupted: bool = False,
) -> pd.DataFrame:
    """Train, convert and measure a small network; check what must hold.

    Args:
        network: as the report names it.
        techniques: which; NQ is added, to compare with.
        corrupted: whether the files are shown corrupted images as well.

    Returns:
        One row a technique: technique, accuracy, bytes, zipped_bytes, pruned_nonzero, and
        clean_accuracy and corrupted_accuracy where they are asked for.

    Raises:
        LiveCheckError: a file does not classify, an 8-bit file is not smaller than the float one,
            a pruned file lacks its zeros, or corrupted images are classified better than clean
            ones, or no better than by chance.
    """
    names = list(dict.fromkeys(["NQ", *techniques]))
    wanted = [
        Trial(dataset=DATASET, network=network, technique=name, profile=PROFILE, seed=0)
        for name in names
    ]
    with paths.inside(folder()):
        found = _rows(network, names)
        if len(found) < len(names):
            _make(wanted)
            found = _rows(network, names)
        if corrupted and found["robustness_key"].isna().any():
            _show_corrupted(wanted)
            found = _rows(network, names)
    check(found)
    shown = ["technique", "accuracy", "bytes", "zipped_bytes", "pruned_nonzero"]
    return found[shown + (["clean_accuracy", "corrupted_accuracy"] if corrupted else [])]


def live_operators(
    network: str = "vggnet", techniques: Sequence[str] = ("NQ", "BLQ", "FIQ")
) -> str:
    """Cut small files into their operators and run these one after the other; say how they end.

    Raises:
        LiveCheckError: the parts do not say what the whole file says.
    """
    live_check(network, techniques)
    said = []
    with paths.inside(folder()):
        found = _rows(network, techniques)
        for technique, key in zip(found["technique"], found["deployable_key"], strict=True):
            path = records.kept(str(key))
            assert path is not None
            number, apart = instruments.chained(path)
            if apart:
                raise LiveCheckError(f"{technique}'s operators end {apart:.2g} beside its file")
            said.append(f"{technique} ({number} operators)")
    return (
        f"Cut into their operators and run one after the other, the files of {text.listing(said)} "
        "end with the very bits of the whole file."
    )


def _rows(network: str, names: Sequence[str]) -> pd.DataFrame:
    """Return the rows that were measured, in the order of the names."""
    table = records.table()
    of_network = table[(table["network"] == network) & table["accuracy"].notna()]
    rows = of_network.set_index("technique")
    return rows.reindex([name for name in names if name in rows.index]).reset_index()


def folder() -> Path:
    """Return the folder of what this very library makes; what others made is removed."""
    mine = paths.live() / files.digest(_makers())[:16]
    for other in paths.live().glob("*"):
        if other != mine:
            shutil.rmtree(other, ignore_errors=True)
    return mine


def _makers() -> Iterator[Path]:
    """Yield all that decides what a check makes, but for the processor."""
    # How pages look does not; and what draws them changes most often. Nor does an archive's commit.
    library = paths.ROOT / "lib/dlmo"
    apart = [library / room for room in ("book", "report", "cli")]
    yield from files.within(library, apart=(*apart, machine.COMMIT))
    yield paths.recipes() / f"{PROFILE}.yml"
    yield paths.ROOT / "constraints.txt"


def _make(wanted: list[Trial]) -> None:
    # TensorFlow only here; and in this process if that is possible, since a worker would have to
    # import it once more. Planning builds networks, and then the number of threads stands.
    from dlmo import laboratory
    from dlmo.laboratory import nodes
    from dlmo.training import steps

    threads = recipes.profile(PROFILE).step("train", wanted[0].network, ()).threads
    if not steps.configure(threads):
        laboratory.measure(wanted, workers=1, with_latency=False)
        return
    for node in laboratory.plan(wanted).missing:
        nodes.run(node)


def _show_corrupted(wanted: list[Trial]) -> None:
    """Show the files a few images in all their corrupted forms, in this process."""
    from dlmo import laboratory
    from dlmo.laboratory import nodes

    for node in laboratory.plan(wanted, laboratory.corrupted(CORRUPTED)).missing:
        nodes.run(node)


def check(found: pd.DataFrame) -> None:
    """Check what must hold for rows of `records.table`, whatever the machine.

    Raises:
        LiveCheckError: something does not hold; says what.
    """
    rows = found.set_index("technique")
    base = rows.loc["NQ"]
    for name, row in rows.iterrows():
        parts = str(name).split("+")
        if not row["accuracy"] >= LEAST:
            raise LiveCheckError(f"{name} classifies {row['accuracy']:.1%}, not {LEAST:.0%}")
        if {"BLQ", "FIQ", "QAT", "PRQ", "F16"} & set(parts) and not row["bytes"] < base["bytes"]:
            raise LiveCheckError(f"the {name} file is not smaller than the NQ file")
        zeros = 1 - row["pruned_nonzero"]
        if {"PRN", "PRQ"} & set(parts) and abs(zeros - ZEROS) > 0.01:
            raise LiveCheckError(f"the {name} file holds {zeros:.1%} zeros, not {ZEROS:.0%}")
        if pd.notna(row.get("corrupted_accuracy")):
            _check_corrupted(str(name), row)


def _check_corrupted(name: str, row: "pd.Series[Any]") -> None:
    clean, rough = row["clean_accuracy"], row["corrupted_accuracy"]
    if not CHANCE < rough < clean:
        raise LiveCheckError(
            f"{name} classifies {rough:.1%} of corrupted images, and {clean:.1%} of the same clean"
        )
