"""Soft targets and the loss of distillation.

Source: paper, Section 3.3, Equation 3; Hinton et al., "Distilling the knowledge in a neural
network", 2015, Section 2.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def equation_3(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the class probabilities exp(z_i / T) / sum_j exp(z_j / T), over the last axis.

    Args:
        logits: z, [..., classes].
        temperature: T, above 0.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def entropy(probabilities: Floats) -> NDArray[np.float64]:
    """Return the entropy of probabilities [..., classes] in bits: how spread out they are."""
    given = np.asarray(probabilities, np.float64)
    logarithms = np.log2(given, out=np.zeros_like(given), where=given > 0)
    return -(given * logarithms).sum(axis=-1)


def cross_entropy(targets: Floats, logits: Floats, temperature: float = 1.0) -> float:
    """Return the mean of -sum_i p_i log q_i with q of Equation 3, in nats."""
    scaled = np.asarray(logits, np.float64) / temperature
    shifted = scaled - scaled.max(axis=-1, keepdims=True)
    log_shares = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return float(-(targets * log_shares).sum(axis=-1).mean())


def loss(
    student: Floats,
    teacher: Floats,
    labels: NDArray[np.integer],
    temperature: float,
    soft_weight: float,
) -> float:
    """Return (1 - w) · hard + w · T² · soft, the mean over the images.

    Args:
        student: its logits [n, classes].
        teacher: its logits [n, classes].
        labels: the classes' numbers [n].
        temperature: T, of both softmaxes in the soft part.
        soft_weight: w, 0 to 1.
    """
    one_hot = np.eye(student.shape[-1])[labels]
    hard = cross_entropy(one_hot, student)
    soft = cross_entropy(equation_3(teacher, temperature), student, temperature)
    return (1 - soft_weight) * hard + soft_weight * temperature**2 * soft
