"""The instrument `device`: what somebody else's board measured, read from a log or a CSV.

Two forms are read. The output of LiteRT's `benchmark_model`, one run or several after each other;
or a CSV with a line of headings: `COLUMNS` must be there, `FURTHER` may. A deployable is named by
its key, or by the name of its file, which holds the key. Times are in milliseconds.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlmo import machine, records
from dlmo.errors import UserError
from dlmo.instruments.process import settings

REVISION = 1

COLUMNS = ("deployable", "runtime", "kernels", "threads", "milliseconds")
"""What a CSV must say: the file, the runtime and its version, the kernels ("xnnpack", "builtin" or
"reference"), the number of threads, and the mean of the steady inferences."""

FURTHER = (
    *("load_milliseconds", "first_milliseconds", "p99_milliseconds", "deviation_milliseconds"),
    "runs",
)
"""What it may say besides: loading, the first inference; of the steady inferences the 99th
percentile, the standard deviation and the number."""

_LARGEST = 10_000_000
_LONGEST = 3_600_000.0
_KEY = re.compile(r"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])")


@dataclass(frozen=True)
class Board:
    """What measured.

    Attributes:
        name: of the board and its processor.
        instruction_sets: those of `machine.INSTRUCTION_SETS` that it has.
        system: operating system and architecture.
    """

    name: str
    instruction_sets: tuple[str, ...] = ()
    system: str = "Linux aarch64"

    def described(self) -> machine.Machine:
        """Return it as records describe a machine; what nobody said is 0 or empty."""
        return machine.Machine(
            processor=self.name,
            instruction_sets=self.instruction_sets,
            cores=0,
            memory=0,
            system=self.system,
            python="",
        )


def board(name: str, instruction_sets: Sequence[str], system: str) -> Board:
    """Check what a user says of a board.

    Raises:
        UserError: it has no name, or an instruction set is unknown.
    """
    if not name.strip() or not system.strip() or any(map(_odd, (name, system))):
        raise UserError("a board needs a name and a system of printable characters")
    for one in instruction_sets:
        if one not in machine.INSTRUCTION_SETS:
            known = ", ".join(machine.INSTRUCTION_SETS)
            raise UserError(f"unknown instruction set {one!r}; known: {known}")
    found = tuple(one for one in machine.INSTRUCTION_SETS if one in set(instruction_sets))
    return Board(name.strip(), found, system.strip())


def _odd(text: str) -> bool:
    return len(text) > 120 or not text.isprintable()


def read(file: Path, measured_on: Board, runtime: str) -> list[records.Measurement]:
    """Read a board's measurements as records; nothing is written.

    Args:
        file: a CSV or the output of `benchmark_model`.
        measured_on: the board.
        runtime: its name and version, for `benchmark_model`, whose output does not say it.

    Raises:
        UserError: the file is neither, or something in it makes no sense; says which line.
    """
    text = _text(file)
    log = "Inference timings in us" in text or "STARTING!" in text
    lines = list(_of_log(file, text, runtime) if log else _of_csv(file, text))
    if not lines:
        raise UserError(f"{file}: holds no measurement")
    known = {one.key: one for one in records.every() if isinstance(one, records.Deployable)}
    found: dict[str, records.Measurement] = {}
    for number, line in lines:
        where = f"{file}, line {number}"
        record = _record(where, line, measured_on, known, "benchmark_model" if log else "csv")
        if record.key in found:
            raise UserError(f"{where}: the same file, runtime, kernels and threads as before")
        found[record.key] = record
    return list(found.values())


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None
    if len(data) > _LARGEST:
        raise UserError(f"{file}: larger than {_LARGEST // 1_000_000} MB; no log of a board is")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{file}: is no text (UTF-8)") from None


Line = dict[str, str]


def _of_csv(file: Path, text: str) -> Iterator[tuple[int, Line]]:
    """Yield the rows of a CSV with the number of their line."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        _check_columns(file, names)
        reader.fieldnames = names
        for row in reader:
            if None in row or None in row.values():
                raise UserError(f"{file}, line {reader.line_num}: has not {len(names)} columns")
            yield reader.line_num, {name: str(value).strip() for name, value in row.items()}
    except csv.Error as error:
        raise UserError(f"{file}, line {reader.line_num}: {error}") from None


def _check_columns(file: Path, names: list[str]) -> None:
    absent = [name for name in COLUMNS if name not in names]
    if absent:
        raise UserError(
            f"{file}: neither the output of benchmark_model nor a CSV with the columns "
            f"{', '.join(COLUMNS)}; absent: {', '.join(absent)}"
        )
    odd = [name for name in names if name not in (*COLUMNS, *FURTHER)]
    if odd or len(set(names)) < len(names):
        raise UserError(
            f"{file}: columns are {', '.join(COLUMNS)} and, where known, {', '.join(FURTHER)}, "
            f"each once; not {', '.join(odd) or 'one of them twice'}"
        )


_GRAPH = re.compile(r"Graph: \[(?P<name>[^\]]*)\]")
_THREADS = re.compile(r"(?:Num threads|#threads used for CPU inference): \[(?P<number>[^\]]*)\]")
_XNNPACK = re.compile(r"Use xnnpack: \[(?P<on>[^\]]*)\]")
_COUNT = re.compile(r"count=(?P<runs>\S+) .*?std=(?P<deviation>\S+)")
_TIMES = re.compile(
    r"Inference timings in us: Init: (?P<load>[^,]+), First inference: (?P<first>[^,]+), "
    r"Warmup \(avg\): [^,]+, Inference \(avg\): (?P<mean>\S+)"
)


def _of_log(file: Path, text: str, runtime: str) -> Iterator[tuple[int, Line]]:
    """Yield the runs in the output of `benchmark_model` with the number of their last line."""
    run: Line = {}
    for number, line in enumerate(text.splitlines(), 1):
        if "STARTING!" in line:
            run = {}
        if match := _GRAPH.search(line):
            run["deployable"] = match["name"]
        if match := _THREADS.search(line):
            run["threads"] = match["number"]
        if match := _XNNPACK.search(line):
            run["kernels"] = "builtin" if match["on"] in ("0", "false") else "xnnpack"
        if match := _COUNT.search(line):
            run["runs"] = match["runs"]
            run["deviation_milliseconds"] = _thousandth(match["deviation"])
        if match := _TIMES.search(line):
            if "deployable" not in run:
                raise UserError(f"{file}, line {number}: no line before it says Graph: [FILE]")
            yield (
                number,
                {
                    "runtime": runtime,
                    "kernels": "xnnpack",
                    "threads": "1",
                    **run,
                    "milliseconds": _thousandth(match["mean"]),
                    "load_milliseconds": _thousandth(match["load"]),
                    "first_milliseconds": _thousandth(match["first"]),
                },
            )
            run = {}


def _thousandth(microseconds: str) -> str:
    try:
        return repr(float(microseconds) / 1000)
    except ValueError:
        return microseconds


def _record(
    where: str,
    line: Line,
    measured_on: Board,
    known: dict[str, records.Deployable],
    source: str,
) -> records.Measurement:
    made = _deployable(where, line["deployable"], known)
    runtime = line["runtime"]
    if not runtime or _odd(runtime):
        raise UserError(f"{where}: runtime must be a name and a version, such as LiteRT 2.3.0")
    threads = _whole(where, "threads", line["threads"])
    try:
        how = settings(line["kernels"], threads)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    values: dict[str, Any] = {"runtime": runtime, "source": source}
    for name in ("milliseconds", *FURTHER):
        if line.get(name):
            whole = name == "runs"
            values[name] = (_whole if whole else _time)(where, name, line[name])
    here = measured_on.described()
    commit, clean = machine.commit()
    return records.make(
        records.Measurement,
        records.MeasurementIdentity(
            deployable=made.key,
            instrument="device",
            revision=REVISION,
            settings={**how.model_dump(), "runtime": runtime},
            machine=machine.tag(here),
        ),
        trial=made.trial,
        provenance=records.Provenance(
            machine=here,
            versions={},
            threads=threads,
            commit=commit,
            clean=clean,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=0.0,
        ),
        values=values,
    )


def _deployable(where: str, name: str, known: dict[str, records.Deployable]) -> records.Deployable:
    keys = _KEY.findall(name)
    if len(keys) != 1 or keys[0] not in known:
        raise UserError(
            f"{where}: unknown deployable {name[:120]!r}; name it by its key, or by the name of "
            "its file in data/models, which holds the key"
        )
    return known[keys[0]]


def _time(where: str, name: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    least = value >= 0 if name == "deviation_milliseconds" else value > 0
    if not least or not value <= _LONGEST:
        raise UserError(f"{where}: {name} is {word[:40]!r}, not a time in milliseconds")
    return value


def _whole(where: str, name: str, word: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", word) or int(word) < 1:
        raise UserError(f"{where}: {name} is {word[:40]!r}, not a whole number from 1")
    return int(word)


def add(found: Sequence[records.Measurement]) -> tuple[int, int]:
    """Write records of a board; return how many are new, and how many stood there already.

    Raises:
        UserError: one of them stands there with other numbers. Nothing is written then.
    """
    new = []
    for record in found:
        there = records.find(record.key)
        if there is None:
            new.append(record)
        elif not isinstance(there, records.Measurement) or there.values != record.values:
            raise UserError(
                f"{record.trial} was measured on {record.provenance.machine.processor} with these "
                "settings before, with other numbers; give this measurement's board another name"
            )
    for record in new:
        records.write(record)
    return len(new), len(found) - len(new)
