"""Other names of the metrics over all cases: those of scikit-learn, and common short ones.

A rate of the positive class is a measure of one class here, so its name stands for it only together with the class.
"""

from __future__ import annotations

from collections.abc import Mapping

_OF_CLASSES = {
    "precision": ("precision_score", "positive_predictive_value", "ppv"),
    "recall": ("recall_score", "true_positive_rate", "tpr", "sensitivity"),
    "f1": ("f1_score",),
}

CLASSIFICATION: Mapping[str, str] = {
    "performance.accuracy_score": "performance.accuracy",
    "performance.balanced_accuracy_score": "performance.balanced_accuracy",
    "performance.roc_auc_score": "performance.roc_auc",
    "performance.average_precision_score": "performance.average_precision",
    "performance.brier_score_loss": "performance.brier_score",
    **{f"performance.{name}_score": f"performance.{name}" for name in _OF_CLASSES},
    **{
        f"performance.{other}({key}=*)": f"performance.{name}(class=*)"
        for name, others in _OF_CLASSES.items() for other in (name, *others) for key in ("class", "pos_label")
        if (other, key) != (name, "class")
    },
    **{f"performance.{name}(average=macro)": "performance.balanced_accuracy" for name in ("recall", "recall_score")},
    **{
        f"performance.{name}(average={average})": "performance.accuracy"
        for name, average in (("recall", "weighted"), ("recall", "micro"), ("precision", "micro"))
        for name in (name, f"{name}_score")
    },
    **{f"performance.{name}(average=macro)": "performance.roc_auc" for name in ("roc_auc", "roc_auc_score")},
    **{
        f"performance.{name}(average=macro)": "performance.average_precision"
        for name in ("average_precision", "average_precision_score")
    },
    "performance.error_rate": "1 - performance.accuracy",
    "performance.zero_one_loss": "1 - performance.accuracy",
}  # fmt: skip

CALIBRATION: Mapping[str, str] = {"performance.ece": "performance.expected_calibration_error"}

REGRESSION: Mapping[str, str] = {
    "performance.mae": "performance.mean_absolute_error",
    "performance.rmse": "performance.root_mean_squared_error",
    "performance.r2_score": "performance.r2",
}
