"""What TFLite Micro did with our files, read from the records of the instrument `arena`."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from dlmo import records, sources
from dlmo.instruments import Arena


class Measured(Arena):
    """A record of the instrument `arena`.

    Attributes:
        key: of the record.
        images: how many were classified.
        accuracy: on these images, 0 to 1; None where the file does not run.
        agreement: share of these images with LiteRT's first choice, by LiteRT's kernels.
        litert: LiteRT's package and its version.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    images: int
    accuracy: float | None = None
    agreement: dict[str, float] = Field(default_factory=dict)
    litert: str | None = None

    @property
    def refusal(self) -> str | None:
        """Why TFLite Micro does not run the file, as sentences say it; None where it does."""
        if self.runs:
            return None
        said = (self.reason or "").rstrip(".")
        return f"TFLite Micro does not run it: {self.operator or 'the file'} ({said})"


class Arenas:
    """What is recorded, by the key of the deployable; what is read is noted as a source."""

    def __init__(self, found: Mapping[str, Measured]) -> None:
        self._found = dict(found)

    def of(self, deployable: str | None) -> Measured | None:
        """Return what is recorded of a file; None where nothing is."""
        found = self._found.get(deployable or "")
        if found is not None:
            sources.note(found.key)
        return found

    def __len__(self) -> int:
        return len(self._found)


def read() -> Arenas:
    """Return what is recorded, of each file the measurement made last.

    Raises:
        UserError: a record is wrong.
    """
    latest: dict[str, records.Measurement] = {}
    for record in records.every():
        if isinstance(record, records.Measurement) and record.identity.instrument == "arena":
            key = record.identity.deployable
            if key not in latest or _when(latest[key]) < _when(record):
                latest[key] = record
    return Arenas({key: _measured(record) for key, record in latest.items()})


def _when(record: records.Measurement) -> str:
    return record.provenance.started


def _measured(record: records.Measurement) -> Measured:
    values: dict[str, Any] = {**record.values, "key": record.key}
    return Measured.model_validate(values)
