"""Files are written whole or not at all."""

from __future__ import annotations

import pytest

from raikit import files
from raikit.errors import RunError


def test_half_a_file_is_never_left(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(RunError, match="disk"):
        files.write_text(tmp_path / "a", "text")
    assert list(tmp_path.iterdir()) == []
