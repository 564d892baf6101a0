"""Simulate what a baseline without counts costs: how often a worsening is found, and how often a build fails wrongly.

    python benchmarks/simulate_baselines.py               # ten minutes
    python benchmarks/simulate_baselines.py --runs 1000   # smaller Monte-Carlo errors

One baseline is kept in three ways: as a run directory, as the file of `raikit baseline save --suppress 0`, and as the file that
is the default, without counts and small groups. Each draw is a whole comparison by the gate: `fairness.groups` measures both
runs, the file is written and read, and the build fails or not. "estimates" decides on estimates of the run directory.

The first group is 5 percentage points behind in accuracy, and becomes worse by 0, 5 or 10 points (columns "nothing", ".05", ".10"),
or by as much as the default file promises to find in 80% of builds of other cases ("promised"). On the same cases, both models
decide 4% of cases differently apart from that. The policy is `fairness.accuracy_difference` with margin 0, or the default one
(every `fairness.*_difference`, margin .02, in one family).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from monte_carlo import percent

from raikit.config.schema import GateConfig
from raikit.gate import baseline_file
from raikit.gate.regressions import compare, with_default
from raikit.gate.verdict import judge
from raikit.run.reader import Run
from raikit.run.record import CheckRecord, DataRecord, Gate, Provenance, Record
from raikit.testing import result_of, table_context
from raikit_fairness.checks.groups import GroupMetrics

BEHIND, OTHERS = 0.80, 0.85
CHURN = 0.04
DRAWS = 2_000  # behind simultaneous limits; the default of 20,000 takes far longer and moves these limits by about a percent
PROMISES = 10  # files whose median promise is taken
ADDRESS = "fairness.accuracy_difference[group]"
ONE = GateConfig.model_validate({"regressions": [{"metric": ADDRESS, "margin": 0.0}]})
POLICIES = {"accuracy": ONE, "default": with_default(GateConfig())}
SUPPRESSED = {"file with counts": 0, "default file": baseline_file.SMALLEST}
KINDS = ("directory", *SUPPRESSED, "estimates")


@dataclass(frozen=True)
class Design:
    """Groups whose baseline is right in 85% of cases, the first one in 80%."""

    sizes: tuple[int, ...]
    same: bool
    policy: str
    losses: tuple[float, ...] = (0.0, 0.05, 0.10)

    def draw(self, rng: np.random.Generator) -> pd.DataFrame:
        """Draw the cases of the baseline."""
        group = np.repeat(np.arange(len(self.sizes)), self.sizes)
        right = rng.random(len(group)) < np.where(group == 0, BEHIND, OTHERS)
        return table(rng.integers(2**60, size=len(group)), group, rng.random(len(group)) < 0.5, right)

    def candidate(self, baseline: pd.DataFrame, by: float, rng: np.random.Generator) -> pd.DataFrame:
        """Draw the candidate, whose first group is right less often by `by`."""
        cases = baseline if self.same else self.draw(rng)
        group, target = cases["code"].to_numpy(), cases["target"].to_numpy()
        right, first = cases["prediction"].to_numpy() == target, group == 0
        rate = np.where(first, BEHIND, OTHERS)
        lost = np.where(first, by, 0.0) + CHURN / 2
        flips = rng.random(len(group)) < np.where(right, lost / rate, CHURN / 2 / (1 - rate))
        return table(cases["id"].to_numpy(), group, target == 1, right ^ flips)


def table(names: np.ndarray, group: np.ndarray, truth: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Return a table of predictions."""
    target = truth.astype(int)
    prediction = np.where(right, target, 1 - target)
    return pd.DataFrame({"id": names, "target": target, "prediction": prediction, "group": group.astype(str), "code": group})


def measure(cases: pd.DataFrame, folder: Path) -> Run:
    """Measure the groups of a table, as a run whose record holds nothing else."""
    folder.mkdir(parents=True)
    result = result_of(GroupMetrics, table_context(cases.drop(columns="code"), sensitive=["group"], folder=folder), draws=DRAWS)
    check = CheckRecord(name=GroupMetrics.name, pillar="fairness", plugin="raikit", status="ok", metrics=result.metrics)
    data = DataRecord(task="binary", target="target", classes=[0, 1], positive=1, sensitive=["group"], splits={"test": len(cases)})
    gate = Gate(verdict="pass")
    return Run(folder, Record(name="r", verdict="pass", gate=gate, checks=[check], data=data, provenance=Provenance(run_id="r")))


def fails(policy: GateConfig, candidate: Run, baseline: Run) -> bool:
    """Return whether the build fails."""
    found = compare(policy, candidate, baseline, {GroupMetrics.name: GroupMetrics(GroupMetrics.Options(draws=DRAWS))})
    return judge(policy, candidate.record.checks, regressions=found).exit_code == 1


def baselines(run: Run, folder: Path) -> dict[str, Run]:
    """Return the baseline as each kind."""
    files = {name: baseline_file.save(run, folder / f"{name}.json", suppress=least).path for name, least in SUPPRESSED.items()}
    return {"directory": run, **{name: baseline_file.open_file(path) for name, path in files.items()}, "estimates": run}


def simulate(design: Design, runs: int, rng: np.random.Generator) -> dict[tuple[str, float], int]:
    """Count the builds that fail, by kind of baseline and loss."""
    policy = POLICIES[design.policy]
    on_estimates = policy.model_copy(update={"decide_on": "estimate"})
    failed = dict.fromkeys(((kind, by) for kind in KINDS for by in design.losses), 0)
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            cases = design.draw(rng)
            kinds = baselines(measure(cases, folder / "baseline"), folder)
            for by in design.losses:
                candidate = measure(design.candidate(cases, by, rng), folder / str(by))
                for kind, baseline in kinds.items():
                    failed[kind, by] += fails(on_estimates if kind == "estimates" else policy, candidate, baseline)
    return failed


def promise(design: Design, rng: np.random.Generator) -> float | None:
    """Return the loss that the default file says it finds in 80% of builds: the median of several; None if it names none."""
    promised = []
    for _ in range(PROMISES):
        with tempfile.TemporaryDirectory() as name:
            run = measure(design.draw(rng), Path(name) / "baseline")
            saved = baseline_file.save(run, Path(name) / "default.json")
        promised += [loss for address, loss in saved.detectable if address == ADDRESS]
    return float(np.median(promised)) if promised else None


def print_design(design: Design, runs: int, rng: np.random.Generator) -> None:
    """Print the table of a design."""
    promised = promise(design, rng) if not design.same and design.policy == "accuracy" else None
    design = replace(design, losses=(*design.losses, *([] if promised is None else [promised])))
    failed = simulate(design, runs, rng)
    heads = ["nothing", ".05", ".10", *([] if promised is None else [f"promised {promised:.3f}"])]
    sizes = ", ".join(map(str, design.sizes))
    print(f"\n{'Same' if design.same else 'Other'} cases, groups of {sizes}, policy: {design.policy}")
    print(f"{'builds that fail where the first group loses':46}" + "".join(f"{head:>18}" for head in heads))
    for kind in KINDS:
        print(f"  {kind:44}" + "".join(f"{percent(failed[kind, by], runs):>18}" for by in design.losses), flush=True)


DESIGNS = (
    Design((500, 500, 500), same=True, policy="accuracy"),
    Design((500, 500, 500), same=False, policy="accuracy"),
    Design((500, 400, 8), same=False, policy="accuracy"),
    Design((2_000, 2_000), same=False, policy="accuracy"),
    Design((500, 500, 500), same=True, policy="default"),
    Design((2_000, 2_000), same=False, policy="default"),
)


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=80, help="builds of each design (80)")
    parser.add_argument("--seed", type=int, default=22)
    options = parser.parse_args()
    started = time.perf_counter()
    print(f"{options.runs} builds of each design, percent")
    for at, design in enumerate(DESIGNS):
        print_design(design, options.runs, np.random.default_rng([options.seed, at]))
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
