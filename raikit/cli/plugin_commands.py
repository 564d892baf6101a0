"""``raikit plugins``: from metadata alone, or with everything imported."""

from __future__ import annotations

from raikit.console import Console
from raikit.errors import ConfigError, nearest


def list_installed() -> int:
    """Entry points as their metadata has them; no plugin is imported."""
    from raikit.plugins import distribution, installed, version

    rows = [(point.name, distribution(point), version(point), point.value) for point in installed()]
    _columns([("plugin", "distribution", "version", "module"), *rows])
    return 0


def list_loaded() -> int:
    """Import every plugin: API, checks, and what is wrong with it."""
    from raikit.plugins import discover

    registry = discover()
    rows: list[tuple[str, ...]] = [("plugin", "distribution", "version", "status", "brings")]
    for plugin in registry.plugins:
        brings = plugin.reason or ", ".join(plugin.checks) or ", ".join(plugin.hooks)
        rows.append((plugin.name, plugin.distribution, plugin.version, plugin.status, brings))
    _columns(rows)
    for entry in [*registry.checks.values(), *registry.broken]:
        if entry.problem:
            Console().result(f"{entry.name} of {entry.plugin}: {entry.problem}")
    return 0


def info(name: str) -> int:
    """One check, or all of a pillar: what it is, needs, measures and can be asked."""
    from raikit.plugins import discover

    registry = discover()
    found = [entry for entry in registry.checks.values() if name in (entry.name, entry.check.pillar)]
    if not found:
        known = [*registry.pillars, *registry.checks]
        raise ConfigError(f"no check or pillar is called {name!r}.{nearest(name, known)}")
    for entry in found:
        _describe(entry)
    return 0


def _describe(entry: object) -> None:
    import inspect

    from raikit.plugins import CheckEntry

    assert isinstance(entry, CheckEntry)
    say, check = Console().result, entry.check
    say(f"{check.name}  ({entry.plugin} {entry.plugin_version}, {check.pillar}, {check.cost})")
    say(inspect.cleandoc(check.__doc__ or "(no description)"))
    needs = {
        key: sorted(value)
        for key, value in vars(check.requires).items()
        if isinstance(value, set | frozenset) and value
    }
    say(f"needs     {', '.join(f'{key}: {chr(32).join(value)}' for key, value in needs.items()) or 'nothing'}")
    say(f"measures  {', '.join(check.produces) or check.prefix() + '.*'}")
    for option, field in check.Options.model_fields.items():
        say(f"option    {option} = {field.get_default(call_default_factory=True)!r}  {field.description or ''}")
    say()


def _columns(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        Console().result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
