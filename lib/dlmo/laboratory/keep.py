"""Keeping files in `data/models/`: deployables, which readers download and reviewers re-measure,
and the weights that later trials need as parents.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from dlmo import paths, records, spec
from dlmo.errors import UserError
from dlmo.files import sha256, write_bytes
from dlmo.laboratory import store
from dlmo.laboratory.plan import plan
from dlmo.trials import Trial

LARGEST = 7_000_000
"""Bytes of one file."""
IN_ALL = 80_000_000
"""Bytes of all files together, zipped."""


def keep(trials: Iterable[Trial], *, weights: bool = False) -> list[Path]:
    """Copy the deployables of some trials into `data/models/` and list all that are there.

    With `weights`, what their training steps left is copied as well. What is larger than `LARGEST`
    is left out: one command makes it again.

    Raises:
        UserError: a trial isn't measured yet, or all files together would be larger than `IN_ALL`.
    """
    made = plan(trials)
    kept: list[Path | None] = []
    for trial, key in made.deployables.items():
        record, source = records.find(key), store.deployable_file(key)
        if trial in made.unavailable:
            continue
        if not isinstance(record, records.Deployable) or source is None:
            raise UserError(f"{trial} has no deployable here; run dlmo measure first")
        kept.append(_copy(source, _place(trial, trial.technique, key)))
        last = record.identity.weights
        trained = store.weights_file(last) if weights else None
        if trained is not None:
            # Techniques that share their training steps share this file.
            kept.append(_copy(trained, _place(trial, "-".join(trial.plan.steps), last)))
    _write_list()
    return list(dict.fromkeys(target for target in kept if target))


def _copy(source: Path, target: Path) -> Path | None:
    target = target.with_name(target.name + source.suffix)
    if source.stat().st_size > LARGEST:
        return None
    if source != target:
        write_bytes(target, source.read_bytes())
    return target


def _place(trial: Trial, what: str, key: str) -> Path:
    """Return where a file is kept, without its suffix."""
    changed = "".join(f"-{name}={value}" for name, value in trial.overrides)
    name = f"{what}-{trial.profile}-{trial.seed}{changed}"
    folder = paths.models() / spec.slug(trial.dataset) / spec.slug(trial.network)
    return folder / f"{spec.slug(name)}.{key}"


def _write_list() -> None:
    """Write `data/models/models.csv`: each file with its size and checksum.

    Raises:
        UserError: all files together are larger than `IN_ALL`.
    """
    root, zipped = paths.models(), 0
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "bytes", "zipped_bytes", "sha256"])
    for file in sorted((*root.glob("*/*/*.tflite"), *root.glob("*/*/*.npz"))):
        record = records.find(file.name.split(".")[-2])
        data = file.read_bytes()
        own = record.zipped_bytes if isinstance(record, records.Deployable) else len(data)
        zipped += own
        table.writerow([file.relative_to(root).as_posix(), len(data), own, sha256(data)])
    if zipped > IN_ALL:
        raise UserError(f"{root} holds {zipped:,} zipped bytes, more than {IN_ALL:,}; keep fewer")
    write_bytes(root / "models.csv", text.getvalue().encode())
