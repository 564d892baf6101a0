"""Metrics of decisions explained by leaving parts out: overall, by decided class, by sensitive group, and between groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.format import case_noun
from raikit_explain.estimates.leaving_out import METHOD, SHAPLEY, PartExplanations
from raikit_explain.estimates.measures import metric_of
from raikit_explain.estimates.sampling import Sample
from raikit_explain.estimates.verdict import Verdict, verdict
from raikit_explain.names import input_name

MOST_COMPARED = 8  # parts with the largest shares, which are measured by class and group
MOST_CLASSES = 12
LEAST_OF_A_GROUP = 10  # explained cases of a group that is compared with others
SHARE_METRICS = {"input": "input_shapley_share", "column": "column_share", "region": "region_share", "band": "band_share"}
_NO_VARIANCE = 1e-12
NOTHING = "no part changed any decision"
METHOD_NAMES = {
    "exact": "exact Shapley values",
    "kernel_shap": "KernelSHAP",
    "shapley_value_sampling": "Shapley values by sampling",
    "lime": "LIME",
    "occlusion": "occlusion",
    "feature_ablation": "feature ablation",
}


@dataclass(frozen=True)
class GroupsOf:
    """The groups of one sensitive column among the explained cases.

    Attributes
    ----------
    column : str
    names : list of str or None
    codes : ndarray of int, shape (n,)
        -1: a missing group that is left out.
    compared : ndarray of bool, shape (k,)
        Groups that are compared with others.
    """

    column: str
    names: list[str | None]
    codes: IntArray
    compared: BoolArray


@dataclass(frozen=True)
class Difference:
    """How far the shares of one part differ between the groups of a column."""

    part: str
    column: str
    gap: stats.Gap
    low_group: str | None
    high_group: str | None
    p_adjusted: float
    n_clusters: int | None = None


@dataclass
class PartMeasures:
    """Metrics, and what tables and findings need beside them.

    Attributes
    ----------
    shares : dict of str to ndarray, shape (n,)
        By part; empty for words, which differ from case to case.
    largest : list of str
        Parts with a share, the largest first.
    differences : list of Difference
        Tested together (Holm).
    verdict : Verdict
    classes : sequence
        In the order of the scores; the positive one last where there are two.
    """

    sample: Sample
    explanations: PartExplanations
    level: float
    shares: dict[str, FloatArray]
    verdict: Verdict
    groups: list[GroupsOf] = field(default_factory=list)
    classes: Sequence[Any] = ()
    largest: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    metrics: list[raikit.Metric] = field(default_factory=list)

    @property
    def regression(self) -> bool:
        """Whether decisions are numbers."""
        return self.explanations.unit == "units of the target"

    @property
    def method_text(self) -> str:
        """The methods of all cases, in words."""
        return " or ".join(METHOD_NAMES[one] for one in sorted(set(self.explanations.methods)))

    def mean(
        self,
        values: FloatArray,
        cases: BoolArray | None = None,
        *,
        level: float | None = None,
        bounds: tuple[float, float] = (-np.inf, np.inf),
    ) -> stats.Interval | None:
        """Compute a mean over the cases where `values` is defined; None if there is none."""
        mask = np.isfinite(values) if cases is None else np.isfinite(values) & cases
        weight = None if self.sample.weight is None else self.sample.weight[mask]
        if not mask.any() or (weight is not None and not weight.any()):
            return None
        return stats.mean_interval(
            values[mask], weight, [codes[mask] for codes in self.sample.clusters], level or self.level, bounds
        )

    def of(self, name: str, **fields: Any) -> raikit.Metric | None:
        """Return the metric of that name, arguments and group; None if there is none."""
        args, over, group = fields.pop("args", {}), fields.pop("over", None), fields.pop("group", None)
        return next(
            (
                metric
                for metric in self.metrics
                if (metric.name, metric.args, metric.over, metric.group) == (name, args, over, group)
            ),
            None,
        )

    def share_of(self, part: str) -> raikit.Metric:
        """Return the metric of a part's share over all cases."""
        metric = self.of(SHARE_METRICS[self.explanations.kind], args={self.explanations.kind: part})
        assert metric is not None
        return metric


def measure_parts(ctx: raikit.CheckContext, sample: Sample, explanations: PartExplanations, *, level: float) -> PartMeasures:
    """Compute all metrics of `explainability.perturbations`.

    Intervals are over cases, weighted back to the split, and respect clusters. Differences between groups are tested as those of
    rates are (`raikit.stats.clustered_gap`), and corrected by Holm over all parts and columns that are compared.
    """
    shares = {} if explanations.kind == "word" else explanations.shares()
    judged = verdict(explanations.evidence, METHOD, weight=sample.weight, clusters=sample.clusters, level=level)
    measures = PartMeasures(sample, explanations, level, shares, judged, _groups(ctx, sample), _ordered_classes(ctx))
    measures.metrics += _removal(measures)
    measures.metrics += [_share(measures, part) for part in shares]
    measures.largest = _largest(measures)
    measures.metrics += _by_class(ctx, measures)
    measures.metrics += _by_group(measures)
    measures.differences = _differences(ctx, measures)
    measures.metrics += [_difference_metric(measures, difference) for difference in measures.differences]
    measures.metrics += _interactions(measures)
    measures.metrics.append(_faithful(measures))
    return measures


def _ordered_classes(ctx: raikit.CheckContext) -> Sequence[Any]:
    return sorted(ctx.classes, key=lambda label: str(label) == str(ctx.positive)) if len(ctx.classes) == 2 else ctx.classes


def _largest(measures: PartMeasures) -> list[str]:
    values = {part: measures.share_of(part).value for part in measures.shares}
    return sorted((part for part, value in values.items() if value is not None), key=lambda part: -(values[part] or 0.0))


def _share(measures: PartMeasures, part: str, cases: BoolArray | None = None, **fields: Any) -> raikit.Metric:
    kind = measures.explanations.kind
    name = SHARE_METRICS[kind]
    of = input_name(part) if kind == "input" else part
    fields = {"args": {kind: part} | fields.pop("args", {}), "title": f"share of the decision, {of}", **fields}
    if kind == "input" and not set(measures.explanations.methods) <= set(SHAPLEY):
        return raikit.Metric.undefined(name, f"{measures.method_text} gives no Shapley values", **fields)
    values = measures.shares[part]
    interval = measures.mean(values, cases, bounds=(0.0, 1.0))
    n = int((np.isfinite(values) if cases is None else np.isfinite(values) & cases).sum())
    return metric_of(
        name,
        interval,
        n,
        NOTHING,
        unit="rate",
        way=f"mean over {case_noun()} of |{kind}| / sum |{kind}s|, {measures.method_text}",
        **fields,
    )


def _removal(measures: PartMeasures) -> list[raikit.Metric]:
    """Measure what happens without each input; of one input, without all of its parts."""
    explanations = measures.explanations
    falls: Mapping[str, FloatArray]
    if explanations.kind == "input":
        present = np.zeros(explanations.values.shape)
        for case, of_case in enumerate(explanations.names):
            present[case, len(of_case) :] = np.nan
        falls = explanations.by_name(explanations.removal() + present)
    else:
        falls = {"": explanations.fall()}
    regression = measures.regression
    what = "mean absolute change of the value" if regression else "mean fall of the decided class's probability"
    if explanations.unit == "decisions":
        what = "share of decisions that change"
    return [
        metric_of(
            "input_removal",
            measures.mean(values, bounds=(0.0, np.inf) if regression else (-1.0, 1.0)),
            int(np.isfinite(values).sum()),
            "no explained case has this input",
            args={"input": name} if name else {},
            title=f"effect of leaving out {input_name(name) if name else 'the input'}",
            unit=None if regression else "points",
            way=f"{what} without the input, {case_noun()} that have it",
        )
        for name, values in falls.items()
    ]


def _by_class(ctx: raikit.CheckContext, measures: PartMeasures) -> list[raikit.Metric]:
    if measures.regression or measures.explanations.kind not in ("input", "column"):
        return []
    predictions = measures.sample.frame["prediction"].astype(str).to_numpy()
    classes = [str(label) for label in ctx.classes if str(label) in set(predictions)]
    if len(classes) > MOST_CLASSES:
        return []
    return [
        _share(measures, part, predictions == label, args={"class": label})
        for part in measures.largest[:MOST_COMPARED]
        for label in classes
    ]


def _groups(ctx: raikit.CheckContext, sample: Sample) -> list[GroupsOf]:
    found = []
    for column in ctx.sensitive:
        values = sample.frame[column]
        names: list[str | None] = sorted(values.dropna().astype(str).unique())
        codes = values.astype(str).map({name: code for code, name in enumerate(names)}).where(values.notna(), -1)
        coded = codes.to_numpy(dtype=np.int64)
        mode = ctx.missing_group.get(column)
        if values.isna().any() and mode != "leave_out":
            coded = np.where(coded < 0, len(names), coded)
            names = [*names, None]
        sizes = np.bincount(coded[coded >= 0], minlength=len(names))
        compared = (sizes >= LEAST_OF_A_GROUP) & np.array([name is not None or mode is None for name in names], dtype=bool)
        found.append(GroupsOf(column, names, coded, compared))
    return found


def _by_group(measures: PartMeasures) -> Iterator[raikit.Metric]:
    for groups in measures.groups:
        for part in _compared_parts(measures, groups):
            for code, name in enumerate(groups.names):
                yield _share(measures, part, groups.codes == code, over=[groups.column], group={groups.column: name})


def _compared_parts(measures: PartMeasures, groups: GroupsOf) -> list[str]:
    """Return the parts that groups are compared in: not the column that makes them, which is its own replacement in one of them."""
    return [part for part in measures.largest[:MOST_COMPARED] if part != groups.column]


def _differences(ctx: raikit.CheckContext, measures: PartMeasures) -> list[Difference]:
    """Test whether the groups of each column differ in the shares of the largest parts."""
    rng = ctx.rng
    tested = [
        (part, groups, gap)
        for groups in measures.groups
        for part in _compared_parts(measures, groups)
        if (gap := _gap(measures, measures.shares[part], groups, rng)) is not None
    ]
    if not tested:
        return []
    adjusted = stats.holm(np.array([1.0 if gap.p_value is None else gap.p_value for _, _, (gap, _, _) in tested]))
    return [
        Difference(part, groups.column, gap, groups.names[kept[gap.worst]], groups.names[kept[gap.best]], float(p), clusters)
        for (part, groups, (gap, kept, clusters)), p in zip(tested, adjusted, strict=True)
    ]


def _gap(
    measures: PartMeasures, values: FloatArray, groups: GroupsOf, rng: np.random.Generator
) -> tuple[stats.Gap, Sequence[int], int | None] | None:
    mask = np.isfinite(values) & (groups.codes >= 0)
    mask &= np.where(groups.codes >= 0, groups.compared[groups.codes], False)
    if measures.explanations.kind == "input":  # a group that lacks an input would differ in the shares of all others
        mask &= measures.explanations.complete
    counts = np.bincount(groups.codes[mask], minlength=len(groups.names))
    mask &= np.where(groups.codes >= 0, (counts >= LEAST_OF_A_GROUP)[groups.codes], False)
    if not mask.any() or not np.ptp(values[mask]):
        return None
    covariance = _covariance(measures, values, groups, mask, proportion=False)
    occurs = np.flatnonzero(np.isfinite(covariance.rates))
    if len(occurs) < 2:
        return None
    if (np.diag(covariance.M)[occurs] < _NO_VARIANCE).any():  # as that of a rate, which has one even where all cases are alike
        covariance = _covariance(measures, values, groups, mask, proportion=True)
    compared = covariance.subset(occurs)
    clusters = int(compared.n_clusters.min()) if compared.ways else None
    return stats.clustered_gap(compared, measures.level, rng=rng), occurs.tolist(), clusters


def _covariance(
    measures: PartMeasures, values: FloatArray, groups: GroupsOf, mask: BoolArray, *, proportion: bool
) -> stats.CovarianceResult:
    weight = None if measures.sample.weight is None else measures.sample.weight[mask]
    clusters = [codes[mask] for codes in measures.sample.clusters]
    ones = np.ones(int(mask.sum()))
    return stats.rate_covariance(
        values[mask], ones, groups.codes[mask], clusters, weight, groups=len(groups.names), proportion=proportion
    )


def _difference_metric(measures: PartMeasures, difference: Difference) -> raikit.Metric:
    kind, gap = measures.explanations.kind, difference.gap
    name = SHARE_METRICS[kind]
    of = input_name(difference.part) if kind == "input" else difference.part
    fields: dict[str, Any] = {
        "args": {kind: difference.part},
        "over": [difference.column],
        "title": f"difference between groups in the share of the decision, {of}",
    }
    low, high = max(gap.low, 0.0), min(gap.high, 1.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        return raikit.Metric.undefined(f"{name}_difference", "too few clusters bound no difference", **fields)
    return raikit.Metric(
        f"{name}_difference",
        gap.value,
        low=min(low, gap.value),
        high=max(high, gap.value),
        n=len(measures.sample.frame),
        n_clusters=difference.n_clusters,
        method=gap.method,
        unit="points",
        p_value=gap.p_value,
        p_adjusted=difference.p_adjusted,
        adjustment=f"Holm over {len(measures.differences)} differences",
        direction="lower",
        simultaneous=True,
        compares=name,
        **fields,
    )


def _interactions(measures: PartMeasures) -> list[raikit.Metric]:
    """Measure by how much each pair of inputs adds more together than each alone."""
    explanations = measures.explanations
    if explanations.kind != "input" or explanations.interactions is None:
        return []
    names, metrics = explanations.distinct, []
    for first, one in enumerate(names):
        for other in names[first + 1 :]:
            values = np.array(
                [
                    index[of_case.index(one), of_case.index(other)] if one in of_case and other in of_case else np.nan
                    for of_case, index in zip(explanations.names, explanations.interactions, strict=True)
                ]
            )
            metrics.append(
                metric_of(
                    "input_interaction",
                    measures.mean(values),
                    int(np.isfinite(values).sum()),
                    f"no explained {case_noun(1)} has both inputs",
                    args={"input": one, "with": other},
                    title=f"interaction of {input_name(one)} and {input_name(other)}",
                    unit=None if measures.regression else explanations.unit,
                    way=f"mean Shapley interaction index in {explanations.unit}",
                )
            )
    return metrics


def _faithful(measures: PartMeasures) -> raikit.Metric:
    share, fields = measures.verdict.share, {"title": "explanations that order parts better than chance"}
    if share is None:
        return raikit.Metric.undefined("faithful_share", measures.verdict.reason, **fields)
    flags = ["few_clusters"] if share.few_clusters else []
    return raikit.Metric(
        "faithful_share",
        share.value,
        low=share.low,
        high=share.high,
        n=share.n,
        n_clusters=share.n_clusters,
        effective_n=share.effective_n,
        flags=flags,
        unit="rate",
        direction="higher",
        method=f"{case_noun()} whose order of parts beats random orders, exact test, Benjamini-Hochberg; {share.method}",
        **fields,
    )
