"""What a command reads is refused if it changes meanwhile, whoever changes it."""

import os

import pytest

from raikit.audit.inputs import WatchedInputs, inputs_of
from raikit.config.schema import AuditConfig
from raikit.errors import TamperedRunError


@pytest.fixture
def place(tmp_path):
    (tmp_path / "set" / "out").mkdir(parents=True)
    (tmp_path / "set" / "a.csv").write_text("y\n1\n")
    (tmp_path / "elsewhere.csv").write_text("y\n1\n")
    (tmp_path / "set" / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    return tmp_path


def replace(path):
    path.with_suffix(".new").write_text("y\n0\n")
    times = path.stat()
    os.utime(path.with_suffix(".new"), ns=(times.st_atime_ns, times.st_mtime_ns))
    path.with_suffix(".new").rename(path)


CHANGES = {
    "a file is written with another size": lambda place: (place / "set" / "a.csv").write_text("y\n10\n"),
    "a file is replaced by one of its size and times": lambda place: replace(place / "set" / "a.csv"),
    "a file is removed": lambda place: (place / "set" / "a.csv").unlink(),
    "a file is added": lambda place: (place / "set" / "b.csv").write_text("y\n1\n"),
    "what a link leads to is changed": lambda place: (place / "elsewhere.csv").write_text("y\n0\n"),
    "a link leads elsewhere": lambda place: ((place / "set" / "link.csv").unlink(), (place / "set" / "link.csv").symlink_to("a.csv")),
    "what was not there appears": lambda place: (place / "later.json").write_text("{}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_refused_where(change, place):
    watched = WatchedInputs([place / "set", place / "later.json"], apart=place / "set" / "out")
    watched.refuse_changes()
    CHANGES[change](place)
    with pytest.raises(TamperedRunError, match="was changed by another process while raikit read it"):
        watched.refuse_changes()


def test_what_the_command_writes_itself_and_hidden_files_are_no_change(place):
    watched = WatchedInputs([place / "set", place / "no\x00name", place / "\udcff"], apart=place / "set" / "out")
    (place / "set" / "out" / "audit.json").write_text("{}")
    (place / "set" / ".cache").write_text("x")
    (place / "set" / "salt").write_text("x")
    watched.refuse_changes()


@pytest.mark.parametrize(
    "model",
    [{"load": {"kind": "huggingface", "path": "m", "base": "b"}},
     {"load": {"kind": "fusion", "path": "m", "encoders": {"note": "b"}}},
     {"load": {"kind": "torch", "path": "m", "weights": "b"}},
     {"train": {"kind": "fusion", "encoders": {"note": {"path": "b"}, "photo": {"path": "m"}}}},
     {"train": {"kind": "huggingface", "base": "b"}}],
)  # fmt: skip
def test_every_folder_of_a_model_is_watched(tmp_path, model):
    settings = AuditConfig.model_validate({"name": "a", "data": {"path": "t.csv", "target": "y"}, "model": model})
    watched = set(inputs_of(settings, tmp_path, None))
    assert watched >= {tmp_path / "t.csv", tmp_path / "b"} | ({tmp_path / "m"} if "'m'" in str(model) else set())
