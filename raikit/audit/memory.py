"""What `raikit.audit` gets as objects instead of files, on its way through the stages of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raikit.address import Pattern
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError
from raikit.format import as_given
from raikit.models.table import PredictionsSpec

if TYPE_CHECKING:
    import pandas as pd

    from raikit.config.load import LoadedConfig
    from raikit.config.schema import RuleConfig
    from raikit.models.base import ModelLoader
    from raikit.run.record import CheckRecord

TABLE = "data"  # what messages call a table in memory: the argument


@dataclass(frozen=True)
class InMemory:
    """The configuration that the arguments of a call amount to, and the objects among them.

    Attributes
    ----------
    config : LoadedConfig
        The same object that audit.yaml would give.
    table : DataFrame or None
        None if `data` is a path.
    loader : ModelLoader or None
        Wraps the model; None if the table holds the predictions.
    call : str
        The call, for the record.
    objects : sequence of str
        What lives in memory, for the record: ``model: Pipeline of sklearn``.
    maxima : set of str
        The metrics of rules that are a bare number, which means a maximum.
    """

    config: LoadedConfig
    table: pd.DataFrame | None = None
    loader: ModelLoader | None = None
    call: str = "raikit.audit(…)"
    objects: Sequence[str] = ()
    maxima: frozenset[str] = frozenset()

    def open_dataset(self) -> Dataset:
        """Give the columns of the table their roles, as for a file.

        Raises
        ------
        ConfigError, DataError
            If a column cannot have its role.
        """
        settings = self.config.audit
        load = settings.model.load
        spec = PredictionsSpec.model_validate(load.model_dump()) if load is not None and settings.model.is_table else None
        return Dataset.of(
            self.table, settings.data, name=TABLE, folder=self.config.folder, seed=settings.seed,
            extra_columns=spec.columns if spec is not None else (), predicted=spec.classes if spec is not None else None,
        )  # fmt: skip

    def refuse_reversed_limits(self, checks: Sequence[CheckRecord], rules: Sequence[RuleConfig]) -> None:
        """Raise if a bare number, which is a maximum, limits a metric of which more is better.

        Only measured metrics have a direction, so this is known after the checks and before the verdict.

        Raises
        ------
        ConfigError
            Says how to write a minimum.
        """
        ascending = [str(metric.id) for check in checks for metric in check.metrics if metric.direction == "higher"]
        for rule in rules:
            written = rule.written or rule.metric
            if written in self.maxima and rule.max is not None and any(map(Pattern(rule.metric).matches, ascending)):
                raise ConfigError(
                    f"rules[{written!r}]: a number alone is a maximum, and more of this metric is better; "
                    f"write {{'min': {as_given(rule.max)}}} or {{'max': {as_given(rule.max)}}}."
                )
