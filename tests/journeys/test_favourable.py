"""`data.favourable` from the configuration to the report."""

import numpy as np
import pandas as pd
from journey import check_row, numbers, record, write_audit_yaml
from odd_plugin import odd_plugin


def arrests(rows=800):
    """Predictions of rearrest, which are more frequent for B than for A: being spared is the good outcome."""
    race = np.repeat(["A", "B"], rows // 2)
    yhat = np.tile(np.arange(rows // 2), 2) < np.where(race == "A", 80, 240)
    return pd.DataFrame({"race": race, "yhat": np.where(yhat, "rearrest", "spared")})


def test_the_favourable_decision_says_who_is_worse_off_in_every_format(tmp_path, raikit, install):
    config = write_audit_yaml(
        tmp_path, arrests(), checks=("fairness.groups", "fairness.impact_ratios", "odd.one"),
        data={"id": None, "target": None, "sensitive": ["race"], "positive": "rearrest", "favourable": "spared"},
        model={"load": {"kind": "predictions", "prediction": "yhat"}},
    )  # fmt: skip
    environment = install(odd_plugin("assert ctx.favourable == ctx.data.favourable == 'spared'"))
    raikit("audit", config, "--out", "run", "--formats", "html,json,md", code=0, **environment)
    run = tmp_path / "run"
    assert check_row(run, "odd.one")["status"] == "ok"
    assert record(run)["data"]["favourable"] == "spared"
    assert numbers(run)["fairness.impact_ratio[race=B]"]["value"] == (160 / 400) / (320 / 400)
    sentence = "Cases with race: B are labelled “rearrest” more often than race: A"
    assert check_row(run, "fairness.groups")["findings"][0]["sentence"].startswith(sentence)
    assert sentence in (run / "report.md").read_text(encoding="utf-8")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "favourable is <code>spared</code>" in page
    assert "urely worse than the rest" in page


def test_a_favourable_decision_that_no_class_is_called_is_named_with_its_line(tmp_path, raikit):
    config = write_audit_yaml(tmp_path, checks=("fairness.groups",), data={"favourable": "approve"})
    ran = raikit("audit", config, "--out", "run", code=2)
    assert "line 9: data.favourable: 'approve' is not among the classes 0, 1" in ran.err
