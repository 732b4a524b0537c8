"""Writing files so that a reader sees the old one or the new one, never a half of either."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import IO

from dlmo.errors import UserError


def write_atomically(file: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under another name in its folder, then move it into place.

    Args:
        file: where it shall stand; its folder is made.
        write: is given the open stream.

    Raises:
        UserError: the disk is full, or the folder can't be written to.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot write {file}: {reason}; what was finished is kept") from None


def write_bytes(file: Path, data: bytes) -> None:
    """Write bytes atomically."""
    write_atomically(file, lambda stream: stream.write(data))


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def within(folder: Path, apart: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the files below a folder in one order.

    Left out is what Python compiles, and what lies in these folders or is one of these files.
    """
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        found = (Path(where) / name for name in sorted(names) if not name.endswith(".pyc"))
        yield from (one for one in found if not any(one.is_relative_to(away) for away in apart))


def digest(files: Iterable[Path]) -> str:
    """Return one SHA-256 of files' names and contents."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
