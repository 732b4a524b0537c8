"""The runtime of the paper's day, in an environment of its own.

`tflite-runtime` needs an older NumPy than everything else here, so it is never installed beside it:
the environment is made when it is first asked for, in the store.
"""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from dlmo import paths
from dlmo.errors import UserError

PACKAGE, VERSION = "tflite-runtime", "2.14.0"
NAME = f"{PACKAGE} {VERSION}"
"""As records write it."""

PYTHONS = ((3, 11), (3, 10))
"""The versions of Python that run our script and for which there are wheels, the youngest first."""

_NUMPY = "numpy==1.26.4"
_SECONDS = 600


def python() -> Path:
    """Return the Python of the environment with the older runtime; the first call makes it.

    Raises:
        UserError: there is no wheel for this platform, or it can't be installed.
    """
    folder = paths.store() / "runtimes" / f"{PACKAGE}-{VERSION}"
    found = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock"), is_singleton=False):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, found)
            (folder / "done").touch()
    return found


def _make(folder: Path, found: Path) -> None:
    _run([_interpreter(), "-m", "venv", str(folder)])
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--only-binary=:all:")
    _run([str(found), "-m", "pip", "install", *quiet, f"{PACKAGE}=={VERSION}", _NUMPY])


def _interpreter() -> str:
    """Return a Python for which there is a wheel.

    Raises:
        UserError: there is none.
    """
    if sys.version_info[:2] in PYTHONS:
        return sys.executable
    for major, minor in PYTHONS:
        named = shutil.which(f"python{major}.{minor}")
        if named and subprocess.run([named, "-c", ""], capture_output=True).returncode == 0:
            return named
    known = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS)
    raise UserError(f"{NAME} needs Python {known}, and none of these is installed")


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{NAME} can't be installed: {error}") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        said = next((line for line in reversed(lines) if "ERROR" in line), lines[-1])
        where = f"{platform.system()} {platform.machine()}"
        raise UserError(f"{NAME} can't be installed on {where}: {said.strip()[:200]}")
