"""`data.missing_group` from the configuration to the rules."""

import pandas as pd
import pytest
from journey import record
from test_reference import audit, wrongly_called

__all__ = ["audit"]  # a fixture
RULE = {"metric": "fairness.false_positive_rate_difference[race]", "max": 0.2}


def with_missing():
    """Groups that are alike, and cases without one that are called positive far more often."""
    return wrongly_called({"White": 0.2, "Black": 0.2, "none": 0.7}).replace({"race": {"none": None}})


@pytest.mark.parametrize(
    ("choice", "status", "groups"),
    [("compare", "fail", 3), ("show", "pass", 3), ({"race": "show"}, "pass", 3), ({"race": "leave_out"}, "pass", 2)],
)  # fmt: skip
def test_a_rule_judges_the_missing_group_only_if_it_is_compared(audit, choice, status, groups):
    data = {"sensitive": ["race"], "missing_group": choice}
    run, _ = audit(data, table=with_missing(), code=int(status == "fail"), gate={"rules": [RULE]})
    written = record(run)
    (rule,) = [rule for rule in written["gate"]["rules"] if rule["metric"] == RULE["metric"]]
    assert rule["status"] == status
    named = "not compared for race: missing (data.missing_group only shows it), so this rule says nothing about it"
    assert (named in rule["reason"]) == (groups == 3 and status == "pass")
    (check,) = [check for check in written["checks"] if check["name"] == "fairness.groups"]
    assert len([metric for metric in check["metrics"] if metric["name"] == "false_positive_rate"]) == groups
    assert written["data"]["missing_group"] == ({} if choice == "compare" else {"race": "show" if groups == 3 else "leave_out"})


@pytest.mark.parametrize(
    ("choice", "says"),
    [({"rase": "show"}, "data.missing_group.rase: 'rase' is not among the columns of data.sensitive; those are race. Did you mean 'race'?"),
     ("hide", "data.missing_group")],
)  # fmt: skip
def test_a_wrong_choice_is_named_with_its_line(audit, choice, says):
    run, ran = audit({"sensitive": ["race"], "missing_group": choice}, table=pd.DataFrame(with_missing()), code=2)
    assert ran.err.startswith("raikit: audit.yaml, line ") and says in ran.err
    assert not run.exists()
