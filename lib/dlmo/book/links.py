"""Internal links: every address on every page must lead to something in the book."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

from dlmo.book import records_page

_ADDRESS = re.compile(r'<(?:a|img|script|link|source)\b[^>]*?\s(?:href|src)="([^"]*)"')
_TARGET = re.compile(r'\s(?:id|name)="([^"]+)"')
_SCRIPT = re.compile(r"(<script\b[^>]*>).*?</script>", re.DOTALL)

_logger = logging.getLogger(__name__)


def broken(html: Path) -> Iterator[tuple[str, str]]:
    """Yield each page with each of its addresses that leads nowhere, below a folder of pages."""
    for page in sorted(html.rglob("*.html")):
        if any(part.startswith("_") for part in page.relative_to(html).parts):
            continue
        written = _SCRIPT.sub(r"\1</script>", page.read_text(encoding="utf-8"))
        for address in sorted(set(_ADDRESS.findall(written))):
            if not _leads(page, address.replace("&amp;", "&")):
                yield page.relative_to(html).as_posix(), address


def _leads(page: Path, address: str) -> bool:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return True
    place = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not place.is_file():
        return False
    anchor = unquote(parts.fragment)
    # The search page is filled by its script.
    return not anchor or place.suffix != ".html" or anchor in _targets(place)


@cache
def _targets(page: Path) -> frozenset[str]:
    own = _TARGET.findall(page.read_text(encoding="utf-8"))
    # The page of the records is filled by its script.
    return frozenset([*own, *records_page.targets(page)])


def _check(app: Sphinx, failure: Exception | None) -> None:
    if failure or app.builder.name != "html":
        return
    _targets.cache_clear()
    for page, address in broken(Path(app.outdir)):
        _logger.warning("%s: the link %r leads nowhere", page, address, type="dlmo", subtype="link")


def setup(app: Sphinx) -> None:
    """Check all pages at the end of each build."""
    app.connect("build-finished", _check)
