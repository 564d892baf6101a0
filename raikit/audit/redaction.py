"""What an audit with ``redact: true`` leaves out of its run: inputs, ids, and texts that code of others wrote about cases.

Ids are hashed where the data is opened (`raikit.data.redaction`), and raikit's own checks draw no single case
(`raikit.CheckContext.redact`). This module is the net below: it looks through what checks return.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from raikit.data.redaction import LEFT_OUT, hash_ids
from raikit.errors import RunError
from raikit.files import write_text
from raikit.format import counted
from raikit.models.opening import MODEL_FOLDER
from raikit.process.secrets import map_texts, secret_values, without_secrets
from raikit.run.owners import FIRST_PARTY
from raikit.run.record import CheckRecord
from raikit.run.results import RecordModel

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.data.dataset import Dataset
    from raikit.run.directory import RunDirectory

MODEL_LEFT_OUT = (
    "The model that this audit trained is not kept in a redacted run, because it may hold cells of the data; "
    "`raikit train` keeps it."
)
_SALT = "salt"
_SHORTEST_SALT = 16  # characters
_CLASS = re.compile(r"([A-Za-z_][\w.]*): .+", re.DOTALL)
_WORD = re.compile(r"\S+")
_EDGES = "()[]{}<>\"'`.,;:!?=…"
_SHORT = 12  # characters up to which a single word of the data is no text that betrays a case
_SHORTEST_NAME = 3  # characters; shorter ids and clusters are words of many sentences
_FIELDS = ("reason", "help", "warnings", "findings", "tables", "figures")


def start_redaction(plan: Plan, data: Dataset, run: RunDirectory) -> Redactor | None:
    """Hash the ids of the data, here and in every child process, if the configuration says so; None if it does not.

    Raises
    ------
    RunError
        If the file of the salt cannot be read or written.
    """
    if not plan.settings.redact:
        return None
    salt = _open_salt(run, plan.request.salt)
    redactor = Redactor(data, None if plan.request.salt else salt)
    hash_ids(data, salt)
    if plan.children is not None:
        plan.children.tell(salt=salt)
    return redactor


def _open_salt(run: RunDirectory, file: Path | None) -> str:
    """Return the salt: that of a file, which is made if there is none, that of the run in progress, or a new one."""
    path = file or run.work / _SALT
    try:
        if path.exists():
            salt = path.read_text("utf-8").strip()
            if len(salt) < _SHORTEST_SALT:
                raise RunError(f"--salt {path}: it holds {len(salt)} characters; name a new file, and one is drawn for it.")
            return salt
        salt = secrets.token_hex(32)
        if file is not None:
            _write_salt(path, salt)
        return salt
    except (OSError, ValueError) as error:
        raise RunError(f"--salt {path}: it cannot be read or written ({type(error).__name__}).") from None


def _write_salt(path: Path, salt: str) -> None:
    write_text(path, salt + "\n").chmod(0o600)


class Redactor:
    """Looks for ids and texts of the data in what checks return.

    Parameters
    ----------
    data : Dataset
        Before its ids are hashed.
    salt : str, optional
        What `keep_salt` keeps for ``--resume``.
    """

    def __init__(self, data: Dataset, salt: str | None = None) -> None:
        self._salt = salt
        split = data.config.split.column if data.config.split else None
        shown = {*data.sensitive, *data.extra_columns, data.config.target, split}  # what an audit is about
        texts = [column for column in data.table.columns if column not in shown]
        names = [column for column in (data.config.id, *data.cluster) if column is not None and column not in data.sensitive]
        self._names = set(_cells(data, names))
        self._texts: dict[str, list[str]] = {}
        for text in _cells(data, texts):
            if len(text) > _SHORT or " " in text:
                self._texts.setdefault(text.split(maxsplit=1)[0], []).append(text)

    def keep_salt(self, run: RunDirectory) -> None:
        """Keep the salt while the run is in progress, so that it can be resumed; it is gone when the run is sealed."""
        if self._salt is not None:
            _write_salt(run.work / _SALT, self._salt)

    def remove_model(self, run: RunDirectory) -> None:
        """Remove the model that the audit has trained: its encoding holds labels of the data, its weights may hold more."""
        run.remove(run.folder / MODEL_FOLDER)

    def redact(self, record: CheckRecord) -> None:
        """Leave out of a check's record what it printed and raised, what it drew of cases, and every id and text of the data."""
        record.output, record.traceback = "", None
        record.warnings = [_CLASS.sub(r"\1: " + LEFT_OUT, text) for text in record.warnings]
        if record.status == "error":
            record.reason = _CLASS.sub(r"\1: " + LEFT_OUT, record.reason or "")
        if record.plugin != FIRST_PARTY:
            kept = [figure for figure in record.figures if figure.image is None]
            if dropped := len(record.figures) - len(kept):
                why = "left out of a redacted run, because pictures cannot be searched"
                record.warnings.append(f"{counted(dropped, 'picture')} {why}")
            record.figures = kept
        dumped = record.model_dump(mode="json")
        changed = map_texts({name: dumped[name] for name in _FIELDS}, self.mask)
        redacted = CheckRecord.model_validate({**dumped, **changed})
        for name in _FIELDS:
            setattr(record, name, getattr(redacted, name))

    def mask(self, text: str) -> str:
        """Return a text without the ids and texts of the data."""
        spans = []
        for word in _WORD.finditer(text):
            start = word.start() + len(word[0]) - len(word[0].lstrip(_EDGES))
            core = word[0].strip(_EDGES)
            if len(core) >= _SHORTEST_NAME and core in self._names and not _is_number(core):
                spans.append((start, start + len(core)))
            spans += [(at, at + len(cell)) for at, cell in self._beginning(text, word.start(), start)]
        if text.strip() in self._names and _WORD.fullmatch(text.strip()) is None:  # an id of several words
            return LEFT_OUT
        return _without(text, spans)

    def _beginning(self, text: str, *places: int) -> Iterable[tuple[int, str]]:
        """Iterate over the texts of the data that begin at one of these places."""
        for at in dict.fromkeys(places):
            head = _WORD.match(text, at)
            heads = {head[0], head[0].rstrip(_EDGES)} if head else set()
            yield from ((at, cell) for first in heads for cell in self._texts.get(first, ()) if text.startswith(cell, at))


def _cells(data: Dataset, columns: Iterable[str]) -> Iterable[str]:
    """Iterate over the different texts of columns."""
    for column in dict.fromkeys(columns):
        if column in data.table:
            values = data.table[column].dropna()
            different = values[values.map(lambda value: isinstance(value, str))].unique()
            yield from (cell for value in different if (cell := value.strip()))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d.,]+%?", text) is not None


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text with these stretches left out; they may overlap."""
    parts, at = [], 0
    for start, end in sorted(spans):
        if end <= at:
            continue
        parts += [text[at:start], LEFT_OUT if start >= at else ""]
        at = end
    return "".join([*parts, text[at:]])


def hide_secrets(record: RecordModel) -> None:
    """Mask the secrets of the environment in every text of a record, in place."""
    text = record.model_dump_json()
    if not any(json.dumps(secret, ensure_ascii=False)[1:-1] in text for secret in secret_values()):
        return
    hidden = type(record).model_validate(map_texts(record.model_dump(mode="json"), without_secrets))
    for name in type(record).model_fields:
        setattr(record, name, getattr(hidden, name))
