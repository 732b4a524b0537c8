"""Magnitude pruning: the schedule, and what it leaves of a tensor.

Source: paper, Section 3.2; Zhu and Gupta, "To prune, or not to prune", 2017, Section 3.
"""

import numpy as np
from numpy.typing import NDArray

from dlmo.deployable import Content, Deployable, replaced


def sparsity(
    share: NDArray[np.floating] | float,
    *,
    initial: float,
    final: float,
    begin: float = 0.0,
    end: float = 1.0,
) -> NDArray[np.float64]:
    """Return how sparse the weights are to be after a share of the training, 0 to 1.

    Args:
        share: of the training's steps, 0 to 1.
        initial: s_0, the sparsity at `begin`.
        final: s_f, the sparsity from `end` on.
        begin: share of the steps before pruning, where nothing is zero.
        end: share of the steps at which the target is reached.
    """
    at = np.asarray(share, np.float64)
    progress = np.clip((at - begin) / (end - begin), 0.0, 1.0)
    return np.where(at < begin, 0.0, final + (initial - final) * (1 - progress) ** 3)


def pruned(weights: NDArray[np.floating], share: float) -> NDArray[np.floating]:
    """Return the weights with so large a share of them, the smallest in magnitude, set to zero."""
    count = round(share * weights.size)
    flat = weights.ravel().copy()
    flat[np.argsort(np.abs(flat), kind="stable")[:count]] = 0
    return flat.reshape(weights.shape)


def pruned_file(plain: Deployable, share: float) -> Content:
    """Return a float file with so large a share of each layer's weights set to zero, untrained.

    Depthwise kernels are left alone, as tfmot leaves them.

    Raises:
        UserError: the weights aren't stored as floats.
    """
    values = {}
    for layer in plain.layers:
        weights = plain.tensor(layer.index, layer.subgraph).data()
        if weights is not None and layer.operator != "DEPTHWISE_CONV_2D":
            values[layer.subgraph, layer.index] = pruned(weights, share)
    return replaced(plain, values)


def entropy(values: NDArray[np.number]) -> float:
    """Return the bits that each value needs at least when values are coded one by one."""
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())
