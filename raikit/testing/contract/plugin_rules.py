"""The rules for a plugin as a whole: its module, its hooks, and what importing it costs."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from raikit.errors import nearest
from raikit.plugins.contract import incompatibility
from raikit.testing.contract.rule import Broken, Case, NotApplicable, first_few, rule_of
from raikit.testing.contract.subject import Subject

HEAVY = (
    "torch", "transformers", "sklearn", "captum", "opacus", "fairlearn", "matplotlib", "altair", "plotly", "seaborn", "datasets",
    "tensorflow", "jax",
)  # fmt: skip
NOTED = ("numpy", "pandas", "scipy", "pyarrow", "duckdb", "PIL")
_SECONDS = 120

# Run by another interpreter: imports the plugin as an audit would find it, and says what that has loaded.
_IMPORT = """
import importlib, importlib.util, json, sys
paths, source, words = json.loads(sys.argv[1])
sys.path[:] = paths
kind, _, name = source.partition(":")
if kind == "module":
    plugin = importlib.import_module(name)
else:
    spec = importlib.util.spec_from_file_location("examined", name)
    plugin = importlib.util.module_from_spec(spec)
    sys.modules["examined"] = plugin
    spec.loader.exec_module(plugin)
for hook in ("raikit_checks", "raikit_model_loaders", "raikit_report_formats"):
    function = getattr(plugin, hook, None)
    if callable(function):
        list(function() or ())
sys.__stdout__.write("\\n" + json.dumps([word for word in words if word in sys.modules]))
"""


def cases(subject: Subject) -> Iterator[Case]:
    """Every rule that is to be held against a plugin; a check by itself is only imported."""
    rules = RULES if subject.plugin is not None or subject.problem else (imports,)
    yield from ((subject.name, rule_of(rule), subject) for rule in rules)


def loads(subject: Subject) -> str:
    """It can be imported, and its hooks give checks, report formats and model loaders."""
    if subject.problem:
        raise Broken(subject.problem)
    brought = [f"{len(items)} {what}{'' if len(items) == 1 else 's'}" for what, items in
               (("check", subject.checks), ("report format", subject.formats), ("model loader", subject.loaders)) if items]
    if not brought and not subject.is_package:
        raise Broken("it defines no subclass of raikit.Check")
    return ", ".join(brought) or "listens only"


def imports(subject: Subject) -> str | None:
    """Importing it, and asking for what it brings, loads nothing heavy: every command would wait for that."""
    if subject.problem or not subject.source:
        raise NotApplicable("it could not be imported" if subject.problem else "it stands in no file that could be imported")
    words = json.dumps([sys.path, subject.source, [*HEAVY, *NOTED]])
    try:
        done = subprocess.run([sys.executable, "-c", _IMPORT, words], capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise Broken(f"importing it took more than {_SECONDS} seconds") from None
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NotApplicable(f"another interpreter cannot import it: {why}")
    loaded = json.loads(done.stdout.splitlines()[-1])
    if heavy := [word for word in HEAVY if word in loaded]:
        raise Broken(f"importing it imports {first_few(heavy)}; import what is heavy inside `run`")
    return f"imports {first_few(loaded)}" if loaded else None


def api(subject: Subject) -> str:
    """It says for which version of the plugin API it was written, and that is spoken here."""
    _refuse_without_hooks(subject)
    if problem := incompatibility(subject.plugin):
        raise Broken(f"it {problem}")
    return f"raikit_api = {subject.plugin.raikit_api}"


def hooks(subject: Subject) -> str:
    """Its hooks are spelt and marked as the specification has them."""
    import pluggy

    from raikit import hookspecs

    _refuse_without_hooks(subject)
    known = [name for name, value in vars(hookspecs).items() if hasattr(value, "raikit_spec")]
    for name, function in inspect.getmembers(subject.plugin, callable):
        if name in known and not hasattr(function, "raikit_impl"):
            raise Broken(f"{name} is not marked with @raikit.hookimpl, so nobody calls it")
        if name.startswith("raikit_") and name not in known and (hint := nearest(name, known)):
            raise Broken(f"no hook is called {name!r}.{hint}")
    manager = pluggy.PluginManager("raikit")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(subject.plugin, subject.name)
        manager.check_pending()
    except Exception as error:
        raise Broken(" ".join(re.sub(r"<module '([^']+)'[^>]*>", r"\1", str(error)).split())) from None
    return first_few((caller.name for caller in manager.get_hookcallers(subject.plugin) or []), 5)


def names(subject: Subject) -> None:
    """No two of its checks have one name."""
    _refuse_broken(subject)
    counted = Counter(str(getattr(check, "name", check.__name__)) for check in subject.checks)
    if twice := [name for name, times in counted.items() if times > 1]:
        raise Broken(f"two checks are called {twice[0]!r}")


def _refuse_without_hooks(subject: Subject) -> None:
    if not subject.is_package:
        raise NotApplicable("a local file needs no hooks: its checks are collected")
    if subject.plugin is None:
        raise NotApplicable("it could not be imported")


def _refuse_broken(subject: Subject) -> None:
    if subject.problem:
        raise NotApplicable("it could not be loaded")


RULES: tuple[Callable[[Any], str | None], ...] = (loads, imports, api, hooks, names)
