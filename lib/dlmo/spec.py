"""The one notation for a name with options: `cifar10[automobile,truck]`, `wrn[depth=16]`."""

import re
from hashlib import sha256

from dlmo.errors import UserError

LONGEST = 160
"""Bytes of a slug; file systems take 255 with what is added to it."""

OWN = "own-"

_SPEC = re.compile(r"^(?P<name>[^\[\]]+)(\[(?P<inside>[^\[\]]*)\])?$")


def split(text: str) -> tuple[str, tuple[str, ...]]:
    """Split `name[a,b]` into `("name", ("a", "b"))`.

    Raises:
        UserError: the brackets don't match, or there is nothing between them.
    """
    match = _SPEC.match(text.strip())
    inside = match and match["inside"]
    if not match or inside == "":
        raise UserError(f"{text!r} is not of the form name or name[a,b]")
    items = tuple(part.strip() for part in inside.split(",")) if inside else ()
    return match["name"].strip(), items


def options(text: str) -> tuple[str, dict[str, int | float | str]]:
    """Split `name[key=value]` into `("name", {"key": value})`, numbers read as numbers.

    Raises:
        UserError: an option has no `=`.
    """
    name, items = split(text)
    found: dict[str, int | float | str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"{text!r}: the option {item!r} is not of the form key=value")
        found[key.strip()] = _number(value.strip())
    return name, found


def slug(text: str) -> str:
    """Return a name for a folder or a file: letters, digits, `.`, `_`, `-` and `=` only.

    What a path names is the user's own and begins with `own-`, which git ignores among the results.
    A long one is cut at its beginning; a hash keeps it apart from others.
    """
    own = OWN if "/" in text.partition("[")[0] else ""
    name = own + re.sub(r"[^\w.=+-]+", "-", text).strip("-.")
    if len(name.encode()) <= LONGEST:
        return name
    return f"{own}{sha256(text.encode()).hexdigest()[:8]}-{name[-LONGEST // 4 :].lstrip('-.')}"


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
