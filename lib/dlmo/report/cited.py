"""Sentences, tables and charts that know the records and the paper's tables which they rest on."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from html import escape
from typing import Any, ParamSpec, TypeVar, cast

import altair as alt
import pandas as pd
from IPython.display import HTML
from pandas.io.formats.style import Styler

from dlmo import sources
from dlmo.report import text

P = ParamSpec("P")
R = TypeVar("R")

CLASS = "dlmo-sources"
"""The class of the markup that names sources; a page of the book makes a link of it."""

_TABLE = "table-"


class Cited(str):
    """A sentence with its sources."""

    sources: tuple[str, ...] = ()

    def __new__(cls, said: str, sources: Iterable[str] = ()) -> "Cited":
        """Return the sentence."""
        made = super().__new__(cls, said)
        made.sources = tuple(sorted(sources))
        return made


class Table(Styler):
    """A table of a page, with its sources below it."""

    sources: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        html = super()._repr_html_()  # type: ignore[misc]  # lacks in the stub
        return f"{html}{markup(self.sources)}"


def cited(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's sentence, table or chart know what it rests on.

    That is whatever the function reads from a comparison, from records or from the paper; the rows
    of the data frames that it is given (their columns `*_key`, and `table`); and what its other
    arguments rest on, where they are a verdict with its `keys` or were made by a cited function.
    """

    @wraps(function)
    def citing(*args: P.args, **kwargs: P.kwargs) -> R:
        with sources.collecting() as found:
            for one in (*args, *kwargs.values()):
                _note_given(one)
            result = function(*args, **kwargs)
            return cast(R, _citing(result, found))

    return citing


def of(result: Any) -> tuple[str, ...]:
    """Return the sources of a sentence, a table or a chart; nothing where it has none."""
    if isinstance(result, Cited | Table):
        return result.sources
    if isinstance(result, alt.TopLevelMixin):
        return in_chart(result.to_dict())
    return ()


def in_chart(specification: dict[str, Any]) -> tuple[str, ...]:
    """Return the sources that a chart's specification names."""
    return tuple(specification.get("usermeta", {}).get("sources", ()))


def counted(keys: Sequence[str]) -> str:
    """Return sources in words: `24 records, Table 5 of the paper`."""
    tables = [key.removeprefix(_TABLE).lstrip("0") for key in keys if key.startswith(_TABLE)]
    count = len(keys) - len(tables)
    said = [f"{count:,} record{'s' * (count != 1)}"] if count else []
    if tables:
        said.append(f"Table{'s' * (len(tables) > 1)} {text.listing(tables)} of the paper")
    return ", ".join(said)


def markup(keys: Sequence[str]) -> str:
    """Return sources as HTML that says them anywhere; see `CLASS`."""
    if not keys:
        return ""
    named = escape(" ".join(sorted(keys)))
    return (
        f'<details class="{CLASS}"><summary>{counted(keys)}</summary><code>{named}</code></details>'
    )


_made: dict[int, tuple[Any, frozenset[str]]] = {}
"""What cited functions returned that can't carry its sources itself; kept as long as the page."""


def _note_given(one: Any) -> None:
    if isinstance(one, Cited):
        sources.note(*one.sources)
    if id(one) in _made:
        sources.note(*_made[id(one)][1])
    if isinstance(one, pd.DataFrame):
        _note_rows(one)
    elif isinstance(one, list | tuple):
        for inner in one:
            _note_given(inner)
    elif isinstance(keys := getattr(one, "keys", None), tuple):
        sources.note(*keys)


def _note_rows(rows: pd.DataFrame) -> None:
    sources.note(*rows.attrs.get("sources", ()))
    for name in rows.columns:
        if str(name).endswith("_key"):
            sources.note(*rows[name].dropna())
    if "table" in rows and "printed" in rows:
        sources.note(*(sources.table(int(number)) for number in rows["table"].unique()))


def _citing(result: Any, found: set[str]) -> Any:
    if not found or result is None or isinstance(result, bool | int | float):
        return result
    if isinstance(result, str):
        return Cited(result, found)
    if isinstance(result, Table):
        result.sources = tuple(sorted({*found, *result.sources}))
    elif isinstance(result, alt.TopLevelMixin):
        result.usermeta = {"sources": sorted(found)}  # type: ignore[attr-defined]
    elif isinstance(result, HTML):
        result.data += "" if CLASS in result.data else markup(sorted(found))
    elif isinstance(result, dict) and all(isinstance(said, str) for said in result.values()):
        return {name: Cited(said, found) for name, said in result.items()}
    elif isinstance(result, pd.DataFrame):
        result.attrs["sources"] = sorted(found)
    else:
        _made[id(result)] = (result, frozenset(found))
    return result
