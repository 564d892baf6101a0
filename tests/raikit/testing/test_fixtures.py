"""The fixtures as pytest finds them: through an entry point, in a session of its own (raikit.testing.fixtures)."""

import os
import subprocess
import sys

import pytest

TESTS = '''
import pytest
from raikit import Check, CheckResult, Metric
from raikit.testing import assert_metric

class Rows(Check):
    "Counts rows."
    name, pillar, produces = "mine.rows", "mine", ["mine.rows"]

    def run(self, ctx):
        return CheckResult(metrics=[Metric.exact("rows", ctx.predictions.size())])

def test_all(raikit_data, raikit_run_check, raikit_context, tmp_path):
    data = raikit_data("multiclass", ["text"], rows=90)
    assert_metric(raikit_run_check(Rows, data=data), "mine.rows", data.size("test"))
    assert raikit_context(Rows, data=data).workdir.is_relative_to(tmp_path)
    assert [path.name.startswith(("run-", "predictions", "work")) for path in tmp_path.iterdir()] == [True] * 3
'''


@pytest.fixture
def entry_point(tmp_path, write_distribution):
    """The entry point of raikit's own metadata, under the same name, so that pytest loads it once."""
    points = {"raikit_testing": "raikit.testing.fixtures"}
    write_distribution(tmp_path / "site", "raikit-testing-only", points, group="pytest11")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path])}


def test_pytest_finds_the_fixtures_by_itself(tmp_path, entry_point):
    (tmp_path / "test_mine.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "test_mine.py"], cwd=tmp_path, env=entry_point, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_loading_the_fixtures_imports_nothing_but_pytest_and_names_of_raikit():
    code = "import pytest, sys; before = set(sys.modules); import raikit.testing.fixtures; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"raikit", "raikit.testing", "raikit.testing.fixtures"}


def test_pyproject_names_the_entry_point():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"]["raikit_testing"] == "raikit.testing.fixtures"


def test_everything_public_can_be_imported():
    import raikit.testing

    for name in raikit.testing.__all__:
        assert callable(getattr(raikit.testing, name))
    assert dir(raikit.testing) == raikit.testing.__all__
    with pytest.raises(AttributeError, match="no attribute 'datset'"):
        raikit.testing.datset
