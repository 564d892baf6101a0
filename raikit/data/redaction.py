"""What names a case: ids and clusters as salted hashes, and messages of others' code without the texts of cells."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

import pandas as pd

from raikit.data.counted import CountedDataset
from raikit.data.dataset import Dataset
from raikit.errors import ModelError

LEFT_OUT = "[left out]"
_HEAD = 16  # characters of a cell by which a message that quotes it is known; the message may be cut behind them
_SHORT = 12  # characters up to which a cell of one word is masked only between quotation marks
_DIGITS = 20  # hexadecimal digits of a hash: two of a billion ids share one with a probability of 4e-7


def hash_ids(data: Dataset, salt: str) -> None:
    """Replace the ids and clusters of a dataset by hashes, wherever a check or a message reads them.

    The values of a column that is an input of the model or a sensitive feature too stay in the table, because the model or the
    groups need them. A table that is only counted has no ids; its row numbers stay.

    Parameters
    ----------
    data : Dataset
        Changed in place.
    salt : str
        Equal values have equal hashes under one salt; without it nobody can try values out.
    """
    if isinstance(data, CountedDataset):
        return
    needed = {column for item in data.inputs.values() for column in item.columns} | set(data.sensitive)
    data.roles["id"] = _hashed(data.roles["id"], salt)
    for column in data.cluster:
        if column not in data.sensitive:
            data.roles[column] = _hashed(data.roles[column], salt)
    for name in (data.config.id, *data.cluster):
        if name in data.table and name not in needed:
            data.table[name] = _hashed(data.table[name], salt)
    data.skipped = [(hashed(id, salt), reason) for id, reason in data.skipped]


def hashed(value: Any, salt: str) -> str:
    """Return the hash of one value: HMAC-SHA256 of its text, cut to 80 bits."""
    return hmac.new(salt.encode(), str(value).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_DIGITS]


def _hashed(values: pd.Series[Any], salt: str) -> pd.Series[Any]:
    codes, different = pd.factorize(values)
    hashes = pd.array([hashed(value, salt) for value in different], dtype="str")
    return pd.Series(hashes.take(codes, allow_fill=True), index=values.index, name=values.name)


@contextmanager
def quoting_no_cells(data: Dataset) -> Iterator[None]:
    """Take texts of cells out of the message of a `ModelError`: a model's exception may quote the case that it could not read."""
    try:
        yield
    except ModelError as error:
        if (message := without_cells(str(error), data)) != str(error):
            raise ModelError(message) from error.__cause__
        raise


def without_cells(message: str, data: Dataset) -> str:
    """Return a message of others' code without the texts of the data's cells, of which `LEFT_OUT` takes the place.

    Ids, clusters, sensitive features, the target and the split stay: somebody must name their values. So do numbers,
    and words of up to 12 characters that are not quoted, since they stand in many sentences.
    """
    if isinstance(data, CountedDataset):
        return message
    quoted: dict[str, set[str]] = {}
    for text in _texts(data):
        for form in _forms(text):
            if _is_in(form, message):
                quoted.setdefault(form[:_HEAD], set()).add(form)
    for head in sorted(quoted, key=len, reverse=True):
        at = message.find(head)
        while at >= 0:
            length = max(_shared(form, message[at:]) for form in quoted[head])
            message = message[:at] + LEFT_OUT + message[at + length :]
            at = message.find(head, at + len(LEFT_OUT))
    return message


def _shared(cell: str, message: str) -> int:
    """Return how many characters two texts share from their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(cell, message, strict=False)))


def _texts(data: Dataset) -> Iterator[str]:
    """Iterate over the different texts in columns that nobody names values of."""
    split = data.config.split.column if data.config.split else None
    named = {data.config.id, *data.cluster, *data.sensitive, data.config.target, split}
    for column in data.table.columns:
        if column not in named:
            yield from (value for value in data.table[column].dropna().unique() if isinstance(value, str) and value.strip())


def _forms(cell: str) -> set[str]:
    """Return a cell as messages write it: in one line, and as a literal of Python."""
    return {" ".join(cell.split()), repr(cell.strip())[1:-1]}


def _is_in(cell: str, message: str) -> bool:
    if cell[:_HEAD] not in message:
        return False
    return len(cell) > _SHORT or " " in cell or any(f"{mark}{cell}{mark}" in message for mark in "'\"`")
