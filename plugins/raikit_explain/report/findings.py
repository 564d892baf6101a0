"""Sentences: what decisions rest on, whether two ways of asking agree, whether the attributions add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import raikit
from raikit import stats
from raikit_explain.estimates.attributions import Floats
from raikit_explain.estimates.measures import Measures
from raikit_explain.words import percent, points

AGREE = 0.10  # shares that differ by less than ten points say the same thing
HARDLY = 0.05
_VIOLATIONS = 0.05

Address = Callable[[raikit.Metric], str]


@dataclass(frozen=True)
class Facts:
    """What sentences are made of, besides the measures."""

    measures: Measures
    address: Address
    tolerance: float
    regression: bool
    target_unit: str

    @property
    def sure(self) -> str:
        return f"{100 * self.measures.level:g} %"

    def data(self, n: int, n_clusters: int | None) -> str:
        """From how many rows, out of how many that were explained, drawn from how many."""
        population, explained = self.measures.sample.population, len(self.measures.sample.frame)
        drawn = f"{n:,} rows" if n == explained else f"{n:,} of {explained:,} rows"
        drawn += f", drawn from {population:,}" if explained < population else ""
        return drawn + (f", {n_clusters:,} clusters" if n_clusters else "")


def findings(facts: Facts) -> list[raikit.Finding]:
    """All findings, those that warn first."""
    found = [_completeness(facts), *_rests_on(facts), *_agreement(facts), *_hardly(facts), *_removal(facts)]
    order = {"fail": 0, "warn": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def _completeness(facts: Facts) -> raikit.Finding:
    mean = facts.measures.of("completeness_error")
    rate = facts.measures.of("completeness_violation_rate")
    error = facts.measures.explained.error
    above = int((error > facts.tolerance).sum())
    steps = int(facts.measures.explained.steps.max())
    metrics = [facts.address(mean), facts.address(rate)]
    certainty = (f"{facts.sure} interval of the share of such rows {_range(rate)}; mean error {_percent_of(mean)}; "
                 f"at most {steps} steps; {facts.data(len(error), rate.n_clusters)}.")
    if (rate.value or 0.0) > _VIOLATIONS:
        return raikit.Finding(
            sentence=f"The attributions of {above} of {len(error)} rows miss the change that they explain by more than "
                     f"{percent(facts.tolerance)} ({_range(rate)} of all rows): what is said below of single parts of "
                     "an input must not be relied on.",
            severity="warn", what="completeness of the attributions", certainty=certainty, metrics=metrics)
    return raikit.Finding(
        sentence=f"Attributions add up to the change that they explain: they miss it by {_percent_of(mean)} on "
                 f"average, and by more than {percent(facts.tolerance)} in {above} of {len(error)} rows.",
        what="completeness of the attributions", certainty=certainty, metrics=metrics)


def _rests_on(facts: Facts) -> list[raikit.Finding]:
    """Which input decisions rest on most; undecided if the first two cannot be told apart."""
    measures = facts.measures
    ranked = _ranked(measures)
    if len(ranked) < 2:
        return []
    first, second = ranked[0], ranked[1]
    top, next_ = (measures.of("modality_share", input=name) for name in (first, second))
    lead = _difference(measures, measures.by_gradients, first, second)
    # the two were picked because they are largest: every pair could have been
    level = 1 - (1 - measures.level) / (len(ranked) * (len(ranked) - 1) / 2)
    settled = lead is not None and (found := measures.mean(lead, level=level)) is not None and found.low > 0
    if settled:
        sentence = (f"Decisions rest most on the input {first}: it carries {_percent_of(top)} of what moves them, "
                    f"{second} {_percent_of(next_)}.")
    else:
        sentence = (f"{first} and {second} carry most of what moves the decisions ({_percent_of(top)} and "
                    f"{_percent_of(next_)}); which of them more, these rows do not tell.")
    sentence = sentence.removesuffix(".") + _other_first(measures, first) + "."
    return [raikit.Finding(
        sentence=sentence, what="share of the decision", who=first, figures=["shares"],
        certainty=f"{facts.sure} intervals {_range(top)} and {_range(next_)}; Integrated Gradients; "
                  f"{facts.data(top.n or 0, top.n_clusters)}.",
        metrics=[facts.address(top), facts.address(next_)])]


def _other_first(measures: Measures, first: str) -> str:
    """What comes first by leaving inputs out, if that is another input."""
    values = {name: measures.of("modality_shapley", input=name) for name in measures.explained.inputs}
    known = {name: metric for name, metric in values.items() if metric.value is not None}
    if not known:
        return ""
    other = max(known, key=lambda name: known[name].value or 0.0)
    return "" if other == first else f"; by leaving inputs out {other} comes first ({_percent_of(known[other])})"


def _agreement(facts: Facts) -> list[raikit.Finding]:
    """Whether gradients and leaving out agree within ten points, for all inputs at once."""
    measures = facts.measures
    if measures.by_removal is None or len(_ranked(measures)) < 2:
        return []
    names = _ranked(measures)
    level = 1 - (1 - measures.level) / len(names)
    differences: dict[str, stats.Interval] = {}
    for name in names:
        index = measures.explained.inputs.index(name)
        found = measures.mean(measures.by_gradients[:, index] - measures.by_removal[:, index], level=level,
                              bounds=(-1.0, 1.0))
        if found is not None and "unreliable" not in found.flags:
            differences[name] = found
    apart = [name for name, found in differences.items() if found.low > AGREE or found.high < -AGREE]
    if apart:
        return [_disagreement(facts, name, differences[name], len(names)) for name in apart]
    if not differences:
        return []
    widest = max(max(abs(found.low), abs(found.high)) for found in differences.values())
    sentence = (
        f"Gradients and leaving inputs out say the same: their shares differ by {points(widest)} at most, for every input."
        if widest <= AGREE else
        f"Whether gradients and leaving inputs out agree within {points(AGREE)} for every input, these rows do not tell; "
        + _furthest(measures, differences)
    )
    return [raikit.Finding(
        sentence=sentence,
        what="agreement of two explanations", figures=["shares"], metrics=_both(facts, names),
        certainty=f"{facts.sure} simultaneous intervals (Bonferroni over {len(names)} inputs) of the paired "
                  f"differences; {facts.data(measures.count(measures.by_gradients[:, 0]), None)}.")]


def _furthest(measures: Measures, differences: dict[str, stats.Interval]) -> str:
    name = max(differences, key=lambda name: abs(differences[name].value))
    one, other = measures.of("modality_share", input=name), measures.of("modality_shapley", input=name)
    return f"they differ most about {name}, {_percent_of(one)} against {_percent_of(other)}."


def _disagreement(facts: Facts, name: str, found: stats.Interval, family: int) -> raikit.Finding:
    measures = facts.measures
    one, other = measures.of("modality_share", input=name), measures.of("modality_shapley", input=name)
    return raikit.Finding(
        sentence=f"Gradients and leaving inputs out disagree about {name}: it carries {_percent_of(one)} of the "
                 f"decision by the first, {_percent_of(other)} by the second.",
        severity="warn", what="agreement of two explanations", who=name, figures=["shares"],
        metrics=_both(facts, [name]),
        certainty=f"{facts.sure} simultaneous interval (Bonferroni over {family} inputs) of the paired difference "
                  f"{points(found.low)} to {points(found.high)}; {facts.data(one.n or 0, found.n_clusters)}.")


def _hardly(facts: Facts) -> list[raikit.Finding]:
    """Inputs that carry next to nothing where they are there."""
    measures = facts.measures
    found = []
    for name in _ranked(measures):
        index = measures.explained.inputs.index(name)
        rows = measures.explained.present[:, index]
        interval = measures.mean(measures.by_gradients[:, index], rows=rows, bounds=(0.0, 1.0))
        if interval is None or "unreliable" in interval.flags or interval.high > HARDLY:
            continue
        metric = measures.of("modality_share", input=name)
        found.append(raikit.Finding(
            sentence=f"The input {name} hardly matters: in rows that have it, it carries {percent(interval.value)} of "
                     "what moves the decision.",
            what="share of the decision", who=name, figures=["shares"], metrics=[facts.address(metric)],
            certainty=f"{facts.sure} interval {percent(interval.low)} to {percent(interval.high)}; "
                      f"{facts.data(int(rows.sum()), interval.n_clusters)}."))
    return found


def _removal(facts: Facts) -> list[raikit.Finding]:
    """The input whose loss costs the decision most."""
    measures = facts.measures
    metrics = [metric for metric in measures.metrics if metric.name == "modality_removal" and metric.value is not None]
    if not metrics:
        return []
    worst = max(metrics, key=lambda metric: metric.value or 0.0)
    name, value, low, high = worst.args["input"], worst.value or 0.0, worst.low or 0.0, worst.high or 0.0
    if facts.regression:
        cost = f"the predicted value changes by {value:.3g} {facts.target_unit}"
        ends = f"{low:.3g} to {high:.3g}"
    else:
        cost = f"the probability of what is decided falls by {points(value)}"
        ends = f"{points(low)} to {points(high)}"
    more = ", more than without any other" if len(metrics) > 1 else ""
    return [raikit.Finding(
        sentence=f"Without the input {name} {cost} on average{more}.",
        what="removal of an input", who=str(name), metrics=[facts.address(worst)],
        certainty=f"{facts.sure} interval {ends}; of rows that have the input: "
                  f"{facts.data(worst.n or 0, worst.n_clusters)}.")]


def _ranked(measures: Measures) -> list[str]:
    """Inputs by their gradient share, the largest first; those without one are left out."""
    values = {name: measures.of("modality_share", input=name).value for name in measures.explained.inputs}
    known = [name for name, value in values.items() if value is not None]
    return sorted(known, key=lambda name: -(values[name] or 0.0))


def _difference(measures: Measures, by_row: Floats, first: str, second: str) -> Floats | None:
    inputs = measures.explained.inputs
    difference = by_row[:, inputs.index(first)] - by_row[:, inputs.index(second)]
    return difference if np.isfinite(difference).any() else None


def _both(facts: Facts, names: list[str]) -> list[str]:
    return [facts.address(facts.measures.of(metric, input=name))
            for name in names for metric in ("modality_share", "modality_shapley")]


def _percent_of(metric: raikit.Metric) -> str:
    return percent(metric.value or 0.0)


def _range(metric: raikit.Metric) -> str:
    return f"{percent(metric.low or 0.0)} to {percent(metric.high or 0.0)}"
