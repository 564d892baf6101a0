"""Values and influences of groups and rests, computed in pieces and summed by unit, equal those of each group computed alone."""

from dataclasses import replace

import numpy as np
import pytest

from raikit import stats
from raikit.stats import areas
from raikit.stats import cells as stats_cells
from raikit.stats.areas import AveragePrecision, average_precision_bias, widen_for_bias
from raikit_fairness.estimates import calibration, functionals, grouped_cells, influence
from raikit_fairness.estimates.case_counts import Cells, cluster_units, dense_ranks
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.functionals import LabelFunctional
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.grouped_cells import UnitSums, group_cells, merge_like_cells
from raikit_fairness.estimates.influence import FunctionalTraits, estimate_functional
from raikit_fairness.estimates.rates import class_rates
from raikit_fairness.estimates.variance_floors import auc_variance_floor, mean_variance_floor, recall_variance_floor
from raikit_fairness.settings import IntervalSettings

FUNCTIONALS = {
    "roc_auc": (functionals.roc_auc(1), FunctionalTraits(support=functionals.scarcer_class_size(1), variance_floor=auc_variance_floor(1))),
    "average_precision": (functionals.average_precision(1), FunctionalTraits(support=functionals.class_size(1))),
    "f1": (functionals.f1(1), FunctionalTraits(support=functionals.f1_support(1))),
    "balanced_accuracy": (functionals.balanced_accuracy(2), FunctionalTraits(variance_floor=recall_variance_floor(2))),
    "log_loss": (functionals.mean(functionals.log_losses),
                 FunctionalTraits("positive", (0, 40), linear=True, variance_floor=mean_variance_floor(functionals.log_losses))),
}  # fmt: skip


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Cut small tables into pieces, as large ones are."""
    monkeypatch.setattr(grouped_cells, "_PIECE", 7)
    monkeypatch.setattr(areas, "_PIECE", 7)
    monkeypatch.setattr(stats_cells, "_FEWEST", 0)


def draw_cells(seed, n=240, *, ties=False, weights=False, ways=0, no_positives=False):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    scores = rng.random(n) if not ties else rng.choice([0.1, 0.2, 0.5, 0.9], n)
    code = rng.choice([-1, 0, 1, 2, 3], n, p=[0.05, 0.4, 0.3, 0.2, 0.05])
    if no_positives:
        truth[code == 3] = 0
    w = rng.choice([0.0, 0.5, 1.0, 3.0], n, p=[0.1, 0.3, 0.3, 0.3]) if weights else np.broadcast_to(1.0, n)
    clusters = [rng.integers(-1, 25, n) for _ in range(ways)]
    cells = Cells(
        truth, (scores > 0.4).astype(int), np.broadcast_to(1, n), w, w**2 if weights else w, clusters, ["a", "b"][:ways],
        weights, scores=scores, ranks=dense_ranks(scores),
    )  # fmt: skip
    return cells, Feature(("g",), [("p",), ("q",), ("r",), ("s",)], code)


def simple_covariance(cells, code, k, functional, traits, everyone):
    """The covariance from the influences of every case, each group's computed by itself on a copy of its cases."""
    value, influence, support, extra = np.full(k, np.nan), np.zeros(len(cells)), np.zeros(k), np.zeros(k)
    most, df = np.full(k, 1e15), np.ones(k)
    floor = traits.variance_floor(everyone) if traits.variance_floor else None
    for group in range(k):
        part = cells.take(np.flatnonzero(code == group))
        if len(part):
            part = replace(part, scores=part.scores.copy(), ranks=dense_ranks(part.scores))
            value[group], influence[code == group] = functional(part)
            support[group] = traits.support(part) if traits.support else part.n.sum()
            if np.isnan(value[group]):
                continue
            if floor is not None:
                extra[group] = floor(part, value[group], ((influence[code == group] / part.w) ** 2 * part.w2).sum())
            if getattr(functional, "area", None) is AveragePrecision:
                shown = float(influence[code == group] @ influence[code == group])
                bias = average_precision_bias(part.truth == functional.positive, part.ranks, part.w)
                extra[group] += widen_for_bias(shown, bias) - shown
            most[group] = traits.ceiling(part) if traits.ceiling else 1e15
            df[group] = traits.df(part) if traits.df else np.inf
            if cells.weighted and not cells.clusters:
                known = known_df(functional, part, influence[code == group])
                extra[group] += (influence[code == group] ** 2).sum() / known
                df[group] = min(df[group], known)
            df[group] = max(df[group], 1)
    inside = (code >= 0) & ~np.isnan(value)[code]
    group, w, w2 = code[inside], cells.w[inside], cells.w2[inside]
    total, squares = np.bincount(group, w, minlength=k), np.bincount(group, w2, minlength=k)
    kish = np.divide(total**2, squares, out=np.zeros(k), where=squares > 0)
    cov = stats.influence_covariance(
        value, influence[inside], group, [codes[inside] for codes in cells.clusters],
        most if traits.scale == "proportion" else kish, total, scale=traits.scale,
        squares=(influence[inside] / w) ** 2 * w2, counts=cells.n[inside].astype(float), still=support, extra=extra,
        weight=w, weight_squares=w2,
    )  # fmt: skip
    own = np.diag(cov.concentration)
    concentration = cov.concentration + np.diag(np.maximum(1 / (df + 1) - own, 0))
    return support, replace(cov, concentration=concentration, df=np.minimum(cov.df, df))


def known_df(functional, part, influence):
    """Degrees of freedom from the contributions of weighted cases; those of labels are of one cell for each pair of labels."""
    each = influence / part.w
    cell = part.truth * 2 + part.prediction if isinstance(functional, LabelFunctional) else np.arange(len(part))
    n, w, w2 = (np.bincount(cell, values) for values in (None, part.w, part.w2))
    unit = np.zeros(len(n))
    unit[cell] = each
    with np.errstate(divide="ignore", invalid="ignore"):
        fourths = np.nansum(unit**4 * w2**2 * np.minimum(n**3 * (w2 / w**2) ** 4, 1))
    number, alike = (influence**2).sum() ** 2 / fourths, (each**2).sum() ** 2 / (each**4).sum()
    return max(number - 1, 1) / max(1 - min(number / alike, 1) ** 2, 1e-9)


CASES = [{}, {"ties": True}, {"weights": True}, {"ways": 1}, {"ways": 2, "ties": True}, {"ways": 1, "weights": True},
         {"ties": True, "no_positives": True}, {"ways": 1, "no_positives": True}]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONALS)
def test_groups_have_the_covariance_of_influences_computed_group_by_group(name, case):
    functional, traits = FUNCTIONALS[name]
    cells, feature = draw_cells(len(name), **case)
    estimates = estimate_functional(cells, feature, functional, traits, name)
    positive = cells.w > 0
    counted = cells.take(positive)
    support, cov = simple_covariance(counted, feature.code[positive], 4, functional, traits, counted)
    np.testing.assert_allclose(estimates.cov.rates, cov.rates, rtol=1e-12)
    np.testing.assert_allclose(estimates.cov.M, cov.M, rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(estimates.support, support)
    ours, simple = (one.subset(estimates.defined) for one in (estimates.cov, cov))
    per_cluster = ("one_more", "supporting") if cells.clusters else ()
    for field in ("n_clusters", "n_effective", "concentration", "vrow", "sizes", *per_cluster):
        np.testing.assert_allclose(getattr(ours, field), getattr(simple, field), rtol=1e-9, atol=1e-14, err_msg=field)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "f1", "balanced_accuracy"])
def test_a_group_is_compared_with_the_rest_as_if_both_were_computed_alone(name, case):
    functional, traits = FUNCTIONALS[name]
    cells, feature = draw_cells(len(name), **case)
    settings = IntervalSettings(0.95, 2000, 10)
    estimates = estimate_functional(cells, feature, functional, traits, name)
    keep = estimates.defined & np.array([True, True, False, True])
    contrasts = estimates.versus_rest(keep, settings, Draws(0, ("g",), 2000))
    kept = np.flatnonzero(keep)
    inside = (cells.w > 0) & np.isin(feature.code, kept)
    part = cells.take(inside)
    for at, group in enumerate(kept):
        sides = (feature.code[inside] != group).astype(int)
        cov = simple_covariance(part, sides, 2, functional, traits, part)[1]
        alone = stats.clustered_difference(cov, 1 - 0.05 / len(kept))
        for field in ("value", "low", "high"):
            assert getattr(contrasts, field)[at] == pytest.approx(getattr(alone, field)[0], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("groups", "evaluations"), [(2, 0), (3, 3)])
def test_a_comparison_with_the_rest_evaluates_only_rests_that_are_no_group_and_serves_all_levels(groups, evaluations, monkeypatch):
    cells, feature = draw_cells(5)
    estimates = estimate_functional(cells, feature, functionals.roc_auc(1), FunctionalTraits(), "roc_auc")
    calls = []
    monkeypatch.setattr(influence, "evaluate", lambda *args, evaluate=influence.evaluate: calls.append(1) or evaluate(*args))
    keep = np.arange(4) < groups
    for level in (0.9, 0.95):
        estimates.versus_rest(keep, IntervalSettings(level, 2000, 10), Draws(0, ("g",), 2000))
    assert len(calls) == evaluations


@pytest.mark.parametrize("case", CASES, ids=str)
def test_calibration_errors_of_groups_and_rests_are_those_of_their_cases(case):
    cells, feature = draw_cells(3, **case)
    grouped = group_cells(cells, feature)
    for group in range(4):
        for part, mask in ((grouped.groups[group], feature.code == group),
                           (grouped.rest(group, [0, 1, 3]), np.isin(feature.code, [0, 1, 3]) & (feature.code != group))):
            error = calibration._error(part, 1, np.random.default_rng(0))
            own = cells.take(mask & (cells.w > 0))
            expected = stats.calibration_error(
                own.truth == 1, own.scores, stats.equal_bins(own.scores, 10), own.w if own.weighted else None, own.clusters,
                rng=np.random.default_rng(0), draws=4000,
            )  # fmt: skip
            assert (error.value, error.bins, error.n_clusters) == (pytest.approx(expected.value), expected.bins, expected.n_clusters)
            assert error.se == pytest.approx(expected.se, rel=1e-9)


@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("weights", [False, True])
def test_merged_cells_hold_the_same_cases(ways, weights):
    cells, feature = draw_cells(4, 6000, ways=ways, weights=weights)
    cells = replace(cells, clusters=[codes // 8 for codes in cells.clusters])
    merged, codes = merge_like_cells(cells, feature)
    assert len(merged) < len(cells) / 2

    def totals(cells, code):
        rows = np.column_stack([code, cells.truth, cells.prediction, *cells.clusters])
        return {tuple(key): [part[(rows == key).all(axis=1)].sum() for part in (cells.n, cells.w, cells.w2)]
                for key in np.unique(rows, axis=0)}  # fmt: skip

    expected, got = totals(cells, feature.code), totals(merged, codes.code)
    assert expected.keys() == got.keys()
    for key, sums in expected.items():
        assert got[key] == pytest.approx(sums)


def test_a_case_without_a_cluster_is_a_unit_of_its_own():
    units = cluster_units([np.array([0, -1, 1, -1, 0]), np.array([2, 2, -1, -1, 2])])
    assert units is not None
    assert [units.clusters[0][units.code].tolist(), units.clusters[1][units.code].tolist()] == [[0, -1, 1, -1, 0], [2, 2, -1, -1, 2]]
    assert len(np.unique(units.code)) == 4


@pytest.mark.parametrize("units", [3, 500])
def test_sums_by_unit_do_not_depend_on_pieces(units, monkeypatch):
    rng = np.random.default_rng(0)
    unit, n, values = rng.integers(0, units, 60), rng.integers(0, 2, 60), rng.random(60)
    sums = UnitSums([np.arange(units)], 60)
    for start in range(0, 60, 13):
        sums.add(unit[start : start + 13], n[start : start + 13], values[start : start + 13])
    (numbers,), (counts, totals) = sums.result()
    assert numbers.tolist() == [u for u in range(units) if n[unit == u].sum()]
    assert counts.tolist() == [n[unit == u].sum() for u in numbers]
    assert totals == pytest.approx([values[unit == u].sum() for u in numbers])


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("name", ["f1", "balanced_accuracy"])
def test_labels_counted_by_cluster_and_group_give_what_the_cells_give(name, weights, monkeypatch):
    functional, traits = FUNCTIONALS[name]
    cells, feature = draw_cells(5, 900, ways=1, weights=weights)
    cells = replace(cells, clusters=[np.maximum(cells.clusters[0], 0)])
    settings, keep = IntervalSettings(0.95, 2000, 10), np.array([True, True, False, True])

    def estimate():
        estimates = estimate_functional(replace(cells), feature, functional, traits, name)
        rest = estimates.versus_rest(keep, settings, Draws(0, ("g",), 2000))
        return estimates.cov.M, estimates.cov.vrow, estimates.cov.concentration, rest.low, rest.high, rest.p_value

    added = []
    add = UnitSums.add
    monkeypatch.setattr(UnitSums, "add", lambda self, unit, *values: added.append(len(values[0])) or add(self, unit, *values))
    counted = estimate()
    assert set(added) == {25}  # one entry for each cluster
    monkeypatch.setattr(grouped_cells.LabelTables, "tables", None)
    for found, expected in zip(counted, estimate(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("outside", [False, True])
def test_rates_of_merged_cells_are_those_of_the_cells(weights, outside):
    cells, feature = draw_cells(6, 3_000, ways=1, weights=weights)
    if not outside:
        feature = replace(feature, code=np.maximum(feature.code, 0))
    merged = merge_like_cells(cells, feature)
    assert len(merged[0]) < len(cells) / 2
    for (name, ours), simple in zip(class_rates(*merged, 1)[0].items(), class_rates(cells, feature, 1)[0].values(), strict=True):
        np.testing.assert_array_equal(ours.n, simple.n, err_msg=name)
        for part in ("rates", "M", "df", "n_clusters", "vrow", "n_effective", "sizes", "concentration", "one_more", "supporting"):
            found, expected = getattr(ours.cov, part), getattr(simple.cov, part)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14, err_msg=f"{name} {part}")
