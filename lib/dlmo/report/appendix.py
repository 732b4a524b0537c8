"""The tables of the appendix: recipes as run, versions, data sheets."""

from importlib import metadata
from typing import Any

import pandas as pd

from dlmo import paths, recipes, records, sources
from dlmo.errors import UserError
from dlmo.recipes import STEP_MODELS
from dlmo.report import tables, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_tables import title

# Recipes ----------------------------------------------------------------------------------------

_OTHERS = "others"
"""A name that no profile has a section for."""


@cited
def recipe(profile: str, networks: list[str]) -> Table:
    """Return how each step trains under a profile; networks with a recipe of their own share a row.

    Args:
        profile: the set of recipes.
        networks: those that are looked at.
    """
    known = recipes.profile(profile)
    lines: list[dict[str, str]] = []
    for step in STEP_MODELS:
        general = known.step(step, _OTHERS)
        alike: dict[recipes.Step, list[str]] = {general: []}
        for network in networks:
            alike.setdefault(known.step(step, network), []).append(title(network))
        alike[general] = ["all others"]
        lines += [
            {"Step": step, "Network": text.listing(names), **_fields(own)}
            for own, names in alike.items()
        ]
    caption = f"Recipes of profile {profile}: {known.about}"
    wrapped = ["Network", "Optimizer", "Learning rate", "Augmentation", "Of its own"]
    return tables.styled(
        pd.DataFrame(lines), caption=caption, name=f"recipe-{profile}", wrap=wrapped
    )


def _fields(step: recipes.Step) -> dict[str, str]:
    given = step.model_dump()
    own = [
        f"{name.replace('_', ' ')} {_written(value)}"
        for name, value in given.items()
        if name not in recipes.Step.model_fields
    ]
    momentum = f", momentum {step.momentum:g}" if step.optimizer == "sgd" else ""
    warmup = f", warm-up {text.percent(step.warmup, 0)}" if step.schedule == "one_cycle" else ""
    return {
        "Optimizer": f"{step.optimizer}{momentum}",
        "Learning rate": f"{step.learning_rate:g}, {step.schedule.replace('_', ' ')}{warmup}",
        "Epochs": str(step.epochs),
        "Batch": str(step.batch_size),
        "Weight decay": f"{step.weight_decay:g}",
        "Label smoothing": f"{step.label_smoothing:g}",
        "Precision": step.precision,
        "Augmentation": _augmentation(given["augmentation"]),
        "Of its own": ", ".join(own) or text.NONE,
    }


def _augmentation(given: dict[str, Any]) -> str:
    parts = ["flip"] if given["flip"] else []
    parts += [f"shift by {given['shift']} pixels"] if given["shift"] else []
    return text.listing(parts) or "none"


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


# The environment ----------------------------------------------------------------------------------


@cited
def environment() -> Table:
    """Return the packages that the report asks for, the pinned version and the installed one."""
    lines = [
        {"Package": name, "Pinned": pinned, "Installed here": _installed(name)}
        for name, pinned in _requirements()
    ]
    caption = "What the report asks for, and what built this page."
    return tables.styled(pd.DataFrame(lines), caption=caption, name="environment")


@cited
def machines(profile: str) -> str:
    """Say on which processors, with which versions, what a profile rests on was made."""
    used = [one for one in records.every() if one.trial.profile == profile]
    if not used:
        return f"Profile {profile} is {text.MISSING}."
    sources.note(*(one.key for one in used))
    processors = sorted({one.provenance.machine.processor for one in used})
    pythons = sorted({one.provenance.machine.python for one in used})
    return (
        f"The {len(used):,} records of profile {profile} were made on {text.listing(processors)}, "
        f"with Python {text.listing(pythons)}."
    )


def _requirements() -> list[tuple[str, str]]:
    lines = (paths.ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    # Behind a semicolon stands on which systems a package is wanted.
    pins = [line.partition(";")[0].partition("==") for line in lines if "==" in line]
    return [(name.strip(), version.strip()) for name, _, version in pins]


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


# Data sheets --------------------------------------------------------------------------------------


@cited
def sheet(dataset: str) -> Table:
    """Return the data sheet that is kept of a dataset, as `dlmo data sheet` counts it.

    Raises:
        UserError: none is kept.
    """
    file = paths.sheets() / f"{dataset}.csv"
    if not file.is_file():
        raise UserError(f"no data sheet is kept of {dataset}: dlmo data sheet {dataset} counts it")
    counted = pd.read_csv(file)
    heads = {name: name.replace("_", " ") for name in counted.columns}
    frame = counted.rename(columns=heads)
    return tables.styled(
        frame,
        caption=f"Data sheet of {title(dataset)}: images of each class.",
        formats=dict.fromkeys(frame.columns[1:], "{:,}"),
        name=f"sheet-{dataset}",
    )


@cited
def duplicates(*datasets: str) -> str:
    """Say how many test images are also among the others, of each dataset."""
    said = []
    for name in datasets:
        total = pd.read_csv(paths.sheets() / f"{name}.csv").iloc[-1]
        said.append(f"{int(total['test_seen'])} of {int(total['test']):,} for {title(name)}")
    return (
        "Test images whose pixels also stand in the training or validation split: "
        f"{text.listing(said)}."
    )
