"""The rules for a check that are about where it runs: on what it requires, and on data that are not so nice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from raikit.check import Check, CheckContext
from raikit.config.types import Task
from raikit.process import state as process_state
from raikit.testing.contract.bench import SEED, Bench, Case, Trial
from raikit.testing.contract.rule import Broken, NotApplicable, first_few
from raikit.testing.data import GROUP
from raikit.testing.run import execute, needs_model, wanted

if TYPE_CHECKING:
    import pandas as pd


def runs(bench: Bench) -> str:
    """On data that meet its requirements it comes to an end, and measures something."""
    trials = [bench.try_on(case) for case in bench.ordinary()]
    if crashed := [trial for trial in trials if trial.record.status == "error" and not trial.has_returned]:
        if bench.guessed and crashed[0].case.data is None:
            raise NotApplicable(f"{crashed[0].complaint()}. {_made_up(bench)}; give data that have what it looks for: {_HOW}")
        raise Broken(f"{crashed[0].complaint()}{_hint(trials)}")
    if any(trial.entered for trial in trials) and not any(_measured(trial) for trial in trials):
        why = next((reason for trial in trials if (reason := _why_nothing(trial))), "")
        raise Broken(f"it measured nothing on any data that the kit makes{why}; give data that it can measure: {_HOW}")
    made_up = f". {_made_up(bench)}" if bench.guessed else ""
    return f"on {first_few((trial.case.name for trial in bench.ran()), 10)}{made_up}"


_HOW = "conformance(…, data=…), or --data audit.yaml"


def _made_up(bench: Bench) -> str:
    names = " and ".join(map(repr, bench.guessed))
    what = f"the columns {names} were" if len(bench.guessed) > 1 else f"the column {names} was"
    return f"{what} made up by the kit, of numbers from 0 to 9"


def _measured(trial: Trial) -> bool:
    # what is no result at all is a rule of its own
    return trial.has_returned and (trial.result is None or any(metric.value is not None for metric in trial.result.metrics))


def _why_nothing(trial: Trial) -> str:
    """What the check itself says about it."""
    reasons = [metric.reason for metric in trial.result.metrics] if trial.result is not None else [trial.record.reason]
    return f" (it says: {reasons[0]})" if reasons and reasons[0] else ""


def _hint(trials: Sequence[Trial]) -> str:
    """Where only some tasks go wrong, the author may not have had the others in mind."""
    tasks = {trial.case.changes["task"] for trial in trials}
    wrong = {trial.case.changes["task"] for trial in trials if not trial.has_returned}
    fine = sorted(tasks - wrong)
    return f"; if it is meant for {' and '.join(fine)} targets only, say so: tasks={set(fine)}" if wrong and fine else ""


def requires(bench: Bench) -> str:
    """It is skipped without what it requires, and runs with exactly that: no model, column or split beyond."""
    check, first = bench.check, bench.ran()[0]
    with bench.context(first.case) as (ctx, folder), process_state.preserved_state():
        for number, (what, without, capabilities) in enumerate(_without(check, ctx, bench)):
            record = execute([(check, bench.options)], without, folder / f"without-{number}", SEED, capabilities)[0]
            if record.status != "skipped" or not record.reason:
                raise Broken(f"without {what} it is {record.status}, not skipped with a reason")
    needs = wanted(check)
    there = {"task": needs["task"], "groups": ("F", "M") if "sensitive" in check.requires.columns else ()}
    trial = bench.try_on(Case("data that hold exactly what it requires", there, bare=True))
    if trial.record.status != "ok" and not trial.has_returned:
        raise Broken(f"{trial.complaint()}; say in `requires` what is missing there")
    return _said(check)


def _without(check: type[Check], ctx: CheckContext, bench: Bench) -> Iterable[tuple[str, CheckContext, frozenset[str]]]:
    needs, able = check.requires, bench.capabilities(ctx)
    roles: dict[str, dict[str, Any]] = {"sensitive": {"sensitive": ()}, "cluster": {"cluster": ()}, "weight": {"weight": None}}
    for role in sorted(set(needs.columns) & set(roles)):
        yield f"a {role} column", replace(ctx, **roles[role]), able
    for capability in sorted(needs.capabilities):
        yield f"the capability {capability!r}", ctx, able - {capability}
    if needs.tasks:
        others = [task for task in get_args(Task) if task not in needs.tasks]
        if others:
            yield f"a target of its task (with a {others[0]} one)", replace(ctx, task=others[0]), able


def _said(check: type[Check]) -> str:
    needs = {name: sorted(value) for name, value in vars(check.requires).items() if isinstance(value, set | frozenset) and value}
    return "; ".join(f"{name}: {', '.join(value)}" for name, value in needs.items()) or "nothing"


def small_groups(bench: Bench) -> str | None:
    """A group without rows, of one row, or of one class costs that group its value, not the check."""
    groups = ("F", "M", "gone", "lone", "same")
    return _survives(bench, Case("groups of no row, one row and one class", {"groups": groups}, edit=_thinned))


def _thinned(table: pd.DataFrame) -> pd.DataFrame:
    """`gone` has rows in train alone, `lone` one of them elsewhere, `same` one label (or number) in every split."""
    elsewhere = table["split"] != "train"
    gone = (table[GROUP] == "gone") & elsewhere
    lone = (table[GROUP] == "lone") & elsewhere
    table["target"] = table["target"].where(table[GROUP] != "same", table["target"].iloc[0])
    nth = lone.groupby([lone, table["split"]]).cumcount()
    return table[~gone & ~(lone & (nth > 0))].reset_index(drop=True)


def missing(bench: Bench) -> str | None:
    """Missing groups and missing inputs are dealt with."""
    return _survives(bench, Case("missing groups and inputs", {"missing": True}))


def tiny(bench: Bench) -> str | None:
    """The fewest rows that an audit lets pass are enough to say that they are too few."""
    made = bench.made({})
    return _survives(bench, Case("a dozen rows", {"rows": max(made.fewest, 3 * bench.check.requires.min_rows)}))


def one_answer(bench: Bench) -> str | None:
    """A model that says the same of every row is measured too."""
    if needs_model(bench.check):
        raise NotApplicable("it asks the model itself")
    return _survives(bench, Case("predictions that are all the same", constant=True))


def _survives(bench: Bench, case: Case) -> str | None:
    bench.ran()
    if any(bench.try_on(ordinary).record.status == "error" for ordinary in bench.ordinary()):
        raise NotApplicable("it crashes on ordinary data already")
    trial = bench.try_on(case)
    if trial.record.status == "error" and not trial.has_returned:
        raise Broken(trial.complaint())
    if trial.record.status == "skipped":
        raise NotApplicable(f"skipped: {trial.record.reason}")
    return None
