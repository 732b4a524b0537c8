"""Blur: out of focus, behind frosted glass, in motion, while zooming."""

import numpy as np
from scipy import ndimage

from dlmo.datasets.corruptions.noise import Images
from dlmo.datasets.corruptions.parts import smeared, zoomed


def defocus(
    images: Images, radius: float, deviation: float, *, chance: np.random.Generator
) -> Images:
    """Spread every point over a disk of a radius in pixels, its edge softened."""
    reach = int(np.ceil(radius)) + 1
    at = np.arange(-reach, reach + 1)
    disk = (at[:, None] ** 2 + at**2 <= radius**2).astype(float)
    soft = np.exp(-(np.arange(-1, 2) ** 2) / (2 * deviation**2))
    soft /= soft.sum()
    kernel = ndimage.convolve(disk / disk.sum(), np.outer(soft, soft), mode="constant")
    return ndimage.convolve(images, kernel[None, :, :, None], mode="mirror")


def glass(
    images: Images, deviation: float, reach: float, times: float, *, chance: np.random.Generator
) -> Images:
    """Exchange pixels with near ones, between two slight blurs."""
    made = _soft(images, deviation)
    far, rounds = int(reach), int(times)
    n, height, width, _ = made.shape
    every = np.arange(n)
    for _ in range(rounds):
        for row in range(height - far - 1, far, -1):
            for column in range(width - far - 1, far, -1):
                y, x = chance.integers(-far, far, (2, n))
                other = made[every, row + y, column + x]
                made[every, row + y, column + x] = made[:, row, column]
                made[:, row, column] = other
    return _soft(made, deviation)


def motion(
    images: Images, radius: float, deviation: float, *, chance: np.random.Generator
) -> Images:
    """Smear every image along a direction of its own, at most half a right angle from level."""
    return smeared(images, radius, deviation, chance.uniform(-45, 45, len(images)))


def zoom(images: Images, largest: float, *, chance: np.random.Generator) -> Images:
    """Average what is seen while the lens zooms in, in steps of a hundredth."""
    steps = 1 + np.arange(round(100 * (largest - 1)) + 1) / 100
    seen = sum(zoomed(images, float(factor)) for factor in steps)
    return (images + seen) / (len(steps) + 1)


def _soft(images: Images, deviation: float) -> Images:
    return ndimage.gaussian_filter(images, (0, deviation, deviation, 0), mode="nearest")
