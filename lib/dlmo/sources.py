"""What a result rests on: the keys of records and the paper's tables, noted while it is computed.

Whoever reads a value from a record notes the record's key; whoever computes a result collects what
was noted meanwhile. So a number on a page leads to the very records that it came from.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_open: ContextVar[tuple[set[str], ...]] = ContextVar("collections", default=())


def note(*keys: str) -> None:
    """Note what is read: a record's key, or `table(n)` for one of the paper's tables."""
    for collection in _open.get():
        collection.update(keys)


def table(number: int) -> str:
    """Return the name of one of the paper's tables among sources."""
    return f"table-{number:02d}"


@contextmanager
def collecting() -> Iterator[set[str]]:
    """Collect what is noted in the block; blocks may stand in one another."""
    found: set[str] = set()
    token = _open.set((*_open.get(), found))
    try:
        yield found
    finally:
        _open.reset(token)


class Noting(Mapping[K, V]):
    """A mapping that notes, for each value that is read, what the value rests on."""

    def __init__(self, values: Mapping[K, V], sources: Mapping[K, Iterable[str]]) -> None:
        self._values, self._sources = dict(values), {k: tuple(v) for k, v in sources.items()}

    def __getitem__(self, name: K) -> V:
        value = self._values[name]
        note(*self._sources.get(name, ()))
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


class Noted:
    """A base for classes whose field `sources` says for each other field what it rests on."""

    def __getattribute__(self, name: str) -> Any:
        fields = object.__getattribute__(self, "__dict__")
        note(*fields.get("sources", {}).get(name, ()))
        return object.__getattribute__(self, name)
