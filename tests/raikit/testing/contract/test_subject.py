"""Which plugins can be tested (raikit.testing.contract.subject), and the conformance test of each."""

import sys
import textwrap
import types
from pathlib import Path

import pytest

import raikit
from raikit.errors import ConfigError
from raikit.testing import check_conformance, conformance, model


def test_a_plugin_is_found_by_the_name_of_its_entry_point_or_of_its_distribution(install, plugin_source, broken):
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": plugin_source})
    by_name, by_distribution = conformance("mine"), conformance("raikit-mine")
    assert by_name == by_distribution
    assert broken(by_name) == {}
    assert {outcome.check for outcome in by_name} == {"mine", "mine.rows"}
    check_conformance(sys.modules["mine_plugin"])


def test_a_local_file_and_a_check_by_itself_are_held_to_the_same_rules(tmp_path, check_source, good, broken):
    path = tmp_path / "checks.py"
    path.write_text(check_source)
    outcomes = conformance(path)
    assert broken(outcomes) == {}
    assert {outcome.rule: outcome.status for outcome in outcomes if outcome.check == "checks.py"} == {
        "loads": "ok", "imports": "ok", "api": "not applicable", "hooks": "not applicable", "names": "ok"
    }  # fmt: skip
    of_file = {outcome.rule for outcome in outcomes if outcome.check == "mine.rows"}
    assert of_file | {"imports"} == {outcome.rule for outcome in conformance(good)}


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ("perfromance", "no installed plugin is called 'perfromance'. Did you mean 'performance'?"),
        ("raikit", "raikit has several entry points"),
        (Path("nowhere.py"), "there is no file 'nowhere.py'"),
        (Path("tests"), "has no pyproject.toml and no __init__.py; name a file of checks, an installed plugin, or a package's folder"),
    ],
)
def test_a_plugin_that_does_not_exist_is_named(plugin, message):
    with pytest.raises(ConfigError) as raised:
        conformance(plugin)
    assert message in str(raised.value)


def test_an_object_that_is_not_a_plugin_is_refused():
    with pytest.raises(TypeError, match="not 7"):
        conformance(7)


def test_a_plugin_may_be_a_module_with_a_format_and_a_loader(broken):
    def write(record, folder):
        (folder / "short.txt").write_text(record.verdict, encoding="utf-8")
        return [folder / "short.txt"]

    def load(spec, data):
        if unknown := set(spec) - {"kind"}:
            raise ValueError(f"model.load.{min(unknown)}: no such key")
        return model(data)

    module = types.ModuleType("made_here")
    module.raikit_api = 1
    module.raikit_report_formats = raikit.hookimpl(lambda: {"short": write})
    module.raikit_model_loaders = raikit.hookimpl(lambda: {"mine": load})
    outcomes = conformance(module)
    assert broken(outcomes) == {}
    assert {outcome.check for outcome in outcomes} == {"made_here", "report format short", "model loader mine"}
    untried = {outcome.rule for outcome in outcomes if outcome.status == "not applicable"}
    assert untried == {"imports"}, textwrap.shorten(str(outcomes), 500)


def package(folder, plugin_source, where="src", declaration='[project.entry-points.raikit]\nnew = "fresh_plugin"\n'):
    (folder / where / "fresh_plugin").mkdir(parents=True)
    (folder / where / "fresh_plugin" / "__init__.py").write_text(textwrap.dedent(plugin_source))
    if declaration:
        (folder / "pyproject.toml").write_text(declaration)
    return folder


@pytest.fixture
def clean_imports(monkeypatch):
    """Forget afterwards what was imported from a folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "fresh_plugin"]:
        del sys.modules[name]


POETRY = '[tool.poetry.plugins.raikit]\nnew = "fresh_plugin"\n'


@pytest.mark.usefixtures("clean_imports")
@pytest.mark.parametrize("layout", [{}, {"where": "."}, {"declaration": POETRY}])
def test_a_folder_of_a_package_that_is_not_installed_is_tested(tmp_path, plugin_source, broken, layout):
    outcomes = conformance(package(tmp_path, plugin_source, **layout))
    assert broken(outcomes) == {}
    assert {outcome.check for outcome in outcomes} == {"new", "mine.rows"}
    assert next(one for one in outcomes if one.rule == "imports").status == "ok"


@pytest.mark.usefixtures("clean_imports")
def test_the_import_package_itself_is_tested_too(tmp_path, plugin_source, broken):
    folder = package(tmp_path, plugin_source, declaration="") / "src" / "fresh_plugin"
    assert broken(conformance(folder)) == {}


@pytest.mark.usefixtures("clean_imports")
def test_all_plugins_of_a_folder_are_tested_and_one_that_cannot_be_imported_breaks_only_its_own_rule(tmp_path, plugin_source, broken):
    declaration = '[project.entry-points.raikit]\nnew = "fresh_plugin"\nlost = "fresh_plugin.lost"\n'
    outcomes = conformance(package(tmp_path, plugin_source, declaration=declaration))
    assert set(broken(outcomes)) == {"loads"}
    assert {outcome.check for outcome in outcomes} == {"new", "lost", "mine.rows"}


@pytest.mark.usefixtures("clean_imports")
def test_a_folder_that_declares_nothing_or_whose_module_comes_from_elsewhere_is_told(tmp_path, plugin_source, broken):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(ConfigError, match=r"declares no plugin; add \[project\.entry-points\.raikit\]"):
        conformance(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        conformance(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project.entry-points.raikit]\nnew = "textwrap"\n')
    assert "not from" in broken(conformance(tmp_path))["loads"]
