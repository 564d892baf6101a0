"""``raikit plugins``: list, describe and test plugins. Listing reads metadata alone and imports nothing heavy."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.console import Console
from raikit.errors import ConfigError, nearest, raised
from raikit.format import sample_size

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from pydantic.fields import FieldInfo

    from raikit.check import CheckOptions, Requires
    from raikit.plugins.registry import CheckEntry, Registry
    from raikit.run.record import PluginRecord

# Constraints of pydantic's fields as a person writes them.
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "at least", "max_length": "at most", "multiple_of": "times"}

_PROVIDING = {"raikit_report_formats": "format", "raikit_comparison_formats": "of runs", "raikit_model_loaders": "loader"}


def list_installed() -> int:
    """Print the entry points from their metadata; no plugin is imported."""
    from raikit.plugins.entry_points import distribution, installed, version

    rows = [(point.name, distribution(point), version(point), point.value) for point in installed()]
    _columns([("plugin", "distribution", "version", "module"), *rows])
    return 0


def list_loaded() -> int:
    """Import every plugin, and print its API version, hooks, checks and problems."""
    from raikit.plugins.discovery import discover

    registry = discover()
    rows = [("plugin", "distribution", "version", "api", "status", "hooks")] + [
        (plugin.name, plugin.distribution, plugin.version, _api(plugin), plugin.status, ", ".join(plugin.hooks))
        for plugin in registry.plugins
    ]
    head, *lines = _aligned(rows)
    Console().result(head)
    for plugin, line in zip(registry.plugins, lines, strict=True):
        Console().result(line)
        for name in plugin.checks:
            Console().result(f"    {_check_line(registry, name, plugin)}")
        if plugin.reason:
            Console().result(f"    {plugin.reason}")
    return 0


def _check_line(registry: Registry, name: str, plugin: PluginRecord) -> str:
    """Return the name and the cost of a check, or its name and why it cannot run."""
    entries = [*registry.checks.values(), *registry.broken]
    entry = next(entry for entry in entries if (entry.name, entry.plugin) == (name, plugin.distribution))
    return f"{name}: {entry.problem}" if entry.problem else f"{name} ({entry.check.cost})"


def _api(plugin: PluginRecord) -> str:
    """Return the plugin API version that a loaded plugin declares, a dash if there is none."""
    return str(getattr(_loaded(plugin), "raikit_api", "-"))


def _loaded(plugin: PluginRecord) -> Any:
    """Return the object of a plugin's entry point, None if it was not imported."""
    point = _entry_point(plugin)
    loaded: Any = sys.modules.get(point.module) if point else None
    for attribute in point.attr.split(".") if point and point.attr and loaded else ():
        loaded = getattr(loaded, attribute, None)
    return loaded


def _entry_point(plugin: PluginRecord) -> EntryPoint | None:
    from raikit.plugins.entry_points import distribution, installed

    return next((p for p in installed() if (p.name, distribution(p)) == (plugin.name, plugin.distribution)), None)


def info(name: str) -> int:
    """Describe a check, the checks of a pillar, or a plugin or file with all that it provides."""
    from raikit.config.schema import PluginsConfig
    from raikit.plugins.discovery import discover
    from raikit.run.owners import LOCAL
    from raikit.run.record import failed_plugins
    from raikit.testing.contract.subject import existing, path_or_name

    target = path_or_name(name)
    registry = discover(PluginsConfig(local=[str(existing(target))]) if isinstance(target, Path) else None)
    plugins = [plugin for plugin in registry.plugins if name in (plugin.name, plugin.distribution)]
    checks = [entry for entry in registry.checks.values() if name in (entry.name, entry.check.pillar)]
    if not plugins and not checks:
        known = [*registry.pillars, *registry.checks, *(plugin.name for plugin in registry.plugins)]
        failed = "".join(f" {plugin.name} could not be loaded: {plugin.reason}." for plugin in failed_plugins(registry.plugins))
        raise ConfigError(f"no check, pillar or plugin is called {name!r}.{nearest(name, known)}{failed}")
    for plugin in plugins:
        (_describe_file if plugin.distribution == LOCAL else _describe_plugin)(plugin)
        provided = [registry.checks[check] for check in plugin.checks if check in registry.checks]
        checks += [entry for entry in provided if entry.plugin == plugin.distribution and entry not in checks]
    for entry in checks:
        _describe(entry)
    return 0


def _describe_plugin(plugin: PluginRecord) -> None:
    say, loaded, point = Console().result, _loaded(plugin), _entry_point(plugin)
    say(f"{plugin.name}  ({plugin.distribution} {plugin.version}, module {point.value if point else '-'}, {plugin.status})")
    if plugin.reason:
        say(plugin.reason)
    if loaded is not None and loaded.__doc__:
        _text(loaded.__doc__)
    _row("api", _api(plugin))
    _row("hooks", ", ".join(plugin.hooks) or "none")
    _row("checks", ", ".join(plugin.checks) or "none")
    if plugin.status == "ok":
        for hook, heading in _PROVIDING.items():
            for name, function in _provided(loaded, hook).items():
                _row(heading, f"{name}  {_first_line(function)}".rstrip())
    say()


def _describe_file(plugin: PluginRecord) -> None:
    say = Console().result
    say(f"{plugin.name}  (a file of checks)")
    if plugin.reason:
        say(plugin.reason)
    _row("checks", ", ".join(plugin.checks) or "none")
    say()


def _provided(plugin: Any, hook: str) -> Mapping[str, Any]:
    """Return what a hook of a plugin provides, by name."""
    function = getattr(plugin, hook, None)
    return function() if callable(function) else {}


def _first_line(documented: Any) -> str:
    return (inspect.getdoc(documented) or "").split("\n", 1)[0]


def _describe(entry: CheckEntry) -> None:
    say, check = Console().result, entry.check
    say(f"{check.name}  ({' '.join(filter(None, [entry.plugin, entry.plugin_version]))}, {check.pillar}, {check.cost})")
    if entry.problem:
        say(entry.problem)
    _text(check.__doc__ or "(no description)")
    _row("needs", _needs(check.requires) or "nothing")
    _row("measures", ", ".join(map(str, check.produces)) or f"{check.prefix()}.*")
    for target in dict.fromkeys(check.aliases.values()):
        _row("alias", f"of {target}: {', '.join(alias for alias, of in check.aliases.items() if of == target)}")
    for name, field in check.Options.model_fields.items():
        _row("option", f"{name}: {_type(field)} = {_default(field)}")
        _row("", f"{field.description or '(no description)'}{_bounds(check.Options, name)}")
    say()


def _needs(requires: Requires) -> str:
    """Return what a check requires, in one line."""
    sets = {name: sorted(value) for name, value in vars(requires).items() if isinstance(value, set | frozenset) and value}
    parts = [f"{name}: {' '.join(value)}" for name, value in sets.items()]
    parts += ["a model to score cases with"] if requires.model else []
    return ", ".join([*parts, f"at least {sample_size(requires.min_rows)}"] if requires.min_rows > 1 else parts)


def _type(field: FieldInfo) -> str:
    """Return the type as it is written in the class: ``Literal['auto', 'test']``, ``tuple[float, ...]``, ``int | None``."""
    return inspect.formatannotation(field.annotation)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    try:
        return repr(field.get_default(call_default_factory=True))
    except Exception as error:  # A default factory is code of the plugin.
        return f"(cannot be created: {raised(error)})"


def _bounds(options: type[CheckOptions], name: str) -> str:
    """Return what the field allows, to follow its description: `` (≥ 1, ≤ 5)``."""
    bounds = [
        f"{sign}\N{NO-BREAK SPACE}{getattr(item, key)}"
        for item in options.model_fields[name].metadata
        for key, sign in _BOUNDS.items()
        if getattr(item, key, None) is not None
    ]
    return f" ({', '.join(bounds)})" if bounds else ""


def _text(doc: str) -> None:
    for line in inspect.cleandoc(doc).splitlines():
        Console().result(line)


def _row(head: str, text: str) -> None:
    """Print a fact under its heading, wrapped."""
    hang = " " * 10
    lines = textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False, subsequent_indent=hang, initial_indent=hang)
    Console().result(f"{head:<10}{''.join(lines[:1])[10:]}".rstrip())
    for line in lines[1:]:
        Console().result(line)


def check(plugin: str, seconds: float, data: Path | None = None) -> int:
    """Test a plugin against every rule of the contract, print each result at once, and return 1 if a rule is broken."""
    from raikit.testing.contract.isolated import IsolatedConformance
    from raikit.testing.contract.outcome_table import TableLayout

    say, count = Console().result, Counter[str]()
    examination = IsolatedConformance(plugin, seconds, data)
    for result in examination:
        layout = TableLayout.fit(examination.planned)
        if not count:
            say(layout.header)
        say(layout.row(result))
        count[result.status] += 1
    ok, broken, skipped = count["ok"], count["failed"], count["not applicable"]
    say(f"{count.total()} rules tested: {ok} hold, {broken} broken, {skipped} not applicable.")
    return 1 if broken else 0


def rules() -> int:
    """Print the rules for plugins, checks, report formats and model loaders, a sentence each."""
    from raikit.testing.contract import rules

    for subject, its_rules in rules().items():
        Console().result(f"{subject}:")
        for rule in its_rules:
            Console().result(f"  {rule.name:<15} {rule.sentence}")
    return 0


def _columns(rows: Sequence[tuple[str, ...]]) -> None:
    for line in _aligned(rows):
        Console().result(line)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
