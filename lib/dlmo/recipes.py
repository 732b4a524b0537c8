"""Recipes: everything that a step needs, as data. A profile is a named set of them.

A profile is one file, `data/recipes/NAME.yml`. What holds for a step of a network is merged from
the general to the particular: `every_step`, `steps.STEP`, `networks.NETWORK.every_step`,
`networks.NETWORK.STEP`, and last what a rerunner overrides.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from dlmo import paths, spec
from dlmo.errors import UserError, unknown
from dlmo.techniques import StepName

Overrides = tuple[tuple[str, Any], ...]
"""What a rerunner changes: `("sparsity", 0.5)` everywhere, `("train.epochs", 3)` in one step."""


Precision = Literal["float32", "bfloat16"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Augmentation(_Strict):
    """What happens to an image before the network sees it, a function of (seed, epoch, image)."""

    flip: bool = False
    shift: int = Field(default=0, ge=0, le=16, description="largest shift, pixels, each direction")


class Step(_Strict):
    """What every training step needs."""

    untrained: bool = Field(
        False,
        # Left out where it says nothing, so that it is no part of a trained network's key.
        exclude_if=lambda given: not given,
        description="weights stay as initialised: for sizes, memory and latency, never accuracy",
    )
    optimizer: Literal["sgd", "adam"]
    learning_rate: float = Field(gt=0, le=10)
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD (Nesterov's)")
    weight_decay: float = Field(0.0, ge=0, lt=1, description="decoupled, on kernels only")
    schedule: Literal["constant", "one_cycle"]
    warmup: float = Field(0.25, ge=0, lt=1, description="share of the steps that warm up")
    epochs: int = Field(ge=0, le=10_000)
    batch_size: int = Field(ge=1, le=65_536)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    augmentation: Augmentation = Augmentation()
    threads: int = Field(2, ge=1, le=256)
    precision: Precision = Field(
        "float32",
        exclude_if=lambda given: given == "float32",  # as above: no part of older keys
        description="of convolutions and matrix products; weights and sums stay float32",
    )

    @field_validator("epochs")
    @classmethod
    def _trains(cls, epochs: int, seen: ValidationInfo) -> int:
        if bool(seen.data.get("untrained")) != (epochs == 0):
            raise ValueError("must be at least 1, or 0 with untrained: true")
        return epochs


class Prune(Step):
    """Magnitude pruning along a polynomial schedule (paper, Section 3.2; Zhu and Gupta)."""

    sparsity: float = Field(gt=0, lt=1)
    initial_sparsity: float = Field(0.0, ge=0, lt=1)
    begin: float = Field(0.0, ge=0, lt=1, description="share of the steps before pruning")
    end: float = Field(gt=0, le=1, description="share of the steps at which the target is reached")
    frequency: int = Field(ge=1, description="steps between two updates of the masks")

    @model_validator(mode="after")
    def _ordered(self) -> "Prune":
        if self.begin >= self.end:
            raise ValueError("begin must lie before end")
        if self.initial_sparsity >= self.sparsity:
            raise ValueError("initial_sparsity must be below sparsity")
        return self


class Distil(Step):
    """Distillation after Hinton (paper, Section 3.3, Equation 3)."""

    teacher: str
    temperature: float = Field(gt=0, le=1000)
    soft_weight: float = Field(ge=0, le=1, description="weight of the soft target")


class Conversion(_Strict):
    """What turning weights into a deployable needs."""

    calibration_samples: int = Field(ge=1, description="images of the training split (FIQ, QAT)")
    calibration_seed: int = Field(0, ge=0)


STEP_MODELS: dict[StepName, type[Step]] = {
    "train": Step,
    "distil": Distil,
    "finetune": Step,
    "prune": Prune,
    "qat": Step,
}


class Build(_Strict):
    """How much of a network is built: 1 is all of it (profile `smoke` builds less)."""

    width: float = Field(1.0, gt=0, le=1)
    depth: float = Field(1.0, gt=0, le=1)


class Profile:
    """A profile: gives the recipe of each step for each network."""

    def __init__(self, name: str, data: CommentedMap, source: Path) -> None:
        self.name = name
        self.about = str(data.get("about", ""))
        self._data = data
        self._source = source
        self._check()

    def step(self, step: StepName, network: str, overrides: Overrides = ()) -> Step:
        """Return the recipe of one step for a network (a name, options in brackets allowed).

        Raises:
            UserError: what results makes no sense; says where.
        """
        layers = [self._data.get("every_step"), self._data.get("steps", {}).get(step)]
        for own in self._own(network):
            layers += [own.get("every_step"), own.get(step)]
        return self._merge(STEP_MODELS[step], step, layers, overrides)

    def conversion(self, network: str, overrides: Overrides = ()) -> Conversion:
        """Return the recipe of the conversions for a network."""
        layers = [self._data.get("conversion")]
        layers += [own.get("conversion") for own in self._own(network)]
        return self._merge(Conversion, "conversion", layers, overrides)

    def build(self, network: str) -> Build:
        """Return how much of a network this profile builds."""
        layers = [self._data.get("build")] + [own.get("build") for own in self._own(network)]
        return self._merge(Build, "build", layers, ())

    def _own(self, network: str) -> list[Mapping[str, Any]]:
        """Return the sections for a network: its family's name, then its full specification."""
        sections = self._data.get("networks", {})
        names = dict.fromkeys((spec.split(network)[0], network))
        return [sections[name] for name in names if name in sections]

    def _merge(
        self,
        model: type[BaseModel],
        section: str,
        layers: list[Mapping[str, Any] | None],
        given: Overrides,
    ) -> Any:
        merged: dict[str, Any] = {}
        for layer in layers:
            merged.update(layer or {})
        for key, value in given:
            where, _, field = key.rpartition(".")
            if where in ("", section) and field in model.model_fields:
                merged[field] = value
        try:
            return model.model_validate(merged)
        except ValidationError as error:
            raise self._complaint(section, layers, error, given) from None

    def _complaint(
        self, section: str, layers: list[Any], error: ValidationError, given: Overrides
    ) -> UserError:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        reason = f"{section}.{field}: {first['msg']}".replace("..", ".").replace(".:", ":")
        if field in {key.rpartition(".")[2] for key, _ in given}:
            return UserError(f"the parameter {field} makes no sense: {reason}")
        return UserError(f"{self._source.name}:{_line(layers, field)}: {reason}")

    def _check(self) -> None:
        """Validate everything that the file says, whether it is asked for or not."""
        known = {"profile", "about", "every_step", "steps", "conversion", "networks", "build"}
        _refuse_unknown_keys(self._source, self._data, known, "section")
        _refuse_values(self._source, self._data, but=("profile", "about"))
        steps, networks = self._data.get("steps", {}), self._data.get("networks", {})
        _refuse_unknown_keys(self._source, steps, set(STEP_MODELS), "step")
        _refuse_values(self._source, steps)
        _refuse_values(self._source, networks)
        inside = {*STEP_MODELS, "conversion", "build", "every_step"}
        for network, section in networks.items():
            _refuse_unknown_keys(self._source, section, inside, f"step of {network}")
            _refuse_values(self._source, section)
        for network in ("", *networks):
            for step in steps:
                self.step(step, network or "any")
            self.conversion(network or "any")
            self.build(network or "any")


def names() -> tuple[str, ...]:
    """Return the names of the profiles that have a file."""
    return tuple(sorted(file.stem for file in paths.recipes().glob("*.yml")))


def profile(name: str) -> Profile:
    """Load a profile by its name.

    Raises:
        UserError: no such profile, or its file is wrong (file and line are named).
    """
    file = paths.recipes() / f"{name}.yml"
    if name not in names():
        raise unknown("profile", name, names())
    return _load(file, file.stat().st_mtime_ns)


def fields() -> frozenset[str]:
    """Return the names of all that a recipe can say, of a step or of a conversion."""
    models: tuple[type[BaseModel], ...] = (*STEP_MODELS.values(), Conversion)
    return frozenset(name for model in models for name in model.model_fields)


def parse_overrides(given: Mapping[str, Any]) -> Overrides:
    """Return overrides in their one order.

    Raises:
        UserError: no step and no conversion has such a field.
    """
    sections = {*STEP_MODELS, "conversion"}
    for key in given:
        where, _, field = key.rpartition(".")
        if field not in fields():
            raise unknown("recipe parameter", field, fields())
        if where and where not in sections:
            raise unknown("step", where, sections)
        if not isinstance(given[key], str | int | float | bool):
            raise UserError(f"the parameter {key} must be a number or a word, not {given[key]!r}")
    return tuple(sorted(given.items()))


def value(word: str) -> Any:
    """Return what a word on the command line means as YAML: a number, true, or itself.

    Raises:
        UserError: it is no YAML, such as an open bracket.
    """
    try:
        return YAML(typ="safe").load(word)
    except YAMLError:
        raise UserError(f"{word!r} is no value; write a number, true, false or a name") from None


@lru_cache
def _load(file: Path, _changed: int) -> Profile:
    try:
        data = YAML(typ="rt").load(file.read_text("utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", error)).split())
        raise UserError(f"{file.name}{line}: not YAML ({reason})") from None
    if not isinstance(data, CommentedMap):
        raise UserError(f"{file.name}:1: a profile is a mapping with the key 'steps'")
    return Profile(file.stem, data, file)


def _refuse_unknown_keys(source: Path, data: CommentedMap, known: set[str], kind: str) -> None:
    for key in data:
        if key not in known:
            line = _line([data], key)
            raise UserError(f"{source.name}:{line}: {unknown(kind, str(key), known)}")


def _refuse_values(source: Path, data: CommentedMap, but: tuple[str, ...] = ()) -> None:
    """Refuse a number or a word where a mapping belongs."""
    for key, section in data.items():
        if key not in but and not isinstance(section, CommentedMap):
            raise UserError(f"{source.name}:{_line([data], key)}: {key} must be a mapping")


def _line(layers: list[Any], field: str) -> int:
    """Return the line (from 1) where a field was set last, or where the last section begins."""
    found = [layer for layer in layers if isinstance(layer, CommentedMap)]
    for layer in reversed(found):
        if field in layer:
            return int(layer.lc.key(field)[0]) + 1
    return int(found[-1].lc.line) + 1 if found else 1
