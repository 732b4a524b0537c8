"""The files that a chapter of Section 3 looks into: one seed's, by technique."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dlmo import deployable, records, sources
from dlmo.deployable import Deployable
from dlmo.report import text


@dataclass(frozen=True, eq=False)
class Files:
    """The kept files of one dataset, network, profile and seed.

    Attributes:
        rows: of `records.select`, without overrides.
        seed: which.
    """

    rows: pd.DataFrame
    seed: int

    def path(self, technique: str) -> Path | None:
        """Return where the `.tflite` of a technique lies, or nothing."""
        key = self._key(technique, "deployable_key")
        return records.kept(key) if key else None

    def read(self, technique: str) -> Deployable | None:
        """Return a technique's file, or nothing where none is kept here."""
        path = self.path(technique)
        return _read(path, path.stat().st_mtime_ns) if path else None

    def weights(self, technique: str) -> list[NDArray[np.generic]] | None:
        """Return the arrays that a technique's training left, or nothing."""
        key = self._key(technique, "weights_key")
        path = records.kept(key, "weights") if key else None
        if path is None:
            return None
        with np.load(path, allow_pickle=False) as archive:
            return [archive[f"arr_{place}"] for place in range(len(archive.files))]

    def _key(self, technique: str, column: str) -> str | None:
        rows = self.rows
        found = rows[(rows["technique"] == technique) & (rows["seed"] == self.seed)]
        key = found[column].iloc[0] if len(found) else None
        if not isinstance(key, str):
            return None
        sources.note(key)
        return key

    def absent(self, techniques: Sequence[str]) -> str:
        """Return a sentence about the techniques of which no file is kept; "" where all are."""
        names = [name for name in techniques if self.path(name) is None]
        if not names:
            return ""
        verb = "is" if len(names) == 1 else "are"
        return f"{text.listing(names)} with seed {self.seed} {verb} {text.MISSING}, or not kept."


@lru_cache(maxsize=16)
def _read(path: Path, _changed: int) -> Deployable:
    return deployable.read(path)
