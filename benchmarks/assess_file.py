"""Show how the time and memory of `assess(path)` grow with the rows of a Parquet file.

    OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 python benchmarks/assess_file.py [--rows 10000000] [--scores] [--clusters 50000]
    OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 python benchmarks/assess_file.py --audit [--rows 1000000] [--decisions]

All count-based metrics are computed with intervals, for three sensitive features and their 60 intersections; with scores or
clusters, all metrics for the features and their pairs. One file has a tenth of the rows, the other all. Each is written in pieces
to a temporary folder (or `--folder`) and assessed in a process of its own, which gives its peak memory. `--audit` times
``raikit audit`` instead: performance, fairness, two rules and all reports. With `--decisions` it has no scores, so that a table
of more than 10 million rows is counted (`raikit.data.counted`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_PIECE = 2_000_000

_CHILD = """
import json, resource, sys, time
start = time.perf_counter()
from raikit_fairness import assess, measures
path, scores, clusters = sys.argv[1], sys.argv[2] or None, sys.argv[3] or None
names = [measure.name for measure in (*measures.BINARY, *measures.BINARY_SCORES)] if scores or clusters else None
begun, core = time.perf_counter(), time.process_time()
result = assess(path, sensitive_features=["sex", "race", "age"], scores=scores, clusters=clusters, prediction="prediction",
                metrics=names, intersections=2 if names else 3)
print(json.dumps({"seconds": time.perf_counter() - begun, "core": time.process_time() - core, "imports": begun - start,
                  "values": len(result.by_group), "disparities": len(result.disparities),
                  "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""

_AUDIT = """
name: speed
data: {path: cases.parquet, target: target, sensitive: [sex, race, age]}
model: {load: {kind: predictions, prediction: prediction%s}}
checks: {performance: {}, fairness: {}}
gate:
  rules:
    - {metric: performance.accuracy, min: 0.7}
    - {metric: "fairness.equalized_odds_difference[sex]", max: 0.1}
"""


def write(path: Path, rows: int, clusters: int = 0) -> None:
    """Write a table of labels, predictions, scores, clusters and three groups, a piece at a time."""
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
        piece = pa.table({**columns, "target": target, "prediction": (score >= 0.5).astype("int8"), "p": score,
                          "cluster": rng.integers(0, max(clusters, 1), n)})
        writer = writer or pq.ParquetWriter(path, piece.schema)
        writer.write_table(piece)
    assert writer is not None
    writer.close()


def measure(path: Path, scores: str, clusters: str) -> dict[str, float]:
    """Assess a file in a process of its own, and return its time, memory and number of values."""
    command = [sys.executable, "-c", _CHILD, str(path), scores, clusters]
    child = subprocess.run(command, check=True, capture_output=True, text=True)
    costs: dict[str, float] = json.loads(child.stdout)
    return costs


def measure_audit(folder: Path, rows: int, decisions: bool) -> None:
    """Audit a file in processes of their own, and print their time and memory."""
    write(folder / "cases.parquet", rows)
    (folder / "audit.yaml").write_text(_AUDIT % ("" if decisions else ", score: p, threshold: 0.5"))
    start = time.perf_counter()
    command = [sys.executable, "-m", "raikit", "audit", str(folder / "audit.yaml"), "--out", str(folder / "run")]
    subprocess.run(command, check=True, capture_output=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"audit of {rows:,} predictions: {time.perf_counter() - start:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of one core, "
          f"peak of the largest process {used.ru_maxrss / 2**20:.2f} GB")


def main() -> None:
    """Write both files, assess them, and print how time and memory grow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--scores", action="store_true", help="areas, losses and calibration as well")
    parser.add_argument("--clusters", type=int, default=0, help="number of clusters that cases share")
    parser.add_argument("--audit", action="store_true", help="time the command line")
    parser.add_argument("--decisions", action="store_true", help="audit decisions without scores")
    parser.add_argument("--folder", type=Path, help="where the files go (1 GB for 100 million rows)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.audit:
            measure_audit(Path(folder), options.rows or 1_000_000, options.decisions)
            return
        before: dict[str, float] | None = None
        last = options.rows or 10_000_000
        for rows in (last // 10, last):
            path = Path(folder) / "cases.parquet"
            write(path, rows, options.clusters)
            size = path.stat().st_size / 2**20
            costs = measure(path, "p" if options.scores else "", "cluster" if options.clusters else "")
            print(f"{rows:>13,} rows ({size:,.0f} MB): {costs['seconds']:6.2f} s, {costs['core']:.2f} s of one core and "
                  f"{costs['imports']:.2f} s of imports, peak {costs['peak']:.2f} GB; {costs['values']:,.0f} values, "
                  f"{costs['disparities']:,.0f} disparities")
            if before:
                print(f"{'':13} ten times the rows: {costs['seconds'] / before['seconds']:.1f} times the time, "
                      f"{costs['peak'] / before['peak']:.2f} times the memory")
            before = costs


if __name__ == "__main__":
    main()
