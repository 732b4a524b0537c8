"""Claims about number formats and Equation 3: computed here and now, from no record."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import entropy

from dlmo.paper import Claim
from dlmo.report.claims.evidence import Cell, Evidence, counted
from dlmo.report.claims.registry import judges
from dlmo.report.claims.source import Source
from dlmo.report.text import figure, percent

FP32, FP16 = np.finfo(np.float32), np.finfo(np.float16)


@judges("fp32-range")
def range_of_fp32(claim: Claim, source: Source) -> list[Evidence]:
    """Compare the printed range with the smallest and the largest finite float32."""
    ends = (float(FP32.min), float(FP32.max))
    same = [
        f"{one:.1e}" == f"{two:.1e}" for one, two in zip(ends, printed_range(claim), strict=True)
    ]
    return [counted(Cell(), all(same), note=f"float32 runs from {ends[0]:.1e} to {ends[1]:.1e}")]


@judges("fp16-range")
def range_of_fp16(claim: Claim, source: Source) -> list[Evidence]:
    """Compare the printed range with the smallest and the largest finite float16."""
    ends = (float(FP16.min), float(FP16.max))
    note = f"float16 runs from {ends[0]:.0f} to {ends[1]:.0f}"
    return [counted(Cell(), ends == printed_range(claim), note=note)]


def printed_range(claim: Claim) -> tuple[float, float]:
    """Return the range that the paper prints."""
    return claim.numbers["lowest"], claim.numbers["highest"]


@judges("fp16-by-truncation")
def fp16_by_truncation(claim: Claim, source: Source) -> list[Evidence]:
    """Compare the fields' widths, and drop the bits as the paper says."""
    exponent, mantissa = dropped_bits()
    widths = (claim.numbers["exponent_bits"], claim.numbers["mantissa_bits"])
    right = truncation_is_right(int(claim.numbers["values"]), *map(int, widths))
    passes = (exponent, mantissa) == widths and right >= claim.numbers["share"]
    values = figure(claim.numbers["values"], 0)
    note = (
        f"the fields differ by {exponent} and {mantissa} bits; dropping bits as the paper says "
        f"gives the nearest float16 for {percent(right)} of {values} values"
    )
    return [counted(Cell(), passes, note=note)]


def dropped_bits() -> tuple[int, int]:
    """Return by how many bits FP32's exponent and mantissa are longer than FP16's."""
    return int(FP32.iexp - FP16.iexp), int(FP32.nmant - FP16.nmant)


def truncation_is_right(values: int, exponent_bits: int, mantissa_bits: int) -> float:
    """Return for which share of normal values dropping low bits gives the nearest float16.

    Args:
        values: how many, log-uniform over FP16's normal range, of both signs.
        exponent_bits: how many low bits of FP32's exponent to drop.
        mantissa_bits: how many low bits of its mantissa.
    """
    dice = np.random.default_rng(0)
    size = np.exp(dice.uniform(np.log(float(FP16.tiny)), np.log(float(FP16.max)), values))
    numbers = (dice.choice([-1, 1], values) * size).astype(np.float32)
    return float(
        (truncated(numbers, exponent_bits, mantissa_bits) == numbers.astype(np.float16)).mean()
    )


def truncated(
    numbers: NDArray[np.float32], exponent_bits: int, mantissa_bits: int
) -> NDArray[np.float16]:
    """Return float32 numbers whose fields lost their low bits, read as float16."""
    bits = numbers.view(np.uint32).astype(np.int64)
    sign = bits >> 31 << 15
    mask = (1 << FP16.iexp) - 1
    exponent = ((bits >> FP32.nmant & (1 << FP32.iexp) - 1) >> exponent_bits & mask) << FP16.nmant
    mantissa = (bits & (1 << FP32.nmant) - 1) >> mantissa_bits & (1 << FP16.nmant) - 1
    return (sign | exponent | mantissa).astype(np.uint16).view(np.float16)


@judges("int8-255-numbers")
def values_of_equation_1(claim: Claim, source: Source) -> list[Evidence]:
    """Count the integers that Equation 1 takes over the whole range and beyond."""
    reach, largest = 1.0, 127
    numbers = np.linspace(-2 * reach, 2 * reach, 1 << 16)
    taken = len(np.unique(np.rint(largest / reach * np.clip(numbers, -reach, reach))))
    return [counted(Cell(), taken == claim.numbers["values"], note=f"it takes {taken} values")]


@judges("temperature-softens")
def entropy_by_temperature(claim: Claim, source: Source) -> list[Evidence]:
    """Follow the entropy of Equation 3 as the temperature doubles."""
    count = int(claim.numbers["vectors"])
    logits = np.random.default_rng(0).normal(scale=5, size=(count, 10))
    steps = int(np.log2(claim.numbers["hottest"] / claim.numbers["coldest"]))
    temperatures = [claim.numbers["coldest"] * 2**step for step in range(steps + 1)]
    nats = [entropy(softmax(logits / one, axis=1), axis=1) for one in temperatures]
    fall = float(np.min(np.diff(nats, axis=0)))
    note = f"the smallest change is {fall:+.1e} nats, of {figure(count, 0)} random vectors"
    return [counted(Cell(), fall >= -claim.numbers["slack"], note=note)]
