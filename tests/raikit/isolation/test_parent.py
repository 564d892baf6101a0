"""The child process of a distribution, without an audit around it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from raikit.config.schema import PluginsConfig
from raikit.isolation.parent import Child, Children
from raikit.naming import DisplayNames

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
    facts = {"task": "binary", "classes": [0, 1], "positive": 1, "sensitive": ["sex"], "cluster": [], "weight": None, "max_groups": 500, "reference": {}, "missing_group": {}, "favourable": None,
             "labels": asdict(DisplayNames(unit=("row", "rows"))),
             "confidence": 0.95, "split": "test", "has_model": False}  # fmt: skip
    config = {
        "name": "told",
        "data": {"path": "rows.csv", "id": "id", "target": "y", "sensitive": ["sex"]},
        "model": {"load": {"kind": "predictions", "score": "p"}},
    }
    setting = {"distribution": "raikit-told", "plugins": {}, "without": [], "context": facts, "config": config, "folder": str(tmp_path), "run": str(tmp_path)}
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
    assert value(ask("from raikit.format import cases; value = int(cases(2) == '2 rows' and ctx.labels.unit == ('row', 'rows'))")) == 1


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


def test_a_result_too_large_for_a_report_is_refused(ask, monkeypatch):
    monkeypatch.setenv("RAIKIT_MAX_RESULT_MEGABYTES", "1")
    answer = ask("value = 0; import raikit; raikit.CheckResult.model_dump_json = lambda self: 'x' * (1 << 21)")
    assert "its result takes 2 MB; the limit is 1 MB: write large things to ctx.workdir" in answer.error
    assert "set RAIKIT_MAX_RESULT_MEGABYTES" in answer.error


def test_standard_input_is_empty(ask):
    assert value(ask("import sys; value = len(sys.stdin.read())")) == 0


def test_the_environment_is_the_parents(ask, monkeypatch):
    monkeypatch.setenv("RAIKIT_TEST", "7")
    assert value(ask("import os; value = int(os.environ['RAIKIT_TEST'])")) == 7
    assert value(ask("import os; value = int('PYTHONPATH' in os.environ)")) == int("PYTHONPATH" in os.environ)
    assert json.loads(json.dumps(sys.path)) == sys.path


def test_the_files_that_a_ci_service_reads_are_not_named_to_a_child(ask, monkeypatch):
    for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"):
        monkeypatch.setenv(name, "/nowhere")
    told = "b'/nowhere' in open('/proc/self/environ', 'rb').read() or '/nowhere' in os.environ.values()"
    assert value(ask(f"import os; value = int({told})")) == 0
    assert os.environ["GITHUB_OUTPUT"] == "/nowhere"


def test_a_process_that_is_stopped_is_terminated_after_its_time(ask):
    ask.child._timeout = 1
    answer = ask(f"import os; os.kill(os.getpid(), {int(signal.SIGSTOP)})")
    assert answer.late and "did not finish within 1 seconds" in answer.error
    ask.child._timeout = 20
    assert value(ask("value = 5")) == 5


def test_what_a_child_has_started_ends_with_it(ask, tmp_path):
    ask(f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))")  # fmt: skip
    ask.child.close()
    assert not _lives_after_a_while(int((tmp_path / "pid").read_text()))


def _lives_after_a_while(pid):
    for _ in range(400):
        if not _lives(pid):
            return False
        time.sleep(0.05)
    return True


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") if sys.platform == "linux" else open(os.devnull) as stream:
        return ") Z " not in stream.read()  # a zombie waits for somebody to ask for it


PARENT = """
import pathlib, sys, time
from raikit.config.schema import PluginsConfig
from raikit.isolation.parent import Children

with Children(PluginsConfig(local=["starts.py"]), pathlib.Path(sys.argv[1])) as children:
    children.describe("local", "starts.py")
    print(children.of("local")._process.pid, flush=True)
    time.sleep(600)
"""
STARTS = """
import pathlib, subprocess, sys
started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(__file__).with_name("pid").write_text(str(started.pid))
"""


def test_a_child_that_is_stopped_ends_when_its_parent_is_killed_with_all_that_it_has_started(tmp_path):
    (tmp_path / "starts.py").write_text(STARTS)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    started = int((tmp_path / "pid").read_text())
    assert _lives(child) and _lives(started)
    parent.kill()
    parent.communicate()
    assert not _lives_after_a_while(child) and not _lives_after_a_while(started)


COUNTS = """
import pathlib, threading, time
import raikit

def count():
    while True:
        pathlib.Path(__file__).with_name("count").write_text(str(time.monotonic()))
        time.sleep(0.001)

threading.Thread(target=count, daemon=True).start()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing lets a stopped process go on if its parent dies")
def test_a_thread_of_a_plugin_runs_only_while_its_process_has_a_job(tmp_path):
    (tmp_path / "counts.py").write_text(COUNTS)
    with Children(PluginsConfig(local=["counts.py"]), tmp_path) as children:
        children.describe("local", "counts.py")
        before = (tmp_path / "count").read_text()
        time.sleep(0.3)
        assert (tmp_path / "count").read_text() == before
        children.describe("local", "counts.py")
        assert (tmp_path / "count").read_text() != before


def test_a_copy_that_a_check_has_forked_answers_for_nobody(ask):
    assert value(ask("import os, time; value = 1\nif not os.fork(): time.sleep(0.3)")) == 1
    assert value(ask("import time; time.sleep(1); value = 2")) == 2


def test_whatever_a_check_does_to_its_streams_the_next_one_has_some(ask):
    ask("import os, sys; sys.stdout.close(); os.close(1); os.close(2)")
    assert "heard" in ask("print('heard')").output


@pytest.mark.parametrize("what", ["KeyboardInterrupt()", "GeneratorExit()", "__import__('asyncio').CancelledError()"])
def test_what_is_no_exception_of_the_usual_kind_is_an_error_like_any(ask, what):
    assert what.split("(")[0].split(".")[-1].strip("'") in ask(f"raise {what}").error or "CancelledError" in what
    assert value(ask("value = 3")) == 3


def test_an_error_that_cannot_be_written_is_named(ask):
    answer = ask("class Odd(Exception):\n    def __str__(self): raise TypeError\nraise Odd()")
    assert answer.error == "Odd (its message cannot be written)"


def test_progress_may_be_told_from_many_threads(ask):
    seen = []
    do = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool: list(pool.map(lambda at: ctx.progress(at, 500), range(500)))"
    )
    assert ask(do, lambda *step: seen.append(step)).error is None
    assert sorted(seen) == [(at, 500) for at in range(500)]


def test_a_file_beside_the_configuration_does_not_stand_before_the_standard_library(ask, tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert value(ask("import random; value = random.randint(2, 2)")) == 2


def test_a_child_may_clean_up_when_it_is_no_longer_needed(ask, tmp_path):
    ask(f"import atexit; atexit.register(lambda: open({str(tmp_path / 'clean')!r}, 'w').close())")
    ask.child.close(5.0)
    assert (tmp_path / "clean").exists()


def test_a_child_imports_what_it_will_need_before_it_is_asked_and_leaves_out_what_cannot_be_imported(ask):
    ask.child.preload = ("wave", "no_such_module")
    ask.child.start()
    assert value(ask("import sys; value = int('wave' in sys.modules)")) == 1


def test_a_child_that_was_asked_nothing_is_not_waited_for(ask):
    ask.child.start()
    began = time.monotonic()
    ask.child.close(60.0)
    assert time.monotonic() - began < 10
