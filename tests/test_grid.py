"""Networks through techniques, at reduced width and depth, on `digits`.

The quick tier covers every kind of block and every technique: all techniques on VGGNet, and those
that tfmot makes the most trouble for on one other network of each kind. The slow tier is the
complete product, a network at a time (`-k wrn`).
"""

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
HARDEST = ("QAT", "PRQ")
DEEPER = ("resnet101", "resnet56", "mobilenet_v3_large")
"""Networks of the same blocks as another one: of the slow tier."""
COMPLETE = {
    network: [(network, technique) for technique in TECHNIQUES] for network in networks.names()
}
COVERING = [
    (network, technique)
    for pairs in COMPLETE.values()
    for network, technique in pairs
    if network == "vggnet" or (technique in HARDEST and network not in DEEPER)
]
SLOW = [pytest.param(pairs, id=name, marks=pytest.mark.slow) for name, pairs in COMPLETE.items()]

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root: Path = tmp_path_factory.mktemp("grid")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RESULTS", "STORE", "MODELS"):
            patch.setenv(f"DLMO_{name}", str(root / name.lower()))
        yield


@pytest.fixture(scope="module", params=[pytest.param(COVERING, id="covering"), *SLOW])
def grid(request: pytest.FixtureRequest, folders: None) -> pd.DataFrame:
    wanted = [
        Trial(dataset="digits", network=network, technique=technique, profile="smoke")
        for network, technique in request.param
    ]
    made = laboratory.measure(wanted, with_latency=False)
    found = records.table()
    found = found[found["deployable_key"].isin(made.deployables.values())]
    assert len(found) == len(wanted)
    return found


def chosen(grid: pd.DataFrame, *techniques: str) -> pd.DataFrame:
    return grid[grid["technique"].isin(techniques)].set_index(["network", "technique"])


def covered(rows: pd.DataFrame | pd.Series) -> set[str]:
    return set(rows.index.get_level_values("network"))


def test_the_quick_tier_has_a_network_of_each_kind() -> None:
    kinds = set(networks.names()) - set(DEEPER)
    for hard in HARDEST:
        assert {network for network, technique in COVERING if technique == hard} == kinds


def test_every_pair_is_measured(grid: pd.DataFrame) -> None:
    assert grid["reason"].isna().all(), grid["reason"].dropna().to_dict()
    numbers = grid[["accuracy", "validation_accuracy", "bytes", "zipped_bytes", "memory"]]
    assert numbers.notna().all(axis=None)
    assert grid["current"].all()


def test_full_integer_files_have_no_float_operator(grid: pd.DataFrame) -> None:
    files = chosen(grid, "FIQ", "QAT", "PRN+QAT", "KD+FIQ", "NQ+FT+FIQ")["float_operators"]
    assert covered(files) == set(grid["network"])
    assert (files == 0).all(), files[files > 0].to_dict()


def test_pruned_files_hold_four_zeros_in_five(grid: pd.DataFrame) -> None:
    pruned = chosen(grid, "PRN", "PRQ", "KD+PRN", "KD+PRQ")["pruned_nonzero"]
    assert covered(pruned) == set(grid["network"])
    assert pruned.between(0.19, 0.21).all(), pruned.to_dict()
    # QAT may round a weight to zero, but wakes none up.
    assert (chosen(grid, "PRN+QAT")["pruned_nonzero"] <= 0.21).all()
    assert (chosen(grid, "NQ", "QAT")["pruned_nonzero"] > 0.8).all()


def test_sizes_are_ordered_as_the_bits_are(grid: pd.DataFrame) -> None:
    for network, rows in grid.groupby("network"):
        size, zipped = (rows.set_index("technique")[name] for name in ("bytes", "zipped_bytes"))
        assert zipped["PRQ"] < zipped["QAT"], network
        if len(rows) == len(TECHNIQUES):
            assert size["FIQ"] < size["F16"] < size["NQ"], network
            assert size["PRN"] == size["NQ"] and size["PRQ"] == size["BLQ"], network
            assert zipped["PRQ"] < zipped["PRN"] < zipped["NQ"], network
