"""`dlmo export`: a measured file with all that a device's developer needs."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlmo.errors import UserError

if TYPE_CHECKING:
    from dlmo import records

_KEY = re.compile(r"[0-9a-f]{4,16}")


def export(
    trial: Annotated[
        str, typer.Argument(help="dataset/network/technique/profile/seed, or a file's key.")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A folder, new or empty.")],
) -> None:
    """Write a measured file, a C array, labels, code and a model card into a folder.

    \b
    Examples:
      dlmo export cifar10/vggnet/FIQ/reference/0 --to device/
      dlmo export 6faa46e4 --to device/
    """
    from dlmo.report import exporting

    record = _by_key(trial) if _KEY.fullmatch(trial) else _by_trial(trial)
    for file in exporting.export(record, _labels(record), to):
        typer.echo(file)


def _labels(record: "records.Deployable") -> tuple[str, ...]:
    """Return the classes' names, as they were when the file was made."""
    from dlmo import datasets, records

    dataset = record.trial.dataset
    weights = records.find(record.identity.weights)
    assert isinstance(weights, records.Weights)
    if datasets.checksum(dataset) != weights.identity.checksum:
        raise UserError(
            f"the images of {dataset} are not those that {record.key} was made from, so that its "
            "labels are not known; bring those back, or measure with these: dlmo measure --help"
        )
    return datasets.classes(dataset)


def _by_key(key: str) -> "records.Deployable":
    from dlmo import paths, records

    found = sorted(paths.results().glob(f"*/*/{key}*.deployable.json"))
    if len(found) != 1:
        raise UserError(f"{len(found)} files have a key that begins with {key}; see: dlmo records")
    record = records.read(found[0])
    assert isinstance(record, records.Deployable)
    return record


def _by_trial(text: str) -> "records.Deployable":
    from dlmo import records, trials

    trial = trials.parse(text)
    names = ("dataset", "network", "technique", "profile", "seed")
    rows = records.select(**{name: getattr(trial, name) for name in names})
    if trial.overrides:
        rows = records.select(current=False, **{name: getattr(trial, name) for name in names})
        changed = ",".join(f"{name}={value}" for name, value in trial.overrides)
        rows = rows[rows["overrides"] == changed]
    reasons = rows["reason"].dropna()
    if len(reasons):
        raise UserError(f"{text} cannot be had: {reasons.iloc[0]}")
    keys = rows["deployable_key"].dropna()
    record = records.find(str(keys.iloc[-1])) if len(keys) else None
    if not isinstance(record, records.Deployable):
        raise UserError(f"{text} is not measured yet; see: dlmo records, dlmo measure --help")
    return record
