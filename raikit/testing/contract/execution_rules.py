"""The rules for a check about where it runs: with exactly what it requires, and on difficult data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, get_args

import pandas as pd

from raikit.audit.requirements import TASK_OF_ROLE, needs_model
from raikit.check import Check, CheckContext
from raikit.config.types import Task
from raikit.process import state as process_state
from raikit.testing.contract.bench import SEED, Bench, Scenario, Trial
from raikit.testing.contract.rule import Broken, NotApplicable, first_few
from raikit.testing.data import GROUP
from raikit.testing.run import data_requirements, execute

_GIVE_DATA = "conformance(…, data=…), or --data audit.yaml"


def runs(bench: Bench) -> str:
    """Finish on data that meet the requirements, and measure something."""
    trials = [bench.try_on(scenario) for scenario in bench.ordinary()]
    if crashed := [trial for trial in trials if trial.record.status == "error" and not trial.has_returned]:
        if bench.invented_columns and crashed[0].scenario.data is None:
            raise NotApplicable(f"{crashed[0].failure()}. {_invented(bench)}; provide data that hold what it expects: {_GIVE_DATA}")
        raise Broken(f"{crashed[0].failure()}{_task_hint(trials)}")
    if any(trial.entered for trial in trials) and not any(_measured(trial) for trial in trials):
        why = next((reason for trial in trials if (reason := _why_nothing(trial))), "")
        raise Broken(f"it measured nothing on any generated data{why}; provide data that it can measure: {_GIVE_DATA}")
    invented = f". {_invented(bench)}" if bench.invented_columns else ""
    return f"on {first_few((trial.scenario.name for trial in bench.completed()), 10)}{invented}"


def _invented(bench: Bench) -> str:
    names = " and ".join(map(repr, bench.invented_columns))
    what = f"The columns {names} were" if len(bench.invented_columns) > 1 else f"The column {names} was"
    return f"{what} filled with random numbers from 0 to 9"


def _measured(trial: Trial) -> bool:
    # That something else than a result was returned breaks a rule of its own.
    return trial.has_returned and (trial.result is None or any(metric.value is not None for metric in trial.result.metrics))


def _why_nothing(trial: Trial) -> str:
    """Return the check's own reason for measuring nothing, in brackets."""
    reasons = [metric.reason for metric in trial.result.metrics] if trial.result is not None else [trial.record.reason]
    return f" (its reason: {reasons[0]})" if reasons and reasons[0] else ""


def _task_hint(trials: Sequence[Trial]) -> str:
    """Suggest `tasks` where only some tasks fail, because the author may not have had the others in mind."""
    tasks = {trial.scenario.changes["task"] for trial in trials}
    failing = {trial.scenario.changes["task"] for trial in trials if not trial.has_returned}
    passing = sorted(tasks - failing)
    return f"; if it supports only {' and '.join(passing)} targets, add tasks={set(passing)}" if failing and passing else ""


def requires(bench: Bench) -> str:
    """Require everything that `run` needs: a model, columns, splits."""
    check, first = bench.check, bench.completed()[0]
    with bench.context(first.scenario) as (ctx, folder), process_state.preserved_state():
        for number, (what, reduced, capabilities) in enumerate(_without(check, ctx, bench)):
            record = execute([(check, bench.options)], reduced, folder / f"without-{number}", SEED, capabilities)[0]
            if record.status != "skipped" or not record.reason:
                raise Broken(f"without {what} its status is {record.status}; it must be skipped with a reason")
    if check.requires.columns & TASK_OF_ROLE.keys():
        return "what is missing is named; generated data have no targets that are lists"
    groups = ("F", "M") if "sensitive" in check.requires.columns else ()
    changes = {"task": data_requirements(check)["task"], "groups": groups}
    trial = bench.try_on(Scenario("data that hold exactly what it requires", changes, bare=True))
    if trial.record.status != "ok" and not trial.has_returned:
        raise Broken(f"{trial.failure()}; add to `requires` what is missing there")
    return _requirements_text(check)


def _without(check: type[Check], ctx: CheckContext, bench: Bench) -> Iterable[tuple[str, CheckContext, frozenset[str]]]:
    """Yield contexts that each lack one requirement: what is missing, the context, and the capabilities."""
    needs, capabilities = check.requires, bench.capabilities(ctx)
    roles: dict[str, dict[str, Any]] = {"sensitive": {"sensitive": ()}, "cluster": {"cluster": ()}, "weight": {"weight": None}}
    for role in sorted(set(needs.columns) & set(roles)):
        yield f"a {role} column", replace(ctx, **roles[role]), capabilities
    for capability in sorted(needs.capabilities):
        yield f"the capability {capability!r}", ctx, capabilities - {capability}
    if needs.model:
        yield "a model", replace(ctx, model=None), capabilities
    if needs.tasks:
        others = [task for task in get_args(Task) if task not in needs.tasks]
        if others:
            yield f"a target of its task (with a {others[0]} one)", replace(ctx, task=others[0]), capabilities


def _requirements_text(check: type[Check]) -> str:
    needs = {name: sorted(value) for name, value in vars(check.requires).items() if isinstance(value, set | frozenset) and value}
    parts = [f"{name}: {', '.join(value)}" for name, value in needs.items()]
    return "; ".join([*parts, "a model"] if check.requires.model else parts) or "nothing"


def small_groups(bench: Bench) -> str | None:
    """Survive a group without cases, one with a single case, and one with a single class."""
    groups = ("F", "M", "gone", "lone", "same")
    scenario = Scenario("groups with no case, one case and one class", {"groups": groups}, edit=_thin_out)
    return _survives(bench, scenario)


def _thin_out(table: pd.DataFrame) -> pd.DataFrame:
    """Keep `gone` in the train split alone, one case of `lone` in each other split, and one label (or number) of `same`."""
    elsewhere = table["split"] != "train"
    gone = (table[GROUP] == "gone") & elsewhere
    lone = (table[GROUP] == "lone") & elsewhere
    table["target"] = table["target"].where(table[GROUP] != "same", table["target"].iloc[0])
    nth = lone.groupby([lone, table["split"]]).cumcount()
    return table[~gone & ~(lone & (nth > 0))].reset_index(drop=True)


def missing(bench: Bench) -> str | None:
    """Survive missing groups and missing inputs."""
    return _survives(bench, Scenario("missing groups and inputs", {"missing": True}))


def tiny(bench: Bench) -> str | None:
    """Survive the smallest data that an audit accepts, if only to report too few cases."""
    fewest = bench.spec({}).fewest
    return _survives(bench, Scenario("a dozen cases", {"rows": max(fewest, 3 * bench.check.requires.min_rows)}))


def one_answer(bench: Bench) -> str | None:
    """Survive a model that gives every case the same prediction."""
    if needs_model(bench.check):
        raise NotApplicable("it queries the model itself")
    return _survives(bench, Scenario("predictions that are all the same", constant=True))


def _survives(bench: Bench, scenario: Scenario) -> str | None:
    bench.completed()
    if any(bench.try_on(ordinary).record.status == "error" for ordinary in bench.ordinary()):
        raise NotApplicable("it already crashes on ordinary data")
    trial = bench.try_on(scenario)
    if trial.record.status == "error" and not trial.has_returned:
        raise Broken(trial.failure())
    if trial.record.status == "skipped":
        raise NotApplicable(f"skipped: {trial.record.reason}")
    return None
