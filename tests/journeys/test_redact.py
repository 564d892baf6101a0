"""A redacted run holds no id and no text of the data, in no file; secrets of the environment are in no run at all."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from journey import check_row, record

LEAKS = '''
import os, sys, warnings
import raikit

def table(ctx):
    return ctx.data.frame(["case", "note", "patient", "town"])

class Leaks(raikit.Check):
    """Tells everything about cases."""
    name, pillar = "leaks.all", "leaks"
    def run(self, ctx):
        cases = table(ctx)
        first = cases.iloc[0]
        print(cases.to_string())
        warnings.warn(f"strange row: {first['note']}")
        (ctx.workdir / "rows.csv").write_text(cases.to_csv())
        raw = open("people.csv").read().splitlines()  # what is not handed over is read from the disk
        ids = [line.split(",")[0] for line in raw[1:4]]
        return raikit.CheckResult(
            metrics=[raikit.Metric.exact("rows", len(cases))],
            findings=[raikit.Finding(severity="note", sentence=f"Case {ids[0]} says \\"{first['note']}\\".", who=", ".join(ids))],
            tables=[raikit.Table(id="t", title="Cases", columns=[raikit.Column(name=n, title=n, format="text") for n in ("id", "note")], rows=[[ids[1], first["note"]], [ids[2], "x"]])],
            figures=[raikit.Figure(id="f", title="Cases", alt=f"of {ids[0]}", spec={"mark": "bar"}, data=[{"case": ids[0], "n": 1}])],
            artifacts=[raikit.Artifact(path="rows.csv", title="rows", media_type="text/csv")],
        )

class Raises(raikit.Check):
    """Raises with a row."""
    name, pillar = "raises.it", "raises"
    def run(self, ctx):
        raise ValueError(f"cannot use {table(ctx).iloc[1].to_dict()}")
'''


def people(rows=80, seed=1):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    words = np.array([["calm", "quiet"], ["urgent", "loud"]])
    return pd.DataFrame({
        "case": [f"Nr-{number:05d}" for number in rng.permutation(90_000)[:rows]],
        "note": [f"{' '.join(rng.choice(words[label], 2))} letter of Person{number} Smith" for number, label in enumerate(y)],
        "patient": [f"patient-{number // 2:04d}" for number in range(rows)],
        "town": [f"Little Town {number % 20}" for number in range(rows)],
        "age": rng.normal(40, 10, rows).round(1) + y,
        "sex": rng.choice(["F", "M"], rows),
        "y": y,
        "p": np.clip(0.5 * y + rng.random(rows) / 2, 0, 1).round(4),
        "split": np.where(np.arange(rows) // 2 % 2, "test", "train"),
    })  # fmt: skip


def leaked(run, table):
    """Return what of the data stands in which file of a run, Parquet read."""
    secret = {str(cell) for column in ("case", "note", "patient", "town") for cell in table[column]}
    found = []
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            text += pd.read_parquet(path).to_csv()
        found += [(path.name, cell) for cell in secret if cell in text]
    return found


@pytest.fixture
def leaking(audit_yaml, tmp_path):
    (tmp_path / "checks.py").write_text(LEAKS)
    table = people()
    config = audit_yaml(
        table, checks=["performance.classification", "fairness.groups", "leaks", "raises"],
        data={"sensitive": ["sex"], "cluster": ["patient"], "keep": ["note", "town"]},
        plugins={"local": ["checks.py"]}, formats=["html", "json", "md", "junit", "sarif", "comment"],
    )  # fmt: skip
    return config, table


def test_a_redacted_run_holds_no_id_and_no_text(leaking, raikit, tmp_path):
    config, table = leaking
    raikit("audit", config, "--out", "plain", code=3)
    raikit("audit", config, "--out", "run", "--redact", code=3)
    assert {name for name, _ in leaked(tmp_path / "plain", table)} >= {"audit.json", "report.html", "predictions.parquet", "rows.csv"}
    assert leaked(tmp_path / "run", table) == []
    leaks, raises = check_row(tmp_path / "run", "leaks.all"), check_row(tmp_path / "run", "raises.it")
    assert leaks["findings"][0]["sentence"] == 'Case [left out] says "[left out]".'
    assert (leaks["output"], leaks["artifacts"], raises["traceback"]) == ("", [], None)
    assert raises["reason"] == "ValueError: [left out]"
    assert record(tmp_path / "run")["provenance"]["config"].count('"redact":true') == 1


def test_redaction_changes_no_number(leaking, raikit, tmp_path):
    config, _ = leaking
    for name, options in {"plain": (), "run": ("--redact",)}.items():
        raikit("audit", config, "--out", name, *options)
    plain, redacted = ([m for c in record(tmp_path / n)["checks"] for m in c["metrics"]] for n in ("plain", "run"))
    assert [metric["id"] for metric in plain] == [metric["id"] for metric in redacted]
    for field in ("value", "low", "high", "n", "n_clusters"):  # up to rounding: clusters are summed in another order
        one, other = ([metric[field] if metric[field] is not None else -9.0 for metric in run] for run in (plain, redacted))
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_the_salt_is_of_the_run_alone_unless_a_file_keeps_it(leaking, raikit, tmp_path):
    config, table = leaking
    for name, options in {"a": (), "b": (), "c": ("--salt", "salt"), "d": ("--salt", "salt")}.items():
        raikit("audit", config, "--out", name, "--redact", *options)
    ids = {name: pd.read_parquet(tmp_path / name / "predictions.parquet")["id"].tolist() for name in "abcd"}
    assert ids["c"] == ids["d"]
    assert not set(ids["a"]) & set(ids["b"]) and not set(ids["a"]) & set(ids["c"])
    assert len(set(ids["a"])) == len(table)
    salt = (tmp_path / "salt").read_text().strip()
    assert all(salt not in path.read_text("utf-8", "replace") for path in (tmp_path / "c").rglob("*") if path.is_file())
    assert not list((tmp_path / "a").rglob("salt"))
    assert (tmp_path / "salt").stat().st_mode & 0o77 == 0
    refused = raikit("audit", config, "--out", "e", "--salt", "salt", code=2)
    assert "--salt is for --redact" in refused.err


def test_errors_name_a_case_by_its_hash(leaking, raikit, tmp_path):
    config, table = leaking
    table.loc[3, "p"] = 1.7
    table.to_csv(tmp_path / "people.csv", index=False)
    assert "Nr-" in raikit("audit", config, "--out", "plain", code=2).err
    refused = raikit("audit", config, "--out", "run", "--redact", code=2)
    assert "row 4" in refused.err
    assert "Nr-" not in refused.err


@pytest.mark.long
def test_neither_a_trained_model_nor_explanations_hold_inputs(audit_yaml, raikit, tmp_path):
    table = people(240)
    config = audit_yaml(
        table, checks=["performance.classification", "explainability"],
        data={
            "sensitive": ["sex"], "cluster": ["patient"], "split": "split",
            "inputs": {"note": {"modality": "text"}, "facts": {"modality": "tabular", "columns": ["age", "town"]}},
        },
        model={"train": {"kind": "fusion", "epochs": 1, "width": 16}}, formats=["html", "json", "md"],
    )  # fmt: skip
    raikit("audit", config, "--out", "plain", "--all", code=0)
    raikit("audit", config, "--out", "run", "--redact", code=0)
    assert leaked(tmp_path / "plain", table)
    assert leaked(tmp_path / "run", table) == []
    assert "Person" not in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert not (tmp_path / "run" / "model").exists()
    for name in ("report.html", "audit.json", "report.md"):
        says = (tmp_path / "run" / name).read_text("utf-8"), (tmp_path / "plain" / name).read_text("utf-8")
        assert ["is not kept in a redacted run" in text for text in says] == [True, False], name
    assert check_row(tmp_path / "run", "explainability.attributions")["status"] == "ok"
    raikit("verify", "run", code=0)


TELLS = '''
import os, warnings
import raikit

class Tells(raikit.Check):
    """Prints the environment, as a debugging author does."""
    name, pillar = "tells.all", "tells"
    def run(self, ctx):
        print(dict(os.environ))
        warnings.warn("401 for https://me:" + os.environ["DB_URL"].split(":")[2].split("@")[0] + "@host")
        if "fail" in os.environ.get("MODE", ""):
            raise RuntimeError("cannot log in with " + os.environ["HF_TOKEN"])
        return raikit.CheckResult(findings=[raikit.Finding(severity="note", sentence="with " + os.environ["MY_SECRET"])])
'''


@pytest.mark.parametrize("mode", ["fine", "fail"])
@pytest.mark.parametrize("isolation", ["process", "none"])
def test_secrets_of_the_environment_are_in_no_file_of_a_run(audit_yaml, raikit, tmp_path, mode, isolation):
    (tmp_path / "checks.py").write_text(TELLS)
    audit_yaml(checks=["performance.classification", "tells"], plugins={"local": ["checks.py"]}, owner={"mail": "hf-abcdefgh-1"})
    secret = {
        "HF_TOKEN": "hf-abcdefgh-1", "MY_SECRET": 'quote"and\\back', "DB_URL": "postgres://me:hunter2hunter2@host/db",
        "PLAIN": "ghp_0123456789abcdefghij",
    }  # fmt: skip
    ran = raikit("audit", "audit.yaml", "--out", "run", "--isolation", isolation, MODE=mode, **secret)
    assert ran.code == (3 if mode == "fail" else 0), ran.printed
    values = ["hf-abcdefgh-1", "hunter2hunter2", "ghp_0123456789abcdefghij", secret["MY_SECRET"], json.dumps(secret["MY_SECRET"])[1:-1]]
    text = "".join(path.read_text("utf-8", "replace") for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert [value for value in values if value in text] == []
    assert "***" in check_row(tmp_path / "run", "tells.all")["output"]
    raikit("audit", "audit.yaml", "--out", "run", "--isolation", isolation, "--resume", MODE=mode, **secret, code=ran.code)
