"""Gated metrics over time, and limits that only ever get tighter."""

from __future__ import annotations

import doctest
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raikit.config.schema import GateConfig
from raikit.errors import RunError
from raikit.gate import history
from raikit.gate.verdict import judge
from raikit.run.reader import Run
from raikit.run.record import CheckRecord, DataRecord, Gate, Provenance, Record
from raikit.run.results import Metric

GAP = "fairness.gap[sex]"


def metric(value, low, high, name="gap", **more):
    over = {"over": ["sex"]} if name == "gap" else {}
    owner = "fairness" if name == "gap" else "performance"
    told = Metric(name, value, low=low, high=high, n=500, method="t", direction="lower", level=0.95, **over, **more)
    return told.model_copy(update={"id": GAP if name == "gap" else f"{owner}.{name}"})


@pytest.fixture
def made(tmp_path):
    """Run number k, of a day each; the gate has judged it by these rules."""

    def made(k, *metrics, rules=({"metric": GAP, "max": 0.1},), name="m", data="d"):
        policy = GateConfig.model_validate({"rules": list(rules)})
        checks = [CheckRecord(name="fairness.all", pillar="fairness", plugin="x", status="ok", metrics=list(metrics))]
        record = Record(
            name=name, verdict="pass", checks=checks, gate=judge(policy, checks), data=DataRecord(fingerprint=data),
            provenance=Provenance(started=f"2026-01-{k:02d}T10:00:00Z", config=json.dumps({"gate": policy.model_dump(mode="json")})),
        )  # fmt: skip
        folder = tmp_path / "runs" / f"run-{k}"
        folder.mkdir(parents=True)
        (folder / "audit.json").write_text(record.model_dump_json())
        return folder

    return made


def proposed(*folders):
    runs = history.open_runs(folders)
    return history.ratchet(runs), history.as_yaml(history.ratchet(runs), runs[-1])


def test_runs_are_read_from_a_folder_in_the_order_in_which_they_started(made, tmp_path):
    for k in (2, 10, 1):
        made(k, metric(0.05, 0.02, 0.08))
    (tmp_path / "runs" / "notes").mkdir()
    assert [run.folder.name for run in history.open_runs([tmp_path / "runs"])] == ["run-1", "run-2", "run-10"]
    twice = [tmp_path / "runs", tmp_path / "runs" / "run-2", tmp_path / "runs" / "run-2" / "audit.json"]
    assert len(history.open_runs(twice)) == 3


def test_what_has_no_history_is_refused_in_a_sentence(made, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"empty: neither a run of raikit nor a folder of runs\.$"):
        history.open_runs([tmp_path / "empty"])
    with pytest.raises(RunError, match="there is no audit.json"):
        history.open_runs([tmp_path / "absent"])
    made(1, name="a"), made(2, name="b")
    with pytest.raises(RunError, match=r"several audits \(a, b\)"):
        history.open_runs([tmp_path / "runs"])


def test_a_line_for_each_run_with_interval_status_and_limit(made):
    folders = [made(1, metric(0.2, 0.15, 0.3)), made(2, data="other"), made(3, metric(0.05, 0.0, 0.08), data="other")]
    (series,) = history.history(history.open_runs(folders))
    head, first, second, third, axis = history.draw(series)
    assert head == f"{GAP}  at most 0.1"
    assert "2026-01-01 10:00  run-1" in first and "0.2 [0.15, 0.3]" in first and "fail" in first
    assert "no measurement" in second or "not measured" in second
    assert "pass" in third and third.count("●") == 1 and third.count("│") == 1
    assert axis.split() == ["0", "0.3"]
    assert first.index("│") == third.index("│") < first.index("●")


def test_other_data_than_before_is_said(made):
    folders = [made(1, metric(0.05, 0.0, 0.08)), made(2, metric(0.05, 0.0, 0.08), data="other")]
    drawn = history.draw(history.history(history.open_runs(folders))[0])
    assert [line.endswith("other data than before") for line in drawn[1:3]] == [False, True]


def test_a_metric_that_an_older_policy_gated_is_still_drawn(made):
    accuracy = metric(0.9, 0.88, 0.92, "accuracy")
    old = made(1, accuracy, rules=[{"metric": "performance.accuracy", "min": 0.8}])
    new = made(2, accuracy, metric(0.05, 0.0, 0.08))
    drawn = history.history(history.open_runs([old, new]))
    assert [series.metric for series in drawn] == [GAP, "performance.accuracy"]
    assert [point.value for point in drawn[1].points] == [0.9, 0.9]


def test_a_limit_is_tightened_to_what_the_last_three_runs_kept(made):
    folders = [made(k, metric(v, v - 0.02, v + 0.02)) for k, v in enumerate([0.09, 0.03, 0.04, 0.02], 1)]
    (proposal,), text = proposed(*folders)
    # the worst of the last three ends at 0.06, with room 0.07: 0.03 of distance
    assert (proposal.tighter.max, proposal.end, proposal.runs) == (0.07, 0.06, 3)
    assert yaml.safe_load(text) == {"gate": {"rules": [{"metric": GAP, "max": 0.07}]}}
    assert "# max was 0.1; highest end of an interval: 0.06" in text


def test_a_minimum_rises_and_keeps_the_rest_of_its_rule(made):
    rule = {"metric": "performance.accuracy", "min": 0.7, "severity": "warn", "id": "floor"}
    _, text = proposed(made(1, metric(0.9, 0.88, 0.92, "accuracy"), rules=[rule]))
    assert yaml.safe_load(text)["gate"]["rules"] == [rule | {"min": 0.8}]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([(0.05, 0.0, 0.12)], "the newest is undecided"),
        ([(0.2, 0.15, 0.3), (0.01, 0.0, 0.02)], "one of the last three broke it"),
        ([(0.05, 0.005, 0.095)], "there is no room"),
    ],
)
def test_nothing_is_proposed_where(made, values, why):
    found, text = proposed(*[made(k, metric(*v)) for k, v in enumerate(values, 1)])
    assert not found, why
    assert text == "# No rule can be tightened.\n" and yaml.safe_load(text) is None


def test_a_rule_for_many_metrics_is_as_tight_as_the_worst_of_them_allows(made):
    other = metric(0.06, 0.05, 0.07).model_copy(update={"id": "fairness.gap[race]"})
    folder = made(1, metric(0.01, 0.0, 0.02), other, rules=[{"metric": "fairness.gap", "max": 0.5}])
    (proposal,), _ = proposed(folder)
    assert proposal.tighter.max == pytest.approx(0.1) and proposal.end == 0.07


@given(
    st.just(0.0) | st.floats(1e-100, 1), st.lists(st.tuples(*[st.floats(0, 1)] * 3).map(sorted), min_size=1, max_size=5), st.booleans()
)
def test_a_proposal_is_always_tighter_and_lets_the_last_three_pass(limit, intervals, has_maximum):
    bound = "max" if has_maximum else "min"
    policy = GateConfig.model_validate({"rules": [{"metric": GAP, bound: limit}]})
    config = json.dumps({"gate": policy.model_dump(mode="json")})
    runs = [
        Run(None, Record(name="m", verdict="pass", gate=Gate(verdict="pass"), provenance=Provenance(config=config), checks=[
            CheckRecord(name="fairness.all", pillar="fairness", plugin="x", status="ok", metrics=[metric(value, low, high)])]))
        for low, value, high in intervals
    ]  # fmt: skip
    for proposal in history.ratchet(runs):
        new = proposal.tighter.max if has_maximum else proposal.tighter.min
        assert new < limit if has_maximum else new > limit
        for low, _, high in intervals[-3:]:
            assert high <= new if has_maximum else low >= new


def test_the_command_draws_or_proposes(made, capsys):
    from raikit.cli import main

    folder = made(1, metric(0.02, 0.01, 0.03))
    assert main(["history", str(folder.parent)]) == 0
    assert f"{GAP}  at most 0.1" in capsys.readouterr().out
    assert main(["history", str(folder), "--ratchet"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {"gate": {"rules": [{"metric": GAP, "max": 0.04}]}}
    assert main(["history", str(folder / "absent")]) == 2


def test_examples_in_docstrings():
    assert doctest.testmod(history).failed == 0
