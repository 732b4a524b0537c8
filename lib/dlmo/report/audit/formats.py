"""What the text says about number formats (Section 3.1)."""

import numpy as np

from dlmo.arithmetic import floats
from dlmo.report import text
from dlmo.report.audit.finding import Finding, check
from dlmo.report.claims.formats import printed_range
from dlmo.report.printed import Printed

PLACE = "Section 3.1"


@check
def fp32_range(printed: Printed) -> Finding | None:
    """Compare the printed range of FP32 with that of the format."""
    claim = printed.claims.get("fp32-range")
    if claim is None:
        return None
    ends = (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max))
    said = printed_range(claim)
    same = [f"{one:.1e}" == f"{two:.1e}" for one, two in zip(ends, said, strict=True)]
    right = all(same)
    wrong = [_power(end) for end, fits in zip(said, same, strict=True) if not fits]
    return Finding(
        title="The range of FP32" + ("" if right else " has a wrong sign in an exponent"),
        where=PLACE,
        evidence=f"float32 runs from {_power(ends[0])} to {_power(ends[1])}."
        + ("" if right else f" The text prints {text.listing(wrong)} as an end of it."),
        certainty="certain",
        kind="right" if right else "error",
    )


@check
def fp16_range(printed: Printed) -> Finding | None:
    """Compare the printed range of FP16 with that of the format."""
    claim = printed.claims.get("fp16-range")
    if claim is None:
        return None
    ends = (float(np.finfo(np.float16).min), float(np.finfo(np.float16).max))
    right = ends == printed_range(claim)
    return Finding(
        title="The range of FP16",
        where=PLACE,
        evidence=f"float16 runs from {text.figure(ends[0], 0)} to {text.figure(ends[1], 0)}, "
        f"{'as' if right else 'not as'} the text says.",
        certainty="certain",
        kind="right" if right else "error",
    )


@check
def fp16_bits(printed: Printed) -> Finding | None:
    """Compare the bits that FP16 is said to drop with those that it has less."""
    claim = printed.claims.get("fp16-by-truncation")
    if claim is None:
        return None
    fields = floats.dropped_bits()
    said = (int(claim.numbers["exponent_bits"]), int(claim.numbers["mantissa_bits"]))
    if fields == said:
        return None
    right = floats.truncation_is_right(10_000, *said)
    return Finding(
        title="FP16 is not FP32 with low bits of the exponent dropped",
        where=f"{PLACE}, Figure 2",
        evidence=f"FP16's exponent is {text.count(fields[0], 'bit')} shorter than FP32's and its "
        f"mantissa {text.count(fields[1], 'bit')}; the text says {said[0]} and {said[1]}. Nor are "
        "low bits dropped: the exponent has another bias, and the mantissa is rounded. Done as the "
        f"text says, the operation gives the nearest float16 for {text.percent(right)} of normal "
        "values.",
        certainty="certain",
    )


@check
def int8_numbers(printed: Printed) -> Finding | None:
    """Count the integers that Equation 1 can take."""
    claim = printed.claims.get("int8-255-numbers")
    if claim is None:
        return None
    taken = 2 * 127 + 1
    right = taken == claim.numbers["values"]
    return Finding(
        title="Equation 1 has as many values as the text says",
        where=f"{PLACE}, Equation 1",
        evidence=f"It takes {taken} integers, from −127 to 127: one less than INT8 holds.",
        certainty="certain",
        kind="right" if right else "error",
    )


def _power(number: float) -> str:
    digits, exponent = f"{number:.1e}".split("e")
    return f"{digits} × 10^{int(exponent)}".replace("-", "−")
