"""Where the evidence comes from: the recorded trials of one profile, and the cells of a claim."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
import pandas as pd

from dlmo import paper, recipes, records
from dlmo.deployable import Deployable, read
from dlmo.paper import Claim
from dlmo.paths import models
from dlmo.report.claims.evidence import Cell, NotMeasuredError
from dlmo.report.statistics import Compared
from dlmo.report.text import MISSING
from dlmo.techniques import technique as technique_of

TODAY, THEN = "ai-edge-litert", "tflite-runtime"
"""The runtime of our measurements, and the one that carried the paper's files."""

XNNPACK, BUILTIN = "xnnpack", "builtin"

Recipe = Mapping[str, float] | None


def cells(claim: Claim) -> list[Cell]:
    """Return the cells that a claim names; the control, where there is one, is compared with."""
    networks = set(paper.networks())
    others = claim.against
    if claim.control and not set(claim.against) <= networks:
        others = claim.control
    together = list(product(claim.techniques or ("",), others or ("",)))
    if len(others) == len(claim.techniques) and not set(others) & networks:
        together = list(zip(claim.techniques, others, strict=True))
    return [
        Cell(dataset, network, one, other)
        for dataset in claim.datasets or ("",)
        for network in claim.networks or ("",)
        for one, other in together
    ]


class Kept:
    """All records, read once: what every profile's source draws from."""

    def __init__(self) -> None:
        self.right: dict[str, np.ndarray] = {}
        """Which images are right, by the key of a record of accuracy; as far as asked for."""
        self.ratios: dict[tuple[str, ...], Compared] = {}
        """Ratios of latencies by the keys of all records that they come from."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows made by today's recipes and revisions."""
        table = records.table(self.by_key.values())
        return table[table["current"]]

    @lru_cache(maxsize=4)  # noqa: B019  # one object reads the records of a few profiles
    def cells(self, profile: str) -> dict[tuple[str, str, str], pd.DataFrame]:
        """Return a profile's rows by dataset, network and technique."""
        table = self.table[self.table["profile"] == profile]
        groups = table.groupby(["dataset", "network", "technique"])
        return {(str(a), str(b), str(c)): rows for (a, b, c), rows in groups}

    @cached_property
    def by_key(self) -> dict[str, records.Record]:
        """All records by their keys."""
        return {record.key: record for record in records.every()}

    @cached_property
    def timed(self) -> dict[tuple[str, str, str], list[records.Measurement]]:
        """The latencies with one thread, by file, kernels and the runtime's package."""
        found: dict[tuple[str, str, str], list[records.Measurement]] = {}
        for record in self.by_key.values():
            if isinstance(record, records.Measurement) and _one_thread(record):
                settings = record.identity.settings
                runtime = str(record.values.get("runtime", TODAY)).split(" ")[0]
                place = (record.identity.deployable, str(settings["kernels"]), runtime)
                found.setdefault(place, []).append(record)
        return found

    @cached_property
    def cut(self) -> dict[tuple[str, str, str], list[records.Measurement]]:
        """The times of single operators, by file, kernels and the runtime's package."""
        found: dict[tuple[str, str, str], list[records.Measurement]] = {}
        for record in self.by_key.values():
            if not isinstance(record, records.Measurement):
                continue
            identity, values = record.identity, record.values
            if identity.instrument == "operators" and "shares" in values:
                runtime = str(values["runtime"]).split(" ")[0]
                place = (identity.deployable, str(identity.settings["kernels"]), runtime)
                found.setdefault(place, []).append(record)
        return found


@dataclass(frozen=True)
class Source:
    """The records of one profile, as claims ask for them.

    Attributes:
        kernels: with which latencies count.
        runtime: the package of the runtime with which latencies count.
        corrupted: whether accuracies are those on corrupted images.
    """

    profile: str
    kernels: str = XNNPACK
    runtime: str = TODAY
    corrupted: bool = False
    kept: Kept = field(default_factory=Kept, repr=False)

    def on(self, kernels: str | None = None, runtime: str | None = None) -> "Source":
        """Return the same records with the latencies of other kernels or another runtime."""
        return replace(self, kernels=kernels or self.kernels, runtime=runtime or self.runtime)

    def on_corrupted(self) -> "Source":
        """Return the same records with the accuracies on corrupted images."""
        return replace(self, corrupted=True)

    def seeds(
        self, dataset: str, network: str, technique: str, recipe: Recipe = None
    ) -> pd.DataFrame:
        """Return the measured rows of one cell, a row a seed (the index).

        Args:
            dataset: as the report names it.
            network: as the report names it.
            technique: as the report names it.
            recipe: what the recipe has otherwise than the profile.

        Raises:
            NotMeasuredError: there are none, or it can't be had.
        """
        changed = tuple(sorted((recipe or {}).items()))
        if (dataset, network, technique) not in self._cells:
            raise NotMeasuredError(_why(None, network, technique, recipe))
        found, known = self._seeds(dataset, network, technique, changed)
        if known.empty:
            raise NotMeasuredError(_why(found, network, technique, recipe))
        return known

    def calibrated(self, cell: Cell, images: int) -> pd.DataFrame:
        """Return the measured rows of files that were calibrated with so many images.

        Raises:
            NotMeasuredError: there are none.
        """
        name = (cell.dataset, cell.network, cell.technique)
        rows = self._accuracies(self._cells.get(name, self._none)).dropna(subset=["accuracy"])
        taken = [self._calibration(key) == images for key in rows["deployable_key"]]
        found = rows[pd.Series(taken, index=rows.index, dtype=bool)].drop_duplicates("seed")
        if found.empty:
            raise NotMeasuredError(f"{MISSING}: {cell.technique} calibrated with {images} images")
        return found.set_index("seed").sort_index()

    def weights(self, key: str) -> records.Weights:
        """Return the record of some weights, for their recorded history."""
        record = self.kept.by_key[key]
        assert isinstance(record, records.Weights)
        return record

    def measurement(self, key: str) -> records.Measurement:
        """Return a measurement by its key."""
        record = self.kept.by_key[key]
        assert isinstance(record, records.Measurement)
        return record

    def deployable(self, key: str) -> records.Deployable:
        """Return the record of a file by its key."""
        record = self.kept.by_key[key]
        assert isinstance(record, records.Deployable)
        return record

    def file(self, key: str) -> Deployable:
        """Read a file that is kept in `data/models/`.

        A file that lies only in somebody's store is not read: verdicts would differ by machine.

        Raises:
            NotMeasuredError: it isn't kept.
        """
        found = next(models().glob(f"*/*/*.{key}.tflite"), None)
        if found is None:
            raise NotMeasuredError(f"{MISSING}: the file {key} is not kept in data/models")
        return read(found)

    def timed(self, deployable: str) -> list[records.Measurement]:
        """Return the latencies of a file with these kernels and this runtime, one thread."""
        return self.kept.timed.get((deployable, self.kernels, self.runtime), [])

    def cut(self, deployable: str) -> list[records.Measurement]:
        """Return the times of a file's operators with these kernels and this runtime."""
        return self.kept.cut.get((deployable, self.kernels, self.runtime), [])

    def right(self, key: str) -> np.ndarray:
        """Return which test images a file classifies rightly, bool [n].

        On corrupted images: of each image the share of its forms, [n].

        Raises:
            NotMeasuredError: its predictions aren't kept.
        """
        record = self.measurement(key)
        if record.predictions is None:
            raise NotMeasuredError(f"{MISSING}: {record.trial} has no predictions")
        if key not in self.kept.right:
            kept = records.predictions(record)
            if self.corrupted:
                right = kept["corrupted_classes"] == kept["labels"]
                self.kept.right[key] = right.mean(axis=(0, 1))
            else:
                self.kept.right[key] = kept["test_correct"]
        return self.kept.right[key]

    @lru_cache(maxsize=2048)  # noqa: B019  # as many as there are cells; the records don't change
    def _seeds(
        self, dataset: str, network: str, technique: str, recipe: tuple[tuple[str, float], ...]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the rows of a cell, and those that are measured by their seeds."""
        rows = self._cells[dataset, network, technique]
        if recipe:
            wanted = [self._trained_with(key, technique, recipe) for key in rows["weights_key"]]
            rows = rows[pd.Series(wanted, index=rows.index, dtype=bool)]
        else:
            rows = rows[rows["overrides"] == ""]
        rows = self._accuracies(rows)
        known = rows.dropna(subset=["accuracy"]).drop_duplicates("seed")
        return rows, known.set_index("seed").sort_index()

    def _accuracies(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows whose accuracies are those on the images that are asked for."""
        if not self.corrupted:
            return rows
        own = {"accuracy": "corrupted_accuracy", "accuracy_key": "robustness_key"}
        return rows.assign(**{name: rows[other] for name, other in own.items()})

    @property
    def _cells(self) -> dict[tuple[str, str, str], pd.DataFrame]:
        return self.kept.cells(self.profile)

    @property
    def _none(self) -> pd.DataFrame:
        return self.kept.table.iloc[:0]

    def _trained_with(
        self, key: str, technique: str, recipe: tuple[tuple[str, float], ...]
    ) -> bool:
        """Say whether weights were made by the profile's recipe with these changes, no others."""
        profile = recipes.profile(self.profile)
        changed = recipes.parse_overrides(dict(recipe))
        record: records.Record | None = self.kept.by_key.get(key)
        steps = list(technique_of(technique).steps)
        while isinstance(record, records.Weights) and steps:
            identity, step = record.identity, steps.pop()
            today = profile.step(step, identity.network, changed).model_dump(mode="json")
            if (identity.step, identity.recipe) != (step, today):
                return False
            record = self.kept.by_key.get(identity.parent or "")
        return not steps and record is None

    def _calibration(self, key: str) -> int | None:
        return self.deployable(key).identity.recipe.get("calibration_samples")


def _one_thread(record: records.Measurement) -> bool:
    identity = record.identity
    return (
        identity.instrument == "latency"
        and identity.settings.get("threads") == 1
        and "ratios" in record.values
    )


def _why(found: pd.DataFrame | None, network: str, technique: str, recipe: Recipe) -> str:
    reasons = [] if found is None else found["reason"].dropna().to_list()
    if reasons:
        return f"{technique} can't be had: {reasons[0]}"
    changed = ", ".join(f"{name} {value:g}" for name, value in (recipe or {}).items())
    return f"{MISSING}: {network} {technique}" + (f" with {changed}" if changed else "")
