"""The rules for a plugin as a whole (raikit.testing.contract.plugin_rules)."""

import pytest

from raikit.testing import conformance
from raikit.testing.contract import plugin_rules
from raikit.testing.contract.rule import run_rules
from raikit.testing.contract.subject import subject_of


@pytest.mark.parametrize(
    ("old", "new", "rule", "message"),
    [
        ("import raikit\n", "import raikit\nimport not_installed_anywhere\n", "loads", "No module named 'not_installed_anywhere'"),
        ("import raikit\n", "import raikit\nraise SystemExit(3)\n", "loads", "SystemExit: 3"),
        ("return [Rows]", "return [int]", "loads", "not a subclass of raikit.Check"),
        ("import raikit\n", "import raikit\nimport altair\n", "imports", "importing it imports altair"),
        ("return [Rows]", "import altair\n    return [Rows]", "imports", "importing it imports altair"),
        ("raikit_api = 1", "", "api", "states no `raikit_api`"),
        ("raikit_api = 1", "raikit_api = 99", "api", "upgrade raikit"),
        ("raikit_checks()", "raikit_cheks()", "hooks", "Did you mean 'raikit_checks'"),
        ("@raikit.hookimpl\n", "", "hooks", "raikit_checks is not marked with @raikit.hookimpl"),
        ("raikit_checks()", "raikit_checks(config=None, *, x=1)", "hooks", ""),
        ("return [Rows]", "return [Rows, type('Rows', (Rows,), {'__doc__': 'Again.'})]", "names", "two checks have the name 'mine.rows'"),
    ],
)  # fmt: skip
def test_a_plugin_that_is_bad_in_one_way_breaks_that_rule_and_no_other(install, plugin_source, broken, old, new, rule, message):
    source = plugin_source.replace(old, new)
    assert source != plugin_source
    if rule == "hooks" and not message:
        source, message = plugin_source + "\n@raikit.hookimpl\ndef raikit_run_finished(report): pass\n", "report"
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": source, "altair": ""})
    reasons = broken(run_rules(plugin_rules.planned(subject_of("mine"))))
    assert set(reasons) == {rule}, reasons
    assert message in reasons[rule]


def test_an_empty_file_of_checks_provides_nothing(tmp_path, broken):
    (tmp_path / "checks.py").write_text("import raikit\n")
    assert broken(conformance(tmp_path / "checks.py")) == {"loads": "it defines no subclass of raikit.Check"}
