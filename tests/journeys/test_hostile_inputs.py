"""Plugins that change what an audit reads, or what it has not finished writing: none changes the number of another."""

from __future__ import annotations

import os
import sys

import numpy as np
import pandas as pd
import pytest
from journey import numbers, record
from PIL import Image

from raikit.run import manifest

RULE = {"rules": [{"metric": "performance.accuracy", "min": 0.9}]}
COLUMNS = {"facts": {"modality": "tabular", "columns": ["yhat", "truth"]}}
CHECK = """
import raikit


class Evil(raikit.Check):
    "Does something else."
    name = "evil.one"
    pillar = "evil"
    produces = ["evil.one"]

    def run(self, ctx):
        return raikit.CheckResult(metrics=[raikit.Metric.exact("one", 1)])
"""
# A model whose accuracy is .855 by the one column, and 1 by the other.
MODEL = """
import numpy


class Estimator:
    classes_ = numpy.array([0, 1])

    def predict(self, table):
        return table["yhat"].to_numpy()

    def predict_proba(self, table):
        decided = self.predict(table)
        return numpy.stack([1 - decided, decided], axis=1)


def build():
    return Estimator()
"""
BRIGHT = """
import torch


class Bright(torch.nn.Module):
    def forward(self, photo):
        light = photo.mean((1, 2, 3)) - 0.5
        return torch.stack([-20 * light, 20 * light], 1)


def build():
    return Bright()
"""


@pytest.fixture
def audit(raikit, audit_yaml, tmp_path):
    """Audit a model with a local file of checks that runs `evil` when it is loaded."""
    y = np.arange(400) % 2
    decisions = pd.DataFrame({"case": range(400), "sex": np.where(np.arange(400) % 3, "F", "M"), "y": y, "yhat": y, "truth": y})
    decisions.loc[::7, "yhat"] = 1 - decisions.loc[::7, "y"]

    def audit(evil, model=MODEL, table=decisions, inputs=COLUMNS, kind="sklearn"):
        config = audit_yaml(table, checks=None, data={"sensitive": ["sex"], "inputs": inputs}, gate=RULE, formats=["json"],
                            model={"load": {"kind": kind, "path": "net:build"}})  # fmt: skip
        (tmp_path / "net.py").write_text(model)
        (tmp_path / "checks.py").write_text(evil.replace("HERE", repr(str(tmp_path))) + CHECK)
        return raikit("audit", config, "--out", "run", "--set", "plugins.local=[checks.py]", "--select", "performance.classification",
                      PYTHONPATH=os.pathsep.join(sys.path))  # fmt: skip

    return audit


def refused(ran, name):
    return ran.code == 3 and f"{name} was changed by another process while raikit read it" in ran.printed


NETWORK = "import pathlib\nplace = pathlib.Path(HERE, 'net.py')\nsource = place.read_text().replace('yhat', 'truth')\n"
BYTECODE = NETWORK + """
from importlib import _bootstrap_external as machinery
before = place.stat()
code = machinery._code_to_timestamp_pyc(compile(source, str(place), "exec"), int(before.st_mtime), before.st_size)
cached = pathlib.Path(machinery.cache_from_source(str(place)))
cached.parent.mkdir(exist_ok=True)
cached.write_bytes(code)
"""


def test_a_plugin_that_writes_over_the_code_of_a_model(audit):
    assert refused(audit(NETWORK + "place.write_text(source)"), "net.py")


def test_a_plugin_that_puts_a_module_beside_the_model(audit):
    assert refused(audit("import pathlib\npathlib.Path(HERE, 'colorsys.py').write_text('')"), "colorsys.py")


def test_bytecode_that_a_plugin_has_forged_is_not_read(audit, tmp_path):
    assert audit(BYTECODE).code == 1
    assert numbers(tmp_path / "run")["performance.accuracy"]["value"] == pytest.approx(0.855)


def test_a_plugin_that_writes_over_pictures(audit, tmp_path):
    y = np.arange(60) % 2
    (tmp_path / "p").mkdir()
    for row, label in enumerate(y):
        Image.new("L", (8, 8), 255 * int(label if row % 5 else 1 - label)).save(tmp_path / "p" / f"{row}.png")
    table = pd.DataFrame({"case": range(60), "sex": ["F", "M", "F"] * 20, "y": y, "photo": [f"p/{row}.png" for row in range(60)]})
    evil = "from PIL import Image\nfor row in range(60):\n    Image.new('L', (8, 8), 255 * (row % 2)).save(HERE + f'/p/{row}.png')\n"
    assert refused(audit(evil, BRIGHT, table, {"photo": {"modality": "image"}}, "torch"), ".png")


# Threads that put scores into the folder in which an interrupted scoring would have left them, again and again.
PLANTS = """
import os, pathlib, threading
import numpy, pandas


def plant(run, place):
    from raikit.models.score_files import write_score_file

    table = pandas.read_csv(run.parent / "people.csv")
    truth = table["y"].to_numpy(float)
    write_score_file(run.parent / "good.arrow", table["case"].tolist(), numpy.stack([1 - truth, truth], axis=1))
    content = (run.parent / "good.arrow").read_bytes()
    while not (run / "predictions.parquet").exists():
        try:
            if place.parent.is_dir():
                place.mkdir(exist_ok=True)
                (place / ".x").write_bytes(content)
                os.replace(place / ".x", place / "part-000000.arrow")
        except OSError:
            pass


run = pathlib.Path(HERE, "run")
for _ in range(2):
    threading.Thread(target=plant, args=(run, run / ".work" / "scores"), daemon=True).start()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the threads of a plugin go on")
def test_scores_that_a_thread_of_a_plugin_plants_are_not_taken_for_those_of_the_model(audit, tmp_path):
    assert audit(PLANTS).code == 1
    assert record(tmp_path / "run")["verdict"] == "fail" and manifest.verify(tmp_path / "run") == []
    assert numbers(tmp_path / "run")["performance.accuracy"]["value"] == pytest.approx(0.855)


def test_names_that_are_no_utf_8_or_no_folder_end_in_a_sentence(raikit, audit_yaml, tmp_path):
    config = audit_yaml(checks=None)
    select = ("--select", "performance.classification")
    assert "is no UTF-8" in raikit("audit", config, "--out", "run\udcff", *select, code=2).printed
    odd = config.rename(tmp_path / "audit\udcff.yaml")
    raikit("audit", odd, "--out", "run", *select, code=0)
    assert record(tmp_path / "run")["provenance"]["config_path"] == "audit?.yaml"
    (tmp_path / "file").write_text("x")
    ran = raikit("compare", "run", "run", "--out", "file", code=2)
    assert "file cannot be made a folder: File exists" in ran.printed
