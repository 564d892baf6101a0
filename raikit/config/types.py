"""Words of audit.yaml that every later stage uses: the tasks, the modalities, and how to raise an error at a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from raikit.errors import RaikitError

Task = Literal["binary", "multiclass", "multilabel", "regression"]
Modality = Literal["text", "image", "audio", "tabular"]

# A key of audit.yaml as the path that leads to it: ("data", "sensitive", 0).
Key = tuple[str | int, ...]
# error(key, problem) returns the exception to raise; it names the file and the line of the key.
Error = Callable[[Key, str], RaikitError]
