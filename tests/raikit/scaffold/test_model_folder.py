"""`raikit init TABLE --model FOLDER` writes the audit of a folder of transformers (raikit.scaffold.model_folder)."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from click.testing import CliRunner

from raikit.cli.app import app
from raikit.config.load import load
from raikit.errors import ConfigError, DataError, ModelError
from raikit.scaffold.config import write_config
from raikit.scaffold.model_folder import read_model_folder

ROWS = 60


@pytest.fixture
def folder(tmp_path):
    def folder(architecture, labels=("bad", "good"), tokenizer=True, **config):
        path = tmp_path / "net"
        path.mkdir()
        named = {"architectures": [architecture], "id2label": dict(enumerate(labels)), **config}
        (path / "config.json").write_text(json.dumps(named))
        if tokenizer:
            (path / "tokenizer_config.json").write_text("{}")
        return path

    return folder


@pytest.fixture
def init(tmp_path):
    def init(folder, **columns):
        pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet", index=False)
        write_config(tmp_path / "t.parquet", tmp_path / "audit.yaml", model=folder)
        return load(tmp_path / "audit.yaml").audit

    return init


def over(*values):
    return [values[row % len(values)] for row in range(ROWS)]


TEXTS = [f"this is text {row}" for row in range(ROWS)]


def test_the_labels_of_a_model_show_the_target_and_its_modality_the_input(folder, init):
    audit = init(
        folder("BertForSequenceClassification", ("bad", "good", "so-so")),
        review=TEXTS, opinion=over("bad", "good", "so-so"), pulse=[row * 1.5 for row in range(ROWS)], hotel=over("x", "y", "z"),
    )  # fmt: skip
    assert (audit.data.target, audit.data.task) == ("opinion", "multiclass")
    assert {name: item.modality for name, item in audit.data.inputs.items()} == {"review": "text"}
    assert audit.model.load.model_extra == {"path": "net"}
    assert (audit.model.load.kind, audit.model.train, audit.data.split) == ("huggingface", None, None)


def test_pictures_are_the_input_of_a_model_of_pictures(folder, init):
    audit = init(folder("ViTForImageClassification", ("a", "b", "c")), photo=over("1.png", "2.png"), kind=over("a", "b", "c"), note=TEXTS)
    assert (audit.data.target, list(audit.data.inputs)) == ("kind", ["photo"])


def test_the_labels_of_a_model_with_several_are_columns(folder, init):
    net = folder("BertForSequenceClassification", ("sport", "money"), problem_type="multi_label_classification")
    audit = init(net, text=TEXTS, sport=over(0, 1), money=over(1, 0, 0), outlet=over("a", "b"))
    assert (audit.data.target, audit.data.task, list(audit.data.inputs)) == (["sport", "money"], "multilabel", ["text"])


def test_a_tagger_reads_lists_of_tokens(folder, init):
    net = folder("BertForTokenClassification", ("O", "B-PER"))
    audit = init(net, tokens=over(["Ada", "left"], ["he"]), tags=over(["B-PER", "O"], ["O"]), predicted_tags=over(["O", "O"], ["O"]))
    assert (audit.data.target, audit.data.task, list(audit.data.inputs)) == ("tags", "token_classification", ["tokens"])
    assert audit.model.load.kind == "huggingface", "a model that is named comes before predictions in the table"


def test_a_model_of_sounds_that_is_called_a_model_of_sequences_is_known_by_its_files(folder):
    assert read_model_folder(folder("Wav2Vec2ForSequenceClassification", tokenizer=False)).reads == ("audio",)


@pytest.mark.parametrize(
    ("architecture", "config", "columns", "says"),
    [
        ("BertForTokenClassification", {}, {"text": TEXTS}, r"the column of tags \(.*bad.*good.*\): a list"),
        ("BertForSequenceClassification", {"problem_type": "multi_label_classification"}, {"text": TEXTS}, "the columns of 0 and 1"),
        ("ViTForImageClassification", {}, {"opinion": over("bad", "good")}, "no column was recognised as image"),
    ],
)
def test_what_a_model_needs_and_a_table_does_not_show_is_a_question(folder, init, tmp_path, architecture, config, columns, says):
    with pytest.raises(ConfigError, match="is an open question"):
        init(folder(architecture, **config), kind=over("x", "y"), **columns)
    assert re.search(says, (tmp_path / "audit.yaml").read_text())


def test_labels_without_names_show_no_target(folder):
    assert read_model_folder(folder("BertForSequenceClassification", ("LABEL_0", "LABEL_1"))).labels == ()


def test_the_folder_of_a_model_is_no_table(folder, tmp_path):
    net = folder("BertForSequenceClassification")
    with pytest.raises(DataError, match=r"is the folder of a model, not a table; name both: raikit init TABLE --model"):
        write_config(net, tmp_path / "audit.yaml")


@pytest.mark.parametrize(("architecture", "says"), [("T5ForConditionalGeneration", "T5ForConditionalGeneration"), (None, "without a head")])
def test_a_model_that_cannot_be_audited_is_one_sentence(folder, architecture, says):
    net = folder(architecture) if architecture else folder("x", architectures=None)
    with pytest.raises(ModelError, match=says):
        read_model_folder(net)


def test_the_command_names_what_is_missing(tmp_path):
    pd.DataFrame({"y": over(0, 1)}).to_csv(tmp_path / "t.csv", index=False)
    result = CliRunner().invoke(app, ["init", str(tmp_path / "t.csv"), "--model", str(tmp_path), "--out", str(tmp_path / "a.yaml")])
    assert result.exit_code != 0
    assert "there is no config.json in it" in str(result.exception or "") + result.output
    assert not (tmp_path / "a.yaml").exists()
