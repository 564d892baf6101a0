"""The rules for a check: each a function whose docstring is the rule in a sentence."""

from __future__ import annotations

import difflib
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from raikit import address
from raikit.address import Pattern
from raikit.check import Check, CheckContext, Task
from raikit.data.batch import Modality
from raikit.data.splits import ORDER
from raikit.errors import RaikitError, nearest
from raikit.models.base import Capability
from raikit.results import CheckResult, Comparison, Metric
from raikit.testing.contract import state, verdict
from raikit.testing.contract.bench import SEED, Bench, Case, Trial
from raikit.testing.contract.verdict import Broken, NotApplicable, Rule, first_few, rule_of
from raikit.testing.data import GROUP, Made
from raikit.testing.run import needs_model, wanted

if TYPE_CHECKING:
    import pandas as pd

_ROLES = ("target", "prediction", "sensitive", "cluster", "weight", "score")
_LONGEST_TITLE = 120
_MISTYPED = 0.8  # likeness from which a column of the user's is rather a role with a typing mistake
_FLAG = re.compile(r"[a-z][a-z0-9_]*")


def cases(check: type[Check]) -> Iterator[verdict.Case]:
    """Every rule that is to be held against a check."""
    from raikit.plugins import _contract_problem

    name = getattr(check, "name", check.__name__)
    problem = _contract_problem(check)
    yield from ((name, rule, check) for rule in WRITTEN)
    if problem is not None:
        yield from ((name, rule.untried("it breaks the contract"), None) for rule in TRIED)
        return
    try:
        bench = Bench(check)
    except ValueError:  # pydantic's
        yield from ((name, rule.untried("its options have no valid defaults"), None) for rule in TRIED)
    else:
        yield from ((name, rule, bench) for rule in TRIED)


# --- what is written in the class -------------------------------------------------------------------------------


def contract(check: type[Check]) -> None:
    """It has a name, a pillar, a cost, options and a `run`, and says what it produces below its own prefix."""
    from raikit.plugins import _contract_problem

    if problem := _contract_problem(check):
        raise Broken(problem)


def docstring(check: type[Check]) -> None:
    """Its docstring begins with a line that the report can take as its title."""
    title = (vars(check).get("__doc__") or "").strip().split("\n\n")[0]
    if not title:
        raise Broken("it has no docstring; its first line is the check's title in the report")
    if len(title) > _LONGEST_TITLE:
        raise Broken(f"its docstring begins with {len(title)} characters; a title has at most {_LONGEST_TITLE}, then an empty line")


def options(check: type[Check]) -> str:
    """Every option has a description and a default that is valid."""
    fields = getattr(check.Options, "model_fields", {})
    if bare := [name for name, field in fields.items() if not (field.description or "").strip()]:
        raise Broken(f"the option {bare[0]!r} has no description: Field(…, description='…')")
    if bare := [name for name, field in fields.items() if field.is_required()]:
        raise Broken(f"the option {bare[0]!r} has no default; a check runs as soon as it is installed")
    try:
        written = check.Options().model_dump(mode="json")
        again = check.Options.model_validate(written).model_dump(mode="json")
    except ValueError as error:
        raise Broken(f"its defaults are not valid: {' '.join(str(error).split())[:300]}") from None
    if again != written:
        raise Broken("its defaults are different when they are written down and read back, as a resumed run does")
    return f"{len(fields)} option{'' if len(fields) == 1 else 's'}"


def produces(check: type[Check]) -> str:
    """It says which addresses it produces, so that a mistyped rule is found before data are read."""
    if not check.produces:
        raise Broken(f'it says nothing; write produces = ["{check.prefix()}.…"]')
    return first_few(map(str, check.produces))


def required_names(check: type[Check]) -> str | None:
    """What it requires is called as the harness calls it."""
    needs = check.requires
    words: dict[str, tuple[Iterable[str], Iterable[str]]] = {
        "capability": (needs.capabilities, get_args(Capability)),
        "modality": (needs.modalities, get_args(Modality)),
        "task": (needs.tasks, get_args(Task)),
        "split": (needs.splits, ORDER),
    }
    for what, (asked, there) in words.items():
        if stray := sorted(set(asked) - set(there)):
            raise Broken(f"no {what} is called {stray[0]!r}.{nearest(stray[0], there)} Known: {', '.join(there)}")
    for column in sorted(set(needs.columns) - set(_ROLES)):
        if near := difflib.get_close_matches(column, _ROLES, n=1, cutoff=_MISTYPED):
            raise Broken(f"no role of a column is called {column!r}. Did you mean {near[0]!r}? Known: {', '.join(_ROLES)}")
        return f"the column {column!r} is the user's own"
    return None


# --- what it does -----------------------------------------------------------------------------------------------


def runs(bench: Bench) -> str:
    """On data that meet its requirements it comes to an end."""
    trials = [bench.try_on(case) for case in bench.ordinary()]
    if crashed := [trial for trial in trials if trial.record.status == "error" and not trial.has_returned]:
        raise Broken(f"{crashed[0].complaint()}{_hint(trials)}")
    return f"on {first_few((trial.case.name for trial in bench.ran()), 10)}"


def _hint(trials: Sequence[Trial]) -> str:
    """Where only some tasks go wrong, the author may not have had the others in mind."""
    tasks = {trial.case.changes["task"] for trial in trials}
    wrong = {trial.case.changes["task"] for trial in trials if not trial.has_returned}
    fine = sorted(tasks - wrong)
    return f"; if it is meant for {' and '.join(fine)} targets only, say so: tasks={set(fine)}" if wrong and fine else ""


def result(bench: Bench) -> None:
    """What it returns is a CheckResult that can be written, read back, and taken over by the harness."""
    for trial in bench.everywhere():
        if trial.result is None:
            raise Broken(f"on {trial.case.name} it returned {type(trial.returned).__name__}, not a CheckResult")
        try:
            checked = CheckResult.model_validate(trial.result.model_dump())
            again = CheckResult.model_validate_json(checked.model_dump_json())
        except ValueError as error:
            raise Broken(f"on {trial.case.name}: {' '.join(str(error).split())[:300]}") from None
        if again != checked:
            raise Broken(f"on {trial.case.name} the result is different when it is written as JSON and read back")
        # wrong addresses and what was written into are rules of their own
        if trial.record.status == "error" and not (_wrong_ids(bench, trial.result) or trial.touched):
            raise Broken(trial.complaint())


def ids(bench: Bench) -> str:
    """The addresses of its metrics are well formed and its own, and none stands twice."""
    count = 0
    for trial, found in bench.results():
        if problem := _wrong_ids(bench, found):
            raise Broken(f"on {trial.case.name}: {problem}")
        count = max(count, len(found.metrics))
    return f"{count} metric{'' if count == 1 else 's'}"


def _wrong_ids(bench: Bench, found: CheckResult) -> str | None:
    seen: Counter[str] = Counter()
    for metric, written in bench.addresses(found):
        if written is None:
            return f"{metric.name!r} with args {metric.args}, over {metric.over}, group {metric.group} makes no address"
        try:
            again = str(address.parse(written))
        except RaikitError as error:
            return str(error)
        if again != written:
            return f"{written} reads back as {again}"
        if not written.startswith(f"{bench.check.prefix()}."):
            return f"{written} is not below {bench.check.prefix()}."
        seen[written] += 1
    twice = [written for written, times in seen.items() if times > 1]
    return f"{twice[0]} stands {seen[twice[0]]} times" if twice else None


def declared(bench: Bench) -> None:
    """Every metric that comes out is among those that it says it produces."""
    patterns = [Pattern(str(pattern)) for pattern in bench.check.produces]
    if not patterns:
        raise NotApplicable("it does not say what it produces")
    for trial, found in bench.results():
        for _, written in bench.addresses(found):
            if written is not None and not any(pattern.matches(written) for pattern in patterns):
                raise Broken(f"on {trial.case.name} it measured {written}, which `produces` does not name")


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


def requires(bench: Bench) -> str:
    """It is skipped without what it requires, and runs with exactly that: no model, column or split beyond."""
    check, first = bench.check, bench.ran()[0]
    with bench.context(first.case) as (ctx, folder), state.kept():
        for number, (what, without, capabilities) in enumerate(_without(check, ctx, bench)):
            from raikit.testing.run import execute

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
    needs, able = check.requires, bench._capabilities(ctx)
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


def compares(bench: Bench) -> str:
    """Asked to compare a run with itself, it finds for each metric that nothing got worse, or says why it cannot tell."""
    from raikit.record import Gate, Record
    from raikit.regressions import Margin, Margins
    from raikit.runs import Run
    from raikit.testing.run import execute

    if bench.check.compare is None:
        raise NotApplicable("it has no `compare`: the harness compares its intervals")
    with bench.context(bench.ran()[0].case) as (ctx, folder), state.kept():
        measured = execute([(bench.check, bench.options)], ctx, folder / "run", SEED, bench._capabilities(ctx))[0]
        asked = {str(one.id): Margin(0.02) for one in measured.metrics if one.direction and one.value is not None}
        assert ctx.data is not None
        record = Record(name="run", verdict="pass", checks=[measured], gate=Gate(verdict="pass"), data=ctx.data.describe())
        run = Run(folder / "context", record)
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


# --- on data that are not so nice -------------------------------------------------------------------------------


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
    made = Made(**wanted(bench.check))
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


# --- what it says, and what it leaves ---------------------------------------------------------------------------


def intervals(bench: Bench) -> str:
    """Every value comes with its rows and an interval that says something, or with the reason why there is none."""
    valued = undefined = 0
    for trial, found in bench.results():
        for metric in found.metrics:
            if problem := _dishonest(metric):
                raise Broken(f"on {trial.case.name}: {metric.name} {problem}")
            valued, undefined = valued + (metric.value is not None), undefined + (metric.value is None)
    return f"{valued:,} values, {undefined:,} undefined with a reason"


def _dishonest(metric: Metric) -> str | None:
    if stray := [flag for flag in metric.flags if not _FLAG.fullmatch(flag)]:
        return f"has the flag {stray[0]!r}; a flag is a word such as small_group"
    if metric.level is not None and not 0 < metric.level < 1:
        return f"has an interval at the level {metric.level}; a level is between 0 and 1"
    if metric.value is None:
        return None if (metric.reason or "").strip() else "is undefined for no reason"
    if not (metric.method or "").strip():
        return "does not say by which method its interval was made"
    if (metric.n or 0) < 1:
        return f"is {metric.value} from {metric.n} rows; without rows it is undefined: Metric.undefined(name, reason)"
    width = (metric.high or 0) - (metric.low or 0)
    if not width and metric.method != "exact" and "no_variation" not in metric.flags:
        return (
            f"is {metric.value} with an interval of no width by {metric.method}; "
            "what is no estimate is Metric.exact, what did not vary has flags=['no_variation']"
        )
    return "has an interval that is no number" if math.isnan(width) else None


def findings(bench: Bench) -> None:
    """Findings rest on metrics and figures that are there; tables and figures have ids of their own."""
    for trial, found in bench.results():
        measured = {written for _, written in bench.addresses(found)}
        figures = [figure.id for figure in found.figures]
        for finding in found.findings:
            if stray := [written for written in finding.metrics if written not in measured]:
                hint = nearest(stray[0], [written for written in measured if written])
                raise Broken(f"on {trial.case.name}: a finding rests on {stray[0]}, which was not measured.{hint}")
            if stray := [figure for figure in finding.figures if figure not in figures]:
                raise Broken(f"on {trial.case.name}: a finding points at the figure {stray[0]!r}, which is not there")
        for what, names in (("figures", figures), ("tables", [table.id for table in found.tables])):
            if twice := [name for name, times in Counter(names).items() if times > 1]:
                raise Broken(f"on {trial.case.name}: two {what} are called {twice[0]!r}")


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


_WRITTEN: tuple[Callable[[Any], str | None], ...] = (contract, docstring, options, produces, required_names)
_TRIED: tuple[Callable[[Any], str | None], ...] = (
    runs, requires, small_groups, missing, tiny, one_answer, result, ids, declared, intervals, findings, deterministic, order,
    compares, read_only, global_state,
)  # fmt: skip
WRITTEN: tuple[Rule, ...] = tuple(map(rule_of, _WRITTEN))
TRIED: tuple[Rule, ...] = tuple(map(rule_of, _TRIED))
