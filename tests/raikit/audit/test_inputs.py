"""What a command reads is refused if it changes meanwhile, whoever changes it."""

import os

import pytest

from raikit.audit.inputs import WatchedInputs, code_of, inputs_of
from raikit.config.schema import AuditConfig
from raikit.errors import TamperedRunError
from raikit.process.beginning import beginning


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
    "a file of another kind is added that a model or a table is read from": lambda place: (place / "set" / "b.SafeTensors").write_text("x"),
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


def settings_with(load, local=()):
    return AuditConfig.model_validate({"name": "a", "data": {"path": "t.csv", "target": "y"}, "model": {"load": load}, "plugins": {"local": list(local)}})


def test_code_is_watched_where_it_is_imported_from(tmp_path):
    def folders(load, *local):
        return [path.relative_to(tmp_path).as_posix() for path in code_of(settings_with(load, local), tmp_path)]

    assert folders({"kind": "predictions", "score": "p"}) == folders({"kind": "fusion", "path": "m"}) == []
    assert folders({"kind": "torch", "path": "a.b.net:build"}) == [".", "a", "a/b"]
    assert folders({"kind": "of-a-plugin"}) == ["."]
    assert folders({"kind": "predictions", "score": "p"}, "checks/own.py") == ["checks"]


MODULES = {
    "a module is written to": lambda place: (place / "net.py").write_text("y = 1"),
    "a module of a package is written to": lambda place: (place / "layers" / "own.py").write_text("y = 1"),
    "a module is added": lambda place: (place / "json.py").write_text(""),
    "a package is added": lambda place: ((place / "numpy").mkdir(), (place / "numpy" / "__init__.py").write_text("")),
    "a module is removed": lambda place: (place / "net.py").unlink(),
}


@pytest.mark.parametrize("change", MODULES)
def test_a_change_of_code_is_refused_where(change, tmp_path):
    (tmp_path / "layers").mkdir()
    for file in ("net.py", "layers/own.py"):
        (tmp_path / file).write_text("x = 1")
    (tmp_path / "layers" / "round").symlink_to(tmp_path)
    watched = WatchedInputs([], code=[tmp_path])
    (tmp_path / "people.csv").write_text("a")
    (tmp_path / "run-2").mkdir()
    (tmp_path / "run-2" / "a.py").write_text("no module of a name that can be imported")
    watched.refuse_changes()
    MODULES[change](tmp_path)
    with pytest.raises(TamperedRunError, match="was changed by another process"):
        watched.refuse_changes()


def test_a_picture_may_not_have_changed_since_the_command_began(tmp_path):
    for name in ("old.png", "new.png"):
        (tmp_path / name).write_bytes(b"x")
    with beginning():
        watched = WatchedInputs([])
        watched.add([tmp_path / "old.png", tmp_path / "not there.png"])
        times = (tmp_path / "new.png").stat()
        (tmp_path / "new.png").write_bytes(b"y")
        os.utime(tmp_path / "new.png", ns=(times.st_atime_ns, times.st_mtime_ns))
        with pytest.raises(TamperedRunError, match="new.png was changed"):
            watched.add([tmp_path / "new.png"])
        watched.add([tmp_path / "new.png"], are_copies=True)
        watched.refuse_changes()
        (tmp_path / "old.png").write_bytes(b"z")
        with pytest.raises(TamperedRunError, match="old.png was changed"):
            watched.refuse_changes()
