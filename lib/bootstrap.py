"""Make the virtual environment, once: `python lib/bootstrap.py FILE...` installs those files.

It needs nothing but Python itself, of any version that can say what is wrong. Where an environment
cannot be made, it says so in one line and ends with exit code 2.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TextIO

SUPPORTED = ((3, 11), (3, 13))
"""The first and the last version of Python for which TensorFlow 2.21 and the pins have wheels."""

SPACE = 4 * 10**9
"""Bytes that the environment takes, with what pip needs while it installs."""

UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "NameResolutionError",
    "ProxyError",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "Connection refused",
    "Read timed out",
)


class ImpossibleError(Exception):
    """The environment cannot be made; the message is one line: what, and what to do."""


def main() -> int:
    """Make or refresh the environment, where files or Python changed; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the virtual environment of this report.")
    parser.add_argument("files", nargs="+", type=Path, help="requirements files, in order")
    parser.add_argument("--environment", type=Path, default=Path(".venv"))
    given = parser.parse_args()
    try:
        check_version(sys.version_info[:2])
        wanted = stamp(given.files)
        mark = given.environment / (".installed-" + "-".join(map(name, given.files)))
        if not (mark.is_file() and mark.read_text() == wanted):
            check_space(given.environment)
            make(given.environment)
            install(given.environment, given.files)
            mark.write_text(wanted)
    except ImpossibleError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


def name(file: Path) -> str:
    """Return a name for a requirements file: `tests/requirements.txt` is `tests_requirements`."""
    return "_".join(file.with_suffix("").parts[-2:])


def check_version(version: tuple) -> None:
    """Raise where the packages have no build for this version of Python."""
    first, last = SUPPORTED
    if first <= tuple(version) <= last:
        return
    others = [f"python3.{minor}" for minor in range(last[1], first[1] - 1, -1)]
    here = next((other for other in others if shutil.which(other)), None)
    hint = f"make PYTHON={here or 'python3.12'} book"
    raise ImpossibleError(
        f"this is Python {version[0]}.{version[1]}, which TensorFlow does not support here; "
        f"3.11, 3.12 or 3.13 will do: {hint}"
    )


def check_space(environment: Path) -> None:
    """Raise where the disk has no room for a new environment."""
    free = shutil.disk_usage(str(environment.absolute().parent)).free
    if free < SPACE and not (environment / "bin/pip").exists():
        raise ImpossibleError(
            f"the environment {environment} needs {SPACE / 1e9:.0f} GB, and here are "
            f"{free / 1e9:.1f} GB; make room, or name another disk: make VENV=/other/disk/venv book"
        )


def stamp(files: list) -> str:
    """Return a hash of all that decides what is installed."""
    total = hashlib.sha256(sys.version.encode())
    for file in [*files, Path("constraints.txt"), Path("pyproject.toml")]:
        total.update(file.read_bytes())
    return total.hexdigest()


def make(environment: Path) -> None:
    """Make an empty environment, unless there is a whole one of this version of Python."""
    if version_of(environment) == sys.version_info[:2]:
        return
    command = [sys.executable, "-m", "venv", "--clear", str(environment)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ended.returncode:
        raise ImpossibleError(
            f"{sys.executable} cannot make a virtual environment "
            f"(on Debian: apt install python3-venv): {last_line(ended.stdout)}"
        )


def version_of(environment: Path) -> "tuple | None":
    """Return the version of Python in an environment, None where none runs there with pip."""
    command = [
        str(environment / "bin/python"),
        "-c",
        "import pip, sys; print(*sys.version_info[:2])",
    ]
    try:
        ended = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    return tuple(map(int, ended.stdout.split())) if ended.returncode == 0 else None


def install(environment: Path, files: list) -> None:
    """Install the files' packages; what is said meanwhile goes to a log in the environment.

    uv takes a quarter of pip's time. Where there is no uv, or it meets an index that only pip is
    configured for, pip does it.
    """
    print(f"Installing the packages into {environment} (a minute or two) ...", flush=True)
    log = environment / "install.log"
    python = str(environment / "bin/python")
    pip = [python, "-m", "pip", "install", "--no-input", "--retries", "2"]
    pip += ["--disable-pip-version-check", "--progress-bar", "off"]
    uv = [python, "-m", "uv", "pip", "install", "--python", python, "--compile-bytecode"]
    wanted = [word for file in files for word in ("-r", str(file))]
    with log.open("w") as out:
        quick = run([*pip, "-c", "constraints.txt", "uv"], out) and run([*uv, *wanted], out)
        done = quick or run([*pip, *wanted], out)
    if not done:
        raise ImpossibleError(reason(log.read_text(errors="replace"), log))


def run(command: list, out: TextIO) -> bool:
    """Run an installer, with the mirror that pip is told of; say whether it did what it should."""
    mirror = os.environ.get("PIP_INDEX_URL")
    surroundings = {"UV_DEFAULT_INDEX": mirror, **os.environ} if mirror else None
    ended = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=surroundings)
    return ended.returncode == 0


def reason(output: str, log: Path) -> str:
    """Return in one line why pip failed."""
    if "No space left on device" in output:
        return f"the disk is full; about {SPACE / 1e9:.0f} GB are needed (see {log})"
    if any(sign in output for sign in UNREACHABLE):
        return (
            "no package index can be reached; connect, or name a mirror by PIP_INDEX_URL "
            f"(see {log})"
        )
    return f"pip could not install the packages: {last_line(output)} (see {log})"


def last_line(output: str) -> str:
    """Return the last line that says something, errors first."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it said nothing"])[-1]


if __name__ == "__main__":
    os.chdir(str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
