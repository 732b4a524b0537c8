"""Floating-point formats, bit by bit: what FP32 and FP16 can write, and how one becomes the other.

Source: IEEE 754; paper, Section 3.1 and Figure 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: one sign bit, then exponent, then mantissa."""

    name: str
    exponent: int
    mantissa: int

    @property
    def width(self) -> int:
        """Bits in all."""
        return 1 + self.exponent + self.mantissa

    @property
    def bias(self) -> int:
        """What is subtracted from the stored exponent."""
        return int(2 ** (self.exponent - 1) - 1)

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return float(2.0**self.bias * (2 - 2.0**-self.mantissa))

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number with all bits of the mantissa."""
        return float(2.0 ** (1 - self.bias))

    @property
    def smallest(self) -> float:
        """The smallest positive number."""
        return float(2.0 ** (1 - self.bias - self.mantissa))


FP32 = Format("FP32", 8, 23)
FP16 = Format("FP16", 5, 10)


def bits(value: float, form: Format) -> str:
    """Return the bits of the nearest number of a format (FP32 or FP16), the sign first."""
    kind, unsigned = (np.float32, np.uint32) if form.width == 32 else (np.float16, np.uint16)
    with np.errstate(over="ignore"):
        stored = np.array(value, np.float64).astype(np.float32).astype(kind)
    return format(int(stored.view(unsigned)), f"0{form.width}b")


def fields(text: str, form: Format) -> tuple[int, int, int]:
    """Return sign, stored exponent and mantissa of some bits."""
    split = 1 + form.exponent
    return int(text[0], 2), int(text[1:split], 2), int(text[split:], 2)


def value(text: str, form: Format) -> float:
    """Return the number that some bits stand for."""
    sign, exponent, mantissa = fields(text, form)
    share, factor = mantissa / 2**form.mantissa, -1.0 if sign else 1.0
    if exponent == 2**form.exponent - 1:
        return float("nan") if mantissa else factor * float("inf")
    if exponent == 0:
        return factor * share * form.smallest_normal
    return factor * (1 + share) * 2.0 ** (exponent - form.bias)


PAPERS_RULE = (6, 7)
"""The bits of FP32's exponent that the paper removes: its last two (Section 3.1)."""

WORKING_RULE = (1, 2, 3)
"""Those whose removal leaves FP16's exponent, for numbers that FP16 writes with all its bits."""


def by_removal(number: float, exponent: Sequence[int], mantissa_bits: int = 13) -> str:
    """Return what remains of an FP32 number without some bits of its exponent and mantissa.

    Args:
        number: in double precision.
        exponent: which bits of the exponent to remove, 0 for its first.
        mantissa_bits: how many to cut from the mantissa's end; the paper says thirteen.
    """
    text = bits(number, FP32)
    split = 1 + FP32.exponent
    kept = (bit for place, bit in enumerate(text[1:split]) if place not in exponent)
    return text[0] + "".join(kept) + text[split : FP32.width - mantissa_bits]


def agrees(number: float, exponent: Sequence[int]) -> bool:
    """Say whether removing bits leaves the number's FP16 form, but for the mantissa's rounding."""
    left = by_removal(number, exponent)
    if len(left) != FP16.width:
        return False
    return left == bits(float(truncated(np.array([number], np.float32))[0]), FP16)


def truncated(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return FP16 numbers whose mantissas are cut off instead of rounded (normal numbers only)."""
    kept = np.asarray(values, np.float32).view(np.uint32) & np.uint32(0xFFFFE000)
    return kept.view(np.float32).astype(np.float16)


def dropped_bits() -> tuple[int, int]:
    """Return by how many bits FP32's exponent and mantissa are longer than FP16's."""
    return FP32.exponent - FP16.exponent, FP32.mantissa - FP16.mantissa


def truncation_is_right(values: int, exponent_bits: int, mantissa_bits: int) -> float:
    """Return for which share of normal values dropping low bits gives the nearest float16.

    Args:
        values: how many, log-uniform over FP16's normal range, of both signs.
        exponent_bits: how many low bits of FP32's exponent to drop.
        mantissa_bits: how many low bits of its mantissa.
    """
    dice = np.random.default_rng(0)
    size = np.exp(dice.uniform(np.log(FP16.smallest_normal), np.log(FP16.largest), values))
    numbers = (dice.choice([-1, 1], values) * size).astype(np.float32)
    return float(
        (shortened(numbers, exponent_bits, mantissa_bits) == numbers.astype(np.float16)).mean()
    )


def shortened(
    numbers: NDArray[np.float32], exponent_bits: int, mantissa_bits: int
) -> NDArray[np.float16]:
    """Return float32 numbers whose fields lost their low bits, read as float16."""
    bits = numbers.view(np.uint32).astype(np.int64)
    sign = bits >> 31 << 15
    mask = (1 << FP16.exponent) - 1
    stored = bits >> FP32.mantissa & (1 << FP32.exponent) - 1
    exponent = (stored >> exponent_bits & mask) << FP16.mantissa
    mantissa = (bits & (1 << FP32.mantissa) - 1) >> mantissa_bits & (1 << FP16.mantissa) - 1
    return (sign | exponent | mantissa).astype(np.uint16).view(np.float16)
