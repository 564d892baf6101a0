"""Findings and tables of `explainability.probes`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import raikit
from raikit.format import (
    capitalised,
    case_noun,
    class_text,
    column_text,
    confidence,
    count,
    counted,
    headline,
    percent,
    sample_size,
    significant,
    value_text,
)
from raikit_explain.estimates.opposites import Opposite
from raikit_explain.estimates.probe_results import Probe, metrics

_FEW_COLUMNS = 4
_TEXT = 90
_LIMITS = "Only this changed. What usually goes with it stayed as it was, and some changed cases may not occur."


@dataclass(frozen=True)
class Facts:
    """What sentences are made of."""

    ctx: raikit.CheckContext
    probes: Sequence[Probe]
    metrics: Sequence[raikit.Metric]
    address: Callable[[raikit.Metric], str]
    scored: int


def findings(facts: Facts, nearest: Sequence[Opposite]) -> list[raikit.Finding]:
    """Return what was found, what warns first."""
    made = [finding for probe in facts.probes if (finding := _probe(facts, probe)) is not None]
    made += _opposites(facts, nearest)
    if facts.probes:
        made.append(raikit.Finding(
            kind="method", headline="The model scored changed cases", what="method of probes",
            evidence=f"{count(facts.scored)} inputs scored; {counted(len(facts.probes), 'probe')}",
            facts=[("Limits", _LIMITS), ("Scores", _score_text(facts.ctx))]))
    return sorted(made, key=lambda finding: ("fail", "warn", "note").index(finding.severity))


def _score_text(ctx: raikit.CheckContext) -> str:
    if ctx.task == "regression":
        return "The predicted value."
    if ctx.task == "binary":
        return f"The probability of {class_text(ctx.positive)}."
    return "The probability of the class that was decided."


def _probe(facts: Facts, probe: Probe) -> raikit.Finding | None:
    """Say whether a change of terms or of a column moves scores surely (Bonferroni over all probes)."""
    if probe.kind == "replacement":
        return None
    regression = facts.ctx.task == "regression"
    effects = [metric for metric in facts.metrics if metric.name in ("term_swap_effect", "column_effect")
               and {**metric.args, "to": None} == {**probe.args, "to": None}]
    if not any(metric.value is not None for metric in effects):
        reason = next((metric.reason for metric in effects if metric.reason), None)
        return raikit.Finding(kind="undecided", headline=f"The effect of {probe.name} was not measured", what="probe",
                              evidence=capitalised(reason or probe.nothing), metrics=[facts.address(metric) for metric in effects])
    tests = sum(len(one.outcome.names) - 1 for one in facts.probes if one.kind != "replacement")
    level = 1 - (1 - facts.ctx.confidence) / max(tests, 1)
    strict = {str(metric.args["to"]): metric for metric in metrics([probe], level, regression)
              if metric.name in ("term_swap_effect", "column_effect")}
    sure = [metric for metric in effects if metric.value and _excludes_zero(strict[str(metric.args["to"])])]
    largest = max(sure or effects, key=lambda metric: abs(metric.value or 0.0))
    flips = next((metric for metric in facts.metrics if metric.name.endswith("_flip_rate") and metric.args == probe.args), None)
    rows = [("Limits", _LIMITS), ("Test", f"The {confidence(level)} interval: Bonferroni over {counted(tests, 'change')}.")]
    if probe.kind == "term":
        templates = len(np.unique(probe.outcome.clusters[0])) if probe.outcome.clusters else 0
        rows.append(("Texts", f"{count(len(probe.outcome))} with a term, {count(templates)} templates."))
    if flips is not None and flips.value is not None:
        rows.append(("Decisions", f"{percent(flips.value)} of them change ({sample_size(flips.n)})."))
    first, to = probe.outcome.names[0], str(largest.args["to"])
    what = f"{_value(probe, to)} instead of {_value(probe, first)}"
    name = capitalised(probe.name) + ("" if probe.kind == "column" else ":")
    said = headline(f"{name} {what} changes scores", f"{capitalised(probe.name)} changes scores", "A declared change moves scores")
    if not sure:
        said = headline(f"Changing {probe.name} is not shown to move scores", "One change is not shown to move scores")
    return raikit.Finding(
        kind="worth_knowing" if sure else "undecided", severity="warn" if sure else "note", headline=said, what="probe",
        who=probe.name, facts=rows, metrics=[facts.address(largest), *([facts.address(flips)] if flips is not None else [])],
        certainty=sample_size(largest.n, largest.n_clusters))


def _excludes_zero(metric: raikit.Metric) -> bool:
    if metric.low is None or metric.high is None or {"unreliable", "few_clusters"} & set(metric.flags):
        return False
    return (metric.low > 0 and "open_low" not in metric.flags) or (metric.high < 0 and "open_high" not in metric.flags)


def _value(probe: Probe, name: str) -> str:
    return value_text(str(probe.args["column"]), name) if probe.kind == "column" else name


def _opposites(facts: Facts, nearest: Sequence[Opposite]) -> list[raikit.Finding]:
    """Warn where two cases differ in sensitive columns alone and were decided otherwise."""
    sensitive = set(facts.ctx.sensitive)
    twins = [one for one in nearest if one.same_texts and one.differs and {column for column, _, _ in one.differs} <= sensitive]
    metric = next(metric for metric in facts.metrics if metric.name == "opposite_distance")
    if not twins:
        return []
    columns = sorted({column_text(column) for one in twins for column, _, _ in one.differs})
    return [raikit.Finding(
        kind="worth_knowing", severity="warn", what="nearest opposite",
        headline=headline(f"{capitalised(case_noun())} that differ only in {' and '.join(columns)} were decided otherwise",
                          f"{capitalised(case_noun())} that differ only in sensitive columns were decided otherwise"),
        evidence=f"{count(len(twins))} of {sample_size(len(nearest))}, drawn at random", metrics=[facts.address(metric)])]


def tables(facts: Facts, shown: Sequence[Opposite]) -> list[raikit.Table]:
    """Return the table of probes and that of nearest opposites."""
    return [table for table in (_probes(facts), _nearest(facts, shown)) if table is not None]


def _probes(facts: Facts) -> raikit.Table | None:
    rows: list[list[Any]] = []
    for metric in facts.metrics:
        if metric.value is None or metric.name == "opposite_distance":
            continue
        probe = next(one for one in facts.probes if {**metric.args, "to": None} == {**one.args, "to": None})
        to = metric.args.get("to")
        first = _value(probe, probe.outcome.names[0])
        what = "decisions that change" if to is None else f"{_value(probe, str(to))} instead of {first}"
        rows.append([capitalised(probe.name), what, metric.n, metric.value, metric.low, metric.high])
    if not rows:
        return None
    form = "number" if facts.ctx.task == "regression" else "percent"
    columns = [("changed", "Changed", "text"), ("what", "Effect", "text"), ("n", capitalised(case_noun()), "integer"),
               ("value", "Change" if form == "number" else "Share, or change of the score", form), ("low", "Lower", form),
               ("high", "Upper", form)]
    return raikit.Table(
        id="probes", title="What changed cases do to decisions", rows=rows,
        columns=[raikit.Column.model_validate({"name": name, "title": title, "format": form}) for name, title, form in columns],
        note=f"{_score_text(facts.ctx)} {confidence(facts.ctx.confidence)} intervals, each by itself. {_LIMITS}")


def _nearest(facts: Facts, shown: Sequence[Opposite]) -> raikit.Table | None:
    if not shown:
        return None
    columns = [("case", capitalised(case_noun(1)), "text"), ("decided", "Decided", "text"), ("other", "Most alike", "text"),
               ("otherwise", "Decided", "text"), ("differs", "Differs in", "text"), ("distance", "Distance", "number")]
    rows = [[str(one.case["id"]), class_text(one.case["prediction"]), str(one.other["id"]), class_text(one.other["prediction"]),
             _difference(facts, one), round(one.distance, 3)] for one in shown]
    return raikit.Table(
        id="opposites", title=f"The most alike {case_noun()} that were decided otherwise", rows=rows,
        columns=[raikit.Column.model_validate({"name": name, "title": title, "format": form}) for name, title, form in columns],
        note=f"Random {case_noun()}. Distance from 0 to 1: the mean over columns of Gower's, and of texts the share of words that "
             "only one has. What differs need not be the reason.")


def _difference(facts: Facts, one: Opposite) -> str:
    parts = [f"{column_text(column)} {_short(column, value)} → {_short(column, other)}" for column, value, other in one.differs]
    if len(parts) > _FEW_COLUMNS:
        parts = [*parts[:_FEW_COLUMNS], f"and {len(parts) - _FEW_COLUMNS} more"]
    texts = [item.columns[0] for item in getattr(facts.ctx.data, "inputs", {}).values() if item.modality == "text"]
    parts += [f"“{_cut(one.case[name])}” → “{_cut(one.other[name])}”" for name in texts if one.case[name] != one.other[name]]
    return "; ".join(parts) or "nothing that the model reads"


def _short(column: str, value: Any) -> str:
    code: Any = value.item() if isinstance(value, np.generic) else value
    if isinstance(code, float) and np.isfinite(code):
        return count(int(code)) if code.is_integer() and abs(code) < 1e15 else significant(code, 4)
    return value_text(column, code)


def _cut(text: Any) -> str:
    words = str(text or "")
    return words if len(words) <= _TEXT else f"{words[:_TEXT]}…"
