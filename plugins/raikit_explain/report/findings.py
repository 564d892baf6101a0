"""Sentences: which inputs decisions rest on, whether two methods agree, and whether attributions add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.format import (
    capitalised,
    case_noun,
    confidence,
    confidence_interval,
    count,
    headline,
    percent,
    points,
    sample_size,
)
from raikit_explain.estimates.measures import Measures
from raikit_explain.names import input_name
from raikit_explain.report.wording import ends, gap, share

AGREEMENT_MARGIN = 0.10  # two methods agree where their shares differ by at most 10 percentage points
NEGLIGIBLE_SHARE = 0.05
_MAX_VIOLATION_RATE = 0.05
_THIS_MODEL = "The same model trained again may rest on other inputs, which no interval here covers."
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


def in_order(found: Sequence[raikit.Finding]) -> list[raikit.Finding]:
    """Return findings, those that warn first."""
    return sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity))


def findings(facts: Facts) -> list[raikit.Finding]:
    """Return what there is to say about shares of inputs and sums of attributions."""
    return [
        _completeness_finding(facts), *_largest_share_findings(facts), *_agreement_findings(facts),
        *_negligible_findings(facts), *_removal_findings(facts),
    ]


def _completeness_finding(facts: Facts) -> raikit.Finding:
    mean = facts.measures.of("completeness_error")
    rate = facts.measures.of("completeness_violation_rate")
    error = facts.measures.explanations.error
    violations = f"{count(int((error > facts.tolerance).sum()))} of {sample_size(len(error))}"
    average = percent(round(mean.value or 0.0, 4))  # without the digits of errors that hardly differ from 0
    common: dict[str, Any] = {
        "evidence": f"Missed by more than {percent(facts.tolerance)} in {violations}; {average} of the change on average",
        "what": "completeness of the attributions", "metrics": [facts.address(mean), facts.address(rate)],
        "certainty": facts.sample(len(error), rate.n_clusters),
        "facts": [("Completeness", "The parts of an attribution add up to the change of the decision that they explain."),
                  (f"Missed by over {percent(facts.tolerance)}", f"{violations} ({facts.interval(rate)} of all {case_noun()})."),
                  ("Average miss", f"{average} of the change."),
                  ("Steps", f"At most {count(int(facts.measures.explanations.steps.max()))} for each integral."),
                  ("Sample", facts.sample(len(error), rate.n_clusters))],
    }
    if (rate.value or 0.0) > _MAX_VIOLATION_RATE:
        return raikit.Finding(
            kind="worth_knowing", severity="warn", headline="Attributions miss part of the change that they explain",
            sentence="Do not rely on attributions of single parts of an input.", **common)
    return raikit.Finding(kind="fine", headline="Attributions add up to the change that they explain", **common)


def _largest_share_findings(facts: Facts) -> list[raikit.Finding]:
    """Name the input that decisions rest on most, or the first two if they cannot be told apart."""
    measures = facts.measures
    ranking = _ranking(measures)
    if len(ranking) < 2:
        return []
    first, second = ranking[0], ranking[1]
    largest, next_ = (measures.of("modality_share", input=name) for name in (first, second))
    leads = _leads(measures, first, second, len(ranking))
    said = headline(f"Decisions rest most on the {input_name(first)}", "Decisions rest most on one input")
    if not leads:
        said = headline(f"Decisions may rest most on the {input_name(first)} or the {input_name(second)}",
                        "Which input decisions rest on most cannot be decided")
    return [raikit.Finding(
        kind="worth_knowing" if leads else "undecided", headline=said, what="share of the decision", who=input_name(first),
        evidence=_evidence(facts, (input_name(first), largest), (input_name(second), next_)),
        facts=[*_other_ranking(measures, first), ("Method", "Integrated Gradients; the mean over the explained cases."),
               ("One model", _THIS_MODEL), ("Sample", facts.sample(largest.n or 0, largest.n_clusters))],
        figures=["shares"], certainty=facts.sample(largest.n or 0, largest.n_clusters),
        metrics=[facts.address(largest), facts.address(next_)])]


def _evidence(facts: Facts, *inputs: tuple[str, raikit.Metric]) -> str:
    """Write the shares of inputs as a line: ``Share of the decision: picture 37%, 95% CI 29 to 44; n = 128``."""
    level = facts.measures.level
    parts = [f"{name} {_percent(metric)}, {ends(metric.low, metric.high, metric.n or 0, level=level, value=metric.value)}"
             for name, metric in inputs]
    return f"Share of the decision: {'; '.join(parts)}; n = {count(inputs[0][1].n or 0)}"


def _leads(measures: Measures, first: str, second: str, inputs: int) -> bool:
    """Return whether the first input certainly has a larger share than the second."""
    positions = [measures.explanations.inputs.index(name) for name in (first, second)]
    lead = measures.by_gradients[:, positions[0]] - measures.by_gradients[:, positions[1]]
    # The two were picked because they are the largest, and every pair could have been (Bonferroni).
    level = 1 - (1 - measures.level) / (inputs * (inputs - 1) / 2)
    interval = measures.mean(lead, level=level) if np.isfinite(lead).any() else None
    return interval is not None and interval.low > 0


def _other_ranking(measures: Measures, first: str) -> list[tuple[str, str]]:
    """Name the input that comes first by leaving inputs out, if that is another one."""
    metrics = {name: measures.of("modality_shapley", input=name) for name in measures.explanations.inputs}
    defined = {name: metric for name, metric in metrics.items() if metric.value is not None}
    if not defined:
        return []
    other = max(defined, key=lambda name: defined[name].value or 0.0)
    return [] if other == first else [
        ("By leaving inputs out", f"{capitalised(input_name(other))} comes first, with a share of {_percent(defined[other])}.")]


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
    agree = widest <= AGREEMENT_MARGIN
    name = max(differences, key=lambda name: max(abs(differences[name].low), abs(differences[name].high)))
    n = facts.measures.count(facts.measures.by_gradients[:, 0])
    return [raikit.Finding(
        kind="fine" if agree else "undecided",
        headline="Two methods agree on what decisions rest on" if agree else "Two methods may disagree on what decisions rest on",
        evidence=_both_methods(facts, name, differences[name]),
        facts=[("Excluded" if agree else "Not excluded", f"A difference of {points(widest)} between the methods, for some input."),
               *_method_facts(facts, len(names)), ("Sample", facts.sample(n, None))],
        what="agreement of two explanations", figures=["shares"], certainty=facts.sample(n, None),
        metrics=_both_shares(facts, [name, *(other for other in names if other != name)]))]


def _both_methods(facts: Facts, name: str, difference: stats.Interval) -> str:
    """Write the share of an input by both methods with their gap: the larger minus the smaller."""
    gradients, removal = (facts.measures.of(metric, input=name) for metric in ("modality_share", "modality_shapley"))
    n = gradients.n or 0
    value, low, high = (round(end, 4) for end in (difference.value, difference.low, difference.high))  # without 1e-7
    if value < 0:
        value, low, high = -value, -high, -low
    ci = ends(low, high, n, level=facts.measures.level, value=value, simultaneous=True)
    return (f"{capitalised(input_name(name))}: by gradients {_percent(gradients)}, by leaving out {_percent(removal)}; "
            f"gap {gap(value, n)}, {ci}; n = {count(n)}")


def _method_facts(facts: Facts, inputs: int) -> list[tuple[str, str]]:
    return [("Methods", "Integrated Gradients, and exact Shapley values over combinations of inputs."),
            ("Margin", f"Methods agree if their shares differ by at most {points(AGREEMENT_MARGIN)}."),
            ("Interval", f"Simultaneous {confidence(facts.measures.level)} CI; paired, Bonferroni over {count(inputs)} inputs.")]


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


def _disagreement_finding(facts: Facts, name: str, difference: stats.Interval, inputs: int) -> raikit.Finding:
    gradients = facts.measures.of("modality_share", input=name)
    sample = facts.sample(gradients.n or 0, difference.n_clusters)
    return raikit.Finding(
        kind="worth_knowing", severity="warn",
        headline=headline(f"Two methods disagree on how much the {input_name(name)} counts", "Two methods disagree on one input"),
        evidence=_both_methods(facts, name, difference), facts=[*_method_facts(facts, inputs), ("Sample", sample)],
        what="agreement of two explanations", who=input_name(name), figures=["shares"], certainty=sample,
        metrics=_both_shares(facts, [name]))


def _negligible_findings(facts: Facts) -> list[raikit.Finding]:
    """Name inputs with a negligible share in the cases that have them."""
    measures = facts.measures
    negligible = []
    for name in _ranking(measures):
        index = measures.explanations.inputs.index(name)
        present = measures.explanations.present[:, index]
        mean = measures.mean(measures.by_gradients[:, index], cases=present, bounds=(0.0, 1.0))
        if mean is None or "unreliable" in mean.flags or mean.high > NEGLIGIBLE_SHARE:
            continue
        said = headline(f"The {input_name(name)} hardly matters to decisions", "One input hardly matters to decisions")
        n = int(present.sum())
        sample = facts.sample(n, mean.n_clusters)
        ci = ends(mean.low, mean.high, n, level=measures.level, value=mean.value)
        negligible.append(raikit.Finding(
            kind="worth_knowing", headline=said, what="share of the decision", who=input_name(name), figures=["shares"],
            evidence=f"Share of the decision in {case_noun()} that have it {share(mean.value, n)}, {ci}; "
                     f"n = {count(n)}",
            facts=[("Method", "Integrated Gradients."), ("Hardly", f"At most {percent(NEGLIGIBLE_SHARE)} of the decision."),
                   ("Sample", sample)],
            certainty=sample, metrics=[facts.address(measures.of("modality_share", input=name))],
            value=mean.value, low=mean.low, high=mean.high))
    return negligible


def _removal_findings(facts: Facts) -> list[raikit.Finding]:
    """Name the input whose removal changes the decision most."""
    metrics = [metric for metric in facts.measures.metrics if metric.name == "modality_removal" and metric.value is not None]
    if not metrics:
        return []
    largest, *others = sorted(metrics, key=lambda metric: -(metric.value or 0.0))
    name = input_name(str(largest.args["input"]))
    sample = facts.sample(largest.n or 0, largest.n_clusters)
    effect = (f"The predicted value changes, in {facts.target_unit}." if facts.regression
              else "The probability of the decided class falls.")
    # Whether it is the most for sure is no claim: the headline says so only where no interval of another input overlaps.
    surely = bool(others) and all((largest.low or 0.0) > (other.high or 0.0) for other in others)
    said = (f"Leaving out the {name} changes decisions most" if surely else f"Leaving out the {name} changes decisions"
            if (largest.low or 0.0) > 0 else f"Leaving out the {name} is not shown to change decisions")
    return [raikit.Finding(
        kind="worth_knowing" if surely else "method", headline=headline(said, "Leaving out one input changes decisions"),
        facts=[("Effect", effect), ("Cases", f"Those that have the input: {sample}.")],
        what="removal of an input", who=name, metrics=[facts.address(largest)], certainty=sample)]


def _ranking(measures: Measures) -> list[str]:
    """Return the inputs that have a gradient share, the largest share first."""
    values = {name: measures.of("modality_share", input=name).value for name in measures.explanations.inputs}
    return sorted((name for name, value in values.items() if value is not None), key=lambda name: -(values[name] or 0.0))


def _both_shares(facts: Facts, names: list[str]) -> list[str]:
    return [facts.address(facts.measures.of(metric, input=name))
            for name in names for metric in ("modality_share", "modality_shapley")]


def _percent(metric: raikit.Metric) -> str:
    return share(metric.value, metric.n or 0)
