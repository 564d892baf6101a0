"""What an audit would do, as far as it is known before it runs: for ``raikit audit --dry-run``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from raikit.address import Pattern, pattern_parts
from raikit.audit.requirements import Available, first_unmet
from raikit.gate.rules import may_measure_any
from raikit.models.base import Capability
from raikit.models.table import PredictionsSpec, PredictionsTable

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.audit.selection import PlannedCheck
    from raikit.audit.trial import ModelTrial
    from raikit.config.schema import MetricSection
    from raikit.data.dataset import Dataset


@dataclass(frozen=True)
class CheckPreview:
    """What would become of one check.

    Attributes
    ----------
    item : PlannedCheck
    reason : str
        Why it would not run; empty if it would.
    condition : str
        What is not known yet and must hold for it to run; empty if nothing.
    metrics : list of str
        Names of what it measures, without its pillar; a ``*`` stands for what is known only later.
    over : list of str
        The sensitive columns that it compares groups of.
    """

    item: PlannedCheck
    reason: str = ""
    condition: str = ""
    metrics: Sequence[str] = ()
    over: Sequence[str] = ()


def preview_checks(plan: Plan, data: Dataset, trial: ModelTrial | None = None) -> list[CheckPreview]:
    """Return what would become of the checks of a plan, as far as is known: of a loaded model by its `trial`."""
    provided = trial.capabilities if trial is not None else _capabilities(plan)
    available = Available.of_data(data, provided, model=not plan.settings.model.is_table)
    return [_preview(item, available, provided, data) for item in plan.checks_of_task(available)]


def preview_rule(rule: MetricSection, checks: Sequence[CheckPreview]) -> str:
    """Return which checks would measure what a rule names, or that none would."""
    wanted = Pattern(rule.metric)
    measuring = [one for one in checks if may_measure_any(one.item.name, list(map(str, one.item.entry.check.produces)), wanted)]
    if running := [one.item.name for one in measuring if not one.reason]:
        return f"measured by {', '.join(running)}"
    return "; ".join(["not measured", *(f"{one.item.name} would not run" for one in measuring)])


def _preview(item: PlannedCheck, available: Available, provided: frozenset[str] | None, data: Dataset) -> CheckPreview:
    if item.status is not None:
        return CheckPreview(item, f"{item.status} ({item.reason})")
    needs = item.entry.check.requires
    unmet = first_unmet(needs, available, provided if provided is not None else needs.capabilities)
    if unmet is not None:
        return CheckPreview(item, f"skipped ({unmet.reason})")
    unknown = sorted(needs.capabilities - {"labels"}) if provided is None else []
    condition = f"if the model provides {' and '.join(unknown)}" if unknown else ""
    return CheckPreview(
        item, "", condition, list(dict.fromkeys(_names(item))), data.sensitive if "sensitive" in needs.columns else ()
    )


def _names(item: PlannedCheck) -> Iterator[str]:
    check = item.entry.check
    for pattern in check.produces or [f"{check.prefix()}.*"]:
        yield pattern_parts(str(pattern)).name.removeprefix(f"{check.prefix()}.")


def _capabilities(plan: Plan) -> frozenset[str] | None:
    """Return what the model can do; None if only the opened model knows."""
    model = plan.settings.model
    if model.train is not None:
        return frozenset(get_args(Capability))
    if model.load is not None and model.is_table:
        return PredictionsTable(PredictionsSpec.model_validate(model.load.model_dump())).capabilities
    return None
