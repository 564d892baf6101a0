"""The rules for a plugin as a whole: its module, its hooks, and the cost of importing it."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pluggy

from raikit import hookspecs
from raikit.errors import nearest
from raikit.plugins.contract import incompatibility
from raikit.testing.contract.rule import Broken, NotApplicable, PlannedRule, first_few, rule_of
from raikit.testing.contract.subject import ConformanceTarget

HEAVY = (
    "torch", "transformers", "sklearn", "captum", "opacus", "fairlearn", "matplotlib", "altair", "plotly", "seaborn", "datasets",
    "tensorflow", "jax",
)  # fmt: skip
NOTED = ("numpy", "pandas", "scipy", "pyarrow", "duckdb", "PIL")
_SECONDS = 120  # within which the import must finish

# Another interpreter runs this: it imports the plugin as an audit would, and prints which of the libraries that loaded.
_IMPORT = """
import importlib, importlib.util, json, sys
paths, source, libraries = json.loads(sys.argv[1])
sys.path[:] = paths
kind, _, name = source.partition(":")
if kind == "module":
    plugin = importlib.import_module(name)
else:
    spec = importlib.util.spec_from_file_location("examined", name)
    plugin = importlib.util.module_from_spec(spec)
    sys.modules["examined"] = plugin
    spec.loader.exec_module(plugin)
for hook in ("raikit_checks", "raikit_model_loaders", "raikit_report_formats", "raikit_comparison_formats"):
    function = getattr(plugin, hook, None)
    if callable(function):
        list(function() or ())
sys.__stdout__.write("\\n" + json.dumps([library for library in libraries if library in sys.modules]))
"""


def planned(subject: ConformanceTarget) -> Iterator[PlannedRule]:
    """Yield every rule for a plugin; of a single check only the import is tried."""
    rules = RULES if subject.plugin is not None or subject.problem else (imports,)
    yield from (PlannedRule(subject.name, rule_of(rule), subject) for rule in rules)


def loads(subject: ConformanceTarget) -> str:
    """Provide a module that can be imported, with hooks that return checks, report formats and model loaders."""
    if subject.problem:
        raise Broken(subject.problem)
    provided = [f"{len(items)} {what}{'' if len(items) == 1 else 's'}" for what, items in
               (("check", subject.checks), ("report format", subject.formats), ("model loader", subject.loaders)) if items]
    if not provided and not subject.is_package:
        raise Broken("it defines no subclass of raikit.Check")
    return ", ".join(provided) or "listeners only"


def imports(subject: ConformanceTarget) -> str | None:
    """Load no heavy library on import or in a hook, because every command would wait for it."""
    if subject.problem or not subject.source:
        raise NotApplicable("it could not be imported" if subject.problem else "it is not in a file that could be imported")
    arguments = json.dumps([sys.path, subject.source, [*HEAVY, *NOTED]])
    try:
        done = subprocess.run([sys.executable, "-c", _IMPORT, arguments], capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise Broken(f"importing it took more than {_SECONDS} seconds") from None
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NotApplicable(f"it cannot be imported in another interpreter: {why}")
    loaded = json.loads(done.stdout.splitlines()[-1])
    if heavy := [library for library in HEAVY if library in loaded]:
        raise Broken(f"importing it imports {first_few(heavy)}; import heavy libraries inside `run`")
    return f"imports {first_few(loaded)}" if loaded else None


def api(subject: ConformanceTarget) -> str:
    """State the version of the plugin API that the plugin is written for; raikit must support it."""
    _refuse_without_hooks(subject)
    if problem := incompatibility(subject.plugin):
        raise Broken(f"it {problem}")
    return f"raikit_api = {subject.plugin.raikit_api}"


def hooks(subject: ConformanceTarget) -> str:
    """Name and mark the hooks as their specification does."""
    _refuse_without_hooks(subject)
    known = [name for name, value in vars(hookspecs).items() if hasattr(value, "raikit_spec")]
    for name, function in inspect.getmembers(subject.plugin, callable):
        if name in known and not hasattr(function, "raikit_impl"):
            raise Broken(f"{name} is not marked with @raikit.hookimpl, so it is never called")
        if name.startswith("raikit_") and name not in known and (hint := nearest(name, known)):
            raise Broken(f"unknown hook {name!r}.{hint}")
    manager = pluggy.PluginManager("raikit")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(subject.plugin, subject.name)
        manager.check_pending()
    except Exception as error:
        raise Broken(" ".join(re.sub(r"<module '([^']+)'[^>]*>", r"\1", str(error)).split())) from None
    return first_few((caller.name for caller in manager.get_hookcallers(subject.plugin) or []), 5)


def names(subject: ConformanceTarget) -> None:
    """Give each check a unique name."""
    _refuse_broken(subject)
    counted = Counter(str(getattr(check, "name", check.__name__)) for check in subject.checks)
    if duplicates := [name for name, times in counted.items() if times > 1]:
        raise Broken(f"two checks have the name {duplicates[0]!r}")


def _refuse_without_hooks(subject: ConformanceTarget) -> None:
    if not subject.is_package:
        raise NotApplicable("a local file needs no hooks: raikit collects its checks")
    if subject.plugin is None:
        raise NotApplicable("it could not be imported")


def _refuse_broken(subject: ConformanceTarget) -> None:
    if subject.problem:
        raise NotApplicable("it could not be loaded")


RULES: tuple[Callable[[Any], str | None], ...] = (loads, imports, api, hooks, names)
