"""The rules for a check about the result that it returns."""

from __future__ import annotations

import math
import re
from collections import Counter

from raikit import address
from raikit.address import Pattern
from raikit.errors import RaikitError, nearest
from raikit.naming import names_in_use
from raikit.run.results import CheckResult, Finding, Metric
from raikit.testing.contract.bench import Bench
from raikit.testing.contract.rule import Broken, NotApplicable

_DEFAULT_SUBJECT = Metric.model_fields["subject"].default
_FLAG = re.compile(r"[a-z][a-z0-9_]*")
_NUMBER = re.compile(r"(?<!\w)\d")  # F1 and R2 are names
_QUOTED = re.compile(r"“[^”]*”")
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
_MOST_WORDS = 25


def result(bench: Bench) -> None:
    """Return a CheckResult that can be written as JSON, read back, and added to the record."""
    for trial in bench.all_completed():
        if trial.result is None:
            raise Broken(f"on {trial.scenario.name} it returned {type(trial.returned).__name__}, not a CheckResult")
        try:
            checked = CheckResult.model_validate(trial.result.model_dump())
            again = CheckResult.model_validate_json(checked.model_dump_json())
        except ValueError as error:
            raise Broken(f"on {trial.scenario.name}: {' '.join(str(error).split())[:300]}") from None
        if again != checked:
            raise Broken(f"on {trial.scenario.name} the result changes when it is written as JSON and read back")
        # Wrong addresses and changed inputs break rules of their own.
        if trial.record.status == "error" and not (_address_problem(bench, trial.result) or trial.changed_inputs):
            raise Broken(trial.failure())


def ids(bench: Bench) -> str:
    """Give each metric a well-formed, unique address below the check's own prefix."""
    count = 0
    for trial, returned in bench.results():
        if problem := _address_problem(bench, returned):
            raise Broken(f"on {trial.scenario.name}: {problem}")
        count = max(count, len(returned.metrics))
    return f"{count} metric{'' if count == 1 else 's'}"


def _address_problem(bench: Bench, returned: CheckResult) -> str | None:
    seen: Counter[str] = Counter()
    for metric, written in bench.addresses(returned):
        if written is None:
            return f"{metric.name!r} with args {metric.args}, over {metric.over}, group {metric.group} makes no valid address"
        try:
            again = str(address.parse(written))
        except RaikitError as error:
            return str(error)
        if again != written:
            return f"{written} reads back as {again}"
        if not written.startswith(f"{bench.check.prefix()}."):
            return f"{written} is not below {bench.check.prefix()}."
        seen[written] += 1
    duplicates = [written for written, times in seen.items() if times > 1]
    return f"{duplicates[0]} is a duplicate: {seen[duplicates[0]]} metrics have this address" if duplicates else None


def declared(bench: Bench) -> None:
    """List every metric that is returned in `produces`."""
    patterns = [Pattern(str(pattern)) for pattern in bench.check.produces]
    if not patterns:
        raise NotApplicable("its `produces` is empty")
    for trial, returned in bench.results():
        for _, written in bench.addresses(returned):
            if written is not None and not any(pattern.matches(written) for pattern in patterns):
                raise Broken(f"on {trial.scenario.name} it measured {written}, which `produces` does not list")


def intervals(bench: Bench) -> str:
    """Give every value a number of cases and an informative interval, and every undefined metric a reason."""
    valued = undefined = 0
    for trial, returned in bench.results():
        for metric in returned.metrics:
            if problem := _interval_problem(metric):
                raise Broken(f"on {trial.scenario.name}: {metric.name} {problem}")
            valued, undefined = valued + (metric.value is not None), undefined + (metric.value is None)
    return f"{valued:,} values, {undefined:,} undefined with a reason"


def _interval_problem(metric: Metric) -> str | None:
    if bad_flags := [flag for flag in metric.flags if not _FLAG.fullmatch(flag)]:
        return f"has the flag {bad_flags[0]!r}; a flag is a word such as small_group"
    if metric.level is not None and not 0 < metric.level < 1:
        return f"has an interval at the level {metric.level}; a level is between 0 and 1"
    if metric.value is None:
        return None if (metric.reason or "").strip() else "is undefined without a reason"
    if not (metric.method or "").strip():
        return "does not name the `method` of its interval"
    if (metric.n or 0) < 1:
        return f"is {metric.value} from {metric.n} cases; without cases it is undefined: Metric.undefined(name, reason)"
    width = (metric.high or 0) - (metric.low or 0)
    if not width and metric.method != "exact" and not {"no_variation", "bound"} & set(metric.flags):
        return (
            f"is {metric.value} with an interval of zero width by {metric.method}; use Metric.exact for a value that is not an "
            "estimate, flags=['bound'] for one that is itself a limit, and flags=['no_variation'] where the data did not vary"
        )
    return "has an interval that is NaN" if math.isnan(width) else None


def clusters(bench: Bench) -> str:
    """State the number of clusters with every interval where cases share clusters, or flag it as unreliable."""
    clustered = [(trial, returned) for trial, returned in bench.results() if trial.has_clusters]
    if not clustered:
        raise NotApplicable("it does not run on data with clusters")
    counted = 0
    for trial, returned in clustered:
        for metric in returned.metrics:
            # An exact value, or one that is not about the model's cases, assumes no independence of cases.
            if metric.value is None or metric.method == "exact" or metric.subject != _DEFAULT_SUBJECT:
                continue
            if metric.n_clusters is None and "unreliable" not in metric.flags:
                raise Broken(
                    f"on {trial.scenario.name}: {metric.name} treats cases of one cluster as independent ({metric.method}); "
                    "set n_clusters (raikit.stats.mean_interval does), or add the flag `unreliable`"
                )
            counted += 1
    return f"{counted:,} intervals"


def findings(bench: Bench) -> None:
    """Refer in findings to metrics and figures of the same result; give tables and figures unique ids."""
    for trial, returned in bench.results():
        measured = {written for _, written in bench.addresses(returned)}
        figures = [figure.id for figure in returned.figures]
        for finding in returned.findings:
            if unknown := [written for written in finding.metrics if written not in measured]:
                hint = nearest(unknown[0], [written for written in measured if written])
                raise Broken(f"on {trial.scenario.name}: a finding refers to {unknown[0]}, which was not measured.{hint}")
            if unknown := [figure for figure in finding.figures if figure not in figures]:
                raise Broken(f"on {trial.scenario.name}: a finding refers to the figure {unknown[0]!r}, which does not exist")
        for kind, names in (("figures", figures), ("tables", [table.id for table in returned.tables])):
            if duplicates := [name for name, times in Counter(names).items() if times > 1]:
                raise Broken(f"on {trial.scenario.name}: two {kind} have the id {duplicates[0]!r}")


def wording(bench: Bench) -> str:
    """Give findings a headline of 12 words without a number, or both sides with n; no sentence has over 25 words."""
    count = 0
    for trial, returned in bench.results():
        for finding in returned.findings:
            if problem := _wording_problem(finding, returned):
                raise Broken(f"on {trial.scenario.name}: {problem}")
            count += 1
    return f"{count:,} findings"


def _wording_problem(finding: Finding, returned: CheckResult) -> str | None:
    sides = [side for side in (finding.worse, finding.better) if side is not None]
    if not finding.headline and not sides:
        return f"the finding {finding.sentence[:80]!r} has no headline; say in at most 12 words who or what does what"
    if _NUMBER.search(_without_names(finding, returned)):
        return f"the headline {finding.headline!r} has a number; numbers are for `evidence`"
    if any(side.n is None for side in sides):
        return f"the finding {finding.headline or finding.measure!r} gives a side without n"
    for place, text in (("evidence", finding.evidence), ("sentence", finding.sentence), *finding.facts):
        if long := [part for part in _SENTENCE_END.split(text) if len(part.split()) > _MOST_WORDS]:
            return f"{place!r} has a sentence of {len(long[0].split())} words, {long[0][:80]!r}; at most {_MOST_WORDS}"
    return None


def _without_names(finding: Finding, returned: CheckResult) -> str:
    """Return a headline without what it quotes and without names of groups and classes, which may hold digits."""
    groups = [metric.group or {} for metric in returned.metrics]
    groups += [side.group for side in (finding.worse, finding.better) if side is not None]
    names = {names_in_use().value(column, value) for group in groups for column, value in group.items()}
    names |= {names_in_use().of_class(metric.args["class"]) for metric in returned.metrics if "class" in metric.args}
    text = _QUOTED.sub("", finding.headline)
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "", text)
    return text
