"""Instruments: what is measured on a `.tflite` file, each in a child process.

An interpreter can abort the process that it runs in (some full integer files with the reference
kernels do), so none runs in this one: an abort becomes a `UserError`, never a dead kernel.
"""

from dlmo.instruments.damage import Robustness, robustness
from dlmo.instruments.delegation import delegated
from dlmo.instruments.footprint import Memory, memory
from dlmo.instruments.predictions import Predictions, accuracy
from dlmo.instruments.process import Kernels, Settings
from dlmo.instruments.timing import Latency, Timing, latency

__all__ = [
    "Kernels",
    "Latency",
    "Memory",
    "Predictions",
    "Robustness",
    "Settings",
    "Timing",
    "accuracy",
    "delegated",
    "latency",
    "memory",
    "robustness",
]

REVISIONS: dict[str, int] = {"accuracy": 1, "latency": 1, "memory": 1, "robustness": 1}
"""Raised when a change of code changes what an instrument says."""
