"""The rules for a check about running it again and about its side effects."""

from __future__ import annotations

import math
import random
import sys

from raikit.check import Check, CheckContext
from raikit.process import state as process_state
from raikit.run.margins import Margin, Margins
from raikit.run.reader import RunView
from raikit.run.record import Measurements
from raikit.run.results import CheckResult, Comparison, Metric
from raikit.testing.contract.bench import SEED, Bench, Trial
from raikit.testing.contract.rule import Broken, NotApplicable, first_few
from raikit.testing.run import execute


def deterministic(bench: Bench) -> None:
    """Give the same result under the same seed."""
    if difference := _difference(*bench.twice()):
        raise Broken(f"{difference}; draw from ctx.rng, which starts at the check's seed")


def order(bench: Bench) -> None:
    """Depend neither on the checks that ran before, nor on the random numbers that they drew."""
    first, second = bench.twice()
    if _difference(first, second):
        raise NotApplicable("its result is different each time")
    _advance_generators()
    if difference := _difference(first, bench.try_again(first.scenario, before=[Neighbour])):
        raise Broken(f"after another check, {difference}")


class Neighbour(Check):
    """A check that runs before the tested one and leaves behind what a check may leave."""

    name = "neighbour.check"
    pillar = "neighbour"

    def run(self, ctx: CheckContext) -> CheckResult:
        """Write a file and draw random numbers."""
        (ctx.workdir / "left behind.txt").write_text("by another check", encoding="utf-8")
        _advance_generators()
        return CheckResult(metrics=[Metric.exact("rows", ctx.predictions.size())])


def _advance_generators() -> None:
    """Put every global generator into another state, as another check may."""
    random.seed(20_000)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(20_001)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(20_002)


def _difference(first: Trial, second: Trial) -> str | None:
    """Name the first difference between two trials."""
    if first.outcome == second.outcome:
        return None
    if first.record.status != second.record.status:
        return f"the status was {first.record.status} and is {second.record.status}: {second.record.reason}"
    values = {metric.id: metric for metric in second.record.metrics}
    for metric in first.record.metrics:
        other = values.get(metric.id)
        if other is None:
            return f"{metric.id} is no longer measured"
        if other != metric:
            return f"{metric.id} was {metric.value} [{metric.low}, {metric.high}] and is {other.value} [{other.low}, {other.high}]"
    parts = [name for name in first.outcome if first.outcome[name] != second.outcome[name]]
    return f"its {parts[0]} are not the same"


def compares(bench: Bench) -> str:
    """Report no change, or a reason, when `compare` gets the same run twice."""
    if bench.check.compare is None:
        raise NotApplicable("it has no `compare`: raikit compares its intervals")
    with bench.context(bench.completed()[0].scenario) as (ctx, folder), process_state.preserved_state():
        measured = execute([(bench.check, bench.options)], ctx, folder / "run", SEED, bench.capabilities(ctx))[0]
        margins = {str(metric.id): Margin(0.02) for metric in measured.metrics if metric.direction and metric.value is not None}
        assert ctx.data is not None
        run = RunView(folder / "context", Measurements(name="run", checks=[measured], data=ctx.data.describe()))
        try:
            comparisons = bench.check(bench.options).compare(run, run, Margins(margins))  # type: ignore[misc]
        except Exception as error:
            raise Broken(f"it raised {type(error).__name__}: {error}") from None
    if not isinstance(comparisons, list) or not all(isinstance(item, Comparison) for item in comparisons):
        raise Broken(f"it returned {type(comparisons).__name__}; return a list of Comparison")
    for comparison in comparisons:
        if comparison.metric not in margins:
            raise Broken(f"it compared {comparison.metric}, which has no margin")
        if comparison.value is None and not (comparison.reason or "").strip():
            raise Broken(f"{comparison.metric} has neither a value nor a reason")
        if comparison.value is not None and not math.isclose(comparison.value, 0, abs_tol=1e-9):
            raise Broken(f"{comparison.metric} is reported as {comparison.value} worse in the same run")
    return f"{len(comparisons)} of {len(margins)} metrics that have a direction"


def read_only(bench: Bench) -> None:
    """Leave the predictions, the data and the model unchanged."""
    for trial in bench.all_completed():
        if trial.changed_inputs:
            raise Broken(f"on {trial.scenario.name} it changed {first_few(trial.changed_inputs)}, which other checks use too")


def global_state(bench: Bench) -> None:
    """Leave the global state of the process unchanged."""
    # In the first trial it may have imported libraries, which may set global state.
    _, second = bench.twice()
    if second.changed_state:
        advice = "; draw from ctx.rng" if any("generator" in name for name in second.changed_state) else ""
        raise Broken(f"it changed {first_few(second.changed_state)}{advice}")
