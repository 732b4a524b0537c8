"""Where things lie. Each folder can be moved by an environment variable, read at each call."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository: `lib/` is installed in place."""


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ[variable]).expanduser() if os.environ.get(variable) else ROOT / default


def datasets() -> Path:
    """Return the folder of the datasets' files (`DLMO_DATA`; default `data/datasets/`)."""
    return _folder("DLMO_DATA", "data/datasets")


def results() -> Path:
    """Return the folder of the records (`DLMO_RESULTS`; default `data/results/`)."""
    return _folder("DLMO_RESULTS", "data/results")


def models() -> Path:
    """Return the folder of the committed deployables (`DLMO_MODELS`; default `data/models/`)."""
    return _folder("DLMO_MODELS", "data/models")


def store() -> Path:
    """Return the folder of weights and checkpoints (`DLMO_STORE`; default `data/store/`)."""
    return _folder("DLMO_STORE", "data/store")


def recipes() -> Path:
    """Return the folder of the recipes (`DLMO_RECIPES`; default `data/recipes/`)."""
    return _folder("DLMO_RECIPES", "data/recipes")


def paper() -> Path:
    """Return the folder of the paper's tables, claims and references."""
    return ROOT / "data/paper"


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, of this process and its children, and set them back at the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


OWN = {"DLMO_RESULTS": "results", "DLMO_STORE": "store", "DLMO_MODELS": "models"}
"""The folders that a check must not write to, by the variable that moves them."""


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Let records, weights and models lie in a folder."""
    with environment({variable: str(folder / name) for variable, name in OWN.items()}):
        yield


@contextmanager
def elsewhere() -> Iterator[Path]:
    """Let records, weights and models lie in a temporary folder, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="dlmo-") as name, inside(Path(name)):
        yield Path(name)


def live() -> Path:
    """Return the folder of the live checks' records (`DLMO_LIVE`; default `_build/.live/`)."""
    return _folder("DLMO_LIVE", "_build/.live")


def sheets() -> Path:
    """Return the folder of the data sheets that are kept."""
    return ROOT / "data/sheets"
