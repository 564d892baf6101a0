"""A package that `raikit plugins new` writes works as it is written, under any name (raikit.scaffold)."""

import datetime
import os
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

import raikit
from raikit.errors import ConfigError
from raikit.scaffold import KINDS, names_of, write_package

LONGEST = "a" * 40
PROVIDES = {
    "check": {"selective.py", "test_selective.py"},
    "report": {"metrics_csv.py", "test_metrics_csv.py"},
    "model": {"linear.py", "test_linear.py", "weights.json"},
}
COMMON = {
    ".gitignore", "test.yml", "LICENSE", "README.md", "pyproject.toml", "__init__.py", "audit.yaml", "cases.csv", "test_example.py",
}  # fmt: skip


@pytest.fixture(params=sorted(KINDS))
def kind(request):
    return request.param


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture
def installed(tmp_path, write_distribution):
    """Install a package: ``installed(folder)`` returns the folder for ``sys.path`` that holds it."""

    def installed(folder):
        metadata, site = project(folder), tmp_path / f"site-{folder.name}"
        write_distribution(site, metadata["name"], metadata["entry-points"]["raikit"], version=metadata["version"])
        for package in (folder / "src").iterdir():
            (site / package.name).symlink_to(package, target_is_directory=True)
        return site

    return installed


@pytest.mark.parametrize(
    ("name", "distribution", "package", "plugin"),
    [
        ("my-check", "raikit-my-check", "raikit_my_check", "my_check"),
        ("raikit-my-check", "raikit-my-check", "raikit_my_check", "my_check"),
        ("RAIKIT_My..Check", "raikit-my-check", "raikit_my_check", "my_check"),
        ("x", "raikit-x", "raikit_x", "x"),
        ("raikitty", "raikit-raikitty", "raikit_raikitty", "raikitty"),
        (LONGEST, f"raikit-{LONGEST}", f"raikit_{LONGEST}", LONGEST),
    ],
)
def test_a_name_is_put_in_the_four_forms_that_are_needed(name, distribution, package, plugin):
    names = names_of(name)
    assert (names.distribution, names.package, names.plugin) == (distribution, package, plugin)


@pytest.mark.parametrize("name", ["", "-x", "x-", "3d", "a b", "a/b", "../x", "ümlaut", "raikit-", "raikit-3d", "a\n", ".."])
def test_an_invalid_name_is_refused_and_nothing_is_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="begins with a letter"):
        write_package(name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fairness", "a plugin that raikit has installed"),
        ("raikit-fairness", "a plugin that raikit has installed"),
        ("explain", "a plugin that raikit has installed"),  # raikit_explain is its module
        ("robustness", "reserves"),
        ("raikit", "reserves"),
        ("raikit-raikit", "reserves"),
        (LONGEST + "a", "at most 40"),
    ],
)
def test_a_name_that_is_taken_or_too_long_is_refused(name, says):
    with pytest.raises(ConfigError, match=says):
        names_of(name)


def test_the_name_of_an_installed_plugin_is_refused(install):
    install("raikit-theirs", {"mine": "their_module"}, {"their_module": "raise SystemExit('imported')"})
    for name in ("mine", "theirs"):
        with pytest.raises(ConfigError, match="raikit-theirs has installed"):
            names_of(name)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ConfigError, match="exists already"):
            write_package("my-check", out=place)
    assert [path.name for path in files(tmp_path)] == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert write_package("my-check", out=tmp_path / "empty") == tmp_path / "empty"


def test_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--kind must be check, report or model; got 'pillar'"):
        write_package("my-check", "pillar", tmp_path / "x")


def test_every_file_is_there_and_no_placeholder_is_left(kind, tmp_path):
    folder = write_package("my-thing", kind, tmp_path / "x")
    assert {path.name for path in files(folder)} == COMMON | PROVIDES[kind]
    assert (folder / "src" / "raikit_my_thing" / "__init__.py").is_file()
    assert (folder / ".github" / "workflows" / "test.yml").is_file()
    for path in files(folder):
        assert not re.search("plugin_name|plugin-name|THE_YEAR", path.read_text("utf-8") + path.name), path
    year = datetime.datetime.now(datetime.UTC).year
    assert f"Copyright (c) {year} the authors" in (folder / "LICENSE").read_text("utf-8")


def test_it_requires_this_version_and_has_an_entry_point(kind, tmp_path):
    metadata = project(write_package("my-thing", kind, tmp_path / "x"))
    assert metadata["name"] == "raikit-my-thing"
    assert metadata["entry-points"] == {"raikit": {"my_thing": "raikit_my_thing"}}
    [requirement] = map(Requirement, metadata["dependencies"])
    assert requirement.name == "raikit"
    assert requirement.specifier.contains(raikit.__version__)


@pytest.mark.parametrize("name", ["a", "my-thing", LONGEST])
def test_it_is_linted_and_formatted_whatever_its_name(kind, name, tmp_path):
    folder = write_package(name, kind, tmp_path / "x")
    for arguments in (["check", "--isolated"], ["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_it_passes_its_own_tests(kind, installed, tmp_path):
    folder = write_package("my-thing", kind, tmp_path / "x")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(installed(folder)), *sys.path])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_packages_can_be_tested_in_one_call(installed, tmp_path):
    """Both have a ``test_example.py``."""
    folders = [write_package(name, "check", tmp_path / name) for name in ("one", "two")]
    sites = [str(installed(folder)) for folder in folders]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", "one", "two"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sites, *sys.path])}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("test_example.py::") == 2
