"""Every name that the documentation promises is measured, or is another name of what is measured, and is the same number."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics

from raikit.address import Pattern
from raikit.gate.aliases import Aliases, complement_parts
from raikit.testing import result_of, table_context
from raikit_fairness import measures, names
from raikit_fairness.checks.groups import GroupMetrics

ALIASES = Aliases.of([GroupMetrics])
PAGE = Path(__file__).parents[3] / "docs" / "fairness.md"
NEVER_A_RATIO = {"mean_signed_error", "mean_prediction"}  # they may be below 0


N = 600


def drawn(task):
    """Truth and prediction of a task, with scores of a binary one, in three groups."""
    rng = np.random.default_rng(0)
    make = {
        "binary": lambda: rng.integers(0, 2, N),
        "multiclass": lambda: rng.choice(["cat", "dog", "owl"], N),
        "regression": lambda: rng.normal(5, 1, N),
    }[task]
    table = pd.DataFrame({"sex": rng.choice(["F", "M", "X"], N), "target": make(), "prediction": make()})
    return table.assign(score=rng.uniform(size=N)) if task == "binary" else table


@pytest.fixture(scope="module")
def measured():
    """Metrics by address on a binary, a multiclass and a numeric target."""
    found = {}
    for task in ("binary", "multiclass", "regression"):
        result = result_of(GroupMetrics, table_context(drawn(task), task=task, sensitive=["sex"]))
        found[task] = {metric.address("fairness"): metric for metric in result.metrics}
    return found


def find(found, written):
    """Return the metrics that a rule of that name would judge."""
    pattern = Pattern(ALIASES.resolve(f"fairness.{written}"))
    return [metric for address, metric in found.items() if pattern.matches(address)]


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_every_metric_by_group_has_its_difference_its_ratio_and_its_distance_to_the_rest(measured, task):
    listed = {"binary": [*measures.BINARY, *measures.BINARY_SCORES], "regression": measures.REGRESSION}[task]
    for measure in listed:
        assert find(measured[task], f"{measure.name}[sex=F]"), measure.name
        assert find(measured[task], f"{measure.name}_difference[sex]"), measure.name
        assert find(measured[task], f"{measure.name}_difference(to=rest)[sex=F]"), measure.name
        assert bool(find(measured[task], f"{measure.name}_ratio[sex]")) is (measure.name not in NEVER_A_RATIO), measure.name


def test_every_class_against_the_others_has_them_too(measured):
    for measure in measures.ONE_CLASS:
        assert find(measured["multiclass"], f"{measure.name}_difference(class=cat)[sex]"), measure.name
        assert find(measured["multiclass"], f"{measure.name}_ratio(class=cat)[sex]"), measure.name
        assert find(measured["multiclass"], f"{measure.name}_difference(class=cat,to=rest)[sex=F]"), measure.name
    for average in ("recall(average=macro)", "recall(average=weighted)", "precision(average=micro)", "f1_score(average=macro)"):
        assert find(measured["multiclass"], f"{average}[sex=F]"), average
        assert find(measured["multiclass"], f"{average.replace('(', '_difference(')}[sex]"), average


def test_every_alias_is_of_something_that_is_measured(measured):
    everything = {address: metric for found in measured.values() for address, metric in found.items()}
    for alias, target in names.aliases().items():
        pattern = complement_parts(target)[1] + "[*]" * ("(" in target)
        assert any(map(Pattern(pattern).matches, everything)), alias


def test_names_of_fairlearn_are_the_numbers_that_fairlearn_gives(measured):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    cases, compared = drawn("binary"), []
    for name in dir(fairlearn):
        if not re.fullmatch(r"\w+_(difference|ratio)", name) or not (ours := find(measured["binary"], f"{name}[sex]")):
            continue
        arguments = {"y_pred": cases["score" if name.startswith(("roc", "log")) else "prediction"]}
        theirs = getattr(fairlearn, name)(cases["target"], arguments["y_pred"], sensitive_features=cases["sex"])
        assert ours[0].value == pytest.approx(theirs), name
        compared.append(name)
    assert {"false_negative_rate_difference", "true_negative_rate_difference", "zero_one_loss_difference"} <= set(compared)
    assert not {"true_negative_rate_ratio", "zero_one_loss_ratio"} & set(compared)  # other numbers, so no other names


def test_averages_are_the_numbers_that_scikit_learn_gives(measured):
    cases = drawn("multiclass").query("sex == 'F'")
    for name, average in (key for key in names.AVERAGES if key[0] != "roc_auc"):
        theirs = getattr(sklearn.metrics, f"{name}_score")(cases["target"], cases["prediction"], average=average)
        (ours,) = find(measured["multiclass"], f"{name}(average={average})[sex=F]")
        assert ours.value == pytest.approx(theirs), (name, average)


def test_a_distance_to_the_rest_keeps_its_sign(measured):
    (missed,) = find(measured["binary"], "false_negative_rate_difference(to=rest)[sex=F]")
    (caught,) = find(measured["binary"], "recall_difference(to=rest)[sex=F]")
    assert missed.value == pytest.approx(-caught.value)
    assert (missed.low, missed.high) == pytest.approx((-caught.high, -caught.low), abs=1e-9)
    assert ALIASES.complement("fairness.tnr_difference(to=rest)[sex=F]") == (
        0, "fairness.false_positive_rate_difference(to=rest)[sex=F]")  # fmt: skip
    assert not find(measured["binary"], "tnr_difference(to=rest)[sex=F]")


def test_the_table_of_names_says_what_the_code_resolves():
    page = PAGE.read_text(encoding="utf-8").split("## Other names")[1].split("##")[0]
    rows = re.findall(r"^\| `(\S+?)` \| (.*) \|$", page, re.MULTILINE)
    documented = {alias: id for id, others in rows for alias in re.findall(r"`(\S+?)`", others)}
    for alias, id in documented.items():
        assert ALIASES.resolve(f"fairness.{alias}") == f"fairness.{id}", alias
    every = {*sum(names.OF_MEASURES.values(), ()), *sum(names.OF_DISPARITIES.values(), ()), "num_instances", "group_size"}
    every |= {f"{name}_difference" for others in names.COMPLEMENTS.values() for name in others}
    every |= {f"{name}(average={average})" for name, average in names.AVERAGES}
    assert set(documented) >= every, every - set(documented)
