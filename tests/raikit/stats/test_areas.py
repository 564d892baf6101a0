import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student_t
from sklearn.metrics import roc_auc_score

from raikit.stats import areas, auc_influence, auc_interval, average_precision_influence
from raikit.stats.areas import (
    AveragePrecision,
    RocArea,
    ScoreLevels,
    average_precision_bias,
    level_influences,
    widen_for_bias,
)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.floats(0.1, 5)), min_size=2, max_size=40))
def test_the_area_is_scikit_learns_with_ties_and_weights(rows):
    y, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    if y.min() == y.max():
        with pytest.raises(ValueError, match="undefined"):
            auc_interval(y, score, weight)
        return
    for w in (None, weight):
        found = auc_interval(y, score, w)
        assert found.value == pytest.approx(roc_auc_score(y, score, sample_weight=w))
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


def test_the_variance_is_delongs(rng):
    y, score = rng.integers(0, 2, 80), np.round(rng.normal(size=80), 1)
    positive, negative = score[y == 1], score[y == 0]
    kernel = (positive[:, None] > negative) + (positive[:, None] == negative) / 2
    variance = np.var(kernel.mean(axis=1), ddof=1) / len(positive) + np.var(kernel.mean(axis=0), ddof=1) / len(negative)
    found = auc_interval(y, score)
    near = found.high if found.value >= 0.5 else 1 - found.low
    area = max(found.value, 1 - found.value)
    half = np.log(near / (1 - near)) - np.log(area / (1 - area))
    parts = [np.var(kernel.mean(axis=axis), ddof=1) / kernel.shape[1 - axis] for axis in (0, 1)]
    df = sum(parts) ** 2 / sum(part**2 / (kernel.shape[1 - axis] - 1) for axis, part in enumerate(parts))
    assert half == pytest.approx(student_t.isf(0.025, df) * np.sqrt(variance) / (area * (1 - area)), rel=1e-3)
    value, influence = auc_influence(y, score)
    assert value == found.value
    assert influence[y == 1].sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("positives", "negatives", "apart", "failing"),
    [(10, 200, 2.7, 0.0), (30, 300, 2.7, 0.0), (30, 300, 3.0, 0.02), (200, 10, 2.7, 0.0)],
)
def test_an_area_is_seldom_surely_too_high_where_one_class_is_scarce(positives, negatives, apart, failing, rng):
    truth = np.repeat([1, 0], [positives, negatives])
    area = (1 - failing) * norm.cdf(apart / 2**0.5) + failing * norm.cdf(-3 / 2**0.5)
    passes = {0.95: 0, 0.999: 0}
    for _ in range(300):
        score = apart * truth + rng.normal(size=len(truth))
        score = np.where((truth == 1) & (rng.random(len(truth)) < failing), rng.normal(-3, 1, len(truth)), score)
        for level in passes:
            passes[level] += auc_interval(truth, score, level=level).low > area
    assert passes[0.95] <= 14  # 2.5%, with three standard errors; DeLong's limits: 21 to 80
    assert passes[0.999] <= 1


@pytest.mark.parametrize(("failing", "heavy"), [(0.03, 5.0), (0.01, 10.0), (0.03, 10.0)])
def test_an_area_is_seldom_surely_too_high_where_cases_that_rank_last_are_heavy_and_may_be_absent(failing, heavy):
    """Without one of them, the positives seem to weigh alike."""
    rng, truth = np.random.default_rng(2), np.repeat([1, 0], [30, 300])

    def draw(copies=1):
        y = np.repeat(truth, copies)
        score = 3 * y + rng.normal(size=len(y))
        score = np.where((y == 1) & (rng.random(len(y)) < failing), -3, score)
        return y, score, np.where((score > 1.5) != (y == 1), heavy, 1.0) * rng.lognormal(0, 0.3, len(y))

    area, runs = auc_influence(*draw(1_000))[0], 600
    found = [auc_interval(*draw()) for _ in range(runs)]
    assert np.mean([each.low > area for each in found]) <= 0.025 + 2 * (0.025 * 0.975 / runs) ** 0.5


def test_the_low_end_is_that_of_a_rate_only_where_the_variance_rests_on_few_cases(rng):
    y, of_rate = np.repeat([1, 0], [60, 600]), {}
    for apart, failing in ((1.0, 0.0), (3.0, 0.03)):
        last = [y * (rng.random(660) < failing) == 1 for _ in range(100)]
        methods = [auc_interval(y, np.where(at, -3, apart * y + rng.normal(size=660))).method for at in last]
        of_rate[apart] = np.mean(["far end of a rate" in method for method in methods])
    assert of_rate[1.0] < 0.1  # 0.22 by an index of the tail
    assert of_rate[3.0] > 0.9


def test_the_area_of_the_other_class_has_the_mirrored_interval(rng):
    truth, score = rng.random(80) < 0.2, rng.normal(size=80)
    one, other = auc_interval(truth, score + truth), auc_interval(~truth, score + truth)
    assert (other.low, other.high) == pytest.approx((1 - one.high, 1 - one.low))


def test_one_positive_does_not_show_how_positives_vary(rng):
    found = auc_interval(np.arange(20) == 7, rng.normal(size=20), level=0.99)
    assert found.high - found.low > 0.9


def test_an_area_of_one_is_never_certain():
    found = auc_interval([0] * 10 + [1] * 7, range(17))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 7))
    assert auc_interval([1] * 10 + [0] * 7, range(17)).high == pytest.approx(1 - 0.025 ** (1 / 7))


def test_rows_told_four_times_do_not_narrow_the_area(rng):
    y, score = rng.integers(0, 2, 150), rng.normal(size=150)
    once = auc_interval(y, score)
    again = auc_interval(np.repeat(y, 4), np.repeat(score, 4), clusters=[np.repeat(np.arange(150), 4)])
    assert (again.low, again.high) == pytest.approx((once.low, once.high), abs=4e-3)


def test_areas_of_clustered_rows_are_covered(rng):
    missed_row, missed, runs = 0, 0, 200
    for _ in range(runs):
        cluster = np.repeat(np.arange(40), 10)
        y = rng.integers(0, 2, 40)[cluster]
        score = y + rng.normal(0, 1, 40)[cluster] + rng.normal(0, 0.5, 400)
        truth = 0.7365  # P(N(1, 2 * 1.25) > 0)
        row, own = auc_interval(y, score), auc_interval(y, score, clusters=[cluster])
        missed_row += not row.low <= truth <= row.high
        missed += not own.low <= truth <= own.high
    assert missed_row > 0.3 * runs
    assert missed <= 0.11 * runs


def simple_auc(y, score, w):
    """Return the area and the influences from all pairs, one by one."""
    wins = (score[:, None] > score) + (score[:, None] == score) / 2
    w1, w0 = w * y, w * (1 - y)
    value = w1 @ wins @ w0 / w1.sum() / w0.sum()
    return value, w1 * (wins @ w0 / w0.sum() - value) / w1.sum() + w0 * (w1 @ wins / w1.sum() - value) / w0.sum()


def simple_average_precision(y, score, w):
    """Return the average precision and the influences from all thresholds, one by one."""
    reached = score[None, :] >= score[:, None]
    above, hits, total = reached @ w, reached @ (w * y), (w * y).sum()
    precision = np.divide(hits, above, out=np.zeros(len(y)), where=above > 0)
    value = (w * y) @ precision / total
    shares = np.divide(w * y, above, out=np.zeros(len(y)), where=above > 0)
    derivative = y * (precision - value) + y * (shares @ reached) - (shares * precision) @ reached
    return value, w * derivative / total


@pytest.mark.parametrize("levels", [3, 12, 10_000])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "area", [(RocArea, simple_auc), (AveragePrecision, simple_average_precision)], ids=["roc", "precision"]
)
def test_areas_over_levels_in_pieces_equal_those_of_all_pairs(area, weighted, levels, monkeypatch):
    monkeypatch.setattr(areas, "_PIECE", 7)
    kind, simple = area
    rng = np.random.default_rng(levels)
    y, score = rng.integers(0, 2, 90), np.sort(rng.integers(0, levels, 90))
    w = rng.choice([0.0, 0.5, 3.0], 90) if weighted else rng.integers(0, 2, 90)
    found = ScoreLevels.of(y == 1, score, w)
    computed, level = kind.of(found), found.of_each(90)
    of_hit, of_miss = level_influences(computed, found)
    value, expected = simple(y, score, w)
    assert computed.value == pytest.approx(value, abs=1e-13)
    np.testing.assert_allclose(w * np.where(y == 1, of_hit[level], of_miss[level]), expected, atol=1e-13)


def test_scores_without_positives_between_two_that_have_some_are_one_level():
    levels = ScoreLevels.of(
        np.array([0, 0, 1, 0, 0, 1, 1, 0]) == 1, np.array([1, 2, 2, 3, 4, 5, 6, 7]), np.ones(8, dtype=int)
    )
    assert (levels.hit.tolist(), levels.miss.tolist()) == ([0, 1, 0, 1, 1, 0], [1, 1, 2, 0, 0, 1])
    assert levels.of_each(8).tolist() == [0, 1, 1, 2, 2, 3, 4, 5]


@pytest.mark.parametrize("area", [auc_influence, average_precision_influence])
def test_the_order_of_cases_does_not_matter(area):
    rng = np.random.default_rng(0)
    y, score, w = rng.integers(0, 2, 60), rng.integers(0, 9, 60) / 9, rng.random(60)
    order = rng.permutation(60)
    value, influence = area(y, score, w)
    shuffled, other = area(y[order], score[order], w[order])
    assert shuffled == pytest.approx(value, abs=1e-14)
    np.testing.assert_allclose(other, influence[order], atol=1e-14)


@pytest.mark.parametrize("area", [auc_influence, average_precision_influence])
def test_no_case_has_an_influence_on_a_perfect_order(area):
    value, influence = area([0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.2, 0.4, 0.5, 0.5, 0.7], None)
    assert value == 1
    assert not influence.any()


def test_average_precision_of_small_samples_is_too_high_by_less_than_the_bound():
    rng = np.random.default_rng(8)

    def draw(n):
        score = rng.beta(1.2, 2, n)
        return rng.random(n) < score, score

    population = average_precision_influence(*draw(200_000))[0]
    excess, bias = np.transpose([
        (average_precision_influence(*sample)[0] - population, average_precision_bias(*sample))
        for sample in (draw(50) for _ in range(400))
    ])  # fmt: skip
    assert 0.01 < excess.mean() < bias.mean() < 3 * excess.mean()


def test_a_bias_is_within_the_widened_limits():
    for z in (1.645, 1.96, 2.576):
        assert z * widen_for_bias(0.01, 0.05) ** 0.5 >= z * 0.1 + 0.05 - 1e-12
