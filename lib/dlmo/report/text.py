"""Numbers as words and figures: plain strings, the same everywhere, ready to be glued.

Accuracies and differences come in as shares (0 to 1) and go out as per cent and points; sizes come
in as bytes and go out as KB of 1000 bytes. Spaces before units don't break; a minus is a minus.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from dlmo.machine import Machine
from dlmo.report.statistics import MARGIN, Interval, Word

Outcome = TypeVar("Outcome", bound=str)

MISSING = "not yet measured"
"""What stands where there is no record yet."""

NONE = "–"
"""What stands where there is nothing to say: the paper has no such row, or no pairs."""

MARGIN_IN_POINTS = f"{100 * MARGIN:g} point" + ("" if round(100 * MARGIN, 9) == 1 else "s")
"""The margin of equivalence, as sentences and tables say it."""

_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_IRREGULAR = {"accuracy": "accuracies", "entry": "entries"}


def percent(share: float, digits: int = 1) -> str:
    """Return a share as per cent: `71.9 %`."""
    return f"{figure(100 * share, digits)}\u00a0%"


def points(difference: float, digits: int = 1) -> str:
    """Return a difference of shares in points, with its sign: `−3.2`, `+0.4`."""
    return signed(100 * difference, digits)


def kilobytes(size: float) -> str:
    """Return a size in KB of 1000 bytes: `55.8 KB`, `9,405 KB`."""
    return f"{kb(size)}\u00a0KB"


def kb(size: float) -> str:
    """Return a size in KB without its unit, to three digits or to the whole KB."""
    value = size / 1000
    return figure(value, 0 if value >= 100 else 1)


def ratio(value: float) -> str:
    """Return a ratio to two decimals below 10, to one below 100: `0.32`, `13.3`."""
    return figure(value, 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0)


def times(value: float) -> str:
    """Return a ratio of two printed numbers, to two digits: `0.50`, `4.8`, `11`."""
    return figure(value, 2 if value < 0.995 else 1 if value < 9.95 else 0)


def small(share: float) -> str:
    """Return a share that may be tiny: `0.7 %`, `0.02 %`, `5·10⁻⁸`; zero is `0`."""
    if share == 0:
        return "0"
    power = math.floor(math.log10(abs(share)))
    if power >= -4:
        return percent(share, max(1, -power - 2))
    mantissa = round(share / 10**power)
    if abs(mantissa) == 10:
        mantissa, power = mantissa // 10, power + 1
    return f"{mantissa}·10{raised(power)}"


def scientific(value: float, digits: int) -> str:
    """Return a number as a power of ten, with so many decimals: `−3.4·10³⁸`."""
    mantissa, power = f"{value:.{digits}e}".split("e")
    return f"{mantissa.replace('-', _MINUS)}·10{raised(int(power))}"


def powers(said: str) -> str:
    """Return a sentence whose numbers like `-3.4e-38` are written as powers of ten."""

    def written(found: re.Match[str]) -> str:
        digits = len(found[1] or ".") - 1
        return scientific(float(found[0]), digits)

    return re.sub(r"-?\d(\.\d+)?e[+-]?\d+", written, said)


_MINUS = "\u2212"


def raised(power: int) -> str:
    """Return a whole number as an exponent: `⁻⁸`."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def figure(value: float, digits: int) -> str:
    """Return a number with so many decimals, or a dash where there is none."""
    if value is None or math.isnan(value):
        return NONE
    written = f"{value:,.{digits}f}"
    # A rounded zero has no sign.
    nothing = not any(digit in written for digit in "123456789")
    return written.lstrip("-") if nothing else written.replace("-", "\u2212")


def signed(value: float, digits: int) -> str:
    """Return a number with its sign, zero without."""
    written = figure(value, digits)
    plain = written == NONE or written.startswith("\u2212")
    return written if plain or not any(digit in written for digit in "123456789") else f"+{written}"


def count(number: int, thing: str) -> str:
    """Return a number of things, small numbers in words: `five seeds`, `one pair`, `12 trials`."""
    return f"{number_word(number)} {thing if number == 1 else _plural(thing)}"


def _plural(thing: str) -> str:
    head, *rest = re.split(r"( of | that )", thing, maxsplit=1)
    return "".join([_IRREGULAR.get(head, f"{head}s"), *rest])


def number_word(number: int) -> str:
    """Return a number as text has it: `five`, `12`, `1,240`."""
    return _SMALL[number] if 0 <= number < len(_SMALL) else f"{number:,}"


def part(number: int, total: int, thing: str) -> str:
    """Return how many of all: `both files`, `two of three files`, `none of 12 files`."""
    if number == total and total > 1:
        return f"both {_plural(thing)}" if total == 2 else f"all {count(total, thing)}"
    word = "none" if number == 0 else number_word(number)
    return f"{word} of {count(total, thing)}"


def outcomes(
    found: Iterable[Outcome], said: Mapping[Outcome, str], verbs: tuple[str, str], thing: str
) -> str:
    """Return how many things had which outcome: `of six files, one is lower and five are higher`.

    Args:
        found: the outcome of each; at least one.
        said: each outcome's words, in the order of the sentence.
        verbs: of one and of several.
        thing: what they are.
    """
    counts = Counter(found)
    total = sum(counts.values())
    parts = {one: f"{verbs[counts[one] != 1]} {said[one]}" for one in said if counts[one]}
    if len(parts) == 1:
        whole = f"the one {thing}" if total == 1 else part(total, total, thing)
        return f"{whole} {next(iter(parts.values()))}"
    each = (f"{number_word(counts[one])} {how}" for one, how in parts.items())
    return f"of {count(total, thing)}, {listing(each)}"


def span(values: Sequence[float], write: Callable[[float], str]) -> str:
    """Return from where to where values reach, one word where both ends read the same."""
    return " to ".join(dict.fromkeys(write(value) for value in (min(values), max(values))))


def listing(words: Iterable[str], link: str = "and") -> str:
    """Return words as a list: `BLQ, FIQ and F16`; nothing for no words."""
    *first, last = list(words) or [""]
    return f"{', '.join(first)} {link} {last}" if first else last


def begin(sentence: str) -> str:
    """Return the sentence with a capital at its beginning."""
    return sentence[:1].upper() + sentence[1:]


def accuracy_with_interval(found: Interval) -> str:
    """Return an accuracy in per cent with half its interval's width, in one line: `71.3 ± 0.4`."""
    reach = found.width / 2
    middle = figure(100 * found.estimate, 1)
    return middle if math.isnan(reach) else f"{middle}\u00a0±\u00a0{figure(100 * reach, 1)}"


def difference_with_interval(found: Interval, digits: int = 2) -> str:
    """Return a difference in points with its interval: `−0.21 (−0.50 to +0.08)`."""
    middle = points(found.estimate, digits)
    if math.isnan(found.low):
        return middle
    return f"{middle} ({points(found.low, digits)} to {points(found.high, digits)})"


def ratio_with_interval(found: Interval) -> str:
    """Return a ratio with its interval: `0.32 (0.30 to 0.35)`."""
    if math.isnan(found.low) or found.width == 0:
        return ratio(found.estimate)
    return f"{ratio(found.estimate)} ({ratio(found.low)} to {ratio(found.high)})"


def verdict(word: Word) -> str:
    """Return a word of `statistics.judge` as a table says it."""
    said: dict[Word, str] = {
        "equivalent": f"equivalent within {MARGIN_IN_POINTS}",
        "lower": "different: lower",
        "higher": "different: higher",
        "none": NONE,
    }
    return said.get(word, word)


def instruction_sets(known: Sequence[str]) -> list[str]:
    """Return the instruction sets on which kernels depend most, as prose writes them."""
    shown = ("avx2", "avx512f", "avx512_vnni", "amx_int8", "neon", "asimddp", "i8mm", "sve")
    return [one.upper().replace("_", "-") for one in shown if one in known]


def processor(machine: Machine) -> str:
    """Name a machine by what latency depends on: its processor, and its best instruction set."""
    sets = instruction_sets(machine.instruction_sets)
    return f"{machine.processor} with {sets[-1]}" if sets else machine.processor
