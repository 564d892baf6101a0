"""Sentences: what decisions rest on by leaving parts out, whether groups differ, and what was tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import raikit
from raikit import stats
from raikit.format import (
    capitalised,
    case_noun,
    column_text,
    confidence,
    count,
    group_name,
    headline,
    p_value,
    percent,
    sample_size,
)
from raikit_explain.estimates.leaving_out import AGREEMENT
from raikit_explain.estimates.part_measures import SHARE_METRICS, Difference, PartMeasures
from raikit_explain.estimates.strangers import Strangers
from raikit_explain.estimates.verdict import LEVEL, MAGNITUDE, NOT_CONVERGED, SUPPORTED, Share
from raikit_explain.names import input_name
from raikit_explain.report.findings import Facts as _GradientFacts
from raikit_explain.report.part_words import most_moving
from raikit_explain.report.wording import ends, gap, share

_PARTS = {"input": "inputs", "word": "words", "region": "regions", "band": "bands", "column": "columns"}
_REPLACED = {
    "input": "An absent input is missing where some case lacks it, else neutral: no words, one colour, silence, usual values.",
    "word": "Left-out words are deleted.",
    "region": "A left-out region has the mean colour of its picture.",
    "band": "A left-out band is silent.",
    "column": "A left-out column has its median or most frequent value",
}
_THIS_WAY = "Parts were left out in the same way as for the explanation; another way of replacing them may say otherwise."


@dataclass(frozen=True)
class Facts:
    """What sentences are made of.

    Parameters
    ----------
    ctx : CheckContext
    measures : PartMeasures
    address : callable
    strangers : Strangers
    split : str
        Where replacements come from.
    """

    ctx: raikit.CheckContext
    measures: PartMeasures
    address: Callable[[raikit.Metric], str]
    strangers: Strangers
    split: str

    @property
    def kind(self) -> str:
        """What a part is."""
        return self.measures.explanations.kind

    def name(self, part: str) -> str:
        """Return what people call a part."""
        return input_name(part) if self.kind == "input" else column_text(part) if self.kind == "column" else part

    def sample(self, n: int, n_clusters: int | None = None) -> str:
        """Write how many explained cases an estimate rests on, and from how many they were drawn."""
        return _GradientFacts.sample(self, n, n_clusters)  # type: ignore[arg-type]


def findings(facts: Facts) -> list[raikit.Finding]:
    """Return all findings, those that warn first."""
    made = [
        *_largest(facts),
        *_words(facts),
        *_differences(facts),
        *_removal(facts),
        *_interactions(facts),
        _verdict(facts),
        _how(facts),
    ]
    return sorted(made, key=lambda finding: ("fail", "warn", "note").index(finding.severity))


# --- what decisions rest on ---------------------------------------------------------------------------------------


def _largest(facts: Facts) -> list[raikit.Finding]:
    measures = facts.measures
    if not measures.explanations.values.any():
        return [
            raikit.Finding(
                kind="worth_knowing",
                headline=f"No {facts.kind} changes any explained decision",
                evidence=f"Leaving out {_PARTS[facts.kind]} changed no score in {sample_size(len(measures.sample.frame))}",
                what="share of the decision",
                metrics=[facts.address(metric) for metric in measures.metrics[:1]],
            )
        ]
    if len(measures.largest) < 2:
        return []
    first, second = measures.largest[:2]
    one, two = measures.share_of(first), measures.share_of(second)
    leads = _leads(measures, first, second)
    article = "the " if facts.kind in ("input", "region", "band") else ""
    said = headline(f"Decisions rest most on {article}{facts.name(first)}", f"Decisions rest most on one {facts.kind}")
    if not leads:
        said = headline(
            f"Decisions may rest most on {article}{facts.name(first)} or {article}{facts.name(second)}",
            f"Which {facts.kind} decisions rest on most cannot be decided",
        )
    level = measures.level
    parts = [
        f"{facts.name(name)} {share(metric.value, metric.n or 0)}, "
        f"{ends(metric.low, metric.high, metric.n or 0, level=level, value=metric.value)}"
        for name, metric in ((first, one), (second, two))
    ]
    return [
        raikit.Finding(
            kind="worth_knowing" if leads else "undecided",
            headline=said,
            what="share of the decision",
            who=facts.name(first),
            evidence=f"Share of the decision: {'; '.join(parts)}; n = {count(one.n or 0)}",
            figures=["parts"],
            facts=[
                ("Method", f"{capitalised(measures.method_text)}; the mean over the explained {case_noun()}."),
                ("One model", "The same model trained again may rest on other parts, which no interval here covers."),
                ("Sample", facts.sample(one.n or 0, one.n_clusters)),
            ],
            certainty=facts.sample(one.n or 0, one.n_clusters),
            metrics=[facts.address(one), facts.address(two)],
        )
    ]


def _leads(measures: PartMeasures, first: str, second: str) -> bool:
    """Return whether the first part certainly has a larger share than the second (Bonferroni over all pairs)."""
    parts = len(measures.largest)
    level = 1 - (1 - measures.level) / (parts * (parts - 1) / 2)
    interval = measures.mean(measures.shares[first] - measures.shares[second], level=level)
    return interval is not None and interval.low > 0 and "unreliable" not in interval.flags


def _words(facts: Facts) -> list[raikit.Finding]:
    words = [] if facts.ctx.redact else most_moving(facts.measures)
    if not words:
        return []
    strongest = max(words, key=lambda word: abs(word.mean))
    way = strongest.toward
    if strongest.mean < 0:
        way = way.replace("towards", "away from").replace("upwards", "downwards")
    ci = ", alike in all"
    if strongest.low is not None and strongest.high is not None:
        ci = f" ({confidence(facts.measures.level)} CI {strongest.low:+.2f} to {strongest.high:+.2f})"
    return [
        raikit.Finding(
            kind="worth_knowing",
            headline=headline(f"“{strongest.text}” moves decisions {way}", "Single words move decisions"),
            evidence=f"Mean contribution {strongest.mean:+.2f} {facts.measures.explanations.unit}{ci}; "
            f"{sample_size(strongest.cases)} with the word",
            what="contribution of a word",
            who=strongest.text,
            figures=["parts"],
            facts=[
                (
                    "Chosen",
                    f"The word was chosen because it is the strongest here; further {case_noun()} may show a weaker effect.",
                )
            ],
        )
    ]


# --- groups --------------------------------------------------------------------------------------------------------


def _differences(facts: Facts) -> list[raikit.Finding]:
    measures = facts.measures
    if not measures.differences:
        return []
    alpha = 1 - measures.level
    sure = [one for one in measures.differences if one.p_adjusted <= alpha and one.gap.low > 0]
    if sure:
        return [_difference(facts, one) for one in sorted(sure, key=lambda one: one.p_adjusted)[:4]]
    least = min(measures.differences, key=lambda one: one.p_adjusted)
    detectable = [one.gap.minimum_detectable for one in measures.differences if one.gap.minimum_detectable is not None]
    shown = (
        f"; one of {gap(max(detectable), len(measures.sample.frame))} would have been detected (80% power)" if detectable else ""
    )
    return [
        raikit.Finding(
            kind="undecided",
            headline=f"No group is shown to be judged by other {_PARTS[facts.kind]}",
            evidence=f"Smallest adjusted p {p_value(least.p_adjusted)} over {count(len(measures.differences))} differences{shown}",
            what="differences between groups in shares of the decision",
            metrics=[facts.address(_metric(facts, least))],
            certainty=facts.sample(len(measures.sample.frame)),
        )
    ]


def _metric(facts: Facts, one: Difference) -> raikit.Metric:
    found = facts.measures.of(f"{SHARE_METRICS[facts.kind]}_difference", args={facts.kind: one.part}, over=[one.column])
    assert found is not None
    return found


def _difference(facts: Facts, one: Difference) -> raikit.Finding:
    measures, metric = facts.measures, _metric(facts, one)
    sides = []
    for name in (one.high_group, one.low_group):
        of_group = measures.of(SHARE_METRICS[facts.kind], args={facts.kind: one.part}, over=[one.column], group={one.column: name})
        assert of_group is not None
        sides.append(f"{group_name({one.column: name})} {share(of_group.value, of_group.n or 0)}")
    n = len(measures.sample.frame)
    return raikit.Finding(
        kind="worth_knowing",
        severity="warn",
        what="share of the decision",
        who=facts.name(one.part),
        headline=headline(
            f"{capitalised(facts.name(one.part))} weighs differently between groups of {column_text(one.column)}",
            f"One {facts.kind} weighs differently between groups",
        ),
        evidence=f"Share of the decision: {', '.join(sides)}; {gap(one.gap.value, n)}, "
        f"{ends(one.gap.low, one.gap.high, n, level=measures.level, value=one.gap.value)}; adjusted p {p_value(one.p_adjusted)}",
        facts=[
            (
                "Meaning",
                "The model bases decisions on this part to another extent. Whether that harms a group, rates and errors tell.",
            ),
            ("Test", f"max-t over pairs of groups; Holm over {count(len(measures.differences))} differences."),
        ],
        certainty=facts.sample(n, metric.n_clusters),
        metrics=[facts.address(metric)],
    )


# --- inputs ----------------------------------------------------------------------------------------------------------


def _removal(facts: Facts) -> list[raikit.Finding]:
    metrics = [metric for metric in facts.measures.metrics if metric.name == "input_removal" and metric.value is not None]
    if not metrics or facts.kind != "input":
        return []
    largest, *others = sorted(metrics, key=lambda metric: -(metric.value or 0.0))
    name = input_name(str(largest.args["input"]))
    surely = bool(others) and all((largest.low or 0.0) > (other.high or 0.0) for other in others)
    said = (
        f"Leaving out the {name} changes decisions most"
        if surely
        else (
            f"Leaving out the {name} changes decisions"
            if (largest.low or 0.0) > 0
            else f"Leaving out the {name} is not shown to change decisions"
        )
    )
    return [
        raikit.Finding(
            kind="worth_knowing" if surely else "method",
            headline=headline(said, "Leaving out one input changes decisions"),
            what="removal of an input",
            who=name,
            metrics=[facts.address(largest)],
            certainty=facts.sample(largest.n or 0),
        )
    ]


def _interactions(facts: Facts) -> list[raikit.Finding]:
    metrics = [metric for metric in facts.measures.metrics if metric.name == "input_interaction" and metric.value is not None]
    if not metrics:
        return []
    level = 1 - (1 - facts.measures.level) / len(metrics)
    strongest = max(metrics, key=lambda metric: abs(metric.value or 0.0))
    again = _interaction_interval(facts.measures, str(strongest.args["input"]), str(strongest.args["with"]), level)
    if again is None or again.low <= 0 <= again.high or "unreliable" in again.flags:
        return []
    one, other = (input_name(str(strongest.args[name])) for name in ("input", "with"))
    said = (
        f"The {one} and the {other} count more together"
        if again.value > 0
        else f"The {one} and the {other} partly replace each other"
    )
    return [
        raikit.Finding(
            kind="worth_knowing",
            headline=headline(said, "Two inputs act together"),
            what="interaction of two inputs",
            who=f"{one} and {other}",
            metrics=[facts.address(strongest)],
            certainty=facts.sample(strongest.n or 0),
            facts=[("Sure", f"The {confidence(level)} interval excludes 0: Bonferroni over {count(len(metrics))} pairs.")],
        )
    ]


def _interaction_interval(measures: PartMeasures, one: str, other: str, level: float) -> stats.Interval | None:
    explanations = measures.explanations
    assert explanations.interactions is not None
    values = np.array(
        [
            index[names.index(one), names.index(other)] if one in names and other in names else np.nan
            for names, index in zip(explanations.names, explanations.interactions, strict=True)
        ]
    )
    return measures.mean(values, level=level)


# --- whether to believe it -------------------------------------------------------------------------------------------


def _verdict(facts: Facts) -> raikit.Finding:
    """Say what the test against chance has shown, in the words of the verdict and none stronger."""
    judged = facts.measures.verdict
    parts = _PARTS[facts.kind]
    rows = [("Verdict", f"{capitalised(judged.word)}: {_reason(facts)}.")]
    rows += [(capitalised(name), f"{_share(facts, of)}, judged on the same {case_noun()}.") for name, of in judged.controls.items()]
    if facts.strangers.reason:
        rows.append(("No random copy", f"{capitalised(facts.strangers.reason)}."))
    rows.append(("Same way", _THIS_WAY))
    metric = facts.measures.of("faithful_share")
    assert metric is not None
    common = {"what": "explanations against chance", "facts": rows, "metrics": [facts.address(metric)]}
    if judged.word == NOT_CONVERGED:
        return raikit.Finding(
            kind="worth_knowing",
            severity="warn",
            headline=f"Contributions of single {parts} are not known precisely",
            evidence=f"Two halves of the combinations differ by over {percent(AGREEMENT)} in "
            f"{count(int((facts.measures.explanations.error > AGREEMENT).sum()))} of "
            f"{sample_size(len(facts.measures.sample.frame))}; more `coalitions` help",
            **common,
        )
    if judged.share is None:
        exact = set(facts.measures.explanations.methods) == {"exact"}
        said = "All combinations were scored; a test against chance needs four parts" if exact else "Explanations were not tested"
        return raikit.Finding(kind="method", headline=said, evidence=capitalised(f"{judged.reason}"), **common)
    evidence = f"{capitalised(_share(facts, judged.share))} better than random orders; verdict: {judged.word}"
    if _beats_what_there_is(judged.share, judged.controls):
        return raikit.Finding(
            kind="worth_knowing",  # a finding that is fine would hide what it was held against
            headline=f"Leaving out the {parts} named changes decisions more than chance",
            evidence=evidence,
            **common,
        )
    return raikit.Finding(
        kind="worth_knowing",
        severity="warn",
        headline=f"Leaving {parts} out does not show which decide single {case_noun()}",
        evidence=evidence,
        **common,
    )


def _reason(facts: Facts) -> str:
    """Return why the verdict is what it is, in words about parts that were left out."""
    judged, parts = facts.measures.verdict, _PARTS[facts.kind]
    if judged.word == NOT_CONVERGED:
        return f"two halves of the combinations differ by over {percent(AGREEMENT)}"
    if judged.word == SUPPORTED:
        return f"the {parts} named decide far more often than {parts} named by something that does not know the model"
    beaten = judged.share is not None and _beats_what_there_is(judged.share, judged.controls)
    return "not tested against a random copy" if beaten and not facts.strangers.models else judged.reason


def _beats_what_there_is(of_method: Share, controls: dict[str, Share]) -> bool:
    return MAGNITUDE in controls and of_method.low > max([LEVEL, *(control.high for control in controls.values())])


def _share(facts: Facts, of: Share) -> str:
    return (
        f"{count(of.passed)} of {sample_size(of.n)} ({share(of.value, of.n)}, "
        f"{ends(of.low, of.high, of.n, level=facts.measures.level, value=of.value)})"
    )


def _how(facts: Facts) -> raikit.Finding:
    explanations = facts.measures.explanations
    replaced = _REPLACED[facts.kind]
    if facts.kind == "column":
        replaced += (
            " in the training cases." if facts.split == "train" else f" in the split {facts.split}: there are no training cases."
        )
    if facts.kind == "column":
        replaced += " A value that equals its replacement has no share."
    rows = [
        ("Method", f"{capitalised(facts.measures.method_text)}."),
        ("Left out", replaced),
        ("Scored", f"{count(explanations.scored)} inputs, each combination once."),
    ]
    if explanations.clipped:
        rows.append(("Probabilities of 0 or 1", f"{count(explanations.clipped)} scores have no log-odds and were cut at 0.0001."))
    if explanations.unit == "decisions":
        rows.append(
            ("Decisions only", "The model gives no probabilities, so a part counts only where decisions change without it.")
        )
    return raikit.Finding(
        kind="method",
        headline=f"Decisions were explained by leaving out {_PARTS[facts.kind]}",
        what="method of explanation",
        facts=rows,
        evidence=f"{count(explanations.scored)} inputs scored for {sample_size(len(facts.measures.sample.frame))}",
        certainty=facts.sample(len(facts.measures.sample.frame)),
    )
