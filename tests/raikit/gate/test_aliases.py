import pytest

from raikit.config.schema import GateConfig
from raikit.gate.aliases import Aliases
from raikit.gate.rules import match_rule
from raikit.gate.waivers import apply_waivers
from raikit.run.record import CheckRecord
from raikit.run.results import Metric

ALIASES = Aliases(
    {
        "a.recall": "a.tpr",
        "a.recall(average=macro)": "a.balanced",
        "a.hits(pos_label=*)": "a.hit_rate(class=*)",
        "a.tpr_difference": "a.opportunity",
        "a.opportunity(to=*)": "a.tpr_difference(to=*)",
        "a.tnr": "1 - a.fpr",
        "a.tnr_difference(to=*)": "0 - a.fpr_difference(to=*)",
    },
    produces=["a.tpr", "a.opportunity", "a.tpr_difference(*to=*)[*]"],
)


@pytest.mark.parametrize(
    ("written", "id"),
    [
        ("a.recall", "a.tpr"),
        ("a.recall[sex=F]", "a.tpr[sex=F]"),
        ("a.recall(class=cat)[sex]", "a.tpr(class=cat)[sex]"),
        ("a.recall(average=macro)", "a.balanced"),
        ("a.recall(given=x,average=macro)[sex]", "a.balanced(given=x)[sex]"),
        ('a.hits(pos_label="a,b")', 'a.hit_rate(class="a,b")'),
        ("a.tpr_difference[sex,race]", "a.opportunity[sex,race]"),
        ("a.tpr_difference(to=rest)[sex=F]", "a.tpr_difference(to=rest)[sex=F]"),
        ("a.opportunity(to=rest)[sex=F]", "a.tpr_difference(to=rest)[sex=F]"),
        ('a.recall[sex="F)"]', 'a.tpr[sex="F)"]'),
        ("a.fpr(given=x,class=y)", "a.fpr(class=y,given=x)"),  # the order of addresses
        ("a.tnr", "a.tnr"),  # another number
        ("a.rec*", "a.rec*"),
        ("a.unknown(b=1)[sex]", "a.unknown(b=1)[sex]"),
        ("not an address", "not an address"),
        ("a.recall(", "a.recall("),
    ],
)
def test_a_name_is_resolved_to_the_id_that_is_measured(written, id):
    assert ALIASES.resolve(written) == id
    assert ALIASES.resolve(id) == id


def test_columns_are_put_in_the_order_of_the_configuration():
    ordered = Aliases({"a.recall": "a.tpr"}, columns=["sex", "race"])
    assert ordered.resolve("a.recall[race,sex]") == "a.tpr[sex,race]"
    assert ordered.resolve('a.*_rate[race="x,y",sex]') == 'a.*_rate[sex,race="x,y"]'
    assert ordered.resolve("a.tpr[race=*,sex]") == "a.tpr[race=*,sex]"
    assert ordered.resolve("b.own[site,sex]") == "b.own[site,sex]"


def test_the_complement_of_a_metric_is_told_with_the_number_it_is_taken_from():
    assert ALIASES.complement("a.tnr[sex=F]") == (1, "a.fpr[sex=F]")
    assert ALIASES.complement("a.tnr_difference(to=rest)[sex=F]") == (0, "a.fpr_difference(to=rest)[sex=F]")
    assert ALIASES.complement("a.recall") is None


def check(*addresses):
    metrics = [Metric("x", 0.2, low=0.1, high=0.3, n=90, method="t", id=address, direction="lower") for address in addresses]
    return CheckRecord(name="a.ran", pillar="a", plugin="x", status="ok", metrics=metrics)


def test_rules_and_waivers_judge_the_id_and_keep_the_name_that_was_written():
    waiver = {"metric": "a.tpr_difference", "reason": "r", "who": "Ann", "until": "2999-01-01"}
    policy = ALIASES.resolve_policy(
        GateConfig.model_validate({"rules": [{"metric": "a.tpr_difference[sex]", "max": 0.05}], "waivers": [waiver]})
    )
    [rule], [claim] = match_rule(policy.rules[0], [check("a.opportunity[sex]")], 90, "interval", 0.95)
    claim.decide_at_own_level()
    assert (rule.metric, rule.pattern, rule.written) == ("a.opportunity[sex]", "a.opportunity[sex]", "a.tpr_difference[sex]")
    assert rule.sentence == "a.opportunity[sex] (written a.tpr_difference[sex]) is at most 0.05"
    assert rule.status == "fail"
    assert apply_waivers([rule], policy.waivers, policy.waivers[0].until) == []
    assert rule.status == "waived"


def test_a_rule_has_one_identity_under_all_names_of_its_metric():
    rules = [{"metric": name, "max": 0.05} for name in ("a.opportunity[sex]", "a.tpr_difference[sex]")]
    policy = ALIASES.resolve_policy(GateConfig.model_validate({"rules": rules}))
    ids = {match_rule(rule, [check("a.opportunity[sex]")], 90, "interval", 0.95)[0][0].id for rule in policy.rules}
    assert ids == {"a.opportunity[sex] max=0.05"}
    assert [rule.written for rule in policy.rules] == [None, "a.tpr_difference[sex]"]
