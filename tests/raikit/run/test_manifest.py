import os

import pytest

from raikit.errors import RunError, TamperedRunError
from raikit.files import sha256
from raikit.run import manifest


@pytest.fixture
def run(tmp_path):
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "audit.json").write_text("{}")
    (tmp_path / "artifacts" / "a.bin").write_bytes(b"\x00\x01")
    manifest.write(tmp_path, {"seed": 1}, exclude=tmp_path / ".work")
    return tmp_path


def test_an_untouched_run_verifies(run):
    assert manifest.verify(run) == []


@pytest.mark.parametrize("name", ["audit.json", "artifacts/a.bin", "manifest.json"])
def test_one_changed_byte_anywhere_shows(run, name):
    path = run / name
    for position in range(len(path.read_bytes())):
        original = path.read_bytes()
        path.write_bytes(original[:position] + bytes([original[position] ^ 1]) + original[position + 1 :])
        try:
            assert manifest.verify(run), f"byte {position} of {name} was changed and nobody saw it"
        except RunError:
            assert name == "manifest.json"
        path.write_bytes(original)


def test_white_space_added_to_the_manifest_shows(run):
    path = run / "manifest.json"
    path.write_bytes(path.read_bytes() + b"\n")
    assert manifest.verify(run) == ["manifest.json was changed"]


def test_a_missing_and_an_added_file_show(run):
    (run / "audit.json").unlink()
    (run / ".hidden").write_text("x")
    (run / "link").symlink_to(run / "manifest.json")
    assert manifest.verify(run) == ["audit.json is missing", ".hidden was added", "link was added"]


def test_a_file_that_became_a_link_shows_even_to_the_same_bytes(run, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "audit.json"
    (run / "audit.json").rename(elsewhere)
    (run / "audit.json").symlink_to(elsewhere)
    assert manifest.verify(run) == ["audit.json was changed into a link"]


def test_an_empty_folder_shows_and_none_is_sealed_in(run):
    (run / "artifacts" / "more").mkdir()
    assert manifest.verify(run) == ["the empty folder artifacts/more was added"]
    (run / "artifacts" / "more" / "still").mkdir()
    manifest.write(run, {}, exclude=run / ".work")
    assert manifest.verify(run) == []
    assert not (run / "artifacts" / "more").exists()


def test_updating_one_file_does_not_launder_another(run):
    (run / "audit.json").write_text("{ }")
    (run / "report.html").write_text("new")
    manifest.update(run, [run / "report.html"])
    assert manifest.verify(run) == ["audit.json was changed"]


def test_what_is_no_run_is_said_so(tmp_path):
    with pytest.raises(RunError, match="not a finished run"):
        manifest.verify(tmp_path)


@pytest.mark.parametrize("put", [os.mkfifo, lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink("/", path)])
def test_what_is_no_regular_file_is_neither_hashed_nor_sealed(run, put):
    put(run / "odd")
    with pytest.raises(TamperedRunError, match="odd is a link, a pipe or a device"):
        manifest.write(run, {}, exclude=run / ".work")
    (run / "odd").unlink()
    (run / "audit.json").unlink()
    put(run / "audit.json")
    assert "audit.json was changed into" in manifest.verify(run)[0]


def test_a_file_that_changes_after_it_was_written_and_before_the_seal_does_not_get_into_the_manifest(run):
    path = run / "audit.json"
    before = sha256(path)
    path.write_text("forged")
    manifest.write(run, {}, exclude=run / ".work", known={path: before})
    assert manifest.verify(run) == ["audit.json was changed"]
