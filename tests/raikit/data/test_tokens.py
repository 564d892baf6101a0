"""Texts with tags become cases of one token each, whose texts are clusters."""

from __future__ import annotations

import pandas as pd
import pytest

from raikit.config.schema import DataConfig
from raikit.data.classes import PredictedClasses
from raikit.data.dataset import Dataset
from raikit.data.parts import TOKEN
from raikit.errors import ConfigError, DataError

TASK = {"task": "token_classification", "target": "tags"}
TEXTS = pd.DataFrame({
    "tokens": [["Ada", "slept"], ["in", "New", "York"]], "tags": [["B-PER", "O"], ["O", "B-LOC", "I-LOC"]], "genre": ["a", "b"],
})
INPUT = {"inputs": {"tokens": {"modality": "text"}}}


def test_each_token_of_a_list_is_a_case_with_its_text_as_cluster(opened):
    data = opened(TEXTS, needs_inputs=True, sensitive=["genre"], **TASK, **INPUT)
    assert data.task == "multiclass"
    assert data.classes == ["B-LOC", "B-PER", "I-LOC", "O"]
    assert data.roles["id"].tolist() == ["0:0", "0:1", "1:0", "1:1", "1:2"]
    assert data.roles["target"].tolist() == ["B-PER", "O", "O", "B-LOC", "I-LOC"]
    assert data.roles[TOKEN].tolist() == [0, 1, 0, 1, 2]
    assert data.cluster == ["text"]
    assert data.roles["text"].tolist() == ["0", "0", "1", "1", "1"]
    batch = next(data.batches("test", 4))
    assert [list(words) for words in batch.inputs["tokens"]] == [["Ada", "slept"]] * 2 + [["in", "New", "York"]] * 2
    assert batch.inputs["tokens"][2] is batch.inputs["tokens"][3]
    assert (batch.whole.tolist(), batch.part.tolist()) == ([0, 0, 1, 1], [0, 1, 0, 1])
    assert data.labels.unit == ("token", "tokens")


def test_rows_of_one_token_are_gathered_by_their_text_though_they_are_mixed(opened):
    rows = pd.DataFrame({
        "sentence": ["s1", "s2", "s1", "s2"], "word": ["Ada", "in", "slept", "York"], "tags": ["B-PER", "O", "O", "B-LOC"],
    })
    inputs = {"words": {"modality": "text", "column": "word"}}
    data = opened(rows, needs_inputs=True, sequence="sentence", inputs=inputs, **TASK)
    assert data.roles["id"].tolist() == ["s1:0", "s1:1", "s2:0", "s2:1"]
    assert data.roles["target"].tolist() == ["B-PER", "O", "O", "B-LOC"]
    assert data.cluster == ["sentence"]
    assert next(data.batches("test", 3)).inputs["words"] == [["Ada", "slept"]] * 2 + [["in", "York"]]
    assert "row 3 (id 's1:1')" in data.where(1)


def test_a_table_in_memory_has_a_fingerprint_that_its_tokens_change():
    config = DataConfig.model_validate({"path": "(memory)", **TASK, **INPUT})
    first, same = (Dataset.of(TEXTS, config).fingerprint for _ in range(2))
    assert first == same
    assert first != Dataset.of(TEXTS.assign(tokens=[["Bob", "slept"], ["in", "New", "York"]]), config).fingerprint


def test_text_in_cells_is_divided_at_white_space(opened):
    texts = TEXTS.assign(tokens=["Ada slept", "in New York"], tags=["B-PER O", "O B-LOC I-LOC"])
    assert opened(texts, needs_inputs=True, **TASK, **INPUT).roles["target"].tolist() == ["B-PER", "O", "O", "B-LOC", "I-LOC"]


def test_clusters_that_keep_texts_whole_are_enough_and_others_are_not(opened):
    assert opened(TEXTS.assign(author="x"), cluster="author", **TASK).cluster == ["author"]
    assert opened(TEXTS.assign(author=["x", None]), cluster="author", **TASK).cluster == ["author", "text"]


def test_predicted_tags_are_divided_too(opened):
    texts = TEXTS.assign(found=[["O", "O"], ["O", "B-LOC", "O"]])
    predicted = PredictedClasses("found", by_label={"prediction": {"": "found"}})
    data = opened(texts, extra_columns=["found"], predicted=predicted, **TASK)
    assert data.extra["found"].tolist() == ["O", "O", "O", "B-LOC", "O"]


@pytest.mark.parametrize(
    ("change", "roles", "says"),
    [
        ({"tags": [["B-PER"], ["O", "O", "O"]]}, INPUT, r"row 1: tokens has 2 items, and tags has 1"),
        ({"tags": [[1, 0], [0, 2, 3]]}, {}, r"row 1: tags holds a tag that is no text"),
        ({"tags": [["O", None], ["O", "O", "O"]]}, {}, r"row 1: tags holds a tag that is no text"),
        ({"tags": [[], []]}, {}, "has no tokens"),
        ({"s": ["x", None], "tags": ["O", "O"]}, {"sequence": "s"}, r"row 2: data\.sequence \(s\) is missing"),
        ({"s": ["x", "y"], "tags": [1, 2]}, {"sequence": "s"}, "tags must hold one tag a row as text, such as B-PER"),
    ],
)
def test_what_is_no_text_with_tags_is_refused(opened, change, roles, says):
    with pytest.raises(DataError, match=says):
        opened(TEXTS.assign(**change), **{**TASK, **roles})


def test_lists_without_a_task_are_asked_about(opened):
    with pytest.raises(ConfigError, match="'tags' holds lists; say what they are: `task: token_classification`"):
        opened(TEXTS, target="tags")


def test_a_sequence_needs_its_task(opened):
    with pytest.raises(ConfigError, match="only `task: token_classification` has texts of several rows"):
        opened(pd.DataFrame({"y": ["a", "b"], "s": [1, 1]}), sequence="s", positive="a")
