"""What pages show of one another: titles, numbers, labels, citations, glued values.

Where nothing of this has changed, only the pages that were read again are written again.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from dlmo.files import digest, sha256, within

_HERE = Path(__file__).parent


def setup(app: Sphinx) -> None:
    """Look after all is numbered (`numbering` does it last), and note what was written."""
    app.connect("env-get-updated", _to_write, priority=950)
    app.connect("build-finished", _note)


def _to_write(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages to write: those read since, or all where what they share has changed.

    Sphinx itself writes what this build has read, but not what an interrupted one had, or `make
    pdf`, which reads for both.
    """
    vars(app)["dlmo_now"] = now = {"common": _digest(env), "read": dict(env.all_docs)}
    before = json.loads(_file(app).read_text()) if _file(app).exists() else {}
    if before.get("common") != now["common"]:
        return sorted(env.found_docs)
    return sorted(name for name, time in env.all_docs.items() if before["read"].get(name) != time)


def _note(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and "dlmo_now" in vars(app):
        _file(app).write_text(json.dumps(vars(app)["dlmo_now"]))


def _file(app: Sphinx) -> Path:
    return Path(app.doctreedir, f"written.{app.builder.name}.json")


def _digest(env: BuildEnvironment) -> str:
    return sha256(json.dumps(_plain(dict(_shared(env))), sort_keys=True).encode())


def _shared(env: BuildEnvironment) -> Iterator[tuple[str, Any]]:
    domains = env.domaindata
    yield "code", digest(within(_HERE))
    yield "titles", (env.titles, env.longtitles)
    yield "contents", (env.toctree_includes, env.tocs)
    yield "numbers", (env.toc_secnumbers, env.toc_fignumbers)
    for name in ("objects", "labels", "anonlabels", "terms"):
        yield name, domains["std"].get(name)
    yield "equations", domains["math"]["objects"]
    cited = domains["cite"]
    # A line of the source is not among what a reader sees.
    yield "cited", {(one.docname, to.key) for one in cited["citation_refs"] for to in one.targets}
    yield "works", [(one.key, str(one.entry)) for one in cited["citations"]]
    # The values that any page may paste.
    glued = Path(vars(env)["mystnb_config"].output_folder).rglob("*.glue.json")
    yield "glued", digest(sorted(glued))


def _plain(value: Any) -> Any:
    """Return what JSON can write, the same for the same value in every process."""
    if isinstance(value, nodes.Node):
        return value.pformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, set):
        return sorted(map(str, value))
    return str(value)
