"""Targets that are lists, brought to cases with one label each, which every check of classes measures as it does others.

What is special about them is a role in predictions.parquet: ``target.token``, the number of a token in its text,
``target.label``, the name of a label, or ``target.answers``, those of all annotators.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from raikit.config.schema import DataConfig
from raikit.config.types import Error
from raikit.data.annotators import reduce_answers
from raikit.data.multilabel import reduce_labels
from raikit.data.parts import Reduced, is_list
from raikit.data.tokens import reduce_tokens


def reduce_targets(
    table: pd.DataFrame, config: DataConfig, predicted: Mapping[str, Mapping[str, str]], file: str, error: Error
) -> Reduced:
    """Bring a table whose target is a list to rows with one label each; other tables stay as they are.

    Parameters
    ----------
    table : DataFrame
    config : DataConfig
    predicted : mapping
        ``prediction`` and ``score``: the columns of predictions, by label where there are several; by "" where there is one.
    file : str
        Name of the table, for messages.
    error : callable
        Makes the error that names a key.

    Raises
    ------
    ConfigError
        If the target is not what the task needs.
    DataError
        If a row cannot be read; it is named.
    """
    if config.task == "token_classification":
        return reduce_tokens(table, config, predicted, file, error)
    if config.task == "answers":
        return reduce_answers(table, config, predicted, file, error)
    if config.task == "multilabel" or isinstance(config.target, list):
        return reduce_labels(table, config, predicted, file, error)
    _refuse_lists(table, config, error)
    if config.sequence is not None:
        remedy = "remove the key" if config.task else "name the task, or remove the key"
        raise error(("data", "sequence"), f"only `task: token_classification` has texts of several rows; {remedy}.")
    return Reduced(table, config)


def _refuse_lists(table: pd.DataFrame, config: DataConfig, error: Error) -> None:
    if isinstance(config.target, str) and len(table) and is_list(table[config.target].iloc[0]):
        raise error(
            ("data", "task"),
            f"{config.target!r} holds lists; say what they are: `task: token_classification` (a tag for each token), `multilabel` "
            "(labels of the case) or `answers` (of several annotators).",
        )
