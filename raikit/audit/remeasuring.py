"""Measure a stored run again from its predictions, so that a record that was rewritten and hashed again is found."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from raikit.address import Pattern
from raikit.audit.check_runner import Runner
from raikit.audit.requirements import capabilities_of, needs_model
from raikit.audit.selection import PlannedCheck
from raikit.check import CheckContext
from raikit.errors import TamperedRunError
from raikit.format import significant
from raikit.gate.family import levels_of
from raikit.run.directory import PREDICTIONS, RunDirectory
from raikit.run.owners import FIRST_PARTY
from raikit.run.predictions import Predictions
from raikit.run.settings import changed_settings, settings_of

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig
    from raikit.plugins.registry import Registry
    from raikit.run.reader import RunView
    from raikit.run.record import CheckRecord, Record
    from raikit.run.results import Metric

_SAME = 1e-9  # relative; the order of sums may differ between processors
_TOLD = ("value", "low", "high", "n", "level", "limits", "p_value", "p_adjusted", "judged", "profile", "ingredients")


def remeasure(run: RunView, record: Record, policy: GateConfig, registry: Registry) -> tuple[list[CheckRecord], list[str]]:
    """Run again what the rules of a policy rest on, as far as predictions alone show it.

    Parameters
    ----------
    run : RunView
    record : Record
        That of the run.
    policy : GateConfig
    registry : Registry
        The installed plugins.

    Returns
    -------
    checks : list of CheckRecord
        Those of the record, each that could be measured again in its new form.
    left : list of str
        Names of the checks that rules rest on and that were not measured again, because they need the model, belong to another
        distribution or are not installed.

    Raises
    ------
    TamperedRunError
        If a number of the record is not the one that its predictions give.
    """
    # Of this policy, not of the one that the run was judged by: another one rests on other numbers.
    patterns = [Pattern(rule.metric) for rule in (*policy.rules, *(policy.regressions or ()))]
    behind = {check.name for check in record.checks
              if any(pattern.matches(str(metric.id)) for metric in check.metrics for pattern in patterns)}
    planned = [item for check in record.checks if check.name in behind if (item := _planned(check, registry))]
    again = {check.name: check for check in _measure(run, record, policy, planned)}
    for check in record.checks:
        if check.name in again:
            _refuse_differences(check, again[check.name])
    left = sorted(behind - again.keys())
    return [again.get(check.name, check) for check in record.checks], left


def _planned(check: CheckRecord, registry: Registry) -> PlannedCheck | None:
    """Return a check of raikit that needs predictions alone, with the options that it had; None for any other."""
    entry = registry.checks.get(check.name)
    if check.status != "ok" or entry is None or entry.plugin != FIRST_PARTY or needs_model(entry.check):
        return None
    try:
        return PlannedCheck(entry, entry.check.Options.model_validate(check.options))
    except ValidationError:
        return None  # The options are those of another version.


def _measure(run: RunView, record: Record, policy: GateConfig, planned: Sequence[PlannedCheck]) -> list[CheckRecord]:
    with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as folder:
        again = RunDirectory(Path(folder) / "run")
        again.open()
        try:
            context = _context(run, record, policy, again)
            return Runner(again, context, capabilities_of(context.predictions.columns), record.provenance.seed).run_all(planned)
        finally:
            again.close()


def _context(run: RunView, record: Record, policy: GateConfig, again: RunDirectory) -> CheckContext:
    """Return what the checks were given, but for the data and the model, which a run does not hold."""
    data = record.data
    section = settings_of(record).get("data")
    most = section.get("max_groups") if isinstance(section, dict) else None
    if type(most) is not int:
        raise changed_settings()
    return CheckContext(
        task=data.task,  # type: ignore[arg-type]
        predictions=Predictions(run.folder / PREDICTIONS, data.audited_split),
        data=None,
        model=None,
        classes=tuple(data.classes),
        positive=data.positive,
        sensitive=tuple(data.sensitive),
        cluster=tuple(data.cluster),
        weight=data.weight,
        seed=record.provenance.seed,
        workdir=again.work,
        confidence=record.confidence,
        levels=levels_of(policy, record.confidence),
        max_groups=most,
        reference=data.reference,
        missing_group=data.missing_group,
        favourable=data.favourable,
        labels=data.labels,
    )


def _refuse_differences(before: CheckRecord, now: CheckRecord) -> None:
    if now.status != "ok":
        raise TamperedRunError(f"{before.name} cannot be measured again from the predictions of this run: {now.reason}.")
    measured = {metric.id: metric for metric in now.metrics}
    for metric in before.metrics:
        other = measured.get(metric.id)
        field = "value" if other is None else _first_difference(metric, other)
        if field is not None:
            raise TamperedRunError(_sentence(metric, other, field))
    if more := [str(metric.id) for metric in now.metrics if metric.id not in {metric.id for metric in before.metrics}]:
        raise TamperedRunError(f"the predictions of this run give {more[0]}, which its record leaves out.")


def _first_difference(metric: Metric, other: Metric) -> str | None:
    old, new = metric.model_dump(mode="json"), other.model_dump(mode="json")
    # Another policy needs other levels. Those that only the record has are not used any more.
    levels = [{limits["level"] for limits in each["limits"]} for each in (old, new)]
    for each in (old, new):
        each["limits"] = [limits for limits in each["limits"] if limits["level"] in levels[0] & levels[1]]
    return next((field for field in _TOLD if not _equal(old[field], new[field])), None)


def _equal(old: Any, new: Any) -> bool:
    """Whether two values of JSON are equal, numbers up to rounding."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_equal(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_equal, old, new))
    if isinstance(old, float) and isinstance(new, int | float):
        return math.isclose(old, new, rel_tol=_SAME, abs_tol=_SAME)
    return bool(old == new)


def _sentence(metric: Metric, other: Metric | None, field: str) -> str:
    old, new = (None if one is None else getattr(one, field) for one in (metric, other))
    said, given = (significant(number) if isinstance(number, int | float) else "something else" for number in (old, new))
    return (
        f"audit.json says {said} for {field} of {metric.id}, and predictions.parquet gives {given}: "
        "one of them was changed, or the run was made by another version of raikit."
    )
