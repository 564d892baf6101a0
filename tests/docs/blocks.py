"""The code blocks of a page, run as a reader would copy them, in the order of the page.

A comment before a block states what it needs:

    <!-- run: people -->           functions of `places` that prepare the folder, by name
    <!-- file: checks.py -->       the block is this file, which later blocks use
    <!-- exit: 1 -->               the exit code of the last command; 0 without this comment
    <!-- not run: reason -->       why the block does not run

The language of a block decides how it runs. A block that neither runs nor states why fails the test. Libraries such as Sybil
find blocks too, but cannot require that none is left out.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import places
import yaml
from markdown_it import MarkdownIt

_NOTE = re.compile(r"<!--\s*(run|file|exit|not run):\s*(.+?)\s*-->", re.DOTALL)
_LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SECONDS = 300


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with the comments before it."""

    page: Path
    line: int
    language: str
    text: str
    notes: dict[str, str]

    @property
    def where(self) -> str:
        return f"{self.page.name}, line {self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, without those of Sphinx such as ``{toctree}``."""
    fenced, notes = [], {}
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            notes |= dict(_NOTE.findall(token.content))
        elif token.type == "fence":
            language = token.info.split()[0] if token.info.split() else ""
            if not language.startswith("{"):
                fenced.append(Block(page, token.map[0] + 1, language, token.content, notes))
            notes = {}
        elif token.nesting >= 0 and token.type not in ("inline", "list_item_open"):
            notes = {}
    return fenced


@dataclass
class Site:
    """A folder in which the blocks of a page run one after the other."""

    folder: Path
    environment: dict[str, str]
    namespace: dict[str, object] = field(default_factory=lambda: {"__name__": "__docs__"})
    cwd: Path = field(init=False)
    prepared: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.cwd = self.folder

    def run(self, block: Block) -> None:
        """Run a block; the error names its page and line."""
        if "not run" in block.notes:
            assert len(block.notes["not run"]) > 10, f"{block.where}: state why it is not run"
            return
        for name in re.split(r"[,\s]+", block.notes.get("run", "")):
            if name and name not in self.prepared:
                self.prepared.add(name)
                self.namespace |= getattr(places, name)(self) or {}
        how = getattr(self, f"_{block.language or 'nothing'}", None)
        if "file" in block.notes:
            self._write(block)
        elif how is None:
            raise AssertionError(f"{block.where}: blocks of the language {block.language!r} are not run; write <!-- not run: why -->")
        if how is not None:
            how(block)

    def _write(self, block: Block) -> None:
        path = self.cwd / block.notes["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def _python(self, block: Block) -> None:
        code = compile("\n" * block.line + block.text, str(block.page), "exec")
        if "file" not in block.notes:
            with _in(self.cwd):
                exec(code, self.namespace)

    def _console(self, block: Block) -> None:
        commands = re.findall(r"^\$ (.*(?:\\\n.*)*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)
        assert commands, f"{block.where}: a console block needs lines that begin with '$ '"
        for number, (command, expected) in enumerate(commands, 1):
            code = int(block.notes.get("exit", 0)) if number == len(commands) else 0
            self._command(block, command, expected, code)

    def _command(self, block: Block, command: str, expected: str, code: int) -> None:
        if change := re.fullmatch(r"cd (\S+)", command):
            self.cwd = (self.cwd / change[1]).resolve()
            assert self.cwd.is_dir(), f"{block.where}: there is no folder {change[1]}"
            return
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.cwd, env=self.environment, capture_output=True, text=True, timeout=SECONDS
        )
        message = f"{block.where}: $ {command}\nexit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, message
        if expected.strip() and not doctest.OutputChecker().check_output(expected, done.stdout, _LIKE):
            raise AssertionError(f"{block.where}: $ {command}\nprinted\n{done.stdout}\nnot\n{expected}")

    def _yaml(self, block: Block) -> None:
        """Load a complete audit.yaml, or some of its sections within a complete one."""
        from raikit.config.load import load
        from raikit.config.schema import AuditConfig

        written = yaml.safe_load(block.text)
        known = isinstance(written, dict) and set(written) <= set(AuditConfig.model_fields)
        if not known and "file" in block.notes:
            return
        assert known, f"{block.where}: this is not a part of audit.yaml; write <!-- not run: why -->"
        path = self.folder / "a-block.yaml"
        path.write_text(yaml.safe_dump({**places.WHOLE, **written}, allow_unicode=True), encoding="utf-8")
        load(path)

    def _json(self, block: Block) -> None:
        json.loads(block.text)

    def _toml(self, block: Block) -> None:
        tomllib.loads(block.text)


@contextmanager
def _in(folder: Path) -> Iterator[None]:
    """Change into a folder and import its modules, as a script there would; undo both afterwards."""
    before, path = Path.cwd(), list(sys.path)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]


def site(folder: Path) -> Site:
    """Make an empty folder; its ``raikit``, ``python``, ``pytest`` and ``pip`` are those of this interpreter."""
    tools = folder / "tools"
    tools.mkdir(parents=True)
    for name, command in {"raikit": "-m raikit", "python": "", "pytest": "-m pytest", "pip": "-m pip"}.items():
        path = tools / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        path.chmod(0o755)
    work = folder / "work"
    work.mkdir()
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    for name in ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "COV_CORE_SOURCE"):
        environment.pop(name, None)
    return Site(work, environment)
