"""Noise: of the sensor (Gaussian), of few photons (shot), of broken bits (impulse)."""

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float64]


def gaussian(images: Images, deviation: float, *, chance: np.random.Generator) -> Images:
    """Add normal noise of a standard deviation to every value."""
    return images + chance.normal(scale=deviation, size=images.shape)


def shot(images: Images, photons: float, *, chance: np.random.Generator) -> Images:
    """Count photons: every value is Poisson's, white being so many on average."""
    return chance.poisson(images * photons) / photons


def impulse(images: Images, share: float, *, chance: np.random.Generator) -> Images:
    """Replace a share of all values by 0 or 1, as often the one as the other."""
    hit = chance.random(images.shape) < share
    return np.where(hit, chance.random(images.shape) < 0.5, images)
