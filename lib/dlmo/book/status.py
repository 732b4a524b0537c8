"""The status page: how long each chapter took, what it read and trained, and on which machine.

These are the only values of the book that differ between two builds of the same sources, so they
stand on a page of their own.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dlmo.book import cache
from dlmo.book.execute import NOTES
from dlmo.report import text

HEADS = ("Chapter", "Took", "Read", "Trained", "At (UTC)")


class ChapterStatus(SphinxDirective):
    """Write the table of all chapters, as they were last executed."""

    def run(self) -> list[nodes.Node]:
        """Return the table's nodes."""
        env = self.env
        marked = vars(env).setdefault("dlmo_status", set())
        marked.add(env.docname)
        build = Path(env.app.doctreedir).parent
        lines = list(_table(Path(env.srcdir), sorted(env.found_docs), build))
        holder = nodes.container(classes=["dlmo-status"])
        self.state.nested_parse(StringList(lines, "status"), self.content_offset, holder)
        return [holder]


def _table(source: Path, documents: list[str], build: Path) -> Iterator[str]:
    chapters = {name: source / f"{name}.ipynb" for name in documents}
    ran = {
        name: nbformat.read(cache.place(chapter, build), as_version=4).metadata
        for name, chapter in chapters.items()
        if chapter.exists()
    }
    machines = sorted({_machine(metadata) for metadata in ran.values()})
    # Nearly always it is one machine: a column that says so in each row would narrow the others.
    several = len(machines) > 1
    yield f"Executed on {text.listing(machines) or 'no machine yet'}."
    yield ""
    heads = (*HEADS, "On") if several else HEADS
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' for _ in heads)} |"
    for name, metadata in ran.items():
        cells = [*_cells(metadata), *([_machine(metadata)] if several else [])]
        yield f"| {{doc}}`/{name}` | {' | '.join(cells)} |"


def _machine(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get(NOTES, {}).get("machine", "an unknown machine"))


def _cells(metadata: Mapping[str, Any]) -> list[str]:
    """Return the cells of one executed chapter, without its name and its machine."""
    run, noted = metadata.get("papermill", {}), metadata.get(NOTES, {})
    seconds = run.get("duration")
    trained = [f"{text.count(n, 'step')} of {what}" for what, n in noted.get("trained", {}).items()]
    read = [_counted(n, kind) for kind, n in sorted(noted.get("read", {}).items())]
    return [
        "unknown" if seconds is None else f"{seconds:.1f}\u00a0s",
        text.listing(read) or "nothing",
        text.listing(trained) or "nothing",
        _moment(run.get("end_time")),
    ]


def _moment(stamp: str | None) -> str:
    """Return date and minute, which break only between the two."""
    if stamp is None:
        return "unknown"
    date, time = stamp[:16].split("T")
    return f"{date.replace('-', chr(0x2011))} {time}"


def _counted(number: int, kind: str) -> str:
    """Return how many there are of a kind: `1 table`, `14 records of weights`."""
    first, space, rest = kind.partition(" ")
    return f"{number:,}\u00a0{first}{'s' * (number != 1)}{space}{rest}"


def setup(app: Sphinx) -> None:
    """Register the directive `chapter-status`."""
    app.add_directive("chapter-status", ChapterStatus)
