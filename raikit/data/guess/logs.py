"""The roles of columns of another tool's evaluation log: what is right or wrong, and which groups of samples to compare."""

from __future__ import annotations

import pandas as pd

from raikit.data.evaluation_logs.every_eval_ever import IS_CORRECT
from raikit.data.evaluation_logs.rows import FIXED, SCORE
from raikit.data.guess.names import sensitive_concept
from raikit.data.guess.profile import Profile, profile
from raikit.data.guess.roles import Question, RoleGuess
from raikit.errors import DataError, listed

_MAX_FEATURES = 4  # compared by default, one by one and in pairs
_MIN_GROUP = 30  # answers that a gap is judged from, in two groups or more
_MIN_CASES = 5  # in each group on average; with fewer a column tells samples apart rather than groups
_SMALL = f"no two groups with {_MIN_GROUP} answers"


def guess_log_roles(table: pd.DataFrame, scorer: str | None = None) -> RoleGuess:
    """Guess the roles of the columns of a log, as `raikit.data.evaluation_logs.read_log` describes them.

    The target is ``ideal``, which is true in every row, so that the accuracy is the share of correct answers.

    Parameters
    ----------
    table : DataFrame
    scorer : str, optional
        The column of scores to audit, if a person has named one; absent: the only one, or a question.

    Raises
    ------
    DataError
        If `scorer` is no column of scores.
    """
    scores = [name for name in table.columns.astype(str) if name.startswith(SCORE)]
    choices = ["correct", *scores] if "correct" in table else scores
    if scorer is not None and scorer not in choices:
        raise DataError(f"{scorer!r} is no column of scores of this log; name one of {listed(choices, 30)}.")
    guess = RoleGuess(columns=list(table.columns), id="id", target="ideal", log=table.attrs["tool"])
    guess.correct = table.attrs["correct"]
    complete = [name for name in scores if table[name].notna().all()]  # tasks in one table have scores of their own
    decisions = [name for name in complete if table[name].isin((0, 1)).all()]
    choices = decisions or (["correct"] if "correct" in table else complete or scores)
    guess.prediction = scorer or (_one_of(choices) if len(choices) > 1 else "correct" if decisions else choices[0])
    if "correct" in table and guess.prediction not in set(scores) - set(decisions):
        guess.task, guess.positive, guess.classes = "binary", True, [False, True]
        guess.labels = {"ideal": {False: "incorrect", True: "correct"}}
    else:
        guess.task = "regression"
    if table.duplicated(["task", "sample"]).any():
        guess.cluster = ["sample"]
    _find_groups(guess, table)
    return guess


def _one_of(columns: list[str]) -> Question:
    return Question(f"one of {', '.join(columns[:-1])} or {columns[-1]}")


def _find_groups(guess: RoleGuess, table: pd.DataFrame) -> None:
    """Compare the groups that a few columns of the metadata form; leave out all else with a reason."""
    others = [name for name in table.columns.astype(str) if name not in (*FIXED[3:], "id") and not name.startswith(SCORE)]
    profiles = {name: profile(table[name]) for name in others}
    by_case = {name.lower(): name for name in reversed(others)}  # a run has no two columns that differ only in case
    fitting = [name for name in others if by_case[name.lower()] == name and _forms_groups(name, profiles[name])]
    large = [name for name in fitting if (table[name].value_counts() >= _MIN_GROUP).sum() > 1]
    ranked = sorted(large or fitting, key=lambda name: (sensitive_concept(name) is None, profiles[name].kind == "number"))
    guess.sensitive = [(name, None) for name in others if name in ranked[:_MAX_FEATURES]]
    for name in others:
        if name in ranked[_MAX_FEATURES:]:
            guess.left_out[name] = "groups, too; name it under sensitive to compare them"
        elif name not in ranked:
            guess.left_out[name] = _SMALL if name in fitting else _reason(name, profiles[name])
            if (other := by_case[name.lower()]) != name:
                guess.left_out[name] = f"{other!r} in another case"
    guess.left_out |= table.attrs["left_out"]


def _forms_groups(name: str, about: Profile) -> bool:
    return about.is_category and not name.startswith(IS_CORRECT) and about.rows >= _MIN_CASES * about.distinct


def _reason(name: str, about: Profile) -> str:
    if name.startswith(IS_CORRECT):
        return "what the tool calls correct; it may differ from a score of 1"
    if about.kind in ("constant", "empty"):
        return "one value only" if about.kind == "constant" else "no values"
    return f"{about.distinct:,} different values; groups need fewer"
