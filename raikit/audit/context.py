"""What every check of an audit is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raikit.check import CheckContext
from raikit.gate.family import levels_of
from raikit.run.directory import PREDICTIONS
from raikit.run.predictions import Predictions

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.data.dataset import Dataset
    from raikit.models.scoring import PredictionSource
    from raikit.run.directory import RunDirectory


def make_context(plan: Plan, source: PredictionSource, data: Dataset, run: RunDirectory) -> CheckContext:
    """Return what every check is given."""
    return CheckContext(
        task=data.task,
        predictions=Predictions(run.folder / PREDICTIONS, data.audited_split),
        data=data,
        model=source.model,
        classes=tuple(data.classes),
        positive=data.positive,
        sensitive=tuple(data.sensitive),
        cluster=tuple(data.cluster),
        weight=data.weight,
        seed=plan.seed,
        workdir=run.work,
        confidence=plan.settings.confidence,
        levels=levels_of(plan.settings.gate, plan.settings.confidence),
        max_groups=plan.settings.data.max_groups,
        reference=data.reference,
        missing_group=data.missing_group,
        favourable=data.favourable,
        labels=data.labels,
        redact=plan.settings.redact,
    )
