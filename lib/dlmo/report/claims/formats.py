"""Claims about number formats and Equation 3: computed here and now, from no record."""

import numpy as np
from scipy.special import softmax
from scipy.stats import entropy

from dlmo.arithmetic import floats
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
    exponent, mantissa = floats.dropped_bits()
    widths = (claim.numbers["exponent_bits"], claim.numbers["mantissa_bits"])
    right = floats.truncation_is_right(int(claim.numbers["values"]), *map(int, widths))
    passes = (exponent, mantissa) == widths and right >= claim.numbers["share"]
    values = figure(claim.numbers["values"], 0)
    note = (
        f"the fields differ by {exponent} and {mantissa} bits; dropping bits as the paper says "
        f"gives the nearest float16 for {percent(right)} of {values} values"
    )
    return [counted(Cell(), passes, note=note)]


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
