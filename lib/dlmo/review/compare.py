"""Comparing predictions, and what has to be the same before they must be equal."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dlmo import machine, records


@dataclass(frozen=True)
class Comparison:
    """Recorded predictions beside new ones of the same images.

    Attributes:
        images: how many.
        others: how many have another first choice.
        apart: the largest difference between the probabilities of the same first choice, 0 to 1.
    """

    images: int
    others: int
    apart: float

    @property
    def equal(self) -> bool:
        """Whether not one image is classified, or rated, otherwise."""
        return self.others == 0 and self.apart == 0

    @property
    def share(self) -> float:
        """The share of images with another first choice, 0 to 1."""
        return self.others / self.images


def compare(
    recorded: Mapping[str, np.ndarray], again: Mapping[str, np.ndarray], split: str = "test"
) -> Comparison:
    """Compare predictions of a split, as `records.predictions` returns them.

    Raises:
        ValueError: they are not about the same number of images.
    """
    one, other = recorded[f"{split}_classes"], again[f"{split}_classes"]
    if one.shape != other.shape:
        raise ValueError(f"{len(one)} predictions and {len(other)} are not about the same images")
    same = one == other
    first, second = (
        said[f"{split}_probabilities"][same].astype(np.float64) for said in (recorded, again)
    )
    apart = float(np.abs(first - second).max()) if same.any() else 0.0
    return Comparison(len(one), int((~same).sum()), apart)


def kernels_apart(record: records.Measurement, runtime: str) -> str:
    """Say what of runtime, system and instruction sets differs here; nothing where all are equal.

    Only where it is nothing can equal predictions be demanded of a file.

    Args:
        record: of an accuracy.
        runtime: package and version with which the file was run here.
    """
    said = machines_apart(record)
    recorded = str(record.values.get("runtime", "an unknown runtime"))
    return ", ".join([*said, *([f"{recorded} there"] if recorded != runtime else [])])


def machines_apart(record: records.Record) -> list[str]:
    """Return what of system and instruction sets differs between a record's machine and this."""
    then, now = record.provenance.machine, machine.this()
    said = [f"{then.system} there"] if then.system != now.system else []
    less = set(then.instruction_sets) - set(now.instruction_sets)
    more = set(now.instruction_sets) - set(then.instruction_sets)
    said += [f"{', '.join(sorted(less))} only there"] if less else []
    return said + ([f"{', '.join(sorted(more))} only here"] if more else [])
