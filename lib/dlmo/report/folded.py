"""Lists of folded entries: a line each, with a badge, and all that it rests on inside."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape


def slug(word: str) -> str:
    """Return a word as an attribute holds it: `can-t-be-tested`."""
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")


def whole(groups: Iterable[str], choices: Mapping[str, int]) -> str:
    """Return groups below a choice of which entries to show.

    Args:
        groups: made by `group`.
        choices: how many entries have each badge; those of none are left out.
    """
    many = {"all": sum(choices.values()), **{name: one for name, one in choices.items() if one}}
    buttons = [
        f"<label><input type='radio' name='dlmo-show' value='{slug(name)}'"
        f"{' checked' if name == 'all' else ''}> {escape(name)} ({count})</label>"
        for name, count in many.items()
    ]
    shown = f"<fieldset><legend>Show</legend>{''.join(buttons)}</fieldset>"
    return f"<div class='dlmo-folded'>{shown}{''.join(groups)}</div>"


def group(name: str, badges: Iterable[str], entries: Iterable[str]) -> str:
    """Return entries below a heading; without any of the chosen badge it is not shown."""
    states = " ".join(dict.fromkeys(slug(badge) for badge in badges))
    return f"<section data-badges='{states}'><h3>{escape(name)}</h3>{''.join(entries)}</section>"


def entry(name: str, badge: str, title: str, body: Iterable[str]) -> str:
    """Return one entry.

    Args:
        name: its place on the page, for links to it.
        badge: a word or two.
        title: the line that is always seen.
        body: HTML, unfolded on demand.
    """
    head = (
        f"<span class='dlmo-badge'>{escape(badge)}</span> "
        f"<span class='dlmo-entry-title'>{escape(title)}</span>"
    )
    return (
        f"<details class='dlmo-entry' id='{slug(name)}' data-badge='{slug(badge)}'>"
        f"<summary>{head}</summary><div>{''.join(body)}</div></details>"
    )


def facts(lines: Mapping[str, str]) -> str:
    """Return what is known of an entry, line by line; empty lines are left out."""
    said = [
        f"<dt>{escape(name)}</dt><dd>{escape(line)}</dd>" for name, line in lines.items() if line
    ]
    return f"<dl>{''.join(said)}</dl>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a small table that scrolls where it is wider than the page."""
    top = "".join(f"<th scope='col'>{escape(name)}</th>" for name in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    inside = f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody>"
    return f"<div class='dlmo-scroll'><table class='dataframe'>{inside}</table></div>"
