from types import MappingProxyType

import pandas as pd
import pytest

from raikit import Check, CheckResult
from raikit.audit.refusals import refuse_absent_groups, refuse_unmeasured, refuse_unreachable_rules
from raikit.audit.selection import select_checks
from raikit.config.load import load
from raikit.config.schema import GateConfig
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError
from raikit.plugins.registry import CheckEntry, Registry
from raikit.run.record import CheckRecord, Gate, PluginRecord, Record
from raikit.run.results import Metric


class Groups(Check):
    """Groups."""

    name, pillar = "fairness.groups", "fairness"
    produces = ("fairness.selection_rate", "fairness.*_difference", "fairness.f1(class=*)", "fairness.false_positive_rate")
    aliases = MappingProxyType({
        "fairness.pprev": "fairness.selection_rate", "fairness.f1(average=micro)": "fairness.selection_rate",
        "fairness.specificity": "1 - fairness.false_positive_rate",
    })  # fmt: skip

    def run(self, ctx):
        return CheckResult()


class Search(Groups):
    """Slow."""

    name, cost, produces = "fairness.search", "slow", ["fairness.worst_group"]


class Regions(Groups):
    """Groups by a column of its own."""

    name, pillar, produces = "regions.rates", "regions", ["regions.rate[*]", "regions.total"]


class Anything(Groups):
    """Says nothing of what it measures."""

    name, pillar, produces = "any.thing", "any", []


CHECKS = (Groups, Search, Regions, Anything)


def registry(*plugins):
    return Registry(checks={check.name: CheckEntry(check, "x") for check in CHECKS}, plugins=list(plugins))


FAILED = PluginRecord(name="x", distribution="x", status="error", reason="import failed")


@pytest.fixture
def config(tmp_path):
    """audit.yaml with one rule, or with `gate` as it is given."""
    table = pd.DataFrame({"y": [0, 1] * 4, "p": [0.2, 0.9] * 4, "sex": ["F", "M", None, "F"] * 2})
    table["split"] = ["test"] * 6 + ["train"] * 2
    table.loc[6, "sex"] = "X"
    table.to_csv(tmp_path / "a.csv", index=False)

    def config(rule="", gate=""):
        path = tmp_path / "audit.yaml"
        path.write_text(
            "name: m\ndata: {path: a.csv, target: y, split: split, sensitive: [sex]}\n"
            f"model: {{load: {{kind: predictions}}}}\ngate: {gate or f'{{rules: [{{metric: {rule}, max: 1}}]}}'}\n"
        )
        return load(path)

    return config


def early(loaded, *plugins):
    refuse_unreachable_rules(loaded, select_checks(loaded, registry()), registry(*plugins))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "fairness.selection_rat",
            r"line 4: gate\.rules, rule 1, metric: no selected check produces .* Did you mean 'fairness.selection_rate'\?",
        ),
        ("'fairness.*_rate[sx=F]'", r"line 4: gate\.rules, rule 1, metric: 'sx' in .* Did you mean 'sex'\?"),
        ("'fairness.selection_rate[gender]'", r"'gender' in .* is not a sensitive column\. data\.sensitive names sex\."),
        ("'regions.total[gender]'", "'gender' in .* is not a sensitive column"),
        ("'fairness.selection_rate[sex=F'", r"line 4: gate\.rules, rule 1, metric: .*expected ',' or '\]'"),
        ("fairness.worst_group", r"comes from fairness\.search, which does not run \(slow"),
        ("'fairness.specificity[sex=F]'", r"it is 1 - fairness\.false_positive_rate\[sex=F\]\. Put the limit .* `min: 0`"),
        ("'fairness.f1(average=macro)'", r"produces 'fairness\.f1.* Known: fairness\.f1\(average=micro\), fairness\.f1\(class=\*\)"),
        ("fairness.false_negative_rate", "produces 'fairness.false_negative_rate'.$"),
        ("selection_rates", r"Did you mean 'fairness\.selection_rate'\?"),
    ],
)
def test_a_rule_that_no_selected_check_can_produce_stops_before_data_is_read(config, rule, says):
    with pytest.raises(ConfigError, match=says):
        early(config(rule))


@pytest.mark.parametrize(
    "rule",
    [
        "'fairness.selection_rate[sex=F]'",
        "'fairness.selection_rate[*]'",
        "'regions.rate[gender=F]'",
        "'any.rate[gender]'",
        "fairness.equalized_odds_difference",
        "'*'",
        "'fairness.*'",
    ],
)
def test_a_rule_that_can_be_produced_goes_on(config, rule):
    early(config(rule))


def test_a_waiver_for_what_no_check_measures_stops_and_one_for_a_check_that_does_not_run_goes_on(config):
    waiver = "{{waivers: [{{metric: {}, reason: r, who: Ann, until: 2030-01-01}}]}}"
    with pytest.raises(ConfigError, match=r"gate\.waivers, waiver 1, metric: no check measures .*mean 'fairness\.worst_group'"):
        early(config(gate=waiver.format("fairness.worst_grup")))
    for metric in ("fairness.worst_group", "any.thing", "fairness.equalized_odds_difference", "'*'"):
        early(config(gate=waiver.format(metric)))


def test_a_required_check_that_nobody_brings_stops_unless_a_plugin_failed_to_load(config):
    loaded = config(gate="{required: [fairness, fairness.grups]}")
    with pytest.raises(ConfigError, match=r"line 4: gate\.required, check 2: .* Did you mean 'fairness\.groups'\?"):
        early(loaded)
    early(loaded, FAILED)
    with pytest.raises(ConfigError, match=r"check 1: 'fairness\.pprev' is a metric of fairness\.groups; name that check"):
        early(config(gate="{required: [fairness.pprev]}"))


def late(loaded):
    data = Dataset.open(loaded.audit.data, loaded.folder, error=loaded.error, needs_inputs=False, extra_columns=["p"])
    refuse_absent_groups(loaded, select_checks(loaded, registry()), data)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("'fairness.selection_rate[sex=Fe]'", r"line 4: .* split 'test' has sex Fe, .* Did you mean 'F'\? Values: F, M"),
        ("'fairness.selection_rate[sex=X]'", "split 'test' has sex X"),
        ("'fairness.*_difference(to=rest)[sex=Female]'", "has sex Female"),
    ],
)
def test_a_group_that_no_audited_row_has_stops_before_training(config, rule, says):
    with pytest.raises(ConfigError, match=says):
        late(config(rule))


@pytest.mark.parametrize(
    "rule",
    [
        "'fairness.selection_rate[sex=F]'",
        "'fairness.selection_rate[sex=null]'",
        "'fairness.selection_rate[sex=*]'",
        "'any.rate[sex=Female]'",
        "fairness.selection_rate",
    ],
)
def test_a_group_that_is_there_or_cannot_be_known_goes_on(config, rule):
    late(config(rule))


def finished(*plugins):
    def check(name, *addresses, **fields):
        metrics = [Metric.exact("x", 1, id=address) for address in addresses]
        made = {"name": name, "pillar": name.split(".")[0], "plugin": "x", "status": "ok", "metrics": metrics}
        return CheckRecord.model_validate(made | fields)

    checks = [
        check("a.ran", "a.rate[sex=F]", "a.rate[sex=M]", "a.total", produces=["a.rate", "a.total", "a.silent"]),
        check("a.crashed", status="error", reason="x", produces=["a.gap"]),
        check("b.skipped", status="skipped", reason="x"),
    ]
    return Record(name="m", verdict="pass", gate=Gate(verdict="pass"), checks=checks, plugins=list(plugins))


def again(run=None, **policy):
    refuse_unmeasured(GateConfig.model_validate(policy), run or finished(), lambda key, problem: ConfigError(problem))


@pytest.mark.parametrize(
    ("metric", "nearest"),
    [("a.totl", "a.total"), ("a.rate[sex=Female]", "a.rate[sex=F]"), ("a.ratte", "a.rate"), ("a.gasp", "")],
)
def test_a_policy_for_a_run_may_not_name_what_the_run_could_not_have_measured(metric, nearest):
    with pytest.raises(ConfigError, match="the run has no") as caught:
        again(rules=[{"metric": metric, "max": 1}])
    assert f"Did you mean {nearest!r}?" in str(caught.value) or not nearest
    with pytest.raises(ConfigError, match="the run has no"):
        again(regressions=[{"metric": metric, "margin": 0}])


@pytest.mark.parametrize("metric", ["a.rate", "a.rate[sex=F]", "a.gap", "a.gap[sex]", "a.silent", "b.anything", "*"])
def test_what_a_check_that_crashed_or_was_silent_would_have_measured_is_left_to_the_gate(metric):
    again(rules=[{"metric": metric, "max": 1}])
    again(finished(FAILED), rules=[{"metric": "c.lost", "max": 1}])


def test_a_policy_for_a_run_may_not_require_a_check_that_the_run_does_not_know():
    again(required=["a", "b.skipped"])
    with pytest.raises(ConfigError, match=r"Did you mean 'a\.ran'\?"):
        again(required=["a.rn"])
