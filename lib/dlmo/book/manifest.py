"""The manifest of a build: from what exactly the pages were made. Nothing in it tells the time."""

import contextlib
import json
import platform
import re
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from dlmo import machine, paths
from dlmo.files import sha256
from dlmo.report import text

NAME = "manifest.json"

VARIES = (".buildinfo", "searchindex.js")
"""Files that two builds of the same tree may have differently: Sphinx notes its folders in the one,
and after a build of some pages only it keeps the words of the other in another order."""

_STATES = {True: "", False: " with changes", None: " (of an archive)"}
"""What the footer says behind the commit, by whether the tree is clean."""

_BUILT = re.compile(r'(<span class="dlmo-built">).*?(</span>)', re.DOTALL)
"""Where the footer says it; see templates/dlmo-build.html."""


@lru_cache(maxsize=1)
def make() -> dict[str, Any]:
    """Return commit, versions, and the SHA-256 of every record and of all other data.

    Paths are relative to the folder that they are listed under. `commit` is "unknown" where there
    is neither a repository nor an archive of one; `clean` says whether all files are as committed,
    and is null where only an archive says which commit it is.
    """
    commit, clean = machine.commit(everything=True)
    found = {
        "records": _checksums(paths.results()),
        "models": _checksums(paths.models()),
        "paper": _checksums(paths.paper()),
        "recipes": _checksums(paths.recipes()),
    }
    return {
        "commit": commit,
        "clean": None if commit == machine.archived() else clean,
        "python": platform.python_version(),
        "versions": versions(),
        "varies": list(VARIES),
        "checksums": {name: _of_all(files) for name, files in found.items()},
        "files": found,
    }


def versions() -> dict[str, str]:
    """Return the version of each package that `requirements.txt` names and that is installed."""
    lines = (paths.ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = [line.partition("==")[0].strip() for line in lines if line[:1].isalpha()]
    found = {}
    for name in sorted(names, key=str.lower):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def summary() -> str:
    """Return what the footer of each page says of the build, as HTML."""
    made = make()
    records = sum(name.endswith(".json") for name in made["files"]["records"])
    return (
        f"commit <code>{made['commit'][:10]}</code>{_STATES[made['clean']]} and "
        f"{text.count(records, 'record')} (<code>{made['checksums']['records'][:12]}</code>)"
    )


def write(html: Path) -> None:
    """Write the manifest beside the pages."""
    (html / NAME).write_text(json.dumps(make(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def stamp(html: Path) -> None:
    """Let the footers of pages that an earlier build wrote say what this one was made from."""
    for page in html.rglob("*.html"):
        written = page.read_text(encoding="utf-8")
        right = _BUILT.sub(lambda found: f"{found[1]}{summary()}{found[2]}", written)
        if right != written:
            page.write_text(right, encoding="utf-8")


def _checksums(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    found = {file.relative_to(folder).as_posix(): sha256(file.read_bytes()) for file in files}
    return dict(sorted(found.items()))


def _of_all(files: dict[str, str]) -> str:
    """Return one checksum of many: of their names and checksums, a line a file."""
    return sha256("".join(f"{digest}  {name}\n" for name, digest in files.items()).encode())
