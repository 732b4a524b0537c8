"""The archive, and the papers that come with it: how to cite, how to contribute, the licence."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

import test_book
from dlmo import paper, paths

html = test_book.html


def git(*arguments: str) -> str:
    command = ["git", "-C", str(paths.ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def commit() -> str:
    """Return a commit of the tracked files as they are now."""
    if not (paths.ROOT / ".git").exists():
        pytest.skip("this is no repository but an archive already")
    return git("stash", "create") or git("rev-parse", "HEAD")


def archive(commit: str) -> Path:
    command = ["make", "--no-print-directory", "archive", f"COMMIT={commit}"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=paths.ROOT)
    assert ended.returncode == 0, ended.stderr
    return paths.ROOT / ended.stdout.split()[-1]


@pytest.fixture(scope="module")
def unpacked(commit, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    made = archive(commit)
    with tarfile.open(made) as tar:
        tar.extractall(folder, filter="data")
    made.unlink()
    (inside,) = folder.iterdir()
    return inside


def test_an_archive_is_the_same_each_time(commit):
    first = archive(commit).read_bytes()
    made = archive(commit)
    assert made.read_bytes() == first
    made.unlink()


def test_an_archive_holds_all_tracked_files_and_names_its_commit(commit, unpacked):
    tracked = set(git("ls-tree", "-r", "--name-only", "-z", commit).split("\0")) - {""}
    inside = {
        file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*") if file.is_file()
    }
    assert inside == tracked
    assert (unpacked / "lib/dlmo/commit.txt").read_text().strip() == commit
    code = "from dlmo import machine; print(machine.commit())"
    assert run(unpacked, "-c", code).stdout.strip() == str((commit, False))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in an unpacked archive, with its own library."""
    kept = test_book.os.environ
    surroundings = {**kept, "PYTHONPATH": str(folder / "lib"), "GIT_CEILING_DIRECTORIES": "/"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env=surroundings
    )


def test_an_unpacked_archive_builds_the_book(html, unpacked):
    # What was executed here is asked for by its contents, so that only the pages are made anew.
    shutil.copytree(paths.ROOT / "_build/.executed", unpacked / "_build/.executed")
    executed = set((unpacked / "_build/.executed").iterdir())
    ended = run(unpacked, "-m", "dlmo.book")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert set((unpacked / "_build/.executed").iterdir()) == executed
    built = unpacked / "_build/html"
    assert test_book.names(built) == test_book.names(html)
    assert "(of an archive)" in (built / "index.html").read_text()


# Papers -----------------------------------------------------------------------------------------


def test_the_citation_is_of_this_version_and_of_the_paper():
    found = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {"cff-version", "message", "title", "authors"}
    assert needed <= set(found) and found["cff-version"] == "1.2.0"
    assert (found["version"], found["license"]) == (project["version"], project["license"])
    (cited,) = found["references"]
    printed = next(one for one in paper.references().values() if one.doi == cited["doi"])
    assert cited["title"] == printed.title and cited["year"] == printed.year
    names = [f"{one['given-names']} {one['family-names']}" for one in cited["authors"]]
    assert len(names) == len(printed.authors)
    assert all(
        one["family-names"] in author
        for one, author in zip(cited["authors"], printed.authors, strict=True)
    )
    assert "MIT License" in (paths.ROOT / "LICENSE").read_text("utf-8")


def test_contributing_is_one_page_about_things_that_exist():
    said = (paths.ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert len(said.splitlines()) <= 60
    for thing in ("network", "technique", "chapter"):
        assert f"| a {thing} |" in said
    named = [one for one in re.findall(r"`([\w/.]+)`", said) if "/" in one or one[0] == "_"]
    lib = paths.ROOT / "lib/dlmo"
    for name in named:
        if name.isupper() or "NAME" in name or "FAMILY" in name or name.startswith("_I"):
            continue
        assert (paths.ROOT / name).exists() or (lib / name).exists(), name
