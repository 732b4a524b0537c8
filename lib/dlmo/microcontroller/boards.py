"""Common boards: what they have, and whether a file fits."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlmo import paths
from dlmo.errors import UserError


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Board(_Frozen):
    """A board with a microcontroller.

    Attributes:
        name: as its maker writes it.
        processor: core and clock, as the source says.
        flash: bytes; on some boards in a chip of its own.
        ram: bytes in all; the arena must lie in one piece of it.
        source: address of what says so.
    """

    name: str
    processor: str
    flash: int = Field(gt=0)
    ram: int = Field(gt=0)
    source: str = Field(pattern=r"^https://")

    def fits(self, flash: int, ram: int) -> bool:
        """Say whether so many bytes of flash and RAM are there."""
        return flash <= self.flash and ram <= self.ram


class Code(_Frozen):
    """What the runtime's code takes in flash beside a file, as one build had it."""

    flash: int = Field(gt=0)
    what: str
    source: str = Field(pattern=r"^https://")


class Published(_Frozen):
    """MLPerf Tiny's ResNet-8 as its benchmark publishes it.

    Attributes:
        weights: bytes of the 8-bit file.
        quality: accuracy that a submission must reach, 0 to 1.
        accuracy: of the reference submission, on `images` images.
        throughput: inferences a second on `board`.
        ram: bytes of static RAM of the reference build, arena and input included.
        sources: addresses by what they say.
    """

    weights: int
    quality: float
    accuracy: float
    images: int
    throughput: float
    board: str
    ram: int
    arena: int
    sources: dict[str, str]


class Boards(_Frozen):
    """All of `data/boards.yaml`."""

    code: Code
    boards: list[Board] = Field(min_length=1)
    resnet8: Published


def boards(source: Path | None = None) -> Boards:
    """Return the boards, the smallest RAM first.

    Args:
        source: another file than `data/boards.yaml`.

    Raises:
        UserError: the file can't be read or says something that makes no sense.
    """
    return _read(source or paths.ROOT / "data/boards.yaml")


@cache
def _read(source: Path) -> Boards:
    try:
        found = Boards.model_validate(yaml.safe_load(source.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{source}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{source} can't be read: {str(error).splitlines()[0]}") from None
    ordered = sorted(found.boards, key=lambda board: (board.ram, board.flash))
    return found.model_copy(update={"boards": ordered})
