"""Careless plugins: mistakes in hooks, formats, listeners, classes and metadata that once broke a whole audit."""

import pytest
from journey import check_row, numbers, plugin_row, record
from odd_plugin import SELECT, WITHOUT, odd_plugin

GOOD = odd_plugin()


@pytest.fixture
def config(audit_yaml):
    """An audit.yaml that selects no check by itself, and writes the record alone."""
    return audit_yaml(checks=None, plugins={"timeout": 120})


@pytest.mark.parametrize(
    "hook",
    [
        "@raikit.hookimpl\ndef raikit_checks():\n    import os; os._exit(0)",
        "@raikit.hookimpl\ndef raikit_checks():\n    import ctypes; ctypes.string_at(0)",
    ],
)
def test_a_hook_that_ends_the_process_is_an_error_everywhere(hook, raikit, config, install, tmp_path):
    environment = install(f"import raikit\nraikit_api = 1\n\n{hook}\n")
    ran = raikit("audit", config, "--out", "run", *WITHOUT, code=3, **environment)
    assert "loading it ended the process" in ran.printed
    assert "loading it ended the process" in raikit("plugins", "list", "--load", code=0, **environment).out
    raikit("gate", "run", code=3, **environment)  # the record says that a plugin was lost


FORMATS = """
import os, threading, raikit

raikit_api = 1


def write(record, folder):
    {body}


@raikit.hookimpl
def raikit_report_formats():
    return {{"paper": write}}


@raikit.hookimpl
def raikit_run_finished(record, run):
    {listener}


@raikit.hookimpl
def raikit_check_finished(result, run):
    {listener}
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os._exit(0)", "it ended the process that it ran in (exit code 0)"),
        ("return 'report.txt'", "it must return a list of the paths"),
        ("return [folder / 'nothing']", "which is not a file in"),
        ("return [folder.parent / 'audit.yaml']", "which is not a file in"),
    ],
)
def test_a_format_that_does_not_do_what_it_should_is_a_crash(body, message, raikit, audit_yaml, install, tmp_path):
    environment = install(FORMATS.format(body=body, listener="pass"))
    run = raikit("audit", audit_yaml(formats=["paper", "json"]), "--out", "run", *WITHOUT, code=3, **environment)
    assert message in run.printed and message in " ".join(record(tmp_path / "run")["gate"]["warnings"])
    raikit("verify", "run", code=0)
    assert message in raikit("report", "run", "--formats", "paper", code=3, **environment).printed


@pytest.mark.parametrize(
    ("listener", "message"),
    [
        ("os._exit(0)", "it ended the process that it ran in (exit code 0)"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise GeneratorExit", "GeneratorExit"),
    ],
)
def test_a_listener_changes_nothing(listener, message, raikit, audit_yaml, install, tmp_path):
    config = audit_yaml(gate={"rules": [{"metric": "performance.accuracy", "min": 0.99}]})
    environment = install(FORMATS.format(body="return []", listener=listener))
    assert message in raikit("audit", config, "--out", "run", *WITHOUT, code=1, **environment).printed


def test_a_listener_and_a_format_have_copies(raikit, audit_yaml, install, tmp_path):
    spoil = "[setattr(m, 'value', 0.5) for check in (getattr(record, 'checks', None) or []) for m in check.metrics]"
    module = FORMATS.format(body=f"{spoil}; raise OSError", listener="pass")
    module += "\n\n@raikit.hookimpl(specname='raikit_check_finished')\ndef spoiler(result):\n    result.metrics.clear()\n"
    for isolation in ("process", "none"):
        raikit("audit", audit_yaml(formats=["paper", "json"]), "--out", isolation, *WITHOUT, "--isolation", isolation,
               code=3, **install(module))  # fmt: skip
    raikit("audit", audit_yaml(), "--out", "good", *WITHOUT, code=0)
    assert numbers(tmp_path / "process") == numbers(tmp_path / "good")


def test_what_a_plugin_leaves_for_the_end_does_not_change_the_exit_code(raikit, audit_yaml, install, tmp_path):
    module = "import atexit, os, signal, threading, time\natexit.register(os._exit, 0)\nsignal.alarm(1)\n"
    module += "threading.Thread(target=time.sleep, args=(1000,)).start()\n" + GOOD
    config = audit_yaml(gate={"rules": [{"metric": "performance.accuracy", "min": 0.99}]})
    raikit("audit", config, "--out", "run", *WITHOUT, code=1, **install(module))


CLASSES = {
    'cost = "medium"': "cost is 'quick' or 'slow'",
    "pillar = None": "has no `pillar`",
    "produces = None": "`produces` is a list of address patterns",
    'requires = {"columns": ["target"]}': "`requires` is raikit.Requires(…), not dict",
    "Options = 3": "Options must be a subclass",
    "prefix = classmethod(lambda cls: 1 / 0)": "cannot be inspected: ZeroDivisionError",
}


@pytest.mark.parametrize("attribute", CLASSES)
def test_a_class_that_breaks_the_contract_is_its_own_row_and_stops_nobody(attribute, raikit, config, install, tmp_path):
    module = GOOD.replace('    produces = ["odd.count"]\n', f'    produces = ["odd.count"]\n    {attribute}\n')
    environment = install(module)
    raikit("audit", config, "--out", "run", *SELECT, code=3, **environment)
    row = check_row(tmp_path / "run", "odd.one")
    assert row["status"] == "error" and CLASSES[attribute] in row["reason"]
    assert check_row(tmp_path / "run", "odd.two")["status"] in ("ok", "error")
    assert check_row(tmp_path / "run", "performance.classification")["status"] == "ok"
    raikit("plugins", "info", "odd", code=0, **environment)
    raikit("schema", code=0, **environment)


OPTIONS = {
    "call: __import__('collections.abc').abc.Callable = print": ("error", "its options cannot be created or written as JSON"),
    "column: str": ("skipped", "it needs options"),
    "thing: object = object()": ("error", "its options cannot be created or written as JSON"),
    "x: int = __import__('pydantic').Field(default_factory=lambda: {}['nothing'])": ("error", "its options cannot be created or written as JSON"),
}


@pytest.mark.parametrize("field", OPTIONS)
def test_options_of_a_check_that_nobody_asked_for_stop_nobody(field, raikit, config, install, tmp_path):
    options = f"\n    class Options(raikit.CheckOptions):\n        {field}\n"
    environment = install(GOOD.replace('    produces = ["odd.count"]\n', f'    produces = ["odd.count"]\n{options}', 1))
    status, message = OPTIONS[field]
    raikit("audit", config, "--out", "run", *WITHOUT, code=0, **environment)
    raikit("audit", config, "--out", "all", "--select", "odd", "--select", "performance.classification",
           code=0 if status == "skipped" else 3, **environment)  # fmt: skip
    row = check_row(tmp_path / "all", "odd.one")
    assert row["status"] == status and message in row["reason"]
    raikit("plugins", "info", "odd.one", code=0, **environment)
    assert raikit("schema", code=0, **environment).out.startswith("{")


@pytest.mark.parametrize("broken", ["no version", "no metadata", "a dash"])
def test_metadata_that_a_broken_uninstall_left_is_no_crash_of_raikit(broken, raikit, config, install, tmp_path):
    environment = install(GOOD)
    info = tmp_path / "site" / "raikit_odd-1.0.dist-info"
    if broken == "no version":
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: raikit-odd\n")
    elif broken == "no metadata":
        (info / "METADATA").unlink()
    else:
        (info / "entry_points.txt").write_text("[raikit]\nodd = raikit-odd\n")
    assert "odd" in raikit("plugins", code=0, **environment).out
    raikit("audit", config, "--out", "run", *WITHOUT, code=3 if broken == "a dash" else 0, **environment)


IMPORTS = {
    "import pytest; pytest.importorskip('nowhere_to_be_found')": "could not import 'nowhere_to_be_found'",
    "import asyncio; raise asyncio.CancelledError": "CancelledError",
    "def __getattr__(name): raise KeyError(name)": "KeyError",
    "input()": "EOFError",
    "class Odd(Exception):\n    def __str__(self): raise TypeError\nraise Odd": "Odd (its message cannot be written)",
}


@pytest.mark.parametrize("module", IMPORTS)
def test_whatever_an_import_raises_is_the_plugins_error(module, raikit, config, install, tmp_path):
    ran = raikit("audit", config, "--out", "run", *WITHOUT, code=3, **install(module))
    plugin = plugin_row(tmp_path / "run", "odd")
    assert plugin["status"] == "error" and IMPORTS[module] in plugin["reason"] and IMPORTS[module] in ran.printed


def test_a_plugin_that_wraps_standard_output_on_import_closes_nothing(raikit, config, install, tmp_path):
    module = "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\n" + GOOD
    assert "May the model “people” be released?" in raikit("audit", config, "--out", "run", *SELECT, code=0, **install(module)).out


def test_a_result_that_the_gate_could_not_digest_is_refused(raikit, config, install, tmp_path):
    for number, fields in enumerate(("level=1.0", "n=-5", "profile=[(0, 0), (1, 2)]", "profile=[(1, 2)]")):
        metric = f'raikit.Metric("count", 0.5, low=0.1, high=0.9, method="m", **(dict(n=9) | dict({fields})))'
        environment = install(odd_plugin(f"result = raikit.CheckResult(metrics=[{metric}])"))
        raikit("audit", config, "--out", f"run{number}", *SELECT, code=3, **environment)
        assert "ValidationError" in check_row(tmp_path / f"run{number}", "odd.one")["reason"] or "not valid" in (
            check_row(tmp_path / f"run{number}", "odd.one")["reason"])  # fmt: skip


def test_an_entry_point_that_is_disabled_is_not_loaded_for_its_sibling(raikit, config, install, tmp_path):
    environment = install(GOOD)
    info = tmp_path / "site" / "raikit_odd-1.0.dist-info"
    (info / "entry_points.txt").write_text("[raikit]\nodd = raikit_odd\nodd_gpu = raikit_odd_gpu\n")
    (tmp_path / "site" / "raikit_odd_gpu.py").write_text("import os; os._exit(3)")
    raikit("audit", config, "--out", "run", *SELECT, "--disable", "odd_gpu", code=0, **environment)
    assert check_row(tmp_path / "run", "odd.one")["status"] == "ok"


def test_an_artifact_with_an_impossible_name_and_a_strange_variable_are_its_own_fault(raikit, config, install, tmp_path):
    body = "result = raikit.CheckResult(artifacts=[raikit.Artifact(path='x' * 300, title='A')])"
    raikit("audit", config, "--out", "long", *SELECT, code=3, **install(odd_plugin(body)))
    assert check_row(tmp_path / "long", "odd.two")["status"] == "ok"
    body = "import os; os.environ['B\\\\udcffD'] = '1'"
    raikit("audit", config, "--out", "strange", *SELECT, code=0, **install(odd_plugin(body)))
    assert any("it changed the environment" in warning for warning in check_row(tmp_path / "strange", "odd.one")["warnings"])
