import sys
import warnings

import pandas as pd
import pytest

from raikit import Artifact, Check, CheckResult, Metric, Requires
from raikit.audit.check_runner import seed_of
from raikit.run.directory import RunDirectory


def check(body, name="mine.it", **attributes):
    return type("It", (Check,), {"name": name, "pillar": "mine", "run": body, **attributes})


def one(ctx, name="rows"):
    return CheckResult(metrics=[Metric.exact(name, ctx.predictions.size())])


class Draws(Check):
    """Draws a number."""

    name, pillar = "draws.it", "draws"

    def run(self, ctx):
        return CheckResult(metrics=[Metric.exact("draw", float(ctx.rng.random()))])


def leave(self, ctx):
    sys.exit(7)


def divide(self, ctx):
    return 1 / 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (divide, "ZeroDivisionError"),
        (leave, "SystemExit: 7"),
        (lambda self, ctx: {"accuracy": 1}, "returned dict, not a CheckResult"),
        (lambda self, ctx: CheckResult(metrics=[Metric.exact("x", 1), Metric.exact("x", 2)]), "measured mine.x twice"),
        (lambda self, ctx: CheckResult(metrics=[Metric.exact("x y", 1)]), "not a metric name"),
        (
            lambda self, ctx: CheckResult(metrics=[Metric.exact("x", 1, over=["a"], group={"a": "\ud800"})]),
            "cannot be written as JSON",
        ),
        (
            lambda self, ctx: CheckResult(metrics=[Metric("x", 2.0, low=0.1, high=0.3, n=9, method="m")]),
            "Metric is not valid: metric 'x': the value 2.0 is outside 0.1 … 0.3",
        ),
        (lambda self, ctx: CheckResult(metrics=[{"name": "x"}]), "CheckResult is not valid: metrics.0: metric 'x': an"),
        (lambda self, ctx: CheckResult(artifacts=[Artifact(path="../../secret")]), "not a file in the check's workdir"),
    ],
)
def test_a_check_that_crashes_or_returns_nonsense_is_an_error_and_the_others_finish(run_checks, body, says):
    bad, draws = run_checks(check(body), Draws)
    alone = run_checks(Draws, fresh=True)[0]
    assert bad.status == "error"
    assert says in bad.reason
    assert bad.metrics == []
    assert "pydantic.dev" not in bad.reason + (bad.traceback or "")
    assert "third-party" in bad.help
    assert draws.metrics == alone.metrics


def test_a_metric_that_was_broken_after_it_was_made_is_found(run_checks):
    def body(self, ctx):
        metric = Metric.exact("x", 1)
        metric.low = None
        return CheckResult(metrics=[metric])

    assert "needs low" in run_checks(check(body))[0].reason


def test_two_checks_may_not_measure_the_same_address(run_checks):
    first, second = run_checks(check(lambda self, ctx: one(ctx)), check(lambda self, ctx: one(ctx), name="mine.other"))
    assert (first.status, second.status) == ("ok", "error")
    assert "another check has measured" in second.reason


def test_a_requirement_that_is_not_met_is_the_reason_for_skipping(run_checks):
    record = run_checks(check(divide, requires=Requires(columns={"sensitive"})))[0]
    assert (record.status, record.reason) == ("skipped", "the data has no sensitive")
    record = run_checks(check(divide, name="mine.b", requires=Requires(capabilities={"gradients"})), resume=True)[0]
    assert (record.status, record.reason) == ("skipped", "the model does not provide gradients")


def test_the_frame_that_a_check_spoils_is_its_own(run_checks):
    def spoil(self, ctx):
        frame = ctx.predictions.frame()
        frame["target"] = 99
        return one(ctx)

    def look(self, ctx):
        return CheckResult(metrics=[Metric.exact("sum", int(ctx.predictions.frame()["target"].sum()))])

    assert run_checks(check(spoil), check(look, name="other.it"))[1].metrics[0].value == 1


def test_what_a_check_prints_warns_and_logs_is_taken_into_its_record(run_checks, capsys):
    def noisy(self, ctx):
        print("hello \x1b[31m")
        warnings.warn("careful", stacklevel=1)
        ctx.log.warning("logged")
        return one(ctx)

    record = run_checks(check(noisy))[0]
    assert "hello" in record.output
    assert "logged" in record.output
    assert "\x1b" not in record.output
    assert record.warnings == ["UserWarning: careful"]
    assert capsys.readouterr().out == ""


def test_an_address_that_was_not_declared_is_said(run_checks):
    record = run_checks(check(lambda self, ctx: one(ctx), produces=["mine.other"]))[0]
    assert "it measured mine.rows, which it does not declare in `produces`" in record.warnings


def test_seeds_depend_on_the_run_and_the_check_and_not_on_the_order(run_checks):
    assert seed_of(1, "a.b") == seed_of(1, "a.b")
    assert len({seed_of(1, "a.b"), seed_of(2, "a.b"), seed_of(1, "a.c")}) == 3


def test_a_finished_check_is_not_run_again(run_checks):
    ran = []

    def body(self, ctx):
        ran.append(1)
        return one(ctx)

    first = run_checks(check(body))[0]
    again = run_checks(check(body), resume=True)[0]
    assert len(ran) == 1
    assert again == first


def test_a_check_that_killed_the_process_twice_is_not_run_a_third_time(run_checks, tmp_path):
    for resume in (False, True):  # what is left of a process that was killed while the check ran
        run = RunDirectory(tmp_path / "run", resume)
        run.open()
        assert run.record_start("mine.it")
        run.close()
    record = run_checks(check(lambda self, ctx: CheckResult()), resume=True)[0]
    assert record.status == "error"
    assert "ended the whole process twice" in record.reason


def test_a_check_that_a_person_interrupted_is_run_again_however_often(run_checks):
    def interrupted(self, ctx):
        raise KeyboardInterrupt

    for resume in (False, True, True):
        with pytest.raises(KeyboardInterrupt):
            run_checks(check(interrupted), resume=resume)
    assert run_checks(check(lambda self, ctx: CheckResult()), resume=True)[0].status == "ok"


def test_artifacts_are_kept_in_the_run(run_checks, tmp_path):
    def body(self, ctx):
        (ctx.workdir / "a.csv").write_text("x")
        return CheckResult(artifacts=[Artifact(path="a.csv", title="A")])

    record = run_checks(check(body), table=pd.DataFrame({"target": [0], "prediction": [0]}))[0]
    assert record.artifacts[0].path == "artifacts/mine.it/a.csv"
    assert (tmp_path / "run" / record.artifacts[0].path).read_text() == "x"


def test_what_a_check_says_of_itself_has_no_marks_of_its_references(run_checks):
    said = check(lambda self, ctx: one(ctx), __doc__="Counts rows.\n\n    One by one [1]_, as in [2]_.\n\n    More.\n    ")
    record = run_checks(said)[0]
    assert (record.title, record.description) == ("Counts rows.", "One by one, as in.")


AT_99 = [{"metric": "mine.rate", "min": 0.1, "confidence": 0.99, "severity": "warn"}]


def rate(ctx, half=None, value=0.5):
    half = 0.4 * ctx.confidence if half is None else half
    return CheckResult(metrics=[Metric("rate", value, low=value - half, high=value + half, n=9, method="m")])


def test_a_quick_check_is_run_again_at_the_level_that_a_rule_needs(run_checks):
    (metric,) = run_checks(check(lambda self, ctx: rate(ctx)), rules=AT_99)[0].metrics
    assert metric.level == 0.95
    assert [(limits.level, limits.low) for limits in metric.limits] == [(0.99, pytest.approx(0.5 - 0.4 * 0.99))]


def test_a_check_is_run_once_where_no_rule_needs_another_level(run_checks):
    ran = []

    def body(self, ctx):
        ran.append(ctx.confidence)
        return rate(ctx)

    run_checks(check(body), rules=[{"metric": "mine.rate", "min": 0.1, "severity": "warn"}, {"metric": "other.*", "min": 0.1, "confidence": 0.99}])
    assert ran == [0.95]


def test_a_slow_check_is_not_run_again(run_checks):
    assert run_checks(check(lambda self, ctx: rate(ctx), cost="slow"), rules=AT_99)[0].metrics[0].limits == []


def test_what_ignores_the_level_or_is_random_is_not_taken_for_a_measurement_there(run_checks):
    constant = run_checks(check(lambda self, ctx: rate(ctx, half=0.1)), rules=AT_99)[0]
    assert (constant.status, constant.metrics[0].limits) == ("ok", [])
    other = run_checks(check(lambda self, ctx: rate(ctx, value=ctx.confidence / 2)), rules=AT_99, fresh=True)[0]
    assert (other.status, other.metrics[0].limits) == ("ok", [])


def test_a_check_that_crashes_at_another_level_keeps_its_results(run_checks):
    def body(self, ctx):
        return rate(ctx) if ctx.confidence == 0.95 else 1 / 0

    record = run_checks(check(body), rules=AT_99)[0]
    assert (record.status, record.metrics[0].limits) == ("ok", [])
    assert "it could not be run again at another level: ZeroDivisionError" in record.warnings[0]


def test_a_check_that_measures_at_levels_itself_is_not_run_again(run_checks):
    ran = []

    def body(self, ctx):
        ran.append(ctx.confidence)
        result = rate(ctx)
        ctx.levels.measure(result.metrics[0], lambda level: (0.5 - 0.45 * level, 0.5 + 0.45 * level))
        return result

    (metric,) = run_checks(check(body), rules=AT_99)[0].metrics
    assert (ran, metric.limits[0].low) == ([0.95], pytest.approx(0.5 - 0.45 * 0.99))
