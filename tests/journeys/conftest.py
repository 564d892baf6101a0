"""The command line as people use it: in a folder of its own, with what it prints and how it exits."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers of these tests

from journey import write_audit_yaml


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def printed(self) -> str:
        """Both streams."""
        return self.out + self.err


@pytest.fixture
def raikit(tmp_path, monkeypatch, capfd):
    """Run ``raikit …`` in an empty folder: in this process, or in one of its own with `environment`."""

    def raikit(*arguments, code=None, **environment) -> Ran:
        ran = _apart(arguments, environment) if environment else _here(arguments)
        if code is not None:
            assert ran.code == code, f"exit {ran.code}, not {code}:\n{ran.printed}"
        return ran

    def _here(arguments) -> Ran:
        from raikit.cli import main

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        capfd.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        return Ran(exit_code, *capfd.readouterr())

    def _apart(arguments, environment) -> Ran:
        command = [sys.executable, "-m", "raikit", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, **environment}, timeout=600
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return raikit


@pytest.fixture
def audit_yaml(tmp_path):
    """Write a table and an audit.yaml beside it, ``audit_yaml(table, checks=…, gate=…)``; see `write_audit_yaml`."""
    return partial(write_audit_yaml, tmp_path)


@pytest.fixture
def config(audit_yaml):
    """An audit.yaml that selects no check by itself."""
    return audit_yaml(checks=None, plugins={"timeout": 120}, formats=["json", "html", "junit"])


@pytest.fixture
def install(tmp_path, write_distribution):
    """Install a distribution of one module, ``install(source)``; returns the environment of commands that see it."""

    def install(source, name="raikit-odd", point="odd", version="1.0"):
        module = name.replace("-", "_")
        write_distribution(tmp_path / "site", name, {point: module}, {module: source}, version)
        return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path])}

    return install


@pytest.fixture
def install_package(tmp_path, write_distribution):
    """Install a package that ``raikit plugins new`` wrote, ``install_package(folder)``; as `install`."""

    def install_package(folder):
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        write_distribution(
            tmp_path / "site", project["name"], project["entry-points"]["raikit"], version=project["version"]
        )
        return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(folder / "src"), *sys.path])}

    return install_package
