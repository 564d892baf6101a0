"""What is audited, in a child process: the data and the model, each opened when it is first needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.config.schema import AuditConfig
from raikit.config.types import key_text
from raikit.data.redaction import hash_ids
from raikit.errors import ConfigError
from raikit.isolation.context import Deferred, LazyContext
from raikit.models.loaders import LOADERS
from raikit.models.opening import open_dataset, open_model, set_threads
from raikit.models.remote import describe_model, try_scoring, write_scores
from raikit.naming import DisplayNames
from raikit.plugins.discovery import load_plugin, plugins_of
from raikit.run.levels import LevelRequest, Levels
from raikit.run.predictions import Predictions

if TYPE_CHECKING:
    from raikit.check import CheckContext
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model, ModelLoader

Progress = Callable[[int, int], None]


class AuditSubject:
    """The data, the model and the facts of an audit.

    Parameters
    ----------
    setting : mapping
        ``config``, ``folder`` and ``run``; ``loader``, the distribution that provides the model's loader; for checks also
        ``context``.
    """

    def __init__(self, setting: Mapping[str, Any]) -> None:
        self._setting = setting

    def answer(self, job: Mapping[str, Any], progress: Progress) -> Any:
        """Open the model and describe it, measure what scoring costs, or score all cases into a file."""
        if job["model"] == "open":
            return describe_model(self.model)
        if job["model"] == "cost":
            settings = self._config.model
            return try_scoring(self.model, self.data, settings.batch_size, settings.timeout)
        path, parts = Path(job["path"]), Path(job["parts"])
        return write_scores(self.model, self.data, path, progress, self._config.model.batch_size, parts)

    def context(self, job: Mapping[str, Any], progress: Progress) -> CheckContext:
        """Return the context of a check; data and model are opened when it asks for them."""
        facts = self._setting["context"]
        return LazyContext(
            task=facts["task"],
            predictions=Predictions(Path(job["predictions"]), facts["split"]),
            data=Deferred(lambda: self.data),
            model=Deferred(lambda: self.model) if facts["has_model"] else None,
            classes=tuple(facts["classes"]),
            positive=facts["positive"],
            sensitive=tuple(facts["sensitive"]),
            cluster=tuple(facts["cluster"]),
            weight=facts["weight"],
            seed=job["seed"],
            workdir=Path(job["workdir"]),
            confidence=job.get("level") or facts["confidence"],
            levels=Levels() if job.get("level") else _levels(facts).of(job["check"].split(".", 1)[0]),
            max_groups=facts["max_groups"],
            reference=facts["reference"],
            missing_group=facts["missing_group"],
            favourable=facts["favourable"],
            labels=_labels(facts),
            redact=self._config.redact,
            progress=progress,
            log=logging.getLogger(f"raikit.check.{job['check']}"),
        )

    @cached_property
    def _config(self) -> AuditConfig:
        return AuditConfig.model_validate(self._setting["config"])

    @cached_property
    def data(self) -> Dataset:
        """The data, as the audit opened them."""

        def error(key: Any, problem: str) -> ConfigError:
            return ConfigError(f"{key_text(key)}: {problem}")

        data = open_dataset(self._config, Path(self._setting["folder"]), error)
        if salt := self._setting.get("salt"):
            hash_ids(data, salt)
        return data

    @cached_property
    def model(self) -> Model:
        """The audited model."""
        set_threads(self._config.threads)
        return open_model(
            self._config, self.data, Path(self._setting["run"]), Path(self._setting["folder"]), self._loaders()
        )

    def _loaders(self) -> Mapping[str, ModelLoader]:
        """Return raikit's own loaders, and those of the one distribution that provides what the configuration names."""
        owner = self._setting.get("loader")
        if owner is None:
            return LOADERS
        loaders = dict(LOADERS)
        for name in plugins_of(owner, self._config.plugins):
            loaders |= load_plugin(owner, name, Path(self._setting["folder"])).loaders
        return loaders


def _labels(facts: Mapping[str, Any]) -> DisplayNames:
    labels = facts["labels"]
    return DisplayNames(**{**labels, "unit": tuple(labels["unit"])})


def _levels(facts: Mapping[str, Any]) -> Levels:
    requests = [
        LevelRequest(**{**request, "errors": tuple(request["errors"]), "spare": tuple(request["spare"])})
        for request in facts.get("requests", [])
    ]
    return Levels(requests, facts["confidence"])
