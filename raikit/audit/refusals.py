"""Refuse what cannot work as early as it can be known: before data is read, or before a model is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from raikit.address import Address, Pattern, parse, pattern_parts, quote
from raikit.audit.selection import PlannedCheck, known_names, unknown_check
from raikit.config.load import explain
from raikit.errors import ConfigError, listed, nearest
from raikit.format import as_given
from raikit.gate.aliases import Aliases
from raikit.gate.rules import may_measure
from raikit.gate.suggestions import suggest_metric
from raikit.models.loaders import LOADERS, TABLE_KIND, settings_of
from raikit.models.table import PredictionsSpec
from raikit.run.record import failed_plugins

if TYPE_CHECKING:
    from raikit.config.load import LoadedConfig
    from raikit.config.schema import GateConfig, MetricSection
    from raikit.data.dataset import Dataset
    from raikit.plugins.registry import Registry
    from raikit.run.record import Record

Key = Sequence[str | int]


def refuse_unknown_loader(config: LoadedConfig, registry: Registry) -> None:
    """Raise if no loader has the name that ``model.load.kind`` gives.

    Raises
    ------
    ConfigError
        With the nearest name.
    """
    load, kinds = config.audit.model.load, [*registry.loaders, TABLE_KIND]
    if load is not None and load.kind not in kinds:
        raise config.error(
            ("model", "load", "kind"),
            f"no loader is called {load.kind!r}.{nearest(load.kind, kinds)} Known: {listed(kinds)}.",
        )


def refuse_unknown_formats(registry: Registry, formats: Sequence[str], *, by_option: bool) -> None:
    """Raise if no plugin provides a report format, or if ``--formats`` names none.

    Raises
    ------
    ConfigError
        With the nearest name.
    """
    where = "--formats" if by_option else "formats"
    if by_option and not formats:
        raise ConfigError(f"--formats: name at least one of {listed(registry.formats)}.")
    for name in formats:
        if name not in registry.formats:
            raise ConfigError(
                f"{where}: no report format is called {name!r}.{nearest(name, registry.formats)} "
                f"Known: {listed(registry.formats)}."
            )


def refuse_invalid_settings(config: LoadedConfig, registry: Registry) -> None:
    """Raise if ``model.load`` has settings that a table of predictions or a loader of raikit's own cannot have.

    Raises
    ------
    ConfigError
        Names the file, the line, the key and, for an unknown key, the nearest valid one.
    """
    model = config.audit.model
    if model.load is None:
        return
    kind: type[BaseModel] | None = PredictionsSpec if model.is_table else None
    if kind is None and registry.loaders.get(model.load.kind) is LOADERS.get(model.load.kind):
        kind = settings_of(model.load.kind)
    if kind is None:
        return
    try:
        kind.model_validate(model.load.model_dump())
    except ValidationError as error:
        raise explain(error, kind, config.document, ("model", "load")) from None


def refuse_unreachable_rules(config: LoadedConfig, planned: Sequence[PlannedCheck], registry: Registry) -> None:
    """Raise if the policy names what no selected check can produce, or a check that no plugin provides.

    If a plugin failed to load, nobody knows what it would have produced; its rules are `missing` later on.

    Raises
    ------
    ConfigError
        With the nearest address or name.
    """
    if any(failed_plugins(registry.plugins)):
        return
    running = [item for item in planned if item.status is None]
    aliases = Aliases.of(entry.check for entry in registry.checks.values())
    for key in ("rules", "regressions"):
        for number, rule in enumerate(getattr(config.audit.gate, key)):
            at = ("gate", key, number, "metric")
            sources = _sources(running, Pattern(rule.metric))
            _refuse_unknown_column(config, rule.metric, at, sources)
            if not sources:
                raise config.error(at, _why_unreachable(rule, planned, aliases))
    _refuse_unknown_waivers(config, planned, aliases)
    for number, item in enumerate(config.audit.gate.required):
        if item.check not in known_names(registry):
            raise config.error(("gate", "required", number), unknown_check(item.check, registry))


def _refuse_unknown_waivers(config: LoadedConfig, planned: Sequence[PlannedCheck], aliases: Aliases) -> None:
    """Raise if a waiver names what no check measures, whether it runs or not: it would waive nothing."""
    known = [pattern for item in planned for pattern in _produced(item)]
    for number, waiver in enumerate(config.audit.gate.waivers):
        if not _sources(planned, Pattern(waiver.metric)):
            raise config.error(
                ("gate", "waivers", number, "metric"),
                f"no check measures {waiver.written or waiver.metric!r}.{suggest_metric(waiver.metric, known, aliases)}",
            )


def _why_unreachable(rule: MetricSection, planned: Sequence[PlannedCheck], aliases: Aliases) -> str:
    """Return a sentence about a rule that none of the checks that run can measure, with what may be meant."""
    written, wanted = rule.written or rule.metric, Pattern(rule.metric)
    for item in planned:
        if item.status is not None and any(map(wanted.overlaps, _produced(item))):
            return f"{written!r} comes from {item.name}, which does not run ({item.reason})."
    reachable = [pattern for item in planned if item.status is None for pattern in _produced(item)]
    if complement := _as_complement(rule, aliases):
        return f"no check measures {written!r}{complement}"
    name = Pattern(pattern_parts(rule.metric).name)
    if same := [pattern for pattern in (*reachable, *aliases.names) if "*" not in name.pattern and name.overlaps(pattern)]:
        return f"no selected check produces {written!r}. Known: {listed(dict.fromkeys(same))}."
    return f"no selected check produces {written!r}.{suggest_metric(rule.metric, reachable, aliases)}"


def _as_complement(rule: MetricSection, aliases: Aliases) -> str:
    """Return what to write instead of a limit on the complement of a metric; empty if it is none."""
    complement = aliases.complement(rule.metric)
    if complement is None:
        return ""
    whole, metric = complement
    said = f"; it is {whole} - {metric}. "
    for bound, opposite in (("max", "min"), ("min", "max")):
        if (limit := getattr(rule, bound, None)) is not None:
            return f"{said}Put the limit on that: `{opposite}: {as_given(round(whole - limit, 12))}`."
    return f"{said}Name that instead."


def _produced(item: PlannedCheck) -> Sequence[str]:
    produces = item.entry.check.produces
    return produces if isinstance(produces, list | tuple) else ()  # a broken check may hold anything here


def _is_open_ended(item: PlannedCheck) -> bool:
    """Return whether a check does not list its metrics by name."""
    return not _produced(item) or f"{item.entry.check.prefix()}.*" in _produced(item)


def _sources(running: Sequence[PlannedCheck], wanted: Pattern) -> list[PlannedCheck]:
    """Return the checks that could measure what a rule names."""
    return [
        item
        for item in running
        if any(wanted.overlaps(pattern) for pattern in _produced(item) or [f"{item.entry.check.prefix()}.*"])
    ]


def _has_own_columns(item: PlannedCheck, wanted: Pattern) -> bool:
    """Return whether the brackets of its addresses may hold other columns than the sensitive ones."""
    return _is_open_ended(item) or any("[" in pattern and wanted.overlaps(pattern) for pattern in _produced(item))


def _parse_brackets(config: LoadedConfig, metric: str, at: Key) -> Address | None:
    """Return what the brackets of a rule name; None if it has none, or a ``*`` in them."""
    head, _, brackets = metric.partition("[")
    if not brackets or "*" in brackets:
        return None
    try:
        return parse(f"{head.replace('*', 'x')}[{brackets}")
    except ConfigError as error:
        raise config.error(at, str(error)) from None


def _refuse_unknown_column(
    config: LoadedConfig, metric: str, at: Key, sources: Sequence[PlannedCheck]
) -> None:
    """Raise if a column in brackets is not sensitive, unless the check that measures the metric has columns of its own."""
    parts = _parse_brackets(config, metric, at)
    known = [feature.column for feature in config.audit.data.sensitive]
    foreign = not sources or any(_has_own_columns(item, Pattern(metric)) for item in sources)
    for column in parts.over if parts else ():
        if column not in known and ((hint := nearest(column, known)) or not foreign):
            sensitive = f" data.sensitive names {listed(known)}." if known else " data.sensitive names none."
            raise config.error(at, f"{column!r} in {metric!r} is not a sensitive column.{hint}{sensitive}")


def refuse_absent_groups(config: LoadedConfig, planned: Sequence[PlannedCheck], data: Dataset) -> None:
    """Raise if a rule names a group that no audited case belongs to.

    Raises
    ------
    ConfigError
        With the nearest value and the values of the column.
    """
    for number, rule in enumerate(config.audit.gate.rules):
        at = ("gate", "rules", number, "metric")
        parts, wanted = _parse_brackets(config, rule.metric, at), Pattern(rule.metric)
        sources = _sources([item for item in planned if item.status is None], wanted)
        if parts is None or not sources or any(_has_own_columns(item, wanted) for item in sources):
            continue
        split = parts.args.get("split", data.audited_split)
        cases = data.roles[data.roles["split"] == split]
        for column, value in parts.group.items():
            if column not in data.sensitive:
                continue
            values = cases[column].unique().tolist()
            known = [item for item in values if isinstance(item, str)]
            if value not in known and not (value is None and len(known) < len(values)):
                raise config.error(
                    at,
                    f"no case of the split {split!r} has {column} {quote(value) if value is not None else 'missing'}, "
                    f"which {rule.metric!r} names.{nearest(value or '', known)} Values: {listed(known, 20)}.",
                )


def refuse_unmeasured(
    policy: GateConfig, record: Record, error: Callable[[Key, str], ConfigError], aliases: Aliases | None = None
) -> None:
    """Raise if a policy for a finished run names what none of its checks measured or could have measured.

    What a check that crashed or was skipped would have measured is `missing` later on. If a plugin failed to load, nobody
    knows what it would have measured.

    Parameters
    ----------
    error : callable
        ``error(key, problem)`` returns the `ConfigError`.
    aliases : Aliases, optional
        Other names of metrics, for suggestions. The policy must hold ids already.

    Raises
    ------
    ConfigError
        With the nearest address that the run has.
    """
    if any(failed_plugins(record.plugins)):
        return
    addresses = [str(metric.id) for _, metric in record.metrics()]
    measured = {address.split("[")[0].split("(")[0] for address in addresses}
    for key in ("rules", "regressions"):
        for number, rule in enumerate(getattr(policy, key)):
            if not _is_known(rule.metric, record, addresses, measured):
                hint = _hint(rule, addresses, measured, aliases or Aliases())
                raise error((key, number, "metric"), f"the run has no {rule.written or rule.metric!r}{hint}")
    checks = {name for check in record.checks for name in (check.name, check.pillar)}
    for number, item in enumerate(policy.required):
        if item.check not in checks:
            raise error(
                ("required", number),
                f"no check or pillar is called {item.check!r}.{nearest(item.check, checks)} "
                f"Known: {listed(checks, 20)}.",
            )


def _is_known(metric: str, record: Record, addresses: Sequence[str], measured: Set[str]) -> bool:
    """Return whether a run has measured what a rule names, or might have; `measured` are the names of its addresses."""
    wanted = Pattern(metric)
    if any(map(wanted.matches, addresses)):
        return True
    silent = [check for check in record.checks if check.status != "ok" or not check.metrics]
    if any(may_measure(check, wanted) for check in silent):
        return True
    produced = any(wanted.overlaps(pattern) for check in record.checks for pattern in check.produces)
    return produced and not any(map(wanted.overlaps, measured))  # a check could have measured it, but there was nothing


def _hint(rule: MetricSection, addresses: Sequence[str], measured: Set[str], aliases: Aliases) -> str:
    """Return what a rule on a finished run may mean, to end the sentence that the run has no such metric."""
    if complement := _as_complement(rule, aliases):
        return complement
    known = addresses if pattern_parts(rule.metric).name in measured else ()
    return f".{nearest(rule.metric, known) or suggest_metric(rule.metric, sorted(measured), aliases)}"
