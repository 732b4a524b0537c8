"""Running a plan: on an Executor, parents first, as many nodes at once as there are cores."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace

from psutil import cpu_count

from dlmo import records
from dlmo.errors import UserError
from dlmo.laboratory import latency
from dlmo.laboratory.nodes import Node, Stopwatch, give_up, run
from dlmo.laboratory.plan import Plan, Settings, plan
from dlmo.laboratory.processes import processes
from dlmo.trials import Trial

_ATTEMPTS = 3
"""How often a node is begun whose worker dies; it goes on from its last finished epoch."""

Watch = Callable[[Plan, dict[str, Node], set[str]], None]
"""Is told about once a second: the plan, what runs now by key, and the keys that are done."""


def measure(
    trials: Iterable[Trial],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    watch: Watch | None = None,
    with_latency: bool = True,
    latency_seconds: float = 60.0,
    instruments: Settings | None = None,
) -> Plan:
    """Make everything that some trials miss.

    Args:
        trials: what is asked for.
        workers: cores to keep busy (default: all).
        scheduler: address of a Dask scheduler; without, processes on this machine.
        watch: is told how far it is.
        with_latency: measure latencies as well, when everything else is done.
        latency_seconds: the budget for one family of files with one set of kernels.
        instruments: which others measure, and how; by default accuracy and memory.

    Returns:
        The plan as it was before; all its nodes are made now.

    Raises:
        UserError: something that a user can mend; what was finished is kept.
    """
    wanted = list(trials)
    if with_latency:  # a ratio to NQ needs NQ
        wanted += [trial.sibling(latency.BASELINE) for trial in wanted]
    made = (latency.plan if with_latency else plan)(wanted, instruments)
    if made.missing:
        _Run(made, workers or cpu_count() or 1, scheduler, watch).until_done()
        _explain(plan(wanted, instruments))
    if with_latency:
        latency.measure(made, seconds=latency_seconds)
    return made


def _explain(made: Plan) -> None:
    """Give each trial that stands on something impossible a record of its own that says why."""
    for trial, reason in made.unavailable.items():
        key = made.deployables[trial]
        if records.find(key) is None:
            give_up(replace(made.nodes[key], trial=trial), Stopwatch(0), reason)


class _Run:
    """One pass through a plan."""

    def __init__(self, made: Plan, cores: int, scheduler: str | None, watch: Watch | None) -> None:
        self._plan, self._cores, self._scheduler, self._watch = made, cores, scheduler, watch
        self._waiting = {node.key: node for node in made.missing}
        self._done: set[str] = set()
        self._running: dict[Future[str], Node] = {}
        self._attempts: dict[str, int] = {}

    def until_done(self) -> None:
        while self._waiting or self._running:
            with suppress(BrokenExecutor), _executor(self._cores, self._scheduler) as executor:
                self._work(executor)
            # A worker died, and the pool with it: what ran waits again, for a new pool.
            self._requeue()

    def _work(self, executor: Executor) -> None:
        try:
            while self._waiting or self._running:
                self._submit(executor)
                finished, _ = wait(self._running, timeout=1, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._finish(future)
                if self._watch:
                    running = {node.key: node for node in self._running.values()}
                    self._watch(self._plan, running, self._done)
        except BrokenExecutor:
            raise
        except BaseException:
            for future in self._running:
                future.cancel()
            raise

    def _submit(self, executor: Executor) -> None:
        for node in list(self._waiting.values()):
            busy = sum(min(other.threads, self._cores) for other in self._running.values())
            fits = not self._running or busy + node.threads <= self._cores
            if fits and not any(parent in self._undone() for parent in node.parents):
                self._attempts[node.key] = self._attempts.get(node.key, 0) + 1
                del self._waiting[node.key]
                self._running[executor.submit(run, node)] = node

    def _undone(self) -> set[str]:
        return {*self._waiting, *(node.key for node in self._running.values())}

    def _finish(self, future: Future[str]) -> None:
        if isinstance(future.exception(), BrokenExecutor):
            raise BrokenExecutor from future.exception()
        del self._running[future]
        key = future.result()
        self._done.add(key)
        if isinstance(records.find(key), records.Unavailable):
            self._drop_children(key)

    def _drop_children(self, key: str) -> None:
        """Forget what stands on something that cannot be had; its record says why."""
        for node in list(self._waiting.values()):
            if key in node.parents and node.key in self._waiting:
                del self._waiting[node.key]
                self._drop_children(node.key)

    def _requeue(self) -> None:
        for node in self._running.values():
            if self._attempts[node.key] >= _ATTEMPTS:
                raise UserError(
                    f"{node.label}: its worker died {_ATTEMPTS} times (out of memory?); "
                    "what was finished is kept, run the command again to go on"
                )
        again = {node.key: node for node in self._running.values()}
        self._running.clear()
        self._waiting = {**again, **self._waiting}


# TensorFlow never gives memory back; loky then renews a worker, which is all that is to be done.
warnings.filterwarnings("ignore", message="A worker was restarted", category=UserWarning)


@contextmanager
def _executor(cores: int, scheduler: str | None) -> Iterator[Executor]:
    if scheduler is None:
        with processes(cores) as pool:
            yield pool
        return
    from dask.distributed import Client

    try:
        client = Client(scheduler, timeout="10s")
    except OSError as error:
        raise UserError(f"no Dask scheduler answers at {scheduler}: {error}") from None
    with client, client.get_executor(pure=False) as executor:
        yield executor
