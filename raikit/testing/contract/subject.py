"""Find what the conformance test is to test: a single check, or a plugin with everything that it provides."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from raikit.check import Check
from raikit.errors import ConfigError, nearest
from raikit.plugins.discovery import _import_file
from raikit.plugins.entry_points import GROUP, distribution, installed
from raikit.testing.contract.folder import FolderPlugin, plugins_in

_HOOKS = ("raikit_checks", "raikit_model_loaders", "raikit_report_formats", "raikit_comparison_formats")


@dataclass
class ConformanceTarget:
    """A plugin under test, as far as it could be loaded.

    Attributes
    ----------
    name : str
        The name under which rules for the plugin as a whole are reported.
    plugin : object
        Its module (or object); None for a single check, or if it could not be loaded.
    source : str
        How another process can import it: ``module:NAME`` or ``file:PATH``; empty if it cannot.
    is_package : bool
        Whether an entry point provides it, so that it needs hooks and an API version.
    problem : str
        Why it could not be loaded, or what is wrong with the values of its hooks.
    """

    name: str
    plugin: Any = None
    source: str = ""
    is_package: bool = False
    problem: str = ""
    checks: list[type[Check]] = field(default_factory=list)
    formats: dict[str, Callable[..., Any]] = field(default_factory=dict)
    loaders: dict[str, Callable[..., Any]] = field(default_factory=dict)


def subjects_of(plugin: type[Check] | ModuleType | str | Path) -> list[ConformanceTarget]:
    """Find and load a plugin, or all plugins of a package's folder.

    Raises
    ------
    ConfigError
        If no plugin of that name is installed, or the file does not exist or the folder holds none.
    TypeError
        If `plugin` is none of the four kinds.
    """
    if isinstance(plugin, Path) and plugin.is_dir():
        return [_from_folder(declared) for declared in plugins_in(plugin)]
    return [subject_of(plugin)]


def _from_folder(declared: FolderPlugin) -> ConformanceTarget:
    subject = ConformanceTarget(declared.name, source=f"module:{declared.module}", is_package=True)
    return _load(subject, declared.load)


def subject_of(plugin: type[Check] | ModuleType | str | Path) -> ConformanceTarget:
    """Find and load a single plugin; see `subjects_of`."""
    if isinstance(plugin, type):
        return ConformanceTarget(getattr(plugin, "name", plugin.__name__), None, _class_source(plugin), checks=[plugin])
    if isinstance(plugin, ModuleType):
        return _from_module(plugin)
    if isinstance(plugin, Path):
        return _from_file(plugin)
    if isinstance(plugin, str):
        return _from_name(plugin)
    raise TypeError(f"plugin is a Check class, a module, a name or a Path, not {plugin!r}")


def path_or_name(argument: str) -> str | Path:
    """Read an argument of the command line: a path if it looks like one, or is a folder and no installed plugin; else a name."""
    if argument.endswith(".py") or "/" in argument or "\\" in argument:
        return Path(argument)
    if Path(argument).is_dir() and not any(argument in (point.name, distribution(point)) for point in installed()):
        return Path(argument)
    return argument


def _from_name(name: str) -> ConformanceTarget:
    points = [point for point in installed() if name in (point.name, distribution(point))]
    if not points:
        names = {name for point in installed() for name in (point.name, distribution(point))}
        raise ConfigError(
            f"no installed plugin is called {name!r}.{nearest(name, names)} Entry points of the group {GROUP!r}: "
            f"{', '.join(sorted({point.name for point in installed()}))}. For a local file or a package's folder, write its path."
        )
    if len({point.name for point in points}) > 1:
        raise ConfigError(f"{name} has several entry points ({', '.join(point.name for point in points)}); name one of them.")
    if len(points) > 1:
        owners = " and ".join(sorted(distribution(point) for point in points))
        raise ConfigError(f"{owners} both have an entry point {name!r}; uninstall one, or name the distribution.")
    point = points[0]
    subject = ConformanceTarget(point.name, source=f"module:{point.module}", is_package=True)
    return _load(subject, point.load)


def existing(path: Path) -> Path:
    """Return the path, if it is a file.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if not path.is_file():
        hint = "; name a file of checks or an installed plugin" if path.is_dir() else ""
        raise ConfigError(f"there is no file {str(path)!r}{hint}.")
    return path


def _from_file(path: Path) -> ConformanceTarget:
    subject = ConformanceTarget(existing(path).name, source=f"file:{path.resolve()}")
    return _load(subject, lambda: _import_file(path))


def _from_module(module: ModuleType) -> ConformanceTarget:
    is_package = hasattr(module, "raikit_api") or any(hasattr(module, hook) for hook in _HOOKS)
    subject = ConformanceTarget(module.__name__, source=f"module:{module.__name__}", is_package=is_package)
    return _load(subject, lambda: module)


def _load(subject: ConformanceTarget, load: Callable[[], Any]) -> ConformanceTarget:
    """Import the plugin and call its hooks; whatever is raised becomes its `problem`."""
    try:
        subject.plugin = load()
        if subject.is_package:
            subject.checks = _checks(_call(subject.plugin, "raikit_checks") or ())
            subject.formats = _named(_call(subject.plugin, "raikit_report_formats") or {}, "raikit_report_formats")
            subject.loaders = _named(_call(subject.plugin, "raikit_model_loaders") or {}, "raikit_model_loaders")
        else:
            subject.checks = _defined_in(subject.plugin)
    except (Exception, SystemExit) as error:
        subject.problem = f"{type(error).__name__}: {error}"
    return subject


def _call(plugin: Any, hook: str) -> Any:
    function = getattr(plugin, hook, None)
    return function() if callable(function) else None


def _checks(returned: Iterable[Any]) -> list[type[Check]]:
    checks = list(returned)
    for check in checks:
        if not (isinstance(check, type) and issubclass(check, Check)):
            raise TypeError(f"raikit_checks returned {check!r}, which is not a subclass of raikit.Check")
    return checks


def _named(returned: Any, hook: str) -> dict[str, Callable[..., Any]]:
    if not isinstance(returned, Mapping) or not all(isinstance(name, str) and callable(returned[name]) for name in returned):
        raise TypeError(f"{hook} returned {returned!r}, which is not a mapping of names to functions")
    return dict(returned)


def _defined_in(module: ModuleType) -> list[type[Check]]:
    """Return the checks that ``plugins: {local: […]}`` would collect."""
    return [
        item for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Check) and item.__module__ == module.__name__
    ]  # fmt: skip


def _class_source(check: type) -> str:
    try:
        return f"file:{Path(inspect.getfile(check)).resolve()}"
    except (TypeError, OSError):
        return ""
