"""The registry of networks: one decorated function a network, with its options as its keywords."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dlmo import spec as notation
from dlmo.errors import UserError, unknown
from dlmo.keras_ import keras
from dlmo.networks import own

Tensor = Any
"""A symbolic Keras tensor."""

Builder = Callable[..., Tensor]

_BUILDERS: dict[str, Builder] = {}


@dataclass(frozen=True)
class Scale:
    """How much smaller than its original a network is built.

    Attributes:
        width: factor on the numbers of channels.
        depth: factor on the numbers of repeated blocks.
    """

    width: float = 1.0
    depth: float = 1.0

    def __post_init__(self) -> None:
        for name in ("width", "depth"):
            if not 0 < getattr(self, name) <= 16:
                raise UserError(
                    f"a network's {name} multiplier is {getattr(self, name)}; give 0 < {name} <= 16"
                )

    def channels(self, count: int) -> int:
        """Return `count` channels, scaled: a multiple of 8, at least 8; `count` itself at 1.0."""
        return count if self.width == 1 else nearest_eight(count * self.width)

    def blocks(self, count: int) -> int:
        """Return `count` repetitions, scaled, at least 1."""
        return max(1, round(count * self.depth))


def nearest_eight(channels: float) -> int:
    """Return the nearest multiple of 8 (a half goes up), at least 8, as the MobileNets round."""
    return max(8, int(channels / 8 + 0.5) * 8)


def network(function: Builder) -> Builder:
    """Register a function `(image, classes, scale, *, option=default, …) -> logits` by its name."""
    _BUILDERS[function.__name__] = function
    return function


def names() -> tuple[str, ...]:
    """Return the names of every network."""
    return tuple(sorted(_BUILDERS))


def build(
    spec: str, classes: int, *, width: float = 1.0, depth: float = 1.0, size: int = 32
) -> keras.Model:
    """Build a network with new random weights.

    Args:
        spec: its name, with options if need be: `wrn[depth=16,width=4]`. The path of a model of
            one's own gives that model with its weights, without a softmax; see `own`.
        classes: how many logits it returns.
        width: factor on the numbers of channels (the profile `smoke` uses small ones).
        depth: factor on the numbers of repeated blocks.
        size: height and width of the images in pixels.

    Returns:
        A model from float32 [b, size, size, 3] in [-1, 1] to float32 logits [b, classes].

    Raises:
        UserError: an unknown name or option, or a value out of range.
    """
    if own.is_own(spec):
        return own.build(spec, softmax=False)
    name, given = notation.options(spec)
    if name not in _BUILDERS:
        raise unknown("network", name, _BUILDERS)
    if classes < 2:
        raise UserError(f"a network for {classes} classes: give at least 2")
    options = _options(name, given)
    # Automatic names that don't depend on what was built before: equal weights, equal files.
    keras.backend.reset_uids()
    image = keras.Input((size, size, 3), name="image")
    logits = _BUILDERS[name](image, classes, Scale(width, depth), **options)
    return keras.Model(image, logits, name=name)


def _options(name: str, given: dict[str, int | float | str]) -> dict[str, Any]:
    parameters = inspect.signature(_BUILDERS[name]).parameters.values()
    known = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    for option in given:
        if not known:
            raise UserError(f"the network {name!r} has no options; {option!r} was given")
        if option not in known:
            raise unknown(f"option of the network {name!r}:", option, known)
    return {option: _value(name, option, value, known[option]) for option, value in given.items()}


def _value(name: str, option: str, value: int | float | str, default: Any) -> Any:
    if isinstance(default, bool):
        if str(value).lower() in ("0", "1", "false", "true"):
            return str(value).lower() in ("1", "true")
        raise UserError(f"{name}[{option}={value}]: give 0 or 1")
    if isinstance(value, str) or not value >= 1 or value % 1:
        raise UserError(f"{name}[{option}={value}]: give a whole number above 0, as {default}")
    return int(value)
