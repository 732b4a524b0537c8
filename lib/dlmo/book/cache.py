"""Executed chapters, kept by the contents of all that can change what a chapter shows.

The key is coarse on purpose: the chapter, the whole library, all data and the pinned packages. A
finer one would miss the cells that say "not yet measured".
"""

import platform
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import loky

from dlmo import machine, paths
from dlmo.book.execute import execute
from dlmo.files import digest, within

FOLDER = ".executed"

_KEY = "[0-9a-f]" * 20


def key(chapter: Path) -> str:
    """Return the key of a chapter as it is now."""
    return sha256(chapter.read_bytes() + surroundings().encode()).hexdigest()[:20]


def place(chapter: Path, folder: Path) -> Path:
    """Return where the executed copy of a chapter lies, or will lie, below `folder`."""
    return folder / FOLDER / f"{chapter.stem}-{key(chapter)}.ipynb"


def fill(chapters: Iterable[Path], folder: Path, workers: int | None = None) -> list[Path]:
    """Execute, in processes of their own, those chapters that have no executed copy yet.

    Args:
        chapters: the notebooks.
        folder: the build folder.
        workers: how many at a time; by default as many as there are processors.

    Returns:
        The chapters that were executed.

    Raises:
        ChapterError: a chapter failed; the others were still executed, so a repaired book is quick.
    """
    missing = [chapter for chapter in chapters if not place(chapter, folder).exists()]
    if len(missing) == 1:
        _one(missing[0], folder)
    elif missing:
        _many(missing, folder, workers or loky.cpu_count())
    return missing


def _many(chapters: Sequence[Path], folder: Path, workers: int) -> None:
    # A chapter is a kernel, a process of its own, and takes a processor; ours only waits for it.
    executor = loky.get_reusable_executor(max_workers=min(workers, len(chapters)))
    jobs = [executor.submit(_one, chapter, folder) for chapter in chapters]
    failures = [error for job in as_completed(jobs) if (error := job.exception())]
    executor.shutdown()
    if failures:
        raise min(failures, key=str)


def _one(chapter: Path, folder: Path) -> None:
    here = place(chapter, folder)
    execute(chapter, here, {})
    for failed in here.parent.glob(f"{chapter.stem}-{_KEY}.failed.ipynb"):
        failed.unlink(missing_ok=True)
    # Older copies are asked for again only when an edit is undone.
    copies = here.parent.glob(f"{chapter.stem}-{_KEY}.ipynb")
    for old in sorted(copies, key=lambda path: path.stat().st_mtime)[:-3]:
        old.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def surroundings() -> str:
    """Return the hash of library, data, pinned packages and Python, computed once a process."""
    return sha256((platform.python_version() + digest(_sources())).encode()).hexdigest()


def _sources() -> Iterator[Path]:
    yield paths.ROOT / "constraints.txt"
    # Assets and templates change how pages look, never what a chapter computes; nor does the commit
    # that an archive names.
    library, book = paths.ROOT / "lib/dlmo", paths.ROOT / "lib/dlmo/book"
    yield from within(library, apart=(book, machine.COMMIT))
    yield book / "execute.py"
    yield paths.ROOT / "requirements.txt"
    for folder in (
        paths.paper(),
        paths.recipes(),
        paths.results(),
        paths.models(),
        paths.sheets(),
    ):
        yield from within(folder)
