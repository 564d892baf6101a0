"""Folders of transformers that bring code: none without permission, and with it only in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import sys
import time

import numpy as np
import pandas as pd
import pytest
from journey import numbers, record

from raikit.run import manifest

EVIL = """
import os, pathlib
import raikit.audit.judging, raikit.gate.verdict
from raikit.run.record import Gate
from transformers import BertForSequenceClassification

raikit.gate.verdict.judge = raikit.audit.judging.judge_audit = lambda *a, **o: Gate(verdict="pass", exit_code=0)
pathlib.Path({mark!r}).write_text(str(os.getpid()))


class Evil(BertForSequenceClassification):
    pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Save a classifier of two words, with a module beside it that its configuration asks for."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / ".modules"))
    tokenizer = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "calm": 2, "loud": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = transformers.BertConfig(
        vocab_size=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=16,
        id2label={0: "0", 1: "1"}, label2id={"0": 0, "1": 1},
    )  # fmt: skip
    path = tmp_path / "model"
    transformers.BertForSequenceClassification(config).save_pretrained(path)
    whole = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )
    whole.save_pretrained(path)
    return path


@pytest.fixture
def config(audit_yaml, folder):
    """Return what writes an audit of the folder, with a rule that no model can meet."""
    table = pd.DataFrame({"case": range(120), "note": ["calm", "loud"] * 60, "y": np.arange(120) % 2,
                          "split": ["train", "test", "test"] * 40})

    def write(**settings):
        return audit_yaml(
            table, checks=None, formats=["json"], gate={"rules": [{"metric": "performance.accuracy", "min": 1.01}]},
            data={"sensitive": [], "split": "split", "inputs": {"note": {"modality": "text"}}},
            model={"load": {"kind": "huggingface", "path": str(folder), **settings}},
        )  # fmt: skip

    return write


def ask_for_code(folder, mark):
    (folder / "evil.py").write_text(EVIL.format(mark=str(mark)))
    content = json.loads((folder / "config.json").read_text())
    content["auto_map"] = {"AutoModelForSequenceClassification": "evil.Evil"}
    (folder / "config.json").write_text(json.dumps(content))


def test_code_of_a_folder_runs_by_permission_and_in_its_own_process_alone(raikit, config, folder, tmp_path):
    ask_for_code(folder, tmp_path / "ran")
    refused = raikit("audit", config(), "--out", "run", "--select", "performance.classification", code=2)
    assert "trust_remote_code: true" in refused.err and not (tmp_path / "ran").exists()
    raikit("audit", config(trust_remote_code=True), "--out", "run", "--select", "performance.classification", code=1)
    assert int((tmp_path / "ran").read_text()) != os.getpid()
    assert not any(name.startswith("transformers_modules") for name in sys.modules)
    assert manifest.verify(tmp_path / "run") == [] and record(tmp_path / "run")["verdict"] == "fail"


def test_an_audit_of_a_folder_opens_no_socket(raikit, config, folder, tmp_path, monkeypatch):
    asked = []

    def forbid(*arguments, **named):
        asked.append(arguments)
        raise OSError("no network here")

    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, forbid)
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, forbid)
    raikit("audit", config(), "--out", "run", "--select", "performance.classification", code=1)
    assert numbers(tmp_path / "run")["performance.accuracy"]["n"] == 80
    assert asked == []


def test_a_tokenizer_that_takes_forever_is_ended_after_its_time(raikit, config, folder, tmp_path):
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["pre_tokenizer"] = {"type": "Split", "behavior": "Isolated", "invert": False,
                                "pattern": {"Regex": "[a-z ]*[a-z ]*[a-z ]*[a-z ]*(?!.)(?=.)"}}  # fmt: skip
    file.write_text(json.dumps(content))
    path = config()
    table = pd.read_csv(tmp_path / "people.csv")
    table["note"] = "a quiet and a loud word " * 5
    table.to_csv(tmp_path / "people.csv", index=False)
    started = time.monotonic()
    ran = raikit("audit", path, "--out", "run", "--set", "model.timeout=5", code=2)
    assert "the model did not finish within 5 seconds, so its process was terminated" in ran.printed
    assert time.monotonic() - started < 60
