"""Run one chapter with papermill: parameters checked, time limited, failures named."""

import ast
import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from dlmo import machine, paths, tracing
from dlmo.errors import UserError, unknown

LIMIT = 900.0
"""Seconds that a chapter of the book may take."""

INJECTED = "injected-parameters"
"""The tag that papermill gives to the cell with the parameters of a run."""

NOTES = "dlmo"
"""The key of an executed copy's metadata that says what it read and trained, and where."""


class ChapterError(UserError):
    """A chapter could not be executed to its end; the message names chapter, cell and reason."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a chapter, as its cell tagged `parameters` declares it."""

    name: str
    default: Any
    help: str


def parameters(chapter: Path) -> dict[str, Parameter]:
    """Return the parameters that a chapter declares, by name.

    Raises:
        UserError: there is no such chapter, or a default is no plain literal.
    """
    if not chapter.is_file():
        raise UserError(f"there is no chapter {chapter}; the book's are in chapters/*.ipynb")
    found = papermill.inspect_notebook(chapter)
    return {name: _parameter(chapter, given) for name, given in found.items()}


def check(chapter: Path, given: Mapping[str, Any]) -> None:
    """Check that a chapter has these parameters, and that each value has its default's type.

    Raises:
        UserError: a name is unknown, or a value is of another type.
    """
    declared = parameters(chapter)
    for name, value in given.items():
        if name not in declared:
            raise unknown(f"parameter of {chapter.stem}", name, declared)
        default = declared[name].default
        if not _fits(value, default):
            raise UserError(
                f"parameter {name} of {chapter.stem} is {_short(value)}; "
                f"it must be of type {type(default).__name__}, such as {default!r}"
            )


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 80 else f"{said[:77]}..."


def _fits(value: Any, default: Any) -> bool:
    """Say whether a value has its default's type, a list's items those of the default's items."""
    if default is None or (type(default) is float and type(value) is int):
        return True
    if isinstance(value, list) and isinstance(default, list):
        kinds = {type(item) for item in default}
        return not kinds or all(type(item) in kinds for item in value)
    return isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool)


def execute(
    chapter: Path,
    output: Path,
    parameters: Mapping[str, Any],
    *,
    limit: float | None = LIMIT,
    progress: bool = False,
) -> Path:
    """Execute a chapter and write the executed copy; the chapter itself stays as it is.

    Args:
        chapter: the notebook.
        output: where the executed copy goes; its folder is made, an older copy replaced at the end.
        parameters: values for parameters that the chapter declares; the others keep their default.
        limit: seconds for the whole chapter, None for as long as it takes.
        progress: whether to say on standard error what the chapter's measuring says.

    Returns:
        The path of the executed copy.

    Raises:
        ChapterError: a cell raised, the time ran out, or the kernel died. What had been executed by
            then is beside `output`, with `.failed.ipynb` at its end.
        UserError: a parameter is unknown or of the wrong type.
        KeyboardInterrupt: a person interrupted; the kernel has ended, and nothing is left behind.
    """
    check(chapter, parameters)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.stem}.{os.getpid()}.ipynb")
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    try:
        _run(chapter, partial, dict(parameters), limit, progress)
    except ChapterError as error:
        if partial.exists():
            partial.replace(failed)
        raise ChapterError(f"{error} (as far as it came: {failed})") from error
    else:
        partial.replace(output)
        failed.unlink(missing_ok=True)
    finally:
        partial.unlink(missing_ok=True)
    return output


class _Sparing(NBClientEngine):
    """Writes the copy when it begins and when it ends, however it ends, not twice a cell."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str, **settings: Any
    ) -> Any:
        """Execute, and write nothing meanwhile."""
        path, nb_man.output_path = nb_man.output_path, None
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **settings)
        finally:
            nb_man.output_path = path


papermill_engines.register("sparing", _Sparing)


class _Manager(AsyncKernelManager):
    """Remembers the latest of its kind, and its client, for `_interruptible`."""

    latest: "_Manager | None" = None
    listening: Any = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        _Manager.latest = self

    def client(self, **settings: Any) -> Any:
        self.listening = super().client(**settings)
        return self.listening

    async def end(self) -> None:
        """End the kernel at once, if it has not ended, and the threads that listen to it."""
        if not self.has_kernel:
            return
        if self.listening:
            self.listening.stop_channels()
        await self.shutdown_kernel(now=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let an interrupt end the kernel and what waits for it.

    papermill ends a kernel that is at work, not one that is being started, and then Python never
    ends. And nbclient's tasks stay: asyncio would complain of each with a traceback.
    """
    loop = ensure_event_loop()
    usual = loop.get_exception_handler()
    loop.set_exception_handler(lambda loop, context: None)
    _Manager.latest = None
    try:
        yield
    except KeyboardInterrupt:
        # The loop stays silent: what is collected later would complain, too.
        loop.run_until_complete(_stop())
        raise
    except BaseException:
        loop.set_exception_handler(usual)
        raise
    loop.set_exception_handler(usual)


async def _stop() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if _Manager.latest:
        await _Manager.latest.end()


def _run(
    chapter: Path, output: Path, values: dict[str, Any], limit: float | None, progress: bool
) -> None:
    current: dict[str, int] = {}
    try:
        with _surroundings() as (settings, trace), _interruptible():
            papermill.execute_notebook(
                chapter,
                output,
                values,
                engine_name="sparing",
                cwd=chapter.parent,
                progress_bar=False,
                stderr_file=_Progress() if progress else None,
                start_timeout=180,
                config=settings,
                kernel_manager_class=_Manager,
                timeout_func=_countdown(limit),
                on_cell_start=lambda cell, cell_index: current.update(index=cell_index),
            )
            _note(output, trace)
    except PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}".strip().splitlines()[0]
        raise ChapterError(f"{_place(chapter, output, error.cell_index)}: {reason}") from None
    except CellTimeoutError:
        where = _place(chapter, output, current.get("index"))
        raise ChapterError(f"{where}: stopped, the chapter took more than {limit:g} s") from None
    except DeadKernelError:
        where = _place(chapter, output, current.get("index"))
        raise ChapterError(f"{where}: the kernel died (out of memory?)") from None
    except RuntimeError as error:
        # jupyter_client has no class of its own for a kernel that stays silent.
        if "Kernel didn't respond" not in str(error):
            raise
        raise ChapterError(f"chapter {chapter.stem}: {error}; is the machine busy?") from None
    except NoSuchKernel as error:
        raise ChapterError(f"chapter {chapter.stem}: there is no such kernel: {error}") from None


class _Progress:
    """Passes on what of a kernel's standard error is progress, not TensorFlow's noise."""

    _SAID = re.compile(r"dlmo: |\[\d+/\d+\] ")

    def __init__(self) -> None:
        self._rest = ""

    def write(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if self._SAID.match(line):
                print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Do nothing: each line goes out at once."""


def _note(output: Path, trace: Path) -> None:
    """Write into an executed copy what it read and trained, and on which machine."""
    notebook = nbformat.read(output, as_version=4)
    where = machine.this()
    notebook.metadata[NOTES] = tracing.summary(trace) | {
        "machine": f"{where.processor}, {where.cores} cores, {where.system}"
    }
    nbformat.write(notebook, output)


def _countdown(limit: float | None) -> Callable[[Any], float | None]:
    # nbclient limits each cell only; the remaining time of the chapter is what a cell may take.
    end = None if limit is None else time.monotonic() + limit
    return lambda cell: None if end is None else max(0.1, end - time.monotonic())


def _place(chapter: Path, output: Path, index: int | None) -> str:
    """Return "chapter NAME, cell N (first line)", counted in the chapter itself, from 1."""
    if index is None or not output.exists():
        return f"chapter {chapter.stem}, before its first cell"
    cells = nbformat.read(output, as_version=4).cells
    # papermill's marks of the error are cells of their own, and came after counting.
    cells = [c for c in cells if "papermill-error-cell-tag" not in c.metadata.get("tags", [])]
    added = sum(INJECTED in c.metadata.get("tags", []) for c in cells[: index + 1])
    first = next(iter(cells[index].source.strip().splitlines()), "")
    return f"chapter {chapter.stem}, cell {index + 1 - added} ({first[:60]})"


def _parameter(chapter: Path, given: Mapping[str, str]) -> Parameter:
    try:
        default = ast.literal_eval(given["default"])
    except (ValueError, SyntaxError):
        raise UserError(
            f"parameter {given['name']} of {chapter.stem} has the default {given['default']}; "
            "it must be a plain literal on one line"
        ) from None
    return Parameter(given["name"], default, given["help"].lstrip("# ").strip())


@contextmanager
def _surroundings() -> Iterator[tuple[Config, Path]]:
    """Give the kernel a profile of its own: no start-up files, no shared history, fixed hashes.

    Yields:
        The settings for jupyter_client, and the file to which the kernel notes what it reads.
        Sockets are files where the path is short enough for them, since ports can be listened to
        by everybody on the machine.
    """
    # A kernel that is killed may write for a moment yet.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        trace = Path(folder, "trace.txt")
        ours = {
            tracing.VARIABLE: str(trace),
            "IPYTHONDIR": folder,
            "JUPYTER_RUNTIME_DIR": folder,
            "PYTHONHASHSEED": "0",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        # It would call the interrupt with which jupyter_client ends an idle kernel an error.
        settings = Path(folder, "profile_default", "ipython_kernel_config.py")
        settings.parent.mkdir()
        settings.write_text("c = get_config()\nc.IPKernelApp.log_level = 50\n", "utf-8")
        files = os.name == "posix" and len(folder) < 40
        # Without an address of their own, kernels that run at the same time answer each other.
        address = {"transport": "ipc", "ip": f"{folder}/kernel"} if files else {"transport": "tcp"}
        with paths.environment(ours):
            yield Config(KernelManager=address), trace
