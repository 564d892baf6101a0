"""Tagged tokens in the layout of CoNLL-2003: a token a line, its columns set apart by spaces, a blank line behind each sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from raikit.data.table_format import open_text
from raikit.errors import DataError
from raikit.limits import check_cells, check_columns, in_force, refuse, row_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_DOCUMENT = "-DOCSTART-"
_OF_2003 = ["token", "pos", "chunk", "tag"]
_CHECKED = 100_000  # tokens between two looks at the limits


def read_conll(path: Path) -> pa.Table:
    """Read all tokens.

    Returns
    -------
    Table
        ``sentence`` and ``document`` (numbers from 1, the latter from lines that begin with ``-DOCSTART-``), ``token``, ``pos``,
        ``chunk`` and ``tag``. A file with another number of columns has ``token``, ``column_2`` and so on, and ``tag``.

    Raises
    ------
    DataError
        If a line has another number of columns than the first one; it is named.
    """
    import pyarrow as pa

    rows: list[list[str]] = []
    places: list[tuple[int, int]] = []
    sentence, document, is_open = 1, 1, False
    with open_text(path) as lines:
        longest, most = row_bytes(), in_force().columns
        for number, line in enumerate(iter(lambda: lines.readline(longest + 1), ""), 1):
            if len(line) > longest:
                raise refuse(f"{path.name}, line {number}", "row_megabytes", unit="megabytes")
            parts = line.split(maxsplit=most)  # no more than are read
            is_document = bool(parts) and parts[0] == _DOCUMENT
            if not parts or is_document:
                sentence, is_open = sentence + is_open, False
                document += is_document and bool(rows)
                continue
            if len(parts) < 2 or len(parts) != len(rows[0] if rows else parts):
                raise DataError(f"{path.name}, line {number}: it has {len(parts)} columns; {len(rows[0]) if rows else '2 or more'} "
                                "are expected, such as a token and its tag.")  # fmt: skip
            rows.append(parts)
            places.append((sentence, document))
            is_open = True
            if len(rows) == 1:
                check_columns(path.name, len(parts))
            if len(rows) % _CHECKED == 0:
                check_cells(path.name, len(rows) * len(parts))
    if not rows:
        raise DataError(f"{path.name} has no rows.")
    width = len(rows[0])
    names = _OF_2003 if width == len(_OF_2003) else ["token", *(f"column_{at}" for at in range(2, width)), "tag"]
    columns = {"sentence": [place[0] for place in places], "document": [place[1] for place in places]}
    return pa.table({**columns, **dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))})
