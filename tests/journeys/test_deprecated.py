"""The author of a check that uses what will go: told in the check's row, and nothing else changes."""

from journey import record

CHECK = '''
import raikit
from raikit.deprecation import Deprecation

IMPORTED = Deprecation("raikit.imported", "9.1", "9.3", "leave it out")
CALLED = Deprecation("raikit.called", "9.1", "9.3", "use raikit.fit")


@CALLED
def called():
    return 3


class Rows(raikit.Check):
    """Three."""

    name = "mine.rows"
    pillar = "mine"
    produces = ["mine.rows"]

    def run(self, ctx):
        return raikit.CheckResult(metrics=[raikit.Metric.exact("rows", called())])


IMPORTED.warn(stacklevel=0)
'''


def test_a_check_that_uses_what_is_deprecated_works_and_says_so_in_its_row(raikit, audit_yaml, tmp_path):
    config = audit_yaml(checks=["mine"], plugins={"local": ["checks.py"]}, formats=["md", "json"])
    (tmp_path / "checks.py").write_text(CHECK)
    raikit("audit", config, "--out", "run", code=0)
    row = next(check for check in record(tmp_path / "run")["checks"] if check["name"] == "mine.rows")
    assert (row["status"], row["metrics"][0]["value"]) == ("ok", 3)
    assert [warning.split(" is ")[0] for warning in row["warnings"]] == [
        "RaikitDeprecationWarning: raikit.imported",
        "RaikitDeprecationWarning: raikit.called",
    ]
