"""Run every simulation of `benchmarks/` and save what each prints where the documentation shows it.

    python benchmarks/simulate_all.py                  # all families, two at a time: about an hour on two cores
    python benchmarks/simulate_all.py intervals gate   # some families
    python benchmarks/simulate_all.py --runs 200       # fewer runs of each scenario, wider Monte-Carlo errors

A family is a script `simulate_NAME.py`. Its output goes to `docs/reference/simulations/NAME.txt`, after the command that
printed it, the version of raikit and the time it took. Nothing on the page is typed by hand.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import raikit

HERE = Path(__file__).parent
PAGES = HERE.parent / "docs" / "reference" / "simulations"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


def families() -> list[str]:
    """Return the names of all families, in alphabetical order."""
    scripts = (path.stem.removeprefix("simulate_") for path in HERE.glob("simulate_*.py"))
    return sorted(name for name in scripts if name != "all")


def run(name: str, arguments: list[str]) -> str:
    """Run a family and save its output; return a line about it."""
    start = time.perf_counter()
    command = ["python", f"benchmarks/simulate_{name}.py", *arguments]
    result = subprocess.run(
        [sys.executable, str(HERE / f"simulate_{name}.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **ONE_THREAD},
        check=False,
    )
    minutes = (time.perf_counter() - start) / 60
    if result.returncode:
        return f"{name}: failed after {minutes:.1f} minutes\n{result.stderr[-2000:]}"
    head = f"$ {' '.join(command)}\n# raikit {raikit.__version__}, {minutes:.1f} minutes\n\n"
    text = "\n".join(line.rstrip() for line in (head + result.stdout).splitlines()) + "\n"
    (PAGES / f"{name}.txt").write_text(text, encoding="utf-8")
    return f"{name}: {minutes:.1f} minutes"


def main() -> int:
    """Run the families that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", nargs="*", help=", ".join(families()))
    parser.add_argument("--runs", type=int, help="runs of each scenario; default: each script's own")
    parser.add_argument("--jobs", type=int, default=2, help="scripts that run at the same time (2)")
    options = parser.parse_args()
    if unknown := set(options.family) - set(families()):
        parser.error(f"unknown family {sorted(unknown)[0]!r}; there are {', '.join(families())}")
    PAGES.mkdir(parents=True, exist_ok=True)
    arguments = [] if options.runs is None else ["--runs", str(options.runs)]
    failed = False
    with ThreadPoolExecutor(options.jobs) as pool:
        for line in pool.map(lambda name: run(name, arguments), options.family or families()):
            print(line, flush=True)
            failed |= ": failed" in line
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
