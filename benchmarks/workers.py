"""Two Dask workers against one, on the same trials: prints seconds of each and their ratio."""

import argparse
import os
import tempfile
import time

from dask.distributed import LocalCluster

from dlmo import laboratory
from dlmo.trials import Trial


def seconds(workers: int, trials: list[Trial]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("RESULTS", "STORE", "MODELS"):
            os.environ[f"DLMO_{name}"] = f"{folder}/{name.lower()}"
        cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
        with cluster:
            began = time.perf_counter()
            laboratory.measure(
                trials,
                workers=workers,
                scheduler=cluster.scheduler_address,
                with_latency=False,
            )
            return time.perf_counter() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=60)
    given = parser.parse_args()
    wanted = [
        Trial(
            dataset="digits",
            network="vggnet",
            technique="NQ",
            profile="smoke",
            seed=seed,
            overrides=(("train.epochs", given.epochs),),
        )
        for seed in range(given.seeds)
    ]
    one, two = seconds(1, wanted), seconds(2, wanted)
    print(f"one worker {one:.1f} s, two {two:.1f} s, ratio {one / two:.2f}")
