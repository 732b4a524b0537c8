"""Reruns: chapters executed with other parameters, as pages of a site of their own.

A folder of reruns holds the executed notebooks, and `html/` with a page for each and an index. The
site has the book's configuration, and can be built again from the notebooks.
"""

import html
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import nbformat
import yaml
from filelock import FileLock, Timeout

from dlmo import paths, recipes
from dlmo.book import page
from dlmo.book.execute import Parameter, execute, parameters
from dlmo.errors import UserError
from dlmo.files import write_bytes

FOLDER = Path("_build/reruns")
"""Where reruns go unless told otherwise, below the repository."""

SWEEP = Path(__file__).with_name("sweep.ipynb")
"""The chapter that shows a sweep; it is no page of the book."""

HTML = "html"
"""The folder of the pages, in a folder of reruns."""

_INSIDE = ".site"
_WORKS = "bibliography"


@dataclass(frozen=True)
class Rerun:
    """An executed notebook in a folder of reruns, and what it was run with.

    Attributes:
        notebook: the executed copy.
        title: of the chapter.
        chapter: its name.
        changed: the parameters that differ from the chapter's own: here, and there.
        started: UTC, ISO 8601.
        seconds: how long it took.
    """

    notebook: Path
    title: str
    chapter: str
    changed: Mapping[str, tuple[Any, Any]]
    started: str
    seconds: float

    @property
    def sweep(self) -> str | None:
        """The file of a sweep; None for every other chapter."""
        return str(self.changed["file"][0]) if self.chapter == SWEEP.stem else None

    @property
    def label(self) -> str:
        """What a list of reruns calls it: the chapter, and what differs."""
        if self.sweep:
            return f"{self.title} ({Path(self.sweep).name})"
        differs = ", ".join(f"{name} {_word(value)}" for name, (value, _) in self.changed.items())
        return f"{self.title} ({_short(differs)})" if differs else self.title

    @property
    def command(self) -> str:
        """The line that runs it again."""
        if self.sweep:
            return f"dlmo sweep {shlex.quote(self.sweep)}"
        words = [f"{name}={_word(value)}" for name, (value, _) in self.changed.items()]
        return " ".join(["dlmo run", self.chapter, *(f"-p {shlex.quote(word)}" for word in words)])


def run(chapter: Path, target: Path, values: Mapping[str, Any]) -> Path:
    """Execute a chapter and make its page and the index of its folder's reruns.

    Args:
        chapter: the notebook.
        target: where the executed copy goes; the page lies in the folder `html` beside it.
        values: of the parameters that are not to keep their default.

    Returns:
        The page.

    Raises:
        UserError: another run writes the same target, a parameter makes no sense, or a cell failed.
    """
    with _alone(target):
        execute(chapter, target, values, limit=None, progress=True)
        return build(target.parent) / f"{target.stem}.html"


def pages(folder: Path) -> Path:
    """Return the folder of the pages of a folder of reruns."""
    return folder / HTML


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    lock = _inside(target.parent) / f"{target.stem}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise UserError(
            f"another run is writing {target}; wait for it, or name another --output"
        ) from None
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}") from None


def _inside(folder: Path) -> Path:
    return folder / _INSIDE


def every(folder: Path) -> list[Rerun]:
    """Return the reruns of a folder, the latest first."""
    found = [made for file in sorted(folder.glob("*.ipynb")) if (made := _read(file))]
    return sorted(found, key=lambda one: one.started, reverse=True)


def _read(file: Path) -> Rerun | None:
    if file.name.startswith(".") or file.name.endswith(".failed.ipynb"):
        return None
    try:
        notebook = nbformat.read(file, as_version=4)
        facts = notebook.metadata["papermill"]
        declared = parameters(file)
        return Rerun(
            notebook=file,
            title=_title(notebook, file.stem),
            chapter=Path(facts["input_path"]).stem,
            changed=_changed(declared, facts["parameters"]),
            started=str(facts["start_time"])[:19],
            seconds=float(facts["duration"] or 0),
        )
    except (OSError, KeyError, ValueError, UserError):
        return None  # somebody else's notebook


def _title(notebook: nbformat.NotebookNode, otherwise: str) -> str:
    written = (cell for cell in notebook.cells if cell.cell_type == "markdown")
    lines = (line for cell in written for line in cell.source.splitlines())
    return next((line[2:].strip() for line in lines if line.startswith("# ")), otherwise)


def _changed(
    declared: Mapping[str, Parameter], given: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    return {
        name: (given[name], one.default)
        for name, one in declared.items()
        if name in given and given[name] != one.default
    }


# The site -----------------------------------------------------------------------------------------


def build(folder: Path) -> Path:
    """Build the pages of all reruns in a folder; only what is new is read again.

    Returns:
        The folder of the pages.

    Raises:
        UserError: Sphinx could not build a page.
    """
    inside = _inside(folder)
    inside.mkdir(parents=True, exist_ok=True)
    with FileLock(inside / "site.lock"):
        found = every(folder)
        source = inside / "source"
        titles = {one.notebook.stem: one.label for one in found}
        write_source(
            source, {one.notebook.stem: shown(one) for one in found}, titles, _index(found)
        )
        sphinx(source, pages(folder))
    return pages(folder)


def write_source(
    source: Path, pages: Mapping[str, str], titles: Mapping[str, str], index: str
) -> None:
    """Write the source of a site: the book's configuration, an index and pages (notebooks).

    Args:
        source: the folder.
        pages: notebooks by name.
        titles: what the navigation calls each of them.
        index: the first page, in MyST.
    """
    _write(source / "_config.yml", _configuration())
    listed = [{"file": name, "title": titles[name]} for name in pages]
    if any("{cite" in text for text in pages.values()):
        # A citation is shown only where the work is listed.
        works = (paths.ROOT / f"chapters/{_WORKS}.md").read_text("utf-8")
        _write(source / f"{_WORKS}.md", works)
        listed.append({"file": _WORKS})
    toc = {"format": "jb-book", "root": "index", "chapters": listed}
    _write(source / "_toc.yml", yaml.safe_dump(toc, sort_keys=False))
    _write(source / "index.md", index)
    for old in source.glob("*.ipynb"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        _write(source / f"{name}.ipynb", text)


def sphinx(source: Path, output: Path) -> None:
    """Build a site with the book's look; what is said of broken links to the book is left out.

    Raises:
        UserError: Sphinx could not build it.
        KeyboardInterrupt: a person interrupted it.
    """
    from jupyter_book.sphinx import build_sphinx

    _share_vega(source.parent)
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        failed = build_sphinx(
            str(source),
            str(output),
            path_config=str(source / "_config.yml"),
            noconfig=True,
            confoverrides={"latex_individualpages": False, **_overrides(output)},
            doctreedir=str(source.parent / "doctrees"),
            really_quiet=True,
        )
    # myst-nb puts what it executes there, and here it executes nothing.
    shutil.rmtree(output.parent / "jupyter_execute", ignore_errors=True)
    if failed:
        last = next((line for line in reversed(said.getvalue().splitlines()) if line.strip()), "")
        # Sphinx catches an interrupt and says so.
        if last.strip() == "Interrupted!":
            raise KeyboardInterrupt
        raise UserError(f"the page could not be built: {last.strip() or failed}")


def _overrides(output: Path) -> dict[str, Any]:
    book = paths.ROOT / "_build/html"
    inventory = book / "objects.inv"
    where = os.path.relpath(book, output)
    return {
        "dlmo_execute": False,
        "nitpicky": False,
        "suppress_warnings": ["myst.xref_missing", "ref.*", "toc.*"],
        "intersphinx_mapping": {"book": (where, str(inventory))} if inventory.exists() else {},
    }


def _share_vega(inside: Path) -> None:
    """Take the bundle of Vega from the book's own build, where there is one: it takes seconds."""
    for kept in (paths.ROOT / "_build").glob(".vega-*.js"):
        if not (inside / kept.name).exists():
            write_bytes(inside / kept.name, kept.read_bytes())


def _configuration() -> str:
    """Return the book's configuration with files named by their full paths."""
    given = yaml.safe_load((paths.ROOT / "_config.yml").read_text("utf-8"))
    given["title"] = f"Reruns · {given['title']}"
    return yaml.safe_dump(_absolute(given), sort_keys=False, allow_unicode=True)


def _absolute(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _absolute(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    if isinstance(value, str) and value and "\0" not in value and (paths.ROOT / value).exists():
        return str(paths.ROOT / value)
    return value


def _write(file: Path, text: str) -> None:
    # An unchanged file keeps its time, and Sphinx then does not read it again.
    if not (file.exists() and file.read_text("utf-8") == text):
        write_bytes(file, text.encode())


# What stands on the pages -------------------------------------------------------------------------


def shown(one: Rerun) -> str:
    """Return the notebook source of a rerun's page, with what differs at its head."""
    notebook = nbformat.reads(page.read(one.notebook), as_version=4)
    cell = nbformat.v4.new_markdown_cell(_head(one))
    cell["id"] = "rerun-head"
    notebook.cells.insert(page.below_title(notebook), cell)
    for each in notebook.cells:
        if each.cell_type == "markdown":
            each.source = _linked(each.source, pages(one.notebook.parent))
    return nbformat.writes(notebook)


_LINK = re.compile(
    r"\[(?P<text>[^][]*)\]\((?:chapters/)?(?P<link>\w+)(?:\.ipynb|\.md)?\)|\{doc\}`(?P<doc>\w+)`"
)


def _linked(source: str, here: Path) -> str:
    """Let links to other chapters lead to the book, which is not part of this site.

    Args:
        source: Markdown.
        here: the folder of the page.
    """

    def link(found: re.Match[str]) -> str:
        name = found["link"] or found["doc"]
        title = _title_of(name)
        if title is None:
            return found[0]
        said = found["text"] or _plain(title)
        where = paths.ROOT / f"_build/html/chapters/{name}.html"
        if not where.exists():
            return said
        return f'<a href="{html.escape(os.path.relpath(where, here))}">{said}</a>'

    return _LINK.sub(link, source)


def _title_of(chapter: str) -> str | None:
    """Return the title of a chapter of the book; nothing if there is none of that name."""
    text, notebook = (paths.ROOT / f"chapters/{chapter}{end}" for end in (".md", ".ipynb"))
    if text.exists():
        first = text.read_text("utf-8").partition("\n")[0]
        return first.removeprefix("# ").strip()
    return _title(nbformat.read(notebook, as_version=4), chapter) if notebook.exists() else None


def _head(one: Rerun) -> str:
    if one.sweep:
        said = f"Of {code(Path(one.sweep).name)}."
    elif one.changed:
        said = "It differs from the book's own page in these parameters:"
    else:
        said = "It was run with the parameters of the book's own page."
    table = ["", "| Parameter | Here | In the book |", "| --- | --- | --- |"]
    table += [
        f"| {code(name)} | {code(here)} | {code(there)} |"
        for name, (here, there) in one.changed.items()
    ]
    lines = [
        f":::{{admonition}} This is a {'sweep' if one.sweep else 'rerun'}",
        ":class: note dlmo-rerun",
        f"{said} {_original(one)}",
        *(table if one.changed and not one.sweep else []),
        "",
        f"Executed {one.started.replace('T', ' at ')} (UTC) in {one.seconds:.0f} s. Run it again:",
        "",
        *_block(one.command),
        ":::",
    ]
    return "\n".join(lines)


def _block(text: str) -> list[str]:
    """Return a block that shows a text as it is, without typographic quotes, to be copied."""
    fence = page.fence(text, 3)
    return [f"{fence}text", text, fence]


def _original(one: Rerun) -> str:
    here = pages(one.notebook.parent)
    book = paths.ROOT / f"_build/html/chapters/{one.chapter}.html"
    if not book.exists():
        return ""
    return f'<a href="{html.escape(os.path.relpath(book, here))}">The page in the book</a>.'


def code(value: Any) -> str:
    """Return a value for a cell of a Markdown table, whatever is in it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return page.code(text)


def _word(value: Any) -> str:
    """Return a value as `dlmo run -p` reads it: a list by its commas, where that says the same."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        word = ",".join(map(str, value))
        if value and [_meant(part) for part in word.split(",")] == value:
            return word
    return json.dumps(value, ensure_ascii=False, default=str)


def _meant(word: str) -> Any:
    try:
        return recipes.value(word)
    except UserError:
        return None


def _short(text: str, longest: int = 60) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _index(found: Sequence[Rerun]) -> str:
    lines = [
        "# Reruns",
        "",
        "Chapters of the report, run with other parameters. Their notebooks lie one folder up.",
        "",
        "| Rerun | Differs in | Executed (UTC) |",
        "| --- | --- | --- |",
    ]
    for one in found:
        differs = ", ".join(
            f"{code(name)}: {code(here)}" for name, (here, _) in one.changed.items()
        )
        when = one.started.replace("T", " ")
        lines.append(
            f"| [{_plain(one.title)}]({one.notebook.stem}.ipynb) | {differs or '–'} | {when} |"
        )
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    return html.escape(text).replace("|", "&#124;").replace("[", "&#91;").replace("]", "&#93;")
