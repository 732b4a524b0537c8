"""What all chapters share: their numbers, what they were run with, and the live check.

A chapter reads records. It measures what it lacks only where somebody asked for something else than
the chapter's own parameters; a plain build of the book never trains. See `measuring`.
"""

from dlmo.chapter.adviser import adviser
from dlmo.chapter.asked import Asked, ask, notebook, trials
from dlmo.chapter.fallback import converted
from dlmo.chapter.fitting import live_arenas, measured
from dlmo.chapter.glue import glue
from dlmo.chapter.head import head
from dlmo.chapter.live import live_check, live_operators
from dlmo.chapter.measuring import pending, planned, replay, rows, select, sweep

__all__ = [
    "Asked",
    "adviser",
    "ask",
    "converted",
    "glue",
    "head",
    "live_arenas",
    "live_check",
    "live_operators",
    "measured",
    "notebook",
    "pending",
    "planned",
    "replay",
    "rows",
    "select",
    "sweep",
    "trials",
]
