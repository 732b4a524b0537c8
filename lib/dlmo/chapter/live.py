"""The live check: a few techniques from training to measurement, now, on a small dataset."""

from collections.abc import Sequence

import pandas as pd

from dlmo import paths, recipes, records
from dlmo.trials import Trial

DATASET, PROFILE = "digits", "smoke"

LEAST = 0.5
"""Accuracy that every file must reach; chance is a tenth."""

ZEROS = 0.8
"""The share of zeros that profile `smoke` prunes to."""


class LiveCheckError(AssertionError):
    """What was trained and measured just now does not behave as it must."""


def live_check(
    network: str = "vggnet", techniques: Sequence[str] = ("NQ", "FIQ", "PRN")
) -> pd.DataFrame:
    """Train, convert and measure a small network in temporary folders; check what must hold.

    Args:
        network: as the report names it.
        techniques: which; NQ is added, to compare with.

    Returns:
        One row a technique: technique, accuracy, bytes, zipped_bytes, pruned_nonzero.

    Raises:
        LiveCheckError: a file does not classify, an 8-bit file is not smaller than the float one,
            or a pruned file lacks its zeros.
    """
    names = list(dict.fromkeys(["NQ", *techniques]))
    wanted = [
        Trial(dataset=DATASET, network=network, technique=name, profile=PROFILE, seed=0)
        for name in names
    ]
    with paths.elsewhere():
        _make(wanted)
        found = records.table().set_index("technique").loc[names].reset_index()
    check(found)
    return found[["technique", "accuracy", "bytes", "zipped_bytes", "pruned_nonzero"]]


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
