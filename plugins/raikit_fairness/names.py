"""Other names of the metrics by group: those of scikit-learn, Fairlearn, AIF360 and Aequitas, and common short ones.

Two names are of one metric only if they are the same number for the same groups. A difference here is the largest one between
two groups, never negative, and a ratio the smallest over the largest, never above 1; AIF360 gives both a direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raikit_fairness import measures
from raikit_fairness.measures import Measure

OF_MEASURES: Mapping[str, tuple[str, ...]] = {
    "base_rate": ("prevalence", "prev"),
    "selection_rate": ("predicted_prevalence", "pprev"),
    "accuracy": ("accuracy_score",),
    "true_positive_rate": ("recall", "recall_score", "sensitivity", "tpr"),
    "false_positive_rate": ("fpr",),
    "false_negative_rate": ("fnr",),
    "precision": ("precision_score", "positive_predictive_value", "ppv"),
    "balanced_accuracy": ("balanced_accuracy_score",),
    "f1": ("f1_score",),
    "roc_auc": ("roc_auc_score",),
    "average_precision": ("average_precision_score",),
    "brier_score": ("brier_score_loss",),
    "expected_calibration_error": ("ece",),
    "mean_absolute_error": ("mae",),
    "root_mean_squared_error": ("rmse",),
}

# Names without a metric by group of that name: demographic parity is the difference of selection rates.
OF_DISPARITIES: Mapping[str, tuple[str, ...]] = {
    "demographic_parity_difference": ("statistical_parity_difference",),
    "demographic_parity_ratio": ("disparate_impact", "disparate_impact_ratio"),
    "false_positive_rate_difference": ("predictive_equality_difference",),
    "false_positive_rate_ratio": ("predictive_equality_ratio",),
    "precision_difference": ("predictive_parity_difference",),
    "precision_ratio": ("predictive_parity_ratio",),
}

# 1 minus a metric has the same difference over groups; its ratio is another number.
COMPLEMENTS: Mapping[str, tuple[str, ...]] = {
    "false_positive_rate": ("true_negative_rate", "tnr", "specificity", "specificity_score"),
    "precision": ("false_discovery_rate", "fdr"),
    "accuracy": ("error_rate", "zero_one_loss"),
}

# Averages over all classes that are the same number as another metric, whether there are two classes or more.
AVERAGES: Mapping[tuple[str, str], Measure] = {
    ("recall", "macro"): measures.BALANCED_ACCURACY,
    ("recall", "micro"): measures.ACCURACY,
    ("recall", "weighted"): measures.ACCURACY,
    ("precision", "micro"): measures.ACCURACY,
    ("f1", "micro"): measures.ACCURACY,
    ("roc_auc", "macro"): measures.ROC_AUC,
}


def aliases() -> dict[str, str]:
    """Return every other name with the name of the metric, as `raikit.Check.aliases` has them."""
    names = {"num_instances": "count", "group_size": "count"}
    for measure in measures.EVERY:
        names |= dict(_of_measure(measure))
    for (name, average), measure in AVERAGES.items():
        for other in (name, f"{name}_score"):
            names |= dict(_forms(other, measure, f"average={average}"))
    return {f"fairness.{other}": _with_prefix(name) for other, name in names.items()}


def metric_by_group(name: str) -> str:
    """Return the metric by group that a name stands for; the name itself if it is no other name of one.

    Examples
    --------
    >>> metric_by_group("recall"), metric_by_group("recall(average=macro)"), metric_by_group("accuracy")
    ('true_positive_rate', 'balanced_accuracy', 'accuracy')
    """
    id = aliases().get(f"fairness.{name}", "").removeprefix("fairness.")
    return id if id in {measure.name for measure in measures.EVERY} else name


def _of_measure(measure: Measure) -> Iterator[tuple[str, str]]:
    """Yield other names of a metric, of its disparities and of its complement."""
    for other in OF_MEASURES.get(measure.name, ()):
        yield from _forms(other, measure)
    for kind, name in (("difference", measure.difference), ("ratio", measure.ratio)):
        own = f"{measure.name}_{kind}"
        others = [*OF_DISPARITIES.get(str(name), ()), *([own] if name and name != own else [])]
        yield from ((other, str(name)) for other in others)
        if kind == "difference" and measure.rest:
            differences = dict.fromkeys([*others, str(name)])
            yield from ((f"{other}(to=*)", f"{own}(to=*)") for other in differences if name and other != own)
    if measure is measures.FNR:
        yield "false_negative_rate_difference", str(measures.TPR.difference)
    for other in COMPLEMENTS.get(measure.name, ()):
        yield other, f"1 - {measure.name}"
        yield f"{other}_difference", str(measure.difference)
        yield f"{other}_difference(to=*)", f"0 - {measure.name}_difference(to=*)"


def _forms(other: str, measure: Measure, args: str = "") -> Iterator[tuple[str, str]]:
    """Yield the names that a metric and its disparities would have under another name, with the names that they have."""
    own, to = (f"({args})", f"({args},to=*)") if args else ("", "(to=*)")
    difference = measures.TPR.difference if measure is measures.FNR else measure.difference
    yield f"{other}{own}", measure.name
    yield f"{other}_difference{own}", str(difference)
    yield f"{other}_ratio{own}", str(measure.ratio)
    yield f"{other}_difference{to}", f"{measure.name}_difference(to=*)"


def _with_prefix(name: str) -> str:
    before, minus, name = name.rpartition(" - ")
    return f"{before}{minus}fairness.{name}"
