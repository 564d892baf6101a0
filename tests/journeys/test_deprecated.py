"""The author of a check that uses deprecated names is warned in the check's row, and nothing else changes."""

from journey import check_row, plugin_row

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


PACKAGE = (
    CHECK.replace("import raikit\n", "import raikit\n\nraikit_api = 1\n", 1)
    + """

@raikit.hookimpl
def raikit_checks():
    return [Rows]
"""
)


def warned(run):
    row = check_row(run, "mine.rows")
    assert (row["status"], row["metrics"][0]["value"]) == ("ok", 3)
    return [warning.split(" is ")[0] for warning in row["warnings"]]


BOTH = ["RaikitDeprecationWarning: raikit.imported", "RaikitDeprecationWarning: raikit.called"]


def test_a_local_check_that_uses_what_is_deprecated_works_and_says_so_in_its_row(raikit, audit_yaml, tmp_path):
    config = audit_yaml(checks=["mine"], plugins={"local": ["checks.py"]})
    (tmp_path / "checks.py").write_text(CHECK)
    raikit("audit", config, "--out", "run", code=0)
    assert warned(tmp_path / "run") == BOTH


def test_a_package_in_its_own_process_does_too(raikit, audit_yaml, install, tmp_path):
    environment = install(PACKAGE, "raikit-mine", "mine")
    raikit("audit", audit_yaml(checks=["mine"]), "--out", "run", code=0, **environment)
    assert warned(tmp_path / "run") == BOTH
    assert len(plugin_row(tmp_path / "run", "mine")["warnings"]) == 1
