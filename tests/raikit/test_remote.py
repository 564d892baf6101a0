"""Tables and baselines on other filesystems are read as those that are here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile

import fsspec
import numpy as np
import pandas as pd
import pytest
import yaml

import raikit
from raikit.audit.conductor import audit
from raikit.audit.plan import Request
from raikit.cli import main
from raikit.console import Console
from raikit.errors import DataError
from raikit.remote import fetch, is_remote, local_copy, name_of, public_address
from raikit.scaffold.config import write_config
from raikit_fairness import assess

SECRET = "wJalrXUtnFEMI"


@pytest.fixture
def people(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    frame = pd.DataFrame({"sex": rng.choice(["F", "M"], 300), "y": y, "yhat": np.where(rng.random(300) < 0.8, y, 1 - y)})
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


@pytest.fixture
def addresses(people):
    """The same table on three filesystems."""
    memory = fsspec.filesystem("memory")
    memory.pipe("/cases/people.csv", people.read_bytes())
    with zipfile.ZipFile(people.parent / "archive.zip", "w") as archive:
        archive.write(people, "parts/people.csv")
    yield {
        "memory": "memory://cases/people.csv", "zip": "zip://parts/people.csv::archive.zip", "file": f"file://{people}",
    }  # fmt: skip
    memory.rm("/cases", recursive=True)


def configure(folder, path):
    settings = {
        "name": "people", "data": {"path": path, "target": "y", "sensitive": ["sex"]},
        "model": {"load": {"kind": "predictions", "prediction": "yhat"}}, "checks": {"performance.classification": {}},
        "gate": {"regressions": [{"metric": "performance.accuracy", "margin": 0.05}]},
    }  # fmt: skip
    (folder / "audit.yaml").write_text(yaml.safe_dump(settings))
    return folder / "audit.yaml"


def run(config, out, **more):
    return audit(Request(config, out=out, formats=["json"], **{"no_baseline": "baseline" not in more, **more}), Console(quiet=True))


@pytest.mark.parametrize("kind", ["memory", "zip", "file"])
def test_an_audit_reads_another_filesystem(people, addresses, tmp_path, kind):
    here = run(configure(tmp_path, "people.csv"), tmp_path / "here").record
    there = run(configure(tmp_path, addresses[kind]), tmp_path / "there").record
    assert there.data.source == addresses[kind]
    assert there.data.fingerprint == here.data.fingerprint
    numbers = [[(str(metric.id), metric.value, metric.low) for _, metric in record.metrics()] for record in (here, there)]
    assert numbers[0] == numbers[1]
    # The zip lies beside audit.yaml, wherever the command runs.
    assert there.data.splits == {"test": 300}


def test_assess_and_init_read_another_filesystem(people, addresses, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = {"sensitive_features": ["sex"], "target": "y", "prediction": "yhat"}
    expected = assess(people, **named).by_group
    for address in addresses.values():
        pd.testing.assert_frame_equal(assess(address, **named).by_group, expected)
    write_config(addresses["memory"], tmp_path / "new.yaml", "y")
    assert yaml.safe_load((tmp_path / "new.yaml").read_text())["data"]["path"] == addresses["memory"]


def test_a_folder_is_copied_with_all_its_parts(people, addresses):
    memory = fsspec.filesystem("memory")
    frame = pd.read_csv(people)
    for number in range(2):
        memory.pipe(f"/cases/table/year={number}/part.csv", frame.to_csv(index=False).encode())
    groups = assess("memory://cases/table", sensitive_features=["year"], target="y", prediction="yhat").by_group
    assert set(groups["group"]) == {"0", "1"}


def test_a_baseline_is_read_from_another_filesystem(people, addresses, tmp_path, capsys):
    config = configure(tmp_path, "people.csv")
    run(config, tmp_path / "first")
    assert main(["baseline", "save", str(tmp_path / "first"), str(tmp_path / "baseline.json"), "--suppress", "2"]) == 0
    fsspec.filesystem("memory").pipe("/cases/baseline.json", (tmp_path / "baseline.json").read_bytes())
    outcome = run(config, tmp_path / "second", baseline=fetch("memory://cases/baseline.json"))
    assert outcome.record.gate.exit_code == 0
    assert main(["gate", str(tmp_path / "second"), "--baseline", "memory://cases/baseline.json"]) == outcome.exit_code
    capsys.readouterr()
    assert main(["gate", str(tmp_path / "second"), "--baseline", "memory://cases/none.json"]) == 2
    assert "there is no file or folder memory://cases/none.json." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (f"https://me:{SECRET}@host/people.csv?sig={SECRET}#x", "https://host/people.csv?..."),
        (f"zip://people.csv::ftp://me:{SECRET}@host/a.zip", "zip://people.csv::ftp://host/a.zip"),
        ("abfs://container@account.dfs.core.windows.net/people.csv", "abfs://container@account.dfs.core.windows.net/people.csv"),
        (f"s3://{SECRET}@bucket/people.csv", "s3://bucket/people.csv"),
        ("people.csv", "people.csv"),
    ],
)
def test_credentials_are_left_out_of_an_address(address, public):
    assert public_address(address) == public
    assert name_of(address) == "people.csv"


def test_credentials_are_in_no_message_and_no_record(people, addresses, tmp_path, monkeypatch):
    address = f"memory://me:{SECRET}@cases/people.csv?sig={SECRET}"
    with pytest.raises(raikit.ConfigError, match=r"audit\.yaml, line 4: data\.path: there is no file or folder memory://cases") as raised:
        run(configure(tmp_path, address), tmp_path / "none")
    assert SECRET not in str(raised.value)
    monkeypatch.setattr("raikit.data.roles.fetch", lambda path, folder: people)
    outcome = run(configure(tmp_path, address), tmp_path / "run")
    assert outcome.record.data.source == "memory://cases/people.csv?..."
    files = [path for path in outcome.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path.name for path in files if SECRET.encode() in path.read_bytes()]


def test_what_a_library_raises_is_one_sentence_without_credentials(monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError(f"403 for https://me:{SECRET}@host")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.info", fail)
    with pytest.raises(raikit.DataError, match=r"memory://host/x\.csv cannot be read \(RuntimeError\); check") as raised:
        fetch(f"memory://me:{SECRET}@host/x.csv")
    assert SECRET not in str(raised.value)


def test_missing_packages_and_filesystems_are_named(monkeypatch):
    with pytest.raises(raikit.DataError, match=r"fsspec knows no filesystem 'memry'\. Did you mean 'memory'\?"):
        fetch("memry://x.csv")
    for package in ("gcsfs",):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(raikit.DataError, match=r"gs://bucket/x\.csv cannot be read yet: .*gcsfs"):
        fetch("gs://bucket/x.csv")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(raikit.DataError, match=r"s3://bucket/x\.csv is on another filesystem; install fsspec to read it\."):
        fetch("s3://bucket/x.csv")


def test_copies_are_removed(addresses):
    with local_copy(addresses["memory"]) as path:
        assert path.name == "people.csv"
        assert path.is_file()
    assert not path.exists()


def test_only_a_scheme_makes_a_path_remote(tmp_path):
    assert not any(map(is_remote, ["a.csv", "C:\\a.csv", "C:/a.csv", "/a:b/c.csv", tmp_path, None]))
    assert json.dumps(public_address("a/b?c.csv")) == '"a/b?c.csv"'


def test_the_command_line_leaves_no_copy_behind(people, addresses, tmp_path):
    config, there = configure(tmp_path, addresses["zip"]), tmp_path / "temporary"
    there.mkdir()
    command = [sys.executable, "-m", "raikit", "audit", str(config), "--out", "run", "--no-baseline"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(there)})
    assert done.returncode == 0, done.stderr
    assert not [path for path in there.iterdir() if path.name.startswith("raikit-")]


def test_an_archive_writes_nothing_outside_its_copy(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("d/cases.csv", "y\n1\n")
        archive.writestr("d/../../../evil.csv", "y\n1\n")
    monkeypatch.setattr("raikit.remote._copies", lambda: str(tmp_path / "x" / "y"))
    (tmp_path / "x" / "y").mkdir(parents=True)
    for path in ("zip://d::a.zip", "zip://..::a.zip"):
        with pytest.raises(DataError):
            fetch(path, tmp_path)
    assert not list(tmp_path.rglob("evil.csv"))


@pytest.mark.parametrize("address", ["file://{}/pipe.csv", "local://{}/pipe.csv", "simplecache::file://{}/pipe.csv", "zip://a.csv::{}/pipe.csv",
                                     "zip://a.csv::file://{}/pipe.csv", "tar://a.csv::pipe.csv", "file:///dev/zero"])  # fmt: skip
def test_a_pipe_or_a_device_is_refused_at_any_address(tmp_path, address):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="only regular files are read"):
        fetch(address.format(tmp_path), tmp_path)


def test_a_folder_with_a_link_out_of_it_is_not_copied(tmp_path):
    (tmp_path / "outside.csv").write_text("x\n1\n")
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "a.csv").symlink_to("../outside.csv")
    with pytest.raises(DataError, match="cases holds a link that leads out of it"):
        fetch(f"file://{tmp_path}/cases")


@pytest.mark.parametrize("address", ["reference://a.csv::refs.json", "reference://::refs.json", "simplecache::reference://a.csv::refs.json"])
def test_a_file_that_leads_to_other_files_is_not_read(tmp_path, address):
    (tmp_path / "outside.csv").write_text("x\n1\n")
    (tmp_path / "refs.json").write_text(json.dumps({"a.csv": [f"file://{tmp_path}/outside.csv"]}))
    with pytest.raises(DataError, match="files that name places of other files"):
        fetch(address, tmp_path)
