"""Which checks run, with which options: the ``checks`` section, ``--select``, ``--exclude`` and ``--all``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from raikit.address import Pattern, pattern_parts
from raikit.config.load import explain
from raikit.errors import ConfigError, listed, nearest, raised
from raikit.gate.aliases import Aliases
from raikit.plugins.registry import CheckEntry, placeholder_check
from raikit.run.record import failed_plugins
from raikit.run.results import CheckStatus

if TYPE_CHECKING:
    from raikit.check import CheckOptions
    from raikit.config.load import LoadedConfig
    from raikit.plugins.registry import Registry
    from raikit.run.record import PluginRecord

_CheckSettings = Mapping[str, "dict[str, Any] | bool"]  # the section `checks`, by the name of a check or pillar

PILLARS = ("performance", "fairness", "explainability", "privacy", "robustness", "efficiency", "data")


@dataclass(frozen=True)
class PlannedCheck:
    """A check of this audit; `status`, `reason` and `help` are set if it will not run."""

    entry: CheckEntry
    options: CheckOptions | None = None
    status: CheckStatus | None = None
    reason: str | None = None
    help: str | None = None

    @property
    def name(self) -> str:
        """Name of the check."""
        return self.entry.name


def select_checks(
    config: LoadedConfig,
    registry: Registry,
    *,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    everything: bool = False,
) -> list[PlannedCheck]:
    """Decide for every known check whether it runs, in the order of the pillars.

    Raises
    ------
    ConfigError
        For an unknown check, pillar or option, with the nearest name.
    """
    failed = list(failed_plugins(registry.plugins))
    for names, option in ((select, "--select"), (exclude, "--exclude")):
        for name in names if not failed else ():
            _refuse_unknown_name(name, registry, option)
    settings = None if config.audit.checks is None else _check_settings(config, registry, bool(failed))
    planned = [
        _decide(entry, settings, config, select, exclude, everything)
        for entry in sorted(registry.checks.values(), key=_order)
    ]
    planned += [PlannedCheck(entry, status="error", reason=entry.problem) for entry in registry.broken]
    _refuse_stray_options(config, settings or {}, planned, registry)
    named = [*select, *(str(key) for key, value in (config.audit.checks or {}).items() if value is not False)]
    unknown = dict.fromkeys(name for name in named if _name_and_option(name, registry)[0] is None)
    return planned + [_not_loaded(name, failed) for name in unknown]


def _not_loaded(name: str, failed: Sequence[PluginRecord]) -> PlannedCheck:
    """Return a row for a check that was asked for by name and that may belong to a plugin that could not be loaded."""
    why = "; ".join(f"{plugin.name} of {plugin.distribution}: {plugin.reason}" for plugin in failed)
    return PlannedCheck(
        CheckEntry(placeholder_check(name, "Not loaded"), failed[0].distribution, failed[0].version),
        status="not_loaded",
        reason=f"no check or pillar of this name was loaded, and some plugins could not be loaded ({why})",
        help="repair that plugin, or correct the name",
    )


def _order(entry: CheckEntry) -> tuple[int, str]:
    pillar = entry.check.pillar
    return (PILLARS.index(pillar) if pillar in PILLARS else len(PILLARS), pillar)


def known_names(registry: Registry) -> list[str]:
    """Return the names of pillars and checks, which a configuration may use."""
    return [*registry.pillars, *registry.checks]


def _refuse_unknown_name(name: str, registry: Registry, option: str) -> None:
    if name not in known_names(registry):
        raise ConfigError(f"{option}: {unknown_check(name, registry)}")


def unknown_check(name: str, registry: Registry) -> str:
    """Return a sentence about a name that no check or pillar has: the check that measures it, or the nearest name."""
    if check := _measuring(name, registry):
        return f"{name!r} is a metric of {check}; name that check."
    known = known_names(registry)
    return f"no check or pillar is called {name!r}.{nearest(name, known)} Known: {listed(known, 20)}."


def _measuring(name: str, registry: Registry) -> str | None:
    """Return the check that measures a metric of this name, or of which it is another name; None if there is none."""
    checks = [entry.check for entry in registry.checks.values()]
    wanted = Pattern(Aliases.of(checks).resolve(name))
    for check in checks:
        produced = map(str, check.produces if isinstance(check.produces, list | tuple) else ())
        if any(wanted.overlaps(id) for id in produced if "*" not in pattern_parts(id).name):
            return check.name
    return None


def _check_settings(config: LoadedConfig, registry: Registry, some_failed: bool) -> _CheckSettings:
    """Return the ``checks`` section by name; ``fairness.intersections: 3`` is the option `intersections` of ``fairness``."""
    settings: dict[str, dict[str, Any] | bool] = {}
    for key, value in (config.audit.checks or {}).items():
        name, option = _name_and_option(str(key), registry)
        if name is None and some_failed:
            continue
        if name is None:
            raise config.error(("checks", str(key)), unknown_check(str(key), registry))
        if option:
            value = {option: value}
        elif value is None:
            value = {}
        if not isinstance(value, bool | Mapping):
            raise config.error(("checks", str(key)), f"give options as a mapping, true or false, not {value!r}.")
        if isinstance(value, bool):
            settings[name] = value
        else:
            settings[name] = {**_options_in(settings, name), **value}
    return settings


def _options_in(settings: _CheckSettings, name: str) -> Mapping[str, Any]:
    """Return the options that a check or pillar has in the ``checks`` section; none if it is only switched on or off."""
    options = settings.get(name)
    return options if isinstance(options, Mapping) else {}


def _name_and_option(key: str, registry: Registry) -> tuple[str | None, str | None]:
    if key in known_names(registry):
        return key, None
    name, _, option = key.rpartition(".")
    return (name, option) if name in known_names(registry) and name else (None, None)


def _decide(
    entry: CheckEntry,
    settings: _CheckSettings | None,
    config: LoadedConfig,
    select: Sequence[str],
    exclude: Sequence[str],
    everything: bool,
) -> PlannedCheck:
    name, pillar = entry.name, entry.check.pillar
    planned = PlannedCheck(entry)
    if entry.problem:
        return replace(planned, status="error", reason=entry.problem)
    if name in exclude or pillar in exclude:
        return replace(planned, status="deselected", reason="left out by --exclude")
    by_name = name in select or (settings is not None and settings.get(name) not in (None, False))
    if select and name not in select and pillar not in select:
        return replace(planned, status="deselected", reason="not named by --select")
    if settings is not None and settings.get(name) is False and name not in select:
        return replace(planned, status="deselected", reason="left out by checks in the configuration")
    if settings and not select and name not in settings and settings.get(pillar) in (None, False):
        return replace(planned, status="deselected", reason="not named by checks in the configuration")
    if entry.check.cost == "slow" and not by_name and not everything:
        return replace(
            planned,
            status="skipped",
            reason="slow, not requested",
            help=f"To add it: --select {name}, or --all",
        )
    return _with_options(planned, by_name, settings or {}, config)


def _with_options(
    planned: PlannedCheck, by_name: bool, settings: _CheckSettings, config: LoadedConfig
) -> PlannedCheck:
    """Return the check with its options; wrong options stop the audit only if the check or its pillar was asked for."""
    entry = planned.entry
    try:
        options = _options(entry, settings, config)
        options.model_dump(mode="json")
    except ConfigError as error:
        if by_name or isinstance(settings.get(entry.check.pillar), Mapping):
            raise
        return replace(
            planned, status="skipped", reason=f"it needs options ({error})", help=f"checks: {{{entry.name}: {{…}}}}"
        )
    except Exception as error:
        return replace(planned, status="error", reason=f"its options cannot be created or written as JSON: {raised(error)}")
    return replace(planned, options=options)


def _options(entry: CheckEntry, settings: _CheckSettings, config: LoadedConfig) -> CheckOptions:
    """Return the validated options: those of the pillar that this check has, then the check's own over them."""
    model = entry.check.Options
    of_pillar, own = _options_in(settings, entry.check.pillar), _options_in(settings, entry.name)
    values = {key: value for key, value in of_pillar.items() if key in model.model_fields} | dict(own)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        at = entry.name if own else entry.check.pillar
        raise explain(error, model, config.document, ("checks", at)) from None


def _refuse_stray_options(
    config: LoadedConfig, settings: _CheckSettings, planned: Sequence[PlannedCheck], registry: Registry
) -> None:
    """Raise if a pillar has an option that none of its checks has: a misspelling."""
    for name in settings:
        if name not in registry.pillars:
            continue
        known = {
            field
            for item in planned
            if item.entry.check.pillar == name
            for field in item.entry.check.Options.model_fields
        }
        for option in _options_in(settings, name):
            if option not in known:
                if _measuring(f"{name}.{option}", registry):
                    raise config.error(("checks", f"{name}.{option}"), unknown_check(f"{name}.{option}", registry))
                raise config.error(
                    ("checks", name, option),
                    f"no check of {name} has this option.{nearest(str(option), known)} Options: {listed(known)}.",
                )
