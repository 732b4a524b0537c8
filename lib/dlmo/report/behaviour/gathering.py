"""The predictions kept with the records, by technique and seed, and how two files compare."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dlmo import datasets, records
from dlmo.errors import UserError
from dlmo.report import statistics, text
from dlmo.report.cited import cited
from dlmo.report.comparison import PARENT
from dlmo.report.comparison_tables import title
from dlmo.report.statistics import Interval, Word

Unit = Literal["file", "seed"]

Values = Callable[["File"], "NDArray[Any] | None"]
"""Takes from a file a value for each image, [n]; nothing where that isn't measured."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What a file says of a part of the test images, as they are and corrupted.

    Attributes:
        places: of the images among the test images, [n].
        labels: [n].
        clean: the first choice for the images as they are, [n].
        corrupted: for the corrupted ones, [kinds, severities, n].
        kinds: the names of the corruptions.
    """

    places: NDArray[np.integer]
    labels: NDArray[np.integer]
    clean: NDArray[np.integer]
    corrupted: NDArray[np.integer]
    kinds: tuple[str, ...]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which first choices for corrupted images are right, [kinds, severities, n]."""
        return self.corrupted == self.labels

    @property
    def per_image(self) -> NDArray[np.float64]:
        """For each image the share of its corrupted forms that are classified rightly, [n]."""
        return self.right.mean(axis=(0, 1))

    def same_images(self, other: "Shown") -> bool:
        """Say whether another file was shown the same images."""
        return np.array_equal(self.places, other.places)


@dataclass(frozen=True, eq=False)
class File:
    """One file's predictions for the test images.

    Attributes:
        weights: the key of the weights that it was converted from.
        classes: its first choice, [n].
        right: whether that is the image's class, [n].
        confidence: the probability that it gives to its first choice, [n].
        counts: images of each class, [classes].
        shown: what it says of corrupted images, where that is measured.
    """

    technique: str
    seed: int
    weights: str
    classes: NDArray[np.integer]
    right: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    counts: NDArray[np.int64]
    shown: Shown | None

    @property
    def accuracy(self) -> float:
        """The share of images that it classifies rightly."""
        return float(self.right.mean())


@dataclass(frozen=True, eq=False)
class Behaviour:
    """All files of one dataset, network and profile whose predictions are kept.

    Attributes:
        seed: whose files statements about a file are about.
        techniques: in the order in which they were asked for, as far as measured.
        files: by technique and seed.
        names: of the classes.
    """

    dataset: str
    network: str
    profile: str
    seed: int
    techniques: tuple[str, ...]
    files: Mapping[tuple[str, int], File]
    names: tuple[str, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The techniques that can be compared with NQ, itself left out."""
        return tuple(name for name in self.techniques if name != PARENT and self.pairs(name))

    def of(self, technique: str) -> dict[int, File]:
        """Return a technique's files by seed."""
        return {seed: one for (name, seed), one in self.files.items() if name == technique}

    def file(self, technique: str) -> File | None:
        """Return the file of the seed that is looked into, or of the first one that there is."""
        own = self.of(technique)
        return own.get(self.seed) or next(iter(own.values()), None)

    def pairs(self, technique: str, other: str = PARENT) -> list[tuple[File, File]]:
        """Return a technique's files beside another one's, by seed; that of `seed` first."""
        first, second = self.of(technique), self.of(other)
        seeds = sorted((seed for seed in first if seed in second), key=lambda s: s != self.seed)
        return [(first[seed], second[seed]) for seed in seeds]

    def unit(self, technique: str, other: str = PARENT) -> Unit:
        """Return what a statement rests on: one file of the same weights, or seeds."""
        same = [one.weights == two.weights for one, two in self.pairs(technique, other)]
        return "file" if same and all(same) else "seed"

    def labels(self) -> NDArray[np.int64]:
        """Return each test image's class as far as any file knows it, [n]; −1 where none does.

        Predictions are kept without the labels: where a file is right, its choice is the label.
        """
        first = next(iter(self.files.values()))
        known = np.full(len(first.classes), -1)
        for one in self.files.values():
            known[one.right] = one.classes[one.right]
        return known


@cited
def gather(
    rows: pd.DataFrame,
    dataset: str,
    network: str,
    profile: str,
    techniques: Sequence[str],
    seed: int = 0,
) -> Behaviour:
    """Read the predictions that are kept with the records of rows.

    Args:
        rows: of `records.select`; others are left out.
        dataset: as the report names it.
        network: as the report names it.
        profile: as the report names it.
        techniques: which, in the order in which they are shown.
        seed: whose files are looked into.
    """
    wanted = {"dataset": dataset, "network": network, "profile": profile}
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    rows = rows.dropna(subset=["accuracy_key"]).drop_duplicates(["technique", "seed"], keep="last")
    order = [name for name in techniques if name in set(rows["technique"])]
    files = {
        (one.technique, one.seed): one
        for name in order
        for one in map(_file, _dicts(rows[rows["technique"] == name].sort_values("seed")))
        if one is not None
    }
    known = tuple(dict.fromkeys(name for name, _ in files))
    return Behaviour(**wanted, seed=seed, techniques=known, files=files, names=_names(dataset))


def _dicts(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    yield from rows.to_dict("records")


def _file(row: Mapping[str, Any]) -> File | None:
    record = _measurement(row["accuracy_key"])
    if record is None:
        return None
    kept = records.predictions(record)
    return File(
        technique=str(row["technique"]),
        seed=int(row["seed"]),
        weights=str(row["weights_key"]),
        classes=kept["test_classes"],
        right=kept["test_correct"],
        confidence=kept["test_probabilities"].astype(np.float64),
        counts=np.sum(record.values["confusion"], axis=1),
        shown=_shown(row.get("robustness_key")),
    )


def _shown(key: Any) -> Shown | None:
    record = _measurement(key)
    if record is None:
        return None
    kept = records.predictions(record)
    return Shown(
        kept["places"],
        kept["labels"],
        kept["clean_classes"],
        kept["corrupted_classes"],
        tuple(record.values["accuracies"]),
    )


def _measurement(key: Any) -> records.Measurement | None:
    record = records.find(key) if isinstance(key, str) else None
    usable = isinstance(record, records.Measurement) and record.predictions is not None
    return record if usable else None  # type: ignore[return-value]  # as the line above says


def _names(dataset: str) -> tuple[str, ...]:
    try:
        return datasets.classes(dataset)
    except UserError:
        return ()


def named(found: Behaviour, label: int) -> str:
    """Return the name of a class; its number where the dataset isn't at hand."""
    return found.names[label] if label < len(found.names) else f"class {label}"


# Comparing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A technique less NQ in something, or a share.

    Attributes:
        interval: of a file over its images, or over the seeds.
        word: what it says against the margin of 1 point.
        unit: which of the two.
        n: how many pairs of files there are.
    """

    interval: Interval
    word: Word
    unit: Unit
    n: int


NOTHING = Change(Interval(np.nan, np.nan, np.nan, 0), "none", "seed", 0)


def less(found: Behaviour, technique: str, values: Values, other: str = PARENT) -> Change:
    """Return what a technique has less than another one, on average over the images.

    Of conversions of the same weights that is a statement about the file of one seed, with an
    interval over the images; of others one about seeds.
    """
    each = [
        (first, second)
        for one, two in found.pairs(technique, other)
        if (first := values(one)) is not None and (second := values(two)) is not None
        if len(first) == len(second)
    ]
    if not each:
        return NOTHING
    if found.unit(technique, other) == "file":
        first, second = each[0]
        if first.dtype == bool:
            files = statistics.paired_files(first, second)
            word = statistics.judge_files([files])
            return Change(files.difference, word, "file", len(each))
        apart = first - second
        return Change(statistics.mean(apart), statistics.judge(apart), "file", len(each))
    means = [float(first.mean() - second.mean()) for first, second in each]
    return Change(statistics.mean(means), statistics.judge(means), "seed", len(each))


def right(one: File) -> NDArray[np.bool_]:
    """Return which test images a file classifies rightly."""
    return one.right


def right_corrupted(one: File) -> NDArray[np.float64] | None:
    """Return of each image which share of its corrupted forms a file classifies rightly."""
    return None if one.shown is None else one.shown.per_image


def points(change: Change) -> str:
    """Return a change in points with its interval."""
    if change.word == "none":
        return text.MISSING
    return text.difference_with_interval(change.interval)


def about(found: Behaviour) -> str:
    """Return what is looked into: `VGGNet on CIFAR-10, profile reference`."""
    return f"{title(found.network)} on {title(found.dataset)}, profile {found.profile}"
