"""Answers of several annotators: the most frequent one is the target, and all of them are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from raikit.config.schema import DataConfig
from raikit.config.types import Error
from raikit.data.parts import Reduced, lists_of, names_in
from raikit.errors import DataError
from raikit.format import counted

FEWEST = 4  # with fewer annotators, no answer could have an accuracy of 1
_TARGET = "answer"


def reduce_answers(
    table: pd.DataFrame, config: DataConfig, predicted: Mapping[str, Mapping[str, str]], file: str, error: Error
) -> Reduced:
    """Give each case the answer of most annotators as its target, the first of equally frequent ones.

    Raises
    ------
    ConfigError
        If nothing holds the answers.
    DataError
        If a case has fewer answers than `FEWEST`; names the row.
    """
    if config.target is None:
        raise error(("data", "target"), "name the column of the annotators' answers, or one column for each annotator.")
    if isinstance(config.target, list):
        cells = table[config.target].astype(object).to_numpy()
        lists = [[value for value in row if not pd.isna(value)] for row in cells]
        column = "data.target"
    else:
        lists, column = [list(cell) for cell in lists_of(table, config.target, file)], config.target
    answers = list(names_in(lists, column, file))
    for row, of_case in enumerate(answers):
        if len(of_case) < FEWEST:
            raise DataError(
                f"{file}, row {row + 1}: there are {counted(len(of_case), 'answer')}; agreement needs {FEWEST} or more annotators."
            )
    usual = [Counter(of_case).most_common(1)[0][0] for of_case in answers]
    target = _TARGET
    while target in table:
        target += "_"
    changed: dict[str, Any] = {"task": "multiclass", "target": target}
    if not config.classes and "" in predicted["prediction"]:
        known = table[predicted["prediction"][""]].dropna().astype(str)
        changed["classes"] = sorted({*usual, *known})
    note = "The target of a case is the answer that most annotators gave, the first of equally frequent ones."
    reduced = table.assign(**{target: pd.array(usual, dtype="str")})
    return Reduced(reduced, config.model_copy(update=changed), answers=pd.Series(answers, dtype=object), notes=[note])
