"""Tables that are folders: parts of one table, data sets that the `datasets` library saved, and folders of media.

Each is a list of files with the same columns. What the name of a file or folder says (its split, its class, ``year=2024``) is a
column of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raikit.data.table_format import ARROW, CSV, EVAL, JSON, PARQUET, TAR, check_format, suffix_of
from raikit.errors import DataError, listed
from raikit.files import canonical, sha256, sha256_text
from raikit.limits import files_below, read_json

SPLITS = ("train", "training", "test", "validation", "val", "valid", "dev", "eval")
MEDIA = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".wav", ".flac", ".ogg", ".mp3")
TABLES = (*CSV, *PARQUET, *JSON, *ARROW, *TAR, *EVAL)
_METADATA = re.compile(r"metadata\.(csv|jsonl|parquet)")
_SHARD = re.compile(rf"({'|'.join(SPLITS)})([-_.]\d.*)?\.[a-z.]+")
_LOG = re.compile(r".*\.eval|samples_.*\.jsonl|.*_samples\.jsonl")  # beside which tools write JSON of other kinds
_HIVE = re.compile(r"([^=]+)=(.*)")
_RECOGNISED = (
    "a folder may hold parts of one table (.parquet, .csv, .jsonl, .tar), logs of an evaluation tool, what "
    "`Dataset.save_to_disk` wrote, "
    "metadata.csv beside media, or one folder of media for each class"
)


@dataclass(frozen=True)
class Part:
    """A file of a table, and the columns that its name and place add.

    Parameters
    ----------
    file : Path
    columns : mapping of str to str
    media : str
        The folder of its media, relative to that of the table; empty: the same.
    """

    file: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    media: str = ""


@dataclass(frozen=True)
class FolderTable:
    """A table in a folder.

    Parameters
    ----------
    parts : tuple of Part
        In the order of their names. Empty for a folder of media without a table.
    classes : mapping of str to list of str
        Names of the classes of integer columns, as the `datasets` library records them.
    media : tuple of (path, mapping of str to str)
        Files of a folder that holds media alone, relative to it, with the columns that their folders give.
    """

    parts: tuple[Part, ...] = ()
    classes: Mapping[str, list[str]] = field(default_factory=dict)
    media: tuple[tuple[str, Mapping[str, str]], ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether the cells are text, without types."""
        return not self.parts or suffix_of(self.parts[0].file) in CSV


def open_folder(folder: Path) -> FolderTable:
    """Find out what table a folder holds.

    Raises
    ------
    DataError
        If it holds none, or files of several formats.
    """
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        return _saved_dataset(folder)
    files = [path for path in files_below(folder) if not _is_hidden(path, folder)]
    if metadata := [path for path in files if _METADATA.fullmatch(path.name)]:
        parts = (Part(path, _columns_of(path.parent, folder), path.parent.relative_to(folder).as_posix()) for path in metadata)
        return FolderTable(tuple(parts))
    tables = [path for path in files if suffix_of(path) in TABLES and not path.name.endswith(("_info.json", "state.json"))]
    if tables := [path for path in tables if _LOG.fullmatch(path.name)] or tables:
        return FolderTable(tuple(Part(path, _columns_of(path, folder)) for path in _of_one_format(tables, folder)))
    media = [path for path in files if path.suffix.lower() in MEDIA and path.parent != folder]
    if not media:
        raise DataError(f"{folder.name} holds no table: {_RECOGNISED}.")
    return FolderTable(media=tuple((path.relative_to(folder).as_posix(), _labels_of(path, folder)) for path in media))


def is_scannable(table: Path) -> bool:
    """Return whether a table is made of files that can be read in batches: CSV and Parquet."""
    if not table.is_dir():
        return suffix_of(table) in (*CSV, *PARQUET)
    parts = open_folder(table).parts
    # Paths of media are relative to the folder of their part.
    return bool(parts) and all(suffix_of(part.file) in (*CSV, *PARQUET) and part.media in ("", ".") for part in parts)


def media_folder(table: Path) -> Path:
    """Return the folder that the paths of media are relative to: a table's own if it is a folder, else the one it lies in."""
    return table if table.is_dir() else table.parent


def fingerprint_of_file(table: Path) -> str:
    """Compute the SHA-256 of a table's file, or of the names and contents of its parts."""
    if not table.is_dir():
        return sha256(table)
    opened = open_folder(table)
    if not opened.parts:
        return sha256_text(canonical([file for file, _ in opened.media]))
    return sha256_text(canonical({part.file.relative_to(table).as_posix(): sha256(part.file) for part in opened.parts}))


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def _of_one_format(tables: list[Path], folder: Path) -> list[Path]:
    """Return the files, or raise if they are of several formats."""
    suffixes = sorted({suffix_of(path) for path in tables})
    if len(suffixes) > 1:
        raise DataError(f"{folder.name} holds tables of several formats ({listed(suffixes)}); name one file, or keep one format.")
    for path in tables:
        check_format(path)
    return tables


def _columns_of(path: Path, folder: Path) -> dict[str, str]:
    """Return the columns that the names of a file and its folders add: ``year=2024``, ``test/`` or ``test-00000-of-00001``."""
    columns: dict[str, str] = {}
    for name in path.relative_to(folder).parts:
        if key := _HIVE.fullmatch(name):
            columns[key[1]] = key[2]
        elif name.lower() in SPLITS:
            columns["split"] = name.lower()
        elif shard := _SHARD.fullmatch(name.lower()):
            columns["split"] = shard[1]
    return columns


def _labels_of(path: Path, folder: Path) -> dict[str, str]:
    """Return the columns of a medium in a folder of classes: its class, and its split if there is one."""
    *above, label = path.parent.relative_to(folder).parts
    split = {"split": above[-1].lower()} if above and above[-1].lower() in SPLITS else {}
    return {"label": label, **split}


def _saved_dataset(folder: Path) -> FolderTable:
    """Return the parts of what `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote."""
    splits = _read(folder / "dataset_dict.json").get("splits", [""]) if (folder / "dataset_dict.json").is_file() else [""]
    parts: list[Part] = []
    classes: dict[str, list[str]] = {}
    for split in splits if isinstance(splits, list) else []:
        if Path(str(split)).name != str(split) and split != "":
            raise DataError(f"{folder.name}: dataset_dict.json names a folder outside its own.")
        place = folder / str(split)
        files = _read(place / "state.json").get("_data_files", [])
        if not isinstance(files, list) or not all(isinstance(item, dict) and "filename" in item for item in files):
            raise DataError(f"{place.name}: state.json is missing or damaged, so this is no saved data set.")
        names = [str(item["filename"]) for item in files]
        if any(Path(name).name != name or "\x00" in name for name in names):
            raise DataError(f"{folder.name}: state.json names a file outside its folder.")
        parts += [Part(place / name, {"split": str(split)} if split else {}) for name in names]
        classes |= dict(_class_names(_read(place / "dataset_info.json").get("features", {})))
    for part in parts:
        check_format(part.file)
    return FolderTable(tuple(parts), classes)


def _class_names(features: Any) -> Iterator[tuple[str, list[str]]]:
    for name, feature in features.items() if isinstance(features, dict) else ():
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list):
            yield name, [str(label) for label in feature["names"]]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        raise DataError(f"{path.parent.name}: {path.name} is missing or damaged, so this is no saved data set.") from None
    return content if isinstance(content, dict) else {}
