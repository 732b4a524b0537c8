"""The most memory that a network's trials take, each network in a process of its own.

All of a network's steps and conversions run one after the other, at full size and with the
reference recipe's batches, beside a whole CIFAR data set where there is one; only the epochs are
few, and the images those of `digits`. Prints the peak resident set of each in GiB, and the
network's (target: at most 4).
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

from loky import ProcessPoolExecutor

from dlmo import datasets, networks
from dlmo.errors import UserError
from dlmo.laboratory import nodes
from dlmo.trials import Trial

TECHNIQUES = ("NQ", "FIQ", "PRQ", "QAT", "PRN+QAT", "KD")
CHANGED = (
    *((f"{step}.epochs", 1) for step in ("train", "prune", "qat", "distil")),
    # The teacher keeps its own epochs; this one's are short.
    ("distil.teacher", "resnet8"),
)


def peak(network: str) -> float:
    """Return the peak resident set of all trials of a network, in GiB; say it of each step."""
    from dlmo import laboratory

    wanted = [
        Trial(
            dataset="digits",
            network=network,
            technique=technique,
            profile="reference",
            seed=0,
            overrides=CHANGED,
        )
        for technique in TECHNIQUES
    ]
    most = 0.0
    for node in laboratory.plan(wanted).missing:
        # A process that has done a step keeps memory that the next one did not ask for.
        with ProcessPoolExecutor(max_workers=1) as alone:
            taken = alone.submit(_taken, node).result()
        step = node.label.rpartition(" · ")[2]
        print(f"  {taken:.2f} GiB  {node.trial.technique}: {step}", file=sys.stderr, flush=True)
        most = max(most, taken)
    return most


def _taken(node: nodes.Node) -> float:
    """Run a node here; return the peak resident set of this process and of its own, in GiB."""
    kept = _cifar()
    nodes.run(node)
    del kept
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 2**20


def _cifar() -> datasets.Dataset | None:
    try:
        return datasets.load("cifar10")
    except UserError:
        return None


def alone(network: str) -> None:
    """Measure a network in a process of its own, with its records and weights thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        moved = {f"DLMO_{name}": f"{folder}/{name.lower()}" for name in ("RESULTS", "STORE")}
        began = time.perf_counter()
        said = subprocess.run(
            [sys.executable, __file__, "--here", network],
            env=os.environ | moved,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    print(
        f"{said.stdout.strip().splitlines()[-1]} ({time.perf_counter() - began:.0f} s)", flush=True
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=networks.names())
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    for name in given.networks:
        if given.here:
            print(f"{name}: {peak(name):.2f} GiB")
        else:
            alone(name)
