"""The machine that computes: what it is, which libraries it runs, and whose turn it is.

Results depend on the processor's instruction set (training gives other weights with AVX-512 than
with AVX2) and latencies on everything else that runs, so records name the machine, and trainings
wait while a latency is measured. No host name, user name or folder is ever part of a description.
"""

import contextlib
import functools
import getpass
import hashlib
import os
import platform
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import psutil
from filelock import FileLock, ReadWriteLock
from pydantic import BaseModel, ConfigDict

from dlmo import paths
from dlmo.errors import UserError

COMMIT = Path(__file__).with_name("commit.txt")
"""The file that names the commit in an archive of it."""

INSTRUCTION_SETS = (
    "sse4_2",
    "avx",
    "f16c",
    "fma",
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "neon",
    "asimd",
    "asimddp",
    "asimdhp",
    "bf16",
    "i8mm",
    "sve",
    "sve2",
)
"""The processor flags on which the kernels of TensorFlow, XNNPACK and oneDNN choose their code."""

_SPELLINGS = {"avx512vnni": "avx512_vnni", "avxvnni": "avx_vnni"}

LIBRARIES = (
    "ai-edge-litert",
    "numpy",
    "tensorflow",
    "tensorflow-model-optimization",
    "tf_keras",
    "tflite",
)
"""The libraries whose version can change a number."""


class Machine(BaseModel):
    """What a result may depend on, and nothing that tells whose machine it is."""

    model_config = ConfigDict(frozen=True)

    processor: str
    """The processor's model name, as it reports it itself."""
    instruction_sets: tuple[str, ...]
    """Those of `INSTRUCTION_SETS` that the processor has, in that order."""
    cores: int
    """Processors that this process may use."""
    memory: int
    """Physical memory in bytes."""
    system: str
    """Operating system and architecture: "Linux x86_64"."""
    python: str
    """Version of Python."""


@functools.cache
def this() -> Machine:
    """Describe the machine that runs this process; the first call takes about a second."""
    import cpuinfo  # starts a process of its own: only for those who ask

    found = cpuinfo.get_cpu_info()
    flags = {_SPELLINGS.get(flag, flag) for flag in found.get("flags", ())}
    return Machine(
        processor=found.get("brand_raw") or platform.processor() or platform.machine(),
        instruction_sets=tuple(name for name in INSTRUCTION_SETS if name in flags),
        cores=_cores(),
        memory=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def tag(machine: Machine) -> str:
    """Return eight hexadecimal digits for the processor and its instruction sets.

    Two machines with the same tag compute the same numbers with the same libraries; memory,
    cores and versions are left out.
    """
    text = "\n".join((machine.processor, *machine.instruction_sets, machine.system))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def versions() -> dict[str, str]:
    """Return the installed version of each of `LIBRARIES`, without importing any of them."""
    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def commit(*, everything: bool = False) -> tuple[str, bool]:
    """Return the repository's commit and whether the working tree is unchanged since.

    Args:
        everything: compare results and deployables, too. They are left out where a measurement
            asks, since it writes them itself.

    Returns:
        The commit's hash and True or False; in an unpacked archive that hash and False, since
        nothing says what was changed; `("unknown", False)` elsewhere.
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != paths.ROOT:
            return archived(), False
        written = (":(exclude)data/results", ":(exclude)data/models")
        changes = _git("status", "--porcelain", "--", ".", *(() if everything else written))
        return _git("rev-parse", "HEAD"), not changes
    except (OSError, subprocess.SubprocessError):
        return archived(), False


def archived() -> str:
    """Return the commit that this is an unpacked archive of, "unknown" where it is none.

    `git archive` writes it into its copy of `COMMIT`.
    """
    said = COMMIT.read_text("ascii").strip() if COMMIT.exists() else ""
    return said if re.fullmatch(r"[0-9a-f]{40,64}", said) else "unknown"


@contextlib.contextmanager
def training_turn() -> Iterator[None]:
    """Hold the machine for one epoch of a training, together with other trainings.

    Waits while a latency is measured, and also while somebody waits to measure one: a row of
    overlapping trainings can't starve a measurement. A killed process loses its turn. A thread
    that holds the machine already may ask again.
    """
    if _mine():
        yield
        return
    with contextlib.closing(_shared_lock()) as shared, _noted("training"):
        with _turnstile():
            shared.acquire_read()
        try:
            yield
        finally:
            shared.release()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold the machine alone, for measuring a latency: wait for the epochs that run to end.

    A thread that holds it alone already may ask again.

    Raises:
        RuntimeError: this thread holds a training's turn, and would wait for itself.
    """
    if _mine() == "training":
        raise RuntimeError("a training's turn can't become a quiet machine: end the turn first")
    if _mine():
        yield
        return
    with contextlib.closing(_shared_lock()) as shared, _noted("quiet"), _turnstile():
        shared.acquire_write()
        try:
            yield
        finally:
            shared.release()


_local = threading.local()


def _mine() -> str | None:
    """Return what this thread holds, so that it never waits for itself."""
    return getattr(_local, "holds", None)


@contextlib.contextmanager
def _noted(what: str) -> Iterator[None]:
    _local.holds = what
    try:
        yield
    finally:
        _local.holds = None


def _turnstile() -> FileLock:
    return FileLock(_folder() / "turnstile.lock", is_singleton=False, poll_interval=0.02)


def _shared_lock() -> ReadWriteLock:
    return ReadWriteLock(_folder() / "machine.db", is_singleton=False)


def _folder() -> Path:
    """Make the folder of the locks, which belongs to this user alone.

    Raises:
        UserError: somebody else owns a folder of that name.
    """
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    folder = Path(tempfile.gettempdir()) / f"dlmo-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.lstat().st_uid != user:
        raise UserError(f"{folder} belongs to another user; set TMPDIR to a folder of your own")
    return folder


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(paths.ROOT), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )
    return done.stdout.strip()
