"""Taking the kept deployables and the test images, measuring again, and comparing with the records.

Nothing is written. A broken record is a finding and not an end: the others are still checked.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlmo import datasets, deployable, instruments, paths, records, spec
from dlmo.errors import UserError
from dlmo.files import sha256
from dlmo.report import text
from dlmo.review import timing
from dlmo.review.checks import Check, Verdict
from dlmo.review.compare import Comparison, compare, kernels_apart
from dlmo.trials import Trial


@dataclass
class Kept:
    """What stands in the folders of records and models.

    Attributes:
        found: the sound records by key.
        broken: the others: file, and what is wrong with it.
        files: the deployables and weights in the models' folder, by key.
        listed: the rows of `models.csv` by file.
    """

    found: dict[str, records.Record] = field(default_factory=dict)
    broken: dict[Path, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    listed: dict[str, dict[str, str]] = field(default_factory=dict)


def verify(
    trials: Iterable[Trial] | None = None,
    *,
    images: bool = True,
    validation: bool = False,
    latency: bool = False,
    seconds: float = 20.0,
    workers: int | None = None,
) -> list[Verdict]:
    """Check the kept deployables of some trials, or all.

    Args:
        trials: which; by default all that are recorded.
        images: classify the test images again; without, files and records only.
        validation: the validation images as well.
        latency: measure latency ratios again, and hold them against a prediction interval.
        seconds: the budget for timing one family with one set of kernels.
        workers: how many files are classified at a time (default: as many as there are cores).

    Returns:
        A verdict a file, and one for each record that is broken.

    Raises:
        UserError: nothing is recorded of these trials, or a dataset isn't here.
    """
    kept, wanted = _read(), None if trials is None else set(trials)
    chosen = [
        record
        for record in kept.found.values()
        if isinstance(record, records.Deployable) and (wanted is None or record.trial in wanted)
    ]
    strays = list(_strays(kept, wanted))
    if not chosen and not strays:
        raise UserError("there is nothing to verify: no such trial is recorded; see: dlmo records")
    chosen.sort(key=lambda record: str(record.trial))
    splits = ("test", "validation") if validation else ("test",) if images else ()
    _need({record.trial.dataset for record in chosen if record.key in kept.files}, splits)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        verdicts = list(pool.map(lambda record: _verdict(record, kept, splits), chosen))
    if latency:
        again = timing.again(chosen, kept.found, kept.files, seconds)
        verdicts = [
            replace(one, checks=(*one.checks, *again.get(record.key, ()))) if one.checks else one
            for one, record in zip(verdicts, chosen, strict=True)
        ]
    return [*strays, *verdicts]


def _need(names: set[str], splits: Sequence[str]) -> None:
    for name in sorted(names) if splits else ():
        if not datasets.available(name):
            raise UserError(
                f"{name} is not here: fetch it first (dlmo data fetch {name}), or check files and "
                "records alone by --no-images"
            )


# Reading ----------------------------------------------------------------------------------------


def _read() -> Kept:
    kept = Kept()
    for path in sorted(paths.results().glob("*/*/*.json")):
        try:
            record = records.read(path)
            kept.found[record.key] = record
        except UserError as error:
            kept.broken[path] = str(error).removeprefix(f"{path}: ")
    for file in sorted((*paths.models().glob("*/*/*.tflite"), *paths.models().glob("*/*/*.npz"))):
        kept.files[file.name.split(".")[-2]] = file
    table = paths.models() / "models.csv"
    if table.exists():
        rows = csv.DictReader(io.StringIO(table.read_text("utf-8")))
        kept.listed = {row["file"]: row for row in rows}
    return kept


def _strays(kept: Kept, wanted: set[Trial] | None) -> Iterator[Verdict]:
    """Yield what belongs to no sound record: broken records, files without one, lost files."""
    # Where nothing sound was asked for, what is broken may be what was meant.
    places = {_place(trial) for trial in wanted} if wanted else None

    def asked(name: str) -> bool:
        return places is None or name.rpartition("/")[0] in places

    for path, reason in kept.broken.items():
        name = path.relative_to(paths.results()).as_posix()
        if asked(name):
            yield Verdict("", name, (Check("record", False, reason),))
    names = {_name(file): key for key, file in kept.files.items()}
    for name, key in names.items():
        if key not in kept.found and asked(name):
            yield Verdict("", name, (Check("record", False, "there is no sound record of it"),))
    for name in kept.listed:
        if name not in names and asked(name):
            said = "models.csv lists it, but it is not here"
            yield Verdict("", name, (Check("list", False, said),))


def _place(trial: Trial) -> str:
    return f"{spec.slug(trial.dataset)}/{spec.slug(trial.network)}"


def _name(file: Path) -> str:
    return file.relative_to(paths.models()).as_posix()


# One file ---------------------------------------------------------------------------------------


def _verdict(record: records.Deployable, kept: Kept, splits: Sequence[str]) -> Verdict:
    file = kept.files.get(record.key)
    if file is None:
        return Verdict(str(record.trial), "")
    content = file.read_bytes()
    checks = [
        Check("record", True, "its key and its digest fit what it says"),
        _list(kept, file, content),
        _bytes(record, content),
        _contents(record, content),
        _weights(record, kept),
    ]
    # What a changed file says about images is no check of the record.
    if splits and checks[2].equal:
        checks += _predictions(record, kept, file, splits)
    return Verdict(str(record.trial), _name(file), tuple(checks))


def _list(kept: Kept, file: Path, content: bytes) -> Check:
    row = kept.listed.get(_name(file))
    if row is None:
        return Check("list", False, "models.csv does not list it")
    same = (row["bytes"], row["sha256"]) == (str(len(content)), sha256(content))
    return Check("list", same, "as models.csv lists it" if same else "models.csv lists another")


def _bytes(record: records.Deployable, content: bytes) -> Check:
    if sha256(content) == record.sha256 and len(content) == record.bytes:
        return Check("bytes", True, f"{record.bytes:,} bytes, SHA-256 {record.sha256[:12]}")
    size = f"{len(content):,} bytes for {record.bytes:,}, " if len(content) != record.bytes else ""
    return Check("bytes", False, f"{size}SHA-256 {sha256(content)[:12]} for {record.sha256[:12]}")


def _contents(record: records.Deployable, content: bytes) -> Check:
    try:
        found = records.contents(deployable.read(content))
    except UserError as error:
        return Check("contents", False, str(error))
    apart = [name for name, value in found.items() if value != getattr(record, name)]
    apart = [name for name in apart if name not in ("bytes", "sha256")]
    if apart == ["zipped_bytes"]:
        said = f"zips to {found['zipped_bytes']:,} bytes for {record.zipped_bytes:,}: another zlib"
        return Check("contents", None, said, "zips otherwise")
    if apart:
        parts = (f"{name} {found[name]} for {getattr(record, name)}" for name in apart)
        return Check("contents", False, "; ".join(parts))
    count = sum(record.operators.values())
    return Check("contents", True, f"{text.count(count, 'operator')}, types and zeros as recorded")


def _weights(record: records.Deployable, kept: Kept) -> Check:
    key: str | None = record.identity.weights
    parent = kept.found.get(str(key))
    if isinstance(parent, records.Weights) and parent.sha256 != record.weights_sha256:
        return Check("weights", False, f"made from other weights than the record {key} has")
    while key:
        parent = kept.found.get(key)
        if not isinstance(parent, records.Weights):
            return Check("weights", False, f"there is no sound record of its weights {key}")
        if not _same_weights(parent, kept.files.get(key)):
            return Check("weights", False, f"the kept weights {key} are not those of the record")
        key = parent.identity.parent
    return Check("weights", True, "records of all training steps, and the weights that are kept")


def _same_weights(record: records.Weights, file: Path | None) -> bool:
    if file is None:
        return True
    try:
        with np.load(file, allow_pickle=False) as archive:
            weights = [archive[f"arr_{place}"] for place in range(len(archive.files))]
    except (OSError, ValueError, KeyError, EOFError, io.UnsupportedOperation):
        return False
    except Exception as error:  # zipfile and zlib raise errors of their own
        if type(error).__module__ in ("zipfile", "zlib"):
            return False
        raise
    return records.weights_digest(weights) == record.sha256


# Predictions ------------------------------------------------------------------------------------


def _predictions(
    record: records.Deployable, kept: Kept, file: Path, splits: Sequence[str]
) -> list[Check]:
    measured = [
        one
        for one in kept.found.values()
        if isinstance(one, records.Measurement)
        and (one.identity.deployable, one.identity.instrument) == (record.key, "accuracy")
    ]
    if not measured:
        return [Check("predictions", None, "no accuracy of it is recorded", "not recorded")]
    return [_accuracy(one, record, kept, file, splits) for one in measured]


def _accuracy(
    measured: records.Measurement,
    record: records.Deployable,
    kept: Kept,
    file: Path,
    splits: Sequence[str],
) -> Check:
    data = datasets.load(record.trial.dataset)
    wrong = _other_images(record, kept, data) or _inconsistent(measured, data)
    if wrong:
        return Check("predictions", False, wrong)
    try:
        recorded, (again, runtime) = (
            records.predictions(measured),
            _classify(file, record, measured, data, splits),
        )
    except UserError as error:
        return Check("predictions", False, str(error))
    found = [compare(recorded, again, split) for split in splits]
    total = Comparison(
        sum(one.images for one in found),
        sum(one.others for one in found),
        max(one.apart for one in found),
    )
    return _judged(total, kernels_apart(measured, runtime))


def _judged(found: Comparison, apart: str) -> Check:
    of = f"of {found.images:,} images"
    if found.equal:
        return Check("predictions", True, f"the same class and probability {of}")
    said = f"another class for {found.others:,} {of} ({text.percent(found.share, 2)})"
    said += f", probabilities up to {found.apart:.2g} apart"
    if apart:
        short = f"{text.percent(found.share, 2)} differ"
        return Check("predictions", None, f"{said}; not judged: {apart}", short)
    return Check("predictions", False, f"{said}, with the same kernels and instruction sets")


def _classify(
    file: Path,
    record: records.Deployable,
    measured: records.Measurement,
    data: Any,
    splits: Sequence[str],
) -> tuple[dict[str, np.ndarray], str]:
    """Return a file's predictions, as records keep them, and the runtime."""
    kept: dict[str, np.ndarray] = {}
    settings, runtime = measured.identity.settings, ""
    for name in splits:
        images = getattr(data, name).images
        said = instruments.accuracy(file, images, record.preprocessing, **settings)
        kept[f"{name}_classes"], runtime = said.classes, said.runtime
        kept[f"{name}_probabilities"] = said.probabilities
    return kept, runtime


def _other_images(record: records.Deployable, kept: Kept, data: Any) -> str:
    """Say whether the dataset here is another one than the weights were trained on."""
    parent = kept.found.get(record.identity.weights)
    if isinstance(parent, records.Weights) and parent.identity.checksum != data.checksum:
        return f"{record.trial.dataset} here has another checksum than in the record"
    return ""


def _inconsistent(measured: records.Measurement, data: Any) -> str:
    """Say whether an accuracy, or the confusion, does not follow from the kept predictions."""
    try:
        kept = records.predictions(measured)
    except UserError as error:
        return str(error)
    for name in ("test", "validation"):
        classes, labels = kept[f"{name}_classes"], getattr(data, name).labels
        if classes.shape != labels.shape or ((classes == labels) != kept[f"{name}_correct"]).any():
            return f"the kept predictions of the {name} images do not fit the labels"
        if float((classes == labels).mean()) != measured.values[f"{name}_accuracy"]:
            return f"the {name} accuracy does not follow from the kept predictions"
    counts = np.zeros((len(data.classes),) * 2, int)
    np.add.at(counts, (data.test.labels, kept["test_classes"]), 1)
    same = counts.tolist() == measured.values["confusion"]
    return "" if same else "the confusion does not follow from the kept predictions"
