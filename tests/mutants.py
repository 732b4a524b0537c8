"""Mutated files with a fixed seed: half keep their head, so that they get past the first check."""

from collections.abc import Iterator

import numpy as np


def mutants(data: bytes, count: int, seed: int, head: int) -> Iterator[bytes]:
    """Yield `count` mutants of a file; every other one keeps its first `head` bytes."""
    dice = np.random.default_rng(seed)
    for number in range(count):
        start = head if number % 2 else 0
        yield data[:start] + _changed(data[start:], dice)


def _changed(data: bytes, dice: np.random.Generator) -> bytes:
    kind, body = int(dice.integers(5)), bytearray(data)
    place = int(dice.integers(max(1, len(body))))
    if kind == 0:  # cut short
        return bytes(body[:place])
    if kind == 1:  # some bytes changed
        for at in dice.integers(0, max(1, len(body)), int(dice.integers(1, 30))):
            if body:
                body[at] = int(dice.integers(256))
    elif kind == 2:  # a piece repeated
        body[place:place] = body[place : place + int(dice.integers(1, 200))]
    elif kind == 3:  # a piece lost
        del body[place : place + int(dice.integers(1, 200))]
    else:  # numbers made extreme
        extreme = [
            b"\xff\xff\xff\xff",
            b"\x00\x00\x00\x80",
            b"\x00\x00\x00\x00",
            b"\xff\xff\xff\x7f",
        ]
        for at in dice.integers(0, max(1, len(body) - 4), 3):
            body[at : at + 4] = extreme[int(dice.integers(4))]
    return bytes(body)
