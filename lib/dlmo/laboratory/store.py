"""The store: weights, deployables and checkpoints on this machine, addressed by key.

Git ignores it. What others need besides the records is kept in `data/models/` as well.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from dlmo import paths, records
from dlmo.files import write_atomically, write_bytes


def weights_file(key: str) -> Path | None:
    """Return where the weights of a key lie, if anywhere."""
    return records.kept(key, "weights")


def deployable_file(key: str) -> Path | None:
    """Return where the `.tflite` of a key lies, if anywhere."""
    return records.kept(key)


def put_weights(key: str, weights: list[np.ndarray]) -> str:
    """Keep weights, and return the SHA-256 of their numbers."""
    target = paths.store() / "weights" / f"{key}.npz"
    write_atomically(target, lambda stream: np.savez(stream, *weights))
    return records.weights_digest(weights)


def get_weights(key: str, expected: str | None) -> list[np.ndarray] | None:
    """Return the weights of a key; nothing if they aren't here, or aren't what was kept.

    Args:
        key: of the weights.
        expected: the SHA-256 that they must have.
    """
    source = weights_file(key)
    if source is None:
        return None
    weights: list[np.ndarray] | None
    try:
        with np.load(source, allow_pickle=False) as archive:
            weights = [archive[f"arr_{place}"] for place in range(len(archive.files))]
    except (OSError, ValueError, KeyError, EOFError):
        weights = None
    if weights is not None and expected in (None, records.weights_digest(weights)):
        return weights
    source.rename(source.with_suffix(".corrupt"))
    return None


def put_deployable(key: str, data: bytes) -> Path:
    """Keep a deployable and return where."""
    target = paths.store() / "deployables" / f"{key}.tflite"
    write_bytes(target, data)
    return target


def checkpoints(key: str) -> Path:
    """Return the folder of the checkpoints of a training."""
    return paths.store() / "checkpoints" / key


@contextmanager
def lock(key: str) -> Iterator[None]:
    """Hold a node: who waits for it finds it done. A killed process lets go of it."""
    folder = paths.store() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{key}.lock", is_singleton=False):
        yield


def note_progress(key: str, state: dict[str, Any]) -> None:
    """Leave word of how far a node is."""
    target = paths.store() / "progress" / f"{key}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".new").write_text(json.dumps(state), "utf-8")
    target.with_suffix(".new").replace(target)


def progress(key: str) -> dict[str, Any]:
    """Return how far a node is, if there is word."""
    try:
        found = json.loads((paths.store() / "progress" / f"{key}.json").read_text("utf-8"))
        return dict(found)
    except (OSError, ValueError):
        return {}
