"""Show how the time and memory of `assess(path)` grow with the rows of a Parquet file.

    OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 python benchmarks/assess_file.py [--rows 10000000] [--scores]

All count-based metrics are computed with intervals, for three sensitive features and their 60 intersections. One file has a
tenth of the rows, the other all. Each is written in pieces to a temporary folder (or `--folder`) and assessed in a process
of its own, which gives its peak memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

_PIECE = 2_000_000

_CHILD = """
import json, resource, sys, time
start = time.perf_counter()
from raikit_fairness import assess
path, scores = sys.argv[1], sys.argv[2] or None
begun = time.perf_counter()
result = assess(path, sensitive_features=["sex", "race", "age"], scores=scores, prediction="prediction", intersections=3)
print(json.dumps({"seconds": time.perf_counter() - begun, "imports": begun - start, "values": len(result.by_group),
                  "disparities": len(result.disparities), "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


def write(path: Path, rows: int) -> None:
    """Write a table of labels, predictions, scores and three groups, a piece at a time."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, writer = np.random.default_rng(0), None
    for start in range(0, rows, _PIECE):
        n = min(_PIECE, rows - start)
        groups = {name: rng.choice([f"{name} {at}" for at in range(k)], n) for name, k in (("sex", 3), ("race", 4), ("age", 5))}
        target = (rng.random(n) < 0.3).astype("int8")
        score = np.clip(rng.normal(0.3 + 0.35 * target, 0.2), 0, 1).astype("float32")
        columns = {k: pa.array(v).dictionary_encode() for k, v in groups.items()}
        piece = pa.table({**columns, "target": target, "prediction": (score >= 0.5).astype("int8"), "p": score})
        writer = writer or pq.ParquetWriter(path, piece.schema)
        writer.write_table(piece)
    assert writer is not None
    writer.close()


def measure(path: Path, scores: str) -> dict[str, float]:
    """Assess a file in a process of its own, and return its time, memory and number of values."""
    child = subprocess.run([sys.executable, "-c", _CHILD, str(path), scores], check=True, capture_output=True, text=True)
    costs: dict[str, float] = json.loads(child.stdout)
    return costs


def main() -> None:
    """Write both files, assess them, and print how time and memory grow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--scores", action="store_true", help="areas, losses and calibration as well")
    parser.add_argument("--folder", type=Path, help="where the files go (1 GB for 100 million rows)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        before: dict[str, float] | None = None
        for rows in (options.rows // 10, options.rows):
            path = Path(folder) / "cases.parquet"
            write(path, rows)
            size = path.stat().st_size / 2**20
            costs = measure(path, "p" if options.scores else "")
            print(f"{rows:>13,} rows ({size:,.0f} MB): {costs['seconds']:6.2f} s and {costs['imports']:.2f} s of imports, peak "
                  f"{costs['peak']:.2f} GB; {costs['values']:,.0f} values, {costs['disparities']:,.0f} disparities")
            if before:
                print(f"{'':13} ten times the rows: {costs['seconds'] / before['seconds']:.1f} times the time, "
                      f"{costs['peak'] / before['peak']:.2f} times the memory")
            before = costs


if __name__ == "__main__":
    main()
