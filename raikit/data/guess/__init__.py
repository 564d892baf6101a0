"""A guess at the roles of a table's columns, by name and content, for a person to check: used by ``raikit init``.

What is obvious becomes a role. What is not becomes a `Question`, which stops an audit until a person answers it. Every other
column is left out with a reason.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from raikit.data.cell_types import CellFormat, MixedColumn
from raikit.data.cells import shown
from raikit.data.evaluation_logs.rows import SCORE
from raikit.data.guess.assignment import assign_roles
from raikit.data.guess.logs import guess_log_roles
from raikit.data.guess.names import cluster_strength, is_id
from raikit.data.guess.roles import ModelFacts, Question, RoleGuess
from raikit.data.guess.words import propose_words
from raikit.data.headers import columns_there
from raikit.data.tables import column_names, read_as_written, read_table
from raikit.errors import DataError, listed

__all__ = ["ModelFacts", "Question", "RoleGuess", "guess_roles"]


def guess_roles(path: Path, target: str | None = None, model: ModelFacts | None = None) -> RoleGuess:
    """Read a table and guess the roles of its columns.

    Parameters
    ----------
    path : Path
    target : str, optional
        The target, if it is known; absent: it is guessed, or becomes a question. Of an evaluation log, the column of scores.
    model : ModelFacts, optional
        A model that is there; its labels show the target, and its modalities the inputs.

    Raises
    ------
    DataError
        If the file is not a table, has no column `target`, or has no column that could be the target.
    """
    names = column_names(path)
    if (log := _read_if_log(path, names)) is not None:
        if model is not None:
            raise DataError(f"{path.name} is an evaluation log, which holds a model's answers already; leave out --model.")
        return guess_log_roles(log, target)
    if target is not None and target not in names:
        raise DataError(f"no column {target!r} in {path.name}. {columns_there(names, target)}")
    repeated = {name: "two columns have this name; rename one" for name in names if names.count(name) > 1}
    table, written, mixed = read_as_written(path, [name for name in names if name not in repeated])
    unclear = {column.column: column for column in mixed if column.column in written.text and not _is_label(column.column)}
    if target in unclear:
        raise unclear[target].in_file(path.name)
    left_out = repeated | {name: _why_unclear(column) for name, column in unclear.items()}
    guess = assign_roles(table.drop(columns=list(unclear)), target, model)
    if guess.target is None:
        raise DataError(
            f"{path.name}: no column can be the target, because each is a sensitive feature, an id, a date, constant or not a "
            "value; name one with --target."
        )
    propose_words(guess, table)
    guess.columns, guess.left_out = list(dict.fromkeys(names)), left_out | guess.left_out
    guess.missing, guess.decimal = list(written.missing), written.decimal
    return guess


def _read_if_log(path: Path, names: list[str]) -> pd.DataFrame | None:
    """Return the table of an evaluation log, or of a folder of logs; None for other tables."""
    if len(set(names)) < len(names) or not any(name.startswith(SCORE) for name in names) or "ideal" not in names:
        return None
    table = read_table(path, written=CellFormat(text=frozenset(names)))
    return table if "tool" in table.attrs else None


def _is_label(column: str) -> bool:
    """Whether cells are only told apart, so that numbers may stand beside text."""
    return is_id(column) or cluster_strength(column) > 0


def _why_unclear(column: MixedColumn) -> str:
    tokens = listed((shown(token) for token in column.tokens), 3)
    return f"{column.kind} but for a few cells ({tokens}); correct them, or say under missing or as_text what they are"
