"""Measure what plugins cost: listing fifty of them, and running checks of another distribution in a child process.

    python benchmarks/plugin_cost.py        # a minute

Both sides of each figure run in turn. The figures are medians of paired differences, with their range.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CHECK = '''
import raikit

raikit_api = 1


class {which}(raikit.Check):
    """Rows."""

    name = "{name}.{which}"
    pillar = "{name}"
    produces = ["{name}.{which}"]

    def run(self, ctx):
        return raikit.CheckResult(metrics=[raikit.Metric.exact("{which}", ctx.predictions.size())])
'''
HOOK = """

@raikit.hookimpl
def raikit_checks():
    return [check for check in raikit.Check.__subclasses__() if check.__module__ == __name__]
"""
METADATA = """
from importlib.metadata import entry_points
[(point.name, point.dist.name, point.dist.version) for point in entry_points(group="raikit")]
"""


def install(site: Path, name: str, checks: int = 1) -> None:
    """Put a distribution with some checks into a folder."""
    info = site / f"raikit_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: raikit-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[raikit]\n{name} = raikit_{name}\n")
    classes = [CHECK.format(name=name, which=f"count{number}") for number in range(checks)]
    (site / f"raikit_{name}.py").write_text("".join(classes) + HOOK)


def seconds(command: Sequence[str], environment: dict[str, str], folder: Path) -> float:
    """Return the wall time of a process."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def paired_differences(first: Callable[[int], float], second: Callable[[int], float], runs: int) -> list[float]:
    """Return the differences of two times, measured in turn."""
    return [first(number) - second(number) for number in range(runs)]


def print_figure(name: str, values: Sequence[float], limit: float) -> None:
    """Print a figure in milliseconds."""
    low, middle, high = (1000 * value for value in (min(values), statistics.median(values), max(values)))
    print(f"{name:66}{middle:>8.0f} ms  ({low:.0f} to {high:.0f}); goal: under {1000 * limit:.0f}", flush=True)


def main() -> None:
    """Measure both costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many, one = folder / "many", folder / "one"
        for number in range(50):
            install(many, f"p{number}")
        install(one, "alone", checks=2)
        base = {**os.environ, "OMP_NUM_THREADS": "1"}
        path = {
            site: {**base, "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])} for site in (many, one)
        }
        listing = paired_differences(
            lambda _: seconds([sys.executable, "-m", "raikit", "plugins"], path[many], folder),
            lambda _: seconds([sys.executable, "-c", METADATA], path[many], folder),
            runs,
        )
        print_figure("raikit plugins with 50 more plugins, beyond reading their metadata", listing, 0.1)
        rows = "\n".join(
            f"{number},{'FM'[number % 2]},{number % 3 == 0:d},{(number * 7) % 100 / 100}" for number in range(2000)
        )
        (folder / "rows.csv").write_text(f"id,sex,y,p\n{rows}\n")
        (folder / "audit.yaml").write_text(
            "name: cost\ndata: {path: rows.csv, id: id, target: y, sensitive: [sex]}\n"
            "model: {load: {kind: predictions, score: p}}\nchecks: {alone: {}}\nformats: [json]\n"
        )

        def audit(number: int, isolation: str) -> float:
            out = str(folder / f"{isolation}{number}")
            command = [sys.executable, "-m", "raikit", "audit", "audit.yaml", "--isolation", isolation, "--out", out]
            return seconds(command, path[one], folder)

        apart = paired_differences(lambda number: audit(number, "process"), lambda number: audit(number, "none"), runs)
        print_figure("the child process of a distribution with two checks without a model", apart, 1.5)


if __name__ == "__main__":
    main()
