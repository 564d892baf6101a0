"""`data.reference` from the configuration to the report."""

import pandas as pd
import pytest
from journey import check_row, record, write_audit_yaml
from odd_plugin import odd_plugin

MODEL = {"load": {"kind": "predictions", "prediction": "yhat"}}


def wrongly_called(rates, n=400):
    """Of each group half is positive and found, and this share of the others is called positive."""
    parts = [
        pd.DataFrame({"race": race, "y": [1] * (n // 2) + [0] * (n // 2)}).assign(
            yhat=[1] * (n // 2) + [1] * round(rate * n / 2) + [0] * (n // 2 - round(rate * n / 2))
        )
        for race, rate in rates.items()
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def audit(tmp_path, raikit):
    def audit(data, *, table=None, code=0, checks=("fairness.groups",), gate=None, **environment):
        table = wrongly_called({"White": 0.25, "Black": 0.45, "Other": 0.1}) if table is None else table
        config = write_audit_yaml(tmp_path, table, checks=checks, data={"id": None, **data}, model=MODEL, **({"gate": gate} if gate else {}))
        return tmp_path / "run", raikit("audit", config, "--out", "run", "--formats", "html,json,md", code=code, **environment)

    return audit


def test_the_difference_to_the_reference_leads_the_summary_and_can_be_a_rule(audit):
    rule = {"metric": "fairness.false_positive_rate_difference(to=White)[*]", "max": 0.02}
    run, _ = audit({"sensitive": ["race"], "reference": {"race": "White"}}, code=1, gate={"rules": [rule]})
    written = record(run)
    assert written["data"]["reference"] == {"race": "White"}
    assert written["summary"]["sentences"][0].startswith(
        "For race: Black, 45.0% of negative cases are wrongly labelled “1”; for race: White, 25.0%. The gap of 20.0")
    judged = {rule["metric"]: rule["status"] for rule in written["gate"]["rules"]}
    assert judged["fairness.false_positive_rate_difference(to=White)[race=Black]"] == "fail"
    assert "The gap of 20.0 percentage points" in (run / "report.md").read_text(encoding="utf-8")
    assert "race: White" in (run / "report.html").read_text(encoding="utf-8").split("Reference groups")[1][:80]


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ({"race": "Whit"}, "data.reference.race: no case of the test split has race: Whit. Did you mean 'White'? Groups there: Black, "),
        ({"rase": "White"}, "data.reference.rase: 'rase' is not among the columns of data.sensitive; those are race. Did you"),
        ({"race": ["White"]}, "data.reference.race"),
    ],
)  # fmt: skip
def test_a_reference_that_is_not_there_is_named_with_its_line(audit, reference, says):
    run, ran = audit({"sensitive": ["race"], "reference": reference}, code=2)
    assert says in ran.err
    assert ran.err.startswith("raikit: audit.yaml, line ")
    assert not run.exists()


def test_a_reference_may_be_a_number_or_a_bin(audit):
    table = wrongly_called({1: 0.25, 2: 0.45})
    run, _ = audit({"sensitive": ["race"], "reference": {"race": 1}}, table=table)
    assert check_row(run, "fairness.groups")["findings"][0]["metrics"][0].endswith("(to=1)[race=2]")


def test_a_check_in_a_process_of_its_own_knows_the_reference(audit, install):
    environment = install(odd_plugin("assert dict(ctx.reference) == dict(ctx.data.reference) == {'race': 'White'}"))
    run, _ = audit({"sensitive": ["race"], "reference": {"race": "White"}}, checks=("odd.one",), **environment)
    assert check_row(run, "odd.one")["status"] == "ok"
