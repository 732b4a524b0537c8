"""The paper's claims, put to the test: a verdict for each, from the records.

`verdicts(profile)` judges every entry of `data/paper/claims.yaml` by its criterion; how stands in
the head of that file. A function with a name judges each kind: see `registry`.
"""

from dlmo.report.claims.evidence import Cell, Evidence, Verdict, Word
from dlmo.report.claims.judge import BESIDE, PROFILE, all_verdicts, both, verdicts
from dlmo.report.claims.source import Source

__all__ = [
    "BESIDE",
    "PROFILE",
    "Cell",
    "Evidence",
    "Source",
    "Verdict",
    "Word",
    "all_verdicts",
    "both",
    "verdicts",
]
