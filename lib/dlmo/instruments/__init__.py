"""Instruments: what is measured on a `.tflite` file, each in a child process.

An interpreter can abort the process that it runs in (some full integer files with the reference
kernels do), so none runs in this one: an abort becomes a `UserError`, never a dead kernel.
"""

from dlmo.instruments.camera import Camera, camera
from dlmo.instruments.delegation import delegated
from dlmo.instruments.footprint import Memory, memory
from dlmo.instruments.operators import Operators, chained, operators
from dlmo.instruments.predictions import Predictions, accuracy
from dlmo.instruments.process import Kernels, Settings
from dlmo.instruments.timing import Latency, Timing, Turn, latencies, latency, refusals

__all__ = [
    "Camera",
    "Kernels",
    "Latency",
    "Memory",
    "Operators",
    "Predictions",
    "Settings",
    "Timing",
    "Turn",
    "accuracy",
    "camera",
    "chained",
    "delegated",
    "latencies",
    "latency",
    "memory",
    "operators",
    "refusals",
]

REVISIONS: dict[str, int] = {
    "accuracy": 1,
    "camera": 1,
    "latency": 1,
    "memory": 1,
    "operators": 1,
    "runtimes": 1,
}
"""Raised when a change of code changes what an instrument says; that of `device` stands there."""
