"""What a model's process hands back is validated as if nothing had been validated there."""

import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from raikit.errors import ModelError
from raikit.files import sha256
from raikit.models.remote import HandedScores, ModelFacts, TrialCost, read_scores

DATA = SimpleNamespace(task="binary", classes=[0, 1], roles=pd.DataFrame({"id": ["a", "b", "c"]}))
IDS, GOOD = ["a", "b", "c"], {"score.0": [0.5, 0.2, 1.0], "score.1": [0.5, 0.8, 0.0]}


def handed(path, **columns):
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return HandedScores(sha256=sha256(path))


def test_scores_of_all_cases_are_read(tmp_path):
    ids, scores = read_scores(tmp_path / "s", handed(tmp_path / "s", id=IDS, **GOOD), DATA)
    assert ids == IDS
    np.testing.assert_array_equal(scores, np.column_stack(list(GOOD.values())))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"id": ["a", "b"], "score.0": [0.5, 0.2], "score.1": [0.5, 0.8]}, "scores of 2 of 3 cases; none may be left out"),
        ({"id": ["a", "b", "x"], **GOOD}, "cases that the data do not have"),
        ({"id": ["a", "b", "b"], **GOOD}, "twice of one case"),
        ({"id": [["a"], ["b"], ["c"]], **GOOD}, "cannot be read"),
        ({"id": pa.nulls(3), **GOOD}, "twice of one case"),
        ({"id": IDS}, "cannot be read"),
        ({"id": IDS, "score.0": [1.0, 1.0, 1.0]}, "expected"),
        ({"id": IDS, **{f"score.{number}": [0.0] * 3 for number in range(50)}}, "expected"),
        ({"id": IDS, "score.0": ["x"] * 3, "score.1": ["1"] * 3}, "could not convert"),
        ({"id": IDS, "score.0": [[1.0]] * 3, "score.1": [[0.0]] * 3}, "cannot be read"),
        ({"id": IDS, "score.0": [float("nan")] * 3, "score.1": [1.0] * 3}, "NaN or infinite"),
        ({"id": IDS, "score.0": [9.0] * 3, "score.1": [-8.0] * 3}, "probabilities"),
    ],
)
def test_scores_of_other_cases_or_that_are_none_are_refused(tmp_path, columns, says):
    with pytest.raises(ModelError, match=says):
        read_scores(tmp_path / "s", handed(tmp_path / "s", **columns), DATA)


@pytest.mark.parametrize(
    "put",
    [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path), lambda path: None,
     lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 1 << 40), lambda path: path.write_bytes(b"ARROW1" * 99)],
)  # fmt: skip
def test_what_is_no_file_of_scores_is_refused_before_it_is_read(tmp_path, put):
    put(tmp_path / "s")
    with pytest.raises(ModelError):
        read_scores(tmp_path / "s", HandedScores(sha256="0"), DATA)


@pytest.mark.parametrize(
    "facts",
    [{"capabilities": ["root"]}, {"capabilities": [], "classes": [[0], {}]}, {"capabilities": [], "notes": [5]},
     {"capabilities": [], "description": {"a": "x" * 2_000_000}}, {"capabilities": [], "notes": ["x"] * 2000}],
)  # fmt: skip
def test_facts_that_are_none_are_refused(facts):
    with pytest.raises(ValidationError):
        ModelFacts.model_validate(facts)


def test_a_model_cannot_say_that_this_audit_trained_it():
    facts = ModelFacts(capabilities=[], description={"kind": "x", "history": {"loss": [1]}, "process": "audit"}, notes=["a\n\x1b" + "x" * 9999])
    assert facts.description == {"kind": "x"}
    assert len(facts.notes[0]) == 2000 and "\x1b" not in facts.notes[0]


@pytest.mark.parametrize("cost", [{"seconds": -1, "memory": 1}, {"seconds": 1e999, "memory": 1}, {"seconds": 1, "memory": "x"}, {}, 3])
def test_a_forged_cost_is_refused(cost):
    with pytest.raises(ValidationError):
        TrialCost.model_validate({"cost": cost})
