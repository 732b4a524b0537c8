"""Measuring again what the report's records say, and comparing. No TensorFlow is needed for it."""

from dlmo.review.checks import COLUMNS, Check, Verdict
from dlmo.review.compare import Comparison, compare, kernels_apart, machines_apart
from dlmo.review.verify import verify

__all__ = [
    "COLUMNS",
    "Check",
    "Comparison",
    "Verdict",
    "compare",
    "kernels_apart",
    "machines_apart",
    "verify",
]
