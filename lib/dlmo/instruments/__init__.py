"""Instruments: what is measured on a `.tflite` file, each in a child process.

An interpreter can abort the process that it runs in (some full integer files with the reference
kernels do), so none runs in this one: an abort becomes a `UserError`, never a dead kernel.
"""

from dlmo.instruments import micro
from dlmo.instruments.camera import Camera, camera
from dlmo.instruments.damage import Robustness, robustness
from dlmo.instruments.delegation import delegated
from dlmo.instruments.footprint import Memory, memory
from dlmo.instruments.micro import Arena, arena
from dlmo.instruments.operators import Operators, chained, operators
from dlmo.instruments.predictions import Predictions, accuracy
from dlmo.instruments.process import Kernels, Settings
from dlmo.instruments.timing import Latency, Timing, Turn, latencies, latency, refusals

__all__ = [
    "Arena",
    "Camera",
    "Kernels",
    "Latency",
    "Memory",
    "Operators",
    "Predictions",
    "Robustness",
    "Settings",
    "Timing",
    "Turn",
    "accuracy",
    "arena",
    "camera",
    "chained",
    "delegated",
    "latencies",
    "latency",
    "memory",
    "micro",
    "operators",
    "refusals",
    "robustness",
]

REVISIONS: dict[str, int] = {
    "accuracy": 1,
    "arena": 1,
    "camera": 1,
    "latency": 1,
    "memory": 1,
    "operators": 1,
    "robustness": 1,
    "runtimes": 1,
}
"""Raised when a change of code changes what an instrument says; that of `device` stands there."""
