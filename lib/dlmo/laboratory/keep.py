"""Keeping deployables in `data/models/`, so that readers download and reviewers re-measure them."""

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


def keep(trials: Iterable[Trial]) -> list[Path]:
    """Copy the deployables of some trials into `data/models/` and list all that are there.

    What is larger than `LARGEST` is left out: one command makes it again.

    Raises:
        UserError: a trial isn't measured yet, or all files together would be larger than `IN_ALL`.
    """
    made = plan(trials)
    kept = []
    for trial, key in made.deployables.items():
        record, source = records.find(key), store.deployable_file(key)
        if trial in made.unavailable:
            continue
        if not isinstance(record, records.Deployable) or source is None:
            raise UserError(f"{trial} has no deployable here; run dlmo measure first")
        if record.bytes <= LARGEST:
            target = _place(trial, key)
            write_bytes(target, source.read_bytes())
            kept.append(target)
    _write_list()
    return kept


def _place(trial: Trial, key: str) -> Path:
    changed = "".join(f"-{name}={value}" for name, value in trial.overrides)
    name = f"{trial.technique}-{trial.profile}-{trial.seed}{changed}"
    folder = paths.models() / spec.slug(trial.dataset) / spec.slug(trial.network)
    return folder / f"{spec.slug(name)}.{key}.tflite"


def _write_list() -> None:
    """Write `data/models/models.csv`: each file with its size and checksum.

    Raises:
        UserError: all files together are larger than `IN_ALL`.
    """
    root, zipped = paths.models(), 0
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "bytes", "zipped_bytes", "sha256"])
    for file in sorted(root.glob("*/*/*.tflite")):
        record = records.find(file.name.split(".")[-2])
        data = file.read_bytes()
        own = record.zipped_bytes if isinstance(record, records.Deployable) else len(data)
        zipped += own
        table.writerow([file.relative_to(root).as_posix(), len(data), own, sha256(data)])
    if zipped > IN_ALL:
        raise UserError(f"{root} holds {zipped:,} zipped bytes, more than {IN_ALL:,}; keep fewer")
    write_bytes(root / "models.csv", text.getvalue().encode())
