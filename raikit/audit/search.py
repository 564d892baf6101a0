"""Search for settings of training: each trial is trained, and measured on the validation cases by the checks of the audit."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raikit.address import Pattern, parse
from raikit.audit.check_runner import Runner
from raikit.audit.context import make_context
from raikit.audit.requirements import Available, capabilities_of, first_unmet, needs_model
from raikit.audit.selection import PlannedCheck
from raikit.config.schema import TrainConfig
from raikit.config.training import TRAININGS, SearchSettings, with_values
from raikit.errors import ConfigError, ModelError, listed
from raikit.format import significant
from raikit.gate.aliases import Aliases
from raikit.gate.rules import may_measure_any
from raikit.models.scoring import BatchScorer, ModelScorer, predictions_of
from raikit.models.search import LOSS, SearchOutcome, Trial, choose, run_search
from raikit.models.training import train as train_as
from raikit.run.directory import PREDICTIONS, RunDirectory
from raikit.run.levels import Levels
from raikit.run.owners import FIRST_PARTY
from raikit.run.predictions import Predictions, write_predictions

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.console import Console
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model
    from raikit.models.history import History

_STORAGE, _SPLIT = "trials.sqlite3", "validation"


def search_and_train(
    plan: Plan, data: Dataset, settings: SearchSettings, workdir: Path, console: Console
) -> tuple[Model, History, SearchOutcome]:
    """Make the trials of a search, and return the model of the one that is chosen.

    Parameters
    ----------
    plan : Plan
    data : Dataset
    settings : SearchSettings
    workdir : Path
        Holds the trials and the checkpoints of their trainings; an interrupted search goes on there.
    console : Console

    Raises
    ------
    ConfigError
        If no check of raikit measures a metric of the search from predictions.
    ModelError
        If there are no validation cases, a model cannot be trained, or a metric is not measured on the validation cases.
    """
    trials = _Trials(plan, data, _with_ids(plan, settings), workdir, console)
    outcome = run_search(trials.settings, trials.evaluate, workdir / _STORAGE, plan.seed)
    chosen = outcome.chosen
    if chosen.objective is None:
        why = next((f" (trial {trial.number}: {trial.reason.rstrip('.')})" for trial in outcome.trials if trial.reason), "")
        raise ModelError(f"model.train.search: none of {len(outcome.trials)} trials has a value of {trials.aim}{why}; "
                         "try lower learning rates.")
    console.say(f"Search: trial {chosen.number} of {len(outcome.trials)} is chosen, {trials.describe(chosen)}")
    model, history = trials.train(chosen)  # its checkpoint is complete, so that nothing is trained again
    return model, history, outcome


def check_search(plan: Plan, data: Dataset) -> None:
    """Raise what would keep a search of this plan from being made, as far as it is known before a trial is trained.

    Raises
    ------
    ConfigError, ModelError
        As `search_and_train`.
    """
    train = plan.settings.model.train
    settings = TRAININGS[train.kind].model_validate(train.model_extra).search if train is not None else None  # type: ignore[attr-defined]
    if settings is not None:
        _refuse_no_validation(data)
        _checks(plan, data, _with_ids(plan, settings).metrics)


def _refuse_no_validation(data: Dataset) -> None:
    if not data.size(_SPLIT):
        raise ModelError("model.train.search: trials are compared on validation cases, and there are none; say "
                         "`data.split: {validation: 0.2, test: 0.3}`.")


class _Trials:
    """Trains and measures the trials of a search."""

    def __init__(self, plan: Plan, data: Dataset, settings: SearchSettings, workdir: Path, console: Console) -> None:
        _refuse_no_validation(data)
        self.settings = settings
        self._plan, self._data = plan, data
        self._workdir, self._console = workdir, console
        self._checks = _checks(plan, data, settings.metrics)

    @property
    def aim(self) -> str:
        """What trials are compared by."""
        return self.settings.objective or LOSS

    def describe(self, trial: Trial) -> str:
        """Return what was measured in a trial."""
        numbers = {self.aim: trial.objective} | dict(trial.limits)
        words = [f"{name} {'undefined' if value is None else significant(value)}" for name, value in numbers.items()]
        return ", ".join(words) + ("" if trial.keeps_limits else "; the limits are not kept")

    def evaluate(self, trial: Trial, earlier: Sequence[Trial]) -> Trial:
        """Train and measure one trial; one that diverges, or whose model cannot be measured, fails with a reason."""
        settings = self.settings
        self._console.say(f"Trial {trial.number} of {settings.trials}: {_in_words(trial.values)}")
        try:
            ended = self._measured(trial)
        except ModelError as error:
            self._console.say(f"  it failed: {error}")
            ended = trial.failed(settings, str(error))
        else:
            self._console.say(f"  {self.describe(ended)}")
        best = choose(settings, [*earlier, ended])
        for number in range(1, trial.number + 1):  # only the model of the best trial may be needed again
            if number != best.number:
                shutil.rmtree(self._folder(number), ignore_errors=True)
        return ended

    def _measured(self, trial: Trial) -> Trial:
        """Return the trial with what was measured in it.

        Raises
        ------
        ModelError
            If the training diverges, or the model returns NaN or cannot be measured.
        """
        settings = self.settings
        model, history = self.train(trial)
        values = self._measure(model) if self._checks else {}
        objective = values[settings.objective] if settings.objective else history.kept_loss
        if objective is not None and not math.isfinite(objective):
            raise ModelError(f"its {self.aim} is NaN or infinite; try a lower learning_rate.")
        return trial.measured(settings, objective, {limit.metric: values[limit.metric] for limit in settings.limits})

    def train(self, trial: Trial) -> tuple[Model, History]:
        """Train the model of a trial, or go on where its training was interrupted."""
        train = self._plan.settings.model.train
        assert train is not None
        own = TrainConfig(kind=train.kind, **with_values(train.model_extra or {}, trial.values))
        folder = self._folder(trial.number)
        folder.mkdir(exist_ok=True)
        with self._console.progress(f"trial {trial.number}") as step:
            return train_as(own, self._data, self._plan.config.folder, self._plan.seed, folder, step)

    def _folder(self, number: int) -> Path:
        return self._workdir / f"trial-{number}"

    def _measure(self, model: Model) -> dict[str, float | None]:
        """Return the metrics of the search on the validation cases."""
        with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as folder:
            run = RunDirectory(Path(folder) / "run")
            run.open()
            try:
                write_predictions(_predictions(model, self._data, self._plan.settings.model.batch_size), run.folder / PREDICTIONS)
                context = replace(
                    make_context(self._plan, ModelScorer(model), self._data, run), model=None, levels=Levels(),
                    predictions=Predictions(run.folder / PREDICTIONS, _SPLIT),
                )
                records = Runner(run, context, capabilities_of(context.predictions.columns), self._plan.seed).run_all(self._checks)
            finally:
                run.close()
        found = {str(metric.id): metric.value for record in records for metric in record.metrics}
        for id in self.settings.metrics:
            if id not in found:
                why = "; ".join(f"{record.name} {record.status}: {record.reason}" for record in records if record.reason)
                because = f" ({why})" if why else ""
                raise ModelError(f"model.train.search: {id} is not measured on the validation cases{because}.")
        return {id: found[id] for id in self.settings.metrics}


def _in_words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {significant(value) if isinstance(value, float) else value}" for key, value in values.items())


def _with_ids(plan: Plan, settings: SearchSettings) -> SearchSettings:
    """Return the search with the ids of metrics in place of their other names.

    Raises
    ------
    ConfigError
        If a name is no address of one metric.
    """
    columns = [feature.column for feature in plan.settings.data.sensitive]
    aliases = Aliases.of((entry.check for entry in plan.registry.checks.values()), columns)

    def id_of(written: str | None) -> str | None:
        id = written if written is None else aliases.resolve(written)
        if id is not None and "*" in id:
            raise ConfigError(f"model.train.search: {written!r} is a pattern; name one metric by its address.")
        if id is not None:
            parse(id)
        return id

    limits = [limit.model_copy(update={"metric": id_of(limit.metric)}) for limit in settings.limits]
    aims = {"minimise": id_of(settings.minimise), "maximise": id_of(settings.maximise)}
    return settings.model_copy(update={"limits": limits, **aims})


def _checks(plan: Plan, data: Dataset, metrics: Sequence[str]) -> list[PlannedCheck]:
    """Return the checks that measure the metrics of a search, with the options that they have in the audit.

    Raises
    ------
    ConfigError
        If a metric is measured by no check of raikit that needs predictions alone, or not on the validation cases.
    """
    found: dict[str, PlannedCheck] = {}
    for id in metrics:
        able = [item for item in plan.checks if _measures(item, id)]
        if not able:
            raise ConfigError(f"model.train.search: no check of raikit measures {id!r} from predictions alone.")
        _refuse_unmeasured(id, able, data)
        for item in able:
            found[item.name] = PlannedCheck(item.entry, item.options or item.entry.check.Options())
    return list(found.values())


def _refuse_unmeasured(id: str, able: Sequence[PlannedCheck], data: Dataset) -> None:
    """Raise an error if the validation cases lack what every check needs that may measure a metric."""
    address = parse(id)
    for column in (*address.over, *address.group):
        if column not in data.sensitive:
            raise ConfigError(f"model.train.search: {id} is not measured on the validation cases ({column!r} is not among "
                              f"data.sensitive: {listed(data.sensitive)}).")
    provided = frozenset({"labels"} if data.task == "regression" else {"labels", "scores"})
    available = replace(Available.of_data(data, provided), size=lambda split: data.size(_SPLIT) if split in (None, _SPLIT) else 0)
    unmet = {item.name: first_unmet(item.entry.check.requires, available, provided) for item in able}
    if all(unmet.values()):
        why = "; ".join(f"{name} skipped: {each.reason}" for name, each in unmet.items() if each is not None)
        raise ConfigError(f"model.train.search: {id} is not measured on the validation cases ({why}).")


def _measures(item: PlannedCheck, id: str) -> bool:
    """Return whether a check may measure a metric, from predictions and in this process."""
    check = item.entry.check
    quick = item.entry.plugin == FIRST_PARTY and item.entry.problem is None and not needs_model(check)
    return quick and may_measure_any(item.name, [str(pattern) for pattern in check.produces], Pattern(id))


def _predictions(model: Model, data: Dataset, batch_size: int) -> Any:
    """Return the rows of ``predictions.parquet`` for the validation cases."""
    ids: list[Any] = []
    parts: list[np.ndarray] = []
    scorer = BatchScorer(model, data, batch_size)
    for batch in data.batches(_SPLIT, batch_size):
        parts.append(scorer.scores(batch))
        ids += list(batch.ids)
    return predictions_of(ids, np.concatenate(parts), data, model.capabilities)
