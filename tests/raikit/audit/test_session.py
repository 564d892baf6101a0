"""raikit.audit: objects in memory go the same way as files, and their errors name the argument."""

import importlib
import inspect
import json
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import raikit
from raikit.errors import ConfigError, DataError, ModelError, RunError
from raikit.models.base import Model

CHECKS = ["performance.classification", "fairness.groups"]


def people(rows=300, seed=0):
    rng = np.random.default_rng(seed)
    sex = rng.choice(["F", "M"], rows)
    y = (rng.random(rows) < 0.5).astype(int)
    x = y + rng.normal(0, 0.6, rows) - 0.8 * ((sex == "F") & (y == 1))
    frame = pd.DataFrame({"sex": sex, "x": x, "z": rng.normal(0, 1, rows), "y": y})
    frame["p"] = 1 / (1 + np.exp(-4 * (x - 0.5)))
    return frame


def audit(data, model=None, **options):
    defaults = {"target": "y", "sensitive": "sex", "checks": CHECKS, "progress": False}
    return raikit.audit(data, model, **(defaults | options))


def values(result):
    return dict(zip(result.metrics["id"], result.metrics["value"], strict=True))


@pytest.fixture(scope="module")
def expected():
    return values(audit(people(), score="p"))


# --- data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "held",
    [
        pl.from_pandas,
        lambda frame: pl.from_pandas(frame).lazy(),
        pa.Table.from_pandas,
        lambda frame: {name: frame[name].to_numpy() for name in frame},
        lambda frame: {name: frame[name].tolist() for name in frame},
        lambda frame: frame.set_axis(range(7, len(frame) + 7)),
    ],
)
def test_a_table_gives_the_same_numbers_whatever_holds_it(held, expected):
    assert values(audit(held(people()), score="p")) == expected


def test_scores_may_be_values_beside_the_table(expected):
    frame = people()
    assert values(audit(frame.drop(columns="p"), score=frame["p"].to_numpy())) == expected
    assert values(audit(frame.drop(columns="p"), score=pl.Series(frame["p"].to_numpy()))) == expected
    shuffled = frame["p"].set_axis(range(len(frame))[::-1])  # values belong to cases by their order
    assert values(audit(frame.drop(columns="p"), score=shuffled)) == expected


def test_scores_of_classes_are_a_mapping_of_class_to_values():
    frame = people()
    frame["y"] = np.where(frame.z > 1, "c", np.where(frame.y == 1, "b", "a"))
    drawn = np.random.default_rng(0).dirichlet([1, 1, 1], len(frame))
    result = audit(frame, score={"a": drawn[:, 0], "b": drawn[:, 1], "c": drawn[:, 2]})
    assert values(result)["performance.accuracy"] == np.mean(np.array(["a", "b", "c"])[drawn.argmax(axis=1)] == frame.y)


def test_the_table_is_not_changed():
    frame = people()
    before = frame.copy()
    audit(frame.drop(columns="p"), score=frame["p"])
    pd.testing.assert_frame_equal(frame, before)


def test_a_path_is_audited_as_a_file_and_isolated(tmp_path, expected):
    people().to_parquet(tmp_path / "people.parquet")
    result = audit(tmp_path / "people.parquet", score="p")
    assert values(result) == expected
    assert (result.record.provenance.isolation, result.record.provenance.in_memory) == ("process", [])


# --- models ----------------------------------------------------------------------------------------------------------


class Scorer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[4.0, 0.0]]))
            self.layer.bias.copy_(torch.tensor([-2.0]))

    def forward(self, facts):
        return self.layer(facts)


def accuracy(frame, scores):
    return float(np.mean((np.asarray(scores) >= 0.5) == frame.y))


def test_an_estimator_reads_the_columns_that_it_was_fitted_on():
    frame = people()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame[["z", "x"]], frame.y)
    result = audit(frame, pipeline)
    assert result.record.data.inputs[0].columns == ["z", "x"]
    assert values(result)["performance.accuracy"] == pipeline.score(frame[["z", "x"]], frame.y)
    assert result.record.provenance.in_memory == ["data: DataFrame of pandas", "model: Pipeline of sklearn"]
    assert result.record.provenance.isolation == "none"
    assert "data: DataFrame of pandas; model: Pipeline of sklearn" in result.record.summary.sentences[-1]


def test_an_estimator_of_texts_reads_a_column_of_texts():
    frame = people()
    frame["text"] = np.where(frame.x > 0.4, "fine good", "bad poor")
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(frame.text, frame.y)
    result = audit(frame, pipeline, inputs="text")
    assert values(result)["performance.accuracy"] == pipeline.score(frame.text, frame.y)


def test_a_regression_of_an_estimator():
    frame = people()
    frame["y"] = frame.x * 2 + frame.z
    model = LinearRegression().fit(frame[["x"]], frame.y)
    result = audit(frame, model, checks=["performance.regression"], task="regression")
    assert values(result)["performance.mean_absolute_error"] == pytest.approx(np.abs(model.predict(frame[["x"]]) - frame.y).mean())


def test_a_torch_module_gets_its_parameter_and_is_not_changed():
    frame, module = people(), Scorer().train()
    result = audit(frame, module, inputs=["x", "z"])
    assert values(result)["performance.accuracy"] == accuracy(frame, frame.p)
    assert module.training and module.layer.weight.device.type == "cpu"
    assert result.record.data.inputs[0].name == "facts"


def test_settings_of_a_loader_are_those_of_the_kind_of_object():
    frame = people()
    frame["y"] = np.where(frame.y == 1, "yes", "no")
    estimator = LogisticRegression().fit(frame[["x"]], frame.y == "yes")
    named = audit(frame, estimator, positive="yes", config={"model": {"load": {"classes": ["no", "yes"]}}})
    assert values(named)["performance.accuracy"] == estimator.score(frame[["x"]], frame.y == "yes")
    with pytest.raises(ModelError, match=r"model\.outputz: Scorer of .* has no such setting. Did you mean 'outputs'"):
        audit(people(), Scorer(), inputs=["x", "z"], config={"model": {"load": {"outputz": "logits"}}})


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def interrupted(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="the audit was interrupted"):
        audit(people(), interrupted)
    assert not list(tmp_path.glob("raikit-*"))


@pytest.mark.parametrize("shape", ["n", "n1", "n2", "tensor"])
def test_a_function_of_rows_returns_scores(shape, expected):
    def score(rows):
        p = 1 / (1 + np.exp(-4 * (rows["x"].to_numpy() - 0.5)))
        return {"n": p, "n1": p[:, None], "n2": np.stack([1 - p, p], axis=1), "tensor": torch.tensor(p, requires_grad=True)}[shape]

    result = audit(people().drop(columns="p"), score)
    assert values(result)["performance.accuracy"] == expected["performance.accuracy"]
    assert result.record.model["function"] == "score"


def test_a_model_of_raikit_is_used_as_it_is(expected):
    class Own(Model):
        modalities: ClassVar = {"facts": "tabular"}
        classes = (0, 1)

        def scores(self, batch):
            p = 1 / (1 + np.exp(-4 * (batch.inputs["facts"]["x"].to_numpy() - 0.5)))
            return np.stack([1 - p, p], axis=1)

    result = audit(people(), Own(), inputs={"facts": ["x"]})
    assert values(result)["performance.accuracy"] == expected["performance.accuracy"]


def test_a_pipeline_of_transformers_gives_the_scores_that_it_gives_itself(text_pipeline):
    frame = people(80)
    frame["text"] = [f"word{abs(int(9 * x)) % 23} thing{number % 7}" for number, x in enumerate(frame.x)]
    frame["y"] = np.where(frame.y == 1, "good", "bad")
    result = audit(frame, text_pipeline, inputs="text", positive="good", checks=["performance.classification"])
    told = [one["label"] for one in text_pipeline(frame.text.tolist())]
    assert values(result)["performance.accuracy"] == np.mean(np.array(told) == frame.y)


@pytest.fixture
def text_pipeline():
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", *(f"word{n}" for n in range(23)), *(f"thing{n}" for n in range(7))]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )
    config = transformers.DistilBertConfig(
        vocab_size=len(words), max_position_embeddings=16, dim=16, n_layers=1, n_heads=2, hidden_dim=16, initializer_range=0.5,
        id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1},
    )  # fmt: skip
    model = transformers.DistilBertForSequenceClassification(config).eval()
    return transformers.pipeline("text-classification", model=model, tokenizer=fast)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "model: give a model, or the `prediction` or `score` of each case"),
        ({"target": "yy", "score": "p"}, "target: "),
        ({"sensitive": "sexx", "score": "p"}, "sensitive"),
        ({"score": "q"}, "score: "),
        ({"score": [0.5, 0.1]}, "score: it has 2 values for 300 cases"),
        ({"score": np.zeros((300, 2))}, r"score: it has the shape \(300, 2\)"),
        ({"prediction": "p", "model": len}, "prediction: the model gives it"),
        ({"model": {"a": 1}}, "model: a dict is no model"),
        ({"model": LogisticRegression}, "model: LogisticRegression is a class"),
        ({"model": LogisticRegression()}, "model: LogisticRegression has no `classes_`"),
        ({"model": lambda rows: ["yes"] * len(rows)}, "the function returned no numbers"),
        ({"model": len, "inputs": "sx"}, "inputs"),
        ({"data": [1, 2], "score": "p"}, "data: a list is no table"),
        ({"data": {"y": [0, 1], "sex": ["F"]}, "score": "p"}, r"data\['sex'\]: it has 1 values for 2 cases"),
        ({"score": "p", "rules": "performance.accuracy"}, "rules: give"),
        ({"score": "p", "rules": {"performance.acuracy": 0.1}}, "rules, rule 1, metric: .*accuracy"),
        ({"score": "p", "rules": {"performance.accuracy": {"mox": 0.1}}}, "raikit.audit: unknown key 'mox'"),
        ({"score": "p", "rules": {"performance.accuracy": 0.8}}, r"rules\['performance.accuracy'\]: .*\{'min': 0.8\}"),
        ({"score": "p", "checks": ["performance.classificatoin"]}, "classificatoin"),
        ({"score": "p", "confidence": 2}, "confidence: "),
        ({"score": "p", "config": {"data": {"mising": ["NA"]}}}, "raikit.audit: unknown key 'mising' in data"),
    ],
)
def test_an_error_is_a_sentence_that_names_the_argument(options, message):
    options = dict(options)
    data, model = options.pop("data", people()), options.pop("model", None)
    with pytest.raises((ConfigError, DataError, ModelError), match=message):
        audit(data, model, **options)


def test_values_need_a_table_in_memory(tmp_path):
    people().to_csv(tmp_path / "people.csv", index=False)
    with pytest.raises(ConfigError, match="score: with `data` as a path, name a column"):
        audit(tmp_path / "people.csv", score=[0.5] * 300)
    with pytest.raises(ConfigError, match="inputs: with `data` as a path"):
        audit(tmp_path / "people.csv", len)


# --- result ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    return audit(
        people(), score="p", favourable=1, name="triage", unit="applicant",
        rules={"fairness.equal_opportunity_difference": 0.1, "performance.accuracy": {"min": 0.5}},
    )  # fmt: skip


def test_the_tables_say_what_the_statements_say(result):
    assert result.verdict == "fail" == result.record.gate.verdict
    assert result.rules["status"].tolist() == ["fail", "pass"]
    assert result.rules["headline"].tolist() == [one.headline for one in result.statements if one.rule is not None]
    assert result.findings["headline"].tolist() == [one.headline for one in result.statements if one.rule is None]
    assert len(result.metrics) == len(list(result.record.metrics()))
    assert {"value", "low", "high", "n"} <= set(result.metrics)
    assert all(isinstance(figure, raikit.Figure) for figure in result.figures.values()) and result.figures


def test_text_and_html_have_the_answer_and_the_broken_rule(result):
    broken = result.statements[0]
    text, html = repr(result), result._repr_html_()
    for words in (result.record.summary.answer, broken.headline, broken.evidence):
        assert words in text and words in html
    assert html.count("<svg") == 1
    assert "<script" not in html and "http" not in html
    assert "prefers-color-scheme" in html and len(html) < 60_000


def test_the_report_is_the_page(result):
    assert result.report().lstrip().startswith("<!") and "triage" in result.report()


def test_a_run_is_saved_as_the_command_line_saves_it(result, tmp_path):
    from raikit.run import manifest

    folder = result.save(tmp_path / "run", formats=["md", "csv"])
    assert {path.name for path in folder.iterdir()} >= {"audit.json", "manifest.json", "predictions.parquet", "report.md", "metrics.csv"}
    assert manifest.verify(folder) == []
    assert raikit.load_run(folder).record.provenance.run_id == result.record.provenance.run_id
    with pytest.raises(RunError, match="folder: .* is not empty"):
        result.save(folder)
    with pytest.raises(ConfigError, match="no report format is called 'mdd'"):
        result.save(tmp_path / "other", formats=["mdd"])
    assert not (tmp_path / "other").exists()


def test_nothing_is_left_behind_without_out(tmp_path, monkeypatch):
    import gc

    monkeypatch.chdir(tmp_path)
    held = audit(people(), score="p", checks=["performance.classification"])
    folder = held.folder
    assert folder.exists() and not list(tmp_path.iterdir())
    del held
    gc.collect()
    assert not folder.exists()


def test_out_is_a_run_with_reports(tmp_path):
    result = audit(people(), score="p", out=tmp_path / "run", formats=["md"])
    assert (tmp_path / "run" / "report.md").exists() and result.folder == tmp_path / "run"
    with pytest.raises(RunError, match="out: .* is not empty; choose another folder"):
        audit(people(), score="p", out=tmp_path / "run")


def test_the_working_folder_is_neither_watched_nor_imported_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)

    def score(rows):
        (tmp_path / "edited.py").write_text("meanwhile = 1")  # somebody works on while the audit runs
        return 1 / (1 + np.exp(-rows["x"].to_numpy()))

    assert audit(people(), score, checks=["performance.classification"]).record.model["function"] == "score"
    assert sys.path == before


# --- the name --------------------------------------------------------------------------------------------------------


def test_the_name_is_the_package_and_the_function():
    from raikit.audit.plan import Request  # a module of the package, which sets the attribute

    assert Request.__module__ == "raikit.audit.plan"
    assert raikit.audit is importlib.import_module("raikit.audit") is sys.modules["raikit.audit"]
    assert callable(raikit.audit)
    assert list(inspect.signature(raikit.audit).parameters)[:3] == ["data", "model", "target"]


def test_importing_raikit_costs_nothing():
    code = (
        "import sys, raikit; before = [name for name in sys.modules if name.startswith('raikit.')]; callable(raikit.audit); "
        "heavy = [name for name in ('pandas', 'numpy', 'torch', 'pydantic') if name in sys.modules]; print(before, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_progress_is_plain_lines_where_nobody_watches(capsys):
    audit(people(), score="p", checks=["performance.classification"], progress=True)
    shown = capsys.readouterr()
    assert "performance.classification" in shown.err and "\r" not in shown.err and shown.out == ""
    audit(people(), score="p", checks=["performance.classification"])
    assert capsys.readouterr().err == ""


def test_progress_in_a_notebook_is_one_line(capsys, monkeypatch):
    from raikit.audit import notebook_console

    monkeypatch.setattr(notebook_console, "in_notebook", lambda: True)
    audit(people(), score="p", progress=True)
    shown = capsys.readouterr().err
    assert "\n" not in shown and shown.rsplit("\r", 2)[-2].strip() == ""
    lines = [line.strip() for line in shown.split("\r") if line.strip()]
    assert any(line.startswith("██████████░░░░░░░░░░ [2/2] fairness.groups") for line in lines)


def test_the_record_can_be_read_from_json(result):
    assert raikit.Record.model_validate(json.loads(result.record.model_dump_json())).provenance.in_memory


@pytest.mark.parametrize(
    ("column", "cells", "says"),
    [("sex", ["\ud800", "F"], "column 'sex' has text that cannot be written as UTF-8"),
     ("y", ["\udfff", "n"], "column 'y' has text that cannot be written as UTF-8"),
     ("p", [10**400, 1], "'p' holds a number beyond")],
)  # fmt: skip
def test_cells_that_only_python_has_are_one_sentence(column, cells, says):
    frame = people().drop(columns=column)
    frame[column] = pd.Series(cells * 150, dtype=object)
    with pytest.raises(DataError, match=says):
        audit(frame, score="p")
