"""The words of audit.yaml that every later stage uses: what is predicted, and what a model reads."""

from __future__ import annotations

from typing import Literal

Task = Literal["binary", "multiclass", "multilabel", "regression"]
Modality = Literal["text", "image", "audio", "tabular"]
