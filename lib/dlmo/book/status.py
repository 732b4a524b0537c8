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

HEADS = ("Chapter", "Took", "Read", "Trained", "On", "At (UTC)")


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
    yield f"| {' | '.join(HEADS)} |"
    yield f"| {' | '.join('---' for _ in HEADS)} |"
    for document in documents:
        chapter = source / f"{document}.ipynb"
        if chapter.exists():
            cells = _cells(nbformat.read(cache.place(chapter, build), as_version=4).metadata)
            yield f"| {{doc}}`/{document}` | {' | '.join(cells)} |"


def _cells(metadata: Mapping[str, Any]) -> list[str]:
    """Return the cells of one executed chapter, without its name."""
    run, noted = metadata.get("papermill", {}), metadata.get(NOTES, {})
    seconds = run.get("duration")
    trained = [f"{text.count(n, 'step')} of {what}" for what, n in noted.get("trained", {}).items()]
    read = [_counted(n, kind) for kind, n in sorted(noted.get("read", {}).items())]
    return [
        "unknown" if seconds is None else f"{seconds:.1f}\u00a0s",
        text.listing(read) or "nothing",
        text.listing(trained) or "nothing",
        str(noted.get("machine", "unknown")),
        str(run.get("end_time", "unknown"))[:16].replace("T", " "),
    ]


def _counted(number: int, kind: str) -> str:
    """Return how many there are of a kind: `1 table`, `14 records of weights`."""
    first, space, rest = kind.partition(" ")
    return f"{number:,}\u00a0{first}{'s' * (number != 1)}{space}{rest}"


def setup(app: Sphinx) -> None:
    """Register the directive `chapter-status`."""
    app.add_directive("chapter-status", ChapterStatus)
