"""Fairlearn's ThresholdOptimizer on scores that exist already."""

from __future__ import annotations

from typing import Any

from raikit.arrays import FloatArray, IntArray
from raikit.format import case_noun, percent


def fit_thresholds(
    scores: FloatArray, truth: IntArray, code: IntArray, constraint: str, objective: str, grid_size: int
) -> Any:
    """Fit group-specific (and, where needed, randomised) thresholds.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    truth : ndarray of {0, 1}, shape (n,)
    code : ndarray of int, shape (n,)
        Group of each case; every group has both classes.
    constraint, objective : str
        As Fairlearn names them.
    grid_size : int

    Returns
    -------
    fairlearn.postprocessing.ThresholdOptimizer
        Fitted.
    """
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator, ClassifierMixin

    class ScoreEstimator(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """Returns the scores that it receives."""

        def fit(self, X: Any, y: Any = None) -> ScoreEstimator:
            return self

        def predict(self, X: Any) -> Any:
            return X[:, 0]

        def __sklearn_is_fitted__(self) -> bool:
            return True

    optimizer = ThresholdOptimizer(
        estimator=ScoreEstimator(), constraints=constraint, objective=objective, grid_size=grid_size, prefit=True,
        predict_method="predict",
    )  # fmt: skip
    return optimizer.fit(scores[:, None], truth, sensitive_features=code)


def decision_probabilities(optimizer: Any, scores: FloatArray, code: IntArray) -> FloatArray:
    """Return the probability that each case is decided positively: the expectation of its randomised decision."""
    probabilities: FloatArray = optimizer._pmf_predict(scores[:, None], sensitive_features=code)[:, 1]
    return probabilities


def describe_rule(optimizer: Any, group: int) -> str:
    """Return a group's decision rule in words: ``score > 0.43``, or two of them with their probabilities."""
    rule = optimizer.interpolated_thresholder_.interpolation_dict[group]
    parts = [(float(rule[f"p{number}"]), _describe_test(rule[f"operation{number}"])) for number in (0, 1)]
    tests = " or ".join(f"{test} ({percent(p)})" if p < 1 else test for p, test in parts if p > 0)
    ignored = float(rule.get("p_ignore", 0))
    if not ignored > 0:
        return tests
    positive = float(rule["prediction_constant"])
    return f"{tests}; in {percent(ignored)} of {case_noun()} a random draw that is positive in {percent(positive)}"


def _describe_test(operation: Any) -> str:
    threshold, above = float(operation.threshold), operation.operator == ">"
    if abs(threshold) == float("inf"):
        return "always" if (threshold < 0) == above else "never"
    return f"score {operation.operator} {threshold:.4g}"
