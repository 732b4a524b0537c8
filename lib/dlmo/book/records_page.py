"""The data behind the page of the records: a list of all, and a file for each.

The page is drawn by `dlmo-records.js`. Data come as scripts, since a page that is opened from disk
may not fetch anything else.
"""

import csv
import io
import json
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlmo import datasets, paths, records
from dlmo.book import cache
from dlmo.book.provenance import PAGE, Sets
from dlmo.errors import UserError
from dlmo.files import digest, sha256, within
from dlmo.report import text
from dlmo.trials import Trial

FOLDER = "_records"
NOTE = "made_from.txt"
"""Says from what the other files were made, so that the same is not made twice."""

COLUMNS = (
    *("key", "kind", "dataset", "network", "technique", "profile", "seed", "what", "result"),
    *("machine", "made"),
)
"""Of the list, and of its CSV."""


def write(html: Path, sets: Iterable[Sets]) -> None:
    """Write the list, a file a record, the CSVs and what can be downloaded.

    Files that are right already stay untouched, so that an unchanged book is quick.

    Args:
        html: the folder of the built pages.
        sets: the sources that the pages link to.
    """
    merged = {name: keys for one in sets for name, keys in one.items()}
    folder, made_from = html / FOLDER, _made_from(merged)
    if (folder / NOTE).exists() and (folder / NOTE).read_text() == made_from:
        return
    found, kept = records.every(), _kept()
    wanted = dict(_files(found, kept, merged))
    for name, content in wanted.items():
        _write(folder / name, content)
    copied = {f"models/{file}": paths.models() / file for file in kept.values()}
    copied |= {f"tables/{file.name}": file for file in (paths.paper() / "tables").glob("*.csv")}
    for name, file in copied.items():
        _copy(file, folder / name)
    _remove_others(folder, {*wanted, *copied})
    _write(folder / NOTE, made_from)


def _made_from(sets: Sets) -> str:
    """Return the hash of all that decides what these files say."""
    code = digest(within(Path(__file__).parent))
    return sha256(f"{cache.surroundings()} {code} {_json(sorted(sets.items()))}".encode())


def targets(page: Path) -> list[str]:
    """Return what an address may ask of the built page of the records; nothing for other pages."""
    data = page.parent.parent / FOLDER / "all.js"
    if page.stem != Path(PAGE).name or not data.exists():
        return []
    given = json.loads(data.read_text("utf-8").removeprefix("dlmoRecords(").rstrip(");\n"))
    return ["all", *given["sets"], *(row[0] for row in given["rows"])]


def _files(
    found: list[records.Record], kept: Mapping[str, str], sets: Sets
) -> Iterator[tuple[str, str]]:
    yield "all.js", f"dlmoRecords({_json(_list(found, sets))});\n"
    for record in found:
        yield f"{record.key}.js", f"dlmoRecord({_json(_one(record, kept))});\n"
    yield "records.csv", _csv(found)
    yield "trials.csv", records.table(found).to_csv(index=False)


# The list ---------------------------------------------------------------------------------------


def _list(found: list[records.Record], sets: Sets) -> dict[str, Any]:
    place = {record.key: number for number, record in enumerate(found)}
    known = {
        name: [place[key] for key in keys if key in place] for name, keys in sorted(sets.items())
    }
    tables = {name: [key for key in keys if key not in place] for name, keys in sets.items()}
    return {
        "columns": COLUMNS,
        "rows": [_row(record) for record in found],
        "parents": [[place[key] for key in parents(one) if key in place] for one in found],
        "sets": known,
        "tables": {name: tables[name] for name in known if tables[name]},
        "classes": _classes({record.trial.dataset for record in found}),
    }


def _row(record: records.Record) -> list[Any]:
    trial = record.trial
    changed = ",".join(f"{name}={value}" for name, value in trial.overrides)
    technique = f"{trial.technique} ({changed})" if changed else trial.technique
    made = record.provenance
    return [
        *(record.key, records.kind(record), trial.dataset, trial.network, technique),
        *(trial.profile, trial.seed, what(record), result(record)),
        *(made.machine.processor, made.started[:16].replace("T", " ")),
    ]


def parents(record: records.Record) -> list[str]:
    """Return the keys of the records that a record was made from."""
    match record.identity:
        case records.WeightsIdentity(parent=parent, teacher=teacher):
            return [key for key in (parent, teacher) if key]
        case records.DeployableIdentity(weights=weights):
            return [weights]
        case records.MeasurementIdentity(deployable=deployable, settings=settings):
            baseline = settings.get("baseline", deployable)
            return list(dict.fromkeys((deployable, str(baseline))))
    return []


def what(record: records.Record) -> str:
    """Return what a record is about, below its trial: a step, a conversion, an instrument."""
    match record.identity:
        case records.WeightsIdentity(step=step):
            return str(step)
        case records.DeployableIdentity(conversion=conversion):
            return str(conversion)
        case records.MeasurementIdentity(instrument=instrument, settings=settings):
            threads = settings.get("threads")
            with_ = [str(settings["kernels"])] if "kernels" in settings else []
            with_ += [text.count(threads, "thread")] if threads else []
            with_ += [str(settings["runtime"])] if "runtime" in settings else []
            return ", ".join([instrument, *with_])
    return ""


def result(record: records.Record) -> str:
    """Return in a few words what a record says."""
    match record:
        case records.Weights(history=history):
            return text.count(len(history), "epoch")
        case records.Deployable(bytes=size):
            return f"{size:,} bytes"
        case records.Unavailable():
            return "cannot be had"
        case records.Measurement(values={"test_accuracy": share}):
            return text.percent(share, 2)
        case records.Measurement(values={"corrupted_accuracy": share}):
            return f"{text.percent(share, 2)} of corrupted images"
        case records.Measurement(values={"ratio": float(ratio)}):
            return f"{text.ratio(ratio)} times NQ"
        case records.Measurement(values={"bytes": int(size)}):
            return f"{size:,} bytes"
        case records.Measurement(values={"reason": str()}):
            return "does not run"
    return ""


def _classes(names: set[str]) -> dict[str, list[str]]:
    found = {}
    for name in sorted(names):
        try:
            found[name] = [str(one) for one in datasets.classes(name)]
        except UserError:  # a folder of images that isn't here: its classes stay numbers
            continue
    return found


def _csv(found: list[records.Record]) -> str:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(_row(record) for record in found)
    return stream.getvalue()


# One record -------------------------------------------------------------------------------------


def _one(record: records.Record, kept: Mapping[str, str]) -> dict[str, Any]:
    place = records.file(record).relative_to(paths.results()).as_posix()
    return {
        "record": record.model_dump(mode="json"),
        "trial": str(record.trial),
        "place": f"data/results/{place}",
        "file": kept.get(record.key),
        "commands": _commands(record, kept),
    }


def _commands(record: records.Record, kept: Mapping[str, str]) -> dict[str, str]:
    """Return what checks a record again, by what it does."""
    identity, trial = record.identity, record.trial
    file = identity.deployable if isinstance(identity, records.MeasurementIdentity) else record.key
    latency = getattr(identity, "instrument", "") == "latency"
    found = {"Check the record's own digest": f"dlmo records show {record.key}"}
    if file in kept and kept[file].endswith(".tflite"):
        found["Measure the kept file again"] = verify_command(trial, latency=latency)
    found["Train it again"] = f"dlmo reproduce {shlex.quote(str(trial))}"
    return found


def verify_command(trial: Trial, *, latency: bool = False) -> str:
    """Return the command that measures a trial's kept file again."""
    words = ["dlmo", "verify", "-d", trial.dataset, "-n", trial.network, "-t", trial.technique]
    words += ["--profile", trial.profile, "--seed", str(trial.seed)]
    for name, value in trial.overrides:
        words += ["-p", f"{name}={value}"]
    return shlex.join([*words, *(["--latency"] if latency else [])])


def _kept() -> dict[str, str]:
    """Return by key the files in `data/models/`."""
    root = paths.models()
    found = sorted((*root.glob("*/*/*.tflite"), *root.glob("*/*/*.npz")))
    return {file.name.split(".")[-2]: file.relative_to(root).as_posix() for file in found}


# Writing ----------------------------------------------------------------------------------------


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _write(file: Path, content: str) -> None:
    data = content.encode()
    if not (file.exists() and file.read_bytes() == data):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _copy(source: Path, target: Path) -> None:
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _remove_others(folder: Path, names: set[str]) -> None:
    for file in folder.rglob("*"):
        if file.is_file() and file.relative_to(folder).as_posix() not in names:
            file.unlink()
