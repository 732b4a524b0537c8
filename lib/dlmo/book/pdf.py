"""The PDF edition: all pages in one, printed by headless Chromium.

Chromium cannot write the pages' numbers into a table of contents. So it prints twice: where each
heading came to stand is read from the first print.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from pypdf import PdfReader

from dlmo.book.assets import HERE
from dlmo.errors import UserError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LIMIT = 600
"""Seconds that one print may take."""

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_DROPPED = (
    "script, noscript, .bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, footer"
)


def edition(page: Path, target: Path) -> Path:
    """Print the book's single page as a PDF with contents and page numbers.

    Args:
        page: `index.html` of the builder `singlehtml`.
        target: the PDF.

    Raises:
        UserError: there is no Chromium, or it does not print.
    """
    browser, page, target = _browser(), page.resolve(), target.resolve()
    plain = page.with_name("print.html")
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    _prepare(soup)
    _print(browser, _with_contents(soup, plain, {}), target)
    numbers = _numbers(target)
    _print(browser, _with_contents(soup, plain, numbers), target)
    return target


def _browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise UserError(f"a PDF needs {BROWSERS[0]} on the path; install it and try again")
    return found


def _prepare(soup: BeautifulSoup) -> None:
    """Leave what a print needs: the text, formulas, and the styles of print."""
    for unneeded in soup.select(_DROPPED):
        if not _is_mathjax(unneeded):
            unneeded.decompose()
    for folded in soup.select("details.hide"):
        folded.decompose()
    _flatten(soup)
    style = soup.new_tag("style")
    style.string = (HERE / "assets/dlmo-print.css").read_text(encoding="utf-8")
    assert soup.head is not None and soup.html is not None
    soup.head.append(style)
    soup.html["data-theme"] = "light"


def _is_mathjax(node: Tag) -> bool:
    return "mathjax" in f"{node.get('src', '')}{node.string or ''}".lower()


def _flatten(soup: BeautifulSoup) -> None:
    """Give each page's title the first level, and its parts the next ones.

    Sphinx nests all pages in the part of the root page that lists them; the list goes.
    """
    for wrapper in soup.select("article section > div.toctree-wrapper"):
        heading = wrapper.parent.find(_HEADINGS[1:], recursive=False) if wrapper.parent else None
        if heading is not None:
            heading.decompose()
    for start in soup.select("article span[id^='document-']"):
        page = start.find_next_sibling("section")
        for heading in page.find_all(_HEADINGS) if page is not None else ():
            sections = enumerate(heading.find_parents("section"))
            depth = next(depth for depth, section in sections if section is page)
            heading.name = _HEADINGS[min(depth, len(_HEADINGS) - 1)]


def _headings(soup: BeautifulSoup) -> list[tuple[int, str, str]]:
    """Give each heading of the first levels an anchor; return their level, anchor and text."""
    found = []
    for number, heading in enumerate(soup.select("article :is(h1, h2)")):
        # Two pages may have parts of the same name, and so of the same anchor.
        heading["id"] = f"dlmo-heading-{number}"
        link = heading.select_one("a.headerlink")
        said = heading.get_text().removesuffix(link.get_text() if link else "").strip()
        found.append((_HEADINGS.index(heading.name), str(heading["id"]), said))
    return found


def _with_contents(soup: BeautifulSoup, file: Path, numbers: Mapping[str, int]) -> Path:
    """Write the page with a table of contents below its title, and return its file."""
    for older in soup.select("nav.dlmo-contents"):
        older.decompose()
    title, *headings = _headings(soup)
    lines = "".join(
        f'<li class="level-{level}"><a href="#{escape(anchor)}">{escape(said)}</a>'
        f"<span>{numbers.get(anchor, '')}</span></li>"
        for level, anchor, said in headings
    )
    made = f'<nav class="dlmo-contents"><p>Contents</p><ul>{lines}</ul></nav>'
    head = soup.select_one("article h1")
    assert head is not None and title
    head.insert_after(BeautifulSoup(made, "html.parser"))
    file.write_text(str(soup), encoding="utf-8")
    return file


def _print(browser: str, page: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--disable-gpu", f"--user-data-dir={profile}"]
        # Chromium refuses its sandbox to root, who has no need of one against our own page.
        command += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command += ["--no-pdf-header-footer", "--generate-pdf-document-outline"]
        command += ["--virtual-time-budget=120000", f"--print-to-pdf={target}", page.as_uri()]
        target.unlink(missing_ok=True)
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise UserError(f"{browser} did not print within {LIMIT} s") from None
    if not target.exists():
        last = next(iter(ended.stderr.strip().splitlines()[-1:]), "no reason given")
        raise UserError(f"{browser} did not print: {last}")


def _numbers(pdf: Path) -> dict[str, int]:
    """Return on which page of a PDF each anchor stands, counted from 1."""
    reader = PdfReader(pdf)
    found: dict[str, int] = {}
    for name, place in reader.named_destinations.items():
        number = reader.get_destination_page_number(place)
        if number is not None:
            found[name.removeprefix("/")] = number + 1
    return found
