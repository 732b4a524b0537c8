"""`python -m dlmo.book`: execute what is not executed yet, then build the pages."""

import argparse
import sys
import time
from pathlib import Path

from dlmo import paths
from dlmo.book import cache
from dlmo.errors import UserError

BUILDERS = ("html", "singlehtml", "linkcheck", "pdf")
BUILDERS_HELP = "linkcheck asks every other host that pages link to; pdf needs Chromium"

PDF = "deep-learning-model-optimization.pdf"
"""The name of the PDF edition."""


def chapters(source: Path) -> list[Path]:
    """Return the notebooks that the table of contents lists, in its order."""
    from sphinx_external_toc.parsing import parse_toc_yaml

    site = parse_toc_yaml(source / "_toc.yml")
    listed = (source / f"{str(name).removesuffix('.ipynb')}.ipynb" for name in site)
    return [path for path in listed if path.exists()]


def build(source: Path, output: Path | None = None, *, builder: str = "html") -> int:
    """Build the book; warnings and unresolved references are errors.

    Args:
        source: the folder with `_config.yml`.
        output: the folder in which `_build` is made; by default the source.
        builder: what to build, as `jupyter-book build --builder` names it.

    Returns:
        0, or 1 where Sphinx reported a problem.

    Raises:
        ChapterError: a chapter failed.
    """
    from jupyter_book.cli.main import main as jupyter_book

    target = output or source
    cache.fill(chapters(source), target / "_build")
    options = ["-W", "-n", "--keep-going", "-q", "--builder", builder]
    try:
        jupyter_book(
            ["build", str(source), "--path-output", str(target), *options], standalone_mode=False
        )
    except (RuntimeError, ValueError) as error:
        print(error.__cause__ or error, file=sys.stderr)
        return 1
    return 0


def _make(source: Path, output: Path | None, builder: str) -> int:
    if builder != "pdf":
        return build(source, output, builder=builder)
    from dlmo.book import pdf

    code = build(source, output, builder="singlehtml")
    if code == 0:
        made = (output or source) / "_build"
        print(pdf.edition(made / "singlehtml/index.html", made / "pdf" / PDF))
    return code


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m dlmo.book", description=__doc__)
    parser.add_argument("--builder", default="html", choices=BUILDERS, help=BUILDERS_HELP)
    parser.add_argument("--output", type=Path, help="folder for _build (default: the repository)")
    given = parser.parse_args()
    start = time.monotonic()
    try:
        code = _make(paths.ROOT, given.output, given.builder)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if type(error) is UserError else 1
    if code == 0:
        print(f"The book is built, in {time.monotonic() - start:.0f} s.")
    return code


if __name__ == "__main__":
    sys.exit(main())
