"""Turn the bytes of one image file into RGB pixels, whatever it holds."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP")
_BACKGROUND = "white"
_SPARE = 8


def decode(data: bytes, size: int) -> NDArray[np.uint8]:
    """Return the image upright, in RGB, squeezed to a square.

    Transparent pixels lie on white, 16 bits become 8, an animation is its first frame.

    Args:
        data: the file's content: JPEG, PNG or WebP, by its content and not by its name.
        size: width and height of the result.

    Returns:
        uint8 [size, size, 3].

    Raises:
        ValueError: the data are no such image, are damaged, or unpack to more pixels than
            `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                # A photograph's JPEG is decoded at a fraction of its size, eight times ours.
                image.draft(None, (size * _SPARE, size * _SPARE))
                upright = ImageOps.exif_transpose(image)
                return np.asarray(_rgb(upright).resize((size, size), Image.Resampling.LANCZOS))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError("too many pixels") from error
    except Exception as error:
        # Pillow's decoders raise what they like on damaged data: OSError, SyntaxError, struct.error
        raise ValueError("damaged, or no JPEG, PNG or WebP") from error


def size(path: Path) -> tuple[int, int] | None:
    """Return an image's width and height as its file's head says, or nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return image.size
    except Exception:  # as above, Pillow raises what it likes
        return None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow would clip 16 bits at 255 instead of scaling them.
        grey = np.clip(np.asarray(image) // 257, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        covered = Image.new("RGBA", image.size, _BACKGROUND)
        return Image.alpha_composite(covered, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
