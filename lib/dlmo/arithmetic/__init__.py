"""The paper's equations in NumPy alone, one file a technique.

Nothing here trains, converts or runs a file: what is computed is held against the files that were
made, and against what the runtime makes of them.
"""
