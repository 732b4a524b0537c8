"""Processes that compute: they end with the one that wants their work, and never by themselves."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loky import ProcessPoolExecutor


@contextmanager
def processes(number: int) -> Iterator[ProcessPoolExecutor]:
    """Lend so many processes; whatever they still do when they are given back is broken off."""
    pool = ProcessPoolExecutor(max_workers=number, initializer=_leave_with_parent)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, kill_workers=True)


def _leave_with_parent() -> None:
    """End this process soon after its parent: a killed run must not go on training unseen.

    It does not end by itself at an interrupt, which a terminal sends to parent and children alike.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
