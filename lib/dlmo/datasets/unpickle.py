"""Read CIFAR's pickles without executing anything.

A pickle is a program for a small stack machine. Three barriers stand one behind the other: only the
instructions that the official files use are admitted; only their three global names; and what these
names stand for are objects of ours, not NumPy's functions.
"""

import io
import pickle
import pickletools
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

_INSTRUCTIONS = frozenset(
    {"PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPUT", "LONG_BINPUT"}
    | {"EMPTY_DICT", "EMPTY_LIST", "APPENDS", "SETITEMS", "NONE", "NEWFALSE"}
    | {"BININT", "BININT1", "BININT2", "BINSTRING", "SHORT_BINSTRING"}
    | {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
)


def loads(data: bytes) -> dict[str, Any]:
    """Return the dictionary in a CIFAR pickle: lists, integers, strings and uint8 arrays.

    Raises:
        pickle.UnpicklingError: the pickle holds anything else; nothing of it was executed.
    """
    try:
        _inspect(data)
        found = _Reader(io.BytesIO(data), encoding="bytes").load()
        if not isinstance(found, dict):
            raise pickle.UnpicklingError(f"a {type(found).__name__} instead of a dictionary")
        return {_plain(key): _plain(value) for key, value in found.items()}
    except pickle.UnpicklingError:
        raise
    except Exception as error:
        # A hostile stream can make the machine stumble in any way: KeyError, UnicodeDecodeError, …
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


def _inspect(data: bytes) -> None:
    for instruction, argument, _ in pickletools.genops(data):
        if instruction.name not in _INSTRUCTIONS:
            raise pickle.UnpicklingError(f"the instruction {instruction.name} is not admitted")
        # The unpickler allocates its memo up to the largest index that it is told.
        if instruction.name == "LONG_BINPUT" and (argument or 0) > len(data):
            raise pickle.UnpicklingError("an index beyond the file's length")


class _Name:
    """What an admitted global name stands for; the pickle cannot alter it."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise pickle.UnpicklingError("a state for a name")


class _Ndarray(_Name):
    __slots__ = ()


class _Uint8(_Name):
    __slots__ = ()

    def __setstate__(self, state: object) -> None:  # type: ignore[override]
        """Ignore byte order and alignment: one byte has neither."""


class _Dtype(_Name):
    __slots__ = ()

    def __call__(self, code: object, *flags: object) -> _Uint8:
        if code != b"u1":
            raise pickle.UnpicklingError(f"an array of type {code!r}")
        return _Uint8()


class _Array:
    __slots__ = ("values",)
    values: NDArray[np.uint8]

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Uint8, bool, bytes]) -> None:
        _, shape, kind, fortran, raw = state
        if not isinstance(kind, _Uint8) or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("an array that is not of bytes")
        flat = np.frombuffer(raw, dtype=np.uint8)
        self.values = flat.reshape(shape, order="F" if fortran else "C")


class _Reconstruct(_Name):
    __slots__ = ()

    def __call__(self, kind: object, shape: object, code: object) -> _Array:
        if not isinstance(kind, _Ndarray):
            raise pickle.UnpicklingError("an array that is no numpy.ndarray")
        return _Array()


class _Reader(pickle.Unpickler):
    _NAMES = {  # noqa: RUF012 - read only
        ("numpy.core.multiarray", "_reconstruct"): _Reconstruct,
        ("numpy", "ndarray"): _Ndarray,
        ("numpy", "dtype"): _Dtype,
    }

    def find_class(self, module: str, name: str, /) -> _Name:
        try:
            return self._NAMES[module, name]()
        except KeyError:
            raise pickle.UnpicklingError(f"the name {module}.{name} is not admitted") from None

    def persistent_load(self, pid: object, /) -> NoReturn:
        raise pickle.UnpicklingError("persistent identifiers are not admitted")


def _plain(value: object) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, _Array):
        return value.values
    if isinstance(value, int):
        return value
    raise pickle.UnpicklingError(f"a {type(value).__name__} in the data")
