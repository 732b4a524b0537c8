"""Reading and validating 2,000 records: seconds (target: under 2)."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from dlmo import paths, records

COUNT = 2000

if __name__ == "__main__":
    committed = sorted(paths.results().glob("*/*/*.json"))
    if not committed:
        raise SystemExit("there are no records to multiply yet")
    with tempfile.TemporaryDirectory() as folder:
        for copy in range(COUNT):
            source = committed[copy % len(committed)]
            target = Path(folder) / f"copy{copy // len(committed)}" / "x" / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        os.environ["DLMO_RESULTS"] = folder
        began = time.perf_counter()
        found = records.every()
        reading = time.perf_counter() - began
        rows = len(records.table(found))
        print(f"{len(found)} records read and validated in {reading:.2f} s; {rows} rows joined")
