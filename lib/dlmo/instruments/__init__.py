"""Instruments: what is measured on a `.tflite` file, each in a child process.

An interpreter can abort the process that it runs in (some full integer files with the reference
kernels do), so none runs in this one: an abort becomes a `UserError`, never a dead kernel.
"""

from dlmo.instruments.delegation import delegated
from dlmo.instruments.footprint import Memory, memory
from dlmo.instruments.micro import Arena, arena
from dlmo.instruments.predictions import Predictions, accuracy
from dlmo.instruments.process import Kernels, Settings
from dlmo.instruments.timing import Latency, Timing, latency

__all__ = [
    "Arena",
    "Kernels",
    "Latency",
    "Memory",
    "Predictions",
    "Settings",
    "Timing",
    "accuracy",
    "arena",
    "delegated",
    "latency",
    "memory",
]

REVISIONS: dict[str, int] = {"accuracy": 1, "arena": 1, "latency": 1, "memory": 1}
"""Raised when a change of code changes what an instrument says."""
