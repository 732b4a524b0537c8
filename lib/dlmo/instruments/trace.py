"""What lies between the operators of a deployable, and what leaves it: arrays, not scores."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlmo import deployable
from dlmo.deployable import Preprocessing
from dlmo.instruments.predictions import check, real
from dlmo.instruments.process import run, settings

_SECONDS = 600.0


def outputs(
    path: Path,
    images: NDArray[np.uint8],
    preprocessing: Preprocessing | None = None,
    *,
    kernels: str = "xnnpack",
) -> NDArray[np.float32]:
    """Return what a file says of images [n, h, w, c]: its real outputs [n, classes].

    Raises:
        UserError: the file or the images can't be used, or the runtime failed.
    """
    how = settings(kernels, 1)
    path = Path(path).absolute()
    found = deployable.read(path)
    check(path, found, images)
    answer = run(
        "predict", {"path": str(path)}, _given(images, preprocessing), how=how, seconds=_SECONDS
    )
    return real(answer.arrays["outputs"], found.outputs[0])


def tensors(
    path: Path,
    image: NDArray[np.uint8],
    preprocessing: Preprocessing | None = None,
    *,
    kernels: str = "builtin",
) -> Mapping[int, NDArray[np.generic]]:
    """Return the tensors of a run on one image [h, w, c] by their index, as they are stored.

    With XNNPACK only those at the borders of what it takes over are true.

    Raises:
        UserError: the file or the image can't be used, or the runtime failed.
    """
    how = settings(kernels, 1)
    path = Path(path).absolute()
    check(path, deployable.read(path), image[None])
    answer = run(
        "trace", {"path": str(path)}, _given(image[None], preprocessing), how=how, seconds=_SECONDS
    )
    return {int(name[1:]): array for name, array in answer.arrays.items()}


def _given(
    images: NDArray[np.uint8], preprocessing: Preprocessing | None
) -> dict[str, NDArray[np.generic]]:
    return {"images": images, "table": (preprocessing or Preprocessing()).table()}
