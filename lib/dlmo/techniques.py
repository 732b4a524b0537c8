"""A technique is a list of training steps and one conversion; this is where names become both.

A name is a row of parts joined by `+`, read from left to right: `KD+PRQ` is (distil, prune ·
dynamic). Each part adds steps, sets the conversion, or both, so combinations come free.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from dlmo.errors import UserError, unknown

StepName = Literal["train", "distil", "finetune", "prune", "qat"]
ConversionName = Literal["float", "dynamic", "int8", "f16"]

STEP_REVISIONS: dict[StepName, int] = {
    "train": 1,
    "distil": 1,
    "finetune": 1,
    "prune": 1,
    "qat": 1,
}
"""Raised when a change of code changes what a step makes, so that no old record passes for new."""

CONVERSION_REVISIONS: dict[ConversionName, int] = {"float": 1, "dynamic": 1, "int8": 1, "f16": 1}
"""The same for the conversions."""


@dataclass(frozen=True)
class Part:
    """What one part of a technique's name stands for.

    `begins` says that its steps start from random weights and so can only come first.
    """

    meaning: str
    steps: tuple[StepName, ...] = ()
    conversion: ConversionName | None = None
    begins: bool = False


PARTS: dict[str, Part] = {
    "NQ": Part("no quantization", ("train",), begins=True),
    "KD": Part("knowledge distillation", ("distil",), begins=True),
    "FT": Part("trained on for as long as PRN (the control)", ("finetune",)),
    "PRN": Part("magnitude pruning", ("prune",)),
    "PRQ": Part("pruning, then BLQ", ("prune",), "dynamic"),
    "QAT": Part("quantization-aware training", ("qat",), "int8"),
    "BLQ": Part("dynamic-range int8 weights", (), "dynamic"),
    "FIQ": Part("full integer quantization", (), "int8"),
    "F16": Part("float16 weights", (), "f16"),
}
"""The paper's abbreviations (Sections 3.1 to 3.3 and 4.1) and the control FT."""


@dataclass(frozen=True)
class Technique:
    """A technique: its name, its training steps in order, and the conversion that ends it."""

    name: str
    steps: tuple[StepName, ...]
    conversion: ConversionName


@lru_cache
def technique(name: str) -> Technique:
    """Read a technique's name.

    Raises:
        UserError: a part is unknown, two parts convert, or a part stands where it cannot.
    """
    steps: list[StepName] = []
    conversion: ConversionName | None = None
    for position, word in enumerate(name.split("+")):
        part = PARTS.get(word)
        if part is None:
            raise unknown("technique", word, PARTS)
        if part.begins and position > 0:
            raise UserError(f"technique {name!r}: {word} starts a training and must come first")
        if conversion is not None:
            raise UserError(f"technique {name!r}: nothing can follow a conversion, {word} does")
        if position == 0 and not part.begins:
            steps.append("train")
        if set(part.steps) & set(steps):
            raise UserError(f"technique {name!r}: {word} repeats a step")
        steps.extend(part.steps)
        conversion = part.conversion
    return Technique(name, tuple(steps), conversion or "float")


PAPER: tuple[str, ...] = ("NQ", "BLQ", "FIQ", "F16", "QAT", "PRN", "PRQ")
"""The seven rows of Tables 5 to 7, in the paper's order."""

CONTROLS: tuple[str, ...] = ("NQ+FT", "NQ+FT+FIQ", "NQ+FT+BLQ")
"""The rows that the paper lacks: the float network trained on, and its files."""
