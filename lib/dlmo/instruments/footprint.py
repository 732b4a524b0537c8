"""The instrument `memory`: how much memory a process needs more once it runs a file."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dlmo import deployable
from dlmo.errors import UserError
from dlmo.instruments.process import Settings, run, settings

_STATUS = Path("/proc/self/status")


class Memory(BaseModel):
    """Growth of the peak of a process's resident memory (VmHWM), in bytes.

    Pages of the mapped file count as soon as they are read, and so does the runtime's own code
    that is touched for the first time: about three megabytes that the smallest file pays, too.
    """

    model_config = ConfigDict(frozen=True)

    bytes: int
    """From before loading to after the third inference."""
    loaded_bytes: int
    """From before loading to before the first inference."""
    settings: Settings
    runtime: str
    """The runtime's package and version."""


def memory(
    path: Path,
    *,
    kernels: str = "xnnpack",
    threads: int = 1,
    seconds: float = 300.0,
    runtime: Path | None = None,
) -> Memory:
    """Load the file at `path` in a fresh process, run it three times, and read the peak.

    Args:
        path: a `.tflite` file.
        kernels: "xnnpack", "builtin" or "reference".
        threads: of the runtime.
        seconds: after which the run is stopped.
        runtime: the Python of another environment, with another runtime.

    Raises:
        UserError: the file can't be used, the runtime failed, or the system has no /proc.
    """
    how = settings(kernels, threads, runtime)
    if not _STATUS.exists():
        raise UserError(f"memory is read from {_STATUS}, which this system lacks; use Linux")
    path = Path(path).absolute()
    deployable.read(path)
    answer = run("weigh", {"path": str(path)}, {}, how=how, seconds=seconds)
    found = answer.numbers
    return Memory(
        bytes=found["peak"] - found["before"],
        loaded_bytes=found["loaded"] - found["before"],
        settings=how,
        runtime=answer.runtime,
    )
