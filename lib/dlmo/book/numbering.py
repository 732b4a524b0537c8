"""The numbers of tables and equations.

Tables that cells put out are numbered like figures, with their caption above them.

A table that `report.tables.styled` made brings its caption along, and, where it was given a name, a
label: `{numref}` finds the table NAME as `table-NAME`.

An equation of the paper, labelled `equation-N`, has the paper's number N; ours have letters.
"""

import html
import re
from copy import deepcopy
from string import ascii_uppercase

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.writers.html5 import HTML5Translator

_CAPTION = re.compile(r"\s*<caption>(.*?)</caption>", re.DOTALL)
_NAME = re.compile(r'<table[^>]* data-name="([^"]+)"')
_TABLE = re.compile(r"\A\s*(?:<style.*?</style>)?\s*<table\b", re.DOTALL)


_OF_THE_PAPER = re.compile(r"\Aequation-equation-(\d+)\Z")


class TableFigure(nodes.figure):
    """A figure whose content is a table; it counts as a table."""


class NumberTables(SphinxTransform):
    """Turn outputs that are a table with a caption into numbered tables."""

    # Domains collect labels at 850.
    default_priority = 500

    def apply(self, **_: object) -> None:
        """Replace each such output by a `TableFigure`."""
        for bundle in list(self.document.findall(_is_bundle)):
            raw = _table(bundle)
            caption = _CAPTION.search(raw.astext()) if raw is not None else None
            if raw is None or caption is None or isinstance(bundle.parent, nodes.figure):
                continue
            found = _NAME.search(raw.astext())
            raw.children[:] = [nodes.Text(_CAPTION.sub("", raw.astext(), count=1))]
            raw.rawsource = raw.astext()
            self._enclose(bundle, html.unescape(caption[1]), found[1] if found else None)

    def _enclose(self, bundle: nodes.Element, caption: str, name: str | None) -> None:
        figure = TableFigure(classes=["dlmo-table"])
        figure.source, figure.line = bundle.source, bundle.line
        if name:
            figure["names"].append(f"table-{name}")
            self.document.note_explicit_target(figure, figure)
        else:
            self.document.set_id(figure)
        bundle.replace_self(figure)
        figure += [nodes.caption(caption, caption), bundle]


def _as_counted(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Put back Sphinx's own numbers: where the next ones differ, it writes the page again."""
    env.toc_fignumbers = vars(env).get("dlmo_counted", env.toc_fignumbers)
    return []


def number_equations(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Give the paper's equations its own numbers, and ours letters in the order of the book."""
    vars(env)["dlmo_counted"] = deepcopy(env.toc_fignumbers)
    letters = iter(ascii_uppercase)
    for figures in env.toc_fignumbers.values():
        # Sphinx writes a number's parts, whatever they are, with dots between them.
        numbers: dict[str, tuple[object, ...]] = figures.get("displaymath", {})  # type: ignore[assignment]
        for identity in numbers:
            printed = _OF_THE_PAPER.match(identity)
            numbers[identity] = (printed[1] if printed else next(letters),)
    return []


def _is_bundle(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"


def _table(bundle: nodes.Element) -> nodes.raw | None:
    """Return the HTML of an output, where it begins with a table and has no other."""
    for raw in bundle.findall(nodes.raw):
        said = raw.astext()
        if raw.get("format") == "html" and _TABLE.match(said) and said.count("<table") == 1:
            return raw
    return None


def _visit(translator: HTML5Translator, node: TableFigure) -> None:
    translator.visit_figure(node)


def _depart(translator: HTML5Translator, node: TableFigure) -> None:
    translator.depart_figure(node)


def setup(app: Sphinx) -> None:
    """Register the node, as a kind of table, and its transform."""
    app.add_enumerable_node(TableFigure, "table", html=(_visit, _depart))
    app.add_transform(NumberTables)
    # Sphinx counts when it collects the contents, at 500.
    app.connect("env-get-updated", _as_counted, priority=100)
    app.connect("env-get-updated", number_equations, priority=900)
