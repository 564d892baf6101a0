"""Columns of the pillar's tables."""

from __future__ import annotations

from collections.abc import Sequence

import raikit

ColumnSpec = tuple[str, str, str]  # name, title, format


def table_columns(specs: Sequence[ColumnSpec]) -> list[raikit.Column]:
    """Return the columns of a table."""
    return [raikit.Column.model_validate({"name": name, "title": title, "format": form}) for name, title, form in specs]
