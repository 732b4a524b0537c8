"""The instrument `accuracy`: what a deployable says about images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlmo import deployable
from dlmo.deployable import Deployable, Preprocessing, Tensor
from dlmo.errors import UserError
from dlmo.instruments.process import run, settings

_INPUTS = ("float32", "float16", "int8", "uint8", "int16")


@dataclass(frozen=True, eq=False)
class Predictions:
    """The most probable classes of n images, best first."""

    ranking: NDArray[np.unsignedinteger]
    """[n, top]; uint8 for up to 256 classes, otherwise uint16."""
    probabilities: NDArray[np.float16]
    """[n]: the probability that the file gives to its first choice."""
    kernels: str
    threads: int
    runtime: str
    """The runtime's package and version."""

    @property
    def classes(self) -> NDArray[np.unsignedinteger]:
        """[n]: the first choice."""
        return self.ranking[:, 0]

    def correct(self, labels: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return for each image whether its label is the first choice, [n].

        Raises:
            UserError: there are more or fewer labels than images.
        """
        if np.shape(labels) != self.classes.shape:
            raise UserError(f"{np.shape(labels)} labels for {len(self.classes)} images")
        return self.classes == labels

    def accuracy(self, labels: NDArray[np.integer]) -> float:
        """Return the share of images whose label is the first choice, 0 to 1."""
        return float(self.correct(labels).mean())


def accuracy(
    path: Path,
    images: NDArray[np.uint8],
    preprocessing: Preprocessing | None = None,
    *,
    threads: int = 1,
    kernels: str = "xnnpack",
    top: int = 1,
    seconds: float = 3600,
    runtime: Path | None = None,
) -> Predictions:
    """Classify `images` with the file at `path`, one inference for each batch of its input.

    Args:
        path: a `.tflite` file with one image as its input and one output a class, logits or
            probabilities, float or quantized.
        images: uint8, [n, height, width, channels].
        preprocessing: what the host computes before; default: to -1 … 1.
        threads: of the runtime.
        kernels: "xnnpack", "builtin" or "reference".
        top: how many classes to keep, best first.
        seconds: after which the run is stopped.
        runtime: the Python of another environment, with another runtime.

    Raises:
        UserError: the file or the images can't be used, or the runtime failed.
    """
    how = settings(kernels, threads, runtime)
    path = Path(path).absolute()
    found = deployable.read(path)
    check(path, found, images)
    table = (preprocessing or Preprocessing()).table()
    answer = run(
        "predict",
        {"path": str(path)},
        {"images": images, "table": table},
        how=how,
        seconds=seconds,
    )
    outputs = real(answer.arrays["outputs"], found.outputs[0])
    if not np.isfinite(outputs).all():
        raise UserError(f"{path} gives outputs that are not finite numbers with these kernels")
    ranking = _ranking(outputs, top)
    best = np.take_along_axis(_probabilities(outputs, found.outputs[0]), ranking[:, :1], axis=1)
    kind = np.uint8 if outputs.shape[1] <= 256 else np.uint16
    return Predictions(
        ranking=ranking.astype(kind),
        probabilities=best[:, 0].astype(np.float16),
        kernels=how.kernels,
        threads=how.threads,
        runtime=answer.runtime,
    )


def check(path: Path, found: Deployable, images: NDArray[np.uint8]) -> None:
    """Raise UserError where the images don't fit the file, or it doesn't classify images."""
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        raise UserError(
            f"images must be uint8 [n, height, width, channels] and at least one, "
            f"not {images.dtype} {list(images.shape)}"
        )
    if len(found.inputs) != 1 or len(found.outputs) != 1:
        ends = f"{len(found.inputs)} inputs and {len(found.outputs)} outputs"
        raise UserError(f"{path} has {ends}; a file that classifies images has one of each")
    source = found.inputs[0]
    if source.shape[1:] != images.shape[1:] or not source.shape[0]:
        raise UserError(
            f"{path} takes images of the shape {list(source.shape[1:])}, "
            f"the dataset has {list(images.shape[1:])}"
        )
    if source.dtype not in _INPUTS:
        raise UserError(f"{path} takes {source.dtype}; known inputs: {', '.join(_INPUTS)}")


def real(outputs: NDArray[np.generic], detail: Tensor) -> NDArray[np.float32]:
    """Return outputs [n, classes] as real numbers, dequantized where they are quantized."""
    if not len(detail.scale) or detail.is_float:
        return outputs.astype(np.float32)
    zero_point = detail.zero_point[0] if len(detail.zero_point) else 0
    return ((outputs.astype(np.int64) - zero_point) * detail.scale[0]).astype(np.float32)


def _ranking(outputs: NDArray[np.float32], top: int) -> NDArray[np.intp]:
    """Return the `top` classes [n, top] by output; of equal ones the lower number first."""
    if not 1 <= top <= outputs.shape[1]:
        raise UserError(f"top must be between 1 and the {outputs.shape[1]} classes, not {top}")
    if top == 1:
        return outputs.argmax(axis=1)[:, None]
    return np.argsort(-outputs, axis=1, kind="stable")[:, :top]


def _probabilities(outputs: NDArray[np.float32], detail: Tensor) -> NDArray[np.float32]:
    """Return probabilities [n, classes]: outputs that aren't yet go through a softmax.

    Outputs are taken for probabilities if none is negative and all add up to one, but for half
    a step of their quantization a class.
    """
    step = float(detail.scale[0]) if len(detail.scale) and not detail.is_float else 0.0
    slack = 0.01 + outputs.shape[1] * step / 2
    if (outputs >= 0).all() and (np.abs(outputs.sum(axis=1) - 1) <= slack).all():
        return outputs
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
