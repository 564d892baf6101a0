"""From a table and its configuration to cases with roles: labels, splits, groups, clusters and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raikit.config.schema import DataConfig
from raikit.config.types import Error
from raikit.data import splits
from raikit.data.cells import RowNames, shown
from raikit.data.classes import PredictedClasses
from raikit.data.decisions import read_decisions
from raikit.data.folders import media_folder
from raikit.data.groups import MAX_UNBINNED, read_groups
from raikit.data.labels import favourable_class
from raikit.data.media_columns import find_unusable, media_cells
from raikit.data.names import check_names
from raikit.data.parts import Parts, Reduced
from raikit.data.roles import list_inputs, media_columns, read_clusters, read_ids, read_weights, reference_groups
from raikit.data.spellings import lookalike_note
from raikit.data.target import Target, read_target
from raikit.errors import DataError, listed, nearest


@dataclass(frozen=True)
class Purpose:
    """What the cases are needed for.

    Attributes
    ----------
    trains : bool
        Whether a model is trained. Then there must be train cases, and some are set aside for validation.
    needs_inputs : bool
        Whether a model is asked. If not, the table holds the predictions, and media are not read.
    predictions : sequence of str
        Columns that hold the predictions.
    predicted : PredictedClasses
        What they say about classes.
    """

    trains: bool = False
    needs_inputs: bool = True
    predictions: Sequence[str] = ()
    predicted: PredictedClasses = field(default_factory=PredictedClasses)


@dataclass(frozen=True)
class Alike:
    """What the rows of a table stand for, where it holds each different row once.

    Attributes
    ----------
    counts : ndarray of int64, shape (n,)
        Cases that each row stands for.
    first : ndarray of int64, shape (n,)
        Number of the first of them in the file.
    """

    counts: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class Cases:
    """The cases that an audit uses, and their roles.

    Attributes
    ----------
    table : DataFrame, n rows
        The columns as they were read.
    roles : DataFrame, n rows
        As `raikit.Dataset.roles`.
    target : Target
        Of all rows of the file.
    rows : ndarray of int64, shape (n,)
        Position of each case among the rows of the file.
    skipped : list of (id, reason)
        Rows left out because a picture or sound cannot be used.
    overlap : mapping
        As `raikit.Dataset.overlap`.
    notes : list of str
        Sentences for the record.
    parts : Parts or None
        If the cases are parts of the file's rows.
    """

    table: pd.DataFrame
    roles: pd.DataFrame
    target: Target
    rows: np.ndarray
    skipped: list[tuple[Any, str]]
    overlap: Mapping[str, str]
    notes: list[str]
    parts: Parts | None = None

    @property
    def numbers(self) -> np.ndarray:
        """The target as a model has it, shape (n,)."""
        numbers: np.ndarray = self.target.numbers[self.rows]
        return numbers


def assemble(
    table: pd.DataFrame, config: DataConfig, path: Path, purpose: Purpose, *, seed: int, error: Error,
    alike: Alike | None = None, reduced: Reduced | None = None,
) -> Cases:  # fmt: skip
    """Give the columns of a table their roles, and leave out the rows that cannot be used.

    Every row gets its roles first, so that leaving rows out changes nothing about the others.

    Parameters
    ----------
    table : DataFrame
        Its media columns are replaced by paths and bytes.
    config : DataConfig
    path : Path
        Of the table; media are looked up in its folder, and messages use its name.
    purpose : Purpose
    seed : int
        Splits are drawn from it.
    error : callable
        Makes the error that names a key.
    alike : Alike, optional
        If the table holds each different row once.
    reduced : Reduced, optional
        If the cases are parts of the file's rows, or have answers of several annotators.

    Raises
    ------
    ConfigError
        If a column cannot have its role.
    DataError
        If a row cannot be used; it is named.
    """
    parts, beside = (None, {}) if reduced is None else (reduced.parts, reduced.roles)
    ids = _read_ids(table, config, path, alike, reduced)
    numbers = parts.rows.tolist() if parts is not None else None if alike is None else alike.first.tolist()
    rows = RowNames(path.name, ids.tolist(), numbers, None if alike is None else alike.counts)
    read = read_decisions if config.target is None else read_target
    target = read(table, config, rows, error, purpose.predicted)
    favourable_class(config, target.task, target.classes, error)
    unusable = _read_media(table, config, path, rows, purpose)
    roles, notes = _read_roles(table, config, ids, rows, target, purpose, seed, error)
    roles = roles.assign(**beside)
    check_names(config, table, roles, target, purpose.predicted.column, error)
    keep = np.ones(len(roles), dtype=bool)
    keep[list(unusable)] = False
    if not purpose.needs_inputs:
        # Thresholds and attacks are fitted on other splits, as far as the table holds predictions for them.
        audited = (roles["split"] == splits.TEST).to_numpy()
        keep &= audited | table[list(purpose.predictions)].notna().all(axis=1).to_numpy()
    positions = np.flatnonzero(keep)
    roles = roles.iloc[positions].reset_index(drop=True)
    cases = Cases(
        table=table.iloc[positions].reset_index(drop=True),
        roles=roles,
        target=target,
        rows=positions,
        skipped=[(rows.ids[position], reason) for position, reason in unusable.items()],
        overlap=splits.describe_overlap(roles["split"].to_numpy(), {name: roles[name] for name in config.cluster}),
        notes=[*(reduced.notes if reduced is not None else []), *target.notes, *notes],
        parts=None if parts is None else parts.take(positions),
    )
    for split in (splits.TRAIN, splits.TEST) if purpose.trains else (splits.TEST,):
        _check_split(cases, split, config, path, error)
    _check_audited(cases, config, path, error)
    return cases


def _read_ids(
    table: pd.DataFrame, config: DataConfig, path: Path, alike: Alike | None, reduced: Reduced | None
) -> pd.Series[Any]:
    if reduced is not None and reduced.ids is not None:
        return reduced.ids
    return read_ids(table, config.id, path.name) if alike is None else pd.Series(alike.first, name="id")


def _read_media(
    table: pd.DataFrame, config: DataConfig, path: Path, rows: RowNames, purpose: Purpose
) -> dict[int, str]:
    """Replace the media cells by paths and bytes, and return the rows that cannot be used with their reasons."""
    media = media_columns(list_inputs(config))
    for column in media:
        table[column] = pd.Series(media_cells(table[column]), dtype=object, index=table.index)
    return find_unusable(table, media, media_folder(path), rows, config.on_bad_media) if purpose.needs_inputs else {}


def _read_roles(
    table: pd.DataFrame,
    config: DataConfig,
    ids: pd.Series[Any],
    rows: RowNames,
    target: Target,
    purpose: Purpose,
    seed: int,
    error: Error,
) -> tuple[pd.DataFrame, list[str]]:
    clusters = read_clusters(table, config.cluster)
    groups = {
        feature.column: read_groups(
            table[feature.column], feature, config.max_groups, error, ("data", "sensitive", index)
        )
        for index, feature in enumerate(config.sensitive)
    }
    weight = {config.weight: read_weights(table, config.weight, rows)} if config.weight else {}
    design = splits.SplitDesign(
        trains=purpose.trains,
        only_test=not purpose.needs_inputs,
        strata=splits.stratify(target.numbers, len(target.classes)),
        clusters=clusters,
        seed=seed,
    )
    split, notes = splits.assign_splits(config.split, table, rows, design, error)
    notes += _lookalikes(target, groups, clusters, config)
    notes += _many_categories(table, config) if purpose.trains else []
    columns = {"id": ids, "split": pd.Series(pd.array(split, dtype="str"))}
    if config.target is not None:
        columns["target"] = target.labels
    columns |= {name: values for name, values in (groups | clusters | weight).items() if name != "id"}
    return pd.DataFrame(columns), notes


def _lookalikes(
    target: Target, groups: Mapping[str, pd.Series[Any]], clusters: Mapping[str, pd.Series[Any]], config: DataConfig
) -> list[str]:
    """Say which classes, groups and clusters differ only in how they are written."""
    name = "decisions" if config.target is None else f"target {config.target}"
    found = [lookalike_note(name, target.classes, "class")]
    found += [lookalike_note(name, values.unique().tolist(), "group") for name, values in groups.items()]
    found += [lookalike_note(name, values.unique().tolist(), "cluster") for name, values in clusters.items()]
    return [note for note in found if note is not None]


def _many_categories(table: pd.DataFrame, config: DataConfig) -> list[str]:
    """Say which text in tabular inputs has so many values that they are hardly categories, such as dates or names."""
    columns = [column for item in list_inputs(config).values() if item.modality == "tabular" for column in item.columns]
    texts = {column: table[column].nunique() for column in columns if not pd.api.types.is_numeric_dtype(table[column])}
    return [
        f"The input {column} is text with {many:,} different values, and a model that is trained takes them for categories; "
        "if they are dates, amounts or sentences, derive numbers from them or declare them as text."
        for column, many in texts.items()
        if many > MAX_UNBINNED
    ]


def _check_split(cases: Cases, split: str, config: DataConfig, path: Path, error: Error) -> None:
    """Raise if a split is empty, or has only one class although nobody declared the others."""
    numbers = cases.numbers[(cases.roles["split"] == split).to_numpy()]
    if not numbers.size:
        raise DataError(f"{path.name}: no row of the {split} split has media that can be read.")
    if config.target is None:
        return  # that everybody is selected, or nobody, is a finding
    declared = bool(config.classes) and split == splits.TEST
    if cases.target.task != "regression" and not declared and (numbers == numbers[0]).all():
        label = shown(cases.target.classes[int(numbers[0])])
        needed = "two or more classes are needed, or declared in data.classes"
        raise error(("data", "target"), f"every row of the {split} split is {label}; {needed}.")


def _check_audited(cases: Cases, config: DataConfig, path: Path, error: Error) -> None:
    """Raise if the audited cases have no weight, or no groups to compare."""
    audited = cases.roles[(cases.roles["split"] == splits.TEST).to_numpy()]
    if config.weight and not audited[config.weight].any():
        raise DataError(f"{path.name}: every data.weight ({config.weight}) in the {splits.TEST} split is zero.")
    sensitive = [feature.column for feature in config.sensitive]
    if sensitive and all(audited[name].nunique(dropna=False) < 2 for name in sensitive):
        raise error(
            ("data", "sensitive"),
            f"every sensitive column is constant in the {splits.TEST} split ({listed(sensitive)}), so there are no "
            "groups to compare.",
        )
    _check_reference(audited, config, error)


def _check_reference(audited: pd.DataFrame, config: DataConfig, error: Error) -> None:
    """Raise if no audited case belongs to a reference group."""
    for column, group in reference_groups(config).items():
        groups = audited[column].dropna().unique().tolist()
        if group not in groups:
            raise error(
                ("data", "reference", column),
                f"no case of the {splits.TEST} split has {column}: {group}.{nearest(group, groups)} "
                f"Groups there: {listed(sorted(groups), 20)}.",
            )
