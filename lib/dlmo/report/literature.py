"""The paper's literature, as Markdown with citations that the book resolves."""

from collections.abc import Sequence

from IPython.display import Markdown

from dlmo import paper
from dlmo.report.cited import cited

Cells = tuple[str, ...]


@cited
def related_work() -> Markdown:
    """Return the paper's Table 1, in our words: works on small devices and what they propose."""
    rows: list[Cells] = [
        (f"{row['work']} {{cite:p}}`{row['reference']}`", str(row["proposal"]))
        for _, row in paper.table(1).iterrows()
    ]
    return directive("Related work, after Table 1 of the paper.", "related-work", _HEAD, rows)


_HEAD = ("Work", "What it proposes")


def directive(caption: str, name: str, head: Cells, rows: Sequence[Cells]) -> Markdown:
    """Return a numbered table in Markdown; pages refer to it as `table-NAME`.

    Args:
        caption: the sentence above it.
        name: see above.
        head: of the columns.
        rows: their cells, Markdown.
    """
    lines = [f"```{{table}} {caption}", f":name: table-{name}", ""]
    lines += [_line(head), _line(tuple("---" for _ in head)), *map(_line, rows), "```"]
    return Markdown("\n".join(lines))


def _line(cells: Cells) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
