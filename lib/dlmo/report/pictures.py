"""Small pictures inside a page."""

import io
from base64 import b64encode

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png(image: NDArray[np.uint8]) -> str:
    """Return an image, uint8 [height, width, 3], as the address of a PNG that holds it."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return f"data:image/png;base64,{b64encode(stream.getvalue()).decode()}"
