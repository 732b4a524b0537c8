"""A trial: what a person asks for."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dlmo import recipes, rich
from dlmo.errors import UserError
from dlmo.techniques import Technique, technique


class Trial(BaseModel):
    """One (dataset, network, technique, profile, seed), and what the profile is overridden with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    network: str
    technique: str
    profile: str = "reference"
    seed: int = Field(0, ge=0)
    overrides: tuple[tuple[str, Any], ...] = ()

    @field_validator("technique")
    @classmethod
    def _known(cls, name: str) -> str:
        return technique(name).name

    @field_validator("overrides", mode="before")
    @classmethod
    def _pairs(cls, given: Any) -> tuple[tuple[str, Any], ...]:
        pairs = tuple(given) if isinstance(given, tuple | list) else (given,)
        for pair in pairs:
            if not (isinstance(pair, tuple | list) and len(pair) == 2):
                raise ValueError("overrides are pairs of a key and a value")
            if not isinstance(pair[1], str | int | float | bool | None):
                raise ValueError(f"{pair[0]} must be a number or a word")
        return tuple((str(key), value) for key, value in pairs)

    @property
    def plan(self) -> Technique:
        """Its technique's steps and conversion."""
        return technique(self.technique)

    def sibling(self, name: str) -> "Trial":
        """Return the trial that differs in the technique alone."""
        return self.model_copy(update={"technique": name})

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        values = {
            "dataset": self.dataset,
            "network": self.network,
            "technique": f"{self.technique}: {', '.join(self.plan.steps)}; {self.plan.conversion}",
            "profile": self.profile,
            "seed": str(self.seed),
            "changed": dict(self.overrides),
        }
        return rich.facts(f"Trial {self}", values)

    def __str__(self) -> str:
        changed = ",".join(f"{key}={value}" for key, value in self.overrides)
        path = "/" in self.network and not self.network.startswith("/")
        where = f"{self.dataset}/{'/./' if path else ''}{self.network}"
        name = f"{where}/{self.technique}/{self.profile}/{self.seed}"
        return f"{name}{{{changed}}}" if changed else name


_TEXT = re.compile(
    r"^(?P<place>.+/[^/]+)/(?P<technique>[^/]+)/(?P<profile>[^/]+)/(?P<seed>\d+)"
    r"(\{(?P<changed>[^{}]*)\})?$"
)


def parse(text: str) -> Trial:
    """Read `dataset/network/technique/profile/seed`, with `{key=value,…}` for overrides.

    Raises:
        UserError: the text is not of that form, or a name in it is unknown.
    """
    match = _TEXT.match(text)
    if not match:
        raise UserError(
            f"{text!r} is no trial; write dataset/network/technique/profile/seed, "
            "for example cifar10/vggnet/FIQ/reference/0"
        )
    changed = [pair.partition("=")[::2] for pair in (match["changed"] or "").split(",") if pair]
    overrides = recipes.parse_overrides({key: recipes.value(word) for key, word in changed})
    dataset, network = _split(match["place"])
    names = {key: match[key] for key in ("technique", "profile")}
    return Trial(
        dataset=dataset, network=network, seed=int(match["seed"]), overrides=overrides, **names
    )


def _split(place: str) -> tuple[str, str]:
    """Split `dataset/network`; a network that is a path begins with the only double slash."""
    dataset, found, network = place.partition("//")
    if not found:
        dataset, _, network = place.rpartition("/")
        return dataset, network
    return dataset, network[2:] if network.startswith("./") else f"/{network}"
