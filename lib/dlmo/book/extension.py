"""The Sphinx extension: executed chapters in, nothing from elsewhere out."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError

from dlmo.book import (
    assets,
    cache,
    charts,
    links,
    manifest,
    numbering,
    page,
    provenance,
    records_page,
    status,
)
from dlmo.errors import UserError

_REPAIRS = {
    # The label hides what the button says; a voice command by the visible words would fail.
    '<summary aria-label="Toggle hidden content">': "<summary>",
    # Entries of a bibliography are paragraphs; the roles say that they are items of a list.
    ' role="doc-biblioentry"': "",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
}


class BookError(SphinxError):
    """A chapter failed; Sphinx prints the message alone."""

    category = "The book cannot be built"


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    for part in (charts, numbering, status, links):
        part.setup(app)
    # A site of reruns has notebooks that are executed already.
    app.add_config_value("dlmo_execute", True, "env", [bool])
    app.connect("config-inited", _configure)
    app.connect("env-get-outdated", _outdated)
    app.connect("env-before-read-docs", _execute)
    app.connect("source-read", _swap)
    app.connect("env-updated", _all_if_any)
    app.connect("env-purge-doc", _forget)
    app.connect("doctree-resolved", _without_thebe, priority=900)
    app.connect("html-page-context", _finish, priority=900)
    app.connect("build-finished", _write_data)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}


def _build_folder(app: Sphinx) -> Path:
    return Path(app.doctreedir).parent


def _configure(app: Sphinx, config: Config) -> None:
    config.html_static_path += assets.prepare(_build_folder(app))
    config.html_css_files = [*config.html_css_files, *assets.STYLES]
    scripts = [(name, {"defer": "defer"}) for name in assets.SCRIPTS]
    config.html_js_files = [*config.html_js_files, *scripts]
    config.templates_path = [*config.templates_path, str(assets.HERE / "templates")]
    config.html_favicon = config.html_favicon or str(assets.HERE / "assets/favicon.svg")
    config.mathjax_path = "mathjax/tex-svg.js"
    # The menu would load further parts of MathJax, which are not here.
    config.mathjax3_config = {"options": {"enableMenu": False}}


def _chapter(app: Sphinx, document: str) -> Path | None:
    path = Path(app.srcdir, f"{document}.ipynb")
    return path if app.config.dlmo_execute and path.exists() else None


def _keys(env: BuildEnvironment) -> dict[str, str]:
    # Sphinx keeps the attributes of its environment between builds.
    keys: dict[str, str] = vars(env).setdefault("dlmo_keys", {})
    return keys


def _outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Return the chapters that library or data have changed since they were read."""
    keys = _keys(env)
    chapters = {document: _chapter(app, document) for document in env.found_docs}
    found = [
        document
        for document, path in chapters.items()
        if path and keys.get(document) != cache.key(path)
    ]
    # What says how the chapters were executed is told again whenever one of them was.
    return [*found, *getattr(env, "dlmo_status", ())] if found else []


def _execute(app: Sphinx, env: BuildEnvironment, documents: list[str]) -> None:
    chapters = [path for document in documents if (path := _chapter(app, document))]
    vars(env)["dlmo_read"] = bool(documents)
    try:
        cache.fill(chapters, _build_folder(app))
    except UserError as error:
        raise BookError(str(error)) from error


def _swap(app: Sphinx, document: str, source: list[str]) -> None:
    path = _chapter(app, document)
    if path:
        _keys(app.env)[document] = cache.key(path)
        source[0] = page.read(cache.place(path, _build_folder(app)))
    if provenance.PAGE in app.env.found_docs:
        _link_sources(app, document, source)


def _link_sources(app: Sphinx, document: str, source: list[str]) -> None:
    """Put links to the records behind numbers, tables and charts; note where they lead."""

    def elsewhere(name: str) -> provenance.Sets:
        other, _ = app.env.relfn2path(name.removesuffix(".ipynb"), document)
        path = _chapter(app, other)
        if path is None:
            return {}
        executed = cache.place(path, _build_folder(app))
        return provenance.glued(nbformat.read(executed, as_version=4))

    sets: provenance.Sets = {}
    if _chapter(app, document):
        notebook = nbformat.reads(source[0], as_version=4)
        sets = provenance.insert(notebook, elsewhere)
        source[0] = nbformat.writes(notebook)
    else:
        source[0] = provenance.mark_text(source[0], {}, elsewhere, sets)
    _sets(app.env)[document] = sets


def _sets(env: BuildEnvironment) -> dict[str, provenance.Sets]:
    sets: dict[str, provenance.Sets] = vars(env).setdefault("dlmo_sets", {})
    return sets


def _all_if_any(app: Sphinx, env: BuildEnvironment) -> list[str]:
    # A number glued on one page may stand on another, and nothing says which. And each page's
    # footer names the build.
    before, now = getattr(env, "dlmo_build", None), manifest.summary()
    vars(env)["dlmo_build"] = now
    return sorted(env.found_docs) if getattr(env, "dlmo_read", False) or before != now else []


def _forget(app: Sphinx, env: BuildEnvironment, document: str) -> None:
    _keys(env).pop(document, None)
    _sets(env).pop(document, None)


def _without_thebe(app: Sphinx, doctree: nodes.document, document: str) -> None:
    for node in list(doctree.findall(nodes.raw)):
        if "text/x-thebe-config" in node.astext():
            node.parent.remove(node)


def _finish(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    # sphinx-thebe declares the same constant twice, and starts kernels at another host.
    for files in (context["script_files"], context["css_files"]):
        files[:] = [file for file in files if not _is_thebe(file)]
    for wrong, right in _REPAIRS.items():
        context["body"] = context.get("body", "").replace(wrong, right)
    context["css_tag"] = _same_always(context["css_tag"])
    context["dlmo_build"] = manifest.summary()
    _resolve_sources(app, pagename, context)
    if charts.on_page(doctree):
        for name in charts.SCRIPTS:
            app.add_js_file(name, defer="defer")
    if assets.BITS_MARK in context["body"]:
        app.add_js_file(assets.BITS_SCRIPT, defer="defer")
    if 'class="dlmo-strategy"' in context["body"]:
        app.add_js_file("dlmo-strategy.js", defer="defer")


def _same_always(css_tag: Callable[[Any], str]) -> Callable[[Any], str]:
    """Leave out the checksum of myst-nb's style sheet, which only a second build would know."""
    return lambda style: re.sub(r"(/mystnb\.[0-9a-f]+\.css)\?v=[0-9a-f]+", r"\1", css_tag(style))


def _is_thebe(file: Any) -> bool:
    return "thebe" in f"{file.filename} {file.attributes.get('body', '')}".lower()


def _resolve_sources(app: Sphinx, pagename: str, context: dict[str, Any]) -> None:
    linked = app.builder.name == "html" and provenance.PAGE in app.env.found_docs
    address = app.builder.get_relative_uri(pagename, provenance.PAGE) if linked else None
    context["body"] = provenance.resolve(context["body"], address)
    if linked and pagename == provenance.PAGE:
        app.add_js_file("dlmo-records.js", defer="defer")


def _write_data(app: Sphinx, problem: Exception | None) -> None:
    if problem is not None or app.builder.name != "html":
        return
    manifest.write(Path(app.outdir))
    if provenance.PAGE in app.env.found_docs:
        records_page.write(Path(app.outdir), _sets(app.env).values())
