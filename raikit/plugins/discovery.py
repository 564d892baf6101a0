"""Find plugins: entry points of the group ``raikit`` and local files, each loaded on its own so that none stops another."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

from raikit import hookspecs
from raikit.check import Check
from raikit.config.schema import PluginsConfig
from raikit.deprecation import collect_warnings
from raikit.errors import ConfigError, nearest, raised
from raikit.models.loaders import LOADERS, TABLE_KIND
from raikit.plugins.contract import contract_problem, incompatibility
from raikit.plugins.entry_points import distribution, installed, version
from raikit.plugins.probe import find_fatal_imports
from raikit.plugins.registry import CheckEntry, Registry, placeholder_check
from raikit.process.guard import preserved
from raikit.run.owners import FIRST_PARTY, LOCAL
from raikit.run.record import PluginRecord

DISABLE = "RAIKIT_DISABLE_PLUGINS"  # an environment variable: names, separated by commas

Refusal = tuple[str, str]  # a status of `PluginRecord`, and the reason


def discover(config: PluginsConfig | None = None, folder: Path | None = None) -> Registry:
    """Load every plugin that takes part.

    Parameters
    ----------
    config : PluginsConfig, optional
        Local files, disabled names, who replaces whom.
    folder : Path, optional
        What local files are relative to.

    Raises
    ------
    ConfigError
        Only for mistakes in audit.yaml itself: a local file that does not exist, an unknown name to disable.
    """
    config = config or PluginsConfig()
    registry = Registry()
    points = installed()
    _validate_disabled_names(config, points)
    registry.loaders.update(LOADERS)
    refusals = [(point, _refusal(point, _namesakes(point, points), config)) for point in _grouped_by_name(points)]
    local = {name: (folder or Path.cwd()) / name for name in config.local}
    foreign = [point.value for point, refusal in refusals if refusal is None and distribution(point) != FIRST_PARTY]
    fatal = _refuse_fatal_imports([*foreign, *(str(path) for path in local.values() if path.is_file())])
    for point, refusal in refusals:
        with _deprecations_of_the_next(registry):
            _load_entry_point(registry, point, refusal or fatal.get(point.value))
    for name, path in local.items():
        with _deprecations_of_the_next(registry):
            _load_local(registry, path, name, fatal.get(str(path)))
    _settle_ownership(registry, config)
    return registry


def _grouped_by_name(points: Sequence[EntryPoint]) -> list[EntryPoint]:
    """Return entry points with those of one name side by side, in the order of each name's first."""
    return [point for name in dict.fromkeys(point.name for point in points) for point in points if point.name == name]


def _namesakes(point: EntryPoint, points: Sequence[EntryPoint]) -> list[EntryPoint]:
    return [other for other in points if other.name == point.name]


@contextmanager
def _deprecations_of_the_next(registry: Registry) -> Iterator[None]:
    """Put deprecation warnings of a plugin's import into its record, and so into the rows of its checks."""
    messages: list[str] = []
    with collect_warnings(messages):
        yield
    registry.plugins[-1].warnings.extend(messages)


def discover_one(owner: str, config: PluginsConfig | None = None, folder: Path | None = None) -> Registry:
    """Load the plugins of one distribution, or the local files, and no others."""
    registry, config = Registry(), config or PluginsConfig()
    for name in config.local if owner == LOCAL else ():
        _load_local(registry, (folder or Path.cwd()) / name, name)
    for point in installed():
        if distribution(point) == owner:
            _load_entry_point(registry, point, _refusal(point, [point], config))
    return registry


def _validate_disabled_names(config: PluginsConfig, points: Sequence[EntryPoint]) -> None:
    known = {point.name for point in points} | {distribution(point) for point in points}
    for name in config.disable:
        if name not in known:
            raise ConfigError(f"plugins.disable, --disable: no plugin is called {name!r}.{nearest(name, known)}")


def _disabled_by_environment() -> set[str]:
    """Return the names in the environment variable; it serves many projects, so an unknown name is no error."""
    return {name.strip() for name in os.environ.get(DISABLE, "").split(",") if name.strip()}


def _refusal(point: EntryPoint, namesakes: Sequence[EntryPoint], config: PluginsConfig) -> Refusal | None:
    """Return the status and the reason if this entry point must not be imported."""
    name, owner = point.name, distribution(point)
    if name in config.disable or owner in config.disable:
        return "disabled", "disabled by plugins.disable or --disable"
    if {name, owner} & _disabled_by_environment():
        return "disabled", f"disabled by the environment variable {DISABLE}"
    chosen = config.use.get(name)
    if len(namesakes) > 1 and chosen is None:
        owners = " and ".join(sorted(distribution(other) for other in namesakes))
        return "ambiguous", f"{owners} both have an entry point {name!r}; choose one with plugins.use: {{{name}: …}}"
    if chosen is not None and chosen != owner:
        return "disabled", f"plugins.use takes {name!r} from {chosen}"
    return None


def _refuse_fatal_imports(modules: Sequence[str]) -> dict[str, Refusal]:
    """Return a refusal for each foreign module and file whose import would end this process."""
    problems = find_fatal_imports(list(dict.fromkeys(modules))) if modules else {}
    return {
        module: ("error", f"{problem}; update or remove it, or leave it out with --disable")
        for module, problem in problems.items()
    }


def _load_entry_point(registry: Registry, point: EntryPoint, refusal: Refusal | None) -> None:
    record = PluginRecord(name=point.name, distribution=distribution(point), version=version(point))
    registry.plugins.append(record)
    if refusal:
        record.status, record.reason = refusal  # type: ignore[assignment]
        return
    try:
        with preserved():
            plugin = point.load()
            problem = incompatibility(plugin)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        record.status, record.reason = "error", f"import failed: {raised(error)}; {_remedy(record, error)}"
        return
    if problem:
        record.status, record.reason = "incompatible", problem
        return
    with preserved():
        _collect(registry, record, plugin)


def _remedy(record: PluginRecord, error: BaseException) -> str:
    """Return what a person can do about a plugin that cannot be imported."""
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    what = f"install {missing}" if missing else f"report it to the authors of {record.distribution}"
    return f"{what}, or leave it out with --disable {record.name}"


def _collect(registry: Registry, record: PluginRecord, plugin: Any) -> None:
    """Ask one plugin what it provides, through a manager of its own, so that a fault stays within the plugin."""
    import pluggy

    manager = pluggy.PluginManager("raikit")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, record.name)
        record.hooks = sorted(caller.name for caller in manager.get_hookcallers(plugin) or [])
        manager.check_pending()
        checks = [check for batch in manager.hook.raikit_checks() for check in batch]
        loaders = _merged(manager.hook.raikit_model_loaders())
        formats = _merged(manager.hook.raikit_report_formats())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        record.status, record.reason = "error", re.sub(r"<module '([^']+)'[^>]*>", r"\1", raised(error)).strip()
        return
    registry._managers.append((record, manager))
    for check in checks:
        _add_check(registry, record, check)
    _add_named(registry.loaders, loaders, record, "model loader", reserved=TABLE_KIND)
    _add_named(registry.formats, formats, record, "report format")
    registry.owners.update({name: record.distribution for name, value in formats.items() if registry.formats[name] is value})


def _merged(answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for answer in answers for name, value in answer.items()}


def _add_named(
    known: dict[str, Any], new: Mapping[str, Any], record: PluginRecord, what: str, reserved: str = ""
) -> None:
    for name, value in new.items():
        if name in known or name == reserved:
            record.status, record.reason = "error", f"provides a {what} {name!r}, which another plugin provides already"
        else:
            known[name] = value


def _add_check(registry: Registry, record: PluginRecord, check: Any) -> None:
    problem = contract_problem(check)
    name = vars(check).get("name", getattr(check, "name", None)) if isinstance(check, type) else None
    if problem and not isinstance(name, str):
        record.status, record.reason = "error", problem
        return
    if problem:
        check = placeholder_check(str(name))
    entry = CheckEntry(check, record.distribution, record.version, problem, record.warnings)
    record.checks.append(check.name)
    if check.name in registry.checks:
        other = registry.checks[check.name].plugin
        registry.broken.append(
            CheckEntry(
                check,
                record.distribution,
                record.version,
                f"{other} has a check called {check.name!r} already; rename one",
            )
        )
    else:
        registry.checks[check.name] = entry


def _load_local(registry: Registry, path: Path, name: str, refusal: Refusal | None = None) -> None:
    """Collect every `Check` subclass defined in a file, as pytest does with conftest.py."""
    if not path.is_file():
        raise ConfigError(f"plugins.local: there is no file {name!r} beside the configuration.")
    record = PluginRecord(name=name, distribution=LOCAL, status="local")
    registry.plugins.append(record)
    if refusal:
        record.status, record.reason = refusal  # type: ignore[assignment]
        return
    try:
        with preserved():
            module = _import_file(path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        record.status, record.reason = "error", f"import failed: {raised(error)}"
        return
    for item in list(vars(module).values()):
        if isinstance(item, type) and issubclass(item, Check) and item.__module__ == module.__name__:
            _add_check(registry, record, item)
    if not record.checks and record.status == "local":
        record.status, record.reason = "error", "it defines no subclass of raikit.Check"


def _import_file(path: Path) -> ModuleType:
    name = "raikit_local_" + re.sub(r"\W", "_", str(path.resolve()))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _settle_ownership(registry: Registry, config: PluginsConfig) -> None:
    """Give each prefix of metric ids to one distribution; `plugins.replaces` decides where two claim it."""
    owners: dict[str, set[str]] = defaultdict(set)
    for entry in registry.checks.values():
        owners[entry.check.prefix()].add(entry.plugin)
    for name, entry in list(registry.checks.items()):
        prefix = entry.check.prefix()
        if entry.problem or len(owners[prefix]) == 1:
            continue
        owner = config.replaces.get(prefix) or (FIRST_PARTY if FIRST_PARTY in owners[prefix] else None)
        if owner == entry.plugin:
            continue
        if config.replaces.get(prefix):
            del registry.checks[name]
            continue
        others = " and ".join(sorted(owners[prefix] - {entry.plugin}))
        problem = (
            f"the metric ids {prefix}.* belong to {others}; rename the check, "
            f"or say plugins.replaces: {{{prefix}: {entry.plugin}}}"
        )
        registry.checks[name] = replace(entry, problem=problem)
