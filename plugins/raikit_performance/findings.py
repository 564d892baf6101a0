"""Findings that several checks of this pillar share: the class that is recognised least, and what guessing would reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import raikit
from raikit.format import (
    capitalised,
    case_noun,
    class_text,
    confidence_interval,
    counted,
    headline,
    measure,
    percent,
    points,
    sample_size,
)
from raikit_performance.shares import Shares, estimate_shares, simultaneous

_GUESSING = "guessing the most frequent class"
_HALF = 0.5
MUCH_LOWER = 0.10  # A class is recognised much less often than all if its recall is lower by more than 10 percentage points.


def quoted(label: object) -> str:
    """Write a class inside a headline: ``“match”``."""
    return f"“{class_text(label)}”"


def numbers(name: str, metric: raikit.Metric) -> str:
    """Write a metric for a line of evidence: ``Accuracy 92.8%, 95% CI 91.2 to 93.9``."""
    value = measure(metric.value, metric.low, metric.high, metric.unit)
    if metric.value is None or metric.low == metric.high:
        return f"{name} {value}"
    ci = confidence_interval(metric.low, metric.high, metric.unit, level=metric.level, value=metric.value,
                             simultaneous=metric.simultaneous)
    return f"{name} {value}, {ci.removesuffix('%').removesuffix(' pp')}"


def is_decisive(metric: raikit.Metric) -> bool:
    """Return whether the interval of a metric decides anything."""
    return metric.value is not None and not {"few_clusters", "few_events", "unreliable"}.intersection(metric.flags)


def lowest_recall_finding(
    recalls: Sequence[raikit.Metric], shares: Shares, overall: raikit.Metric, cases: raikit.Arrays,
    address: Callable[[raikit.Metric], str], things: str,
) -> raikit.Finding:
    """Say whether some class is recognised less often than all classes together.

    Parameters
    ----------
    recalls : sequence of Metric
        Of the classes that have one.
    shares : Shares
        The recall of each class, with intervals that hold for all of them at once.
    overall : Metric
        The share of all cases that are recognised.
    things : str
        What is recognised: ``cases``, ``entities``.
    """
    value = overall.value or 0.0
    each = [simultaneous(metric, shares, cases.classes.index(metric.args["class"])) for metric in recalls]
    lower = [metric for metric in each if is_decisive(metric) and (metric.high or 0.0) < value]
    # Without a class that is surely lower, the one that may be lowest decides: a small class that was always right counts, too.
    lowest = (min(lower, key=lambda metric: metric.value or 0.0) if lower
              else min(each, key=lambda metric: (is_decisive(metric), metric.low or 0.0)))
    label, cluster_names = lowest.args["class"], cases.cluster_names
    facts = [("Class", f"{class_text(label)}, of {sample_size(lowest.n, lowest.n_clusters, cluster_names, lowest.counts)}"),
             ("Many classes", "The interval holds for all classes at once, because the lowest was picked."),
             ("Method", str(lowest.method))]
    common: dict[str, Any] = {
        "evidence": f"{numbers(f'Recall of class {quoted(label)}', lowest)}; all classes {percent(overall.value or 0.0)}",
        "what": "recall by class", "who": f"class {class_text(label)}", "metrics": [address(lowest), address(overall)],
        "value": lowest.value, "low": lowest.low, "high": lowest.high,
    }
    if lower:
        said = headline(f"{capitalised(things)} of class {quoted(label)} are recognised least often",
                        f"Class {quoted(label)} is recognised least often", "One class is recognised least often")
        return raikit.Finding(kind="worth_knowing", severity="warn", headline=said, facts=facts, **common)
    if is_decisive(lowest) and (lowest.low or 0.0) >= value - MUCH_LOWER:
        facts.insert(0, ("Excluded", f"A recall more than {points(MUCH_LOWER)} below that of all classes."))
        return raikit.Finding(kind="fine", headline="No class is recognised much less often than others", facts=facts, **common)
    said = headline(f"{capitalised(things)} of class {quoted(label)} may be recognised far less often",
                    f"Class {quoted(label)} may be recognised far less often", "One class may be recognised far less often")
    return raikit.Finding(kind="undecided", headline=said, facts=facts, **common)


def guessing_finding(
    accuracy: raikit.Metric, cases: raikit.Arrays, level: float, address: Callable[[raikit.Metric], str]
) -> raikit.Finding:
    """Say whether predictions are right more often than always predicting the most frequent class.

    Only cases where exactly one of the two is right tell them apart: predictions are better if they are the one that is right in
    more than half of these (the sign test, exact for independent cases).
    """
    weight = np.ones(len(cases)) if cases.weight is None else cases.weight
    weight = weight if cases.counts is None else weight * cases.counts
    frequency = np.bincount(cases.truth, weight, minlength=len(cases.classes)) / weight.sum()
    most = int(frequency.argmax())
    if frequency[most] >= 1:
        return _one_class_finding(accuracy, cases, address)
    right, guessed = cases.truth == cases.prediction, cases.truth == most
    differ = estimate_shares(right, np.where(right == guessed, -1, 0), 1, cases).at(level)
    low, high, n = float(differ.low[0]), float(differ.high[0]), int(differ.n[0])
    decided = n > 0 and not (differ.few_clusters[0] or differ.few_events[0])
    guess = f"always predicting {quoted(cases.classes[most])}"
    facts = [
        ("Compared with", f"{capitalised(guess)}, the most frequent class."),
        ("Test", f"Only one of the two is right in {counted(n, *(case_noun(k) for k in (1, 2)))}. " + (
            f"In {percent(float(differ.value[0]))} of these it is the model "
            f"({confidence_interval(low, high, 'rate', level=level, value=float(differ.value[0]))})." if n else "")),
    ]
    size = sample_size(accuracy.n, accuracy.n_clusters, cases.cluster_names)
    common: dict[str, Any] = {
        "evidence": f"{numbers('Accuracy', accuracy)}; {guess} {percent(float(frequency[most]))}; {size}",
        "facts": facts, "what": "accuracy", "who": f"all {case_noun()}", "metrics": [address(accuracy)],
    }
    if decided and low > 0.5:
        return raikit.Finding(kind="fine", headline=f"Predictions are right more often than {_GUESSING}", **common)
    if decided and high < 0.5:
        said = headline(f"{capitalised(guess)} is right more often than the model", f"{capitalised(_GUESSING)} is right more often")
        return raikit.Finding(kind="worth_knowing", severity="warn", headline=said, **common)
    said = headline(f"The model may be no better than {guess}", f"The model may be no better than {_GUESSING}")
    return raikit.Finding(kind="undecided", severity="warn", headline=said, **common)


def _one_class_finding(
    accuracy: raikit.Metric, cases: raikit.Arrays, address: Callable[[raikit.Metric], str]
) -> raikit.Finding:
    """Say whether most predictions are right where every target is the same, as in logs of an evaluation: no guess is compared."""
    nouns, decided = case_noun(), is_decisive(accuracy)
    right, wrong = decided and (accuracy.low or 0.0) > _HALF, decided and (accuracy.high or 1.0) < _HALF
    said = f"Most {nouns} are predicted {'right' if right else 'wrong'}" if right or wrong else (
        f"Whether most {nouns} are predicted right cannot be decided")
    return raikit.Finding(
        kind="worth_knowing" if right or wrong else "undecided", severity="warn" if wrong else "note",
        headline=headline(said, "Most predictions were compared with one class"),
        facts=[("Targets", f"All are {quoted(cases.classes[int(cases.truth[0])])}, so no guess is compared."),
               ("Method", str(accuracy.method))],
        what="accuracy", who=f"all {nouns}", metrics=[address(accuracy)],
    )
