"""Links from what a page shows to the records that it came from.

Sentences, tables and charts name their sources in the executed notebook (see `report.cited`). Here
each becomes a link to the page of the records, which then shows those records and no others.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from typing import Any

from nbformat import NotebookNode

from dlmo.report import charts, cited

PAGE = "chapters/records"
"""The document that shows the records."""

Sets = dict[str, tuple[str, ...]]
"""The sources that a page links to, by the name under which it does."""

_SCHEME = "records:"
"""Stands in a link for the address of the page, which depends on where the link stands."""

_MARKUP = re.compile(rf'<details class="{cited.CLASS}">.*?<code>(?P<keys>[^<]*)</code></details>')
_GLUED = re.compile(r"\{glue:text\}`(?:(?P<page>[^`:]+)::)?(?P<name>[\w-]+)(?::[^`]*)?`")
_LINK = re.compile(rf'<a class="{cited.CLASS}[^>]*href="{_SCHEME}(?P<name>[^"]*)"[^>]*>.*?</a>')
_ICON = (
    '<svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true" focusable="false">'
    '<path d="M3 2.5h7l3 3v8H3zM5.5 8h5M5.5 10.5h5" fill="none" stroke="currentColor" '
    'stroke-width="1.4" stroke-linejoin="round"/></svg>'
)


def name(keys: Sequence[str]) -> str:
    """Return the name of a set of sources in an address: a hash of them."""
    return f"from-{sha256(' '.join(sorted(keys)).encode()).hexdigest()[:12]}"


def link(keys: Sequence[str]) -> str:
    """Return a link, in words, to sources."""
    return f'<a class="{cited.CLASS}" href="{_SCHEME}{name(keys)}">{cited.counted(keys)}</a>'


def mark(keys: Sequence[str]) -> str:
    """Return a link to sources that is small enough to stand behind a sentence."""
    said = escape(f"Where this comes from: {cited.counted(keys)}", quote=True)
    return (
        f'<a class="{cited.CLASS} dlmo-mark" href="{_SCHEME}{name(keys)}" aria-label="{said}" '
        f'title="{said}">{_ICON}</a>'
    )


def insert(notebook: NotebookNode, elsewhere: Callable[[str], Mapping[str, Any]]) -> Sets:
    """Put the links into an executed notebook; return the sets of sources that they lead to.

    Args:
        notebook: is changed.
        elsewhere: gives the sources of what another page glued, by the page's name.
    """
    own = glued(notebook)
    sets: Sets = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = mark_text(cell.source, own, elsewhere, sets)
        for output in cell.get("outputs", []):
            _insert_in_output(output.get("data", {}), sets)
    return sets


def glued(notebook: NotebookNode) -> Sets:
    """Return the sources of what a notebook glued, by its name."""
    found: Sets = {}
    for output in _outputs(notebook):
        metadata = output.get("metadata", {})
        if "scrapbook" in metadata:
            found[metadata["scrapbook"]["name"]] = tuple(metadata.get("sources", ()))
    return found


def mark_text(
    source: str,
    own: Mapping[str, Sequence[str]],
    elsewhere: Callable[[str], Mapping[str, Any]],
    sets: Sets,
) -> str:
    """Return Markdown with a mark behind all that is glued into it, but for headings.

    Args:
        source: Markdown.
        own: the sources of what the page itself glued.
        elsewhere: the same of another page, by its name.
        sets: what is linked to is added to them.
    """

    def marked(match: re.Match[str]) -> str:
        known = elsewhere(match["page"]) if match["page"] else own
        keys = tuple(known.get(match["name"], ()))
        if not keys:
            return match[0]
        sets[name(keys)] = keys
        return match[0] + mark(keys)

    lines = source.split("\n")
    return "\n".join(
        line if line.lstrip().startswith("#") else _GLUED.sub(marked, line) for line in lines
    )


def resolve(body: str, address: str | None) -> str:
    """Return a page's HTML whose links to sources lead to the page of the records.

    Args:
        body: the HTML.
        address: of the records' page as seen from this one; without, the links are left out.
    """
    return _LINK.sub(
        lambda m: "" if address is None else m[0].replace(_SCHEME, f"{address}#"), body
    )


def _insert_in_output(data: Any, sets: Sets) -> None:
    def linked(match: re.Match[str]) -> str:
        keys = tuple(match["keys"].split())
        sets[name(keys)] = keys
        return f'<p class="dlmo-sources-line">{link(keys)}</p>'

    if "text/html" in data:
        data["text/html"] = _MARKUP.sub(linked, "".join(data["text/html"]))
    keys = cited.in_chart(data.get(charts.MIME, {}))
    if keys:
        sets[name(keys)] = keys


def _outputs(notebook: NotebookNode) -> Iterator[Any]:
    for cell in notebook.cells:
        yield from cell.get("outputs", [])
