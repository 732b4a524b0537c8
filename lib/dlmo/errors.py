"""Errors that a user can mend: one clear line, exit code 2, never a traceback."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """What a user gave can't be used. The message is one line: what is wrong, where, what to do."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows below a cell: where in the library it arose helps nobody."""
        return [f"error: {self}"]


class ImpossibleError(Exception):
    """A trial that cannot be had, and the reason: it becomes a record, and the book shows it."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that no registry holds, naming the nearest right one.

    Args:
        kind: what was asked for, in the vocabulary's word ("network").
        name: what was given.
        known: every name that would have been right.
    """
    names = sorted(known)
    near = get_close_matches(name.lower(), names, n=1, cutoff=0.5) or get_close_matches(
        name.upper(), names, n=1, cutoff=0.5
    )
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    return UserError(f"unknown {kind} {name!r}; {hint}")
