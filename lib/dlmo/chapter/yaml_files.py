"""Reading a user's YAML file: plain values only, and whatever is wrong with it in one line."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dlmo.errors import UserError

LARGEST = 1_000_000
"""Bytes of a file."""

_DEEPEST = 20


def mapping(file: Path) -> dict[str, Any]:
    """Return the mapping that a YAML (or JSON) file holds; dates stay text, as with papermill.

    Raises:
        UserError: it can't be read, is no mapping, constructs objects or repeats itself by aliases.
    """
    import yaml
    from papermill.iorw import NoDatesSafeLoader

    text = _text(file)
    try:
        _refuse_hostile(file, yaml.parse(text, Loader=NoDatesSafeLoader))
        found = yaml.load(text, Loader=NoDatesSafeLoader)
    except yaml.YAMLError as error:
        what = getattr(error, "problem", None) or "not YAML"
        raise UserError(f"{file}{_where(error)}: {what}") from None
    except ValueError as error:
        raise UserError(f"{file}: {type(error).__name__}: {str(error)[:80]}") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise UserError(f"{file}: must be a mapping, a line a parameter: network: resnet50")
    return found


def _refuse_hostile(file: Path, events: Iterable[Any]) -> None:
    """Refuse what a short file can make large: aliases, and brackets in brackets without end."""
    import yaml

    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise UserError(f"{file}:{_line(event)}: aliases (*) are not read; write it out")
        if depth > _DEEPEST:
            raise UserError(f"{file}:{_line(event)}: more than {_DEEPEST} levels deep")


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST:
            raise UserError(f"{file} is larger than {LARGEST // 1_000_000} MB; no parameters are")
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{file} is not text in UTF-8") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None


def _where(error: Any) -> str:
    return f":{error.problem_mark.line + 1}" if getattr(error, "problem_mark", None) else ""


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
