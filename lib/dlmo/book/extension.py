"""The Sphinx extension: executed chapters in, nothing from elsewhere out."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError

from dlmo.book import assets, cache, charts, common, links, numbering, origin, page, status
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
    for part in (charts, numbering, status, origin, common, links):
        part.setup(app)
    # A site of reruns has notebooks that are executed already.
    app.add_config_value("dlmo_execute", True, "env", [bool])
    app.connect("config-inited", _configure)
    app.connect("env-get-outdated", _outdated)
    app.connect("env-before-read-docs", _execute)
    app.connect("source-read", _swap)
    app.connect("env-purge-doc", _forget)
    app.connect("doctree-resolved", _without_thebe, priority=900)
    app.connect("html-page-context", _finish, priority=900)
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
    try:
        cache.fill(chapters, _build_folder(app))
    except UserError as error:
        raise BookError(str(error)) from error


def _swap(app: Sphinx, document: str, source: list[str]) -> None:
    path = _chapter(app, document)
    if path:
        _keys(app.env)[document] = cache.key(path)
        source[0] = page.read(cache.place(path, _build_folder(app)))


def _forget(app: Sphinx, env: BuildEnvironment, document: str) -> None:
    _keys(env).pop(document, None)


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
    if charts.on_page(doctree):
        for name in charts.SCRIPTS:
            app.add_js_file(name, defer="defer")
    if assets.BITS_MARK in context["body"]:
        app.add_js_file(assets.BITS_SCRIPT, defer="defer")
    if 'class="dlmo-strategy"' in context["body"]:
        app.add_js_file("dlmo-strategy.js", defer="defer")


def _is_thebe(file: Any) -> bool:
    return "thebe" in f"{file.filename} {file.attributes.get('body', '')}".lower()
