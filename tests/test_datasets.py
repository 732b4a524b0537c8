"""Names, restriction, splits and the embedded dataset."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from dlmo import datasets
from dlmo.datasets import splits
from dlmo.datasets.dataset import Split
from dlmo.errors import UserError


def parts(dataset: datasets.Dataset) -> list[Split]:
    return [dataset.train, dataset.validation, dataset.test]


def fingerprints(split: Split) -> list[bytes]:
    return [image.tobytes() for image in split.images]


def test_importing_datasets_does_not_import_tensorflow() -> None:
    code = "import sys, dlmo.datasets; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_digits_are_scikit_learns_enlarged() -> None:
    digits = datasets.load("digits")
    values, labels = load_digits(return_X_y=True)
    assert sum(map(len, parts(digits))) == len(labels) == 1797
    assert digits.classes == tuple("0123456789")
    expected = {
        (np.kron(np.rint(row.reshape(8, 8) * 255 / 16), np.ones((4, 4))).astype(np.uint8).tobytes())
        for row in values
    }
    for split in parts(digits):
        assert split.images.shape[1:] == (32, 32, 3)
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int64
        channels = np.moveaxis(split.images, -1, 0)
        assert np.array_equal(channels[0], channels[1])
        assert np.array_equal(channels[0], channels[2])
        assert {image.tobytes() for image in channels[0]} <= expected
    assert digits.train.images.max() == 255


def test_digits_are_split_into_disjoint_parts_of_every_class() -> None:
    digits = datasets.load("digits")
    everything = [image for split in parts(digits) for image in fingerprints(split)]
    assert len(set(everything)) == len(everything)
    totals = np.bincount(load_digits(return_X_y=True)[1])
    for split in (digits.validation, digits.test):
        assert np.abs(np.bincount(split.labels) - 0.15 * totals).max() <= 0.5


def test_a_process_reads_a_dataset_once_and_nobody_can_change_it() -> None:
    first, again = datasets.load("digits"), datasets.load(" digits ")
    assert first is again
    with pytest.raises(ValueError, match="read-only"):
        first.train.images[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        first.train.labels[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.name = "other"  # type: ignore[misc]


def test_a_split_locks_its_own_view_and_not_the_callers_array() -> None:
    images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64)
    split = Split(images, labels)
    images[0] = 1
    assert len(split) == 2


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), np.zeros(2, np.int64)),
        (np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.int64)),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, np.int64)),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int32)),
    ],
)
def test_a_split_refuses_other_shapes_and_types(images: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"not uint8|not int64"):
        Split(images, labels)


def test_restriction_renumbers_the_labels_in_the_given_order() -> None:
    whole, some = datasets.load("digits"), datasets.load("digits[8, 3]")
    assert some.name == "digits[8,3]"
    assert some.classes == ("8", "3")
    for kept, split in zip(parts(some), parts(whole), strict=True):
        for new, old in enumerate((8, 3)):
            assert np.array_equal(
                kept.images[kept.labels == new], split.images[split.labels == old]
            )
        assert len(kept) == np.isin(split.labels, (3, 8)).sum()


def test_checksums_tell_names_orders_and_revisions_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        *["digits", "digits[3,8]", "digits[8,3]", "cifar10", "cifar10[cat,dog]", "cifar100"],
        "cifar100_coarse",
    ]
    found = [datasets.checksum(name) for name in names]
    assert len(set(found)) == len(names)
    assert datasets.checksum("digits[3, 8]") == datasets.checksum("digits[3,8]")
    for name in ("digits", "digits[3,8]"):
        assert datasets.load(name).checksum == datasets.checksum(name)
    for module in ("cifar", "digits"):
        monkeypatch.setattr(f"dlmo.datasets.{module}.SPLIT_REVISION", 99)
    assert not {datasets.checksum(name) for name in names} & set(found)


def test_cifars_checksum_and_classes_need_no_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = datasets.checksum("cifar100[apple,baby]")
    monkeypatch.setenv("DLMO_DATA", str(tmp_path / "nowhere"))
    assert datasets.checksum("cifar100[apple,baby]") == before
    assert len(datasets.classes("cifar10")) == 10
    assert len(set(datasets.classes("cifar100"))) == 100
    assert len(set(datasets.classes("cifar100_coarse"))) == 20
    assert datasets.classes("cifar10[truck,automobile]") == ("truck", "automobile")
    assert not datasets.available("cifar10[truck,automobile]")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("cifra10", "unknown dataset 'cifra10'; did you mean 'cifar10'?"),
        ("CIFAR10", "did you mean 'cifar10'?"),
        ("cifar10[automobil,truck]", "did you mean 'automobile'?"),
        ("cifar10[truck]", "two or more"),
        ("cifar10[truck,truck]", "'truck' is named twice"),
        ("cifar10[truck,]", "unknown class"),
        ("cifar10[]", "not of the form"),
        ("cifar10[cat,dog", "not of the form"),
        ("", "not of the form"),
        ("no/such/folder", "not there"),
        ("a\0/b", "not there"),
        ("digits[size=64]", "unknown class of digits 'size=64'"),
    ],
)
@pytest.mark.parametrize("ask", [datasets.load, datasets.checksum])
def test_a_wrong_name_is_one_clear_line(ask: object, name: str, line: str) -> None:
    with pytest.raises(UserError) as caught:
        ask(name)  # type: ignore[operator]
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_status_has_one_row_a_registered_dataset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DLMO_DATA", str(tmp_path))
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(b"half")
    rows = {row.name: row for row in datasets.status()}
    assert tuple(rows) == datasets.names()
    assert set(rows) == {"cifar10", "cifar100", "cifar100_coarse", "digits"}
    assert rows["digits"].present and rows["digits"].bytes > 0
    assert datasets.fetch("digits").is_dir()
    cifar10 = rows["cifar10"]
    assert (cifar10.where, cifar10.present, cifar10.bytes) == (
        tmp_path / "cifar-10-batches-py",
        False,
        4,
    )


def test_the_sheet_counts_images_and_test_images_seen_in_training() -> None:
    images = np.arange(6, dtype=np.uint8).repeat(48).reshape(6, 4, 4, 3)
    dataset = datasets.Dataset(
        name="toy",
        classes=("a", "b", "c"),
        train=Split(images[:3], np.array([0, 0, 1])),
        validation=Split(images[3:4], np.array([1])),
        test=Split(images[[2, 3, 4, 5]], np.array([0, 1, 1, 1])),
        checksum="",
    )
    table = datasets.sheet(dataset)
    assert list(table.index) == ["a", "b", "c", "total"]
    assert table.loc["total"].to_dict() == {"train": 3, "validation": 1, "test": 4, "test_seen": 2}
    assert table["test_seen"].tolist() == [1, 1, 0, 2]
    assert table["train"].tolist() == [2, 1, 0, 3]


@settings(max_examples=50)
@given(
    counts=st.lists(st.integers(5, 60), min_size=1, max_size=6),
    shares=st.sampled_from([(0.1,), (0.15, 0.15), (0.2, 0.1, 0.3)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_stratified_parts_are_a_partition_with_the_right_shares(
    counts: list[int], shares: tuple[float, ...], seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(seed).shuffle(labels)
    found = splits.stratified(labels, [f"{seed}-{i}" for i in range(len(labels))], shares)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(labels)))
    for share, part in zip(shares, found[:-1], strict=True):
        for label, count in enumerate(counts):
            assert (labels[part] == label).sum() == max(1, round(share * count))


def test_a_split_follows_the_keys_and_not_the_positions() -> None:
    labels, keys = np.zeros(40, np.int64), [f"key{i}" for i in range(40)]
    held_out, _ = splits.stratified(labels, keys, (0.25,))
    turned, _ = splits.stratified(labels, keys[::-1], (0.25,))
    assert sorted(39 - turned) == held_out.tolist()
    assert held_out.tolist() != list(range(10))
