"""Fairlearn's ThresholdOptimizer on scores that exist already: fitted on some rows, asked for its chances on others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import FloatArray, IntArray


def fitted(scores: FloatArray, truth: IntArray, code: IntArray, constraint: str, objective: str, grid_size: int) -> Any:
    """Fit group-specific (and, where needed, randomised) thresholds.

    Parameters
    ----------
    truth : ndarray of {0, 1}
    code : ndarray of int
        Group of each row; every group has both classes.
    """
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """Gives back the scores that it is asked with."""

        def fit(self, X: Any, y: Any = None) -> Given:
            return self

        def predict(self, X: Any) -> Any:
            return X[:, 0]

        def __sklearn_is_fitted__(self) -> bool:
            return True

    made = ThresholdOptimizer(estimator=Given(), constraints=constraint, objective=objective, grid_size=grid_size, prefit=True,
                              predict_method="predict")
    return made.fit(scores[:, None], truth, sensitive_features=code)


def chances(made: Any, scores: FloatArray, code: IntArray) -> FloatArray:
    """Probability that each row is decided positive: what its randomised decision is on average."""
    found: FloatArray = made._pmf_predict(scores[:, None], sensitive_features=code)[:, 1]
    return found


def rule(made: Any, group: int) -> str:
    """The decision rule of one group in words: ``score > 0.43``, or two of them with their chances."""
    own = made.interpolated_thresholder_.interpolation_dict[group]
    parts = [(float(own[f"p{at}"]), _operation(own[f"operation{at}"])) for at in (0, 1)]
    said = " or ".join(f"{test} ({chance * 100:.0f} %)" if chance < 1 else test for chance, test in parts if chance > 0)
    ignored = float(own.get("p_ignore", 0))
    if not ignored > 0:
        return said
    drawn = float(own["prediction_constant"])
    return f"{said}; in {ignored * 100:.0f} % of cases by a draw that is positive in {drawn * 100:.0f} %"


def _operation(operation: Any) -> str:
    threshold, above = float(operation.threshold), operation.operator == ">"
    if abs(threshold) == float("inf"):
        return "always" if (threshold < 0) == above else "never"
    return f"score {operation.operator} {threshold:.4g}"
