"""The numbers that the paper prints, cell by cell, as claims and audit ask for them.

They can be given in place of the paper's, so that a check can be shown a table without its error.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from dlmo import paper, sources
from dlmo.paper import Claim

Place = tuple[str, str, str]
"""Dataset, network and technique of a printed row."""

Mark = tuple[int, str, str, str]
"""A printed cell: number of the table, dataset (in Table 14 the network), technique, and which of
accuracy, size and latency."""

ZIPPED = ("PRN", "PRQ")
"""The techniques of which the paper prints zipped sizes."""


def suspected(place: Place, kind: str, suspects: Collection[Mark]) -> bool:
    """Say whether a printed cell of a network is among some that cannot be right."""
    dataset, network, technique = place
    printed = paper.results()
    mine = printed[["dataset", "network", "technique"]] == [dataset, network, technique]
    tables = printed.loc[mine.all(axis=1), "table"]
    return any((table, dataset, technique, kind) in suspects for table in tables)


@dataclass(frozen=True, eq=False)
class Printed:
    """What the paper prints: Tables 5 to 14, and its statements.

    Attributes:
        results: the rows of `paper.results()`.
        imagenet: Table 12 as it is printed.
        claims: the statements by their ids, whose numbers and bounds are the text's.
        ours: rows of `records.select()`, for what our files say beside; may be empty.
    """

    results: pd.DataFrame = field(default_factory=paper.results)
    imagenet: pd.DataFrame = field(default_factory=lambda: paper.table(12))
    claims: dict[str, Claim] = field(
        default_factory=lambda: {claim.id: claim for claim in paper.claims()}
    )
    ours: pd.DataFrame = field(default_factory=pd.DataFrame)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Each trial once, where it stands first (Table 14 repeats rows of others)."""
        return self.results.drop_duplicates(["dataset", "network", "technique"])

    def note(self) -> None:
        """Note all tables as sources: single cells are not told apart."""
        sources.note(*(sources.table(int(number)) for number in self.results["table"].unique()))

    def accuracy(self, dataset: str, network: str, technique: str) -> float:
        """Return a printed accuracy, 0 to 1; of Table 12 where no dataset is named. NaN if none."""
        if not dataset:
            return self._top_1.get(network, np.nan)
        return self._value("accuracy", dataset, network, technique)

    def size(self, dataset: str, network: str, technique: str) -> float:
        """Return a printed size in bytes, NaN where there is none."""
        return self._value("bytes", dataset, network, technique)

    def latency(self, dataset: str, network: str, technique: str) -> float:
        """Return a printed latency in ms, NaN where there is none."""
        return self._value("latency_ms", dataset, network, technique)

    def _value(self, column: str, dataset: str, network: str, technique: str) -> float:
        return self._values[column].get((dataset, network, technique), np.nan)

    @cached_property
    def _values(self) -> dict[str, dict[Place, float]]:
        keys = list(
            self.rows[["dataset", "network", "technique"]].itertuples(index=False, name=None)
        )
        columns = ("accuracy", "bytes", "latency_ms")
        return {
            name: dict(zip(keys, self.rows[name].astype(float), strict=True)) for name in columns
        }

    @cached_property
    def _top_1(self) -> dict[str, float]:
        shares = self.imagenet["accuracy_percent"].astype(float) / 100
        return dict(zip(self.imagenet["network"], shares, strict=True))
