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
from importlib.machinery import SOURCE_SUFFIXES
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from raikit import hookspecs
from raikit.check import Check
from raikit.config.schema import PluginsConfig
from raikit.deprecation import collect_warnings
from raikit.errors import ConfigError, PluginError, nearest, raised
from raikit.models.loaders import LOADERS, TABLE_KIND
from raikit.plugins.contract import LONGEST_NAME, contract_problem, incompatibility
from raikit.plugins.entry_points import distribution, impostor, installed, module_file, version
from raikit.plugins.probe import find_fatal_imports
from raikit.plugins.registry import CheckEntry, PluginProcesses, Registry, placeholder_check
from raikit.process.guard import preserved
from raikit.process.sources import SourceOnly, import_from
from raikit.run.owners import FIRST_PARTY, LOCAL
from raikit.run.record import PluginRecord

if TYPE_CHECKING:
    from raikit.plugins.description import ValidatedOptions

DISABLE = "RAIKIT_DISABLE_PLUGINS"  # an environment variable: names, separated by commas

Refusal = tuple[str, str]  # a status of `PluginRecord`, and the reason


def discover(
    config: PluginsConfig | None = None, folder: Path | None = None, processes: PluginProcesses | None = None
) -> Registry:
    """Load every plugin that takes part.

    Parameters
    ----------
    config : PluginsConfig, optional
        Local files, disabled names, who replaces whom.
    folder : Path, optional
        What local files are relative to.
    processes : PluginProcesses, optional
        Where plugins of other distributions and local files are loaded, so that no module of theirs is imported here.
        Absent: they are imported into this process.

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
    _refuse_absent_files(local)
    foreign = [point for point, refusal in refusals if refusal is None and distribution(point) != FIRST_PARTY]
    fatal: dict[str, Refusal] = {}
    if processes is None:
        fatal = _refuse_fatal_imports([*(point.value for point in foreign), *map(str, local.values())])
    else:
        processes.start([*dict.fromkeys(map(distribution, foreign)), *([LOCAL] if local else [])])
    for point, refusal in refusals:
        if processes is not None and point in foreign:
            _add_described(registry, point.name, distribution(point), version(point), processes)
            continue
        with _deprecations_of_the_next(registry):
            _load_entry_point(registry, point, refusal or fatal.get(point.value))
    for name, path in local.items():
        if processes is not None:
            _add_described(registry, name, LOCAL, "", processes)
            continue
        with _deprecations_of_the_next(registry):
            _load_local(registry, path, name, fatal.get(str(path)))
    _settle_ownership(registry, config)
    return registry


def _refuse_absent_files(local: Mapping[str, Path]) -> None:
    for name, path in local.items():
        if not path.is_file():
            raise ConfigError(f"plugins.local: there is no file {name!r} beside the configuration.")


def _add_described(registry: Registry, name: str, owner: str, version: str, processes: PluginProcesses) -> None:
    """Add what a plugin provides by its description; its code stays in the process of its distribution."""
    from raikit.plugins.description import described_check

    record = PluginRecord(name=name, distribution=owner, version=version)
    registry.plugins.append(record)
    described = processes.describe(owner, name)
    record.status, record.reason = described.status, described.reason
    record.hooks, record.warnings = list(described.hooks), list(described.warnings)
    registry._managers.append((record, None))

    def validate(check: str, values: Mapping[str, Any]) -> ValidatedOptions:
        return processes.validate_options(owner, check, values)

    for check in described.checks:
        problem, made = check.problem, None
        if problem is None:
            try:
                made = described_check(check, validate)
            except Exception as error:  # The description may be forged.
                problem = f"it cannot be described: {raised(error)}"
        if made is not None:
            _add_check(registry, record, made)
        else:
            _add_broken(registry, record, check.name[:LONGEST_NAME], str(problem))
    named = (described.loaders, described.formats, described.comparison_formats)
    _add_provided(registry, record, *(dict.fromkeys(names, _elsewhere) for names in named))


def _elsewhere(*_: Any) -> Any:
    raise PluginError("this runs in a process of its own, not in this one")


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


def load_plugin(owner: str, name: str, folder: Path) -> Registry:
    """Load one plugin of a distribution, or one local file, and no other."""
    registry = Registry()
    with _deprecations_of_the_next(registry):
        if owner == LOCAL:
            _load_local(registry, folder / name, name)
        else:
            point = next(point for point in installed() if (point.name, distribution(point)) == (name, owner))
            _load_entry_point(registry, point, None)
    return registry


def plugins_of(owner: str, config: PluginsConfig) -> list[str]:
    """Return the names of the plugins of a distribution that take part, or of the local files."""
    if owner == LOCAL:
        return list(config.local)
    points = [point for point in installed() if distribution(point) == owner]
    return [point.name for point in points if _refusal(point, [point], config) is None]


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
    if problem := impostor(point):
        return "error", problem
    if name in config.disable or owner in config.disable:
        return "disabled", "disabled by plugins.disable or --disable"
    if {name, owner} & _disabled_by_environment():
        return "disabled", f"disabled by the environment variable {DISABLE}"
    chosen = config.use.get(name)
    if len(namesakes) > 1 and chosen is None:
        owners = " and ".join(sorted(f"{distribution(other)} ({module_file(other)})" for other in namesakes))
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
        of_runs = _merged(manager.hook.raikit_comparison_formats())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        record.status, record.reason = "error", re.sub(r"<module '([^']+)'[^>]*>", r"\1", raised(error)).strip()
        return
    registry._managers.append((record, manager))
    for check in checks:
        _add_check(registry, record, check)
    _add_provided(registry, record, loaders, formats, of_runs)


def _add_provided(
    registry: Registry, record: PluginRecord, loaders: Mapping[str, Any], formats: Mapping[str, Any], of_runs: Mapping[str, Any]
) -> None:
    """Add the loaders and formats of a plugin, and who owns them."""
    added = _add_named(registry.loaders, loaders, record, "model loader", reserved=TABLE_KIND)
    registry.loader_owners.update(dict.fromkeys(added, record.distribution))
    added = _add_named(registry.formats, formats, record, "report format")
    registry.owners.update(dict.fromkeys(added, record.distribution))
    added = _add_named(registry.comparison_formats, of_runs, record, "format of comparisons")
    registry.comparison_owners.update(dict.fromkeys(added, record.distribution))


def _merged(answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for answer in answers for name, value in answer.items()}


def _add_named(
    known: dict[str, Any], new: Mapping[str, Any], record: PluginRecord, what: str, reserved: str = ""
) -> list[str]:
    """Add what no plugin provides yet, and return its names."""
    added = []
    for name, value in new.items():
        if name in known or name == reserved:
            record.status, record.reason = "error", f"provides a {what} {name!r}, which another plugin provides already"
        else:
            known[name] = value
            added.append(name)
    return added


def _add_check(registry: Registry, record: PluginRecord, check: Any) -> None:
    problem = contract_problem(check)
    name = vars(check).get("name", getattr(check, "name", None)) if isinstance(check, type) else None
    if problem and not isinstance(name, str):
        record.status, record.reason = "error", problem
    elif problem:
        _add_broken(registry, record, str(name), problem)
    else:
        _add_entry(registry, record, CheckEntry(check, record.distribution, record.version, None, record.warnings))


def _add_broken(registry: Registry, record: PluginRecord, name: str, problem: str) -> None:
    """Add a check that cannot run, so that it has a row in the record."""
    check = placeholder_check(name)
    _add_entry(registry, record, CheckEntry(check, record.distribution, record.version, problem, record.warnings))


def _add_entry(registry: Registry, record: PluginRecord, entry: CheckEntry) -> None:
    check = entry.check
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
    import_from(path.parent.resolve())  # a file may import what lies beside it, also later, when its checks run
    name = "raikit_local_" + re.sub(r"\W", "_", str(path.resolve()))
    loader = SourceOnly(name, str(path)) if path.suffix in SOURCE_SUFFIXES else None
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
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
