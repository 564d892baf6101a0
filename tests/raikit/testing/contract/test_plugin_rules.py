import sys
import textwrap
import types
from pathlib import Path

import pytest
from pydantic import BaseModel

from raikit.errors import ConfigError
from raikit.testing import check_conformance, conformance
from raikit.testing.contract import format_rules, loader_rules, plugin_rules
from raikit.testing.contract.rule import held
from raikit.testing.contract.subject import subject_of

CHECK = '''
import raikit

class Rows(raikit.Check):
    """Counts rows."""
    name = "mine.rows"
    pillar = "mine"
    produces = ["mine.rows"]
    def run(self, ctx):
        return raikit.CheckResult(metrics=[raikit.Metric.exact("rows", ctx.predictions.size())])
'''
PLUGIN = CHECK + """
raikit_api = 1

@raikit.hookimpl
def raikit_checks():
    return [Rows]
"""


def failed(found):
    return {one.rule: one.reason for one in found if one.status == "failed"}


# --- what may be examined ---------------------------------------------------------------------------------------


def test_a_plugin_is_found_by_the_name_of_its_entry_point_or_of_its_distribution(install):
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": PLUGIN})
    by_name, by_distribution = conformance("mine"), conformance("raikit-mine")
    assert by_name == by_distribution
    assert failed(by_name) == {}
    assert {one.check for one in by_name} == {"mine", "mine.rows"}
    check_conformance(sys.modules["mine_plugin"])


def test_a_local_file_and_a_check_by_itself_are_held_to_the_same_rules(tmp_path, good):
    path = tmp_path / "checks.py"
    path.write_text(CHECK)
    found = conformance(path)
    assert failed(found) == {}
    assert {one.rule: one.status for one in found if one.check == "checks.py"} == {
        "loads": "ok", "imports": "ok", "api": "not applicable", "hooks": "not applicable", "names": "ok"
    }  # fmt: skip
    of_file = {one.rule for one in found if one.check == "mine.rows"}
    assert of_file | {"imports"} == {one.rule for one in conformance(good)}


@pytest.mark.parametrize(
    ("plugin", "says"),
    [
        ("perfromance", "no installed plugin is called 'perfromance'. Did you mean 'performance'?"),
        ("raikit", "raikit has several entry points"),
        (Path("nowhere.py"), "there is no file 'nowhere.py'"),
        (Path("."), "give a file of checks, or the name of an installed plugin"),
    ],
)
def test_what_is_not_there_is_said(plugin, says):
    with pytest.raises(ConfigError) as raised:
        conformance(plugin)
    assert says in str(raised.value)


def test_a_thing_that_is_no_plugin_is_refused():
    with pytest.raises(TypeError, match="not 7"):
        conformance(7)


# --- plugins ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "rule", "says"),
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
        ("return [Rows]", "return [Rows, type('Rows', (Rows,), {'__doc__': 'Again.'})]", "names", "two checks are called 'mine.rows'"),
    ],
)  # fmt: skip
def test_a_plugin_that_is_bad_in_one_way_breaks_that_rule_and_no_other(install, tmp_path, old, new, rule, says):
    source = PLUGIN.replace(old, new)
    assert source != PLUGIN
    if rule == "hooks" and not says:
        source, says = PLUGIN + "\n@raikit.hookimpl\ndef raikit_run_finished(report): pass\n", "report"
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": source, "altair": ""})
    found = failed(held(plugin_rules.cases(subject_of("mine"))))
    assert set(found) == {rule}, found
    assert says in found[rule]


def test_an_empty_file_of_checks_brings_nothing(tmp_path):
    (tmp_path / "checks.py").write_text("import raikit\n")
    assert failed(conformance(tmp_path / "checks.py")) == {"loads": "it defines no subclass of raikit.Check"}


# --- report formats ---------------------------------------------------------------------------------------------


def write(record, folder):
    path = folder / "short.txt"
    path.write_text(record.verdict + "\n" + "\n".join(check.name for check in record.checks), encoding="utf-8")
    return [path]


def returning(value):
    def bad(record, folder):
        write(record, folder)
        return value(folder) if callable(value) else value

    return bad


def touches_the_record(record, folder):
    (folder / "audit.json").write_text("{}")
    return write(record, folder)


def changes_the_record(record, folder):
    record.name = "mine"
    return write(record, folder)


def trusts(record, folder):
    assert "<" not in record.checks[0].name + record.name
    return write(record, folder)


def counts(record, folder, seen=[]):  # noqa: B006
    seen.append(1)
    (folder / "short.txt").write_text(str(len(seen)))
    return [folder / "short.txt"]


def moves(record, folder):
    import os

    os.environ["RAIKIT_TEST"] = "1"
    return write(record, folder)


@pytest.mark.parametrize(
    ("writer", "rule", "says"),
    [
        (touches_the_record, "evidence", "it changed audit.json"),
        (changes_the_record, "evidence", "the record in memory"),
        (trusts, "any_record", "from a record with nothing in it: it raised IndexError"),
        (lambda record, folder: write(record, folder) if not record.checks else trusts(record, folder), "any_record", "hostile text: it raised AssertionError"),
        (counts, "repeatable", "short.txt is different the second time"),
        (moves, "global_state", "it changed the environment"),
    ],
)  # fmt: skip
def test_a_format_that_is_bad_in_one_way_breaks_that_rule_and_no_other(writer, rule, says):
    assert failed(held(format_rules.cases("short", write))) == {}
    found = failed(held(format_rules.cases("short", writer)))
    assert set(found) == {rule}, found
    assert says in found[rule]


@pytest.mark.parametrize(
    ("writer", "says"),
    [
        (returning(None), "returned NoneType; the list of the files"),
        (returning([]), "it wrote short.txt and does not say so"),
        (returning(lambda folder: [folder / "short.txt", folder / "long.txt"]), "it wrote long.txt, which is not there"),
        (returning(lambda folder: [folder / "short.txt", Path(__file__)]), "outside the run's folder"),
        (lambda record, folder: sys.exit(3), "it raised SystemExit: 3"),
    ],
)
def test_a_format_that_does_not_say_what_it_wrote_fails_wherever_it_is_tried(writer, says):
    assert says in failed(held(format_rules.cases("short", writer)))["files"]


# --- model loaders ----------------------------------------------------------------------------------------------


def tables(spec, data):
    from raikit.testing import model

    if stray := set(spec) - {"kind"}:
        raise ValueError(f"model.load.{sorted(stray)[-1]}: no such key" if stray != {"no_such_key", "path"} else "no_such_key, path")
    return model(data)


@pytest.mark.parametrize(
    ("loader", "rule", "says"),
    [
        (lambda spec, data: tables({}, data), "keys", "takes `no_such_key: 1` in silence"),
        (lambda spec, data: tables({}, data) if len(spec) == 1 else 1 / 0, "keys", "does not name `no_such_key`"),
        (lambda spec, data: tables({}, data) if len(spec) == 1 else sys.exit(2), "keys", "ends the process"),
        (lambda spec, data: tables(spec, data) and "model", "loads", "it gave str, not a raikit.Model"),
    ],
)
def test_a_loader_that_is_bad_in_one_way_breaks_that_rule_and_no_other(loader, rule, says):
    assert failed(held(loader_rules.cases("mine", tables))) == {}
    found = failed(held(loader_rules.cases("mine", loader)))
    assert set(found) == {rule}, found
    assert says in found[rule]


class Settings(BaseModel):
    kind: str
    path: Path


@pytest.mark.parametrize(
    ("loader", "says"),
    [
        (lambda spec, data: Settings.model_validate(dict(spec)), "model.load.path: this key is required"),
        (lambda spec, data: Settings.model_validate({"path": 5, **spec}), "model.load.path: Input is not a valid path for"),
        (lambda spec, data: [][0], "list index out of range"),
    ],
)
def test_what_a_loader_asks_for_is_said_in_a_sentence(loader, says):
    loads = next(one for one in held(loader_rules.cases("mine", loader)) if one.rule == "loads")
    assert loads.status == "not applicable"
    assert loads.reason.startswith(f"the kit does not know what to load: {says}")
    assert "pydantic" not in loads.reason


def test_raikits_own_loaders_are_held_to_the_same_rules():
    from raikit.models.loaders import LOADERS

    for name, loader in LOADERS.items():
        found = held(loader_rules.cases(name, loader))
        assert failed(found) == {}
        assert {one.rule: one.status for one in found} == {"keys": "ok", "loads": "not applicable"}


def test_a_plugin_may_be_a_module_that_brings_a_format_and_a_loader():
    import raikit

    module = types.ModuleType("made_here")
    module.raikit_api = 1
    module.raikit_report_formats = raikit.hookimpl(lambda: {"short": write})
    module.raikit_model_loaders = raikit.hookimpl(lambda: {"mine": tables})
    found = conformance(module)
    assert failed(found) == {}
    assert {one.check for one in found} == {"made_here", "report format short", "model loader mine"}
    untried = {one.rule for one in found if one.status == "not applicable"}
    assert untried == {"imports"}, textwrap.shorten(str(found), 500)
