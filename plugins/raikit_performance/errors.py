"""Which way a model with two classes errs: whether it misses the positive class more often than it invents it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import raikit
from raikit.format import case_noun, class_text, count, headline, percent, sample_size
from raikit.naming import names_in_use
from raikit_performance.findings import is_decisive, numbers, quoted
from raikit_performance.shares import Shares, simultaneous


def two_errors_finding(
    recalls: Sequence[raikit.Metric], shares: Shares, cases: raikit.Arrays, address: Callable[[raikit.Metric], str]
) -> raikit.Finding | None:
    """Say which error is surely more frequent; None if neither is, or if there are more than two classes.

    Parameters
    ----------
    recalls : sequence of Metric
        Of the negative and of the positive class.
    shares : Shares
        The recall of each class, with intervals that hold for both at once.
    """
    if len(cases.classes) != 2 or len(recalls) != 2:
        return None
    negative, positive = (simultaneous(metric, shares, cases.classes.index(metric.args["class"])) for metric in recalls)
    if not (is_decisive(negative) and is_decisive(positive)):
        return None
    misses = (positive.high or 0.0) < (negative.low or 0.0)
    if not misses and (negative.high or 0.0) >= (positive.low or 0.0):
        return None
    rates = {"False negative rate": _error(positive), "False positive rate": _error(negative)}
    (worse, rate), (better, other) = rates.items() if misses else reversed(list(rates.items()))
    n = f"{count(rate.n)} each" if rate.n == other.n else f"{count(rate.n)} and {count(other.n)}"
    lowest = positive if misses else negative
    return raikit.Finding(
        kind="worth_knowing", severity="warn", headline=_headline(cases.classes[1], misses),
        evidence=f"{worse} {percent(rate.value or 0.0)} vs {better[:1].lower()}{better[1:]} {percent(other.value or 0.0)}; n = {n}",
        facts=[(name, f"{numbers('', error).strip()}; {sample_size(error.n, error.n_clusters, cases.cluster_names)}.")
               for name, error in rates.items()]
        + [("Sure", "The intervals hold for both rates at once and do not overlap."), ("Method", str(lowest.method))],
        what=worse.lower(), value=rate.value, low=rate.low, high=rate.high, who=f"class {class_text(lowest.args['class'])}",
        metrics=[address(lowest), address(negative if misses else positive)],
    )


def _error(recall: raikit.Metric) -> raikit.Metric:
    """Return one minus a recall."""
    value, low, high = (None if end is None else 1 - end for end in (recall.value, recall.high, recall.low))
    return recall.model_copy(update={"value": value, "low": low, "high": high})


def _headline(positive: object, misses: bool) -> str:
    """Name the positive class as ``data.labels`` counts it (true matches), else by its own name."""
    counted = names_in_use().denominators.get("positives", "")
    nouns = counted.removeprefix("true ") if counted.startswith("true ") else ""
    name, again = (nouns, "them") if nouns else (quoted(positive), "it")
    verbs = ("misses", "invents") if misses else ("invents", "misses")
    return headline(
        f"The model {verbs[0]} {name} more often than it {verbs[1]} {again}",
        f"The model {verbs[0]} {case_noun()} more often than it {verbs[1]} them" if nouns else "",
        f"The model {verbs[0]} the positive class more often than it {verbs[1]} it")
