"""Files are written whole or not at all."""

from __future__ import annotations

import os

import pytest

from raikit import files
from raikit.errors import RunError


def test_half_a_file_is_never_left(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(RunError, match="disk"):
        files.write_text(tmp_path / "a", "text")
    assert list(tmp_path.iterdir()) == []


def test_a_link_under_the_temporary_name_leads_nowhere(tmp_path):
    """A run, a clone or a folder that somebody else has made may hold one."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".a.partial").symlink_to(tmp_path / "precious")
    files.write_text(tmp_path / "a", "text")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "a").read_text() == "text" and not (tmp_path / "a").is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_under_the_temporary_name_does_not_hold_the_writer(tmp_path):
    os.mkfifo(tmp_path / ".a.partial")
    files.write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"


def test_a_folder_under_the_temporary_name_is_one_sentence(tmp_path):
    (tmp_path / ".a.partial").mkdir()
    with pytest.raises(RunError, match="cannot write"):
        files.write_text(tmp_path / "a", "text")
