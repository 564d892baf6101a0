"""The child process of a distribution, without an audit around it."""

import json
import os
import sys
import time

import numpy as np
import pandas as pd
import pytest

from raikit.isolation import Child

MODULE = '''
import raikit

raikit_api = 1


class Told(raikit.Check):
    """What its options ask for."""

    name = "told.once"
    pillar = "told"

    class Options(raikit.CheckOptions):
        do: str = "pass"

    def run(self, ctx):
        names = {"ctx": ctx}
        exec(self.options.do, names)
        return raikit.CheckResult(metrics=[raikit.Metric.exact("value", names.get("value", 0))])


@raikit.hookimpl
def raikit_checks():
    return [Told]
'''


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Run the check in one child with a script; a folder, predictions and a table are there."""
    info = tmp_path / "site" / "raikit_told-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: raikit-told\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[raikit]\ntold = raikit_told\n")
    (tmp_path / "site" / "raikit_told.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    rows = pd.DataFrame({"id": range(20), "sex": ["F", "M"] * 10, "y": [0, 1, 1, 0] * 5, "p": np.linspace(0, 1, 20)})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    scored = rows.rename(columns={"y": "target", "p": "score"}).assign(split="test", prediction=(rows.p > 0.5).astype(int))
    scored.to_parquet(tmp_path / "predictions.parquet")
    facts = {"task": "binary", "classes": [0, 1], "positive": 1, "sensitive": ["sex"], "cluster": [], "weight": None,
             "confidence": 0.95, "split": "test", "has_model": False}  # fmt: skip
    config = {
        "name": "told",
        "data": {"path": "rows.csv", "id": "id", "target": "y", "sensitive": ["sex"]},
        "model": {"load": {"kind": "predictions", "score": "p"}},
    }
    setting = {"distribution": "raikit-told", "context": facts, "config": config, "folder": str(tmp_path), "run": str(tmp_path)}
    child = Child(setting, timeout=20)

    def ask(do, progress=lambda done, total: None, seed=1):
        job = {"check": "told.once", "seed": seed, "options": {"do": do}, "workdir": str(tmp_path),
               "predictions": str(tmp_path / "predictions.parquet")}  # fmt: skip
        return child.run(job, progress)

    ask.child = child
    yield ask
    child.close()


def value(answer):
    assert answer.error is None, answer
    return json.loads(answer.result)["metrics"][0]["value"]


def test_context_data_and_predictions_are_those_of_the_audit(ask):
    assert value(ask("value = ctx.predictions.size()")) == 20
    assert value(ask("value = ctx.data.size('test') + len(ctx.data.frame(['sex']))")) == 40
    assert value(ask("value = int(ctx.model is None and ctx.sensitive == ('sex',) and ctx.positive == 1)")) == 1
    assert value(ask("value = ctx.seed", seed=77)) == 77


def test_one_process_serves_all_checks_and_a_new_one_comes_after_it_died(ask):
    pids = [value(ask("import os; value = os.getpid()")) for _ in range(2)]
    assert pids[0] == pids[1] != os.getpid()
    assert ask("import os; os._exit(9)").error == "it ended the process that it ran in (exit code 9)"
    assert value(ask("import os; value = os.getpid()")) != pids[0]


def test_progress_arrives(ask):
    seen = []
    ask("ctx.progress(1, 2); ctx.progress(2, 2)", lambda *step: seen.append(step))
    assert seen == [(1, 2), (2, 2)]


def test_output_belongs_to_the_check_that_wrote_it(ask):
    assert "first" in ask("print('first'); import os; os.write(1, b'below')").output
    assert ask("pass").output == ""
    assert "last words" in ask("import os; os.write(2, b'last words'); os._exit(1)").output


def test_a_result_too_large_for_a_report_is_refused(ask):
    answer = ask("value = 0; import raikit.runner; raikit.runner.MOST_RESULT = 10")
    assert "write large things to ctx.workdir" in answer.error


def test_standard_input_is_empty(ask):
    assert value(ask("import sys; value = len(sys.stdin.read())")) == 0


def test_the_environment_is_the_parents(ask, monkeypatch):
    monkeypatch.setenv("RAIKIT_TEST", "7")
    assert value(ask("import os; value = int(os.environ['RAIKIT_TEST'])")) == 7
    assert value(ask("import os; value = int('PYTHONPATH' in os.environ)")) == int("PYTHONPATH" in os.environ)


def test_what_a_child_has_started_ends_with_it(ask, tmp_path):
    ask(f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))")  # fmt: skip
    ask.child.close()
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not _lives(pid):
            return
        time.sleep(0.05)
    raise AssertionError("it lives on")


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") if sys.platform == "linux" else open(os.devnull) as stream:
        return ") Z " not in stream.read()  # a zombie waits for somebody to ask for it


def test_a_child_ends_when_its_parent_is_gone(ask):
    ask("pass")
    process = ask.child._process
    process.stdin.close()  # what the end of the parent does
    assert process.wait(10) == 1
