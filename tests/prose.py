"""What chapters may write as digits; everything else is computed and glued."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat

_NUMBER = r"\d+(?:\.\d+)*"

ADMITTED = {
    "sections, tables and the like": (
        rf"\b(?:Sections?|Tables?|Figures?|Equations?|Remarks?|Algorithms?)[ \u00a0]{_NUMBER}"
        rf"(?:(?:, | and | to |–){_NUMBER})*"
    ),
    "number formats": r"\b(?:INT|FP|F|[Ff]loat|[Ii]nt|uint|bfloat|BF)\d+(?:x\d+)?\b",
    "widths of numbers": r"\b(?:2|4|8|16|32|64)-bit\b",
    "datasets": r"\bCIFAR-?(?:10|100)\b",
    "networks": (
        r"\b(?:ResNet-?\d+|VGG-?\d+|WRN-\d+-\d+|MobileNets?(?: ?v[123])?|MobileNetV[123]|MCUNetV?2?"
        r"|v[123])\b"
    ),
    "years": r"\b(?:19|20)\d\d\b",
    "dimensions": r"\b\d+×\d+(?:×\d+)?\b",
    "kernels and licences": r"\b(?:AVX-?(?:2|512)|CC BY \d\.\d|IEEE \d+)\b",
    "items of a list": r"(?m)^\s*\d+\. ",
}
"""Patterns of digits that are no results, by what they are."""

_SKIPPED = (
    r"(?s)^(`{3,}|~{3,}|:{3,}).*?^\1[ \t]*$",
    r"(?s)\$\$.*?\$\$(?: \(\S+\))?",
    r"\$[^$\n]+\$",
    r"\{[\w:-]+\}`[^`]*`",
    r"`[^`\n]*`",
    r"\]\([^)]*\)",
    r"<[^>\n]+>",
    r"(?m)^\([\w-]+\)=$",
)
"""Code, formulas, roles and addresses: no prose."""


_WORDS = (
    r"\b(?:eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh"
    r"|nine)ty|hundreds?|thousands?|millions?)\b"
)
"""Numbers in words that prose seldom has but for results."""

ADMITTED_WORDS = ("one in twenty", "of as many images in a hundred", "sixteen bits", "ninety-ninth")


def digits(prose: str) -> Iterator[str]:
    """Yield each line of Markdown with digits, or large numbers in words, that nothing admits."""
    for pattern in _SKIPPED:
        prose = re.sub(pattern, " ", prose, flags=re.MULTILINE)
    for pattern in ADMITTED.values():
        prose = re.sub(pattern, " ", prose)
    for words in ADMITTED_WORDS:
        prose = prose.replace(words, " ")
    found = re.compile(rf"\d|{_WORDS}", re.IGNORECASE)
    yield from (line.strip() for line in prose.splitlines() if found.search(line))


def markdown(page: Path) -> Iterator[str]:
    """Yield the Markdown of a page: its cells, or the whole file."""
    if page.suffix == ".md":
        yield page.read_text(encoding="utf-8")
        return
    for cell in nbformat.read(page, as_version=4).cells:
        if cell.cell_type == "markdown":
            yield cell.source
        else:
            # A caption is prose, too.
            yield cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")
