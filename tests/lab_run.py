"""Run trials in a process of their own, so that a test can kill it: `lab_run.py TRIAL …`."""

import sys

from dlmo import laboratory, trials

if __name__ == "__main__":
    arguments = sys.argv[1:]
    scheduler = None
    if "--scheduler" in arguments:
        place = arguments.index("--scheduler")
        scheduler = arguments[place + 1]
        del arguments[place : place + 2]
    laboratory.measure(
        [trials.parse(text) for text in arguments], scheduler=scheduler, with_latency=False
    )
