"""The bits of a number, to be changed on the page (paper, Figure 2).

Without a script the bits of one number stand there; `dlmo-bits.js` makes them buttons.
"""

from dataclasses import dataclass
from html import escape

from dlmo.arithmetic import floats
from dlmo.arithmetic.floats import FP16, FP32, Format
from dlmo.report import text

_PARTS = ("sign", "exponent", "mantissa")


@dataclass(frozen=True)
class Bits:
    """A number in FP32, in FP16, and as the paper's rule would have it."""

    number: float

    def _repr_html_(self) -> str:
        rows = "".join(_row(self.number, form) for form in (FP32, FP16))
        left = floats.by_removal(self.number, floats.PAPERS_RULE)
        note = f"{len(left)} bits remain, one too many for {FP16.name}"
        return (
            f'<div class="dlmo-bits"><p class="dlmo-bits-entry"><label>Number '
            f'<input type="text" inputmode="decimal" value="{self.number!r}" autocomplete="off" '
            f'disabled></label></p>{rows}<div class="dlmo-bits-row" data-rule="paper">'
            f'<p class="dlmo-bits-name">FP32 less the bits that the paper removes</p>'
            f'<p class="dlmo-bits-line">{_groups(left, 1, FP32.exponent - len(floats.PAPERS_RULE))}'
            f'</p><p class="dlmo-bits-said">{note}</p></div></div>'
        )

    def __repr__(self) -> str:
        return f"{self.number!r}: {floats.bits(self.number, FP32)}"


def _row(number: float, form: Format) -> str:
    stored = floats.bits(number, form)
    return (
        f'<div class="dlmo-bits-row" data-exponent="{form.exponent}" '
        f'data-mantissa="{form.mantissa}" role="group" aria-label="Bits of {form.name}">'
        f'<p class="dlmo-bits-name">{form.name}</p>'
        f'<p class="dlmo-bits-line">{_groups(stored, 1, form.exponent)}</p>'
        f'<p class="dlmo-bits-said">{escape(said(stored, form))}</p></div>'
    )


def _groups(stored: str, sign: int, exponent: int) -> str:
    ends = (0, sign, sign + exponent, len(stored))
    parts = zip(_PARTS, ends, ends[1:], strict=False)
    return "".join(
        f'<span class="dlmo-bits-{name}">{_spans(stored[start:end])}</span>'
        for name, start, end in parts
    )


def _spans(bits: str) -> str:
    return "".join(f"<span>{bit}</span>" for bit in bits)


def said(stored: str, form: Format) -> str:
    """Return what the bits of a format mean, in words and numbers."""
    _, exponent, mantissa = floats.fields(stored, form)
    number = floats.value(stored, form)
    if exponent == 2**form.exponent - 1:
        return "not a number" if mantissa else f"{'−' if number < 0 else ''}infinite"
    power = max(exponent, 1) - form.bias
    first = 0 if exponent == 0 else 1
    written = f"{number:.9g}" if form.width == 32 else f"{number:.6g}"
    factor = f"{first} + {mantissa}/{2**form.mantissa}"
    return f"({factor}) × 2{text.raised(power)} = {written.replace('-', chr(0x2212))}"
