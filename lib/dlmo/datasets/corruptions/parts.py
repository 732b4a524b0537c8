"""What several corruptions are made of: zooming, smearing, reading between pixels, fractals."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def zoomed(layers: Array, factor: float) -> Array:
    """Return layers [n, height, width, c] enlarged around their middle, as large as before."""
    down, across = (_zoom(length, factor) for length in layers.shape[1:3])
    apart = np.ascontiguousarray(layers.transpose(0, 3, 1, 2))
    return (down @ (apart @ across.T)).transpose(0, 2, 3, 1)


def _zoom(length: int, factor: float) -> Array:
    """Return the matrix that cuts out the middle of a row and enlarges it, linearly."""
    kept = int(np.ceil(length / factor))
    first = (length - kept) // 2
    wide = max(length, round(kept * factor))
    places = np.linspace(0, kept - 1, wide)
    left = np.minimum(np.floor(places).astype(int), max(0, kept - 2))
    share = places - left
    matrix = np.zeros((wide, length))
    rows = np.arange(wide)
    matrix[rows, first + left] += 1 - share
    matrix[rows, np.minimum(first + left + 1, length - 1)] += share
    cut = (wide - length) // 2
    return matrix[cut : cut + length]


def smeared(layers: Array, radius: float, deviation: float, angles: Array) -> Array:
    """Return layers [n, height, width, c] smeared to one side along an angle each.

    The weights fall off as half a normal curve, from where the pixel is.

    Args:
        layers: what is smeared.
        radius: how far the smear goes at most, twice, in pixels.
        deviation: of the curve, in pixels.
        angles: in degrees, [n].
    """
    width = 2 * int(np.ceil(radius)) + 1
    weights = np.exp(-(np.arange(width) ** 2) / (2 * deviation**2))
    weights /= weights.sum()
    n, height, wide, _ = layers.shape
    turned = np.deg2rad(angles)
    rows, columns = np.arange(height)[None, :, None], np.arange(wide)[None, None, :]
    images = np.arange(n)[:, None, None]
    made = np.zeros_like(layers)
    for step in np.flatnonzero(weights > _NOTHING):
        down = np.rint(step * np.sin(turned)).astype(int)[:, None, None]
        right = np.rint(step * np.cos(turned)).astype(int)[:, None, None]
        y, x = np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, wide - 1)
        made += weights[step] * layers[images, y, x]
    return made


_NOTHING = 1e-4
"""A weight too small for any grey level to show it."""


def between(layers: Array, down: Array, right: Array) -> Array:
    """Return the values at places between pixels, linearly; beyond an edge it is mirrored.

    Args:
        layers: [n, height, width, c].
        down: rows, [n, height, width].
        right: columns, [n, height, width].
    """
    n, height, width, _ = layers.shape
    images = np.arange(n)[:, None, None]
    top, left = np.floor(down).astype(int), np.floor(right).astype(int)
    y, x = (down - top)[..., None], (right - left)[..., None]
    made = np.zeros_like(layers)
    for below in (0, 1):
        for beside in (0, 1):
            weight = (y if below else 1 - y) * (x if beside else 1 - x)
            rows, columns = _mirrored(top + below, height), _mirrored(left + beside, width)
            made += weight * layers[images, rows, columns]
    return made


def _mirrored(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    period = max(1, 2 * length - 2)
    inside = np.mod(places, period)
    return np.minimum(inside, period - inside)


def fractal(count: int, size: int, decay: float, chance: np.random.Generator) -> Array:
    """Return height maps of the diamond-square method, 0 to 1, [count, size, size].

    Args:
        count: how many.
        size: height and width; the map of the next power of two is cut.
        decay: by how much the steps' roots become smaller at each scale; large is smooth.
        chance: of the steps.
    """
    whole = 1 << max(1, int(np.ceil(np.log2(size))))
    made = np.zeros((count, whole, whole))
    step, height = whole, 1.0

    def moved(mean: Array) -> Array:
        return mean + height * chance.uniform(-1, 1, mean.shape)

    while step >= 2:
        half = step // 2
        corners = made[:, ::step, ::step]
        beside = corners + np.roll(corners, -1, 1)
        made[:, half::step, half::step] = moved((beside + np.roll(beside, -1, 2)) / 4)
        middles = made[:, half::step, half::step]
        above = middles + np.roll(middles, 1, 1) + corners + np.roll(corners, -1, 2)
        left = middles + np.roll(middles, 1, 2) + corners + np.roll(corners, -1, 1)
        made[:, ::step, half::step] = moved(above / 4)
        made[:, half::step, ::step] = moved(left / 4)
        step, height = half, height / decay**2
    lowest = made.min(axis=(1, 2), keepdims=True)
    highest = made.max(axis=(1, 2), keepdims=True)
    return ((made - lowest) / (highest - lowest))[:, :size, :size]
