"""The rules for a check: class_rules, execution_rules, result_rules, figure_rules and reproducibility_rules."""

import os
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from pydantic import Field

from raikit import (
    Artifact,
    Check,
    CheckOptions,
    CheckResult,
    Comparison,
    Figure,
    Finding,
    Metric,
    Requires,
    Side,
    SkipCheck,
    Table,
)
from raikit.testing import check_conformance, conformance, dataset
from raikit.testing.contract import rules
from raikit.testing.contract.check_rules import CLASS_RULES, RUN_RULES, planned
from raikit.testing.contract.rule import run_rules

EVERY = {rule.name for rule in (*CLASS_RULES, *RUN_RULES)}


def tried(check):
    return run_rules(planned(check))


def by_rule(found, status):
    return {one.rule: one.reason for one in found if one.status == status}


def test_a_good_check_keeps_every_rule_and_each_is_tried(good):
    found = conformance(good)
    assert by_rule(found, "failed") == {}
    assert by_rule(found, "not applicable") == {}
    assert {one.rule for one in found} == EVERY | {"imports"}
    check_conformance(good)


def test_every_rule_is_a_name_and_a_sentence():
    for rule in [rule for rules_of_one in rules().values() for rule in rules_of_one]:
        assert rule.sentence.endswith("."), rule.name
        assert len(rule.sentence) < 130, rule.name


# --- one way to be bad after the other; the good check does the rest --------------------------------------------


def then(before=None, after=None):
    """A `run` that does something, then what the good check does, then something with its result."""

    def run(self, ctx):
        if before:
            before(self, ctx)
        found = super(type(self), self).run(ctx)
        return after(found, ctx) if after else found

    return run


def plus(*metrics, **parts):
    return lambda found, ctx: found.model_copy(update={"metrics": [*found.metrics, *metrics], **parts})


def groups(ctx):
    return ctx.predictions.frame(["target", "prediction", *ctx.sensitive])


def needs_a_group(self, ctx):
    groups(ctx)[ctx.sensitive[0]]


def needs_train(self, ctx):
    assert ctx.predictions.size("train"), "no train rows"


def sorts_groups(self, ctx):
    for column in ctx.sensitive:
        sorted(groups(ctx)[column].astype(object).unique())


def divides_by_a_spread(self, ctx):
    """Of a group of one class there is none."""
    if ctx.sensitive and ctx.task != "regression":
        for _, part in groups(ctx).groupby(ctx.sensitive[0]):
            1 / (part["target"].nunique() - 1)


def wants_many_rows(self, ctx):
    if ctx.predictions.size() < 20:
        raise ValueError("too few rows")


def wants_two_answers(self, ctx):
    if groups(ctx)["prediction"].nunique() < 2 and ctx.predictions.size() > 20:
        raise ValueError("one answer only")


def raises(self, ctx):
    raise KeyError("lost")


def skips(self, ctx):
    raise SkipCheck("nothing to see")


def figure(mark, layers=None):
    drawn = {"mark": mark} if layers is None else {"layer": 5}
    return Figure(id="f", title="F", alt="A bar.", spec=drawn, data=[{"x": 1}])


def writes_predictions(self, ctx):
    frame = ctx.predictions.frame(split="*")
    frame.assign(prediction=frame["prediction"].iloc[::-1].to_numpy()).to_parquet(ctx.predictions.path, index=False)


def writes_data(self, ctx):
    ctx.data.table["target"] = 0


def looks_at_siblings(found, ctx):
    return plus(Metric.exact("noise", len(list(ctx.workdir.parent.iterdir())), args={"of": "others"}))(found, ctx)


def unread(found, ctx):
    return plus(Metric.exact("noise", random.SystemRandom().random(), args={"of": "system"}))(found, ctx)


class Tolerant(CheckOptions):
    tolerance: float = Field(0.5, description="How far off is right.")


class Undescribed(Tolerant):
    bins: int = 5


class Required(Tolerant):
    bins: int = Field(description="How many.")


class Invalid(Tolerant):
    bins: int = Field(0, ge=1, description="How many.")


NO_WIDTH = Metric("rate", 0.5, low=0.5, high=0.5, n=9, method="guess", n_clusters=2, args={"of": "a"})
NO_ROWS = Metric("rate", 0.5, low=0.4, high=0.6, n=0, method="guess", n_clusters=2, args={"of": "a"})
NO_REASON = Metric.undefined("rate", " ", args={"of": "a"})
UNDEFINED = Metric.undefined("rate", "too few rows")
SIDE = Side(group={"a": 2}, value=0.2, n=10)
ODD_FLAG = Metric("rate", 0.5, low=0.4, high=0.6, n=9, method="guess", n_clusters=2, args={"of": "a"}, flags=["Not good!"])
WORSE = Comparison(metric="mine.other", value=0.1, low=0, high=0.2, p_value=0.5)
NO_CLUSTERS = Metric("rate", 0.5, low=0.4, high=0.6, n=9, method="guess", args={"of": "a"})
TABLE = Table(id="t", title="T", columns=[], rows=[])

BAD = {
    "no pillar": ({"pillar": ""}, "contract", "has no `pillar`"),
    "another's addresses": ({"produces": ("fairness.rate",)}, "contract", "owns only mine"),
    "no docstring": ({"__doc__": None}, "docstring", "no docstring"),
    "an essay for a title": ({"__doc__": "x" * 500}, "docstring", "500 characters"),
    "an option without a description": ({"Options": Undescribed}, "options", "'bins' has no description"),
    "an option without a default": ({"Options": Required}, "options", "'bins' has no default"),
    "nothing declared": ({"produces": ()}, "produces", 'produces = ["mine.…"]'),
    "aliases of another's metrics": ({"aliases": {"mine.x": "fairness.rate"}}, "contract", "it owns only mine."),
    "aliases that are none": ({"aliases": ["mine.x"]}, "contract", "`aliases` is a mapping of names to names, not list"),
    "an alias of nothing": ({"aliases": {"mine.x": "mine.y"}}, "aliases", "stands for 'mine.y', which `produces` does not declare"),
    "an alias that is a metric": ({"aliases": {"mine.noise": "mine.rate"}}, "aliases", "'mine.noise' is an alias and a metric"),
    "an alias of an alias": (
        {"aliases": {"mine.x": "mine.y", "mine.y": "mine.rate"}, "produces": ("mine.*",)}, "aliases", "is an alias"),
    "a capability that nothing has": ({"requires": Requires(capabilities={"gradient"})}, "required_names", "'gradients'"),
    "a role that nothing has": ({"requires": Requires(columns={"sensitve"})}, "required_names", "'sensitive'"),
    "raising": ({"run": raises}, "runs", "on binary data: KeyError: 'lost' (test_check_rules.py, line"),
    "a hidden column": ({"run": then(needs_a_group)}, "requires", "IndexError"),
    "a hidden split": ({"run": then(needs_train)}, "requires", "no train rows"),
    "no group of one class": ({"run": then(divides_by_a_spread)}, "small_groups", "ZeroDivisionError"),
    "no missing groups": ({"run": then(sorts_groups)}, "missing", "TypeError"),
    "no small data": ({"run": then(wants_many_rows)}, "tiny", "too few rows"),
    "no constant model": ({"run": then(wants_two_answers)}, "one_answer", "one answer only"),
    "a mapping": ({"run": then(after=lambda found, ctx: found.model_dump())}, "result", "returned dict, not a CheckResult"),
    "no artifact": ({"run": then(after=plus(artifacts=[Artifact(path="a.csv")]))}, "result", "not a file in the check's workdir"),
    "an address twice": ({"run": then(after=plus(Metric.exact("noise", 1)))}, "ids", "mine.noise is a duplicate: 2 metrics"),
    "no address": ({"run": then(after=plus(Metric.exact("a b", 1)))}, "ids", "'a b'"),
    "an undeclared address": ({"run": then(after=plus(Metric.exact("other", 1)))}, "declared", "mine.other"),
    "no width": ({"run": then(after=plus(NO_WIDTH))}, "intervals", "an interval of zero width by guess"),
    "no rows": ({"run": then(after=plus(NO_ROWS))}, "intervals", "from 0 cases"),
    "no reason": ({"run": then(after=plus(NO_REASON))}, "intervals", "undefined without a reason"),
    "a flag that is no word": ({"run": then(after=plus(ODD_FLAG))}, "intervals", "Not good!"),
    "a finding on an unknown metric": (
        {"run": then(after=plus(findings=[Finding(headline="It is so", metrics=["mine.rates"])]))}, "findings", "Did you mean 'mine.rate'"),
    "a finding that points at nothing": (
        {"run": then(after=plus(findings=[Finding(headline="It is so", figures=["f"])]))}, "findings", "figure 'f'"),
    "a finding without a headline": (
        {"run": then(after=plus(findings=[Finding(sentence="It is so.")]))}, "wording", "'It is so.' has no headline"),
    "a number in a headline": (
        {"run": then(after=plus(findings=[Finding(headline="12% of “8” are missed")]))}, "wording", "has a number"),
    "a long line of evidence": (
        {"run": then(after=plus(findings=[Finding(headline="It is so", evidence="word " * 26)]))}, "wording", "a sentence of 26 words"),
    "a long fact": (
        {"run": then(after=plus(findings=[Finding(headline="It is so", facts=[("Why", "Short. " + "word " * 26)])]))}, "wording",
        "'Why' has a sentence of 26 words"),
    "a side without n": (
        {"run": then(after=plus(findings=[Finding(measure="rate", worse=Side(group={"a": 1}, value=0.1), better=SIDE)]))}, "wording",
        "gives a side without n"),
    "clusters that nobody counts": ({"run": then(after=plus(NO_CLUSTERS))}, "clusters", "rate treats cases of one cluster as independent (guess)"),
    "a mark that there is not": ({"run": then(after=plus(figures=[figure("bra")]))}, "figures", "unknown mark 'bra'. Did you mean 'bar'?"),
    "a figure of nothing": ({"run": then(after=plus(figures=[figure("bar", layers=[])]))}, "figures", "the figure 'f' cannot be drawn: "),
    "a picture that is none": (
        {"run": then(after=plus(figures=[Figure.png("f", "F", "A picture.", b"no picture")]))}, "figures", "cannot identify image"),
    "nothing but reasons": ({"run": lambda self, ctx: CheckResult(metrics=[UNDEFINED])}, "runs", "(its reason: too few rows); provide data that it can"),
    "no metric at all": ({"run": lambda self, ctx: CheckResult()}, "runs", "it measured nothing on any generated data; provide data"),
    "skipping itself everywhere": ({"run": skips}, "runs", "(its reason: nothing to see)"),
    "two tables of one name": ({"run": then(after=plus(tables=[TABLE, TABLE]))}, "findings", "two tables have the id 't'"),
    "comparing what nobody asked for": ({"compare": lambda self, a, b, margins: [WORSE]}, "compares", "mine.other, which has no margin"),
    "comparing in words": ({"compare": lambda self, a, b, margins: "no worse"}, "compares", "returned str"),
    "comparing with a crash": ({"compare": lambda self, a, b, margins: 1 / 0}, "compares", "ZeroDivisionError"),
    "seeing what is not there": (
        {"compare": lambda self, a, b, margins: [WORSE.model_copy(update={"metric": next(iter(margins.of))})]}, "compares", "0.1 worse"),
    "numbers from the system": ({"run": then(after=unread)}, "deterministic", "mine.noise(of=system) was"),
    "looking at others": ({"run": then(after=looks_at_siblings)}, "order", "mine.noise(of=others) was 1.0"),
    "writing the predictions": ({"run": then(after=lambda found, ctx: writes_predictions(None, ctx) or found)}, "read_only", "predictions file"),
    "writing the data": ({"run": then(writes_data)}, "read_only", "the table of ctx.data"),
}  # fmt: skip


@pytest.mark.parametrize("how", BAD)
def test_a_check_that_is_bad_in_one_way_breaks_that_rule_and_no_other(worse, how):
    attributes, rule, says = BAD[how]
    found = tried(worse(**attributes))
    failed = by_rule(found, "failed")
    assert set(failed) == {rule}, failed
    assert says in failed[rule]


def test_an_invalid_default_is_found_and_nothing_can_be_tried(worse):
    failed = by_rule(tried(worse(Options=type("Options", (Invalid,), {"model_config": {"validate_default": True}}))), "failed")
    assert "not valid" in failed["options"]


GLOBAL = {
    "the environment": lambda self, ctx: os.environ.update(RAIKIT_TEST="1"),
    "the working directory": lambda self, ctx: os.chdir(ctx.workdir),
    "warnings.filters": lambda self, ctx: warnings.simplefilter("ignore", ResourceWarning),
    "sys.path": lambda self, ctx: sys.path.append("/nowhere"),
    "the generator of random": lambda self, ctx: random.random(),
    "the generator of numpy.random": lambda self, ctx: np.random.seed(0),
    "numpy.seterr": lambda self, ctx: np.seterr(all="raise"),
    "the recursion limit": lambda self, ctx: sys.setrecursionlimit(5000),
}


@pytest.mark.parametrize("what", GLOBAL)
def test_a_change_of_what_belongs_to_the_process_is_found_and_undone(worse, what):
    before = (dict(os.environ), Path.cwd(), list(warnings.filters), list(sys.path), np.geterr())
    failed = by_rule(tried(worse(run=then(GLOBAL[what]))), "failed")
    assert set(failed) == {"global_state"}
    assert what in failed["global_state"]
    assert before == (dict(os.environ), Path.cwd(), list(warnings.filters), list(sys.path), np.geterr())


def test_what_a_check_does_to_torch_and_to_the_model_is_found(worse):
    import torch

    def run(self, ctx):
        torch.set_default_dtype(torch.float64)
        torch.rand(1)
        with torch.no_grad():
            next(ctx.model.module.parameters()).add_(1)
        return CheckResult(metrics=[Metric.exact("rate", 1)])

    failed = by_rule(tried(worse(run=run, requires=Requires(capabilities={"gradients"}))), "failed")
    assert set(failed) == {"global_state", "read_only"}
    assert "the generator of torch" in failed["global_state"]
    assert "torch's default dtype" in failed["global_state"]
    assert "the weights of ctx.model" in failed["read_only"]
    assert torch.get_default_dtype() == torch.float32


def test_a_check_of_an_unknown_target_cannot_be_tried(worse):
    found = tried(worse(requires=Requires(tasks={"multilabel"})))  # its cases are pairs with a binary target
    assert set(by_rule(found, "failed")) == {"required_names"}
    untried = by_rule(found, "not applicable")
    assert set(untried) == {rule.name for rule in RUN_RULES}
    assert "which raikit does not know" in untried["runs"]


# --- columns of the user's own, and data that the author gives --------------------------------------------------


class ByHour(Check):
    """The share of rows opened at night.

    By the hour.
    """

    name = "hours.night"
    pillar = "hours"
    requires = Requires(columns={"opened"})
    produces = ("hours.night",)

    def run(self, ctx):
        at_night = [hour < 6 for hour in self.hours(ctx.data.frame(["opened"], ctx.predictions.split)["opened"])]
        return CheckResult(metrics=[Metric.exact("night", sum(at_night), n=len(at_night))])

    def hours(self, opened):
        return opened


class ByTime(ByHour):
    """The same of times of the day, as text."""

    def hours(self, opened):
        return [int(time[:2]) for time in opened]


class InNovember(ByHour):
    """The same, of months that the kit does not think of."""

    def run(self, ctx):
        if not (ctx.data.frame(["opened"])["opened"] == 11).any():
            return CheckResult(metrics=[Metric.undefined("night", "no row of November")])
        return super().run(ctx)


def test_a_column_of_the_users_own_is_made_up_and_that_is_said():
    found = {one.rule: one for one in tried(ByHour)}
    assert {rule for rule, one in found.items() if one.status == "failed"} == set()
    assert found["runs"].status == "ok"
    assert found["runs"].reason.endswith("The column 'opened' was filled with random numbers from 0 to 9")


def test_where_what_was_made_up_is_not_what_a_check_expects_its_author_is_asked_for_data():
    found = tried(ByTime)
    assert by_rule(found, "failed") == {}
    untried = by_rule(found, "not applicable")
    assert {rule.name for rule in RUN_RULES} == set(untried)
    assert untried["runs"].startswith("on binary data: TypeError: 'int' object is not subscriptable (test_check_rules.py, line")
    assert untried["runs"].endswith("provide data that hold what it expects: conformance(…, data=…), or --data audit.yaml")


def test_data_that_the_author_gives_come_first_and_say_what_the_column_holds():
    times = dataset(columns={"opened": lambda rng, rows: [f"{hour:02}:30" for hour in rng.integers(0, 24, rows)]})
    found = {one.rule: one for one in run_rules(planned(ByTime, times))}
    assert {rule: one.reason for rule, one in found.items() if one.status == "failed"} == {}
    assert found["runs"].reason == (
        "on the author's data, binary data, multiclass data, regression data, binary data with clusters and weights, "
        "multiclass data with clusters and weights, regression data with clusters and weights"
    )
    assert [rule for rule, one in found.items() if one.status == "not applicable"] == ["figures", "compares"]


def test_a_check_that_measures_nothing_on_data_that_are_made_keeps_the_contract_on_those_given():
    with pytest.raises(AssertionError, match="no row of November"):
        check_conformance(InNovember)
    check_conformance(InNovember, data=dataset(columns={"opened": [11] * 200}))


def test_data_that_are_given_and_break_a_check_are_named():
    failed = by_rule(run_rules(planned(ByTime, dataset(columns={"opened": list(range(200))}))), "failed")
    assert set(failed) == {"runs"}
    assert failed["runs"].startswith("on the author's data: TypeError")


def test_a_check_that_asks_a_model_is_tried_on_every_kind_of_input(worse):
    seen = set()

    def run(self, ctx):
        seen.update(item.modality for item in ctx.data.inputs.values())
        scores = ctx.model.scores(next(ctx.data.batches("test", 8)))
        return CheckResult(metrics=[Metric.exact("rate", float(scores.max()))])

    found = tried(worse(run=run, requires=Requires(capabilities={"embeddings"})))
    assert by_rule(found, "failed") == {}
    assert seen == {"text", "image", "audio", "tabular"}
    assert by_rule(found, "not applicable") == {"figures": "it makes no figures", "one_answer": "it queries the model itself"}


def test_the_assertion_shows_the_table_of_what_failed(worse):
    with pytest.raises(AssertionError, match=r"^1 rule of the contract is broken:\nrule +check +status +reason\nproduces +mine.rates"):
        check_conformance(worse(produces=()))


def test_names_of_groups_and_classes_may_hold_digits():
    class Named(Check):
        """Names what it measures."""

        name = "named.rate"
        pillar = "named"
        requires = Requires(columns={"target", "prediction"})
        produces = ("named.rate",)

        def run(self, ctx):
            """Count."""
            metric = Metric.exact("rate", 1, over=["age"], group={"age": "30-39"})
            return CheckResult(metrics=[metric], findings=[Finding(headline="F1 is lowest for 30-39 and for class “7”")])

    assert "wording" not in by_rule(tried(Named), "failed")
