"""The instrument `robustness`: what a deployable says about images with common corruptions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlmo.datasets import corruptions
from dlmo.datasets.resizing import stretched
from dlmo.deployable import Preprocessing
from dlmo.errors import UserError
from dlmo.instruments.predictions import accuracy

IMAGES = 500
"""How many test images are corrupted: each is shown 75 times, and once as it is."""


@dataclass(frozen=True, eq=False)
class Robustness:
    """The first choices for n images, as they are and corrupted."""

    clean: NDArray[np.unsignedinteger]
    """[n]: for the images as they are."""
    corrupted: NDArray[np.unsignedinteger]
    """[kinds, severities, n], in the order of `corruptions.KINDS`, the mildest severity first."""
    runtime: str
    """The runtime's package and version."""

    def accuracies(self, labels: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the share of right first choices, 0 to 1, [kinds, severities].

        Raises:
            UserError: there are more or fewer labels than images.
        """
        if np.shape(labels) != self.clean.shape:
            raise UserError(f"{np.shape(labels)} labels for {len(self.clean)} images")
        return (self.corrupted == labels).mean(axis=2)


def robustness(
    path: Path,
    images: NDArray[np.uint8],
    preprocessing: Preprocessing | None = None,
    *,
    size: tuple[int, int] | None = None,
    seed: int = corruptions.SEED,
    threads: int = 1,
    kernels: str = "xnnpack",
    seconds: float = 3600,
) -> Robustness:
    """Classify images as they are and with each corruption in each severity.

    Args:
        path: a `.tflite` file, as `accuracy` takes it.
        images: uint8 [n, height, width, 3], as the dataset has them.
        preprocessing: what the host computes before; default: to -1 … 1.
        size: height and width that the file takes, if the dataset has others: images are corrupted
            first.
        seed: of the corruptions.
        threads: of the runtime.
        kernels: "xnnpack", "builtin" or "reference".
        seconds: after which one kind of corruption is given up.

    Raises:
        UserError: the file or the images can't be used, or the runtime failed.
    """

    def said(shown: NDArray[np.uint8]) -> tuple[NDArray[np.unsignedinteger], str]:
        fitting = shown if size is None else stretched(shown, size)
        found = accuracy(
            path, fitting, preprocessing, threads=threads, kernels=kernels, seconds=seconds
        )
        return found.classes, found.runtime

    clean, runtime = said(images)
    each = []
    for kind in corruptions.KINDS:
        stack = corruptions.every_severity(images, kind, seed)
        classes, _ = said(stack.reshape(-1, *images.shape[1:]))
        each.append(classes.reshape(len(stack), len(images)))
    return Robustness(clean, np.stack(each), runtime)
