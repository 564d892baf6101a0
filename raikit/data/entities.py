"""Named entities of tagged tokens, as cases: what the truth or the prediction marks as an entity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from raikit.arrays import BoolArray, IntArray
from raikit.data.parts import TOKEN
from raikit.errors import DataError, listed

NO_ENTITY = "no entity"
LAST_TOKEN = "target.last"  # noqa: S105 -- a column: the number of an entity's last token in its text
_OUTSIDE = "O"
_AS_IOBES = {"U": "S", "L": "E"}  # BILOU calls them so
_NO_TYPE = "_"
_UNIT = "(unit)"
_KEY = [_UNIT, LAST_TOKEN]  # what two runs know an entity by


def has_entities(tags: Sequence[Any]) -> bool:
    """Return whether tags mark entities: all of them are O, or a letter of BIOES or BILOU with a type behind a hyphen.

    Examples
    --------
    >>> has_entities(["O", "B-PER", "I-PER"]), has_entities(["NOUN", "VERB"]), has_entities(["O"])
    (True, False, False)
    """
    marks = [str(tag) for tag in tags if str(tag) != _OUTSIDE]
    return bool(marks) and all(len(tag) > 2 and tag[0] in "BIESLU" and tag[1] == "-" for tag in marks)


def entity_cases(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return one row for each entity of truth or prediction, with the other columns of its first token, and its `LAST_TOKEN`.

    An entity is right if its first and last token and its type are. ``target`` and ``prediction`` hold the type, or `NO_ENTITY`
    where the other one alone marks an entity between these tokens.

    Parameters
    ----------
    frame : DataFrame
        ``target``, ``prediction``, ``target.token`` and others, the tokens of a text in their order.

    Returns
    -------
    DataFrame, list of str
        The entities, and the types that occur, sorted.

    Raises
    ------
    DataError
        If tags mark no entities.

    Notes
    -----
    Entities are those of seqeval in its default mode (as conlleval): an I- tag of another type than the tag before it begins an
    entity. Tags of IOBES end one with E- or S-.
    """
    numbers = frame[TOKEN].to_numpy()
    new_text = np.append(True, numbers[1:] != numbers[:-1] + 1)
    sides = [_spans(frame[column], new_text) for column in ("target", "prediction")]
    types = sorted({name for side in sides for name in side["type"].unique()})
    merged = sides[0].merge(sides[1], on=["first", "last"], how="outer", suffixes=("", "_predicted")).fillna(NO_ENTITY)
    rows = frame.iloc[merged["first"].to_numpy()].reset_index(drop=True)
    own = {"target": merged["type"], "prediction": merged["type_predicted"], LAST_TOKEN: numbers[merged["last"].to_numpy()]}
    return rows.assign(**own), types


def matched_entities(
    frames: tuple[pd.DataFrame, pd.DataFrame], units: tuple[IntArray, IntArray]
) -> tuple[list[pd.DataFrame], list[IntArray], list[str]]:
    """Return the entities of the tokens of two runs, each with its number, and the types that occur.

    Entities with the same first and last token have the same number. One that a run alone predicts stands in the other, if that has
    the tokens, as `NO_ENTITY` that is found to be none. Entities are in the order of their numbers, so runs with the same texts
    have the same entities in the same order.

    Parameters
    ----------
    frames : (DataFrame, DataFrame)
        As `entity_cases`.
    units : (ndarray of int, ndarray of int)
        Number of each token; the same number in both runs is the same token.
    """
    tokens = [frame.assign(**{_UNIT: unit}) for frame, unit in zip(frames, units, strict=True)]
    (old, first_types), (new, second_types) = (entity_cases(frame) for frame in tokens)
    entities = [_with_absent(old, new, tokens[0]), _with_absent(new, old, tokens[1])]
    keys = pd.MultiIndex.from_frame(pd.concat([frame[_KEY] for frame in entities], ignore_index=True))
    codes = np.split(np.asarray(pd.factorize(keys)[0], dtype=np.int64), [len(entities[0])])
    orders = [np.argsort(code) for code in codes]
    ordered = [frame.iloc[order].drop(columns=_KEY).reset_index(drop=True) for frame, order in zip(entities, orders, strict=True)]
    return ordered, [code[order] for code, order in zip(codes, orders, strict=True)], sorted({*first_types, *second_types})


def _with_absent(own: pd.DataFrame, other: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """Add the entities that the other run alone predicts, with the columns of their first token in this run."""
    place = pd.Series(np.arange(len(tokens)), index=tokens[_UNIT])
    known = pd.MultiIndex.from_frame(other[_KEY]).isin(pd.MultiIndex.from_frame(own[_KEY]))
    absent = other.loc[~known & other[_UNIT].isin(place.index).to_numpy(), _KEY]
    rows = tokens.iloc[place.loc[absent[_UNIT]].to_numpy()].assign(
        target=NO_ENTITY, prediction=NO_ENTITY, **{LAST_TOKEN: absent[LAST_TOKEN].to_numpy()}
    )
    return pd.concat([own, rows[own.columns]], ignore_index=True) if len(absent) else own


def _spans(tags: pd.Series[Any], new_text: BoolArray) -> pd.DataFrame:
    """Return ``first`` and ``last`` token and ``type`` of each entity."""
    codes, names = pd.factorize(tags)
    if odd := [name for name in names if str(name) != _OUTSIDE and not has_entities([name])]:
        raise DataError(f"{tags.name} holds tags that mark no entity, such as {listed(odd, 3)}; entities need tags such as B-PER.")
    letters = [_AS_IOBES.get(str(name)[0], str(name)[0]) for name in names]
    kinds = [str(name)[2:] or _NO_TYPE for name in names]
    numbers = {kind: at for at, kind in enumerate(dict.fromkeys(kinds))}
    letter, kind = np.array(letters)[codes], np.array([numbers[name] for name in kinds])[codes]
    first, last = _ends(letter, kind, new_text)
    return pd.DataFrame({"first": first, "last": last, "type": np.array(list(numbers), dtype=object)[kind[first]]})


def _ends(letter: np.ndarray, kind: IntArray, new_text: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the first and the last token of each entity, in their order."""
    inside = letter != _OUTSIDE
    # Whether an entity ends between a token and the one before it, both of which are in one.
    parted = new_text.copy()
    parted[1:] |= np.isin(letter[1:], ["B", "S"]) | np.isin(letter[:-1], ["E", "S"]) | (kind[1:] != kind[:-1])
    before, behind = np.append(False, inside[:-1]), np.append(inside[1:], False)
    first = inside & (parted | ~before)
    last = inside & (np.append(parted[1:], True) | ~behind)
    return np.flatnonzero(first), np.flatnonzero(last)
