"""The program of a child process: does one job of a file of jobs, `child.py` or `micro_child.py`.

It is started by path, with a folder and the file of jobs, and needs NumPy alone: another
environment's Python runs it, too. It reads `job.json` in the folder, where the arrays lie as well,
and leaves `answer.json` and `answer.npz` there.
"""

import contextlib
import json
import os
import runpy
import sys
import threading
from pathlib import Path

import numpy as np


def _leave_with_parent() -> None:
    """End this process when the parent's end of standard input is closed, by whatever death."""
    sys.stdin.buffer.read()
    os._exit(9)


def _no_core_dumps() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(folder: Path, jobs: Path) -> int:
    """Do the job in `folder`; return 3, with the reason in `error.txt`, when it can't be done."""
    _no_core_dumps()
    known = runpy.run_path(str(jobs))
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    job = json.loads((folder / "job.json").read_text())
    try:
        numbers, arrays = known["VERBS"][job["verb"]](folder, job)
    except Exception as error:  # whatever the runtime raises, the parent reports it
        (folder / "error.txt").write_text(f"{error}" or type(error).__name__)
        return 3
    np.savez(folder / "answer.npz", allow_pickle=False, **arrays)
    (folder / "answer.json").write_text(json.dumps({**numbers, "runtime": known["name"]()}))
    return 0


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.flush()
    os._exit(code)  # the watching thread still reads, and nothing is left to clean up
