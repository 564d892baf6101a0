"""Regressions: one family of tests, decided on bounds, failing closed; a check that cannot compare is compared by intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from raikit.config.schema import GateConfig
from raikit.gate import regressions
from raikit.gate.verdict import judge
from raikit.run.reader import Run
from raikit.run.record import CheckRecord, Gate, Record
from raikit.run.results import Comparison, Metric


def run(*metrics, check="mine.it"):
    for metric in metrics:
        metric.id = metric.address("mine")
    record = CheckRecord(name=check, pillar="mine", plugin="third", status="ok", metrics=list(metrics))
    return Run(Path("nowhere"), Record(name="m", verdict="pass", gate=Gate(verdict="pass"), checks=[record]))


def metric(value, half=0.01, name="accuracy", direction="higher", **more):
    return Metric(name, value, low=value - half, high=value + half, n=1000, method="m", level=0.95, direction=direction, **more)


def policy(**more):
    return GateConfig.model_validate({"regressions": [{"metric": "mine.*", "margin": 0.02}], **more})


def judged(config, candidate, baseline, checks=None):
    compared = regressions.compare(config, candidate, baseline, checks or {})
    judge(config, candidate.record.checks, regressions=compared)
    return compared.rules


def one(candidate, baseline, checks=None, **more):
    (row,) = judged(policy(**more), candidate, baseline, checks)
    return row


@pytest.mark.parametrize(
    ("now", "status"),
    [(0.90, "pass"), (0.95, "pass"), (0.80, "fail"), (0.875, "inconclusive")],
)
def test_by_intervals_only_a_sure_loss_fails_and_only_a_sure_stay_passes(now, status):
    row = one(run(metric(now, 0.005)), run(metric(0.9, 0.005)))
    assert row.status == status
    assert (row.kind, row.limit, row.baseline, row.unit) == ("regression", 0.02, 0.9, None)
    assert row.value == pytest.approx(0.9 - now)
    assert row.reason.endswith(f"; the metric went from 0.9 to {now:g}")


@pytest.mark.parametrize(
    ("unit", "test", "most"), [("rate", "gap", 1.0), ("points", "gap", 1.0), ("points", "moved", 2.0), (None, "gap", 9.8)]
)
def test_a_comparison_of_rates_ends_where_rates_end(unit, test, most):
    change = Comparison(metric="m", value=0.1, low=-9.8, high=3.3, p_value=0.4, minimum_detectable=5.0)
    within = change.within_bounds(metric(0.1, unit=unit), test)
    assert (within.low, within.high) == (-most, min(3.3, most))
    assert within.minimum_detectable == min(5.0, most)


def test_lower_may_be_better():
    assert one(run(metric(0.3, direction="lower")), run(metric(0.1, direction="lower"))).status == "fail"
    assert one(run(metric(0.1, direction="lower")), run(metric(0.3, direction="lower"))).status == "pass"


def test_many_regressions_are_one_family():
    names = [f"m{at}" for at in range(10)]
    before = run(*(metric(0.9, 0.012, name) for name in names))
    after = run(*(metric(0.9 if name != "m0" else 0.85, 0.012, name) for name in names))
    alone = judged(policy(), run(metric(0.85, 0.012, "m0")), run(metric(0.9, 0.012, "m0")))
    together = {row.metric: row for row in judged(policy(), after, before)}
    assert alone[0].status == "fail"
    assert together["mine.m0"].status == "inconclusive"
    assert "10 rules and regressions are judged together" in together["mine.m0"].reason


def test_a_metric_that_is_absent_or_undefined_on_one_side_is_missing():
    here, there = run(metric(0.9)), run(metric(0.9, name="other"))
    rows = {row.metric: row for row in judged(policy(), here, there)}
    assert {row.status for row in rows.values()} == {"missing"}
    assert rows["mine.accuracy"].reason == "the baseline has not measured it"
    assert rows["mine.other"].reason == "the candidate has not measured it"
    undefined = run(Metric.undefined("accuracy", "no rows", direction="higher"))
    assert one(undefined, run(metric(0.9))).reason == "undefined in the candidate: no rows"


def test_what_has_no_direction_cannot_get_worse():
    row = one(run(metric(0.9, direction=None)), run(metric(0.9, direction=None)))
    assert (row.status, row.reason) == ("missing", "of the metrics that it matches, none has a direction that is better")


def test_a_pattern_that_neither_run_measured_is_missing():
    config = GateConfig.model_validate({"regressions": [{"metric": "other.*"}]})
    assert judged(config, run(metric(0.9)), run(metric(0.9)))[0].reason == "neither run has measured it"


def test_the_first_run_is_told_and_not_failed():
    compared = regressions.compare(policy(), run(metric(0.9)), None, {})
    gate = judge(policy(), run(metric(0.9)).record.checks, regressions=compared)
    assert (gate.rules[0].status, gate.exit_code, gate.verdict) == ("missing", 0, "warn")
    assert "there is no baseline yet" in gate.warnings[0]


class Comparing:
    """A check that compares for itself."""

    name = "mine.it"

    def __init__(self, answer):
        self.answer, self.asked = answer, None

    def compare(self, candidate, baseline, margins):
        self.asked = margins
        return self.answer(margins) if callable(self.answer) else self.answer


def test_a_check_that_can_compare_is_asked_with_its_margins():
    said = Comparison(metric="mine.accuracy", value=0.1, low=0.05, high=0.2, p_value=1e-6, paired=True, method="by rows",
                      loser="sex=F against sex=M", n=77)
    check = Comparing([said])
    row = one(run(metric(0.9)), run(metric(0.9)), {"mine.it": check})
    assert (row.status, row.paired, row.loser, row.n) == ("fail", True, "sex=F against sex=M", 77)
    assert row.reason.startswith("sex=F lost 0.1 against sex=M, surely by more than 0.02")
    assert row.reason.endswith("the metric itself went from 0.9 to 0.9")
    assert check.asked.of == {"mine.accuracy": regressions.Margin(0.02, "moved")}


def test_a_check_that_crashes_while_comparing_fails_closed():
    def crash(margins):
        raise ZeroDivisionError("oh")

    compared = regressions.compare(policy(), run(metric(0.9)), run(metric(0.9)), {"mine.it": Comparing(crash)})
    gate = judge(policy(), run(metric(0.9)).record.checks, regressions=compared)
    assert (gate.rules[0].status, gate.exit_code) == ("missing", 3)
    assert gate.rules[0].reason == "mine.it crashed while comparing: ZeroDivisionError: oh"


def test_what_a_check_does_not_compare_is_compared_by_intervals():
    row = one(run(metric(0.8)), run(metric(0.9)), {"mine.it": Comparing([])})
    assert (row.status, row.paired) == ("fail", False)
    assert "both intervals" in row.reason


def test_two_margins_for_one_metric_are_two_tests():
    config = GateConfig.model_validate({"regressions": [{"metric": "mine.accuracy", "margin": margin} for margin in (0.02, 0.2)]})
    rows = judged(config, run(metric(0.8)), run(metric(0.9)))
    assert [(row.limit, row.status) for row in rows] == [(0.02, "fail"), (0.2, "pass")]


def test_on_request_the_estimate_decides():
    assert one(run(metric(0.87)), run(metric(0.9)), decide_on="estimate").status == "fail"


class Normal:
    """A check that compares normal estimates, with intervals at the error that it is asked for."""

    name = "mine.it"

    def __init__(self, losses, se=0.02, p_value=None):
        self.losses, self.se, self.fixed, self.errors = losses, se, p_value, []

    def compare(self, candidate, baseline, margins):
        self.errors.append(margins.error)
        reach = -float(ndtri(margins.error / 2)) * self.se
        return [
            Comparison(
                metric=address, value=(loss := self.losses[address]), low=loss - reach, high=loss + reach,
                p_value=float(ndtr((margin.margin - loss) / self.se)) if self.fixed is None else self.fixed,
                margin=margin.margin, method="normal",
            )
            for address, margin in margins.of.items()
        ]  # fmt: skip


def compare_normal(losses, **more):
    names = [f"m{at}" for at in range(len(losses))]
    check = Normal({f"mine.{name}": loss for name, loss in zip(names, losses, strict=True)}, **more)
    rows = judged(policy(), run(*(metric(0.9, 0.01, name) for name in names)),
                  run(*(metric(0.9, 0.01, name) for name in names)), {"mine.it": check})
    return rows, check


@pytest.mark.parametrize("seed", range(30))
def test_the_interval_beside_a_regression_is_the_one_that_decided(seed):
    """Six regressions of p .013 are undecided by Holm's method: their 95% intervals lie above the margin all the same."""
    rng = np.random.default_rng(seed)
    rows, check = compare_normal([0.02 + 0.02 * z for z in rng.normal(1.5, 1.5, 8)])
    for row in rows:
        beyond, kept = row.low > row.limit, row.high <= row.limit
        assert (beyond, kept) == {"fail": (True, False), "pass": (False, True), "inconclusive": (False, False)}[row.status]
    assert len(check.errors) <= 2  # all that may fail are compared again at once
    assert len({row.level for row in rows if row.p_value <= 0.05}) <= 1


def test_a_regression_that_would_fail_alone_shows_the_interval_at_the_level_of_the_family():
    rows, check = compare_normal([0.02 + 0.02 * 2.2, 0, 0, 0, 0, 0])
    assert (rows[0].status, rows[0].level) == ("inconclusive", pytest.approx(1 - 2 * 0.05 / 6))
    assert rows[0].low <= 0.02 < 0.02 + 0.02 * (2.2 - 1.96)  # alone, all of its 95% interval is above the margin
    assert check.errors == [0.05, pytest.approx(2 * 0.05 / 6)]


def test_an_interval_does_not_exclude_what_its_test_does_not():
    """A test of two conditions, loss and deficit, may leave open what the interval of the loss alone would prove."""
    for p_value in (0.03, 0.2):
        rows, _ = compare_normal([0.1] * 4, p_value=p_value)
        assert {(row.status, row.low) for row in rows} == {("inconclusive", 0.02)}


def test_a_regression_names_the_groups_that_only_one_run_holds():
    def audited(*groups, **more):
        gap = metric(0.1, 0.01, "gap", "lower", over=["sex"], **more)
        return run(gap, *(metric(0.5, 0.01, "rate", None, over=["sex"], group={"sex": sex}) for sex in groups))

    compared = regressions.compare(policy(), audited("F", "M", "X"), audited("F", "M", excluded=["sex: M"]), {})
    gate = judge(policy(), [], regressions=compared)
    row = gate.rules[0]
    assert row.not_judged == ["sex: X", "sex: M"]
    assert row.reason.endswith(
        "sex: X is only in the candidate, sex: M is not defined in the baseline, so this regression says nothing about them"
    )
    assert any("sex: X is only in the candidate" in warning for warning in gate.warnings)
