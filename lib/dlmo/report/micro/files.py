"""The deployables that the chapter is about: what is computed from them, and what is measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from dlmo import deployable, microcontroller, records
from dlmo.deployable import Deployable
from dlmo.microcontroller import Board
from dlmo.report import arenas
from dlmo.report.arenas import Measured
from dlmo.report.comparison_tables import title


@dataclass(frozen=True, eq=False)
class One:
    """One deployable.

    Attributes:
        network, technique, seed: what it is of.
        key: of its record.
        flash: bytes of the file.
        measured: what TFLite Micro did with it; None where that is not measured yet.
        held: the file itself; None where it is not kept here.
    """

    network: str
    technique: str
    seed: int
    key: str
    flash: int
    measured: Measured | None
    held: Deployable | None

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the records that it rests on."""
        return (self.key, *((self.measured.key,) if self.measured else ()))

    @property
    def computed(self) -> int | None:
        """Bytes of the values at the peak, from the file alone."""
        if self.held is not None:
            return microcontroller.need(self.held).activations
        return self.measured.computed if self.measured else None

    @property
    def planned(self) -> int | None:
        """Bytes of the values as TFLite Micro's planner lays them, gaps included."""
        return self.computed if self.held is None else microcontroller.need(self.held).planned

    @property
    def runs(self) -> bool | None:
        """Whether it runs under TFLite Micro: measured, else judged by its types; None: unknown."""
        if self.measured is not None:
            return self.measured.runs
        return None if self.held is None else microcontroller.refusal(self.held) is None

    @property
    def ram(self) -> int | None:
        """Bytes of the measured arena, or else of the estimated one."""
        if self.measured is not None and self.measured.bytes is not None:
            return self.measured.bytes
        return None if self.held is None else microcontroller.need(self.held).arena

    @property
    def estimated(self) -> bool:
        """Whether `ram` is estimated, and not measured."""
        return self.measured is None or self.measured.bytes is None

    def verdict(self, board: Board) -> str:
        """Return how it stands with a board: fits, what it lacks, or that it does not run."""
        if self.runs is False:
            return STOPPED
        if self.runs is None or self.ram is None:
            return UNKNOWN
        code = microcontroller.boards().code.flash
        lacks = [
            name
            for name, too_much in (
                ("flash", self.flash + code > board.flash),
                ("RAM", self.ram > board.ram),
            )
            if too_much
        ]
        return f"no: {' and '.join(lacks)}" if lacks else FITS


FITS, STOPPED, UNKNOWN = "fits", "does not run", "?"
"""Verdicts, beside "no: flash", "no: RAM" and "no: flash and RAM"."""


def of(rows: pd.DataFrame, seed: int) -> list[One]:
    """Return the deployables of a chapter's rows with one seed.

    Args:
        rows: of `records.select`, without overrides.
        seed: which.
    """
    known = arenas.read()
    own = rows[(rows["seed"] == seed)].dropna(subset=["deployable_key", "bytes"])
    return list(_each(own.drop_duplicates(["network", "technique"], keep="last"), known))


def _each(rows: pd.DataFrame, known: arenas.Arenas) -> Iterator[One]:
    for _, row in rows.iterrows():
        key = str(row["deployable_key"])
        place = records.kept(key)
        yield One(
            network=str(row["network"]),
            technique=str(row["technique"]),
            seed=int(row["seed"]),
            key=key,
            flash=int(row["bytes"]),
            measured=known.of(key),
            held=None if place is None else deployable.read(place),
        )


def ordered(found: Sequence[One], techniques: Sequence[str]) -> list[One]:
    """Return the deployables of some techniques, in their order."""
    return [one for name in techniques for one in found if one.technique == name]


def named(one: One) -> str:
    """Return how sentences name a deployable: `FIQ of VGGNet`."""
    return f"{one.technique} of {title(one.network)}"
