"""Sphinx's part in provenance: links to the records, their page, and the manifest of the build."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from dlmo.book import cache, manifest, provenance, records_page


def setup(app: Sphinx) -> None:
    """Connect to Sphinx: after chapters are swapped in, before links are checked."""
    app.connect("source-read", _link, priority=600)
    app.connect("env-purge-doc", _forget)
    app.connect("html-page-context", _finish, priority=910)
    app.connect("build-finished", _write, priority=400)


def _sets(env: BuildEnvironment) -> dict[str, provenance.Sets]:
    # Sphinx keeps the attributes of its environment between builds.
    sets: dict[str, provenance.Sets] = vars(env).setdefault("dlmo_sets", {})
    return sets


def _link(app: Sphinx, document: str, source: list[str]) -> None:
    """Put links to the records behind numbers, tables and charts; note where they lead."""
    if provenance.PAGE not in app.env.found_docs:
        return

    def elsewhere(name: str) -> provenance.Sets:
        other, _ = app.env.relfn2path(name, document)
        path = Path(app.srcdir, other)
        if not path.exists():
            return {}
        executed = cache.place(path, Path(app.doctreedir).parent)
        return provenance.glued(nbformat.read(executed, as_version=4))

    sets: provenance.Sets = {}
    if Path(app.srcdir, f"{document}.ipynb").exists():
        notebook = nbformat.reads(source[0], as_version=4)
        sets = provenance.insert(notebook, elsewhere)
        source[0] = nbformat.writes(notebook)
    else:
        source[0] = provenance.mark_text(source[0], {}, elsewhere, sets)
    _sets(app.env)[document] = sets


def _forget(app: Sphinx, env: BuildEnvironment, document: str) -> None:
    _sets(env).pop(document, None)


def _finish(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    context["css_tag"] = _same_always(context["css_tag"])
    context["dlmo_build"] = manifest.summary()
    linked = app.builder.name == "html" and provenance.PAGE in app.env.found_docs
    address = app.builder.get_relative_uri(pagename, provenance.PAGE) if linked else None
    context["body"] = provenance.resolve(context.get("body", ""), address)
    if linked and pagename == provenance.PAGE:
        app.add_js_file("dlmo-records.js", defer="defer")


def _same_always(css_tag: Callable[[Any], str]) -> Callable[[Any], str]:
    """Leave out the checksum of myst-nb's style sheet, which only a second build would know."""
    return lambda style: re.sub(r"(/mystnb\.[0-9a-f]+\.css)\?v=[0-9a-f]+", r"\1", css_tag(style))


def _write(app: Sphinx, problem: Exception | None) -> None:
    if problem is not None or app.builder.name != "html":
        return
    manifest.write(Path(app.outdir))
    manifest.stamp(Path(app.outdir))
    if provenance.PAGE in app.env.found_docs:
        records_page.write(Path(app.outdir), _sets(app.env).values())
