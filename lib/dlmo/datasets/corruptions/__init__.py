"""Common corruptions: 15 kinds of noise, blur, weather and digital damage, in five severities.

Kinds and constants are those of CIFAR-10-C (Hendrycks and Dietterich, ICLR 2019), written for
images of 32×32 pixels; lengths are in pixels, whatever the size. Two things are not as there: the
photographs of frost are replaced by a texture that is computed, and colours are rounded, not cut
off. The random numbers depend on the seed, the kind and the severity alone, so that all files are
shown the same images.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlmo.datasets.corruptions import blur, digital, noise, weather
from dlmo.datasets.splits import stratified
from dlmo.errors import unknown

__all__ = ["FAMILIES", "KINDS", "SEED", "SEVERITIES", "corrupted", "every_severity", "subset"]

SEVERITIES = 5

SEED = 2019
"""Of the random numbers."""


class Kind(NamedTuple):
    """One kind of corruption.

    Attributes:
        family: noise, blur, weather or digital.
        apply: makes it of images in 0 … 1, [n, height, width, 3], with the constants of one
            severity and a random generator.
        constants: by severity, the mildest first.
    """

    family: str
    apply: Callable[..., NDArray[np.float64]]
    constants: tuple[tuple[float, ...], ...]


def _each(*values: float) -> tuple[tuple[float, ...], ...]:
    return tuple((value,) for value in values)


KINDS: dict[str, Kind] = {
    "gaussian noise": Kind("noise", noise.gaussian, _each(0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot noise": Kind("noise", noise.shot, _each(500, 250, 100, 75, 50)),
    "impulse noise": Kind("noise", noise.impulse, _each(0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus blur": Kind(
        "blur", blur.defocus, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))
    ),
    "glass blur": Kind(
        "blur", blur.glass, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))
    ),
    "motion blur": Kind("blur", blur.motion, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom blur": Kind("blur", blur.zoom, _each(1.05, 1.10, 1.15, 1.20, 1.25)),
    "snow": Kind(
        "weather",
        weather.snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "frost": Kind(
        "weather", weather.frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))
    ),
    "fog": Kind("weather", weather.fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": Kind("weather", weather.brightness, _each(0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": Kind("digital", digital.contrast, _each(0.75, 0.5, 0.4, 0.3, 0.15)),
    "elastic": Kind(
        "digital",
        digital.elastic,
        ((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
    ),
    "pixelate": Kind("digital", digital.pixelate, _each(0.95, 0.9, 0.85, 0.75, 0.65)),
    "jpeg": Kind("digital", digital.jpeg, _each(80, 65, 58, 50, 40)),
}
"""The 15 kinds in the order of the benchmark, with CIFAR-10-C's constants."""

FAMILIES = tuple(dict.fromkeys(kind.family for kind in KINDS.values()))


def corrupted(
    images: NDArray[np.uint8], kind: str, severity: int, seed: int = SEED
) -> NDArray[np.uint8]:
    """Return images with one corruption.

    Args:
        images: uint8 [n, height, width, 3].
        kind: one of `KINDS`.
        severity: 1 (mild) to 5.
        seed: of the random numbers; with the same seed, number of images, kind and severity the
            same are drawn.

    Raises:
        UserError: there is no such kind or severity.
        ValueError: the images are of another form.
    """
    if kind not in KINDS:
        raise unknown("corruption", kind, KINDS)
    if severity not in range(1, SEVERITIES + 1):
        raise unknown("severity", str(severity), map(str, range(1, SEVERITIES + 1)))
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images: {images.dtype} {images.shape}, not uint8 [n, h, w, 3]")
    known = KINDS[kind]
    chance = np.random.default_rng([seed, list(KINDS).index(kind), severity])
    made = known.apply(images / 255.0, *known.constants[severity - 1], chance=chance)
    return np.rint(255 * np.clip(made, 0, 1)).astype(np.uint8)


def every_severity(images: NDArray[np.uint8], kind: str, seed: int = SEED) -> NDArray[np.uint8]:
    """Return images with one kind of corruption, [severities, n, height, width, 3].

    Small sets of images are corrupted once in a process, however many files are shown them.

    Raises:
        UserError: there is no such kind.
    """
    if images.nbytes > _SMALL:
        return _every(images, kind, seed)
    return _kept(images.tobytes(), images.shape, kind, seed)


_SMALL = 4_000_000
"""Bytes of images whose corruptions are kept: all kinds take 75 times as much."""


@lru_cache(maxsize=len(KINDS))
def _kept(data: bytes, shape: tuple[int, ...], kind: str, seed: int) -> NDArray[np.uint8]:
    made = _every(np.frombuffer(data, np.uint8).reshape(shape), kind, seed)
    made.flags.writeable = False
    return made


def _every(images: NDArray[np.uint8], kind: str, seed: int) -> Any:
    return np.stack([corrupted(images, kind, one + 1, seed) for one in range(SEVERITIES)])


def subset(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the places of about `count` images, of each class as large a share as in all.

    Which they are depends on the labels alone; the split's own seed orders them.

    Args:
        labels: [n].
        count: how many; all where there are no more.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    keys = [str(place) for place in range(len(labels))]
    return stratified(labels, keys, [count / len(labels)])[0]
