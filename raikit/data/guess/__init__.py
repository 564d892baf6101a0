"""A guess at the roles of a table's columns, by name and content, for a person to check: used by ``raikit init``.

What is obvious becomes a role. What is not becomes a `Question`, which stops an audit until a person answers it. Every other
column is left out with a reason.
"""

from __future__ import annotations

from pathlib import Path

from raikit.data.guess.assignment import assign_roles
from raikit.data.guess.roles import Question, RoleGuess
from raikit.data.tables import read_table
from raikit.errors import DataError, listed, nearest

__all__ = ["Question", "RoleGuess", "guess_roles"]


def guess_roles(path: Path, target: str | None = None) -> RoleGuess:
    """Read a table and guess the roles of its columns.

    Parameters
    ----------
    path : Path
    target : str, optional
        The target, if it is known; absent: it is guessed, or becomes a question.

    Raises
    ------
    DataError
        If the file is not a table, has no column `target`, or has no column that could be the target.
    """
    table = read_table(path)
    names = list(table.columns)
    if target is not None and target not in names:
        raise DataError(f"no column {target!r} in {path.name}.{nearest(target, names)} Columns there: {listed(names, 30)}.")
    guess = assign_roles(table, target)
    if guess.target is None:
        raise DataError(
            f"{path.name}: no column can be the target, because each is a sensitive feature, an id, a date, constant or not a "
            "value; name one with --target."
        )
    return guess
