"""Writing files so that a reader sees the old one or the new one, never a half of either."""

import hashlib
import os
import tempfile
from collections.abc import Callable
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
