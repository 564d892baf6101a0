import gc
import tempfile
from dataclasses import replace

import pandas as pd
import pytest
from pydantic import Field

from raikit import Artifact, Check, CheckOptions, CheckResult, ConfigError, Metric, PluginError, Requires
from raikit.testing import (
    assert_error,
    assert_metric,
    assert_ok,
    assert_skipped,
    context,
    dataset,
    model,
    run_check,
    table_context,
)


class Rows(Check):
    """Counts rows."""

    name, pillar, produces = "mine.rows", "mine", ("mine.rows",)

    class Options(CheckOptions):
        times: int = Field(1, ge=1, description="How often each is counted.")

    def run(self, ctx):
        print("counting")
        (ctx.workdir / "rows.txt").write_text("many")
        rows = self.options.times * ctx.predictions.size()
        return CheckResult(metrics=[Metric.exact("rows", rows)], artifacts=[Artifact(path="rows.txt")])


def needing(body=None, **requires):
    return type("Needing", (Rows,), {"requires": Requires(**requires), **({"run": body} if body else {})})


def test_the_record_is_what_an_audit_would_hold(good):
    record = run_check(good)
    assert (record.name, record.plugin, record.title) == ("mine.rates", "local", "The share of right answers in every group.")
    assert record.options == {"tolerance": 0.5}
    assert record.produces == list(good.produces)
    assert [metric.level for metric in record.metrics[:2]] == [0.95, 0.95]
    assert run_check(good).metrics == record.metrics
    assert run_check(good, seed=1).metrics != record.metrics


def test_output_and_artifacts_are_kept(tmp_path):
    record = run_check(Rows, folder=tmp_path)
    assert record.output == "counting\n"
    kept = next(tmp_path.glob(f"run-*/run/{record.artifacts[0].path}"))
    assert kept.read_text() == "many"
    assert_ok(run_check(Rows, folder=tmp_path))


def test_options_are_validated_with_the_name_of_the_option():
    assert run_check(Rows, {"times": 2}).metrics[0].value == 2 * run_check(Rows).metrics[0].value
    with pytest.raises(ConfigError, match=r"^mine\.rows, options: unknown key 'tiems'\. Did you mean 'times'"):
        run_check(Rows, {"tiems": 2})
    with pytest.raises(ConfigError, match=r"options\.times: must be greater"):
        run_check(Rows, {"times": 0})


def test_a_class_that_breaks_the_contract_is_refused_before_it_runs():
    with pytest.raises(PluginError, match="has no `pillar`"):
        run_check(type("Bad", (Rows,), {"pillar": ""}))


@pytest.mark.parametrize(
    "requires",
    [
        {"columns": {"sensitive", "score", "cluster", "weight"}},
        {"tasks": {"regression"}},
        {"tasks": {"multiclass"}, "modalities": {"text", "audio"}},
        {"capabilities": {"gradients", "trainable", "embeddings"}},
        {"splits": {"train", "validation"}, "min_rows": 300},
    ],
)
def test_what_is_made_for_a_check_meets_what_it_requires(requires):
    assert_ok(run_check(needing(**requires)))


def test_without_what_it_requires_a_check_is_skipped():
    assert_skipped(run_check(needing(columns={"weight"}), data=dataset()), "no weight")
    assert_skipped(run_check(needing(tasks={"regression"}), data=dataset()), "binary")
    assert_skipped(run_check(needing(columns={"postcode"})), "postcode")


def test_what_a_check_raises_is_in_the_record_and_is_not_raised():
    assert_error(run_check(needing(lambda self, ctx: 1 / 0)), "^ZeroDivisionError")


def test_data_and_a_model_of_ones_own_are_taken():
    data = dataset("multiclass", ["image"], rows=90)
    own = model(data)
    seen = []

    def run(self, ctx):
        seen.append((ctx.model, ctx.data, ctx.task))
        return CheckResult(metrics=[Metric.exact("rows", ctx.predictions.size())])

    assert_metric(run_check(needing(run), data=data, model=own, confidence=0.9), "mine.rows", data.size("test"))
    assert seen == [(own, data, "multiclass")]


def test_a_context_has_the_seed_and_workdir_of_the_check(tmp_path):
    ctx = context(Rows, folder=tmp_path, confidence=0.9)
    other = context(type("Other", (Rows,), {"name": "mine.other"}), folder=tmp_path)
    assert ctx.seed != other.seed
    assert ctx.workdir != other.workdir
    assert ctx.confidence == 0.9
    assert ctx.model is None
    assert context(needing(capabilities={"gradients"})).model is not None


def test_temporary_folders_are_removed_with_the_predictions_in_them(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    contexts = [context(Rows), table_context(pd.DataFrame({"target": [0, 1], "prediction": [0, 1]}))]
    assert len(list(tmp_path.iterdir())) == 2
    copy = replace(contexts.pop(), seed=3)
    contexts.clear()
    gc.collect()
    assert list(tmp_path.iterdir()) == [copy.predictions.path.parent], "a copy of a context still reads them"
    del copy
    gc.collect()
    assert not list(tmp_path.iterdir())
