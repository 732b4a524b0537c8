"""Names of datasets: which source they mean, which classes they keep."""

from pathlib import Path
from typing import Protocol

from dlmo.datasets.dataset import Dataset


class Source(Protocol):
    """Where a dataset comes from. `classes` and `checksum` are cheap, `read` need not be."""

    @property
    def name(self) -> str:
        """Return the name that means this source."""
        ...

    def __hash__(self) -> int: ...

    def classes(self) -> tuple[str, ...]:
        """Return the classes' names in the order of the labels."""
        ...

    def checksum(self) -> str:
        """Return the SHA-256 over all that the splits depend on."""
        ...

    def state(self) -> str:
        """Return what changes when the files may have changed; cached reads hang on it."""
        ...

    def read(self) -> Dataset:
        """Read and split the whole dataset, downloading it where it is missing."""
        ...

    def where(self) -> Path:
        """Return the place of the files, whether they are there or not."""
        ...

    def present(self) -> bool:
        """Say whether the files are there."""
        ...

    def bytes(self) -> int:
        """Return the size of the files that are there."""
        ...

    def fetch(self, progress: bool = True) -> Path:
        """Return the place of the files, after downloading them where they are missing."""
        ...


_SOURCES: dict[str, Source] = {}


def register(source: Source) -> None:
    """Make a source known under its name."""
    _SOURCES[source.name] = source


def sources() -> dict[str, Source]:
    """Return the registered sources by name."""
    return dict(sorted(_SOURCES.items()))
