"""An audit of the paper's own numbers: its tables against each other, its text, and arithmetic."""

from dlmo.report.audit import copies, formats, scatter, sizes, statements, times
from dlmo.report.audit.finding import CHECKS, Certainty, Finding, Kind, findings, suspects
from dlmo.report.printed import Printed

CHECKED_IN = (copies, formats, scatter, sizes, statements, times)
"""The modules of the checks; each registers its own when it is imported."""

__all__ = ["CHECKS", "Certainty", "Finding", "Kind", "Printed", "findings", "suspects"]
