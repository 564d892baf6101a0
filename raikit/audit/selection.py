"""Which checks run, with which options: the ``checks`` section, ``--select``, ``--exclude`` and ``--all``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from raikit.config.load import explain
from raikit.errors import ConfigError, listed, nearest, raised
from raikit.plugins.registry import CheckEntry, placeholder_check
from raikit.run.record import failed_plugins
from raikit.run.results import CheckStatus

if TYPE_CHECKING:
    from raikit.check import CheckOptions
    from raikit.config.load import LoadedConfig
    from raikit.plugins.registry import Registry
    from raikit.run.record import PluginRecord

PILLARS = ("performance", "fairness", "explainability", "privacy", "robustness", "efficiency", "data")


@dataclass(frozen=True)
class Planned:
    """A check of this audit; `status` and `reason` are set if it will not run."""

    entry: CheckEntry
    options: CheckOptions | None = None
    status: CheckStatus | None = None
    reason: str | None = None
    help: str | None = None

    @property
    def name(self) -> str:
        return self.entry.name


def plan(
    config: LoadedConfig,
    registry: Registry,
    *,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    everything: bool = False,
) -> list[Planned]:
    """Decide about every known check, in the order of the pillars.

    Raises
    ------
    ConfigError
        For an unknown check, pillar or option, with the nearest name.
    """
    lost = list(failed_plugins(registry.plugins))
    for names, where in ((select, "--select"), (exclude, "--exclude")):
        for name in names if not lost else ():
            _known(name, registry, where)
    wanted = {} if config.audit.checks is None else _requests(config, registry, bool(lost))
    planned = [
        _decide(entry, wanted if config.audit.checks is not None else None, config, select, exclude, everything)
        for entry in sorted(registry.checks.values(), key=_order)
    ]
    planned += [Planned(entry, status="error", reason=entry.problem) for entry in registry.broken]
    _refuse_stray_options(config, wanted, planned, registry)
    asked = [*select, *(str(key) for key, value in (config.audit.checks or {}).items() if value is not False)]
    unknown = dict.fromkeys(name for name in asked if _name_and_option(name, registry)[0] is None)
    return planned + [_not_loaded(name, lost) for name in unknown]


def _not_loaded(name: str, lost: Sequence[PluginRecord]) -> Planned:
    """A row for a check that somebody asked for and that nobody brings, while plugins could not be loaded."""
    why = "; ".join(f"{plugin.name} of {plugin.distribution}: {plugin.reason}" for plugin in lost)
    return Planned(
        CheckEntry(placeholder_check(name, "Not loaded"), lost[0].distribution, lost[0].version),
        status="not_loaded",
        reason=f"no check or pillar of this name was loaded, but not every plugin could be ({why})",
        help="repair that plugin, or correct the name",
    )


def _order(entry: CheckEntry) -> tuple[int, str, int]:
    pillar = entry.check.pillar
    return (PILLARS.index(pillar) if pillar in PILLARS else len(PILLARS), pillar, 0)


def known_names(registry: Registry) -> list[str]:
    """Pillars and checks, the names that a configuration may use."""
    return [*registry.pillars, *registry.checks]


def _known(name: str, registry: Registry, where: str) -> None:
    if name not in known_names(registry):
        raise ConfigError(
            f"{where}: no check or pillar is called {name!r}.{nearest(name, known_names(registry))} "
            f"Known: {listed(known_names(registry), 20)}."
        )


def _requests(config: LoadedConfig, registry: Registry, some_lost: bool) -> dict[str, dict[str, Any] | bool]:
    """The ``checks`` section by name; ``fairness.intersections: 3`` is the option `intersections` of ``fairness``."""
    asked: dict[str, dict[str, Any] | bool] = {}
    for key, value in (config.audit.checks or {}).items():
        name, option = _name_and_option(str(key), registry)
        if name is None and some_lost:
            continue
        if name is None:
            hint = nearest(str(key), known_names(registry))
            raise config.error(
                ("checks", str(key)),
                f"no check or pillar is called {key!r}.{hint} Known: {listed(known_names(registry), 20)}.",
            )
        if option:
            value = {option: value}
        elif value is None:
            value = {}
        if not isinstance(value, bool | Mapping):
            raise config.error(("checks", str(key)), f"give options as a mapping, true or false, not {value!r}.")
        before = asked.get(name)
        asked[name] = (
            value
            if isinstance(value, bool) and not option
            else {**(before if isinstance(before, dict) else {}), **(value if isinstance(value, Mapping) else {})}
        )
    return asked


def _name_and_option(key: str, registry: Registry) -> tuple[str | None, str | None]:
    if key in known_names(registry):
        return key, None
    name, _, option = key.rpartition(".")
    return (name, option) if name in known_names(registry) and name else (None, None)


def _decide(
    entry: CheckEntry,
    wanted: dict[str, dict[str, Any] | bool] | None,
    config: LoadedConfig,
    select: Sequence[str],
    exclude: Sequence[str],
    everything: bool,
) -> Planned:
    name, pillar = entry.name, entry.check.pillar
    planned = Planned(entry)
    if entry.problem:
        return replace(planned, status="error", reason=entry.problem)
    if name in exclude or pillar in exclude:
        return replace(planned, status="deselected", reason="left out by --exclude")
    by_name = name in select or (wanted is not None and wanted.get(name) not in (None, False))
    if select and name not in select and pillar not in select:
        return replace(planned, status="deselected", reason="not named by --select")
    if wanted is not None and wanted.get(name) is False and name not in select:
        return replace(planned, status="deselected", reason="left out by checks in the configuration")
    if wanted and not select and name not in wanted and wanted.get(pillar) in (None, False):
        return replace(planned, status="deselected", reason="not named by checks in the configuration")
    if entry.check.cost == "slow" and not by_name and not everything:
        return replace(
            planned,
            status="skipped",
            reason="slow: ask for it by name or with --all",
            help=f"--select {name}, or --all",
        )
    return _with_options(planned, by_name, wanted or {}, config)


def _with_options(
    planned: Planned, by_name: bool, wanted: Mapping[str, dict[str, Any] | bool], config: LoadedConfig
) -> Planned:
    """The check with its options; nobody else's audit stops because of those of a check that nobody has asked for by name."""
    entry = planned.entry
    try:
        options = _options(entry, wanted, config)
        if options is not None:
            options.model_dump(mode="json")
    except ConfigError as error:
        if by_name or isinstance(wanted.get(entry.check.pillar), dict):
            raise
        return replace(
            planned, status="skipped", reason=f"it must be told its options ({error})", help=f"checks: {{{entry.name}: {{…}}}}"
        )
    except Exception as error:
        return replace(planned, status="error", reason=f"its options cannot be made or written down: {raised(error)}")
    return replace(planned, options=options)


def _options(
    entry: CheckEntry, wanted: Mapping[str, dict[str, Any] | bool], config: LoadedConfig
) -> CheckOptions | None:
    """Options of the pillar that this check has, then the check's own over them, validated."""
    model = entry.check.Options
    if entry.problem:
        return None
    pillar, own = wanted.get(entry.check.pillar), wanted.get(entry.name)
    given = {
        key: value for key, value in (pillar if isinstance(pillar, dict) else {}).items() if key in model.model_fields
    }
    given |= own if isinstance(own, dict) else {}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        at = entry.name if isinstance(own, dict) and own else entry.check.pillar
        raise explain(error, model, config.document, ("checks", at)) from None


def _refuse_stray_options(
    config: LoadedConfig, wanted: Mapping[str, dict[str, Any] | bool], planned: Sequence[Planned], registry: Registry
) -> None:
    """An option under a pillar that none of its checks has is a typing mistake."""
    for name, options in wanted.items():
        if name not in registry.pillars or not isinstance(options, dict):
            continue
        known = {
            field
            for item in planned
            if item.entry.check.pillar == name
            for field in item.entry.check.Options.model_fields
        }
        for option in options:
            if option not in known:
                raise config.error(
                    ("checks", name, option),
                    f"no check of {name} has this option.{nearest(str(option), known)} Options: {listed(known)}.",
                )
