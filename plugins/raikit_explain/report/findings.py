"""Sentences: which inputs decisions rest on, whether two methods agree, and whether attributions add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

import raikit
from raikit import stats
from raikit.format import case_noun, confidence, confidence_interval, count, percent, points, sample_size, significant
from raikit_explain.estimates.measures import Measures

AGREEMENT_MARGIN = 0.10  # two methods agree where their shares differ by at most 10 percentage points
NEGLIGIBLE_SHARE = 0.05
_MAX_VIOLATION_RATE = 0.05
_THIS_MODEL = "This is one model; the same model trained again may rest on other inputs, which no interval here covers."
_SEVERITIES = ("fail", "warn", "note")


@dataclass(frozen=True)
class Facts:
    """What sentences are made of.

    Parameters
    ----------
    measures : Measures
    address : callable
        Returns the address of a metric.
    tolerance : float
    regression : bool
    target_unit : str
    """

    measures: Measures
    address: Callable[[raikit.Metric], str]
    tolerance: float
    regression: bool
    target_unit: str

    def interval(self, estimate: raikit.Metric | stats.Interval, unit: str | None = "rate") -> str:
        """Write the interval of an estimate with the level of the measures."""
        return confidence_interval(
            estimate.low, estimate.high, unit, level=self.measures.level, value=estimate.value)

    def sample(self, n: int, n_clusters: int | None) -> str:
        """Write how many of the explained cases an estimate rests on, and from how many they were drawn."""
        population, explained = self.measures.sample.population, len(self.measures.sample.frame)
        cases = sample_size(n) if n == explained else f"{count(n)} of {sample_size(explained)}"
        drawn = f", drawn from {count(population)}" if explained < population else ""
        clusters = f", {sample_size(None, n_clusters)}" if n_clusters else ""
        return cases + drawn + clusters


def findings(facts: Facts) -> list[raikit.Finding]:
    """Return all findings, those that warn first."""
    found = [
        _completeness_finding(facts), *_largest_share_findings(facts), *_agreement_findings(facts),
        *_negligible_findings(facts), *_removal_findings(facts),
    ]
    return sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity))


def _completeness_finding(facts: Facts) -> raikit.Finding:
    mean = facts.measures.of("completeness_error")
    rate = facts.measures.of("completeness_violation_rate")
    error = facts.measures.explanations.error
    violations = f"{count(int((error > facts.tolerance).sum()))} of {sample_size(len(error))}"
    average = percent(round(mean.value or 0.0, 4))  # without the digits of errors that hardly differ from 0
    metrics = [facts.address(mean), facts.address(rate)]
    certainty = (f"share of {case_noun()} above the tolerance: {facts.interval(rate)}; mean error {average}; at most "
                 f"{int(facts.measures.explanations.steps.max())} steps; {facts.sample(len(error), rate.n_clusters)}")
    if (rate.value or 0.0) > _MAX_VIOLATION_RATE:
        return raikit.Finding(
            sentence=f"Attributions miss the change that they explain by more than {percent(facts.tolerance)} in {violations} "
                     f"({facts.interval(rate)} of all {case_noun()}). Do not rely on attributions of single parts of an input.",
            severity="warn", what="completeness of the attributions", certainty=certainty, metrics=metrics)
    return raikit.Finding(
        sentence=f"Attributions add up to the change that they explain: they miss it by {average} on average, and by "
                 f"more than {percent(facts.tolerance)} in {violations}.",
        what="completeness of the attributions", certainty=certainty, metrics=metrics)


def _largest_share_findings(facts: Facts) -> list[raikit.Finding]:
    """Name the input that decisions rest on most, or the first two if they cannot be told apart."""
    measures = facts.measures
    ranking = _ranking(measures)
    if len(ranking) < 2:
        return []
    first, second = ranking[0], ranking[1]
    largest, next_ = (measures.of("modality_share", input=name) for name in (first, second))
    if _leads(measures, first, second, len(ranking)):
        sentence = (f"Decisions rest most on the input {first}: its share of the decision is {_percent(largest)}, that of "
                    f"{second} {_percent(next_)}")
    else:
        sentence = (f"{first} and {second} have the largest shares of the decisions ({_percent(largest)} and "
                    f"{_percent(next_)}); the sample is too small to rank them")
    return [raikit.Finding(
        sentence=f"{sentence}{_other_ranking(measures, first)}. {_THIS_MODEL}",
        what="share of the decision", who=first, figures=["shares"],
        certainty=f"{facts.interval(largest)}, and {facts.interval(next_)}; Integrated Gradients; "
                  f"{facts.sample(largest.n or 0, largest.n_clusters)}",
        metrics=[facts.address(largest), facts.address(next_)])]


def _leads(measures: Measures, first: str, second: str, inputs: int) -> bool:
    """Return whether the first input certainly has a larger share than the second."""
    positions = [measures.explanations.inputs.index(name) for name in (first, second)]
    lead = measures.by_gradients[:, positions[0]] - measures.by_gradients[:, positions[1]]
    # The two were picked because they are the largest, and every pair could have been (Bonferroni).
    level = 1 - (1 - measures.level) / (inputs * (inputs - 1) / 2)
    interval = measures.mean(lead, level=level) if np.isfinite(lead).any() else None
    return interval is not None and interval.low > 0


def _other_ranking(measures: Measures, first: str) -> str:
    """Name the input that comes first by leaving inputs out, if that is another one."""
    metrics = {name: measures.of("modality_shapley", input=name) for name in measures.explanations.inputs}
    defined = {name: metric for name, metric in metrics.items() if metric.value is not None}
    if not defined:
        return ""
    other = max(defined, key=lambda name: defined[name].value or 0.0)
    return "" if other == first else f"; by leaving inputs out {other} comes first ({_percent(defined[other])})"


def _agreement_findings(facts: Facts) -> list[raikit.Finding]:
    """Say whether gradients and leaving out agree within the margin, for all inputs at once."""
    names = _ranking(facts.measures)
    if facts.measures.by_removal is None or len(names) < 2:
        return []
    differences = _paired_differences(facts.measures, names)
    apart = [name for name, difference in differences.items()
             if difference.low > AGREEMENT_MARGIN or difference.high < -AGREEMENT_MARGIN]
    if apart:
        return [_disagreement_finding(facts, name, differences[name], len(names)) for name in apart]
    if not differences:
        return []
    widest = max(max(abs(difference.low), abs(difference.high)) for difference in differences.values())
    sentence = (
        f"Gradients and leaving inputs out agree: their shares differ by at most {points(widest)} for every input."
        if widest <= AGREEMENT_MARGIN else
        f"The sample is too small to tell whether gradients and leaving inputs out agree within {points(AGREEMENT_MARGIN)} "
        f"for every input; {_largest_difference(facts.measures, differences)}"
    )
    n = facts.measures.count(facts.measures.by_gradients[:, 0])
    return [raikit.Finding(
        sentence=sentence, what="agreement of two explanations", figures=["shares"], metrics=_both_shares(facts, names),
        certainty=f"simultaneous {confidence(facts.measures.level)} CI (Bonferroni over {len(names)} inputs) of the paired "
                  f"differences; {facts.sample(n, None)}")]


def _paired_differences(measures: Measures, names: list[str]) -> dict[str, stats.Interval]:
    """Estimate the difference of both shares of each input, simultaneously (Bonferroni); unreliable ones are left out."""
    assert measures.by_removal is not None
    level = 1 - (1 - measures.level) / len(names)
    differences: dict[str, stats.Interval] = {}
    for name in names:
        index = measures.explanations.inputs.index(name)
        difference = measures.mean(
            measures.by_gradients[:, index] - measures.by_removal[:, index], level=level, bounds=(-1.0, 1.0))
        if difference is not None and "unreliable" not in difference.flags:
            differences[name] = difference
    return differences


def _largest_difference(measures: Measures, differences: Mapping[str, stats.Interval]) -> str:
    name = max(differences, key=lambda name: abs(differences[name].value))
    gradients, removal = (measures.of(metric, input=name) for metric in ("modality_share", "modality_shapley"))
    return f"the difference is largest for {name}, {_percent(gradients)} against {_percent(removal)}."


def _disagreement_finding(facts: Facts, name: str, difference: stats.Interval, inputs: int) -> raikit.Finding:
    gradients, removal = (facts.measures.of(metric, input=name) for metric in ("modality_share", "modality_shapley"))
    ci = confidence_interval(difference.low, difference.high, "points", level=facts.measures.level, value=difference.value,
                             simultaneous=True)
    return raikit.Finding(
        sentence=f"Gradients and leaving inputs out disagree about {name}: its share of the decision is {_percent(gradients)} "
                 f"by gradients and {_percent(removal)} by leaving out.",
        severity="warn", what="agreement of two explanations", who=name, figures=["shares"],
        metrics=_both_shares(facts, [name]),
        certainty=f"{ci} (Bonferroni over {inputs} inputs) of the paired difference; "
                  f"{facts.sample(gradients.n or 0, difference.n_clusters)}")


def _negligible_findings(facts: Facts) -> list[raikit.Finding]:
    """Name inputs with a negligible share in the cases that have them."""
    measures = facts.measures
    negligible = []
    for name in _ranking(measures):
        index = measures.explanations.inputs.index(name)
        present = measures.explanations.present[:, index]
        share = measures.mean(measures.by_gradients[:, index], cases=present, bounds=(0.0, 1.0))
        if share is None or "unreliable" in share.flags or share.high > NEGLIGIBLE_SHARE:
            continue
        negligible.append(raikit.Finding(
            sentence=f"The input {name} hardly matters: in {case_noun()} that have it, its share of the decision is "
                     f"{percent(share.value)}.",
            what="share of the decision", who=name, figures=["shares"],
            metrics=[facts.address(measures.of("modality_share", input=name))],
            certainty=f"{facts.interval(share)}; {facts.sample(int(present.sum()), share.n_clusters)}"))
    return negligible


def _removal_findings(facts: Facts) -> list[raikit.Finding]:
    """Name the input whose removal changes the decision most."""
    metrics = [metric for metric in facts.measures.metrics if metric.name == "modality_removal" and metric.value is not None]
    if not metrics:
        return []
    largest = max(metrics, key=lambda metric: metric.value or 0.0)
    name, value = str(largest.args["input"]), largest.value or 0.0
    effect = (f"the predicted value changes by {significant(value)} {facts.target_unit}" if facts.regression
              else f"the probability of the decided class falls by {points(value)}")
    others = ", more than without any other input" if len(metrics) > 1 else ""
    return [raikit.Finding(
        sentence=f"Without the input {name}, {effect} on average{others}.",
        what="removal of an input", who=name, metrics=[facts.address(largest)],
        certainty=f"{facts.interval(largest, largest.unit)}; {case_noun()} that have the input: "
                  f"{facts.sample(largest.n or 0, largest.n_clusters)}")]


def _ranking(measures: Measures) -> list[str]:
    """Return the inputs that have a gradient share, the largest share first."""
    values = {name: measures.of("modality_share", input=name).value for name in measures.explanations.inputs}
    return sorted((name for name, value in values.items() if value is not None), key=lambda name: -(values[name] or 0.0))


def _both_shares(facts: Facts, names: list[str]) -> list[str]:
    return [facts.address(facts.measures.of(metric, input=name))
            for name in names for metric in ("modality_share", "modality_shapley")]


def _percent(metric: raikit.Metric) -> str:
    return percent(metric.value or 0.0)
