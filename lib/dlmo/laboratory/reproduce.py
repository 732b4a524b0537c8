"""Training a trial again from its recipe, apart from everything, and comparing with its record."""

from collections.abc import Callable
from dataclasses import dataclass

from dlmo import machine, paths, records
from dlmo.errors import UserError
from dlmo.laboratory.plan import PLAIN, Plan, plan
from dlmo.laboratory.schedule import Watch, measure
from dlmo.report import statistics
from dlmo.report.statistics import Interval
from dlmo.review import Comparison, compare, machines_apart
from dlmo.trials import Trial


@dataclass(frozen=True)
class Reproduction:
    """What training again gave.

    Attributes:
        apart: what differs between this machine and the record's; equal predictions are demanded
            where it is nothing.
        recorded, again: test accuracies, 0 to 1.
        predictions: the recorded ones beside the new ones.
        expected: where one more training's accuracy is expected by the recorded seeds.
    """

    trial: Trial
    apart: tuple[str, ...]
    recorded: float
    again: float
    predictions: Comparison
    expected: Interval

    @property
    def inside(self) -> bool | None:
        """Whether the accuracy is one that the seeds predict; None for one seed."""
        if self.expected.n < 2:
            return None
        return self.expected.low <= self.again <= self.expected.high

    @property
    def word(self) -> str:
        """The verdict: `equal`, `differs`, `inside`, `outside` or `one seed`."""
        if self.predictions.equal:
            return "equal"
        if not self.apart:
            return "differs"
        return {True: "inside", False: "outside", None: "one seed"}[self.inside]

    @property
    def failed(self) -> bool:
        """Whether it is not what the record promises."""
        return self.word in ("differs", "outside")


def reproduce(
    trial: Trial,
    *,
    workers: int | None = None,
    watch: Watch | None = None,
    agreed: Callable[[Plan], bool] = lambda made: True,
) -> Reproduction | None:
    """Train a trial, and all that it stands on, again in a temporary store.

    Args:
        trial: which; it must be recorded.
        workers: cores to keep busy (default: all).
        watch: is told how far it is.
        agreed: is shown the plan, and says whether to go on.

    Returns:
        What came of it, or None where it was not agreed to.

    Raises:
        UserError: today's recipe of the trial is not recorded, or it cannot be had.
    """
    measured, steps = recorded(trial)
    before = records.predictions(measured)
    accuracies = _accuracies(trial)
    with paths.elsewhere():
        if not agreed(plan([trial])):
            return None
        made = measure([trial], workers=workers, watch=watch, with_latency=False)
        again, _ = recorded(trial, made)
        return Reproduction(
            trial=trial,
            apart=_apart(measured, *steps),
            recorded=measured.values["test_accuracy"],
            again=again.values["test_accuracy"],
            predictions=compare(before, records.predictions(again)),
            expected=statistics.prediction(accuracies),
        )


def recorded(
    trial: Trial, made: Plan | None = None
) -> tuple[records.Measurement, list[records.Record]]:
    """Return a trial's last accuracy, and the records of its file and its training steps.

    Raises:
        UserError: it is not recorded, not by today's recipe, or cannot be had.
    """
    made = made or plan([trial])
    if trial in made.unavailable:
        raise UserError(f"{trial} cannot be had: {made.unavailable[trial]}")
    found = {record.key: record for record in records.every()}
    key = made.deployables[trial]
    accuracies = [one for one in found.values() if _is_accuracy(one, key)]
    if not accuracies:
        raise UserError(
            f"{trial} is not recorded by today's recipe, so there is nothing to compare with; "
            "see: dlmo records --all"
        )
    last = max(accuracies, key=lambda one: one.provenance.started)
    assert isinstance(last, records.Measurement)
    return last, [found[one] for one in made.needs[trial] if one in found]


def _is_accuracy(record: records.Record, key: str) -> bool:
    if not isinstance(record, records.Measurement):
        return False
    identity = record.identity
    return (identity.deployable, identity.instrument, identity.settings) == (key, "accuracy", PLAIN)


def _accuracies(trial: Trial) -> list[float]:
    """Return the recorded test accuracies of a trial's seeds, its own among them."""
    table = records.table()
    changed = ",".join(f"{name}={value}" for name, value in trial.overrides)
    same = table["current"] & (table["overrides"] == changed)
    for name in ("dataset", "network", "technique", "profile"):
        same &= table[name] == getattr(trial, name)
    return [float(share) for share in table[same]["accuracy"].dropna()]


def _apart(*made: records.Record) -> tuple[str, ...]:
    """Return what differs between this machine with its libraries and those of some records."""
    said = [one for record in made for one in machines_apart(record)]
    now = machine.versions()
    for record in made:
        for name, version in record.provenance.versions.items():
            if now.get(name) != version:
                said.append(f"{name} {version} there, {now.get(name, 'none')} here")
    return tuple(dict.fromkeys(said))
