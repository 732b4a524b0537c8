"""Every network through every technique, at reduced width and depth, on `digits`."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from dlmo import laboratory, networks, records
from dlmo.trials import Trial

TECHNIQUES = (
    *("NQ", "BLQ", "FIQ", "F16", "QAT", "PRN", "PRQ", "KD"),
    *("NQ+FT", "NQ+FT+BLQ", "NQ+FT+FIQ", "PRN+QAT"),
    *("KD+BLQ", "KD+FIQ", "KD+F16", "KD+PRN", "KD+PRQ"),
)
NETWORKS = networks.names()

pytestmark = pytest.mark.timeout(2400)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pd.DataFrame]:
    root: Path = tmp_path_factory.mktemp("grid")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RESULTS", "STORE", "MODELS"):
            patch.setenv(f"DLMO_{name}", str(root / name.lower()))
        wanted = [
            Trial(dataset="digits", network=network, technique=technique, profile="smoke")
            for network in NETWORKS
            for technique in TECHNIQUES
        ]
        laboratory.measure(wanted, with_latency=False)
        yield records.table().set_index(["network", "technique"])


def test_every_pair_is_measured(grid: pd.DataFrame) -> None:
    assert len(grid) == len(NETWORKS) * len(TECHNIQUES)
    assert grid["reason"].isna().all(), grid["reason"].dropna().to_dict()
    numbers = grid[["accuracy", "validation_accuracy", "bytes", "zipped_bytes", "memory"]]
    assert numbers.notna().all(axis=None)
    assert grid["current"].all()


@pytest.mark.parametrize("network", NETWORKS)
def test_full_integer_files_have_no_float_operator(grid: pd.DataFrame, network: str) -> None:
    for technique in ("FIQ", "QAT", "PRN+QAT", "KD+FIQ", "NQ+FT+FIQ"):
        assert grid.loc[(network, technique), "float_operators"] == 0


@pytest.mark.parametrize("network", NETWORKS)
def test_pruned_files_hold_four_zeros_in_five(grid: pd.DataFrame, network: str) -> None:
    for technique in ("PRN", "PRQ", "KD+PRN", "KD+PRQ"):
        assert grid.loc[(network, technique), "pruned_nonzero"] == pytest.approx(0.2, abs=0.01)
    # QAT may bring a rounded weight to zero, but wakes none up.
    assert grid.loc[(network, "PRN+QAT"), "pruned_nonzero"] <= 0.21
    assert grid.loc[(network, "NQ"), "pruned_nonzero"] > 0.9


@pytest.mark.parametrize("network", NETWORKS)
def test_sizes_are_ordered_as_the_bits_are(grid: pd.DataFrame, network: str) -> None:
    size = grid.loc[network]["bytes"]
    assert size["FIQ"] < size["F16"] < size["NQ"]
    assert size["PRN"] == size["NQ"] and size["PRQ"] == size["BLQ"]
    zipped = grid.loc[network]["zipped_bytes"]
    assert zipped["PRQ"] < zipped["PRN"] < zipped["NQ"]
