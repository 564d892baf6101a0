"""Metrics of how far explanations can be believed, each with its interval over cases and clusters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import FloatArray
from raikit.format import case_noun
from raikit_explain.estimates import verdict
from raikit_explain.estimates.measures import metric_of
from raikit_explain.estimates.trust import Trust
from raikit_explain.estimates.verdict import Share, Verdict
from raikit_explain.names import method_name

CONDITION = "a part's contribution shows when the model's baseline replaces it"
CONTROLS = {verdict.RANDOM_COPY: "random_weights", verdict.MAGNITUDE: "input_size", verdict.OTHER_CASE: "another_case"}
_WORDS = {verdict.RANDOM_COPY: "random weights", verdict.MAGNITUDE: "input size", verdict.OTHER_CASE: "another case"}
NO_TEST = "the verdict is switched off (trust_rows: 0)"
_NO_ORDER = "no case has four parts that both methods order"


def untested(methods: Iterable[str], reason: str = NO_TEST) -> list[raikit.Metric]:
    """Return the metrics of methods that were not tested."""
    return [raikit.Metric.undefined("trusted_share", reason, **_arguments(name, "trusted_share"))
            for name in dict.fromkeys(methods)]


def metrics(trust: Trust, level: float) -> list[raikit.Metric]:
    """Compute the metrics of all methods.

    Notes
    -----
    ``trusted_share`` is what a rule may rest on: the share of cases whose explanation passes the test, and 0 unless the verdict of
    the method is "supported by evidence". Its low end is then 0 too, and its high end stays that of the share that passes: a rule
    that requires explanations is broken, or undecided, but never held. With the verdict "not tested" it is undefined.
    """
    result: list[raikit.Metric] = []
    for name in trust.methods:
        judged = trust.verdict(name, level)
        result += [_trusted(name, judged), _passing(name, judged.share, judged.reason)]
        result += [_control(name, control, share) for control, share in judged.controls.items()]
    result += [metric for name, reason in trust.refused.items() for metric in untested([name], reason)]
    result += [metric for pair in trust.found.agreement for metric in _agreement(trust, pair, level)]
    return result + [_sensitivity(trust, name, level) for name in trust.found.sensitivity]


def _arguments(method: str, metric: str) -> dict[str, Any]:
    titles = {"trusted_share": "share of trusted explanations, {}",
              "passing_share": "share of explanations better than random ones, {}"}
    return {"args": {"method": method}, "title": titles[metric].format(method_name(method)), "direction": "higher", "unit": "rate"}


def _trusted(name: str, judged: Verdict) -> raikit.Metric:
    arguments = _arguments(name, "trusted_share")
    if judged.share is None or judged.word == verdict.NOT_TESTED:
        return raikit.Metric.undefined("trusted_share", f"not tested: {judged.reason}", **arguments)
    way = f"{case_noun()} whose explanation passes; {judged.word}; {judged.share.method}"
    if judged.word == verdict.SUPPORTED:
        return _of_share("trusted_share", judged.share, way, condition=CONDITION, **arguments)
    return _of_share("trusted_share", judged.share, way, value=0.0, low=0.0, **arguments)


def _passing(name: str, share: Share | None, reason: str) -> raikit.Metric:
    arguments = _arguments(name, "passing_share")
    if share is None:
        return raikit.Metric.undefined("passing_share", f"not tested: {reason}", **arguments)
    way = f"{case_noun()} better than random orders, Benjamini-Hochberg at {verdict.LEVEL:g}; {share.method}"
    return _of_share("passing_share", share, way, condition=CONDITION, **arguments)


def _control(name: str, control: str, share: Share) -> raikit.Metric:
    return _of_share("control_passing_share", share, f"{case_noun()} that pass; {share.method}", unit="rate",
                     args={"method": name, "control": CONTROLS[control]},
                     title=f"share that is better than random ones by {_WORDS[control]}, beside {method_name(name)}")


def _of_share(metric: str, share: Share, way: str, **fields: Any) -> raikit.Metric:
    flags = ["few_clusters"] * share.few_clusters + ["few_events"] * share.few_events
    ends: dict[str, Any] = {"value": share.value, "low": share.low} | fields
    return raikit.Metric(metric, **ends, high=share.high, n=share.n, n_clusters=share.n_clusters,
                         effective_n=share.effective_n, flags=flags, method=way)


def _agreement(trust: Trust, pair: tuple[str, str], level: float) -> list[raikit.Metric]:
    found = trust.found.agreement[pair]
    args: dict[str, Any] = {"first": pair[0], "second": pair[1]}
    named = " and ".join(method_name(name) for name in pair)
    return [
        _mean(trust, "method_correlation", found.correlation, (-1.0, 1.0), level, args=args, direction="higher",
              title=f"rank correlation of {named}", way="mean Spearman correlation over the parts with content"),
        _mean(trust, "method_overlap", found.overlap, (0.0, 1.0), level, args=args, direction="higher", unit="rate",
              title=f"common strongest parts of {named}", way="mean share of the strongest quarter that both methods name"),
    ]


def _sensitivity(trust: Trust, name: str, level: float) -> raikit.Metric:
    return _mean(trust, "sensitivity_max", trust.found.sensitivity[name], (0.0, np.inf), level, args={"method": name},
                 direction="lower", title=f"sensitivity to small changes, {method_name(name)}",
                 way="mean of the largest relative change of an explanation in 5 draws, inputs moved by up to 2% of their spread")


def _mean(
    trust: Trust, metric: str, values: FloatArray, bounds: tuple[float, float], level: float, *, way: str, **fields: Any
) -> raikit.Metric:
    known = np.isfinite(values)
    sample = trust.sample
    weight = None if sample.weight is None else sample.weight[known]
    interval = None
    if known.any() and (weight is None or weight.any()):
        interval = stats.mean_interval(values[known], weight, [codes[known] for codes in sample.clusters], level, bounds)
    return metric_of(metric, interval, int(known.sum()), _NO_ORDER, way=way, **fields)
