"""Accuracy of answers by the annotators who agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import FloatArray
from raikit.format import case_noun, sample_size
from raikit_performance.findings import is_decisive
from raikit_performance.shares import metric_of_interval

_ENOUGH = 3  # annotators who agree


def agreement(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> FloatArray:
    """Return the accuracy of each prediction: min(k / 3, 1), averaged over all ways to leave one annotator out.

    Parameters
    ----------
    predictions : sequence of str, n of them
    answers : sequence of sequence of str
        Those of all annotators of each case.

    Returns
    -------
    ndarray of float64, shape (n,)
        From 0 to 1.

    Examples
    --------
    >>> agreement(["a", "a"], [["a", "b", "b", "b"] + ["c"] * 6, ["a"] * 3 + ["b"] * 7]).round(12).tolist()
    [0.3, 0.9]
    """
    pairs = zip(predictions, answers, strict=True)
    agreeing = np.array([sum(answer == prediction for answer in given) for prediction, given in pairs], dtype=float)
    of = np.array([len(given) for given in answers], dtype=float)
    with_all = np.minimum(agreeing / _ENOUGH, 1.0)  # where one who disagrees is left out
    with_one_less = np.minimum(np.maximum(agreeing - 1, 0) / _ENOUGH, 1.0)
    accuracy: FloatArray = (agreeing * with_one_less + (of - agreeing) * with_all) / of
    return accuracy


def as_numbers(accuracy: FloatArray, cases: raikit.Arrays) -> raikit.Arrays:
    """Return cases whose numbers are the accuracies of their answers; each would best be 1."""
    return replace(cases, truth=np.ones(len(cases)), prediction=accuracy, scores=None, classes=[])


def accuracy_metric(accuracy: FloatArray, cases: raikit.Arrays, level: float) -> raikit.Metric:
    """Return the mean accuracy, with the outer ends of the intervals of the mean loss and of the mean accuracy.

    Both means lie between 0 and 1. The interval of the first allows for a wrong answer that was not seen, that of the second for a
    right one.
    """
    loss, own = (
        stats.loss_interval(values, cases.weight, cases.clusters, level, (0.0, 1.0), largest=1.0)
        for values in (1 - accuracy, accuracy)
    )
    turned = {"open_high": "open_low", "open_low": "open_high"}
    flags = dict.fromkeys((*(turned.get(flag, flag) for flag in loss.flags), *own.flags))
    low, high = min(1 - loss.high, own.low), max(1 - loss.low, own.high)
    interval = replace(loss, value=1 - loss.value, low=low, high=high, flags=tuple(flags))
    return metric_of_interval("vqa_accuracy", interval, cases, level, direction="higher", unit="rate")


def agreement_finding(
    metric: raikit.Metric, cases: raikit.Arrays, address: Callable[[raikit.Metric], str]
) -> raikit.Finding:
    """Say whether most answers are those of annotators."""
    decided, half = is_decisive(metric), 0.5
    agree = decided and (metric.low or 0.0) > half
    said = ("Most answers agree with annotators" if agree else "Most answers disagree with annotators"
            if decided and (metric.high or 1.0) < half else "Whether most answers agree with annotators cannot be decided")
    return raikit.Finding(
        kind="undecided" if said.startswith("Whether") else "worth_knowing", headline=said,
        facts=[("Counted as right", "An answer of three annotators counts in full, that of fewer in part."),
               ("Cases", sample_size(metric.n, metric.n_clusters, cases.cluster_names)), ("Method", str(metric.method))],
        what="accuracy by agreeing annotators", who=f"all {case_noun()}", metrics=[address(metric)],
    )
