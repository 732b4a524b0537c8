"""The instrument `arena`: whether TFLite Micro runs a file, and in how many bytes of RAM.

The arena is the one piece of memory that the runtime gets. Its head holds the values between
operators, planned so that those that are never needed together share bytes. Its tail holds what
stays: structures of the runtime, and two numbers for each channel of each convolution. The
structures hold pointers, twice as long on the 64-bit host that this is measured on as on a
microcontroller: the head is the device's, the tail an upper bound.
"""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from dlmo import deployable, microcontroller
from dlmo.deployable import Deployable, Preprocessing, Tensor
from dlmo.errors import UserError
from dlmo.instruments.predictions import check, real
from dlmo.instruments.process import ChildError, Settings, run

_JOBS = Path(__file__).with_name("micro_child.py")
_WHERE = "under TFLite Micro"
_SPARE = 2**26
"""Bytes of the arena that a file is given at first; what it does not touch costs nothing."""

_ACCOUNT = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
_PART = re.compile(r"\] '([^']+)' used (\d+) bytes")
_PROBE = re.compile(r"probe (\d+) (\d+)")
_FAILED = re.compile(r"Node (\S+) \(number (\d+)\S*\) failed to (prepare|invoke)")
_UNKNOWN = re.compile(r"Didn't find op for builtin opcode '?(\w+)'?")


class Arena(BaseModel):
    """What TFLite Micro does with a file.

    Attributes:
        runs: whether it runs.
        reason: why not, in one line; None where it runs.
        operator: the operator in the way, where there is one and it can be told.
        place: its place in the file, from 0.
        ended: whether the runtime ended its process, as it would stop a device.
        bytes: of the arena in use, head and tail; None where it does not run.
        head: bytes for the values between operators.
        tail: bytes of what stays, on this host.
        parts: what the tail is made of, in bytes, as the runtime names it.
        least: the smallest arena with which it loads, to 16 bytes; planning may need more for a
            moment than it uses afterwards. None where that could not be found.
        computed: bytes of the values at the peak, from the file alone; see `microcontroller`.
        runtime: the package and its version.
    """

    model_config = ConfigDict(frozen=True)

    runs: bool
    reason: str | None = None
    operator: str | None = None
    place: int | None = None
    ended: bool = False
    bytes: int | None = None
    head: int | None = None
    tail: int | None = None
    parts: dict[str, int] = Field(default_factory=dict)
    least: int | None = None
    computed: int
    runtime: str


def available() -> bool:
    """Say whether TFLite Micro is installed here."""
    return find_spec("tflite_micro") is not None


def arena(
    path: Path,
    images: NDArray[np.uint8],
    preprocessing: Preprocessing | None = None,
    *,
    seconds: float = 3600,
) -> tuple[Arena, NDArray[np.unsignedinteger] | None]:
    """Run the file at `path` on `images` under TFLite Micro, with its reference kernels.

    Args:
        path: a `.tflite` file with one image as its input and one output a class.
        images: uint8, [n, height, width, channels], at least one.
        preprocessing: what the host computes before; default: to -1 … 1.
        seconds: after which the run is stopped.

    Returns:
        What became of it, and the first choice of each image, [n]; None where it does not run.

    Raises:
        UserError: TFLite Micro is not installed, or the file or the images can't be used.
    """
    if not available():
        raise UserError(
            "TFLite Micro is not installed: its package has builds for Linux on x86-64 alone; "
            "elsewhere the pages show the committed records"
        )
    path = Path(path).absolute()
    found = deployable.read(path)
    check(path, found, images)
    return _Run(path, found, seconds).of(images, preprocessing or Preprocessing())


class _Run:
    """One file under TFLite Micro."""

    def __init__(self, path: Path, found: Deployable, seconds: float) -> None:
        self._path, self._file, self._seconds = path, found, seconds
        self._computed = microcontroller.need(found).activations

    def of(
        self, images: NDArray[np.uint8], preprocessing: Preprocessing
    ) -> tuple[Arena, NDArray[np.unsignedinteger] | None]:
        table = _quantized(preprocessing.table(), self._file.inputs[0])
        try:
            answer = self._child("run", {"images": images, "table": table})
        except ChildError as error:
            if error.code is None:  # too slow says nothing about the file
                raise
            return self._refused(error), None
        account = {name: int(size) for name, size in _ACCOUNT.findall(answer.numbers["account"])}
        outputs = real(answer.arrays["outputs"], self._file.outputs[0])
        measured = Arena(
            runs=True,
            bytes=account["total"],
            head=account["head"],
            tail=account["tail"],
            parts={
                name: int(size)
                for name, size in _PART.findall(answer.numbers["account"])
                if int(size)
            },
            least=self._least(account["total"]),
            computed=self._computed,
            runtime=answer.runtime,
        )
        return measured, outputs.argmax(axis=1).astype(np.uint16)

    def _child(
        self, verb: str, arrays: Mapping[str, NDArray[Any]], arena: int | None = None, **job: Any
    ) -> Any:
        size = arena if arena is not None else max(_SPARE, 4 * self._computed)
        return run(
            verb,
            {"path": str(self._path), "arena": size, **job},
            arrays,
            how=Settings(),
            seconds=self._seconds,
            jobs=_JOBS,
            where=_WHERE,
        )

    def _least(self, total: int) -> int | None:
        """Search the smallest arena; a process that a too small one ends is started again."""
        low, high = 0, total + 4096
        while high - low > 1:
            try:
                return self._child("least", {}, high, low=low).numbers["least"] or None
            except ChildError as error:
                tried = _PROBE.findall(error.log)
                if error.code is None or not tried or int(tried[-1][0]) <= low:
                    return None
                low, high = (int(one) for one in tried[-1])
        return None

    def _refused(self, error: ChildError) -> Arena:
        ended = error.code != 3
        began = not str(error).startswith("starting")  # otherwise no file was even opened
        place = self._ending() if ended and began else None
        operator = None if place is None else self._nodes[place].name
        if failed := _FAILED.search(error.log):
            operator, place = failed[1], int(failed[2])
        elif unknown := _UNKNOWN.search(error.log):
            operator = unknown[1]
        return Arena(
            runs=False,
            reason=_reason(error, ended),
            operator=operator,
            place=place,
            ended=ended,
            computed=self._computed,
            runtime=_version(),
        )

    @property
    def _nodes(self) -> list[deployable.Operator]:
        return [node for node in self._file.nodes if node.subgraph == 0]

    def _ending(self) -> int | None:
        """Return the first operator with which the runtime ends its process, by bisection."""
        if self._survives(len(self._nodes)) is not False:
            return None  # the file as it is ends the process, but not taken apart and packed again
        low, high = 0, len(self._nodes)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._survives(middle) else (low, middle)
        return high - 1

    def _survives(self, operators: int) -> bool | None:
        """Say whether the first operators alone run; None where they can't be tried."""
        try:
            self._child("first", {}, operators=operators)
        except ChildError as error:
            return None if error.code in (None, 3) else False
        return True


def _version() -> str:
    from importlib import metadata

    return f"tflite-micro {metadata.version('tflite-micro')}"


def _reason(error: ChildError, ended: bool) -> str:
    """Return why a file does not run, in one line: what the kernels say, less their place."""
    lines = [line.strip() for line in error.log.splitlines() if line.strip()]
    said = [line for line in lines if not _FAILED.search(line) and "RecordingMicro" not in line]
    told = re.sub(r"^\S+\.(cc|h)(:\d+)?:?\s*", "", said[0])[:200] if said else ""
    if not ended:
        return told or str(error)
    return f"the runtime ends its process{': ' + told if told else ''}"


def _quantized(table: NDArray[np.float32], source: Tensor) -> NDArray[Any]:
    """Return the values of the 256 bytes in the input's own type, rounded half away from zero."""
    if source.is_float:
        return table.astype(source.dtype)
    scale = float(source.scale[0]) if len(source.scale) else 1.0
    zero_point = int(source.zero_point[0]) if len(source.zero_point) else 0
    steps = table.astype(np.float64) / scale
    limits = np.iinfo(source.dtype)
    rounded = np.trunc(steps + np.copysign(0.5, steps)) + zero_point
    return np.clip(rounded, limits.min, limits.max).astype(source.dtype)
