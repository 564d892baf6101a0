"""Plugins that fail in many ways: each row names the plugin at fault and the remedy, and no other number changes."""

from __future__ import annotations

import pytest
from journey import check_row, numbers, plugin_row, record
from odd_plugin import SELECT, WITHOUT, odd_plugin

GLOBAL_STATE = """
        import os, random, warnings, torch
        random.seed(1), torch.set_num_threads(2), torch.set_default_dtype(torch.float64)
        warnings.simplefilter("error")
        os.environ["ODD"] = "1"
        os.chdir("/")
"""
# Failure: what `run` does; then the status of the check, and texts of its reason or warnings and of its help.
IN_RUN = {
    "raises": ("1 / 0", "error", "ZeroDivisionError: division by zero", "report it to the authors of raikit-odd"),
    "returns the wrong type": ("return 3", "error", "run returned int, not a CheckResult", "--exclude odd.one"),
    "measures another's metric": (
        'result = raikit.CheckResult(metrics=[raikit.Metric.exact("ends", 1)])',
        "error", "it returned metric odd.ends, which belongs to odd.two (`produces`)", "report it"),
    "prints a gigabyte": ('[print("x" * 1_000_000) for _ in range(1000)]', "ok", "", ""),
    "writes into the predictions": (
        'ctx.predictions.frame().assign(score=0.0).to_parquet(ctx.predictions.path)',
        "error", "it modified the shared predictions", "report it"),
    "changes global state": (GLOBAL_STATE.strip(), "ok", "it changed the environment (ODD), the working directory, torch's threads, torch's default dtype and", ""),
    "prints": ('import os; print("hello"); os.write(2, b"from below"); import logging; logging.warning("logged")', "ok", "", ""),
    "hangs": ("import time; time.sleep(1000)", "error", "did not finish within 8 seconds", "--exclude odd.one"),
    "exits": ("import sys; sys.exit(0)", "error", "SystemExit: 0", "report it"),
    "exits at once": ("import os; os._exit(0)", "error", "it ended the process that it ran in (exit code 0)", "report it"),
    "segfaults": ("import ctypes; ctypes.string_at(0)", "error", "(SIGSEGV)", "report it"),
    "lacks a dependency": ("import nowhere_to_be_found", "error", "No module named 'nowhere_to_be_found'",
                           "install nowhere_to_be_found, which raikit-odd needs"),
}  # fmt: skip
# Failure: the module; then the status of the plugin and a text of its reason.
AT_IMPORT = {
    "raises at import": ("1 / 0", "error", "import failed: ZeroDivisionError"),
    "exits at import": ("import sys; sys.exit(0)", "error", "import failed: SystemExit"),
    "exits at once at import": ("import os; os._exit(0)", "error", "loading it ended the process that it ran in (exit code 0)"),
    "segfaults at import": ("import ctypes; ctypes.string_at(0)", "error", "loading it ended the process that it ran in (SIGSEGV)"),
    "lacks a dependency at import": ("import nowhere_to_be_found", "error", "No module named 'nowhere_to_be_found'"),
    "is of an older API": ("raikit_api = 0", "incompatible", "plugin API 0, which is retired"),
    "is of a newer API": ("raikit_api = 99", "incompatible", "plugin API 99; this version supports plugin API 1"),
    "misspells a hook": (
        odd_plugin().replace("def raikit_checks", "def raikit_cheks"), "error", "raikit_cheks"),
}  # fmt: skip


@pytest.fixture(scope="module")
def good_numbers():
    """Numbers of the run in which nothing is bad, with and without torch; the first test that needs them fills them in."""
    return {}


@pytest.mark.parametrize("failure", IN_RUN)
def test_a_check_that(failure, raikit, config, install, tmp_path, good_numbers):
    body, status, reason, remedy = IN_RUN[failure]
    torch = "torch" in body
    if torch not in good_numbers:
        raikit("audit", config, "--out", "good", *SELECT, code=0, **install(odd_plugin(torch=torch)))
        good_numbers[torch] = numbers(tmp_path / "good")
    timeout = ["--set", "plugins.timeout=8"] if failure == "hangs" else []
    environment = install(odd_plugin(body, torch=torch))
    ran = raikit("audit", config, "--out", "run", *SELECT, *timeout, code=0 if status == "ok" else 3, **environment)
    row = check_row(tmp_path / "run", "odd.one")
    assert (row["status"], row["plugin"]) == (status, "raikit-odd")
    assert reason in " ".join([row["reason"] or "", *row["warnings"]]), row
    assert remedy in (row["help"] or "")
    if failure == "hangs":
        assert "in run" in row["output"], "where it hung"
    if failure == "prints":
        assert "hello" in row["output"] and "from below" in row["output"] and "logged" in row["output"]
        assert "hello" not in ran.printed
        assert check_row(tmp_path / "run", "odd.two")["output"] == ""
    if failure == "prints a gigabyte":  # only the beginning and the end are kept
        assert len(row["output"]) < 25_000
        assert "characters were not kept" in row["output"]
        assert (tmp_path / "run" / "audit.json").stat().st_size < 2_000_000
    if status == "error":
        report = (tmp_path / "run" / "report.html").read_text()
        assert "raikit-odd" in report and "odd.one" in report and "odd.one" in ran.printed
        assert 'type="crash"' in (tmp_path / "run" / "junit.xml").read_text()
    others = {name: metric for name, metric in numbers(tmp_path / "run").items() if name != "odd.count"}
    expected = {name: metric for name, metric in good_numbers[torch].items() if name != "odd.count"}
    assert others == expected


@pytest.mark.parametrize("failure", AT_IMPORT)
def test_a_plugin_that(failure, raikit, config, install, tmp_path):
    module, status, reason = AT_IMPORT[failure]
    environment = install(module)
    ran = raikit("audit", config, "--out", "run", *WITHOUT, code=3, **environment)
    plugin = plugin_row(tmp_path / "run", "odd")
    assert (plugin["status"], plugin["distribution"]) == (status, "raikit-odd")
    assert reason in plugin["reason"] and reason in ran.printed
    assert "raikit-odd" in (tmp_path / "run" / "report.html").read_text()
    raikit("audit", config, "--out", "without", *WITHOUT, "--disable", "raikit-odd", code=0, **environment)
    assert numbers(tmp_path / "run") == numbers(tmp_path / "without")


def test_two_distributions_with_one_entry_point_are_both_named_and_neither_is_loaded(raikit, config, install, tmp_path):
    install(odd_plugin())
    environment = install(odd_plugin(), name="raikit-odder")
    ran = raikit("audit", config, "--out", "run", *WITHOUT, code=3, **environment)
    assert "both have an entry point 'odd'" in ran.printed
    assert not any(check["name"].startswith("odd") for check in record(tmp_path / "run")["checks"])
    chosen = config.read_text() + "\n"
    config.write_text(chosen.replace("plugins:\n", "plugins:\n  use: {odd: raikit-odder}\n"))
    raikit("audit", config, "--out", "chosen", *SELECT, code=0, **environment)
    assert check_row(tmp_path / "chosen", "odd.one")["plugin"] == "raikit-odder"


@pytest.mark.parametrize("how", ["option", "configuration", "variable"])
def test_a_plugin_can_be_disabled_by(how, raikit, config, install, tmp_path):
    environment = install("1 / 0")
    options = ["--disable", "odd"] if how == "option" else []
    if how == "variable":
        environment["RAIKIT_DISABLE_PLUGINS"] = "odd, not-installed-here"
    if how == "configuration":
        config.write_text(config.read_text().replace("plugins:\n", "plugins:\n  disable: [odd]\n"))
    raikit("audit", config, "--out", "run", *WITHOUT, *options, code=0, **environment)
    assert plugin_row(tmp_path / "run", "odd")["status"] == "disabled"


def test_without_isolation_the_numbers_are_the_same(raikit, config, install, tmp_path):
    environment = install(odd_plugin())
    raikit("audit", config, "--out", "apart", *SELECT, code=0, **environment)
    raikit("audit", config, "--out", "here", "--isolation", "none", *SELECT, code=0, **environment)
    assert numbers(tmp_path / "apart") == numbers(tmp_path / "here")


GRADIENT = """
        import torch
        assert torch.is_grad_enabled()
        batch = next(iter(ctx.data.batches("test", 50)))
        encoded = {name: part.requires_grad_() for name, part in ctx.model.encode(batch).items()}
        ctx.model.forward(encoded)[:, 1].sum().backward()
        total = float(sum(part.grad.abs().sum() for part in encoded.values()))
        result = raikit.CheckResult(metrics=[raikit.Metric.exact("count", total)])
"""


@pytest.mark.long
def test_a_trained_model_is_the_same_in_a_child(raikit, audit_yaml, install, tmp_path):
    config = audit_yaml(
        checks=None, formats=["json"], model={"train": {"kind": "fusion", "epochs": 1}},
        data={"inputs": {"p": {"modality": "tabular", "columns": ["p"]}}, "split": {"validation": 0.1, "test": 0.3}},
    )  # fmt: skip
    environment = install(odd_plugin(GRADIENT.strip()))
    raikit("audit", config, "--out", "apart", *SELECT, code=0, **environment)
    raikit("audit", config, "--out", "here", "--isolation", "none", *SELECT, code=0, **environment)
    apart, here = (numbers(tmp_path / name) for name in ("apart", "here"))
    assert apart == here
    assert apart["odd.count"]["value"] > 0


COMPARES = """
    def compare(self, candidate, baseline, margins):
        import os
        {body}
        values = [run.record.find("odd.count").value for run in (baseline, candidate)]
        fields = dict(value=values[1] - values[0], low=0.5, high=2.0, p_value=0.001, margin=0.0, method="in another process")
        return [raikit.Comparison(metric=address, **fields) for address in margins.of]


class Even("""


def compares(body, value):
    module = odd_plugin().replace("\n\nclass Even(", COMPARES.replace("{body}", body))
    return module.replace('exact("count", 1)', f'exact("count", {value}, direction="lower")')


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_two_runs_are_compared_by_the_check_that_measured_them(isolation, raikit, audit_yaml, install, tmp_path):
    config = audit_yaml(checks=None, gate={"regressions": [{"metric": "odd.count", "margin": 0.0}]})
    raikit("audit", config, "--out", "first", "--no-baseline", *SELECT, code=0, **install(compares("pass", 1)))
    environment = install(compares("pass", 2))
    options = ["--baseline", "first", "--isolation", isolation]
    raikit("audit", config, "--out", "second", *options, *SELECT, code=1, **environment)
    (rule,) = record(tmp_path / "second")["gate"]["rules"]
    assert (rule["status"], rule["value"]) == ("fail", 1.0)
    assert "in another process" in rule["reason"]
    raikit("gate", "second", "--baseline", "first", code=1, **environment)


def test_a_comparison_that_ends_its_process_is_no_pass(raikit, audit_yaml, install, tmp_path):
    config = audit_yaml(checks=None, gate={"regressions": [{"metric": "odd.count", "margin": 0.0}]})
    environment = install(compares("os._exit(0)", 1))
    raikit("audit", config, "--out", "first", "--no-baseline", *SELECT, code=0, **environment)
    ran = raikit("audit", config, "--out", "second", "--baseline", "first", *SELECT, code=3, **environment)
    why = "odd.one crashed while comparing: it ended the process that it ran in (exit code 0)"
    assert why in record(tmp_path / "second")["gate"]["rules"][0]["reason"] and why in ran.printed
    assert why in raikit("gate", "second", "--baseline", "first", code=3, **environment).printed


LOCAL = """
import raikit


class Mine(raikit.Check):
    \"\"\"Mine.\"\"\"

    name = "mine.one"
    pillar = "mine"
    produces = ["mine.value"]
    requires = raikit.Requires({requires})

    def run(self, ctx):
        {body}
        return raikit.CheckResult(metrics=[raikit.Metric.exact("value", value)])
"""


@pytest.fixture
def local(raikit, audit_yaml, tmp_path):
    """Audit with a local check whose `run` begins with `body`; return its row."""

    def local(body, code, *options, requires="", **over):
        config = audit_yaml(checks={"mine": {}}, plugins={"local": ["checks.py"], "timeout": 8}, **over)
        (tmp_path / "checks.py").write_text(LOCAL.format(body=body, requires=requires))
        local.printed = raikit("audit", config, "--out", f"run{len(list(tmp_path.glob('run*')))}", *options, code=code).printed
        newest = max(tmp_path.glob("run*"), key=lambda path: path.name)
        return check_row(newest, "mine.one")

    return local


def test_a_local_check_that_hangs_is_ended_too(local):
    row = local("import time; time.sleep(1000)", 3)
    assert "did not finish within 8 seconds" in row["reason"]
    assert "checks.py" in row["output"]


def test_a_crash_is_told_with_its_line(local):
    local("1 / 0", 3)
    assert "error: ZeroDivisionError: division by zero (checks.py, line 14)" in local.printed


def test_a_check_may_find_nothing_to_measure_when_it_runs(local):
    for options in ([], ["--isolation", "none"]):
        row = local("raise raikit.SkipCheck('no row has a date', help='rows with dates')", 5, *options)
        assert (row["status"], row["reason"], row["help"]) == ("skipped", "no row has a date", "rows with dates")


def test_a_column_without_a_role_is_read_if_it_is_kept(local):
    look = "value = int(ctx.data.frame(['race'], 'test')['race'].nunique())"
    for options in ([], ["--isolation", "none"]):
        row = local(look, 0, *options, requires="columns={'race'}", data={"sensitive": ["sex"], "keep": ["race"]})
        assert row["metrics"][0]["value"] == 3
    row = local(look, 5, requires="columns={'race'}", data={"sensitive": ["sex"]})
    assert (row["status"], row["reason"]) == ("skipped", "no column 'race' was read")
    assert "data.keep: [race]" in row["help"]


def test_a_local_file_that_ends_the_process_on_import_does_not_end_the_audit(raikit, audit_yaml, tmp_path):
    (tmp_path / "checks.py").write_text("import os; os._exit(0)")
    ran = raikit("audit", audit_yaml(plugins={"local": ["checks.py"]}), "--out", "run", code=3)
    assert "checks.py of local could not be loaded: loading it ended the process that it ran in (exit code 0)" in ran.printed


def test_a_check_that_is_asked_for_and_lost_with_its_plugin_is_no_typing_mistake(raikit, audit_yaml, install, tmp_path):
    config = audit_yaml(checks=["odd.one", "performance.classification"])
    environment = install("import nowhere_to_be_found")
    ran = raikit("audit", config, "--out", "run", code=3, **environment)
    row = check_row(tmp_path / "run", "odd.one")
    assert (row["status"], row["plugin"]) == ("not_loaded", "raikit-odd")
    assert "No module named 'nowhere_to_be_found'" in row["reason"] and "odd.one" in ran.printed
    assert check_row(tmp_path / "run", "performance.classification")["status"] == "ok"
    assert "odd could not be loaded" in raikit("plugins", "info", "odd.one", code=2, **environment).printed


def test_a_check_that_spoils_the_predictions_and_then_crashes_spoils_nobodys(raikit, config, install, tmp_path):
    environment = install(odd_plugin("ctx.predictions.path.write_bytes(b'spoiled'); 1 / 0"))
    raikit("audit", config, "--out", "run", *SELECT, code=3, **environment)
    assert check_row(tmp_path / "run", "odd.two")["status"] == "ok"


def test_a_model_that_raises_is_told_as_the_models_fault(raikit, audit_yaml, tmp_path):
    (tmp_path / "mine.py").write_text("""
class Broken:
    classes_ = [0, 1]

    def predict(self, rows):
        return [0] * len(rows)

    def predict_proba(self, rows):
        raise ArithmeticError("no such thing")


def build():
    return Broken()
""")
    config = audit_yaml(
        model={"load": {"kind": "sklearn", "path": "mine:build"}},
        data={"inputs": {"p": {"modality": "tabular", "columns": ["p"]}}},
    )
    ran = raikit("audit", config, "--out", "run", code=2)
    assert "the model (sklearn) raised ArithmeticError for the cases from id 'c0' on: no such thing" in ran.printed
    assert not (tmp_path / "run").exists()
