"""The rules for a check that are about what it returns."""

from __future__ import annotations

import math
import re
from collections import Counter

from raikit import address
from raikit.address import Pattern
from raikit.errors import RaikitError, nearest
from raikit.run.results import CheckResult, Metric
from raikit.testing.contract.bench import Bench
from raikit.testing.contract.rule import Broken, NotApplicable

_OF_ROWS = Metric.model_fields["subject"].default
_FLAG = re.compile(r"[a-z][a-z0-9_]*")


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


def clusters(bench: Bench) -> str:
    """Of rows that share clusters, every interval says how many clusters there are, or that it is unreliable."""
    shared = [(trial, found) for trial, found in bench.results() if trial.clusters]
    if not shared:
        raise NotApplicable("it does not run on rows that share clusters")
    counted = 0
    for trial, found in shared:
        for metric in found.metrics:
            # what is exact, or is not about the audited model's rows, has no rows to be mistaken for independent
            if metric.value is None or metric.method == "exact" or metric.subject != _OF_ROWS:
                continue
            if metric.n_clusters is None and "unreliable" not in metric.flags:
                raise Broken(
                    f"on {trial.case.name}: {metric.name} takes rows for independent that share clusters ({metric.method}): "
                    "say n_clusters (raikit.stats.mean_interval does), or flag it `unreliable`"
                )
            counted += 1
    return f"{counted:,} intervals"


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
