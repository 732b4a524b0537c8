"""Sentences that are computed: each says what the numbers of a comparison say, and no more.

Where something is not measured yet, the sentence says that. All return plain strings, to be glued.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from dlmo import paper
from dlmo.report import text
from dlmo.report.cited import cited
from dlmo.report.comparison import (
    CONTROL,
    KERNELS,
    PARENT,
    Comparison,
    Difference,
    Row,
    comparators,
)
from dlmo.report.comparison_tables import title
from dlmo.report.statistics import ALPHA, LEVEL, MARGIN, Interval, Word

QUANTIZED = ("BLQ", "FIQ", "QAT")
"""The techniques whose weights are 8-bit integers (PRQ is pruned as well)."""

RUNTIMES = {KERNELS[0]: "with XNNPACK", KERNELS[1]: "with the built-in kernels"}


def quoted(claim: str) -> str:
    """Return the paper's own words of a claim, in quotation marks."""
    said = paper.claim(claim).quote
    assert said is not None, claim
    return f"“{said}”"


def missing(*names: str) -> str:
    """Return the sentence that stands where something is not measured yet."""
    return f"{text.listing(names)} {'is' if len(names) == 1 else 'are'} {text.MISSING}."


def lacking(comparison: Comparison, *names: str) -> str:
    """Return what stands for techniques without a number: why there is none, or not yet."""
    refused = {name: comparison[name].reason for name in names if comparison[name].reason}
    absent = [name for name in names if name not in refused]
    said = [f"{name} cannot be had: {reason}." for name, reason in refused.items()]
    return " ".join([*said, *([missing(*absent)] if absent else [])])


_LEVEL = text.percent(LEVEL, 0)
_POINT = text.MARGIN_IN_POINTS

NOTES = {
    "note_table": (
        f"Ours is the mean over the seeds with its {_LEVEL} interval (over the images where there "
        "is one seed); a star marks where the paper's accuracy lies outside the interval in which "
        "one more run of ours is expected. KB are 1000 bytes of the file as it is; the paper's PRN "
        "and PRQ are zipped. Latency is the ratio to NQ, ours with XNNPACK; the paper's ratio is "
        "computed from the milliseconds that it prints."
    ),
    "note_differences": (
        f"Differences are in points, paired by seed, with {_LEVEL} intervals. Equivalent within "
        f"{_POINT} means that two one-sided tests at {text.percent(ALPHA, 0)} put the difference "
        f"between {text.points(-MARGIN, 0)} and {text.points(MARGIN, 0)} point; different, that it "
        "is not equivalent and the interval excludes zero; undecided is neither. One pair decides "
        "nothing, except for two conversions of the same weights, which are compared image by "
        "image."
    ),
    "note_files": (
        "Weights that are not zero are counted in the .tflite file, among all and among those that "
        "pruning may set to zero. Latencies are ratios to NQ with one thread, their intervals "
        f"({_LEVEL}) over processes and rounds. Memory is how much the process's peak grows over "
        "its value before loading, in MB of a million bytes."
    ),
    "note_profiles": (
        f"Accuracy with its {_LEVEL} interval over the seeds, and the difference to NQ of the same "
        "profile, paired by seed."
    ),
}
"""What stands below a table, by the name under which it is glued."""

# Accuracy ---------------------------------------------------------------------------------------


@cited
def baseline(comparison: Comparison) -> str:
    """Say how accurate our NQ is, and whether the paper's value is one that we would expect."""
    row = comparison[PARENT]
    if row.accuracy is None:
        return lacking(comparison, PARENT)
    said = f"Our {PARENT} classifies {_accuracy(row)} of the test images correctly"
    if row.printed is None:
        return f"{said}; the paper has no such network on this dataset."
    said += f"; the paper prints {text.percent(row.printed.accuracy)}"
    if row.expected is None or row.prediction is None:
        return f"{said}. One seed does not say what another would give."
    low, high = row.prediction.low, row.prediction.high
    where = "inside" if row.expected else "outside"
    return (
        f"{said}, which lies {where} the interval in which one more run of ours is expected "
        f"({text.percent(low)} to {text.percent(high)})."
    )


@cited
def against(comparison: Comparison, other: str, names: Sequence[str]) -> str:
    """Say which of some techniques are equivalent to another one, which differ, which are open."""
    found = {name: comparison[name].differences.get(other) for name in names}
    known = {name: one for name, one in found.items() if one is not None and one.values}
    absent = [name for name in names if name not in known]
    parts = [_same(other, [n for n, one in known.items() if one.word == "equivalent"])]
    parts += [_differs(other, name, one) for name, one in known.items()]
    parts += [_open(other, known, "undecided"), _open(other, known, "one pair")]
    parts.append(lacking(comparison, *absent))
    return " ".join(part for part in parts if part)


@cited
def trained(comparison: Comparison, name: str) -> str:
    """Say what a technique that trains on does to accuracy, against NQ and against the control."""
    if not comparison[name].measured:
        return lacking(comparison, name)
    return " ".join(against(comparison, other, [name]) for other in comparators(name))


def _same(other: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    verb = "is" if len(names) == 1 else "are"
    return f"{text.listing(names)} {verb} equivalent to {other} within {_POINT}."


def _differs(other: str, name: str, found: Difference) -> str:
    if found.word not in ("lower", "higher"):
        return ""
    return f"{name} is {found.word} than {other}, by {_size(found)}."


def _open(other: str, known: dict[str, Difference], word: Word) -> str:
    names = [name for name, found in known.items() if found.word == word]
    if not names:
        return ""
    listed = text.listing(f"{name} ({_points(known[name])})" for name in names)
    if word == "one pair":
        return f"There is one pair, which decides nothing, for {listed} against {other}."
    verb = "is" if len(names) == 1 else "are"
    return f"{listed} {verb} undecided against {other}."


@cited
def pruning(comparison: Comparison) -> str:
    """Say what pruning costs against NQ, what training on brings, and what remains of the cost."""
    row, control = comparison["PRN"], comparison[CONTROL]
    less, fair, gain = (
        row.differences.get(PARENT),
        row.differences.get(CONTROL),
        control.differences.get(PARENT),
    )
    if less is None or not less.values:
        return lacking(comparison, "PRN")
    said = f"Against {PARENT}, PRN {_changes(less)}."
    if fair is None or not fair.values or gain is None or not gain.values:
        return f"{said} The control, {CONTROL}, is {text.MISSING}."
    return (
        f"{said} But {PARENT} itself, trained on for just as long, {_changes(gain)}. "
        f"Against this control PRN {_changes(fair)}: {_verdict_on(fair, 'PRN', CONTROL)}"
    )


def _changes(found: Difference) -> str:
    middle = found.interval.estimate
    if text.points(middle) == text.figure(0, 1):
        return f"changes accuracy by less than a tenth of a point{_interval(found)}"
    verb = "gains" if middle > 0 else "loses"
    points = text.figure(100 * abs(middle), 1)
    noun = "point" if points == text.figure(1, 1) else "points"
    return f"{verb} {points} {noun}{_interval(found)}"


def _verdict_on(found: Difference, name: str, other: str) -> str:
    said: dict[Word, str] = {
        "equivalent": f"{name} is equivalent to it within {_POINT}.",
        "lower": "that loss is what the zeros cost.",
        "higher": f"{name} is more accurate than {other}.",
        "undecided": "the interval decides neither for a difference nor for equivalence.",
        "one pair": "one pair decides nothing.",
    }
    return said[found.word]


# Size -------------------------------------------------------------------------------------------


@cited
def smallest(comparison: Comparison) -> str:
    """Say which file is the smallest, as it is and zipped, and what share of NQ's that is."""
    rows, base = comparison.measured(), comparison[PARENT]
    if not rows or not base.measured:
        return f"The sizes of the files are {text.MISSING}."
    plain = _least(rows, lambda row: row.bytes)
    zipped = _least(rows, lambda row: row.zipped_bytes)
    first = plain[0]
    share = text.percent(first.bytes / base.bytes, 0)
    said = f"The smallest file is that of {_names(plain)} with {text.kilobytes(first.bytes)}, "
    said += f"{share} of {PARENT}'s {text.kilobytes(base.bytes)}"
    small = zipped[0]
    share = text.percent(small.zipped_bytes / base.zipped_bytes, 0)
    size = text.kilobytes(small.zipped_bytes)
    return f"{said}; zipped, it is that of {_names(zipped)} with {size}, {share} of {PARENT}'s."


def _least(rows: Iterable[Row], size: Callable[[Row], float]) -> list[Row]:
    """Return the rows with the smallest size, as it is printed."""
    known = [row for row in rows if not np.isnan(size(row))]
    least = min(text.kb(size(row)) for row in known if size(row) == min(map(size, known)))
    return [row for row in known if text.kb(size(row)) == least]


@cited
def zeros(comparison: Comparison) -> str:
    """Say what zeros do to a file: nothing as it is, much when it is zipped; and the paper's."""
    row, base = comparison["PRN"], comparison[PARENT]
    if not row.measured or not base.measured:
        return lacking(comparison, "PRN")
    said = (
        f"{text.percent(1 - row.pruned_nonzero)} of the weights that pruning may zero are zero in "
        f"the PRN file, which has {text.kilobytes(row.bytes)} all the same "
        f"({PARENT}: {text.kilobytes(base.bytes)}), and {text.kilobytes(row.zipped_bytes)} zipped"
    )
    if row.printed is None:
        return f"{said}."
    near = abs(row.printed.bytes / row.zipped_bytes - 1) < abs(row.printed.bytes / row.bytes - 1)
    return (
        f"{said}; the paper's {text.kilobytes(row.printed.bytes)} are closer to "
        f"{'the zipped size' if near else 'the size as it is'}."
    )


@cited
def sizes_beside_paper(comparison: Comparison) -> str:
    """Say how far our files' sizes are from the paper's, its pruned ones compared as zipped."""
    apart = {
        row.technique: row.as_printed / row.printed.bytes - 1
        for row in comparison.measured()
        if row.printed is not None
    }
    if not apart:
        return "There is no file to compare with the paper's."
    worst = max(apart, key=lambda name: abs(apart[name]))
    return (
        f"Counted as the paper counts, our files' sizes differ from its by at most "
        f"{text.percent(abs(apart[worst]), 0)} ({worst})."
    )


# Latency and memory -----------------------------------------------------------------------------


@cited
def latency(comparison: Comparison, names: Sequence[str] = QUANTIZED) -> str:
    """Say how long the 8-bit files take against NQ in the paper and here, by runtime."""
    said = [_printed_latency(comparison, names)]
    said += [_latency(comparison, names, kernels) for kernels in KERNELS]
    return " ".join(part for part in said if part)


def _printed_latency(comparison: Comparison, names: Sequence[str]) -> str:
    rows = [comparison[name] for name in names]
    ratios = [row.printed.ratio for row in rows if row.printed]
    if not ratios:
        return ""
    low, high = text.times(min(ratios)), text.times(max(ratios))
    times = low if low == high else f"{low} to {high}"
    return f"In the paper {text.listing(names)} take {times} times as long as {PARENT}."


def _latency(comparison: Comparison, names: Sequence[str], kernels: str) -> str:
    found = {name: comparison[name].ratio.get(kernels) for name in names}
    known = {name: one for name, one in found.items() if one is not None}
    where = RUNTIMES[kernels]
    if not known:
        return f"{text.begin(where)} they are {text.MISSING}."
    faster = [name for name, one in known.items() if one.high < 1]
    slower = [name for name, one in known.items() if one.low > 1]
    same = [name for name in known if name not in (*faster, *slower)]
    said = [_taking(known, group, word) for group, word in ((faster, "faster"), (slower, "slower"))]
    said += [f"{_with_ratio(known, same)} cannot be told from {PARENT}"] if same else []
    return f"{text.begin(where)}, {'; '.join(part for part in said if part)}."


def _taking(known: dict[str, Interval], names: Sequence[str], word: str) -> str:
    if not names:
        return ""
    return f"{_with_ratio(known, names)} {'is' if len(names) == 1 else 'are'} {word} than {PARENT}"


def _with_ratio(known: dict[str, Interval], names: Sequence[str]) -> str:
    said = {
        name: f"{text.ratio(known[name].estimate)}, {_to(text.ratio, known[name])}"
        for name in names
    }
    return text.listing(f"{name} ({one})" for name, one in said.items())


@cited
def delay(comparison: Comparison) -> str:
    """Say whether quantization delays recognition here, as Remark 2 has it."""
    slower: dict[str, dict[str, bool]] = {}
    for kernels in KERNELS:
        ratios = {name: comparison[name].ratio.get(kernels) for name in QUANTIZED}
        known = {name: one.low > 1 for name, one in ratios.items() if one is not None}
        if known:
            slower[kernels] = known
    if not slower:
        return f"Whether quantization delays recognition here is {text.MISSING}."
    said = [
        f"{_share_of(list(one.values()))} {RUNTIMES[kernels]}" for kernels, one in slower.items()
    ]
    return f"Remark 2 holds here for {text.listing(said)}.{_turned(slower)}"


def _share_of(slower: Sequence[bool]) -> str:
    if all(slower):
        return "all of these files"
    return "some of these files" if any(slower) else "none of these files"


def _turned(slower: dict[str, dict[str, bool]]) -> str:
    """Name the files that one runtime slows down and the other does not."""
    verdicts = list(slower.values())
    names = [name for name in verdicts[0] if len({one.get(name) for one in verdicts}) > 1]
    if len(verdicts) < 2 or not names:
        return ""
    return f" For {text.listing(names)} the runtime alone decides whether it does."


@cited
def pruned_latency(comparison: Comparison) -> str:
    """Say whether the zeros of PRN save time, beside the paper's ratio."""
    row = comparison["PRN"]
    known = {kernels: row.ratio[kernels] for kernels in KERNELS if kernels in row.ratio}
    if not known:
        return f"PRN's latency is {text.MISSING}."
    said = text.listing(
        f"{text.ratio(one.estimate)} times as long ({_to(text.ratio, one)}) {RUNTIMES[kernels]}"
        for kernels, one in known.items()
    )
    here = f"Beside {PARENT}, PRN takes {said}"
    if row.printed:
        here += f"; in the paper {text.times(row.printed.ratio)} times"
    saved = [RUNTIMES[kernels] for kernels, one in known.items() if one.high < 1]
    if not saved:
        return f"{here}. The zeros are multiplied like any other number, and save no time here."
    return f"{here}. It is faster than {PARENT} {text.listing(saved)}."


@cited
def memory(comparison: Comparison) -> str:
    """Say how much memory the files take when they run, from the least to the most."""
    known = [row for row in comparison.measured() if not np.isnan(row.memory)]
    base = comparison[PARENT]
    if not known or np.isnan(base.memory):
        return f"Memory is {text.MISSING}."
    shares = [row.memory / base.memory for row in known]
    files = [row.bytes / base.bytes for row in known]
    return (
        f"When {PARENT} runs, the process's peak grows by {text.figure(base.memory / 1e6, 1)} MB; "
        f"with the other files by {_range(shares)} times as much, while the files themselves have "
        f"{_range(files)} times its size."
    )


# Seeds and profiles -----------------------------------------------------------------------------


@cited
def spread(comparison: Comparison) -> str:
    """Say how far apart the seeds of one technique are, at most."""
    rows = [row for row in comparison.measured() if len(row.accuracies) > 1]
    if not rows:
        return "There are not yet two seeds of any technique to show the spread."
    wide = max(rows, key=_reach)
    return (
        f"Between the least and the most accurate seed of one technique lie up to "
        f"{text.figure(100 * _reach(wide), 1)} points ({wide.technique}, "
        f"{text.count(len(wide.accuracies), 'seed')}); a difference of that size between two "
        "single trainings says nothing."
    )


def _reach(row: Row) -> float:
    return max(row.accuracies.values()) - min(row.accuracies.values())


@cited
def profiles(first: Comparison, second: Comparison) -> str:
    """Say what the recipe brings, beside what techniques change."""
    one, other = first[PARENT], second[PARENT]
    if one.accuracy is None or other.accuracy is None:
        absent = [c.profile for c in (first, second) if c[PARENT].accuracy is None]
        verb = "is" if len(absent) == 1 else "are"
        return f"{PARENT} under {text.listing(absent)} {verb} {text.MISSING}."
    apart = one.accuracy.estimate - other.accuracy.estimate
    said = (
        f"{PARENT} reaches {_accuracy(one)} under {first.profile} and {_accuracy(other)} under "
        f"{second.profile}: the recipe alone makes a difference of "
        f"{text.figure(100 * abs(apart), 1)} points"
    )
    techniques = [
        abs(found.interval.estimate)
        for row in (*first.measured(), *second.measured())
        if (found := row.differences.get(PARENT)) is not None and found.values
    ]
    if not techniques:
        return f"{said}."
    return f"{said}; the largest that a technique makes is {text.figure(100 * max(techniques), 1)}."


# What the page was made from ----------------------------------------------------------------------


@cited
def measured(comparison: Comparison) -> str:
    """Say how much of the table is measured, with how many seeds."""
    rows = comparison.measured()
    network, dataset = title(comparison.network), title(comparison.dataset)
    if not rows:
        return (
            f"For {network} on {dataset} with profile {comparison.profile} nothing is measured yet."
        )
    counts = {name: len(comparison[name].accuracies) for name in comparison.rows}
    seeds = sorted({count for count in counts.values() if count})
    how_many = (
        text.count(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    )
    absent = [name for name, count in counts.items() if not count]
    said = f"Measured for {network} on {dataset}: {text.listing(r.technique for r in rows)}, "
    said += f"{how_many} each."
    return f"{said} {lacking(comparison, *absent)}".rstrip()


@cited
def epochs(comparison: Comparison) -> str:
    """Say how long NQ was trained, and for how long the others were trained on."""
    base = comparison[PARENT]
    longer = [row for row in comparison.measured() if row.epochs > base.epochs]
    if not base.measured or not longer:
        return ""
    by_length: dict[float, list[str]] = {}
    for row in longer:
        by_length.setdefault(row.epochs - base.epochs, []).append(row.technique)
    said = text.listing(f"{text.listing(names)} for {n:.0f} more" for n, names in by_length.items())
    return f"{PARENT} was trained for {base.epochs:.0f} epochs, {said}."


@cited
def live(checked: pd.DataFrame | None) -> str:
    """Say what the live check found.

    Args:
        checked: what `chapter.live_check` returned, None where it was left out.
    """
    if checked is None:
        return "The live check was left out."
    rows = checked.set_index("technique")
    said = [f"{name} {text.percent(float(row['accuracy']))}" for name, row in rows.iterrows()]
    digits = f"{text.listing(said)} of the digits' test images"
    return f"The live check passed: {digits} are right."


# Parts ------------------------------------------------------------------------------------------


def _accuracy(row: Row) -> str:
    assert row.accuracy is not None
    seeds = text.count(len(row.accuracies), "seed")
    return f"{text.accuracy_with_interval(row.accuracy)}\u00a0% ({seeds})"


def _size(found: Difference) -> str:
    points = text.figure(100 * abs(found.interval.estimate), 1)
    return f"{points} points{_interval(found)}"


def _points(found: Difference) -> str:
    """Return a difference and its interval as they stand in brackets: `−0.2, −0.5 to +0.1`."""
    interval = found.interval
    if np.isnan(interval.low):
        return text.points(interval.estimate)
    return f"{text.points(interval.estimate)}, {_to(text.points, interval)}"


def _to(write: Callable[[float], str], interval: Interval) -> str:
    return f"{write(interval.low)} to {write(interval.high)}"


def _interval(found: Difference) -> str:
    interval = found.interval
    if np.isnan(interval.low):
        return ""
    return f" ({_to(text.points, interval)})"


def _names(rows: Sequence[Row]) -> str:
    return text.listing(row.technique for row in rows)


def _range(values: Sequence[float]) -> str:
    low, high = text.ratio(min(values)), text.ratio(max(values))
    return low if low == high else f"{low} to {high}"
