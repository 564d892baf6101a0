"""Regular expressions in a saved tokenizer: a program of its author's, which may take days for a page of text.

The library behind transformers matches them in Rust, where nothing interrupts it. A model whose expressions are not known to be
quick is opened in a process of its own, which is ended after its time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raikit.errors import ModelError
from raikit.models.folder import read_json_mapping

_FILE, _STEPS = "tokenizer.json", ("normalizer", "pre_tokenizer", "decoder", "post_processor")
_REPEATS = re.compile(r"[*+({]|\\[gk]")  # without these an expression reads a few characters at each place
_KNOWN = frozenset({  # of GPT-2, Llama 3 and Qwen 2
    r"\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
})  # fmt: skip


def may_be_slow(folder: Path) -> bool:
    """Return whether a tokenizer in a folder, or in one of its folders, has expressions that are not known to be quick."""
    files = [folder / _FILE, *folder.glob(f"*/{_FILE}")] if folder.is_dir() else []
    return any(map(_has_unknown_pattern, files))


def _has_unknown_pattern(file: Path) -> bool:
    """Return whether a file has such an expression; False for one that loading will refuse, or that is not there."""
    if not file.is_file() or file.is_symlink():
        return False
    try:
        content = read_json_mapping(file)
    except ModelError:
        return False
    patterns = _patterns({key: content.get(key) for key in _STEPS})
    return any(_REPEATS.search(pattern) and pattern not in _KNOWN for pattern in patterns)


def _patterns(content: Any) -> Iterator[str]:
    """Yield the texts that stand under ``Regex``, at any depth."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(pattern := value.get("Regex"), str):
                yield pattern
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
