"""`checks.search`, with `estimates.subgroups` and `report.search`: groups searched, groups flagged, and the findings."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raikit import ConfigError, DataError, address, stats
from raikit.address import Pattern
from raikit.testing import result_of, table_context
from raikit_fairness.checks.search import Search
from raikit_fairness.estimates.case_counts import count_cells
from raikit_fairness.estimates.subgroups import find_candidates

FEATURES = ["sex", "age", "race"]


def audit(table, sensitive=FEATURES, *, options=None, **roles):
    roles = {"classes": [0, 1], **roles}
    result = result_of(Search, table_context(table, sensitive=sensitive, **roles), **{"draws": 2000, **(options or {})})
    return {metric.id: metric for metric in result.metrics}, result


def people(n=4000, seed=0, wrong=0.15, worse=None, by=0.2):
    """Rows of three features; a model that errs at one rate, in one group (a query) more often."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"sex": rng.choice(["F", "M"], n), "age": rng.choice(["old", "mid", "young"], n),
                          "race": rng.choice(list("ABC"), n, p=[0.6, 0.3, 0.1]), "target": rng.integers(0, 2, n)})
    rate = np.full(n, wrong) + (by * table.eval(worse) if worse else 0)
    table["prediction"] = np.where(rng.random(n) < rate, 1 - table.target, table.target)
    return table


def loop(table, sensitive, depth, min_group):
    """Every group by the definition: rows of equal values, each set of rows once."""
    groups = {}
    for size in range(1, depth + 1):
        for columns in itertools.combinations(sensitive, size):
            for values, rows in table.groupby(list(columns), dropna=False):
                if min_group <= len(rows) < len(table):
                    groups.setdefault(frozenset(rows.index), dict(zip(columns, values, strict=True)))
    return groups


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 12), st.booleans())
def test_the_groups_are_those_of_a_loop_over_combinations(seed, depth, min_group, missing):
    table = people(60, seed)
    if missing:
        table.loc[::5, "race"] = None
    cells = count_cells(table_context(table, sensitive=FEATURES, classes=[0, 1]), 1, 100)
    candidates = find_candidates(cells, cells.features, depth, min_group, 10_000)
    groups = loop(table, FEATURES, depth, min_group)
    assert len(candidates) == len(groups)
    expected = {tuple(group.items()) for group in groups.values()}
    assert {tuple(candidates.group(at).items()) for at in range(len(candidates))} == {
        tuple((column, None if value != value else value) for column, value in group) for group in expected}
    rows = np.bincount(candidates.cell, cells.n)
    assert sorted((candidates.members @ rows).tolist()) == sorted(len(group) for group in groups)


def test_a_planted_group_is_found_and_told_with_what_it_rests_on():
    metrics, result = audit(people(worse="sex == 'F' and age == 'old'"))
    first = result.findings[0]
    assert f"{100 * first.value:.1f} percentage points more often than all other cases" in first.sentence
    assert f"gap {100 * first.value:.1f} pp, at least {100 * first.low:.1f} pp" in first.evidence
    assert first.scope.endswith(" against all other cases")
    assert (first.severity, first.kind) == ("warn", "worth_knowing")
    assert first.headline == "Cases with sex: F, age: old are predicted wrong more often"
    assert first.group == {"sex": "F", "age": "old"}
    table = people(worse="sex == 'F' and age == 'old'")
    mine, wrong = (table.sex == "F") & (table.age == "old"), table.target != table.prediction
    points = 100 * (wrong[mine].mean() - wrong[~mine].mean())
    assert first.sentence.startswith(
        f"Cases with sex: F, age: old are predicted wrong {points:.1f} percentage points more often than all other cases "
        f"({wrong[mine].mean() * 100:.1f}% against {wrong[~mine].mean() * 100:.1f}%).")
    flagged, searched = (metrics[f"fairness.groups_{name}(measure=accuracy)"] for name in ("flagged", "searched"))
    assert first.evidence.endswith(f"; n = {mine.sum():,}")
    assert dict(first.facts)["Groups flagged"].startswith(f"{flagged.value:g} of {searched.value:g} groups are flagged")
    assert result.findings[-1].kind in ("method", "undecided", "fine")
    assert searched.value == len(loop(table, FEATURES, 3, 30))
    assert [finding.group for finding in result.findings if finding.severity == "warn"] == [first.group] * 2  # both measures
    assert set(first.metrics) == {f"fairness.{name}(measure=accuracy)" for name in ("groups_flagged", "worst_group_excess")}
    assert first.figures[0] in {figure.id for figure in result.figures}


def test_numbers_are_those_of_raikit_stats_on_the_rows():
    table = people(1500, worse="sex == 'F' and age == 'old'")
    metrics, result = audit(table, options={"measures": ["accuracy"], "tolerance": 0.02, "draws": 20_000})
    groups = loop(table, FEATURES, 3, 30)
    members = np.array([[at in rows for at in range(len(table))] for rows in groups])
    known = stats.subgroup_rates(table.target != table.prediction, np.arange(len(table)), members)
    oracle = stats.worse_than_rest(known, 0.02)
    bounded = stats.certificate(known, rng=np.random.default_rng(1))
    flagged = next(table for table in result.tables if table.id == "flagged-accuracy")
    names = [column.name for column in flagged.columns]
    expected = {", ".join(f"{key}: {value}" for key, value in group.items()): at for at, group in enumerate(groups.values())}
    assert {row[0] for row in flagged.rows} == {name for name, at in expected.items() if oracle.flagged[at]}
    for row in flagged.rows:
        at, cells = expected[row[0]], dict(zip(names, row, strict=True))
        for name, value in (("value", known.rates), ("rest", known.rests), ("p", oracle.p_value), ("p_adjusted", oracle.p_adjusted),
                            ("difference", 100 * oracle.value), ("low", 100 * oracle.low), ("high", 100 * oracle.high),
                            ("rows", known.n_rows)):  # fmt: skip
            assert cells[name] == pytest.approx(value[at], rel=1e-6), name
    assert [row[4] for row in flagged.rows] == sorted((row[4] for row in flagged.rows), reverse=True)
    excess = metrics["fairness.worst_group_excess(measure=accuracy)"]
    assert excess.value == pytest.approx(bounded.value.max())
    assert excess.high == pytest.approx(bounded.bound)
    assert excess.low == pytest.approx(bounded.floor, abs=0.004)
    certified = metrics["fairness.groups_certified(measure=accuracy)"].value
    assert abs(certified - np.sum(bounded.high <= 0.02)) <= 2


def test_when_all_are_alike_the_search_seldom_flags_and_tests_one_by_one_mostly_do():
    alarms = {"search": 0, "one by one": 0}
    for seed in range(40):
        table = people(800, seed)
        metrics, _ = audit(table, options={"measures": ["accuracy"], "tolerance": 0.0})
        alarms["search"] += metrics["fairness.groups_flagged(measure=accuracy)"].value > 0
        wrong = (table.target != table.prediction).to_numpy()
        groups = loop(table, FEATURES, 3, 30)
        members = np.zeros((len(groups), 800), dtype=bool)
        for at, rows in enumerate(groups):
            members[at, list(rows)] = True
        p = stats.excess_p(stats.subgroup_rates(wrong, np.arange(800), members))
        alarms["one by one"] += np.any(p < 0.05)
    assert alarms["search"] <= 6
    assert alarms["one by one"] >= 10


def test_what_is_not_flagged_is_said_with_what_is_certain():
    metrics, result = audit(people(), options={"measures": ["accuracy"]})
    assert [finding.severity for finding in result.findings] == ["note"]
    excess = metrics["fairness.worst_group_excess(measure=accuracy)"]
    searched = metrics["fairness.groups_searched(measure=accuracy)"].value
    first = result.findings[0]
    assert dict(first.facts)["Groups flagged"] == (
        f"None of {searched:g} groups are flagged as worse by more than 5 percentage points, at a false-discovery rate of 5.0%.")
    assert first.sentence == (f"With 95% confidence, cases in any of {searched:g} groups are predicted wrong at most "
                              f"{excess.high * 100:.1f} percentage points more often than all together.")
    assert metrics["fairness.groups_flagged(measure=accuracy)"].value == 0


@pytest.mark.parametrize(
    ("tolerance", "kind", "says"),
    [(0.05, "undecided", "A group that is predicted wrong far more often cannot be excluded"),
     (0.5, "fine", "No searched group has more cases that are predicted wrong")],
)  # fmt: skip
def test_a_search_that_flags_nobody_is_fine_only_if_no_searched_group_can_be_worse_by_more_than_the_tolerance(tolerance, kind, says):
    metrics, result = audit(people(600), options={"measures": ["accuracy"], "tolerance": tolerance})
    (finding,) = result.findings
    bound = metrics["fairness.worst_group_excess(measure=accuracy)"].high
    assert (bound <= tolerance) == (kind == "fine")
    assert (finding.kind, finding.headline) == (kind, says)
    assert f"at most {100 * bound:.1f} pp (95% confidence); tolerance {100 * tolerance:g} pp" in finding.evidence


def test_the_certificate_of_larger_groups_is_tighter_and_each_line_names_the_group_that_sets_it():
    _, result = audit(people(), options={"measures": ["accuracy"]})
    table = next(table for table in result.tables if table.id == "certificate-accuracy")
    assert [row[0] for row in table.rows] == [30, 100, 300, 1000]
    assert [row[1] for row in table.rows] == sorted((row[1] for row in table.rows), reverse=True)
    assert [row[3] for row in table.rows] == sorted((row[3] for row in table.rows), reverse=True)
    assert all(": " in row[4] for row in table.rows)


@pytest.mark.parametrize(("measure", "event", "among"), [
    ("accuracy", "target != prediction", "target >= 0"), ("false_negative_rate", "prediction == 0", "target == 1"),
    ("false_positive_rate", "prediction == 1", "target == 0"), ("selection_rate", "prediction == 0", "target >= 0"),
    ("precision", "target == 0", "prediction == 1"),
])  # fmt: skip
def test_every_measure_counts_what_it_says_among_the_rows_it_says(measure, event, among):
    table = people(2000)
    metrics, _ = audit(table, options={"measures": [measure]})
    part = table[table.eval(among)]
    bad = part.eval(event)
    excess = metrics[f"fairness.worst_group_excess(measure={measure})"]
    worst = max(bad[list(rows)].mean() - bad.mean() for rows in loop(part, FEATURES, 3, 30))
    assert excess.value == pytest.approx(worst)
    assert metrics[f"fairness.groups_searched(measure={measure})"].n == len(part)


def test_two_classes_are_searched_by_errors_and_misses_and_several_by_errors():
    assert {metric.args["measure"] for metric in audit(people(500))[0].values()} == {"accuracy", "false_negative_rate"}
    table = people(500).assign(target=lambda t: np.where(np.arange(500) % 3 == 0, 2, t.target))
    several, _ = audit(table, task="multiclass", classes=[0, 1, 2])
    assert {metric.args["measure"] for metric in several.values()} == {"accuracy"}
    with pytest.raises(ConfigError, match="'precision' needs a target of two classes"):
        audit(table, task="multiclass", classes=[0, 1, 2], options={"measures": ["precision"]})


def test_small_groups_are_counted_and_not_looked_at():
    table = people(1000)
    table.loc[:9, "race"] = "rare"
    table.loc[:9, "prediction"] = 1 - table.target[:10]
    metrics, result = audit(table, ["race"], options={"measures": ["accuracy"], "depth": 1})
    assert metrics["fairness.groups_searched(measure=accuracy)"].value == 3
    assert metrics["fairness.groups_not_searched(measure=accuracy)"].value == 1
    assert dict(result.findings[-1].facts)["Not searched"] == "1 group under 30 cases"
    assert "rare" not in json.dumps([table.model_dump() for table in result.tables])


def test_where_no_group_is_large_enough_metrics_are_undefined_with_the_reason():
    metrics, result = audit(people(40), options={"min_group": 500})
    assert metrics["fairness.groups_searched(measure=accuracy)"].value == 0
    for name in ("groups_flagged", "groups_certified", "worst_group_excess"):
        assert metrics[f"fairness.{name}(measure=accuracy)"].reason == "no group has 500 cases"
    assert result.findings[0].severity == "note"
    assert result.findings[0].sentence.startswith("No group could be searched for cases that are predicted wrong: ")


def test_a_measure_without_rows_is_undefined_and_the_others_are_not():
    table = people(500).assign(prediction=0)
    metrics, _ = audit(table, options={"measures": ["accuracy", "precision"]})
    assert metrics["fairness.worst_group_excess(measure=precision)"].value is None
    assert metrics["fairness.worst_group_excess(measure=accuracy)"].value is not None


def test_groups_of_the_same_rows_are_looked_at_once_under_the_simpler_name():
    table = people(1000, worse="sex == 'F'").assign(title=lambda t: t.sex.map({"F": "Ms", "M": "Mr"}))
    once, _ = audit(table, ["sex", "age"])
    twice, result = audit(table, ["sex", "title", "age"])
    name = "fairness.groups_searched(measure=accuracy)"
    assert once[name].value == twice[name].value
    assert result.findings[0].group == {"sex": "F"}
    assert "were searched once" in result.tables[1].note


def test_combinations_beyond_the_limit_are_left_out_and_counted():
    table = people(2000)
    metrics, result = audit(table, options={"max_searched": 30, "measures": ["accuracy"]})
    assert metrics["fairness.groups_searched(measure=accuracy)"].value == len(loop(table, FEATURES, 2, 30)) == 29
    beyond = len(loop(table, FEATURES, 3, 30)) - 29
    assert dict(result.findings[-1].facts)["Not searched"].endswith(
        f"combinations of 3 or more features (of 3 there are {beyond} groups, over the 30 of max_searched)")
    with pytest.raises(DataError, match="over the 5 of max_searched"):
        audit(table, options={"max_searched": 5})


def test_a_part_of_a_flagged_group_is_marked_and_not_told():
    _, result = audit(people(worse="sex == 'F'", by=0.3), options={"measures": ["accuracy"]})
    assert [finding.group for finding in result.findings if finding.severity == "warn"] == [{"sex": "F"}]
    rows = next(table for table in result.tables if table.id == "flagged-accuracy").rows
    within = {row[0]: row[-1] for row in rows}
    assert within.pop("sex: F") is None
    assert len(within) > 5
    assert {wider for name, wider in within.items() if "sex: F" in name} == {"sex: F"}


def test_two_worse_groups_are_both_told():
    table = people(4000, worse="(sex == 'F' and age == 'old') or race == 'C'", by=0.25)
    _, result = audit(table, options={"measures": ["accuracy"]})
    groups = [finding.group for finding in result.findings if finding.severity == "warn"]
    assert {"sex": "F", "age": "old"} in groups
    assert {"race": "C"} in groups


def clustered(seed, speakers=60, each=20, effect=2.0):
    """Speakers of two groups who differ among themselves, groups alike."""
    rng = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(speakers), each)
    logit = -1.5 + effect * rng.normal(size=speakers)[speaker]
    table = pd.DataFrame({"accent": (speaker % 4).astype(str), "speaker": speaker.astype(str), "target": 1})
    return table.assign(prediction=(rng.random(len(table)) > 1 / (1 + np.exp(-logit))).astype(int))


def test_rows_of_shared_clusters_give_false_alarms_only_if_taken_for_independent():
    alarms = {(): 0, ("speaker",): 0}
    for seed in range(10):
        for cluster in alarms:
            metrics, _ = audit(clustered(seed), ["accent"], cluster=cluster, options={"tolerance": 0, "measures": ["accuracy"]})
            alarms[cluster] += metrics["fairness.groups_flagged(measure=accuracy)"].value > 0
    assert alarms[()] >= 5
    assert alarms["speaker",] <= 2


def test_clusters_are_counted_and_groups_of_few_are_not_looked_at():
    table = clustered(0, effect=0.0)
    table.loc[table.speaker.isin(["0", "4", "8"]), "accent"] = "#rare"  # before the others in order
    table.loc[table.accent == "1", "prediction"] = 0
    metrics, result = audit(table, ["accent"], cluster=["speaker"], options={"measures": ["accuracy"]})
    assert metrics["fairness.groups_not_searched(measure=accuracy)"].value == 1
    assert ("Clusters", "15 speakers") in result.findings[0].facts
    assert result.findings[0].group == {"accent": "1"}
    assert dict(result.findings[-1].facts)["Not searched"] == "1 group with too few clusters, inside or outside it"
    assert metrics["fairness.worst_group_excess(measure=accuracy)"].n_clusters == 15


def test_weights_count_and_their_scale_does_not():
    rng = np.random.default_rng(0)
    table = people(1500, worse="sex == 'F'").assign(w=rng.exponential(size=1500))
    one, other = (audit(table.assign(w=table.w * scale), weight="w")[0] for scale in (1.0, 1e5))
    for id, metric in one.items():
        for part in ("value", "low", "high"):
            assert getattr(other[id], part) == pytest.approx(getattr(metric, part), rel=1e-6, abs=1e-9)
    plain, _ = audit(table)
    excess = "fairness.worst_group_excess(measure=accuracy)"
    assert one[excess].effective_n < one[excess].n
    assert one[excess].value != pytest.approx(plain[excess].value, rel=1e-3)
    heavy = table.assign(w=np.where(table.sex == "F", table.w, 0.0))
    metrics, _ = audit(heavy, ["sex", "age"], weight="w")
    assert metrics["fairness.groups_searched(measure=accuracy)"].n == (table.sex == "F").sum()


def test_hostile_names_are_kept_as_they_are():
    names = ["", " ", "a,b=[c]", '"q"', "*|\\", "\u202eabc", "😀", "x" * 10_000, "x" * 9_999 + "y", "null", "{positive}", None]
    rng = np.random.default_rng(0)
    column = 'se"x, = ]'
    table = pd.DataFrame({column: np.repeat(np.array(names, dtype=object), 80), "coin": np.tile(["{}", "%s"], 480),
                          "target": 1, "prediction": (rng.random(960) > 0.1).astype(int)})
    worse = table[column] == "{positive}"
    table.loc[worse, "prediction"] = 0
    metrics, result = audit(table, [column, "coin"], options={"measures": ["accuracy", "selection_rate"]})
    assert metrics["fairness.groups_searched(measure=accuracy)"].value == 12 + 2 + 24
    assert result.findings[0].group == {column: "{positive}"}
    for id in metrics:
        address.parse(id)
        assert any(Pattern(pattern).matches(id) for pattern in Search.produces)
    for figure in result.figures:
        labels = [row["label"] for row in figure.data]
        assert len(set(labels)) == len(labels) == 15
        json.dumps(figure.spec)


def test_the_figure_draws_the_worst_groups_and_marks_the_flagged():
    _, result = audit(people(worse="sex == 'F' and age == 'old'"), options={"measures": ["accuracy"]})
    figure = result.figures[0]
    marks = {row["label"]: row["mark"] for row in figure.data}
    assert marks["sex: F, age: old"] == "worse"
    assert [row["value"] for row in figure.data] == sorted((row["value"] for row in figure.data), reverse=True)
    assert all(row["low"] < row["value"] < row["high"] for row in figure.data)


def test_the_order_of_features_and_other_measures_change_no_number():
    table = people(1200, worse="sex == 'F'")
    one, _ = audit(table)
    other, _ = audit(table, FEATURES[::-1], options={"measures": ["precision", "accuracy"]})
    for name in ("groups_searched", "groups_flagged", "worst_group_excess"):
        mine, theirs = (metrics[f"fairness.{name}(measure=accuracy)"] for metrics in (one, other))
        assert (mine.value, mine.high) == pytest.approx((theirs.value, theirs.high))


def test_the_level_is_the_runs_unless_the_option_says_another():
    table = people(800)
    run, own = (audit(table, options=options, confidence=0.8)[0]["fairness.worst_group_excess(measure=accuracy)"]
                for options in ({}, {"confidence": 0.99}))
    assert (run.level, own.level) == (0.8, 0.99)
    assert own.high > run.high


@pytest.mark.parametrize(("favourable", "flagged"), [(None, "sex: F"), (1, "sex: F"), (0, "sex: M")])
def test_being_selected_is_the_harm_where_it_is_not_favourable(favourable, flagged):
    table = people()
    table["prediction"] = (np.random.default_rng(1).random(len(table)) < np.where(table.sex == "F", 0.3, 0.6)).astype(int)
    _, result = audit(table, ["sex", "age"], options={"measures": ["selection_rate"], "depth": 1}, favourable=favourable)
    (finding, *_) = result.findings
    verb = "are labelled “1”" if favourable == 0 else "are not labelled “1”"
    assert finding.severity == "warn"
    assert flagged in finding.sentence
    assert verb in finding.sentence
