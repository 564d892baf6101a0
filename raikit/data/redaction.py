"""Ids and clusters as salted hashes, so that what is made of the data names no case."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pandas as pd

from raikit.data.counted import CountedDataset
from raikit.data.dataset import Dataset

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
