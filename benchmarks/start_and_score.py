"""Show what starting, planning and scoring cost beside another commit of raikit.

    git worktree add /tmp/before COMMIT
    OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 python benchmarks/start_and_score.py /tmp/before [--times 9]

Both commits run with this interpreter, in turn, on the same files:

* whole commands: `raikit --help`, `raikit audit --dry-run`, and audits of 2,000 scored cases, of a saved fusion model and of a
  torch module of a local file, with one check;
* opening 5,000 cases, and scoring them with either model, in a process of its own without its start.

Bytecode is kept in a temporary folder, as an installed package has it. Shown are the medians of both, and the median of the ratios
of neighbouring runs with their quartiles, of elapsed time and then of processor time, which other processes disturb less. A ratio
above 1 means that this commit is slower.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
CASES = 5_000
TABLE = """
name: t
data:
  path: cases.csv
  target: y
  inputs: {table: {modality: tabular, columns: [a, b, c, d]}}
  split: {validation: 0.1, test: 0.4}
"""
CONFIGS = {
    "scored": "name: t\ndata: {path: scored.csv, target: y, sensitive: [sex]}\nmodel: {load: {kind: predictions, score: p}}\n",
    "train": TABLE + "model: {train: {kind: fusion, epochs: 1}}\n",
    "fusion": TABLE + "model: {load: {kind: fusion, path: model}}\n",
    "torch": TABLE + "model: {load: {kind: torch, path: 'network:build'}}\n",
}
NETWORK = """
import torch


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, table):
        return self.layer(torch.nan_to_num(table))


def build():
    torch.manual_seed(0)
    return Network()
"""
IN_PROCESS = """
import sys, time
from pathlib import Path
from raikit.config.load import load
from raikit.data.dataset import Dataset
from raikit.errors import DataError
from raikit.models.fusion import FusionModel
from raikit.models.scoring import ModelScorer
from raikit.models.torch_module import TorchModel
sys.path.insert(0, ".")
from network import build
loaded = load(Path("torch.yaml"))
start, core = time.perf_counter(), time.process_time()
data = Dataset.open(loaded.audit.data, Path("."), error=lambda key, message: DataError(message))
if sys.argv[1] != "open":
    model = TorchModel(build(), data) if sys.argv[1] == "torch" else FusionModel.load(Path("model"))
    start, core = time.perf_counter(), time.process_time()
    ModelScorer(model).predict(data, lambda done, total: None)
print(time.perf_counter() - start, time.process_time() - core)
"""
ONE_CHECK = ["--out", "run", "--select", "performance.classification"]
COMMANDS = {
    "raikit --help": ["-m", "raikit", "--help"],
    "audit --dry-run": ["-m", "raikit", "audit", "scored.yaml", "--dry-run"],
    "audit, scored table": ["-m", "raikit", "audit", "scored.yaml", *ONE_CHECK],
    "audit, fusion model": ["-m", "raikit", "audit", "fusion.yaml", *ONE_CHECK],
    "audit, torch module": ["-m", "raikit", "audit", "torch.yaml", *ONE_CHECK],
    "opening the table": ["-c", IN_PROCESS, "open"],
    "scoring, fusion model": ["-c", IN_PROCESS, "fusion"],
    "scoring, torch module": ["-c", IN_PROCESS, "torch"],
}


def write_files(folder: Path) -> None:
    """Write the tables, the configurations and the network."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(CASES, 4)).round(3), columns=list("abcd"))
    table["y"] = (table["a"] + rng.normal(size=CASES) > 0).astype(int)
    table.to_csv(folder / "cases.csv", index=False)
    scored = pd.DataFrame({"y": table["y"], "sex": rng.choice(["F", "M"], CASES), "p": rng.random(CASES).round(4)})
    scored.iloc[:2_000].to_csv(folder / "scored.csv", index=False)
    (folder / "network.py").write_text(NETWORK, encoding="utf-8")
    for name, text in CONFIGS.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def run(root: Path, folder: Path, arguments: list[str]) -> tuple[float, float]:
    """Run Python with one commit's packages; return elapsed and processor seconds, or those that a program prints."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    path = os.pathsep.join(str(root / part) for part in ("", "plugins", "reports"))
    # An installed package has its bytecode; without it, every start would compile the sources, and measure their length.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": path, "PYTHONPYCACHEPREFIX": str(folder.with_name("bytecode"))}
    start, core = time.perf_counter(), _seconds_of_children()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    elapsed, core = time.perf_counter() - start, _seconds_of_children() - core
    if done.returncode:
        raise SystemExit(f"{root}: {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    if arguments[0] == "-c":
        elapsed, core = map(float, done.stdout.split())
    return elapsed, core


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(now: Sequence[float], before: Sequence[float]) -> str:
    """Return both medians and the ratio of neighbours in words."""
    low, middle, high = statistics.quantiles([own / other for own, other in zip(now, before, strict=True)])
    medians = f"{statistics.median(now):6.3f} s, before {statistics.median(before):6.3f} s"
    return f"{medians}: {middle:.2f} times ({low:.2f} to {high:.2f})"


def main() -> None:
    """Run both commits in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="a work tree of the other commit")
    parser.add_argument("--only", default="", help="commands whose name contains this")
    parser.add_argument("--times", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        roots = {HERE: Path(name) / "now", options.before.resolve(): Path(name) / "before"}
        for root, folder in roots.items():
            folder.mkdir()
            write_files(folder)
            run(root, folder, ["-m", "raikit", "train", "train.yaml", "--out", "model"])
        for title, arguments in ((title, arguments) for title, arguments in COMMANDS.items() if options.only in title):
            costs = [[run(root, folder, arguments) for root, folder in roots.items()] for _ in range(options.times + 1)]
            sides = zip(*costs[1:], strict=True)  # the first run compiles and fills caches
            now, before = (list(zip(*side, strict=True)) for side in sides)
            print(f"{title:<22} {compare(now[0], before[0])}; processor {compare(now[1], before[1])}", flush=True)


if __name__ == "__main__":
    main()
