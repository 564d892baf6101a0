"""A search for settings of training: trials that Optuna proposes, kept in a file, so that an interrupted search goes on.

Each trial is drawn with a seed of its own, which follows from the number of trials that have ended. An interrupted search therefore
tries the same values as one that was not.
"""

from __future__ import annotations

import math
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from raikit.config.training import SearchRange, SearchSettings
from raikit.errors import ModelError, RaikitError, system_fault
from raikit.files import is_plain_file
from raikit.models.extras import import_extra

LOSS = "validation loss"
_ENDED, _EXCESS = "ended", "excess"  # what is kept of a trial beside what Optuna keeps
_MOST_BYTES = 1 << 30  # of the file of a search; a trial takes about a kilobyte
_FAR = 1e9  # how far a trial without a value is beyond its limits


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes
    ----------
    number : int
        From 1.
    values : mapping of str to value
        Of the settings, by dotted key.
    objective : float or None
        None if the trial failed, or the metric is undefined.
    limits : mapping of str to float or None
        The metrics that have limits.
    keeps_limits : bool
    reason : str
        Why the trial failed, such as a model that returns NaN; empty if it did not.
    """

    number: int
    values: Mapping[str, Any]
    objective: float | None = None
    limits: Mapping[str, float | None] = field(default_factory=dict)
    keeps_limits: bool = False
    reason: str = ""

    def failed(self, settings: SearchSettings, reason: str) -> Trial:
        """Return the trial without values, and why it has none."""
        return replace(self, limits={limit.metric: None for limit in settings.limits}, reason=reason)

    def measured(self, settings: SearchSettings, objective: float | None, limits: Mapping[str, float | None]) -> Trial:
        """Return the trial with what was measured in it."""
        return replace(
            self, objective=objective, limits=dict(limits), keeps_limits=objective is not None and _excess(settings, limits) <= 0
        )


# evaluate(trial, earlier) -> the trial with what was measured in it; `earlier` are those that ended before
Evaluate = Callable[[Trial, Sequence[Trial]], Trial]


@dataclass(frozen=True)
class SearchOutcome:
    """All trials of a search, and the one that is chosen.

    Attributes
    ----------
    settings : SearchSettings
    trials : list of Trial
    chosen : Trial
        The best of those that keep the limits; if none does, the one that exceeds them least.
    """

    settings: SearchSettings
    trials: list[Trial]
    chosen: Trial

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the record."""
        return {
            "objective": self.settings.objective or LOSS,
            "aim": "high" if self.settings.maximise else "low",
            "limits": [limit.model_dump(exclude_none=True) for limit in self.settings.limits],
            "trials": [asdict(trial) for trial in self.trials],
            "chosen": self.chosen.number,
        }


def run_search(settings: SearchSettings, evaluate: Evaluate, storage: Path, seed: int) -> SearchOutcome:
    """Make the trials that `storage`, a file, does not hold yet, and choose one.

    Parameters
    ----------
    settings : SearchSettings
    evaluate : callable
        Trains and measures one trial.
    storage : Path
        SQLite; made if it is not there.
    seed : int

    Raises
    ------
    ModelError
        If Optuna is not installed, or `storage` holds no trials of such a search.
    """
    optuna = import_extra("optuna", "a search", "model.train.search")
    with _silent(optuna):
        with _readable(storage):
            study = _study(optuna, storage)
        while True:
            with _readable(storage):
                trials = _trials(study, settings)
                if len(trials) >= settings.trials:
                    return SearchOutcome(settings, trials, choose(settings, trials))
                study.sampler = _sampler(optuna, seed, len(trials))
                proposed = study.ask()
                values = {key: _suggest(proposed, key, tried) for key, tried in settings.ranges.items()}
            ended = evaluate(Trial(len(trials) + 1, values), trials)
            with _readable(storage):
                _end(optuna, study, proposed, settings, ended)


def _study(optuna: Any, storage: Path) -> Any:
    """Open the study in a file, without the trial that a process was at when it was killed."""
    if storage.exists() and (not is_plain_file(storage) or storage.stat().st_size > _MOST_BYTES):
        raise ValueError("it is a link, no regular file, or too large")
    study = optuna.create_study(storage=_storage(optuna, storage), study_name="raikit", load_if_exists=True)
    for left in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        study.tell(left.number, state=optuna.trial.TrialState.FAIL)
    return study


@contextmanager
def _readable(storage: Path) -> Iterator[None]:
    """Turn whatever Optuna and its database raise for a file that something else has written into one sentence."""
    try:
        yield
    except Exception as error:
        if system_fault(error) is not None or isinstance(error, RaikitError):
            raise
        raise ModelError(
            f"model.train.search: {storage} holds no trials of this search, or was changed ({type(error).__name__}); start again "
            "with another --out."
        ) from None


def choose(settings: SearchSettings, trials: Sequence[Trial]) -> Trial:
    """Return the best trial that keeps the limits, the first of equal ones; if none does, the one that exceeds them least."""
    sign = -1 if settings.maximise else 1

    def rank(trial: Trial) -> tuple[bool, float, float]:
        objective = math.inf if trial.objective is None else sign * trial.objective
        return not trial.keeps_limits, 0.0 if trial.keeps_limits else _excess(settings, trial.limits), objective

    return min(trials, key=rank)


def _trials(study: Any, settings: SearchSettings) -> list[Trial]:
    """Return the trials that have ended, in their order.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the search could not have made one of them.
    """
    ended = [(dict(trial.params), trial.user_attrs[_ENDED]) for trial in study.get_trials(deepcopy=False)
             if _ENDED in trial.user_attrs and trial.state.is_finished()]
    for values, measured in ended:
        _validate(settings, values, measured)
    drawn = [Trial(number, values, reason=measured.get("reason", "")) for number, (values, measured) in enumerate(ended, 1)]
    return [trial.measured(settings, measured["objective"], measured["limits"])
            for trial, (_, measured) in zip(drawn, ended, strict=True)]


def _validate(settings: SearchSettings, values: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    """Raise if a trial has settings that are not searched, values that are not tried, or measurements that are no numbers."""
    if values.keys() != settings.ranges.keys() or not all(_is_tried(values[key], tried) for key, tried in settings.ranges.items()):
        raise ValueError("other settings were tried")
    numbers = [measured["objective"], *measured["limits"].values()]
    if not all(number is None or (isinstance(number, int | float) and math.isfinite(number)) for number in numbers):
        raise ValueError("what was measured is no number")
    if not isinstance(measured.get("reason", ""), str):
        raise TypeError("a reason is no text")
    if not measured["limits"].keys() >= {limit.metric for limit in settings.limits}:
        raise ValueError("other limits were measured")


def _is_tried(value: Any, tried: SearchRange | Sequence[Any]) -> bool:
    if not isinstance(tried, SearchRange):
        return any(value is one or (type(value) is type(one) and value == one) for one in tried)
    return isinstance(value, int | float) and bool(tried.low <= value <= tried.high)


def _end(optuna: Any, study: Any, proposed: Any, settings: SearchSettings, trial: Trial) -> None:
    """Keep what was measured in a trial."""
    proposed.set_user_attr(_EXCESS, [_one_excess(limit, trial.limits) for limit in settings.limits])
    proposed.set_user_attr(_ENDED, {"objective": trial.objective, "limits": dict(trial.limits), "reason": trial.reason})
    if trial.objective is None:
        study.tell(proposed, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(proposed, -trial.objective if settings.maximise else trial.objective)


def _excess(settings: SearchSettings, limits: Mapping[str, float | None]) -> float:
    """Return by how much all limits together are exceeded; 0 if none is."""
    return sum(max(_one_excess(limit, limits), 0.0) for limit in settings.limits)


def _one_excess(limit: Any, limits: Mapping[str, float | None]) -> float:
    value = limits.get(limit.metric)
    return _FAR if value is None else float(limit.excess(value))


def _sampler(optuna: Any, seed: int, ended: int) -> Any:
    own = int(np.random.SeedSequence([abs(seed), ended]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=own, constraints_func=lambda trial: trial.user_attrs.get(_EXCESS, []))


def _storage(optuna: Any, file: Path) -> Any:
    """Return a storage in an SQLite file, of which each change is whole even if the process is killed."""

    def connect() -> sqlite3.Connection:  # a path in an address would have to be quoted
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA synchronous = OFF")  # the machine may not fail, but the process may
        return connection

    return optuna.storages.RDBStorage("sqlite://", engine_kwargs={"creator": connect})


def _suggest(trial: Any, key: str, tried: SearchRange | Sequence[Any]) -> Any:
    """Return the value of a setting for a trial."""
    if not isinstance(tried, SearchRange):
        return trial.suggest_categorical(key, list(tried))
    if all(isinstance(number, int) for number in (tried.low, tried.high, tried.step or 1)):
        return trial.suggest_int(key, tried.low, tried.high, step=tried.step or 1, log=tried.log)
    return trial.suggest_float(key, tried.low, tried.high, step=tried.step, log=tried.log)


@contextmanager
def _silent(optuna: Any) -> Iterator[None]:
    """Silence Optuna's log and its warnings of experimental functions; what matters is told trial by trial."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
