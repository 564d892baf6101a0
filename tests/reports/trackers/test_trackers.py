"""Each tracker is the real library, which writes to a local folder; what it wrote is read with that library again."""

from __future__ import annotations

import json
import os
import struct
import sys

import pytest
from report_record import make_record

from raikit import Metric, RunError
from raikit.config.trackers import TrackersConfig
from raikit_reports import trackers
from raikit_reports.trackers import content


@pytest.fixture
def audited(tmp_path):
    """A record whose configuration names a tracker, and the folder of its run."""

    def make(**settings):
        record = make_record()
        record.checks = [check for check in record.checks if check.status == "ok" and "\\ud800" not in repr(check)]
        config = TrackersConfig.model_validate(settings).model_dump()
        record.provenance.config = json.dumps({"trackers": config})
        record.provenance.config_path = str(tmp_path / "audit.yaml")
        record.provenance.run_id = "run-1"
        record.model["history"] = {"epochs": [{"epoch": 1, "train_loss": 0.7}, {"epoch": 2, "train_loss": 0.5}], "kept": 2}
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)
        (run / "report.html").write_text("<p>report</p>")
        return record, run

    return make


def expected(record):
    return content.numbers(record, groups=False)


def test_without_a_tracker_nothing_is_imported_or_written(audited, tmp_path):
    record, run = audited()
    trackers.log(record, run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_mlflow_has_parameters_metrics_curves_figures_and_the_report(audited, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    record, run = audited(mlflow={"uri": "tracking.db", "experiment": "audits"})
    trackers.log(record, run)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'tracking.db'}")
    (entry,) = client.search_runs([client.get_experiment_by_name("audits").experiment_id])
    assert entry.info.status == "FINISHED" and entry.data.params["verdict"] == record.verdict
    assert {name: value for name, value in entry.data.metrics.items() if not name.startswith("training/")} == expected(record)
    assert [point.value for point in client.get_metric_history(entry.info.run_id, "training/train_loss")] == [0.7, 0.5]
    assert "report.html" in [file.path for file in client.list_artifacts(entry.info.run_id)]


def test_tensorboard_has_scalars_and_images(audited, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    record, run = audited(tensorboard={"folder": "events"})
    trackers.log(record, run)
    events = EventAccumulator(str(tmp_path / "events" / "run-1"), size_guidance={"scalars": 0}).Reload()
    logged = {name: events.Scalars(name)[-1].value for name in events.Tags()["scalars"]}
    assert logged.keys() - {"training/train_loss"} == expected(record).keys()
    assert logged == pytest.approx({**expected(record), "training/train_loss": 0.5}, rel=1e-6)
    assert set(events.Tags()["images"]) == {name for name, _, _ in content.images(record)}


def logged_records(data: bytes):
    """Yield the records of a file of W&B: a header of 7 bytes, then the log format of LevelDB in blocks of 32 KiB."""
    assert data.startswith(b":W&B")
    at, parts = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # too little room for a header: padding
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield parts
            parts = b""


def test_wandb_writes_an_offline_run_in_its_own_format(audited, tmp_path):
    wandb = pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record as Written
    record, run = audited(wandb={"project": "audits"})
    trackers.log(record, run)
    wandb.teardown()  # its process writes the file; this waits for it, as the end of raikit does
    (place,) = (tmp_path / "wandb-runs").glob("**/*.wandb")
    summary = {}
    for data in logged_records(place.read_bytes()):
        written = Written()
        written.ParseFromString(data)
        summary |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in written.summary.update}
    assert expected(record).items() <= summary.items()


def test_names_are_those_that_mlflow_takes():
    metric = Metric.exact("f1_difference", 0.1, over=["sex", "age"], group={"sex": "F ü|", "age": None}, args={"class": 1})
    name = content.name_of(metric.model_copy(update={"id": metric.address("fairness")}))
    assert name.startswith("fairness.f1_difference/class:1/sex:F") and "|" not in name


def test_a_tracker_that_is_not_installed_is_one_sentence(audited, monkeypatch):
    record, run = audited(mlflow={})
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.delitem(sys.modules, "raikit_reports.trackers.mlflow", raising=False)
    with pytest.raises(RunError, match=r"trackers.mlflow needs a package that is not installed: pip install mlflow-skinny"):
        trackers.log(record, run)


def test_a_figure_that_ends_its_renderer_is_left_out_and_the_others_are_drawn(audited):
    record, _ = audited()
    (check, name), *others = [name.rsplit("/", 1) for name, _, _ in content.images(record)]
    figure = next(figure for one in record.checks if one.name == check for figure in one.figures if figure.id == name)
    figure.spec = {"data": {"values": [{"a": 1}]}, "mark": "bar", "width": 10**9, "height": 10**9, "encoding": {"x": {"field": "a"}}}
    assert [name.rsplit("/", 1) for name, _, _ in content.images(record)] == others


@pytest.mark.parametrize("put", ["a link", "a link to a pipe", "a pipe", "a folder"])
def test_trackers_take_plain_files_of_the_run_only(tmp_path, put):
    secret, path = tmp_path / "secret", tmp_path / "run" / "audit.json"
    path.parent.mkdir()
    (path.parent / "report.md").write_text("a report")
    if put == "a folder":
        path.mkdir()
    elif "pipe" in put:
        os.mkfifo(secret if "link" in put else path)
    else:
        secret.write_text("secret")
    if "link" in put:
        path.symlink_to(secret)
    assert content.files(path.parent) == [path.parent / "report.md"]
