import json
from pathlib import Path

import pytest

from raikit.errors import RunError
from raikit.run.directory import compare_states, newest_folder
from raikit.run.reader import load_run

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
