"""The author of a check: a package with an entry point, and a file beside audit.yaml."""

import pytest
from journey import check_row, numbers, plugin_row, record

CHECK = '''
import raikit


class Longest(raikit.Check):
    """The longest name."""

    name = "names.longest"
    pillar = "names"
    produces = ["names.longest"]

    def run(self, ctx):
        ids = ctx.predictions.frame(["id"])["id"].astype(str)
        return raikit.CheckResult(
            metrics=[raikit.Metric.exact("longest", int(ids.str.len().max()), n=len(ids))],
            findings=[raikit.Finding(sentence="The longest id was measured.", metrics=["names.longest"])],
        )
'''
PACKAGE = (
    CHECK.replace("import raikit\n", "import raikit\n\nraikit_api = 1\n", 1)
    + """

@raikit.hookimpl
def raikit_checks():
    return [Longest]
"""
)


@pytest.fixture
def site(install):
    """The environment of commands that see the package installed."""
    return install(PACKAGE, "raikit-names", "names", "2.0")


def test_a_package_appears_in_the_report_and_can_be_gated_on(raikit, audit_yaml, site, tmp_path):
    gate = {
        "rules": [{"metric": "names.longest", "max": 3}],
        "required": [{"check": "names.longest", "version": ">=2"}],
    }
    config = audit_yaml(checks=["names", "performance.classification"], gate=gate, formats=["html", "md", "json"])
    raikit("audit", config, "--out", "run", code=1, **site)
    row = check_row(tmp_path / "run", "names.longest")
    assert (row["plugin"], row["plugin_version"], row["status"]) == ("raikit-names", "2.0", "ok")
    assert "raikit-names" in (tmp_path / "run" / "report.html").read_text()
    assert "names.longest" in (tmp_path / "run" / "report.md").read_text()
    assert "raikit-names" in raikit("plugins", code=0, **site).out
    assert "option" in raikit("plugins", "info", "fairness.groups", code=0).out


def test_a_local_file_is_as_good(raikit, audit_yaml, tmp_path):
    config = audit_yaml(checks=["names"], plugins={"local": ["checks.py"]}, formats=["html", "json"])
    (tmp_path / "checks.py").write_text(CHECK)
    raikit("audit", config, "--out", "run", code=0)
    assert check_row(tmp_path / "run", "names.longest")["plugin"] == "local"
    assert numbers(tmp_path / "run")["names.longest"]["value"] == 4
    assert "The longest id was measured." in (tmp_path / "run" / "report.html").read_text()


def test_a_crash_is_exit_three_and_changes_no_other_number(raikit, audit_yaml, tmp_path):
    config = audit_yaml(checks=None, plugins={"local": ["checks.py"]})
    (tmp_path / "checks.py").write_text(CHECK.replace("ids = ", "1 / 0\n        ids = "))
    raikit("audit", config, "--out", "bad", "--select", "performance.classification", "--select", "names", code=3)
    raikit("audit", config, "--out", "good", "--select", "performance.classification", code=0)
    crashed = check_row(tmp_path / "bad", "names.longest")
    assert crashed["status"] == "error"
    assert "ZeroDivisionError" in crashed["reason"]
    assert numbers(tmp_path / "bad") == numbers(tmp_path / "good")


def test_a_plugin_that_cannot_be_imported_is_never_silent(raikit, audit_yaml, site, tmp_path):
    (tmp_path / "site" / "raikit_names.py").write_text("import not_installed_anywhere")
    ran = raikit("audit", audit_yaml(), "--out", "run", code=3, **site)
    assert "not_installed_anywhere" in ran.out
    assert plugin_row(tmp_path / "run", "names")["status"] == "error"
    assert check_row(tmp_path / "run", "fairness.groups")["status"] == "ok"
    raikit("audit", audit_yaml(plugins={"disable": ["names"]}), "--out", "without", code=0, **site)


def test_a_plugin_writes_comparisons_and_histories_in_a_process_of_its_own(raikit, audit_yaml, site, tmp_path):
    (tmp_path / "site" / "raikit_names.py").write_text("""
import raikit

raikit_api = 1


def write(runs, file):
    what = [len(runs.rules), runs.candidate.name] if hasattr(runs, "rules") else [len(runs.series), runs.records[-1].name]
    file.write_text(str(what))


def lazy(runs, file):
    pass


@raikit.hookimpl
def raikit_comparison_formats():
    return {"txt": write, "lazy": lazy}
""")
    config = audit_yaml(formats=["json"])
    raikit("audit", config, "--out", "a", **site)
    raikit("audit", config, "--out", "b", **site)
    raikit("compare", "a", "b", "--report", "c.txt", code=0, **site)
    raikit("history", "a", "b", "--report", "h.txt", code=0, **site)
    name = record(tmp_path / "a")["name"]
    for file in ("c.txt", "h.txt"):
        assert repr(name) in (tmp_path / file).read_text()
    raikit("compare", "a", "b", "--report", "c.html", code=0, **site)
    assert "What changed in" in (tmp_path / "c.html").read_text()
    wrong = raikit("compare", "a", "b", "--report", "c.docx", code=2, **site).err
    assert "--report c.docx: the ending of the file names its format" in wrong and ".txt" in wrong
    assert "did not write" in raikit("compare", "a", "b", "--report", "c.lazy", code=2, **site).err


def test_a_report_format_that_crashes_turns_every_other_red(raikit, audit_yaml, site, tmp_path):
    (tmp_path / "site" / "raikit_names.py").write_text("""
import raikit

raikit_api = 1


def write(record, folder):
    raise OSError("no printer")


@raikit.hookimpl
def raikit_report_formats():
    return {"paper": write}
""")
    config = audit_yaml(formats=["paper", "json", "junit", "md", "sarif"])
    ran = raikit("audit", config, "--out", "run", code=3, **site)
    why = "the report format 'paper' crashed: OSError: no printer (raikit_names.py, line 8)"
    assert why in ran.printed
    assert record(tmp_path / "run")["gate"]["exit_code"] == 3
    assert why in record(tmp_path / "run")["gate"]["warnings"]
    assert "<error" in (tmp_path / "run" / "junit.xml").read_text()
    for name in ("report.md", "junit.xml", "results.sarif"):
        assert "no printer" in (tmp_path / "run" / name).read_text(), name
    raikit("verify", tmp_path / "run", code=0)
