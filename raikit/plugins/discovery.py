"""Finding plugins: entry points of the group ``raikit`` and local files, each loaded on its own so that none stops another."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from raikit.deprecation import noted
from raikit.errors import ConfigError, nearest, raised
from raikit.plugins.contract import contract_problem, incompatibility
from raikit.plugins.registry import CheckEntry, Registry, stand_in
from raikit.process.guard import preserved
from raikit.run.record import FIRST_PARTY, LOCAL, PluginRecord

if TYPE_CHECKING:

    from raikit.config.schema import PluginsConfig

GROUP = "raikit"
DISABLE = "RAIKIT_DISABLE_PLUGINS"



def installed() -> list[EntryPoint]:
    """Entry points of every installed distribution, from metadata alone: nothing is imported.

    A distribution that two folders of ``sys.path`` hold (an editable install beside a wheel) counts once.
    """
    unique = {(point.name, distribution(point), point.value): point for point in entry_points(group=GROUP)}
    return sorted(unique.values(), key=lambda point: (distribution(point) != FIRST_PARTY, point.name))


def distribution(point: EntryPoint) -> str:
    """Name of the distribution that an entry point belongs to."""
    return (point.dist.name if point.dist else None) or "unknown"  # a broken uninstall leaves metadata without a name


def version(point: EntryPoint) -> str:
    """Version of that distribution."""
    return (point.dist.version if point.dist else None) or ""


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
        Only for what audit.yaml itself says wrongly (a local file that is not there, an unknown name to disable).
    """
    from raikit.config.schema import PluginsConfig

    config = config or PluginsConfig()
    registry = Registry()
    found = installed()
    _check_names(config, found)
    _load_own_loaders(registry)
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for point in found:
        by_name[point.name].append(point)
    refused = [(point, _refusal(name, point, points, config)) for name, points in by_name.items() for point in points]
    local = {written: (folder or Path.cwd()) / written for written in config.local}
    foreign = [point.value for point, refusal in refused if refusal is None and distribution(point) != FIRST_PARTY]
    hopeless = _hopeless([*foreign, *(str(path) for path in local.values() if path.is_file())])
    for point, refusal in refused:
        with _deprecations_of_the_next(registry):
            _load_entry_point(registry, point, refusal or hopeless.get(point.value))
    for written, path in local.items():
        with _deprecations_of_the_next(registry):
            _load_local(registry, path, written, hopeless.get(str(path)))
    _settle_ownership(registry, config)
    return registry


@contextmanager
def _deprecations_of_the_next(registry: Registry) -> Iterator[None]:
    """What loading a plugin warns of stands in its record, and in the rows of its checks."""
    said: list[str] = []
    with noted(said):
        yield
    registry.plugins[-1].warnings.extend(said)


def registry_of(owner: str, config: PluginsConfig | None = None, folder: Path | None = None) -> Registry:
    """What one distribution (or the local files) brings, loaded without any other."""
    from raikit.config.schema import PluginsConfig

    registry, config = Registry(), config or PluginsConfig()
    for written in config.local if owner == LOCAL else ():
        _load_local(registry, (folder or Path.cwd()) / written, written)
    for point in installed():
        if distribution(point) == owner:
            _load_entry_point(registry, point, _refusal(point.name, point, [point], config))
    return registry


def _check_names(config: PluginsConfig, found: list[EntryPoint]) -> None:
    known = {point.name for point in found} | {distribution(point) for point in found}
    for name in config.disable:
        if name not in known:
            raise ConfigError(f"plugins.disable, --disable: no plugin is called {name!r}.{nearest(name, known)}")


def _load_own_loaders(registry: Registry) -> None:
    from raikit.models.loaders import LOADERS

    registry.loaders.update(LOADERS)


def _disabled_here() -> set[str]:
    """Names in the environment variable; one that is not installed is no error there, since it is set for many projects."""
    return {name.strip() for name in os.environ.get(DISABLE, "").split(",") if name.strip()}


def _refusal(name: str, point: EntryPoint, points: list[EntryPoint], config: PluginsConfig) -> tuple[str, str] | None:
    """Status and reason if this entry point must not be imported."""
    owner = distribution(point)
    if name in config.disable or owner in config.disable:
        return "disabled", "disabled by plugins.disable or --disable"
    if {name, owner} & _disabled_here():
        return "disabled", f"disabled by the environment variable {DISABLE}"
    chosen = config.use.get(name)
    if len(points) > 1 and chosen is None:
        owners = " and ".join(sorted(distribution(other) for other in points))
        return "ambiguous", f"{owners} both call an entry point {name!r}; choose one with plugins.use: {{{name}: …}}"
    if chosen is not None and chosen != owner:
        return "disabled", f"plugins.use takes {name!r} from {chosen}"
    return None


def _hopeless(modules: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Modules and files of others whose import would end this process."""
    from raikit.plugins.probe import hopeless

    problems = hopeless(list(dict.fromkeys(modules))) if modules else {}
    return {
        module: ("error", f"{problem}; update or remove it, or leave it out with --disable")
        for module, problem in problems.items()
    }


def _load_entry_point(registry: Registry, point: EntryPoint, refusal: tuple[str, str] | None) -> None:
    from raikit.run.record import PluginRecord

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
        record.status, record.reason = "error", f"import failed: {raised(error)}; {_way_out(record, error)}"
        return
    if problem:
        record.status, record.reason = "incompatible", problem
        return
    with preserved():
        _collect(registry, record, plugin)


def _way_out(record: PluginRecord, error: BaseException) -> str:
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    what = f"install {missing}" if missing else f"report it to the authors of {record.distribution}"
    return f"{what}, or leave it out with --disable {record.name}"


def _collect(registry: Registry, record: PluginRecord, plugin: Any) -> None:
    """Ask one plugin for what it brings, through a manager of its own so that what it breaks is only itself."""
    import pluggy

    from raikit import hookspecs

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
    _add_named(registry.loaders, loaders, record, "model loader")
    _add_named(registry.formats, formats, record, "report format")
    registry.owners.update({name: record.distribution for name, value in formats.items() if registry.formats[name] is value})


def _merged(answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for answer in answers for name, value in answer.items()}


def _add_named(known: dict[str, Any], new: Mapping[str, Any], record: PluginRecord, what: str) -> None:
    for name, value in new.items():
        if name in known:
            record.status, record.reason = "error", f"brings a {what} {name!r}, which another plugin has already"
        else:
            known[name] = value


def _add_check(registry: Registry, record: PluginRecord, check: Any) -> None:
    problem = contract_problem(check)
    name = vars(check).get("name", getattr(check, "name", None)) if isinstance(check, type) else None
    if problem and not isinstance(name, str):
        record.status, record.reason = "error", problem
        return
    if problem:
        check = stand_in(str(name))
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


def _load_local(registry: Registry, path: Path, written: str, refusal: tuple[str, str] | None = None) -> None:
    """Collect every `Check` subclass defined in a file, as pytest does with conftest.py."""
    from raikit.check import Check
    from raikit.run.record import PluginRecord

    if not path.is_file():
        raise ConfigError(f"plugins.local: there is no file {written!r} beside the configuration.")
    record = PluginRecord(name=written, distribution=LOCAL, status="local")
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
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _settle_ownership(registry: Registry, config: PluginsConfig) -> None:
    """The first part of a check's name owns its metric ids: two distributions may not share one unless told who has it."""
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
