"""Metrics that are no plain rate (areas, losses, F1 …), from what each row contributes to them to first order.

A *functional* maps rows to a value and to each row's influence: weight times the derivative of the value by that weight.
Influences summed within groups and clusters give the covariance of the groups' values (`raikit.stats`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from raikit_fairness.estimates.group_estimates import Clustered, Settings

if TYPE_CHECKING:
    from raikit.stats import Contrasts
    from raikit.stats.covariance import Scale
    from raikit_fairness.estimates.case_counts import BoolArray, Cells, Feature, FloatArray, IntArray
    from raikit_fairness.estimates.group_estimates import Draws, Intervals

    Functional = Callable[[Cells], tuple[float, FloatArray]]  # NaN where it is undefined; then influences are 0


@dataclass(frozen=True)
class Kind:
    """How a functional's values are limited.

    Parameters
    ----------
    scale : {"proportion", "positive", "real"}
    bounds : (float, float)
    support : callable or None
        From a group's cells to the rows that its value rests on; None: all rows.
    linear : bool
        Whether several groups' value is the weighted mean of theirs.
    unseen : callable or None
        From all cells to a function of a group's cells and value that gives the variance to add for what the group has not
        shown: a class that by chance is all right, or holds no large loss, does not know its own variance.
    """

    scale: Scale = "proportion"
    bounds: tuple[float, float] = (0.0, 1.0)
    support: Callable[[Cells], int] | None = None
    linear: bool = False
    unseen: Callable[[Cells], Callable[[Cells, float], float]] | None = None


@dataclass(frozen=True)
class Smooth(Clustered):
    """Values of a functional in k groups.

    Parameters
    ----------
    cells, feature, functional, kind
        What it takes to ask for the value of everybody else.
    supported : ndarray of int, shape (k,)
    kish : ndarray, shape (k,)
        Rows of equal weight that would carry as much.
    """

    cells: Any = None
    feature: Any = None
    functional: Any = None
    kind: Kind = Kind()
    supported: Any = None
    kish: Any = None

    @property
    def support(self) -> IntArray:
        found: IntArray = self.supported
        return found

    def intervals(self, level: float) -> Intervals:
        """Interval of each group by itself; the effective rows are those that clusters and weights leave."""
        import numpy as np

        found = super().intervals(level)
        with np.errstate(divide="ignore", invalid="ignore"):
            kept = np.where(np.diag(self.cov.M) > 0, self.cov.vrow / np.diag(self.cov.M), 1.0)
        effective = self.kish * np.minimum(np.nan_to_num(kept, nan=1.0), 1.0) if self.cov.ways else self.kish
        return replace(found, effective_n=np.asarray(effective))

    def versus_rest(self, keep: BoolArray, settings: Settings, draws: Draws) -> Contrasts:
        """Each group against all other kept ones; unless it is a mean of theirs, their value is asked for anew."""
        import numpy as np

        from raikit import stats

        if self.kind.linear:
            return super().versus_rest(keep, settings, draws)
        kept = np.flatnonzero(keep)
        level = 1 - (1 - settings.level) / len(kept)
        code = self.feature.code
        inside = np.isin(code, kept) if len(kept) < self.feature.k else code >= 0
        cells = self.cells.part(inside)
        unseen = self.kind.unseen(cells) if self.kind.unseen else None
        found = []
        for at in kept:
            side = replace(self.feature, groups=[(None,), ("rest",)], code=(code[inside] != at).astype(np.int64))
            cov = _covariance(cells, side, self.functional, self.kind, unseen)[0]
            found.append(stats.clustered_difference(cov, level))
        return stats.join_contrasts(found, f"Bonferroni over {len(kept)} groups")


def smooth(cells: Cells, feature: Feature, functional: Functional, kind: Kind, key: str) -> Smooth:
    """Estimate a functional in every group of a feature."""
    import numpy as np

    weighty = cells.w > 0
    if not weighty.all():
        cells, feature = cells.part(weighty), replace(feature, code=feature.code[weighty])
    cov, support = _covariance(cells, feature, functional, kind, kind.unseen(cells) if kind.unseen else None)
    n = np.array([int(cells.n[rows].sum()) for rows in feature.members], dtype=np.int64)
    total, squares = (np.array([part[rows].sum() for rows in feature.members]) for part in (cells.w, cells.w2))
    kish = np.divide(total**2, squares, out=np.zeros(feature.k), where=squares > 0)
    return Smooth(cov, n, functional(cells)[0], kind.bounds, key, cells, feature, functional, kind, support, kish)


def _covariance(
    cells: Cells, feature: Feature, functional: Functional, kind: Kind, unseen: Callable[[Cells, float], float] | None
) -> tuple[Any, IntArray]:
    import numpy as np

    from raikit import stats

    k = feature.k
    value, influence, support = np.full(k, np.nan), np.zeros(len(cells)), np.zeros(k, dtype=np.int64)
    extra = np.zeros(k)
    for at, rows in enumerate(feature.members):
        if len(rows):
            part = cells.part(rows)
            value[at], influence[rows] = functional(part)
            support[at] = kind.support(part) if kind.support else int(part.n.sum())
            if unseen is not None and not np.isnan(value[at]):
                extra[at] = unseen(part, float(value[at]))
    inside = (feature.code >= 0) & ~np.isnan(value)[feature.code]
    code, w, w2 = feature.code[inside], cells.w[inside], cells.w2[inside]
    total, squares = (np.bincount(code, part, minlength=k) for part in (w, w2))
    with np.errstate(divide="ignore", invalid="ignore"):
        n_rows = np.nan_to_num(total**2 / squares)
    cov = stats.influence_covariance(
        value, influence[inside], code, [codes[inside] for codes in cells.clusters],
        # a bounded mean may be far more precise than a share of as many rows
        np.full(k, 1e15) if kind.scale == "proportion" else n_rows, total, scale=kind.scale,
        squares=(influence[inside] / w) ** 2 * w2, counts=cells.n[inside].astype(float), still=support.astype(float),
        extra=extra,
    )
    return cov, support


# --- what a group has not shown ---------------------------------------------------------------------------------


def one_more_row(values: Callable[[Cells], FloatArray], root: bool = False) -> Any:
    """Variance of one more row as far off the mean as any row of any group is; of the mean's root with `root`."""

    def unseen(everyone: Cells) -> Callable[[Cells, float], float]:
        seen = values(everyone)
        least, most = float(seen.min(initial=0.0)), float(seen.max(initial=0.0))

        def variance(group: Cells, value: float) -> float:
            center = value**2 if root else value
            off = max(most - center, center - least) / float(group.n.sum())
            return (off / (2 * value)) ** 2 if root and value > 0 else off**2

        return variance

    return unseen


def one_more_of_each_class(classes: int) -> Any:
    """Of recalls: what Agresti and Caffo's extra hit and miss add to the variance of each class's own."""

    def unseen(everyone: Cells) -> Callable[[Cells, float], float]:
        def variance(group: Cells, value: float) -> float:
            import numpy as np

            hit = group.truth == group.prediction
            total, squares, right = (np.bincount(group.truth, part, minlength=classes)
                                     for part in (group.w, group.w2, group.w * hit))
            n, p = total**2 / squares, right / total
            smooth = (p * n + 1) / (n + 2)
            return float(np.maximum(smooth * (1 - smooth) / (n + 2) - p * (1 - p) / n, 0).sum()) / classes**2

        return variance

    return unseen


def one_more_pair(positive: int) -> Any:
    """Of an area: one more row of each class, placed as badly among the other as any row of any group is."""

    def unseen(everyone: Cells) -> Callable[[Cells, float], float]:
        import numpy as np

        _, influence = _roc_auc(everyone, positive)
        off = []
        for side in (everyone.truth == positive, everyone.truth != positive):
            total = float(everyone.w[side].sum())
            off.append(float(np.max(-influence[side] / everyone.w[side], initial=0.0)) * total)

        def variance(group: Cells, value: float) -> float:
            counted = float(group.n[group.truth == positive].sum()), float(group.n[group.truth != positive].sum())
            return sum((far / rows) ** 2 for far, rows in zip(off, counted, strict=True))

        return variance

    return unseen


# --- of predictions ---------------------------------------------------------------------------------------------


def balanced_accuracy(classes: int) -> Functional:
    """Mean of the classes' recalls; undefined where a class is missing."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        import numpy as np

        total = np.bincount(cells.truth, cells.w, minlength=classes)
        if not (total > 0).all():
            return float("nan"), np.zeros(len(cells))
        hit = cells.truth == cells.prediction
        recall = np.bincount(cells.truth, cells.w * hit, minlength=classes) / total
        return float(recall.mean()), cells.w * (hit - recall[cells.truth]) / (classes * total[cells.truth])

    return functional


def f1(positive: int) -> Functional:
    """``2 TP / (2 TP + FP + FN)`` of one class; undefined where all three are 0."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        return _f1(cells, positive)

    return functional


def _f1(cells: Cells, positive: int) -> tuple[float, FloatArray]:
    import numpy as np

    y, yhat = (cells.truth == positive).astype(float), (cells.prediction == positive).astype(float)
    total = float(cells.w @ (y + yhat))
    if not total > 0:
        return float("nan"), np.zeros(len(cells))
    value = 2 * float(cells.w @ (y * yhat)) / total
    return value, cells.w * (2 * y * yhat - value * (y + yhat)) / total


def macro_f1(classes: int) -> Functional:
    """Plain mean over the classes that occur in a group, in truth or prediction."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        return _mean_of([_f1(cells, at) for at in range(classes)], len(cells))

    return functional


def _mean_of(parts: list[tuple[float, FloatArray]], size: int) -> tuple[float, FloatArray]:
    import numpy as np

    defined = [(value, influence) for value, influence in parts if not np.isnan(value)]
    if not defined:
        return float("nan"), np.zeros(size)
    value = sum(value for value, _ in defined) / len(defined)
    influence: FloatArray = sum((part for _, part in defined), np.zeros(size)) / len(defined)
    return value, influence


# --- of scores --------------------------------------------------------------------------------------------------


def _score(cells: Cells, positive: int) -> FloatArray:
    assert cells.scores is not None
    return cells.scores if cells.scores.ndim == 1 else cells.scores[:, positive]


def _rank(cells: Cells, positive: int) -> IntArray:
    assert cells.ranks is not None
    return cells.ranks if cells.ranks.ndim == 1 else cells.ranks[:, positive]


def roc_auc(positive: int) -> Functional:
    """Area under the ROC curve of one class against the others; undefined where either is missing."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        return _roc_auc(cells, positive)

    return functional


def _roc_auc(cells: Cells, positive: int) -> tuple[float, FloatArray]:
    import numpy as np

    from raikit import stats

    truth = cells.truth == positive
    if truth.all() or not truth.any():
        return float("nan"), np.zeros(len(cells))
    return stats.auc_influence(truth, _rank(cells, positive), cells.w)


def macro_roc_auc(classes: int) -> Functional:
    """Plain mean of the areas of every class that a group has rows with and without."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        return _mean_of([_roc_auc(cells, at) for at in range(classes)], len(cells))

    return functional


def average_precision(positive: int) -> Functional:
    """Average precision of one class; undefined where no row has it."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        import numpy as np

        from raikit import stats

        truth = cells.truth == positive
        if not truth.any():
            return float("nan"), np.zeros(len(cells))
        return stats.average_precision_influence(truth, _rank(cells, positive), cells.w)

    return functional


def mean(values: Callable[[Cells], FloatArray]) -> Functional:
    """Weighted mean of one number per row."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        v, total = values(cells), float(cells.w.sum())
        value = float(cells.w @ v) / total
        return value, cells.w * (v - value) / total

    return functional


def root_mean(values: Callable[[Cells], FloatArray]) -> Functional:
    """Square root of a weighted mean."""

    def functional(cells: Cells) -> tuple[float, FloatArray]:
        value, influence = mean(values)(cells)
        root = max(value, 0.0) ** 0.5
        return root, influence / (2 * root) if root > 0 else influence * 0

    return functional


def log_losses(cells: Cells) -> FloatArray:
    """Minus the logarithm of the true class's probability, kept 2.2e-16 away from 0 and 1 as scikit-learn does."""
    import numpy as np

    tiny = np.finfo(float).eps
    assert cells.scores is not None
    if cells.scores.ndim == 1:
        p = np.clip(cells.scores, tiny, 1 - tiny)
        return np.asarray(-np.log(np.where(cells.truth == 1, p, 1 - p)))
    p = cells.scores[np.arange(len(cells)), cells.truth]
    return np.asarray(-np.log(np.clip(p, tiny, 1 - tiny)))


def squared_distances(cells: Cells) -> FloatArray:
    """Squared distance of the probabilities to the truth; binary: of the positive one alone."""
    import numpy as np

    assert cells.scores is not None
    if cells.scores.ndim == 1:
        return np.asarray((cells.scores - (cells.truth == 1)) ** 2)
    return np.asarray(((cells.scores - np.eye(cells.scores.shape[1])[cells.truth]) ** 2).sum(axis=1))


def class_score(positive: int) -> Callable[[Cells], FloatArray]:
    """The score of one class."""
    return lambda cells: _score(cells, positive)


def scarcer_class(positive: int) -> Callable[[Cells], int]:
    """Rows with or without a class, whichever are fewer."""
    return lambda cells: int(min(cells.n[cells.truth == positive].sum(), cells.n[cells.truth != positive].sum()))


def rows_of_class(positive: int) -> Callable[[Cells], int]:
    """Rows that have a class."""
    return lambda cells: int(cells.n[cells.truth == positive].sum())


def rarest_class(classes: int) -> Callable[[Cells], int]:
    """Rows of the class that has the fewest."""

    def support(cells: Cells) -> int:
        import numpy as np

        return int(np.bincount(cells.truth, cells.n, minlength=classes).min())

    return support


def rows_in_f1(positive: int) -> Callable[[Cells], int]:
    """Half of the rows that F1 is about (halved: F1 of few rows moves by up to twice a share's steps)."""
    return lambda cells: int(cells.n[(cells.truth == positive) | (cells.prediction == positive)].sum() + 1) // 2
