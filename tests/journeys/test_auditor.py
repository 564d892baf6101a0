"""The auditor: from a table of predictions and a policy to a verdict and its evidence."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journey import numbers, people, record

import raikit as library


def test_from_a_csv_to_a_report_in_two_commands(raikit, tmp_path):
    people().to_csv(tmp_path / "people.csv", index=False)
    written = raikit("init", "people.csv", code=0)
    assert "Wrote audit.yaml" in written.out
    done = raikit("audit", "audit.yaml", "--out", "run")
    assert done.code in (0, 1)
    assert "May the model “people” be released?" in done.out
    assert {"audit.json", "report.html", "report.md", "predictions.parquet", "manifest.json"} == {
        item.name for item in (tmp_path / "run").iterdir()
    }
    assert "Women" in done.out
    raikit("verify", "run", code=0)


def test_init_does_not_overwrite(raikit, tmp_path):
    people().to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "audit.yaml").write_text("mine")
    assert "exists" in raikit("init", "people.csv", code=2).err
    assert (tmp_path / "audit.yaml").read_text() == "mine"


RULES = {
    1: {"rules": [{"metric": "fairness.equal_opportunity_difference[sex]", "max": 0.05}]},
    0: {"rules": [{"metric": "performance.accuracy", "min": 0.5}]},
    4: {"rules": [{"metric": "performance.accuracy", "min": 0.9}], "on_inconclusive": "stop"},
    3: {"required": ["performance.regression"]},
}


@pytest.mark.parametrize("code", sorted(RULES))
def test_the_exit_code_is_the_gates_answer(raikit, audit_yaml, tmp_path, code):
    table = people()
    accuracy = ((table["p"] >= 0.5) == table["y"]).mean()
    gate = json.loads(json.dumps(RULES[code]))
    if code == 4:
        gate["rules"][0]["min"] = float(accuracy)  # the estimate itself: no interval can be on one side of it
    raikit("audit", audit_yaml(gate=gate), "--out", "run", code=code)
    assert record(tmp_path / "run")["gate"]["exit_code"] == code


def test_judging_again_under_another_policy_leaves_the_record_alone(raikit, audit_yaml, tmp_path):
    raikit("audit", audit_yaml(gate=RULES[0]), "--out", "run", code=0)
    before = (tmp_path / "run" / "audit.json").read_bytes()
    (tmp_path / "policy.yaml").write_text(
        "rules: [{metric: 'fairness.equal_opportunity_difference[sex]', max: 0.05}]\n"
    )
    raikit("gate", "run", code=0)
    assert "broken" in raikit("gate", "run", "--policy", "policy.yaml", code=1).out
    assert (tmp_path / "run" / "audit.json").read_bytes() == before
    assert json.loads((tmp_path / "run" / "gate.json").read_text())["verdict"] == "fail"
    raikit("verify", "run", code=0)
    (tmp_path / "policy.yaml").write_text("rules: [{metric: a.b, mx: 1}]\n")
    assert "Did you mean 'max'" in raikit("gate", "run", "--policy", "policy.yaml", code=2).err
    for wrong, near in (("performance.acuracy", "performance.accuracy"), ("fairness.accuracy[sex=Fe]", "fairness.accuracy[sex=F]")):
        (tmp_path / "policy.yaml").write_text(f"gate:\n  rules: [{{metric: '{wrong}', min: 0.5}}]\n")
        error = raikit("gate", "run", "--policy", "policy.yaml", code=2).err
        assert f"policy.yaml, line 2: gate.rules, rule 1, metric: the run has no {wrong!r}. Did you mean {near!r}?" in error
    (tmp_path / "policy.yaml").write_text("rules: [{metric: performance.accuracy, min: .nan}]\n")
    assert "line 1: rules, rule 1, min: must be" in raikit("gate", "run", "--policy", "policy.yaml", code=2).err


def test_a_limit_in_percent_is_warned_of_wherever_the_verdict_is_read(raikit, audit_yaml, tmp_path):
    gate = {"rules": [{"metric": "fairness.equal_opportunity_difference[sex]", "max": 10}]}
    done = raikit("audit", audit_yaml(gate=gate, formats=["html", "md", "json"]), "--out", "run", code=0)
    warning = "limit 10 on a quantity between -1 and 1; write 0.1 for 10%"
    assert record(tmp_path / "run")["verdict"] == "warn"
    assert warning in done.out
    assert warning in raikit("gate", "run", code=0).out
    assert "limit 10 on a quantity" in (tmp_path / "run" / "report.md").read_text()
    assert "limit 10 on a quantity" in (tmp_path / "run" / "report.html").read_text()


def test_reports_are_written_again_from_the_record_alone(raikit, audit_yaml, tmp_path):
    raikit("audit", audit_yaml(), "--out", "run", code=0)
    before = (tmp_path / "run" / "audit.json").read_bytes()
    raikit("report", "run", "--formats", "html,md", code=0)
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    assert (tmp_path / "run" / "audit.json").read_bytes() == before
    raikit("verify", "run", code=0)
    assert "Did you mean 'html'" in raikit("report", "run", "--formats", "htm", code=2).err
    for command in (["report", "run"], ["audit", "audit.yaml", "--dry-run"]):
        assert "--formats: name at least one of comment, csv, cyclonedx" in raikit(*command, "--formats", "", code=2).err


@pytest.mark.parametrize("damage", ["change", "delete", "add"])
def test_verify_fails_after_one_byte_is_changed_one_file_deleted_or_added(raikit, audit_yaml, tmp_path, damage):
    raikit("audit", audit_yaml(), "--out", "run", code=0)
    run = tmp_path / "run"
    if damage == "change":
        content = bytearray((run / "predictions.parquet").read_bytes())
        content[len(content) // 2] ^= 1
        (run / "predictions.parquet").write_bytes(bytes(content))
    elif damage == "delete":
        (run / "predictions.parquet").unlink()
    else:
        (run / "note.txt").write_text("added")
    assert "was " in raikit("verify", "run", code=1).out or damage == "delete"
    assert "not as it was written" in raikit("gate", "run", code=2).err


def test_a_run_is_read_back_as_frames(raikit, audit_yaml, tmp_path):
    raikit("audit", audit_yaml(gate=RULES[0]), "--out", "run", code=0)
    run = library.load_run(tmp_path / "run")
    assert {"performance.accuracy", "fairness.equal_opportunity_difference[sex]"} <= set(run.metrics["id"])
    assert run.rules["status"].tolist() == ["pass"]
    assert set(run.checks.query("status == 'ok'")["name"]) == {"performance.classification", "fairness.groups"}
    assert len(run.predictions.frame()) == 600


def test_every_number_has_an_interval_or_a_reason(raikit, audit_yaml, tmp_path):
    raikit("audit", audit_yaml(checks=None), "--out", "run")
    for address, metric in numbers(tmp_path / "run").items():
        if metric["value"] is None:
            assert metric["reason"], address
        else:
            assert None not in (metric["low"], metric["high"], metric["n"], metric["method"]), address
            assert metric["low"] <= metric["high"], address


def test_the_same_seed_gives_the_same_numbers_and_selection_changes_none(raikit, audit_yaml, tmp_path):
    config = audit_yaml()
    raikit("audit", config, "--out", "a", code=0)
    raikit("audit", config, "--out", "b", "--select", "fairness.groups", code=0)
    both, fair = numbers(tmp_path / "a"), numbers(tmp_path / "b")
    assert fair
    assert fair == {address: both[address] for address in fair}


def test_weights_of_another_scale_change_nothing(raikit, audit_yaml, tmp_path):
    table = people()
    table["w"] = [1.0, 2.0, 3.0] * 200
    raikit("audit", audit_yaml(table, data={"weight": "w"}), "--out", "a", code=0)
    raikit("audit", audit_yaml(table.assign(w=table["w"] * 7), data={"weight": "w"}), "--out", "b", code=0)
    one, seven = numbers(tmp_path / "a"), numbers(tmp_path / "b")
    assert one.keys() == seven.keys()
    for address, metric in one.items():
        assert seven[address]["value"] == pytest.approx(metric["value"]), address
        assert seven[address]["n"] == metric["n"], address


def test_progress_counts_every_check_and_leaves_out_those_of_other_tasks(raikit, audit_yaml):
    ran = raikit("audit", audit_yaml(checks=["performance"]), "--out", "run", code=0)
    lines = ran.err.splitlines()
    counted = [line.strip() for line in lines if line.startswith("  [")]
    total = int(next(line for line in lines if line.startswith("Checks: ")).removeprefix("Checks: "))
    assert [line.split("]")[0] for line in counted] == [f"[{number}/{total}" for number in range(1, total + 1)]
    assert not [line for line in lines if "skipped:" in line]
    names = [check["name"] for check in json.loads(Path("run/audit.json").read_text())["checks"]]
    assert "performance.classification" in names
    assert not {"performance.regression", "performance.entities", "fairness.labels"} & set(names)


@pytest.mark.parametrize(("gate", "checks"), [
    ({}, ["performance.classification", "performance.entities"]),
    ({"rules": [{"metric": "performance.entity_f1(average=micro)", "min": 0.5}]}, ["performance"]),
    ({"required": ["performance.entities"]}, ["performance"]),
])
def test_a_check_of_another_task_that_is_asked_for_says_why_it_does_not_run(raikit, audit_yaml, gate, checks):
    raikit("audit", audit_yaml(checks=checks, gate=gate), "--out", "run")
    records = {check["name"]: check for check in json.loads(Path("run/audit.json").read_text())["checks"]}
    assert records["performance.entities"]["reason"] == "it measures multiclass targets; this one is binary"
    assert "performance.regression" not in records


def test_dry_run_says_what_would_run_and_writes_nothing(raikit, audit_yaml, tmp_path):
    before = None
    config = audit_yaml(gate=RULES[0])
    before = sorted(item.name for item in tmp_path.iterdir())
    printed = raikit("audit", config, "--dry-run", "--exclude", "fairness", code=0).out
    assert "performance.classification: would run" in printed
    assert "fairness.groups: deselected (left out by --exclude)" in printed
    assert sorted(item.name for item in tmp_path.iterdir()) == before


HOSTILE = [
    "a,b",
    "x=y",
    "[20, 30)",
    '"quoted"',
    "*",
    "|",
    "👩🏿‍🚀",
    "",
    "F" * 10_000,
    "\u202eright to left",
    "<script>alert(1)</script>",
    "null",
]


def test_groups_and_names_may_hold_anything(raikit, audit_yaml, tmp_path):
    table = people(1200)
    table['weird, [name]="*"'] = [HOSTILE[i % len(HOSTILE)] or None for i in range(1200)]
    config = audit_yaml(
        table,
        name="<b>model</b> & co",
        data={"sensitive": ["sex", 'weird, [name]="*"']},
        formats=["html", "md", "json"],
    )
    raikit("audit", config, "--out", "run", code=0)
    for address, metric in numbers(tmp_path / "run").items():
        parts = library.address.parse(address)
        assert dict(parts.group) == (metric["group"] or {}), address
        assert list(parts.over) == (metric["over"] or []), address
    report = (tmp_path / "run" / "report.html").read_text()
    assert "<script>alert(1)" not in report
    assert "<b>model</b>" not in report


BAD = [
    ({"data": {"path": "nope.csv"}}, "data.path: there is no file"),
    (
        {"data": {"sensitive": ["sexx"]}},
        "audit.yaml, line 7: data.sensitive, item 1: no column 'sexx' in people.csv. Did you mean 'sex'?",
    ),
    ({"data": {"sensitive": ["constant"]}}, "every sensitive column is constant"),
    ({"data": {"id": "twice"}}, "data.id (twice) must be unique; 'c' occurs 600 times"),
    ({"data": {"target": "constant"}}, "has only one class"),
    ({"data": {"weight": "negative"}}, "row 1 (id 'c0'): data.weight (negative) is negative"),
    ({"model": {"load": {"kind": "predictions", "score": "holes"}}}, "row 3 (id 'c2'): holes is not a finite number"),
    ({"model": {"load": {"kind": "predictions", "score": "large"}}}, "is not a probability"),
    ({"model": {"load": {"kind": "predictions", "prediction": "sex"}}}, "which is not among the classes 0, 1"),
    (
        {"model": {"load": {"kind": "predictons"}}},
        "model.load.kind: no loader is called 'predictons'. Did you mean 'predictions'?",
    ),
    (
        {"model": {"load": {"kind": "predictions", "scor": "p"}}},
        "unknown key 'scor' in model.load. Did you mean 'score'?",
    ),
    (
        {"model": {"load": {"kind": "huggingface", "pth": "bert"}}},
        "audit.yaml, line 12: unknown key 'pth' in model.load. Did you mean 'path'?",
    ),
    ({"model": {"load": {"kind": "onnx"}}}, "audit.yaml, line 10: model.load.path is required."),
    (
        {"model": {"load": {"kind": "huggingface", "hub": "a/b"}}},
        "audit.yaml, line 10: model.load: `hub` needs `allow_download: true` and `revision`",
    ),
    (
        {"model": {"load": {"kind": "http", "url": "http://h/v2/models/m/infer", "protocol": "kserve", "name": "m"}}},
        "audit.yaml, line 10: model.load: `url` is the address of a model; name only what stands before /v2/models",
    ),
    (
        {"gate": {"rules": [{"metric": "fairness.equalised_odds_difference", "max": 0.1}]}},
        "Did you mean 'fairness.equalized_odds_difference'?",
    ),
    (
        {"gate": {"rules": [{"metric": "fairness.selection_rate[sex=Female]", "max": 0.1}]}},
        "no case of the split 'test' has sex Female, which 'fairness.selection_rate[sex=Female]' names. Values: F, M.",
    ),
    ({"gate": {"required": ["fairness.grups"]}}, "no check or pillar is called 'fairness.grups'. Did you mean"),
    ({"formats": ["docx"]}, "formats: no report format is called 'docx'"),
    ({"checks": ["fairnes"]}, "Did you mean 'fairness'?"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_one_clear_sentence_exit_two_and_nothing_half_written(raikit, audit_yaml, tmp_path, change, message):
    table = people().assign(constant=1, twice="c", negative=-1.0, large=7.0)
    table["holes"] = table["p"].where(table.index != 2)
    ran = raikit("audit", audit_yaml(table, **change), "--out", "run", code=2)
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_used_is_said_so(raikit, audit_yaml, tmp_path):
    config = audit_yaml()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    assert "is not empty" in raikit("audit", config, "--out", "full", code=2).err
    (tmp_path / "file").write_text("x")
    assert "file" in raikit("audit", config, "--out", "file/run", code=2).err
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


def test_a_disk_that_is_full_loses_nothing(raikit, audit_yaml, tmp_path):
    config = audit_yaml(people(20_000))

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    done = subprocess.run(
        [sys.executable, "-m", "raikit", "audit", str(config), "--out", "run"],
        cwd=tmp_path,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr and "--resume" in done.stderr
    raikit("audit", config, "--out", "run", "--resume", code=0)


def test_a_run_directory_in_use_is_refused(raikit, audit_yaml, tmp_path):
    from filelock import FileLock

    config = audit_yaml()
    work = tmp_path / "run" / ".work"
    (work / "checks").mkdir(parents=True)
    with FileLock(work / "lock"):
        assert "in use by another raikit" in raikit("audit", config, "--out", "run", "--resume", code=2).err
    raikit("audit", config, "--out", "run", "--resume", code=0)


STOPPED = '''
import pathlib, raikit

class Stopped(raikit.Check):
    """Presses Ctrl-C."""
    name, pillar = "stopped.once", "stopped"
    def run(self, ctx):
        if pathlib.Path(__file__).with_name("stop").exists():
            raise KeyboardInterrupt
        return raikit.CheckResult()
'''


WAITS = "import os, time; pathlib.Path(__file__).with_name('pid').write_text(str(os.getpid())); time.sleep(600)"


@pytest.mark.parametrize("out", [["--out", "run"], []])
def test_who_interrupts_is_told_how_to_go_on(raikit, audit_yaml, tmp_path, out):
    (tmp_path / "checks.py").write_text(STOPPED)
    (tmp_path / "stop").touch()
    config = audit_yaml(checks=["stopped", "performance.classification"], plugins={"local": ["checks.py"]})
    printed = raikit("audit", config, *out, "--isolation", "none", code=130).err
    folder = printed.rsplit("Interrupted; resume with the same command and --resume --out ", 1)[1].strip().removesuffix(".")
    assert (tmp_path / folder / ".work").is_dir()
    if not out:
        refused = raikit("audit", config, "--resume", code=2).err
        assert f"--resume: name the run to resume with --out; the newest of people is {folder}." in refused
    (tmp_path / "stop").unlink()
    resumed = raikit("audit", config, "--resume", "--out", folder, code=0).err
    assert "Checks: 2, of which 1 had finished before" in resumed
    assert "new run" not in resumed


def heed_interrupts():
    """Undo what a background job of a shell inherits: it ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_interrupted_audit_leaves_no_process_behind_and_goes_on(raikit, audit_yaml, tmp_path):
    (tmp_path / "checks.py").write_text(STOPPED.replace("raise KeyboardInterrupt", WAITS))
    (tmp_path / "stop").touch()
    config = audit_yaml(checks=["stopped", "performance.classification"], plugins={"local": ["checks.py"]})
    command = [sys.executable, "-m", "raikit", "audit", str(config), "--out", "run"]
    for options in ([], ["--resume"], ["--resume"]):  # An interrupt is not a crash of the check, however often.
        audit = subprocess.Popen(
            [*command, *options], cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
        )
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert audit.poll() is None
            time.sleep(0.05)
        pid = int((tmp_path / "pid").read_text())
        audit.send_signal(signal.SIGINT)
        assert "Interrupted; resume with the same command and --resume --out run" in audit.communicate(timeout=60)[1]
        assert audit.returncode == 130
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        (tmp_path / "pid").unlink()
    (tmp_path / "stop").unlink()
    raikit("audit", config, "--resume", "--out", "run", code=0)


def test_resuming_what_is_not_there_starts_and_says_so(raikit, audit_yaml, tmp_path):
    config = audit_yaml()
    assert "name the run to resume with --out; runs holds none of people" in raikit("audit", config, "--resume", code=2).err
    assert not (tmp_path / "runs").exists()
    printed = raikit("audit", config, "--resume", "--out", "run", code=0).err
    assert "run holds nothing to resume; this is a new run" in printed


def test_resuming_a_finished_run_changes_nothing_and_another_configuration_is_refused(raikit, audit_yaml, tmp_path):
    config = audit_yaml(gate=RULES[1])
    raikit("audit", config, "--out", "run", code=1)
    before = {item.name: item.read_bytes() for item in (tmp_path / "run").iterdir()}
    raikit("audit", config, "--out", "run", "--resume", code=1)
    assert {item.name: item.read_bytes() for item in (tmp_path / "run").iterdir()} == before
    assert "config.seed differs" in raikit("audit", config, "--out", "run", "--resume", "--seed", "9", code=2).err
    shutil.copyfile(tmp_path / "people.csv", tmp_path / "saved.csv")
    people(seed=1).to_csv(tmp_path / "people.csv", index=False)
    assert "data.fingerprint differs" in raikit("audit", config, "--out", "run", "--resume", code=2).err
