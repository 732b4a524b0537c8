"""What a microcontroller would need for a file, computed from the file alone; and boards."""

from dlmo.microcontroller.boards import Board, Boards, boards
from dlmo.microcontroller.needs import Need, Step, curve, need, refusal, size
from dlmo.microcontroller.overlap import in_place
from dlmo.microcontroller.patches import Patched, best, patched

__all__ = [
    "Board",
    "Boards",
    "Need",
    "Patched",
    "Step",
    "best",
    "boards",
    "curve",
    "in_place",
    "need",
    "patched",
    "refusal",
    "size",
]
