"""Digital damage: little contrast, stretched places, large pixels, JPEG."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy import ndimage

from dlmo.datasets.corruptions.noise import Images
from dlmo.datasets.corruptions.parts import between


def contrast(images: Images, share: float, *, chance: np.random.Generator) -> Images:
    """Keep a share of each channel's distance from its mean."""
    means = images.mean(axis=(1, 2), keepdims=True)
    return means + share * (images - means)


def elastic(
    images: Images, move: float, smooth: float, tilt: float, *, chance: np.random.Generator
) -> Images:
    """Tilt the image by moving three of its points, then push its pixels about.

    Args:
        images: [n, height, width, 3].
        move: by how much pixels are pushed, before that is smoothed, in pixels.
        smooth: deviation of the smoothing, in pixels.
        tilt: by how much each of the points moves at most, in pixels.
        chance: of all that.
    """
    n, height, width, _ = images.shape
    down, right = np.broadcast_arrays(np.arange(height)[:, None], np.arange(width)[None, :])
    whole = np.stack([right, down, np.ones_like(down)], axis=-1).astype(float)
    places = np.einsum("hwk,nkj->nhwj", whole, _tilts(n, height, width, tilt, chance))
    tilted = between(images, places[..., 1], places[..., 0])
    pushes = chance.uniform(-1, 1, (2, n, height, width))
    if move:
        spread = (0, 0, smooth, smooth)
        pushes = move * ndimage.gaussian_filter(pushes, spread, mode="reflect", truncate=3)
        return between(tilted, down + pushes[0], right + pushes[1])
    return tilted


def _tilts(n: int, height: int, width: int, tilt: float, chance: np.random.Generator) -> Images:
    """Return for each image the matrix from a place (x, y, 1) to where it comes from, [n, 3, 2]."""
    x, y, side = width // 2, height // 2, min(height, width) // 3
    before = np.array([[x + side, y + side], [x + side, y - side], [x - side, y - side]], float)
    after = before + chance.uniform(-tilt, tilt, (n, 3, 2))
    known = np.concatenate([after, np.ones((n, 3, 1))], axis=2)
    return np.linalg.solve(known, np.broadcast_to(before, (n, 3, 2)))


def pixelate(images: Images, share: float, *, chance: np.random.Generator) -> Images:
    """Shrink the image to a share of its width, and enlarge it again."""
    height, width = images.shape[1:3]
    small = (max(1, int(width * share)), max(1, int(height * share)))

    def coarse(image: Image.Image) -> Image.Image:
        box = Image.Resampling.BOX
        return image.resize(small, box).resize((width, height), box)

    return _pillow(images, coarse)


def jpeg(images: Images, quality: float, *, chance: np.random.Generator) -> Images:
    """Compress as JPEG with a quality, and open again."""

    def compressed(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(quality))
        return Image.open(stream)

    return _pillow(images, compressed)


def _pillow(images: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    whole = np.rint(255 * images).astype(np.uint8)
    return np.stack([np.asarray(change(Image.fromarray(one))) for one in whole]) / 255.0
