"""How far a plan is, and when it will be done: in plain lines, for whoever waits."""

import sys
import time
from typing import NamedTuple

from dlmo.durations import duration
from dlmo.laboratory import store
from dlmo.laboratory.nodes import Node
from dlmo.laboratory.plan import Plan

EVERY = 30.0
"""Seconds between two lines."""
_SETTLED = 3.0
"""Seconds of a training after which its own pace is believed."""


class State(NamedTuple):
    """How far one node is.

    Attributes:
        share: what is done of it, 0 to 1; None where it doesn't say.
        epoch: the epoch that it is in, from 1; 0 where it has none.
        epochs: how many it has.
        left: seconds that remain; None where nothing is known.
    """

    share: float | None
    epoch: int
    epochs: int
    left: float | None


class Outlook:
    """Keeps what the nodes have said, and looks ahead."""

    def __init__(self, costs: dict[str, float], cores: int) -> None:
        self._costs, self._cores = costs, cores
        self._seen: dict[str, float] = {}
        # At its first word: a training that goes on has done a share before.
        self._began: dict[str, tuple[float, float]] = {}
        self._running: set[str] = set()
        self._worked: dict[str, tuple[float, float]] = {}

    def see(self, running: dict[str, Node]) -> dict[str, State]:
        """Return how far the running nodes are."""
        self._running = set(running)
        return {key: self._state(key) for key in running}

    def left(self, made: Plan, states: dict[str, State], done: set[str]) -> float | None:
        """Return the seconds that remain of the whole plan's trainings, if they can be told."""
        if not self._costs:
            return None
        total = 0.0
        for node in made.missing:
            if node.key in done:
                continue
            state = states.get(node.key)
            seconds = state.left if state else None
            if seconds is None:
                seconds = self._costs.get(node.key, 0.0) * self._pace()
            total += seconds * min(node.threads, self._cores) / self._cores
        return total

    def spent(self, key: str) -> float | None:
        """Return the seconds since a node was first seen to run."""
        return time.monotonic() - self._seen[key] if key in self._seen else None

    def _state(self, key: str) -> State:
        word = store.progress(key)
        epoch, epochs = int(word.get("epoch", 0)), int(word.get("epochs", 0))
        share = (epoch + float(word.get("share", 0))) / epochs if epochs else None
        now = time.monotonic()
        self._seen.setdefault(key, now)
        return State(share, epoch + 1 if epochs else 0, epochs, self._left(key, now, share))

    def _left(self, key: str, now: float, share: float | None) -> float | None:
        """Return the seconds that remain of a training."""
        if share is None:
            return self._costs[key] * self._pace() if key in self._costs else None
        began, before = self._start(key, now, share)
        elapsed, gained = now - began, share - before
        if gained > 0 and elapsed > _SETTLED:
            self._worked[key] = (elapsed, gained / (1 - before))
            return elapsed / gained * (1 - share)
        if key not in self._costs:
            return None
        # What was done before is no part of the estimate.
        return self._costs[key] * (1 - gained / max(1 - before, 1e-9)) * self._pace()

    def _start(self, key: str, now: float, share: float) -> tuple[float, float]:
        """Return when and at which share it began here; a word left by an earlier run is undone."""
        if key not in self._began or share < self._began[key][1]:
            self._began[key] = (now, share)
        return self._began[key]

    def _pace(self) -> float:
        """Return how much slower the trainings are than what was estimated."""
        known = [
            (*self._worked[key], self._costs[key]) for key in self._worked if self._costs.get(key)
        ]
        expected = sum(gained * cost for _, gained, cost in known)
        return sum(elapsed for elapsed, _, _ in known) / expected if expected else 1.0


class Lines:
    """Plain lines: one for each node that is finished, and one now and then."""

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook
        self._done: set[str] = set()
        self._said = time.monotonic()

    def __call__(self, made: Plan, running: dict[str, Node], done: set[str]) -> None:
        """Say what is new: each finished node, and every half minute what runs."""
        states = self._outlook.see(running)
        count = len(made.missing)
        for node in made.missing:
            if node.key in done - self._done:
                self._done.add(node.key)
                spent = self._outlook.spent(node.key)
                took = f", {duration(spent)}" if spent and spent >= 1 else ""
                self._say(f"[{len(self._done)}/{count}] {node.label}: done{took}")
        if time.monotonic() - self._said > EVERY:
            for key, node in running.items():
                self._say(f"[{len(done)}/{count}] {node.label}: {_words(states[key])}")
            left = self._outlook.left(made, states, done)
            if left is not None:
                self._say(f"[{len(done)}/{count}] about {duration(left)} of training left")

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        print(line, file=sys.stderr, flush=True)


def _words(state: State) -> str:
    epoch = f"epoch {state.epoch}/{state.epochs}" if state.epochs else "at work"
    left = f", about {duration(state.left)} left" if state.left is not None else ""
    return epoch + left
