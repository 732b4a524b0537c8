"""Stratified splits that depend on nothing but the labels, a key an image, and a seed.

The order within a class comes from hashes and not from a random generator, whose stream may change
with a library's version.
"""

import json
from collections.abc import Sequence
from hashlib import blake2b, sha256

import numpy as np
from numpy.typing import NDArray

SPLIT_REVISION = 1
"""Raise it when the same files come to be split differently: it is part of every checksum."""

SEED = 2022
HELD_OUT = (0.15, 0.15)
"""Shares of validation and test where the source has no official test set."""


def stratified(
    labels: NDArray[np.int64], keys: Sequence[str], shares: Sequence[float]
) -> list[NDArray[np.int64]]:
    """Divide the images of each class: one part a share, and what remains.

    Args:
        labels: int64 [n].
        keys: n strings that identify the images; equal keys stay neighbours.
        shares: of each class, rounded, but at least one image.

    Returns:
        One sorted int64 array of indices a share, and a last one with the rest.
    """
    parts: list[list[int]] = [[] for _ in (*shares, 1)]
    for label in np.unique(labels):
        order = sorted(np.flatnonzero(labels == label).tolist(), key=lambda i: _rank(keys[i]))
        ends = np.cumsum([max(1, round(len(order) * share)) for share in shares]).tolist()
        for part, start, end in zip(parts, [0, *ends], [*ends, len(order)], strict=True):
            part.extend(order[start:end])
    return [np.array(sorted(part), dtype=np.int64) for part in parts]


def digest(*parts: object) -> str:
    """Return the SHA-256 (hexadecimal) of JSON-like parts, unambiguous at their borders."""
    return sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _rank(key: str) -> bytes:
    return blake2b(f"{SEED}/{key}".encode(), digest_size=16).digest()
