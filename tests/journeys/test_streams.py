"""Standard streams that are closed, left early or full: the exit code still says how the audit ended."""

import os
import subprocess
import sys

import pytest

BROKEN = {"rules": [{"metric": "performance.accuracy", "min": 0.999}]}
COMMAND = f"{sys.executable} -m raikit audit audit.yaml --out run"


def shell(folder, script):
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}"], cwd=folder, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("streams", [">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("gate", "code"), [({}, 0), (BROKEN, 1)])
def test_a_stream_that_is_closed_changes_no_exit_code(tmp_path, audit_yaml, streams, gate, code):
    audit_yaml(checks=["performance.classification"], gate=gate)
    assert shell(tmp_path, f"{COMMAND} {streams}").returncode == code
    assert (tmp_path / "run/manifest.json").exists()


@pytest.mark.parametrize(("gate", "code"), [({}, 0), (BROKEN, 1)])
def test_a_reader_that_leaves_changes_no_exit_code(tmp_path, audit_yaml, gate, code):
    audit_yaml(checks=["performance.classification"], gate=gate)
    done = shell(tmp_path, f"{COMMAND} --set formats=[json] 2>&1 | sleep 0")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_one_sentence(tmp_path, audit_yaml):
    audit_yaml(checks=["performance.classification"])
    done = shell(tmp_path, f"{COMMAND} > /dev/full")
    assert done.returncode == 2
    assert (
        done.stderr.splitlines()[-1]
        == "raikit: the result cannot be written to standard output: No space left on device."
    )
