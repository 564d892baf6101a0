"""What is examined: a check by itself, or a plugin with all that it brings."""

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

_HOOKS = ("raikit_checks", "raikit_model_loaders", "raikit_report_formats")


@dataclass
class Subject:
    """A plugin, as far as it could be loaded.

    Attributes
    ----------
    name : str
        What the rows that are about the plugin as a whole are called.
    plugin : object
        Its module (or object); None if there is none, or if it could not be loaded.
    source : str
        How another process can import it: ``module:NAME`` or ``file:PATH``; empty if it cannot.
    is_package : bool
        Whether it comes through an entry point, so that it needs hooks and an API version.
    problem : str
        Why it could not be loaded, or what is wrong with what its hooks give.
    """

    name: str
    plugin: Any = None
    source: str = ""
    is_package: bool = False
    problem: str = ""
    checks: list[type[Check]] = field(default_factory=list)
    formats: dict[str, Callable[..., Any]] = field(default_factory=dict)
    loaders: dict[str, Callable[..., Any]] = field(default_factory=dict)


def subject_of(plugin: type[Check] | ModuleType | str | Path) -> Subject:
    """Find what is meant.

    Raises
    ------
    ConfigError
        If nothing of that name is installed, or there is no such file.
    TypeError
        If it is nothing that could be a plugin.
    """
    if isinstance(plugin, type):
        return Subject(getattr(plugin, "name", plugin.__name__), None, _source_of_class(plugin), checks=[plugin])
    if isinstance(plugin, ModuleType):
        return _of_module(plugin)
    if isinstance(plugin, Path):
        return _of_file(plugin)
    if isinstance(plugin, str):
        return _of_name(plugin)
    raise TypeError(f"a Check class, a module, a name or a Path is examined, not {plugin!r}")


def path_or_name(written: str) -> str | Path:
    """What somebody wrote on the command line: a file if it looks like one, else a name."""
    return Path(written) if written.endswith(".py") or "/" in written or "\\" in written else written


def _of_name(name: str) -> Subject:
    points = [point for point in installed() if name in (point.name, distribution(point))]
    if not points:
        names = {called for point in installed() for called in (point.name, distribution(point))}
        raise ConfigError(
            f"no installed plugin is called {name!r}.{nearest(name, names)} Entry points of the group {GROUP!r}: "
            f"{', '.join(sorted({point.name for point in installed()}))}; a local file is given by its path."
        )
    if len({point.name for point in points}) > 1:
        raise ConfigError(f"{name} has several entry points ({', '.join(point.name for point in points)}); name one of them.")
    if len(points) > 1:
        owners = " and ".join(sorted(distribution(point) for point in points))
        raise ConfigError(f"{owners} both have an entry point {name!r}; uninstall one, or give the other's distribution.")
    point = points[0]
    subject = Subject(point.name, source=f"module:{point.module}", is_package=True)
    return _loaded(subject, point.load)


def existing(path: Path) -> Path:
    """The same path, if there is a file.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if not path.is_file():
        hint = "; give a file of checks, or the name of an installed plugin" if path.is_dir() else ""
        raise ConfigError(f"there is no file {str(path)!r}{hint}.")
    return path


def _of_file(path: Path) -> Subject:
    subject = Subject(existing(path).name, source=f"file:{path.resolve()}")
    return _loaded(subject, lambda: _import_file(path))


def _of_module(module: ModuleType) -> Subject:
    is_package = hasattr(module, "raikit_api") or any(hasattr(module, hook) for hook in _HOOKS)
    subject = Subject(module.__name__, source=f"module:{module.__name__}", is_package=is_package)
    return _loaded(subject, lambda: module)


def _loaded(subject: Subject, load: Callable[[], Any]) -> Subject:
    """Import it and ask for what it brings; what goes wrong is its problem."""
    try:
        subject.plugin = load()
        if subject.is_package:
            subject.checks = _checks(_ask(subject.plugin, "raikit_checks") or ())
            subject.formats = _named(_ask(subject.plugin, "raikit_report_formats") or {}, "raikit_report_formats")
            subject.loaders = _named(_ask(subject.plugin, "raikit_model_loaders") or {}, "raikit_model_loaders")
        else:
            subject.checks = _defined_in(subject.plugin)
    except (Exception, SystemExit) as error:
        subject.problem = f"{type(error).__name__}: {error}"
    return subject


def _ask(plugin: Any, hook: str) -> Any:
    function = getattr(plugin, hook, None)
    return function() if callable(function) else None


def _checks(brought: Iterable[Any]) -> list[type[Check]]:
    checks = list(brought)
    for check in checks:
        if not (isinstance(check, type) and issubclass(check, Check)):
            raise TypeError(f"raikit_checks returned {check!r}, which is not a subclass of raikit.Check")
    return checks


def _named(brought: Any, hook: str) -> dict[str, Callable[..., Any]]:
    if not isinstance(brought, Mapping) or not all(isinstance(name, str) and callable(brought[name]) for name in brought):
        raise TypeError(f"{hook} gave {brought!r}, which is no mapping of names to functions")
    return dict(brought)


def _defined_in(module: ModuleType) -> list[type[Check]]:
    """What ``plugins: {local: […]}`` would collect."""
    return [
        item for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Check) and item.__module__ == module.__name__
    ]  # fmt: skip


def _source_of_class(check: type) -> str:
    try:
        return f"file:{Path(inspect.getfile(check)).resolve()}"
    except (TypeError, OSError):
        return ""
