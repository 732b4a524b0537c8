"""What a chapter was asked for: its parameters, and the trials that they mean."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import papermill
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dlmo import datasets, paths, recipes, spec
from dlmo.errors import UserError, unknown
from dlmo.techniques import StepName, technique
from dlmo.trials import Trial

Measure = Literal["auto", "missing", "never"]

SWEEPS: dict[str, tuple[tuple[str, ...], str]] = {
    "sparsities": (("PRN",), "prune.sparsity"),
    "temperatures": (("KD",), "distil.temperature"),
    "calibrations": (("FIQ",), "conversion.calibration_samples"),
    "control_epochs": (("NQ+FT+FIQ",), "finetune.epochs"),
}
"""Parameters that vary a recipe: the techniques that are varied, and what is overridden."""


class Asked(BaseModel):
    """The parameters that a chapter about trials has.

    Attributes:
        dataset: as the report names it.
        network: as the report names it.
        profile: the set of recipes.
        techniques: which, in the order in which they are shown.
        seed: the first one.
        seeds: how many there must be at least, from the first on; all that are recorded are shown.
        measure: "never": only records are read; "missing": what lacks is measured; "auto": the
            latter where any of the parameters above is not the chapter's own.
        latency: whether missing latencies are measured as well.
        sparsities, temperatures, calibrations, control_epochs: values that vary the recipe, see
            `SWEEPS`.
        own: the chapter's further parameters, by name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    dataset: str
    network: str
    profile: str = "reference"
    techniques: list[str] = Field(["NQ"], min_length=1)
    seed: int = Field(0, ge=0, le=1_000_000)
    seeds: int = Field(1, ge=1, le=1000)
    measure: Measure = "auto"
    latency: bool = False
    sparsities: list[float] = []
    temperatures: list[float] = []
    calibrations: list[int] = []
    control_epochs: list[int] = []
    own: dict[str, Any] = {}

    @field_validator("techniques")
    @classmethod
    def _with_parent(cls, names: list[str]) -> list[str]:
        # Every difference and every ratio is to NQ.
        return list(dict.fromkeys(["NQ", *names]))

    @property
    def trials(self) -> list[Trial]:
        """All trials: each technique with each seed, then those with a varied recipe."""
        plain = [self._trial(name, seed) for seed in self._seeds for name in self.techniques]
        varied = (trial for parameter in SWEEPS for _, trial in self.varied(parameter))
        return list(dict.fromkeys([*plain, *varied]))

    def varied(self, parameter: str) -> list[tuple[float, Trial]]:
        """Return each value of one of the `SWEEPS` with each trial that it means.

        A value that the recipe has anyway means the trial without overrides.
        """
        names, key = SWEEPS[parameter]
        section, _, field = key.partition(".")
        profile = recipes.profile(self.profile)
        if section == "conversion":
            recipe: Any = profile.conversion(self.network)
        else:
            recipe = profile.step(cast(StepName, section), self.network)
        return [
            (
                value,
                self._trial(name, seed, () if getattr(recipe, field) == value else ((key, value),)),
            )
            for value in getattr(self, parameter)
            for name in names
            for seed in self._seeds
        ]

    @property
    def _seeds(self) -> range:
        return range(self.seed, self.seed + self.seeds)

    def _trial(self, technique: str, seed: int, overrides: recipes.Overrides = ()) -> Trial:
        return Trial(
            dataset=self.dataset,
            network=self.network,
            technique=technique,
            profile=self.profile,
            seed=seed,
            overrides=overrides,
        )


def notebook(name: str) -> Path:
    """Return the notebook of a chapter.

    Raises:
        UserError: there is no such chapter.
    """
    folder = paths.ROOT / "chapters"
    known = {file.stem for file in folder.glob("*.ipynb")}
    if name not in known:
        raise unknown("chapter", name, known)
    return folder / f"{name}.ipynb"


def defaults(name: str) -> dict[str, Any]:
    """Return the parameters of a chapter with the values that stand in it."""
    found = papermill.inspect_notebook(notebook(name))
    return {one: ast.literal_eval(given["default"]) for one, given in found.items()}


def ask(name: str, parameters: Mapping[str, Any]) -> Asked:
    """Return what a chapter is asked for; parameters that are not given keep their default.

    Args:
        name: of the chapter.
        parameters: by name; what is no parameter of the chapter is left out, so that a cell may
            pass its `globals()`.

    Raises:
        UserError: a name or a value makes no sense.
    """
    own = defaults(name)
    given = {one: value for one, value in parameters.items() if one in own}
    try:
        asked = Asked.model_validate({**own, **given})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UserError(f"parameter {field} of {name}: {first['msg']}") from None
    _check(asked)
    further = {one: value for one, value in {**own, **given}.items() if one not in _FIELDS}
    return asked.model_copy(update={"own": further})


_FIELDS = frozenset(Asked.model_fields) - {"own"}


def _check(asked: Asked) -> None:
    for one in asked.techniques:
        technique(one)
    recipes.profile(asked.profile)
    base = spec.split(asked.dataset)[0]
    # Anything that looks like a path is a folder of images, which is looked at when it is read.
    if base not in datasets.names() and "/" not in base and not Path(base).exists():
        raise unknown("dataset", base, datasets.names())


def changed(name: str, asked: Asked) -> bool:
    """Say whether a chapter is asked for other trials than its own parameters mean."""
    return asked.trials != Asked.model_validate(defaults(name)).trials


def trials(name: str, parameters: Mapping[str, Any]) -> list[Trial]:
    """Return the trials that a chapter shows with some parameters; none where it is about none.

    Raises:
        UserError: there is no such chapter, or a parameter makes no sense.
    """
    if not {"dataset", "network"} <= set(defaults(name)):
        return []
    return ask(name, parameters).trials
