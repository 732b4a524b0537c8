"""Weather: snow, frost on the lens, fog, and more light."""

import numpy as np

from dlmo.datasets.corruptions.noise import Images
from dlmo.datasets.corruptions.parts import fractal, smeared, zoomed

_GREY = np.array([0.299, 0.587, 0.114])
"""How bright red, green and blue are (ITU-R BT.601)."""

_ICE = np.array([0.75, 0.88, 1.0])
"""The colour of frost, where it is thick."""


def snow(
    images: Images,
    mean: float,
    deviation: float,
    larger: float,
    least: float,
    radius: float,
    smear: float,
    share: float,
    *,
    chance: np.random.Generator,
) -> Images:
    """Let flakes fall: bright spots, smeared downwards, over a paler image."""
    n, height, width, _ = images.shape
    flakes = zoomed(chance.normal(mean, deviation, (n, height, width, 1)), larger)
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1)
    flakes = smeared(flakes, radius, smear, chance.uniform(-135, -45, n))
    grey = (images @ _GREY)[..., None]
    pale = share * images + (1 - share) * np.maximum(images, 1.5 * grey + 0.5)
    return pale + flakes + np.rot90(flakes, 2, axes=(1, 2))


def frost(images: Images, image: float, ice: float, *, chance: np.random.Generator) -> Images:
    """Lay frost over the image: ridges of a fractal, where CIFAR-10-C has photographs."""
    n, height, width, _ = images.shape
    ground = fractal(n, max(height, width), 1.6, chance)[:, :height, :width]
    ridges = 1 - np.abs(2 * ground - 1)
    return image * images + ice * ridges[..., None] * _ICE


def fog(images: Images, thick: float, decay: float, *, chance: np.random.Generator) -> Images:
    """Add a fractal cloud, and keep the brightest value where it was."""
    n, height, width, _ = images.shape
    cloud = fractal(n, max(height, width), decay, chance)[:, :height, :width, None]
    brightest = images.max(axis=(1, 2, 3), keepdims=True)
    return (images + thick * cloud) * brightest / (brightest + thick)


def brightness(images: Images, more: float, *, chance: np.random.Generator) -> Images:
    """Raise each pixel's largest value (the V of HSV); hue and saturation stay."""
    value = images.max(axis=3, keepdims=True)
    raised = np.clip(value + more, 0, 1)
    return np.where(value > 0, images * raised / np.where(value > 0, value, 1), raised)
