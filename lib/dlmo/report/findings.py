"""Sentences about many networks at once: what all that is measured says, and no more.

Each names the cases that it counts, so that a reader can look them up; where nothing is measured
yet, it says so. `sentences` has those about one network on one dataset.
"""

from collections.abc import Collection, Iterable, Sequence

from dlmo.report import text
from dlmo.report.cited import cited
from dlmo.report.comparison import (
    CONTROL,
    KERNELS,
    PARENT,
    ROWS,
    Comparison,
    Difference,
    Row,
)
from dlmo.report.comparison_tables import title
from dlmo.report.overview import Overview, largest_first
from dlmo.report.overview_tables import count
from dlmo.report.printed import Mark, suspected
from dlmo.report.sentences import (
    QUANTIZED,
    RUNTIMES,
    against,
    baseline,
    missing,
    smallest,
)
from dlmo.report.sentences import pruning as pruning_of
from dlmo.report.statistics import Interval, Word
from dlmo.report.text import MISSING

_SAID: dict[Word, str] = {
    "equivalent": f"equivalent within {text.MARGIN_IN_POINTS}",
    "lower": "lower",
    "higher": "higher",
    "undecided": "undecided",
}
"""What several trainings say; of one training the difference is told, since it decides nothing."""


def place(one: Comparison, others: Iterable[Comparison] = ()) -> str:
    """Return where a comparison was made; the dataset is left out where all have the same."""
    same = {other.dataset for other in others} == {one.dataset}
    return title(one.network) if same else f"{title(one.network)} on {title(one.dataset)}"


@cited
def progress(found: Overview, techniques: Sequence[str] = ROWS) -> str:
    """Say how many cells of the matrix are measured."""
    cells = list(count(found, techniques))
    done = sum(cells)
    networks = len({one.network for one in found})
    datasets = len({one.dataset for one in found})
    where = f"{text.count(networks, 'network')} on {text.count(datasets, 'dataset')}"
    if done == len(cells):
        return f"{text.begin(text.part(done, done, 'cell'))} ({where}) are measured."
    said = text.begin(text.part(done, len(cells), "cell"))
    left = len(cells) - done
    others = "one is" if left == 1 else f"{left} are"
    return f"{said} ({where}) are measured; the other {others} {MISSING}."


# Accuracy ---------------------------------------------------------------------------------------


@cited
def tally(found: Overview, names: Sequence[str], other: str = PARENT) -> str:
    """Say for which networks techniques are equivalent to another one, lower, higher or open."""
    outcomes: dict[str, list[str]] = {}
    for name in names:
        if outcome := _outcome(found, name, other):
            outcomes.setdefault(outcome, []).append(name)
    said = [
        f"Against {other}, {text.listing(group)} {'is' if len(group) == 1 else 'are'} {outcome}."
        for outcome, group in outcomes.items()
    ]
    if trained_once := _once(found, names, other):
        said.append(trained_once)
    absent = [name for name in names if not _differences(found, name, other)]
    return " ".join([*said, *([missing(*absent)] if absent else [])])


def _differences(found: Overview, name: str, other: str) -> list[tuple[Comparison, Difference]]:
    known = ((one, one[name].differences.get(other)) for one in found.measured)
    return [(one, less) for one, less in known if less is not None and less.values]


def _outcome(found: Overview, name: str, other: str) -> str:
    by_word: dict[Word, list[Comparison]] = {}
    for one, less in _differences(found, name, other):
        by_word.setdefault(less.word, []).append(one)
    groups = [(said, by_word[word]) for word, said in _SAID.items() if word in by_word]
    return text.listing(f"{said} for {_places(group, found)}" for said, group in groups)


def _once(found: Overview, names: Sequence[str], other: str) -> str:
    """Say how far techniques lie from another one in networks of which one training is compared."""
    pairs = [(name, one, less) for name in names for one, less in _differences(found, name, other)]
    once = [(name, one, less) for name, one, less in pairs if less.word == "one pair"]
    if not once:
        return ""
    cases = {place(one): one for _, one, _ in once}
    gaps = [less.interval.estimate for _, _, less in once]
    return (
        f"Trained once, which decides nothing, {_places(cases.values(), found)} "
        f"{'differs' if len(cases) == 1 else 'differ'} by {text.span(gaps, text.points)} points "
        f"({text.listing(dict.fromkeys(name for name, _, _ in once))} less {other})."
    )


def _places(group: Iterable[Comparison], found: Overview) -> str:
    """List where comparisons were made: `VGGNet and WRN on both datasets, and ResNet50 on …`."""
    everywhere = _datasets(found)
    if len(everywhere) < 2:
        return text.listing(place(one, found) for one in group)
    on: dict[str, list[str]] = {}
    for one in group:
        on.setdefault(one.network, []).append(one.dataset)
    networks: dict[str, list[str]] = {}
    for network, datasets in on.items():
        whole = set(datasets) == set(everywhere)
        where = f"all {len(everywhere)} datasets" if len(everywhere) > 2 else "both datasets"
        spelled = where if whole else text.listing(map(title, datasets))
        networks.setdefault(spelled, []).append(title(network))
    *first, last = [f"{text.listing(names)} on {where}" for where, names in networks.items()]
    if not first:
        return last
    comma = "," if any(" and " in part for part in (*first, last)) else ""
    return f"{', '.join(first)}{comma} and {last}"


@cited
def accuracies(found: Overview) -> str:
    """Say which network is the most accurate as it is, on each dataset, beside the paper's."""
    said = [_best(found.of(dataset=name)) for name in _datasets(found)]
    return " ".join(part for part in said if part) or f"Accuracies are {MISSING}."


def _best(part: Overview) -> str:
    known = {one.network: one[PARENT].accuracy for one in part.measured}
    shares = {name: value.estimate for name, value in known.items() if value is not None}
    dataset = title(part.comparisons[0].dataset)
    printed = {one.network: one[PARENT].printed for one in part}
    theirs = {name: row.accuracy for name, row in printed.items() if row is not None}
    paper = max(theirs, key=lambda name: theirs[name])
    told = f"the paper's is {title(paper)} with {text.percent(theirs[paper])}"
    if not shares:
        return f"On {dataset} nothing is measured yet; {told}."
    best = max(shares, key=lambda name: shares[name])
    among = "" if len(shares) == len(theirs) else f" among the {len(shares)} that are measured"
    if len(shares) == 1:
        among = ", the only one that is measured"
    return (
        f"On {dataset} the most accurate network is {title(best)} with "
        f"{text.percent(shares[best])}{among}; {told}."
    )


@cited
def shown(found: Overview) -> str:
    """Say of how many accuracies the paper's value lies where one more run of ours is expected."""
    rows = [row for one in found.measured for row in one.rows.values() if row.expected is not None]
    if not rows:
        return "There are not yet two seeds beside any accuracy that the paper prints."
    said = text.outcomes(map(_side, rows), _SIDES, ("lies", "lie"), "accuracy of the paper")
    return f"{text.begin(said)} (where we have several seeds)."


_SIDES = {
    "inside": "where one more run of ours is expected",
    "below": "below what one more run of ours would give",
    "above": "above what one more run of ours would give",
}


def _side(row: Row) -> str:
    return "inside" if row.expected else "below" if row.to_paper > 0 else "above"


@cited
def network(found: Comparison) -> str:
    """Say of one network on one dataset what its table says, and where its files were timed."""
    where = f"On {title(found.dataset)}"
    if found.empty:
        return f"{where} it is not yet trained."
    parts = (baseline(found), against(found, PARENT, ["BLQ", "FIQ", "F16"]), pruning_of(found))
    timed = f" Its files were timed on {found.machine}." if found.machine else ""
    return f"{where}: {' '.join(parts)} {smallest(found)}{timed}"


@cited
def beside(found: Overview, reference: str) -> str:
    """Say what share of a network's size the others have, and how their accuracies compare."""
    said = [_against(found, reference, dataset) for dataset in _datasets(found)]
    known = [part for part in said if part]
    if not known:
        return f"{title(reference)}, or what is compared with it, is {MISSING}."
    return " ".join(known)


@cited
def variant(found: Overview, network: str, other: str) -> str:
    """Say what another form of a network changes in size and in NQ's accuracy, on CIFAR-10."""
    rows = [one[PARENT] for name in (network, other) for one in found.of(name, dataset="cifar10")]
    known = [(row, row.accuracy) for row in rows if row.accuracy]
    if len(known) < 2:
        return f"{title(other)}, or what it is compared with, is {MISSING}."
    (base, before), (row, after) = known
    change = after.estimate - before.estimate
    return (
        f"{title(other)} has {text.percent(row.parameters / base.parameters, 0)} of the "
        f"parameters and {text.percent(row.bytes / base.bytes, 0)} of the bytes of "
        f"{title(network)}, and its NQ differs by {text.points(change)} points"
        f"{_weight(base, row, after, title(network))}."
    )


def _weight(base: Row, row: Row, after: Interval, name: str) -> str:
    """Say how little single trainings decide about the difference of two networks."""
    if len(row.accuracies) > 1:
        return ""
    next_run = base.prediction
    if next_run is None or len(base.accuracies) == 1:
        return "; one training of each decides nothing"
    where = "inside" if next_run.low <= after.estimate <= next_run.high else "outside"
    return (
        f": {where} the interval in which one more run of {name} is expected "
        f"({text.percent(next_run.low)} to {text.percent(next_run.high)})"
    )


def _datasets(found: Overview) -> list[str]:
    return list(dict.fromkeys(one.dataset for one in found))


def _against(found: Overview, reference: str, dataset: str) -> str:
    rows = {one.network: one[PARENT] for one in found.of(dataset=dataset)}
    base = rows.pop(reference)
    known = {name: row for name, row in rows.items() if row.measured}
    if not base.measured or base.accuracy is None or not known:
        return ""
    said = text.listing(
        f"{title(name)} has {text.percent(row.bytes / base.bytes, 0)} of its size and "
        f"{text.points(row.accuracy.estimate - base.accuracy.estimate)} points"
        for name, row in known.items()
        if row.accuracy is not None
    )
    return f"Beside {title(reference)} on {title(dataset)}, {said}."


# Size -------------------------------------------------------------------------------------------


@cited
def sizes(found: Overview) -> str:
    """Say what share of NQ's size the other files have, as they are and zipped."""
    groups = (("BLQ", "FIQ", "QAT"), ("F16",), ("PRN",), ("PRQ",))
    said = [_shares(found, names) for names in groups]
    known = [part for part in said if part]
    return f"{text.begin('; '.join(known))}." if known else f"Sizes are {MISSING}."


def _shares(found: Overview, names: Sequence[str]) -> str:
    rows = [(one[name], one[PARENT]) for one in found.measured for name in names]
    both = [(row, base) for row, base in rows if row.measured and base.measured]
    if not both:
        return ""
    plain = text.span([row.bytes / base.bytes for row, base in both], text.ratio)
    zipped = text.span([row.zipped_bytes / base.zipped_bytes for row, base in both], text.ratio)
    measured = dict.fromkeys(row.technique for row, _ in both)
    verb = "takes" if len(measured) == 1 else "take"
    return f"{text.listing(measured)} {verb} {plain} of {PARENT}'s bytes (zipped, {zipped})"


@cited
def apart(found: Overview, suspects: Collection[Mark] = ()) -> str:
    """Say how far our files' sizes are from the paper's, its pruned ones compared as zipped.

    Args:
        found: every network and technique.
        suspects: the printed cells that cannot be right.
    """
    away = [
        (row.as_printed / row.printed.bytes - 1, one, row)
        for one in found.measured
        for row in one.rows.values()
        if row.measured and row.printed is not None
    ]
    if not away:
        return f"Sizes beside the paper's are {MISSING}."
    near = sum(abs(share) < NEAR for share, *_ in away)
    most, one, row = max(away, key=lambda entry: abs(entry[0]))
    return (
        f"Counted as the paper counts (PRN and PRQ zipped), {near} of {len(away)} files are "
        f"within {text.percent(NEAR, 0)} of its size; the farthest, {row.technique} of "
        f"{title(one.network)} on {title(one.dataset)}, by {text.percent(abs(most), 0)}"
        f"{_misprinted(one, row, suspects)}."
    )


def _misprinted(one: Comparison, row: Row, suspects: Collection[Mark]) -> str:
    """Say it if the audit counts the printed size among the cells that cannot be right."""
    if not suspected((one.dataset, one.network, row.technique), "size", suspects):
        return ""
    return "; the audit finds that the paper's size of it cannot be right"


NEAR = 0.05
"""How far apart two sizes may be and count as near."""


# Latency ----------------------------------------------------------------------------------------


@cited
def delay(found: Overview, names: Sequence[str] = QUANTIZED) -> str:
    """Say what the quantized files take beside NQ: in the paper, and here with each runtime."""
    said = [_paper_ratios(found, names), *(_our_ratios(found, names, one) for one in KERNELS)]
    return " ".join(part for part in said if part)


def _paper_ratios(found: Overview, names: Sequence[str]) -> str:
    printed = [one[name].printed for one in found for name in names]
    ratios = [row.ratio for row in printed if row is not None]
    if not ratios:
        return ""
    verb = "takes" if len(names) == 1 else "take"
    said = f"{text.listing(names)} {verb} {text.span(ratios, text.times)} times {PARENT}'s time"
    return f"In the paper {said}."


def _our_ratios(found: Overview, names: Sequence[str], kernels: str) -> str:
    ratios = [
        one[name].ratio[kernels]
        for one in found.measured
        for name in names
        if kernels in one[name].ratio
    ]
    here = f"Here, {RUNTIMES[kernels]}"
    if not ratios:
        return f"{here}, their latency is {MISSING}."
    reach = text.span([one.estimate for one in ratios], text.ratio)
    said = text.outcomes(map(_pace, ratios), _PACES, ("takes", "take"), "file")
    return f"{here}, {reach} times: {said}."


@cited
def timed_on(found: Overview, technique: str | None = None) -> str:
    """Say on which machines latencies were measured, or those of one technique."""
    machines: dict[str, list[Comparison]] = {}
    for one in found:
        if one.machine and (technique is None or one[technique].ratio):
            machines.setdefault(one.machine, []).append(one)
    if not machines:
        return f"Latency is {MISSING}."
    if len(machines) == 1:
        return f"Latency was measured on one machine ({next(iter(machines))})."
    said = text.listing(f"{name} ({_places(some, found)})" for name, some in machines.items())
    return (
        f"Latency was measured on {text.number_word(len(machines))} machines: {said}. Ratios of "
        "two machines do not compare."
    )


_PACES = {
    "slower": f"longer than {PARENT}",
    "faster": f"less than {PARENT}",
    "same": f"as long as {PARENT}",
}


def _pace(found: Interval) -> str:
    """Return which side of one a ratio lies on; none where its interval or two digits hold one."""
    if text.ratio(found.estimate) == text.ratio(1) or found.low <= 1 <= found.high:
        return "same"
    return "slower" if found.estimate > 1 else "faster"


# Without training -------------------------------------------------------------------------------


@cited
def untrained(found: Overview) -> str:
    """Say which files there are, how far their sizes are from the paper, and how fast they run."""
    if not list(found):
        return "The records have no such files of a network that is not trained."
    places = text.listing(f"{title(one.network)} on {title(one.dataset)}" for one in found)
    verb = "waits" if len(list(found)) == 1 else "wait"
    shown = f"{places} {verb} for training: the table has files with weights as they were drawn."
    parts = [shown, _untrained_sizes(found), _untrained_paces(found)]
    return " ".join(part for part in parts if part)


def _untrained_sizes(found: Overview) -> str:
    far = [row.bytes / row.printed.bytes - 1 for row in _files(found) if row.printed]
    if not far:
        return ""
    most = text.percent(max(map(abs, far)))
    return f"Each of their files is within {most} of the size that the paper prints."


def _untrained_paces(found: Overview) -> str:
    quick = [row for row in _files(found) if row.technique in ("BLQ", "FIQ")]
    ours = [row.ratio[KERNELS[0]].estimate for row in quick if KERNELS[0] in row.ratio]
    paper = [row.printed.ratio for row in quick if row.printed]
    if not ours or not paper:
        return ""
    names = dict.fromkeys(row.technique for row in quick)
    here = f"{text.span(ours, text.ratio)} of {PARENT}'s time {RUNTIMES[KERNELS[0]]}"
    there = f"{text.span(paper, text.times)} times it in the paper"
    return f"{text.listing(names)} {'takes' if len(names) == 1 else 'take'} {here}, and {there}."


def _files(found: Overview) -> list[Row]:
    return [row for one in found for row in one.files]


# Pruning ----------------------------------------------------------------------------------------


@cited
def pruning(found: Overview) -> str:
    """Say what PRN does to accuracy against NQ, and against NQ trained on for as long."""
    return f"{tally(found, ['PRN'])} {tally(found, ['PRN'], CONTROL)}"


@cited
def capacity(found: Overview) -> str:
    """Say for the networks, the largest first, what PRN gains over NQ trained on for as long."""
    pairs = [(one, one["PRN"].differences.get(CONTROL)) for one in largest_first(found.measured)]
    known = [(one, pair) for one, pair in pairs if pair is not None and pair.values]
    if not known:
        return f"Pruning beside its control is {MISSING}."
    said = text.listing(f"{place(one, found)} {_signed(pair)}" for one, pair in known)
    if len(known) == 1:
        return f"One network is measured, which shows no trend with size: {said} points."
    return f"From the network with the most parameters to that with the fewest: {said} points."


def _signed(pair: Difference) -> str:
    return text.points(pair.interval.estimate)
