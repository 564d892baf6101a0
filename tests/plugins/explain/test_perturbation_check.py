"""The check of models that only score: pipelines of scikit-learn, graphs of ONNX, endpoints and functions."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

import raikit
from raikit import address
from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.models.function import FunctionModel
from raikit.models.loaders import LOADERS, load
from raikit.models.sklearn_estimator import SklearnModel
from raikit.testing import run_check
from raikit.testing.run import context
from raikit_explain.estimates import leaving_out, strangers
from raikit_explain.estimates.raw_game import Meter
from raikit_explain.perturbation_check import Perturbations

GOOD, BAD = ["lovely", "gentle", "great"], ["awful", "rude", "broken"]


def dataset(table, inputs, **more):
    config = {"path": "(memory)", "target": "y", "inputs": inputs, **more}
    if "split" in table:
        config["split"] = "split"
    return Dataset.of(table, DataConfig.model_validate(config))


def loans(rows=160, seed=0, train=80):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({
        "income": rng.normal(size=rows), "debt": rng.normal(size=rows), "age": rng.integers(20, 60, rows),
        "home": rng.choice(["rent", "own"], rows), "sex": rng.choice(["F", "M"], rows),
        "split": np.where(np.arange(rows) < train, "train", "test"),
    })
    table["y"] = (2 * table["income"] - table["debt"] + (table["home"] == "own") + rng.logistic(size=rows) > 0).astype(int)
    return table


FORM = {"form": {"modality": "tabular", "columns": ["income", "debt", "age", "home"]}}


def sigmoid(values):
    return 1 / (1 + np.exp(-np.asarray(values, dtype=float)))


def terms(frame):
    return 2 * frame["income"] - frame["debt"] + (frame["home"] == "own")


def reviews(rows=120, seed=0, train=60):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    texts = [f"the {rng.choice(['film', 'book'])} was {rng.choice(GOOD if one else BAD)} and long {rng.choice(['today', 'again'])}"
             for one in label]
    return pd.DataFrame({"review": texts, "y": label, "split": np.where(np.arange(rows) < train, "train", "test")})


REVIEW = {"review": {"modality": "text"}}


def text_pipeline(table, estimator=None):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train = table[table["split"] == "train"]
    return make_pipeline(CountVectorizer(), estimator or LogisticRegression(C=10)).fit(train["review"].fillna(""), train["y"])


def value(record, name, **fields):
    return next(metric for metric in record.metrics if metric.name == name
                and all(getattr(metric, field) == expected for field, expected in fields.items()))


def facts_of(record):
    return {label: text for finding in record.findings for label, text in finding.facts}


def explained(check, data, model, rows=10, **settings):
    """Return explanations of some cases, and the meter, without measuring anything on them."""
    ctx = context(check, data=data, model=model)
    baselines, _ = leaving_out.baselines_of(ctx, model.modalities)
    explainer = leaving_out.Explainer(
        ctx, leaving_out.Settings(**{"method": None, "coalitions": 64, "parts": 16, "regression": False, **settings}),
        strangers.Strangers(), Meter(10**6), baselines)
    frame = ctx.predictions.frame().head(rows)
    return explainer.explain(frame, np.random.default_rng(0), lambda done: None), baselines, frame


# --- exactness and cost ------------------------------------------------------------------------------------------


class Counting:
    """A function that counts the cases that it scores."""

    def __init__(self, function):
        self.function, self.scored = function, 0

    def __call__(self, frame):
        self.scored += len(frame)
        return self.function(frame)


def test_shapley_values_of_a_sum_are_its_terms_and_add_up():
    data = dataset(loans(), FORM)
    found, baselines, frame = explained(Perturbations, data, FunctionModel(lambda frame: sigmoid(terms(frame)), data))
    assert np.allclose(found.values.sum(axis=1), found.change, atol=1e-6)
    usual = pd.DataFrame([baselines.columns["form"]])
    rows = data.frame(["income", "debt", "age", "home"], "test").head(10)
    toward = np.where(frame["prediction"] == 1, 1, -1)
    assert np.allclose(found.values[:, 0], toward * 2 * (rows["income"] - usual["income"][0]), atol=1e-6)
    assert np.allclose(found.values[:, 2], 0, atol=1e-9)


def test_every_combination_is_scored_once():
    data = dataset(loans(), FORM)
    counting = Counting(lambda frame: sigmoid(terms(frame)))
    model = FunctionModel(counting, data)
    ctx = context(Perturbations, data=data, model=model)  # scores the cases for the predictions
    counting.scored = 0
    found, _, _ = explained(Perturbations, data, FunctionModel(counting, data))
    combinations = int((2 ** found.content.sum(axis=1)).sum())
    assert found.scored == combinations
    assert counting.scored == combinations + len(ctx.predictions.frame(split="*"))


INPUTS = {"form": {"modality": "tabular", "columns": ["income", "debt"]}, "home": {"modality": "text"}, "note": {"modality": "text"}}


def test_inputs_that_act_together_have_an_interaction_and_others_none():
    table = loans()
    table["note"] = np.where(np.arange(len(table)) % 2 == 0, "good", "bad")
    data = dataset(table, INPUTS, sensitive=["sex"])

    def together(frame):
        return sigmoid(3 * (frame["home"].fillna("") == "own") * (frame["note"].fillna("") == "good") + frame["income"])

    record = run_check(Perturbations, {"rows": 60}, data=data, model=FunctionModel(together, data))
    assert record.status == "ok", record.traceback
    assert value(record, "input_interaction", args={"input": "form", "with": "note"}).value == pytest.approx(0, abs=1e-9)
    assert abs(value(record, "input_interaction", args={"input": "home", "with": "note"}).value) > 0.05
    assert sum(metric.value for metric in record.metrics
               if metric.name == "input_shapley_share" and not metric.group and "class" not in metric.args) == pytest.approx(1)
    assert value(record, "input_removal", args={"input": "form"}).n == 60
    for metric in record.metrics:
        assert any(address.Pattern(pattern).matches(metric.id) or address.parse(metric.id).over for pattern in Perturbations.produces)


def test_every_method_explains_a_pipeline():
    table = reviews()
    data = dataset(table, REVIEW)
    model = SklearnModel(text_pipeline(table), data)
    for method in ("kernel_shap", "shapley_value_sampling", "lime", "occlusion", "feature_ablation"):
        record = run_check(Perturbations, {"rows": 8, "method": method, "coalitions": 32}, data=data, model=model)
        assert record.status == "ok", (method, record.reason, record.traceback)


# --- groups --------------------------------------------------------------------------------------------------------


def test_a_group_that_is_judged_by_another_column_is_found():
    data = dataset(loans(400, train=100), {"form": {"modality": "tabular", "columns": ["income", "debt", "sex"]}}, sensitive=["sex"])

    def by_sex(frame):
        return sigmoid(np.where(frame["sex"] == "F", 3 * frame["income"], 3 * frame["debt"]))

    record = run_check(Perturbations, {"rows": 120}, data=data, model=FunctionModel(by_sex, data))
    income = value(record, "column_share_difference", args={"column": "income"})
    assert income.p_adjusted < 0.01
    assert income.low > 0.1
    of_group = [value(record, "column_share", args={"column": "income"}, group={"sex": sex}).value for sex in ("F", "M")]
    assert of_group[0] > of_group[1] + 0.2
    assert any("weighs differently" in finding.headline for finding in record.findings)


def test_groups_that_are_judged_alike_are_not_told_apart():
    data = dataset(loans(400, train=100), FORM, sensitive=["sex"])
    record = run_check(Perturbations, {"rows": 120}, data=data, model=FunctionModel(lambda frame: sigmoid(terms(frame)), data))
    assert min(metric.p_adjusted for metric in record.metrics if metric.p_adjusted is not None) > 0.05
    assert any("No group is shown" in finding.headline for finding in record.findings)


def test_a_group_that_lacks_an_input_is_not_said_to_be_judged_otherwise():
    table = loans(300, train=60)
    table["note"] = np.where(table["sex"] == "F", None, np.where(np.arange(len(table)) % 2 == 0, "good", "bad"))
    data = dataset(table, INPUTS, sensitive=["sex"])

    def scored(frame):
        return sigmoid(frame["income"] + (frame["note"].fillna("") == "good") + (frame["home"].fillna("") == "own"))

    record = run_check(Perturbations, {"rows": 100}, data=data, model=FunctionModel(scored, data))
    assert record.status == "ok", record.traceback
    assert not any(metric.name.endswith("_difference") for metric in record.metrics)
    assert any(metric.group == {"sex": "F"} for metric in record.metrics)


# --- the verdict ---------------------------------------------------------------------------------------------------


def test_a_pipeline_is_held_against_copies_that_were_fitted_on_shuffled_labels():
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    table, columns = loans(400, train=200), ["income", "debt", "age", "home"]
    encoder = make_column_transformer((OneHotEncoder(), ["home"]), remainder="passthrough")
    train = table[table["split"] == "train"]
    data = dataset(table, FORM)
    model = SklearnModel(make_pipeline(encoder, LogisticRegression(max_iter=2000)).fit(train[columns], train["y"]), data)
    record = run_check(Perturbations, {"rows": 100}, data=data, model=model)
    facts = facts_of(record)
    assert "Copy fitted on shuffled labels" in facts
    assert facts["Verdict"].startswith(("Supported by evidence", "Not tested", "No better than chance"))
    assert value(record, "faithful_share").n >= 20


def test_without_a_copy_nothing_is_called_supported():
    data = dataset(loans(400, train=200), FORM)
    record = run_check(Perturbations, {"rows": 120}, data=data, model=FunctionModel(lambda frame: sigmoid(terms(frame)), data))
    facts = facts_of(record)
    assert facts["Verdict"].startswith("Not tested")
    assert "No random copy" in facts
    assert "supported by evidence" not in json.dumps([finding.model_dump() for finding in record.findings]).lower()


def test_a_model_that_knows_no_words_is_not_believed():
    table = reviews()
    data = dataset(table, REVIEW)
    record = run_check(Perturbations, {"rows": 20}, data=data, model=FunctionModel(lambda frame: np.full(len(frame), 0.3), data))
    assert record.status == "ok", record.traceback
    assert any(finding.headline == "No word changes any explained decision" for finding in record.findings)
    assert "supported" not in facts_of(record)["Verdict"].lower()
    assert value(record, "faithful_share").value in (0.0, None)


# --- odd input -----------------------------------------------------------------------------------------------------


def test_texts_that_are_empty_or_missing_have_results():
    table = reviews()
    table.loc[table.index[-30:], "review"] = ""
    table.loc[table.index[-10:], "review"] = None
    data = dataset(table, REVIEW)
    record = run_check(Perturbations, {"rows": 60}, data=data, model=SklearnModel(text_pipeline(table), data))
    assert record.status == "ok", record.traceback
    assert value(record, "input_removal").value is not None
    words = next(one for one in record.tables if one.id == "words")
    assert {row[0] for row in words.rows} & {*GOOD, *BAD}


def test_nothing_but_empty_texts_has_results():
    table = reviews()
    data = dataset(table.assign(review=table["review"].where(table["split"] == "train", "")), REVIEW)
    record = run_check(Perturbations, {"rows": 20}, data=data, model=SklearnModel(text_pipeline(table), data))
    assert record.status == "ok", record.traceback
    assert value(record, "faithful_share").value is None


def test_a_model_without_probabilities_is_explained_by_its_decisions():
    from sklearn.svm import LinearSVC

    table = reviews()
    data = dataset(table, REVIEW)
    record = run_check(Perturbations, {"rows": 12}, data=data, model=SklearnModel(text_pipeline(table, LinearSVC()), data))
    assert record.status == "ok", record.traceback
    assert "Decisions only" in facts_of(record)


def test_a_regression_is_explained_in_units_of_its_target():
    table = loans().assign(y=lambda frame: terms(frame) * 10.0)
    data = dataset(table, FORM, task="regression")
    record = run_check(Perturbations, {"rows": 40}, data=data, model=FunctionModel(lambda frame: 10.0 * terms(frame), data))
    assert record.status == "ok", record.traceback
    assert value(record, "input_removal").unit is None
    assert value(record, "column_share", args={"column": "age"}).value == pytest.approx(0)


def test_a_redacted_run_holds_no_words(tmp_path):
    from dataclasses import replace

    table = reviews()
    data = dataset(table, REVIEW)
    model = SklearnModel(text_pipeline(table), data)
    ctx = replace(context(Perturbations, data=data, model=model, folder=tmp_path), redact=True)
    result = Perturbations(Perturbations.Options(rows=30)).run(ctx)
    written = result.model_dump_json() + pd.read_parquet(ctx.workdir / "perturbations.parquet").to_csv()
    assert not any(word in written for word in (*GOOD, *BAD))


def test_parts_of_texts_are_skipped_in_a_sentence():
    table = pd.DataFrame({"words": [["a", "b"]] * 60, "y": [["O", "X"]] * 60})
    data = Dataset.of(table, DataConfig.model_validate(
        {"path": "(memory)", "target": "y", "task": "token_classification", "inputs": {"words": {"modality": "text"}}}))
    record = run_check(Perturbations, {}, data=data, model=FunctionModel(lambda frame: np.full((len(frame), 2), 0.5), data))
    assert record.status == "skipped"


# --- pictures in ONNX ----------------------------------------------------------------------------------------------


def test_pictures_of_one_pixel_and_missing_ones_have_results(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper
    from PIL import Image

    rng = np.random.default_rng(0)
    names = []
    for number in range(24):
        size = (1, 1) if number % 6 == 0 else (16, 16)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        names.append(f"{number}.png" if number % 7 else None)
    table = pd.DataFrame({"photo": names, "y": [0, 1] * 12})
    weight = np.array([[-4.0, 4.0]], dtype=np.float32)
    nodes = [helper.make_node("ReduceMean", ["photo"], ["m"], axes=[1, 2, 3], keepdims=0),
             helper.make_node("Unsqueeze", ["m", "one"], ["n"]), helper.make_node("Sub", ["n", "half"], ["c"]),
             helper.make_node("MatMul", ["c", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["p"], axis=1)]
    held = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array([1]), "one"),
            numpy_helper.from_array(np.float32(0.5), "half")]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("photo", TensorProto.FLOAT, [None, 3, None, None])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 2])], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    config = DataConfig.model_validate({"path": "(memory)", "target": "y", "inputs": {"photo": {"modality": "image"}}})
    data = Dataset.of(table, config, folder=tmp_path)
    model = load({"kind": "onnx", "path": "m.onnx", "picture": {"layout": "NCHW", "size": [8, 8]}}, data, LOADERS, tmp_path)
    record = run_check(Perturbations, {"rows": 24, "coalitions": 32, "parts": 4}, data=data, model=model)
    assert record.status == "ok", record.traceback
    assert any(metric.name == "region_share" for metric in record.metrics)
    assert not facts_of(record)["Verdict"].startswith("Supported")


# --- an endpoint -----------------------------------------------------------------------------------------------------


@pytest.fixture
def endpoint():
    """A KServe server of a logistic model of two numbers; counts the cases that it was sent."""
    scored = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            tensor = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"][0]
            values = np.array(tensor["data"], dtype=float).reshape(tensor["shape"])
            scored.append(len(values))
            positive = sigmoid(2 * values[:, 0] - values[:, 1])
            both = np.column_stack([1 - positive, positive])
            content = json.dumps({"model_name": "m", "outputs": [
                {"name": "p", "datatype": "FP64", "shape": list(both.shape), "data": both.ravel().tolist()}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", scored
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_endpoint_is_asked_only_as_often_as_was_allowed(endpoint, tmp_path):
    url, scored = endpoint
    data = dataset(loans(60, train=20), {"form": {"modality": "tabular", "columns": ["income", "debt"]}})
    model = load({"kind": "http", "url": url, "protocol": "kserve", "name": "m"}, data, LOADERS, tmp_path)
    ctx = context(Perturbations, data=data, model=model)
    scored.clear()

    def run(**options):
        return Perturbations(Perturbations.Options(**options)).run(ctx)

    with pytest.raises(raikit.SkipCheck, match="a request to the endpoint"):
        run()
    with pytest.raises(raikit.SkipCheck, match="may score") as refused:
        run(max_scored=20)
    assert sum(scored) == 0
    assert "max_scored" in refused.value.help
    result = run(max_scored=80)
    assert 0 < sum(scored) <= 80
    assert value(result, "column_share", args={"column": "income"}).value > 0.5
