"""The rules for a check that are about doing it again, and about what it leaves behind."""

from __future__ import annotations

import math
import random
import sys

from raikit.check import Check, CheckContext
from raikit.process import state as process_state
from raikit.run.results import CheckResult, Comparison, Metric
from raikit.testing.contract.bench import SEED, Bench, Trial
from raikit.testing.contract.rule import Broken, NotApplicable, first_few
from raikit.testing.run import execute


def deterministic(bench: Bench) -> None:
    """Under the same seed it finds the same."""
    if different := _difference(*bench.twice()):
        raise Broken(f"{different}; draw from ctx.rng, which starts anew from the check's seed")


def order(bench: Bench) -> None:
    """What it finds does not depend on which checks ran before it, nor on anybody's random numbers."""
    first, again = bench.twice()
    if _difference(first, again):
        raise NotApplicable("it finds something else every time")
    _stir()
    if different := _difference(first, bench.try_again(first.case, before=[Neighbour])):
        raise Broken(f"after another check {different}")


class Neighbour(Check):
    """Runs before the one that is examined, and leaves what a check may leave."""

    name = "neighbour.check"
    pillar = "neighbour"

    def run(self, ctx: CheckContext) -> CheckResult:
        (ctx.workdir / "left behind.txt").write_text("by another check", encoding="utf-8")
        _stir()
        return CheckResult(metrics=[Metric.exact("rows", ctx.predictions.size())])


def _stir() -> None:
    """Move every global generator on, as another check may."""
    random.seed(20_000)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(20_001)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(20_002)


def _difference(first: Trial, second: Trial) -> str | None:
    """The first thing that was found differently."""
    if first.found == second.found:
        return None
    if first.record.status != second.record.status:
        return f"it was {first.record.status} and is {second.record.status}: {second.record.reason}"
    values = {metric.id: metric for metric in second.record.metrics}
    for metric in first.record.metrics:
        other = values.get(metric.id)
        if other is None:
            return f"{metric.id} is no longer measured"
        if other != metric:
            return f"{metric.id} was {metric.value} [{metric.low}, {metric.high}] and is {other.value} [{other.low}, {other.high}]"
    parts = [name for name in first.found if first.found[name] != second.found[name]]
    return f"its {parts[0]} are not the same"


def compares(bench: Bench) -> str:
    """Asked to compare a run with itself, it finds for each metric that nothing got worse, or says why it cannot tell."""
    from raikit.run.margins import Margin, Margins
    from raikit.run.reader import RunView
    from raikit.run.record import Measurements

    if bench.check.compare is None:
        raise NotApplicable("it has no `compare`: the harness compares its intervals")
    with bench.context(bench.ran()[0].case) as (ctx, folder), process_state.preserved_state():
        measured = execute([(bench.check, bench.options)], ctx, folder / "run", SEED, bench.capabilities(ctx))[0]
        asked = {str(one.id): Margin(0.02) for one in measured.metrics if one.direction and one.value is not None}
        assert ctx.data is not None
        run = RunView(folder / "context", Measurements(name="run", checks=[measured], data=ctx.data.describe()))
        try:
            found = bench.check(bench.options).compare(run, run, Margins(asked))  # type: ignore[misc]
        except Exception as error:
            raise Broken(f"it raised {type(error).__name__}: {error}") from None
    if not isinstance(found, list) or not all(isinstance(one, Comparison) for one in found):
        raise Broken(f"it returned {type(found).__name__}; a list of Comparison is right")
    for one in found:
        if one.metric not in asked:
            raise Broken(f"it compared {one.metric}, for which nobody asked")
        if one.value is None and not (one.reason or "").strip():
            raise Broken(f"{one.metric} has neither a value nor a reason")
        if one.value is not None and not math.isclose(one.value, 0, abs_tol=1e-9):
            raise Broken(f"{one.metric} is said to be {one.value} worse in the same run")
    return f"{len(found)} of {len(asked)} metrics that have a direction"


def read_only(bench: Bench) -> None:
    """The predictions, the data and the model are as they were."""
    for trial in bench.everywhere():
        if trial.touched:
            raise Broken(f"on {trial.case.name} it changed {first_few(trial.touched)}, which other checks are given too")


def global_state(bench: Bench) -> None:
    """Nothing that belongs to the whole process is different afterwards."""
    _, again = bench.twice()  # the first time it may have imported libraries, which set what they like
    if again.changed:
        advice = "; draw from ctx.rng" if any("generator" in name for name in again.changed) else ""
        raise Broken(f"it changed {first_few(again.changed)}{advice}")
