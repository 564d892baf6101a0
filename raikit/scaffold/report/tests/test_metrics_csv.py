"""The format, written from a small record."""

import csv

import pytest
import raikit
from raikit.testing import check_conformance

import raikit_plugin_name
from raikit_plugin_name import write

RATE = raikit.Metric(
    "rate",
    0.4,
    low=0.3,
    high=0.5,
    n=96,
    method="Clopper-Pearson",
    id="mine.rate[sex=F, or not]",
)
UNDEFINED = raikit.Metric.undefined("gap", "=1+1", id="mine.gap")


@pytest.fixture
def record():
    check = raikit.CheckRecord(
        name="mine.check",
        pillar="mine",
        plugin="raikit-mine",
        status="ok",
        metrics=[RATE, UNDEFINED],
    )
    gate = {"verdict": "pass"}
    return raikit.Record(name="example", verdict="pass", gate=gate, checks=[check])


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_plugin_keeps_the_contract():
    check_conformance(raikit_plugin_name)


def test_every_metric_is_a_row(record, tmp_path):
    [path] = write(record, tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    rate, gap = read(path)
    assert rate["metric"] == "mine.rate[sex=F, or not]"
    assert (float(rate["value"]), float(rate["low"]), int(rate["n"])) == (0.4, 0.3, 96)
    assert (gap["metric"], gap["value"]) == ("mine.gap", "")


def test_no_text_is_a_formula(record, tmp_path):
    [path] = write(record, tmp_path)
    assert read(path)[1]["reason"] == "'=1+1"
