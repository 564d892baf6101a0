"""Logs of other evaluation tools, read as tables of predictions: Inspect, lm-evaluation-harness and Every Eval Ever."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.data.evaluation_logs import every_eval_ever, inspect_log, lm_eval
from raikit.data.evaluation_logs.limits import json_lines
from raikit.data.evaluation_logs.rows import Log, to_table
from raikit.data.table_format import EVAL, JSON, open_bytes, readable_errors, suffix_of
from raikit.errors import DataError
from raikit.limits import check_depth, most_bytes

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["is_log", "read_log"]

_HEAD = 65_536  # bytes that tell an Inspect log in JSON from other objects
_INSPECT = re.compile(rb'\s*\{\s*"version"\s*:\s*\d+\s*,\s*"status"\s*:\s*"\w+"\s*,\s*"eval"\s*:')
# How files begin that hold only aggregated results, and what holds the single ones.
_AGGREGATED = {
    rb'\s*\{\s*"results"\s*:\s*\{.*"alias"\s*:': "give samples_TASK_*.jsonl, which lm_eval writes with --log_samples",
    rb'\s*\{\s*"schema_version"\s*:.*"evaluation_id"\s*:': "give the file that ends in _samples.jsonl",
}
_OF_LINES = {tool.TOOL: tool for tool in (lm_eval, every_eval_ever)}


def is_log(path: Path) -> bool:
    """Return whether a file is the log of a tool that is known, by its suffix or how it begins."""
    with readable_errors(path):
        return _kind(path) is not None


def read_log(path: Path) -> pa.Table:
    """Read a log as a table of predictions, one row for each answer that has a score.

    Parameters
    ----------
    path : Path
        ``.eval`` or ``.json`` of Inspect, ``samples_TASK_TIME.jsonl`` of lm-evaluation-harness, or ``NAME_samples.jsonl`` of Every
        Eval Ever.

    Returns
    -------
    Table
        The columns that `raikit.data.evaluation_logs.rows.to_table` describes.

    Raises
    ------
    DataError
        If the log is damaged or too large, or holds no answer with a score.
    """
    about = path.stat()
    with readable_errors(path):
        return _read(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)  # a table is opened for its columns before it is read, and logs are slow to parse
def _read(path: Path, changed: int, size: int) -> pa.Table:
    kind = _kind(path)
    log: Log = inspect_log.read(path) if kind == inspect_log.TOOL else _OF_LINES[str(kind)].read(path, json_lines(path))
    return to_table(log, path.name)


def _kind(path: Path) -> str | None:
    """Return the tool that wrote a file, or None; raise if the file holds only what the tool aggregated."""
    if path.is_dir() or suffix_of(path) not in (*EVAL, *JSON):
        return None
    if suffix_of(path) in EVAL:
        return inspect_log.TOOL
    with open_bytes(path) as stream:
        head = stream.read(_HEAD)
    if suffix_of(path) != ".json":
        return _kind_of_lines(path, head) if head.lstrip()[:1] == b"{" else None
    for beginning, advice in _AGGREGATED.items():
        if re.match(beginning, head, re.DOTALL):
            raise DataError(f"{path.name} holds aggregated results, and an audit needs the single ones: {advice}.")
    return inspect_log.TOOL if _INSPECT.match(head) else None


def _first_line(stream: pa.NativeFile, most: int) -> bytes:
    """Read blocks up to the end of the first line that is not blank; what is asked for at once is reserved, there or not."""
    blocks: list[bytes] = []
    begun, size = False, 0
    while size < most and (block := stream.read(_HEAD << 4)):
        blocks.append(block)
        if b"\n" in (block if begun else block.lstrip()):
            break
        begun, size = begun or bool(block.strip()), size + len(block)
    return b"".join(blocks)


def _kind_of_lines(path: Path, head: bytes) -> str | None:
    """Return the tool whose fields the first line has."""
    if b"\n" not in head.lstrip():
        with open_bytes(path) as stream:
            head = _first_line(stream, most_bytes())
    line = head.lstrip().partition(b"\n")[0]
    check_depth(line, path.name)
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    keys = set(record) if isinstance(record, dict) else set()
    return next((name for name, tool in _OF_LINES.items() if keys >= tool.FIELDS), None)
