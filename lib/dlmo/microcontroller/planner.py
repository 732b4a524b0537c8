"""Where TFLite Micro's greedy planner lays the values in the arena, and so what its gaps cost.

The planner (tflite-micro, `memory_planner/greedy_memory_planner.cc`) lays the largest value first,
of equal ones that which it heard of last, each at the first gap between those that are in RAM at
the same time. A residual network's equal values come out worse than need be: a value that waits
for its addition may lie above the gap that its successors could have shared.
"""

from dataclasses import dataclass

ALIGNMENT = 16
"""Each value begins at a multiple of so many bytes."""


@dataclass(frozen=True)
class Value:
    """A value in RAM: its bytes, and the places of the first and last operator that need it."""

    bytes: int
    first: int
    last: int


def planned(values: list[Value]) -> int:
    """Return the bytes from the start of the arena to the end of the last value.

    Args:
        values: in the order of their tensors.
    """
    laid: list[tuple[int, int, Value]] = []
    order = sorted(enumerate(values), key=lambda one: (-_aligned(one[1]), -one[0]))
    for _, value in order:
        start = _gap(value, laid)
        laid.append((start, start + _aligned(value), value))
    return max((end for _, end, _ in laid), default=0)


def _gap(value: Value, laid: list[tuple[int, int, Value]]) -> int:
    """Return the start of the first gap in which a value has room, or the end of all."""
    start = 0
    for begin, end, other in sorted(laid, key=lambda one: one[0]):
        if other.first > value.last or value.first > other.last:
            continue
        if begin - start >= _aligned(value):
            break
        start = max(start, end)
    return start


def _aligned(value: Value) -> int:
    return -(-value.bytes // ALIGNMENT) * ALIGNMENT
