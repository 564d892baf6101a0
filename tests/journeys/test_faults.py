"""The machine's faults are not ours: kills and full disks at any moment leave one sentence, the right code, and nothing lost."""

from __future__ import annotations

import errno
import importlib
import json
import resource
import shutil
import subprocess
import sys

import faults
import pandas as pd
import pytest
import yaml
from journey import write_audit_yaml

from raikit.run import manifest

COMMANDS = {
    "audit": ["audit", "audit.yaml", "--out", "run"],
    "gate": ["gate", "run"],
    "report": ["report", "run", "--formats", "json,junit"],
    "sign": ["sign", "run", "--key", "key"],
    "baseline": ["baseline", "save", "run", "baseline.json"],
}
# Moments that are tried by default; the rest by --every-moment. Those of an audit: a check starts, the record and the manifest
# are renamed, temporary files are removed.
MOMENTS = {"audit": (16, 25, 28, 30), "gate": (3, 4, 6), "report": (3, 5), "sign": (3,), "baseline": (2,)}
FULL = {"audit": (1, 13, 16, 25), "gate": (3, 6), "report": (2,), "sign": (2,), "baseline": (1,)}


def private_key():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with an audit, a key and ``whole``, the run of an audit that nothing disturbed."""
    for module in ("duckdb", "pyarrow.parquet", "raikit_performance", "raikit.audit.conductor"):
        importlib.import_module(module)  # once, not in every fork
    folder = tmp_path_factory.mktemp("faults")
    policy = {"rules": [{"metric": "performance.accuracy", "min": 0.5}]}
    write_audit_yaml(folder, checks=["performance.classification"], gate=policy)
    (folder / "key").write_bytes(private_key())
    assert faults.run([*COMMANDS["audit"][:-1], "whole"], folder).code == 0
    return folder


@pytest.fixture
def ready(whole, tmp_path):
    """Lay the audit and its run out anew, as ``ready(command)``; an audit has no run yet."""

    def ready(name):
        shutil.rmtree(tmp_path)
        shutil.copytree(whole, tmp_path, ignore=shutil.ignore_patterns("whole"))
        if name != "audit":
            shutil.copytree(whole / "whole", tmp_path / "run")
        return tmp_path

    return ready


def comparable(run):
    """The record without times and the run's id."""
    content = json.loads((run / "audit.json").read_text("utf-8"))
    for key in ("run_id", "started", "seconds"):
        content["provenance"].pop(key)
    for check in content["checks"]:
        check.pop("seconds")
    return content


def again(name, folder):
    """Run a command that was interrupted once more, as a person would."""
    resumed = ["--resume"] if name == "audit" and (folder / "run").exists() else []
    return faults.run([*COMMANDS[name], *resumed], folder)


def moments(name, chosen, request, ready):
    if not request.config.getoption("--every-moment"):
        return chosen
    return range(1, faults.run(COMMANDS[name], ready(name)).changes + 1)


def check_whole(name, folder, whole):
    """Assert that the run is the one that nothing disturbed, and that it verifies."""
    assert comparable(folder / "run") == comparable(whole / "whole")
    predictions = "predictions.parquet"
    assert (folder / "run" / predictions).read_bytes() == (whole / "whole" / predictions).read_bytes()
    assert manifest.verify(folder / "run") == []
    assert not list(folder.rglob(".*.partial"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_and_repeated_leaves_what_it_would_have_left(name, whole, ready, request):
    for at in moments(name, MOMENTS[name], request, ready):
        folder = ready(name)
        assert faults.run(COMMANDS[name], folder, at=at).code == -9, "it had ended before it was killed"
        repeated = again(name, folder)
        assert repeated.code == 0, (at, repeated.err)
        check_whole(name, folder, whole)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_is_full_or_read_only_is_one_sentence_and_nothing_is_lost(name, number, whole, ready, request):
    for at in moments(name, FULL[name], request, ready):
        folder = ready(name)
        ended = faults.run(COMMANDS[name], folder, at=at, fault=number, lasting=True)
        if ended.code == 0:  # Only temporary files were still to be removed, which a full disk allows.
            assert number == errno.ENOSPC
            continue
        assert (ended.code, "Traceback" in ended.err) == (2, False), (at, ended.err)
        assert ended.err.splitlines()[-1].startswith("raikit: cannot write"), ended.err
        assert number != errno.ENOSPC or "No space left on device" in ended.err
        repeated = again(name, folder)
        assert repeated.code == 0, (at, repeated.err)
        check_whole(name, folder, whole)


def test_what_a_killed_command_left_is_not_taken_for_a_stranger(ready):
    folder = ready("gate")
    faults.run(COMMANDS["gate"], folder, at=3)
    assert [problem for problem in manifest.verify(folder / "run") if "interrupted; repeat the command" in problem]
    (folder / "run" / "stranger").touch()
    refused = again("gate", folder)
    assert (refused.code, "stranger was added" in refused.err) == (2, True)


COMMANDS_WITHOUT_MEMORY = [["init", "cases.csv", "--out", "o.yaml"], ["audit", "audit.yaml", "--out", "none"], ["report", "whole"],
                           ["gate", "whole"], ["verify", "whole"], ["baseline", "save", "whole", "none.json"]]  # fmt: skip


@pytest.mark.parametrize("megabytes", [100, 400, 900])
@pytest.mark.parametrize("command", COMMANDS_WITHOUT_MEMORY, ids=lambda words: words[0])
def test_a_limit_of_address_space_that_ends_libraries_is_one_sentence(whole, command, megabytes):
    before = sorted(path.name for path in whole.iterdir())
    most = megabytes * 1_000_000
    ended = subprocess.run(
        [sys.executable, "-m", "raikit", *command], cwd=whole, capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )  # fmt: skip
    says = f"raikit: the process may use {megabytes} MB of address space (ulimit -v), and raikit's libraries need 2,000 MB;"
    assert (ended.returncode, ended.stderr.startswith(says), ended.stderr.count("\n")) == (2, True, 1)
    assert sorted(path.name for path in whole.iterdir()) == before


def test_figures_are_lost_and_not_the_report_where_address_space_is_short(whole, tmp_path):
    write_audit_yaml(tmp_path, checks=["performance.confusion_matrix"])
    assert faults.run(COMMANDS["audit"], tmp_path).code == 0
    run, most = tmp_path / "run", 3_000_000_000  # the renderer reserves more
    ended = subprocess.run(
        [sys.executable, "-m", "raikit", "report", "run", "--formats", "html"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "the renderer ended (" in (run / "report.html").read_text("utf-8")
    assert manifest.verify(run) == []


def test_a_small_file_is_read_with_little_memory(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    program = "import raikit.limits, pathlib, sys; raikit.limits.read_json(pathlib.Path(sys.argv[1]))"
    most = 1_000_000_000  # less than the largest file that is read
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.json")], check=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )  # fmt: skip


def test_no_memory_is_one_sentence(whole, monkeypatch):
    import raikit.audit.conductor as conductor

    monkeypatch.setattr(conductor, "judge_audit", lambda *_: bytearray(1 << 62))
    ended = faults.run(["audit", "audit.yaml", "--out", "none"], whole)
    assert (ended.code, "Traceback" in ended.err) == (2, False)
    assert "not enough memory" in ended.err.splitlines()[-1]
    assert "--resume --out none" in ended.err.splitlines()[-1]
    assert faults.run(["audit", "audit.yaml", "--out", "none", "--resume"], whole).code == 2  # it still has none
    monkeypatch.undo()
    assert faults.run(["audit", "audit.yaml", "--out", "none", "--resume"], whole).code == 0
    assert comparable(whole / "none") == comparable(whole / "whole")


def test_a_clock_that_jumps_backwards_leaves_a_record_that_can_be_read(whole, monkeypatch):
    import time

    steps = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: 1.8e9 - 3600 * next(steps))
    assert faults.run(["audit", "audit.yaml", "--out", "clock"], whole).code == 0
    record = json.loads((whole / "clock" / "audit.json").read_text("utf-8"))
    assert record["provenance"]["seconds"] >= 0
    assert all(check["seconds"] >= 0 for check in record["checks"])
    assert faults.run(["verify", "clock"], whole).code == 0


@pytest.mark.parametrize("name", ["audit.json", "predictions.parquet", "manifest.json", "folder"])
def test_a_link_in_a_run_is_named_and_not_followed(name, ready, tmp_path_factory):
    folder, outside = ready("gate"), tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("not read")
    path = folder / "run" / name
    if name == "folder":
        path.symlink_to(outside)
    else:
        shutil.move(path, outside / name)
        path.symlink_to(outside / name)
    problems = manifest.verify(folder / "run")
    assert len(problems) == 1 and problems[0].startswith(name), problems
    assert not [problem for problem in problems if "secret" in problem]
    refused = faults.run(COMMANDS["gate"], folder)
    assert (refused.code, "Traceback" in refused.err) == (2, False)
    assert faults.run(COMMANDS["sign"], folder).code == 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a configuration that trains, and ``whole``, the model of a training that nothing disturbed."""
    for module in ("raikit.models.fusion", "raikit.models.training"):
        importlib.import_module(module)  # once, not in every fork
    folder = tmp_path_factory.mktemp("training")
    rows = 120
    table = pd.DataFrame({
        "note": ["calm slow" if row % 2 else "loud fast" for row in range(rows)], "age": [float(row % 7) for row in range(rows)],
        "y": [row % 2 for row in range(rows)], "sex": ["F" if row % 3 else "M" for row in range(rows)],
        "split": ["test" if row % 5 == 0 else "train" for row in range(rows)],
    })  # fmt: skip
    write_audit_yaml(
        folder, table, checks=["performance.classification"],
        data={"id": None, "sensitive": ["sex"], "split": "split", "inputs": {
            "note": {"modality": "text"}, "facts": {"modality": "tabular", "columns": ["age"]}}},
        model={"train": {"kind": "fusion", "epochs": 2, "width": 16}},
    )  # fmt: skip
    assert faults.run([*TRAIN[:-1], "whole"], folder).code == 0
    return folder


TRAIN = ["train", "audit.yaml", "--out", "model"]


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def start_training(trained, tmp_path):
    shutil.rmtree(tmp_path)
    shutil.copytree(trained, tmp_path, ignore=shutil.ignore_patterns("whole"))
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize(("fault", "chosen"), [("kill", (6, 12, 19, 20, 21)), (errno.ENOSPC, (6, 13))])
def test_a_training_that_is_interrupted_and_repeated_gives_the_same_model(fault, chosen, trained, tmp_path, request):
    every = request.config.getoption("--every-moment")
    for at in range(1, faults.run(TRAIN, start_training(trained, tmp_path)).changes + 1) if every else chosen:
        folder = start_training(trained, tmp_path)
        ended = faults.run(TRAIN, folder, at=at, fault=fault, lasting=True)
        assert "Traceback" not in ended.err
        if fault != "kill" and ended.code:
            assert ended.code == 2
            assert "No space left on device. Then resume with the same command" in ended.err.splitlines()[-1]
        if ended.code:
            repeated = faults.run(TRAIN, folder)
            assert repeated.code == 0, (at, repeated.err)
        assert files(folder / "model") == files(trained / "whole")
        assert not list(folder.glob(".model.*"))


@pytest.mark.long
def test_a_disk_that_fills_while_a_library_writes_is_one_sentence(trained, tmp_path):
    folder = start_training(trained, tmp_path)
    weights = (trained / "whole" / "model.safetensors").stat().st_size
    for most in (1000, weights // 2, weights + 1000):
        ended = faults.run(TRAIN, folder, limits=[(resource.RLIMIT_FSIZE, most)])
        assert (ended.code, "Traceback" in ended.err) == (2, False), ended.err
        assert "cannot write" in ended.err.splitlines()[-1], ended.err
    audit = ["audit", "audit.yaml", "--out", "run"]
    ended = faults.run(audit, folder, limits=[(resource.RLIMIT_FSIZE, weights * 5)])
    assert ended.code == 0, ended.err
    assert faults.run(TRAIN, folder).code == 0
    assert files(folder / "model") == files(trained / "whole")


def test_a_model_that_is_there_already_is_not_overwritten(trained, tmp_path):
    folder = start_training(trained, tmp_path)
    shutil.copytree(trained / "whole", folder / "model")
    for left in (False, True):
        if left:
            (folder / ".model.training").mkdir()
        refused = faults.run(TRAIN, folder)
        assert (refused.code, "is not empty; choose another --out" in refused.err) == (2, True)


def test_two_resumes_at_once_are_one_run(trained, tmp_path):
    folder = start_training(trained, tmp_path)
    audit = ["audit", "audit.yaml", "--out", "run"]
    assert faults.run(audit, folder, at=20).code == -9
    command = [sys.executable, "-m", "raikit", *audit, "--resume"]
    both = [subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) for _ in range(2)]
    ended = [(process.communicate(timeout=300)[1], process.returncode) for process in both]
    # The later one is refused, or finds the run finished.
    assert sorted(code for _, code in ended) in ([0, 2], [0, 0]), ended
    for err, code in ended:
        assert "Traceback" not in err
        assert code == 0 or "is in use by another raikit process" in err.splitlines()[-1]
    assert manifest.verify(folder / "run") == []


KILLED = '''
import os, pathlib, raikit, torch

class Net(torch.nn.Module):
    def forward(self, facts):
        if pathlib.Path(__file__).with_name("kill").exists():
            os.kill(os.getpid(), 9)
        return facts[:, 0]

def build():
    return Net()

class Killed(raikit.Check):
    """Is killed, as by a person or for its memory."""
    name, pillar = "killed.it", "killed"
    def run(self, ctx):
        if pathlib.Path(__file__).with_name("kill-check").exists():
            os.kill(os.getpid(), 9)
        return raikit.CheckResult(metrics=[raikit.Metric.exact("draw", float(ctx.rng.random()))])
'''


@pytest.mark.long
def test_a_killed_process_of_a_model_or_a_plugin_is_one_sentence_and_its_own(trained, tmp_path):
    folder = start_training(trained, tmp_path)
    (folder / "net.py").write_text(KILLED)
    config = yaml.safe_load((folder / "audit.yaml").read_text())
    config["model"] = {"load": {"kind": "torch", "path": "net:build"}}
    config["data"]["inputs"] = {"facts": {"modality": "tabular", "columns": ["age"]}}
    config |= {"plugins": {"local": ["net.py"]}, "checks": {"performance.classification": {}, "killed": {}}}
    (folder / "audit.yaml").write_text(yaml.safe_dump(config))
    audit = ["audit", "audit.yaml", "--out"]
    (folder / "kill").touch()
    ended = faults.run([*audit, "run"], folder)
    assert (ended.code, "Traceback" in ended.err, (folder / "run").exists()) == (2, False, False), ended.err
    assert "SIGKILL" in ended.err.splitlines()[-1]
    (folder / "kill").unlink()
    (folder / "kill-check").touch()
    assert faults.run([*audit, "run"], folder).code == 3
    rows = {check["name"]: check for check in json.loads((folder / "run" / "audit.json").read_text("utf-8"))["checks"]}
    assert rows["performance.classification"]["status"] == "ok"
    assert (rows["killed.it"]["status"], "SIGKILL" in rows["killed.it"]["reason"]) == ("error", True)


def test_a_baseline_that_is_saved_twice_is_saved_once(ready):
    folder = ready("baseline")
    for _ in range(2):  # a kill may come after the file was written
        assert faults.run(COMMANDS["baseline"], folder).code == 0
    (folder / "baseline.json").write_text("{}")
    refused = faults.run(COMMANDS["baseline"], folder)
    assert (refused.code, "already exists" in refused.err) == (2, True)


def test_a_working_folder_that_was_removed_is_one_sentence(whole, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"cd {gone} && rmdir {gone} && {sys.executable} -m raikit gate {whole / 'whole'}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "raikit: the working folder no longer exists; change to one that does."
    assert "Traceback" not in done.stderr
