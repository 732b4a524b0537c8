"""Start the child that runs an interpreter, and turn whatever becomes of it into an answer."""

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlmo.errors import UserError, unknown

Kernels = Literal["xnnpack", "builtin", "reference"]
"""XNNPACK with LiteRT's own kernels for the rest, LiteRT's own alone, or its reference kernels."""

_SERVING, _JOBS = (Path(__file__).with_name(name) for name in ("serving.py", "child.py"))


class Settings(BaseModel):
    """What decides how a file is run."""

    model_config = ConfigDict(frozen=True)

    kernels: Kernels = "xnnpack"
    threads: int = Field(default=1, ge=1, le=256)
    runtime: Path | None = Field(default=None, exclude=True)
    """The Python of an environment with another runtime (tflite-runtime); default: this one.

    Not written into records, where the runtime's own name and version stand instead.
    """


def settings(kernels: str, threads: int, runtime: Path | None = None) -> Settings:
    """Check what a user chose.

    Raises:
        UserError: unknown kernels, or a number of threads that makes no sense.
    """
    if kernels not in get_args(Kernels):
        raise unknown("kernels", kernels, get_args(Kernels))
    try:
        return Settings.model_validate(
            {"kernels": kernels, "threads": threads, "runtime": runtime}, strict=False
        )
    except ValidationError as error:
        raise UserError(f"threads must be a whole number from 1 to 256, not {threads}") from error


_REFUSED = 3
"""The exit status of a child whose runtime refused the file."""


class ChildError(UserError):
    """The child did not do its job.

    Attributes:
        code: its exit status, negative for a signal, None where it took too long.
        log: all that it wrote to standard error.
    """

    def __init__(self, message: str, code: int | None, log: str) -> None:
        super().__init__(message)
        self.code, self.log = code, log

    @property
    def refused(self) -> bool:
        """Whether the runtime refused the file, and did not end in another way."""
        return self.code == _REFUSED

    def __reduce__(self) -> Any:
        """Let it travel from a worker; one that could not would take the pool of workers along."""
        return type(self), (str(self), self.code, self.log)


@dataclass(frozen=True, eq=False)
class Answer:
    """What the child found: numbers by name, arrays by name, and the runtime that it used."""

    numbers: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    runtime: str


def run(
    verb: str,
    job: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    *,
    how: Settings,
    seconds: float,
    jobs: Path = _JOBS,
    where: str | None = None,
) -> Answer:
    """Let a child do a job of `child.py`, or of another such file, within `seconds`.

    Args:
        verb: which job.
        job: what it is about.
        arrays: what else it needs, by name.
        how: to run the file.
        seconds: after which the child is stopped.
        jobs: the file.
        where: how messages say what the file ran with; by default the kernels of `how`.

    Raises:
        ChildError: the runtime refused the file, aborted, crashed, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="dlmo-") as name:
        folder = Path(name)
        for key, array in arrays.items():
            np.save(folder / f"{key}.npy", array)
        order = {**job, "verb": verb, "kernels": how.kernels, "threads": how.threads}
        (folder / "job.json").write_text(json.dumps(order))
        code = _wait(folder, how, seconds, jobs)
        if code != 0:
            said = _what_happened(folder, code, where or f"with the {how.kernels} kernels", seconds)
            hint = "; try other kernels" if where is None and code not in (None, _REFUSED) else ""
            raise ChildError(f"{said}{hint}", code, _log(folder))
        return _answer(folder)


def _wait(folder: Path, how: Settings, seconds: float, jobs: Path) -> int | None:
    """Return the child's exit status, None where it had to be killed after `seconds`."""
    # Older Pythons don't know -P, which keeps the modules beside the script out of its way.
    safe = ("-I",) if how.runtime else ("-P",)
    command = [str(how.runtime or sys.executable), *safe, str(_SERVING), str(folder), str(jobs)]
    with (folder / "stderr.txt").open("wb") as stderr:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr
            )
        except OSError as error:
            raise UserError(f"{command[0]} can't be started: {error.strerror}") from error
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    # wait(seconds) looks every 50 ms only, which is a tenth of a short measurement.
    alarm = threading.Timer(seconds, stop)
    alarm.start()
    try:
        code = process.wait()
        return None if late.is_set() else code
    finally:  # also when the user interrupts
        alarm.cancel()
        process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()


def _answer(folder: Path) -> Answer:
    numbers = json.loads((folder / "answer.json").read_text())
    with np.load(folder / "answer.npz", allow_pickle=False) as found:
        return Answer(numbers, dict(found), numbers.pop("runtime"))


def _what_happened(folder: Path, code: int | None, where: str, seconds: float) -> str:
    """Return one line: which file, what became of it, and what the runtime said."""
    where = f"{_text(folder / 'stage.txt') or 'starting the runtime'} {where}"
    if code is None:
        return f"{where}: not done after {seconds:.0f} s, and stopped"
    said = _text(folder / "error.txt") or _last_line(_log(folder))
    tail = f": {said}" if said else ""
    if code == _REFUSED:
        return f"{where}: the runtime refuses it{tail}"
    what = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    return f"{where}: the runtime ended its process ({what}){tail}"


def _text(path: Path) -> str:
    return _short(path.read_text(errors="replace")) if path.exists() else ""


def _short(said: str) -> str:
    """Return one line; of a long one both ends, since the runtime names the operator last."""
    line = " ".join(said.split())
    return line if len(line) <= 300 else f"{line[:180]} … {line[-110:]}"


def _log(folder: Path) -> str:
    path = folder / "stderr.txt"
    return path.read_text(errors="replace") if path.exists() else ""


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return _short(lines[-1]) if lines else ""
