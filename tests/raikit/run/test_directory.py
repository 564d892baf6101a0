import json
import os
import shutil
import time
from pathlib import Path

import pytest

from raikit.errors import RunError, TamperedRunError
from raikit.run.directory import RunDirectory, compare_states, newest_folder
from raikit.run.reader import load_run
from raikit.run.record import CheckRecord

BEFORE = {"config": {"seed": 1, "gate": {"rules": [{"metric": "a.b", "max": 0.1}]}, "checks": None}, "data": {"print": "x"}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 2}, r"config\.seed differs from the interrupted run \(1 then, 2 now\)"),
        ({"gate": {"rules": [{"metric": "a.b", "max": 0.2}]}}, r"config\.gate\.rules, rule 1, max differs .*\(0\.1 then, 0\.2 now\)"),
        ({"gate": {"rules": []}}, r"config\.gate\.rules differs .*\(1 entry then, none now\)"),
        ({"checks": {"a": {}, "b": {}}}, r"config\.checks differs .*\(none then, 2 entries now\)"),
    ],
)
def test_what_differs_from_the_interrupted_run_is_named_to_the_key(change, says):
    now = {**BEFORE, "config": {**BEFORE["config"], **change}}
    with pytest.raises(RunError, match=says) as caught:
        compare_states(BEFORE, now, Path("run"))
    assert "{" not in str(caught.value)
    compare_states(BEFORE, json.loads(json.dumps(BEFORE)), Path("run"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "this is not a record of an audit, or it was changed"),
        ("[]", "this is not a record of an audit, or it was changed"),
        ('{"name": "m", "verdict": "pass", "gate": {"verdict": "pass"}}', "this is not a record of an audit"),
        ('{"schema_version": "1", "name": 3}', "this is not a record of an audit, or it was changed"),
        ('{"schema_version": "1", "name": "m", "verdict": "pass", "gate": {"verdict": "pass", "exit_code": 0}, "confidence": -1e308}',
         "this is not a record of an audit, or it was changed"),
        ('{"schema_version": "9"}', "schema version '9'"),
    ],
)
def test_what_is_no_record_is_said_in_a_sentence(tmp_path, content, says):
    (tmp_path / "audit.json").write_text(content)
    with pytest.raises(RunError, match=says) as caught:
        load_run(tmp_path)
    assert "validation error" not in str(caught.value)


def test_the_newest_run_of_a_name_is_found_among_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert newest_folder("my model") is None
    for name in ("my-model-20260101-000000", "my-model-20260301-000000", "my-model-two-20270101-000000", "my-model-notes"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert newest_folder("my model") == Path("runs/my-model-20260301-000000")


def restored(path):
    """Write something else into a file, and put its content and its times back."""
    content, status = path.read_bytes(), path.stat()
    path.write_bytes(b"forged")
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def moved(path):
    path.rename(path.with_name("aside"))
    path.with_name("aside").rename(path)


@pytest.mark.parametrize("change", [restored, moved, lambda path: path.write_text("x"), lambda path: path.unlink()])
def test_a_file_that_was_another_for_a_while_is_refused(tmp_path, change):
    run = RunDirectory(tmp_path / "run")
    run.open()
    run.write(tmp_path / "run" / "audit.json", "{}")
    (tmp_path / "run" / "other").write_text("x")
    run.keep(tmp_path / "run" / "other")
    run.refuse_changes()
    time.sleep(0.02)  # file systems count time in steps of up to some milliseconds
    change(tmp_path / "run" / "audit.json")
    with pytest.raises(TamperedRunError, match=r"audit\.json was changed by another process"):
        run.seal({})
    run.close()


def test_what_appears_in_a_new_run_was_not_left_by_an_interrupted_one(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.open()
    forged = CheckRecord(name="a.b", pillar="a", plugin="raikit", status="ok")
    (run.work / "checks" / "a.b.json").write_text(forged.model_dump_json())
    (run.work / "checks" / "a.b.started").write_text("x\nx\n")
    (run.work / "state.json").write_text("[]")
    assert run.load_check("a.b") is None
    assert run.record_start("a.b")
    run.check_state({"seed": 1})
    run.close()
    assert RunDirectory(tmp_path / "run", resume=True).load_check("a.b") == forged


@pytest.mark.parametrize("content", [b"\xff{", b"[1]", b"null", b"[" * 100_000, None])
def test_what_was_put_into_an_interrupted_run_is_one_sentence(tmp_path, content):
    for name in ("state.json", "checks/a.json"):
        path = tmp_path / name[:5] / ".work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            os.mkfifo(path)
        else:
            path.write_bytes(content)
        run = RunDirectory(tmp_path / name[:5], resume=True)
        with pytest.raises(RunError, match=rf"--resume .*{name} is damaged; start a new run in another --out\.$"):
            run.check_state(BEFORE) if name == "state.json" else run.load_check("a")


@pytest.mark.parametrize("name", [".work", ".work/checks", "model"])
def test_a_link_in_an_interrupted_run_is_refused_so_that_nothing_is_written_behind_it(tmp_path, name):
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "run" / name
    elsewhere.mkdir()
    (tmp_path / "run" / ".work").mkdir(parents=True)
    if name == ".work":
        link.rmdir()
    link.symlink_to(elsewhere)
    with pytest.raises(RunError, match=rf"--resume .*: {name} is a link; start a new run in another --out\.$"):
        RunDirectory(tmp_path / "run", resume=True)


def test_what_another_process_puts_back_into_a_new_run_ends_it(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path / "run")
    run.open()
    (run.work / "scores").mkdir()
    run.clear(run.work / "scores", run.work / "training")
    assert not (run.work / "scores").exists()
    (run.work / "scores").symlink_to(tmp_path)  # which `rmtree` does not remove
    with pytest.raises(TamperedRunError, match=r"\.work/scores is written by another process"):
        run.clear(run.work / "scores")
    run.close()


def test_a_run_is_complete_though_its_temporary_state_cannot_be_removed(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path / "run")
    run.open()
    write = shutil.rmtree

    def refilled(folder, *arguments, **options):
        raise OSError(39, "Directory not empty", str(folder))

    monkeypatch.setattr(shutil, "rmtree", refilled)
    with pytest.raises(RunError, match=r"run is complete, but \.work in it could not be removed \(Directory not empty\)"):
        run.seal({})
    monkeypatch.setattr(shutil, "rmtree", write)
    assert (tmp_path / "run" / "manifest.json").is_file()


@pytest.mark.parametrize("name", ["run\udcff", "a\udcff/run"])
def test_a_name_that_is_no_utf_8_is_refused(tmp_path, name):
    with pytest.raises(RunError, match=r"this name is no UTF-8"):
        RunDirectory(tmp_path / name)
