"""Graphs give the numbers of onnxruntime, whatever they read and however they write them."""

import sys

import graphs
import numpy as np
import pandas as pd
import pytest
from graphs import FLOAT, INT64, STRING, UINT8, WEIGHTS, linear, save, sound, value
from onnx import helper

from raikit.errors import ConfigError, ModelError
from raikit.models.loaders import runs_code


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def inputs_of(dataset):
    return dataset.frame(["x0", "x1"]).to_numpy(dtype=np.float32)


# --- outputs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [None, "Softmax"])
@pytest.mark.parametrize("name", ["facts", "other"])
def test_logits_and_probabilities_are_told_apart_and_one_input_needs_no_name(numbers, predictions, loaded, tmp_path, after, name):
    dataset = numbers("multiclass")
    linear(tmp_path / "m.onnx", after=after, name=name)
    model = loaded(dataset)
    frame = predictions(model, dataset)
    expected = softmax(inputs_of(dataset) @ WEIGHTS)
    np.testing.assert_allclose(frame[["score.a", "score.b", "score.c"]], expected, atol=1e-6)
    assert bool(model.notes()) == (after == "Softmax")
    assert not runs_code({"kind": "onnx", "path": "m.onnx"})


@pytest.mark.parametrize(("after", "expected"), [(None, True), ("Sigmoid", True), ("Sigmoid", False)])
def test_one_column_is_the_positive_class(numbers, predictions, loaded, tmp_path, after, expected):
    dataset = numbers()
    linear(tmp_path / "m.onnx", columns=1, after=after)
    said = {} if expected else {"outputs": "logits"}
    frame = predictions(loaded(dataset, **said), dataset)
    score = 1 / (1 + np.exp(-inputs_of(dataset) @ WEIGHTS[:, 0]))
    if not expected:
        score = 1 / (1 + np.exp(-score))
    np.testing.assert_allclose(frame["score"], score, atol=1e-6)


def test_a_linear_output_that_happens_to_lie_within_0_and_1_is_no_probability(predictions, loaded, tmp_path):
    frame = pd.DataFrame({"x0": np.linspace(0.1, 0.5, 20), "x1": 0.0, "y": [0, 1] * 10})
    linear(tmp_path / "m.onnx", columns=1)
    data = graphs.table(frame)
    expected = 1 / (1 + np.exp(-1.5 * frame["x0"]))
    np.testing.assert_allclose(predictions(loaded(data), data)["score"], expected, atol=1e-6)


def test_a_regression_is_what_the_graph_says(numbers, predictions, loaded, tmp_path):
    dataset = numbers("regression")
    linear(tmp_path / "m.onnx", columns=1)
    np.testing.assert_allclose(predictions(loaded(dataset), dataset)["prediction"], inputs_of(dataset) @ WEIGHTS[:, 0], rtol=1e-5)


def test_classes_say_the_order_of_outputs(numbers, predictions, loaded, tmp_path):
    dataset = numbers("multiclass")
    linear(tmp_path / "m.onnx")
    frame = predictions(loaded(dataset, classes=["c", "a", "b"]), dataset)
    np.testing.assert_allclose(frame[["score.c", "score.a", "score.b"]], softmax(inputs_of(dataset) @ WEIGHTS), atol=1e-6)
    with pytest.raises(ModelError, match=r"the classes of the graph are x, a, b; those of the data are"):
        loaded(numbers("multiclass"), classes=["x", "a", "b"])


def zipmap(path, transform="SOFTMAX", labels=("b", "a"), with_map=True):
    """Write a classifier as sklearn-onnx does: its label, and a map of label to probability."""
    classifier = helper.make_node(
        "LinearClassifier", ["facts"], ["output_label", "p"], domain="ai.onnx.ml", coefficients=[1.0, -1.0, -1.0, 2.0],
        intercepts=[0.0, 0.0], classlabels_strings=list(labels), post_transform=transform, multi_class=0,
    )  # fmt: skip
    mapped = helper.make_node("ZipMap", ["p"], ["output_probability"], domain="ai.onnx.ml", classlabels_strings=list(labels))
    outputs = [value("output_label", STRING, [None]), value("p", FLOAT, [None, 2])]
    if with_map:
        kind = helper.make_sequence_type_proto(helper.make_map_type_proto(STRING, helper.make_tensor_type_proto(FLOAT, [])))
        outputs[1] = helper.make_value_info("output_probability", kind)
    save(path, [classifier, mapped] if with_map else [classifier], [value("facts", FLOAT, [None, 2])], outputs)


@pytest.mark.parametrize("with_map", [True, False])
def test_a_classifier_of_sklearn_onnx_is_read_and_its_map_by_label(predictions, loaded, tmp_path, with_map):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x0": rng.normal(size=30), "x1": rng.normal(size=30), "y": ["a", "b"] * 15})
    zipmap(tmp_path / "m.onnx", labels=("b", "a") if with_map else ("a", "b"), with_map=with_map)
    data = graphs.table(frame)
    scored = predictions(loaded(data), data)
    first = softmax(inputs_of(data) @ np.array([[1.0, -1.0], [-1.0, 2.0]]))[:, 0]
    np.testing.assert_allclose(scored["score"], first if with_map else 1 - first, atol=1e-6)


def test_decision_scores_of_a_classifier_are_not_squashed_without_a_word(loaded, tmp_path):
    frame = pd.DataFrame({"x0": [1.0, 2.0], "x1": [3.0, 1.0], "y": ["a", "b"]})
    zipmap(tmp_path / "m.onnx", transform="NONE")
    with pytest.raises(ModelError, match=r"is a classifier's and holds no probabilities; say `outputs: logits`"):
        loaded(graphs.table(frame))


def two_outputs(path):
    nodes = [helper.make_node("MatMul", ["facts", "w"], ["first"]), helper.make_node("Softmax", ["first"], ["second"], axis=1)]
    declared = [value(name, FLOAT, [None, 2]) for name in ("first", "second")]
    save(path, nodes, [value("facts", FLOAT, [None, 2])], declared, {"w": WEIGHTS[:, :2]})


def test_of_several_outputs_one_is_named(numbers, predictions, loaded, tmp_path):
    two_outputs(tmp_path / "m.onnx")
    dataset = numbers()
    with pytest.raises(ModelError, match=r"the outputs first, second; say in `model\.load\.output`"):
        loaded(dataset)
    with pytest.raises(ModelError, match=r"no output 'frist'; it has first, second\. Did you mean 'first'\?"):
        loaded(dataset, output="frist")
    scores = [predictions(loaded(dataset, output=name), dataset)["score"] for name in ("first", "second")]
    np.testing.assert_allclose(*scores, atol=1e-6)


def test_an_output_of_another_shape_is_not_asked_about(numbers, predictions, loaded, tmp_path):
    nodes = [helper.make_node("MatMul", ["facts", "w"], ["y"]), helper.make_node("Unsqueeze", ["facts", "axes"], ["state"])]
    declared = [value("y", FLOAT, [None, 1]), value("state", FLOAT, [None, 2, 1])]
    save(tmp_path / "m.onnx", nodes, [value("facts", FLOAT, [None, 2])], declared, {"w": WEIGHTS[:, :1], "axes": np.array([2])})
    dataset = numbers()
    expected = 1 / (1 + np.exp(-inputs_of(dataset) @ WEIGHTS[:, 0]))
    np.testing.assert_allclose(predictions(loaded(dataset), dataset)["score"], expected, atol=1e-6)


# --- inputs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 8, 7])
def test_a_graph_of_fixed_size_gets_its_cases_in_parts(numbers, predictions, loaded, tmp_path, rows):
    dataset = numbers("multiclass")
    linear(tmp_path / "m.onnx", rows=rows)
    frame = predictions(loaded(dataset), dataset)
    np.testing.assert_allclose(frame["score.a"], softmax(inputs_of(dataset) @ WEIGHTS)[:, 0], atol=1e-6)


def test_inputs_of_a_graph_are_columns_too_or_said(predictions, loaded, tmp_path):
    nodes = [
        helper.make_node("LabelEncoder", ["town"], ["code"], domain="ai.onnx.ml", keys_strings=["a", "b"], values_floats=[-1.0, 2.0], default_float=0.0),
        helper.make_node("Reshape", ["code", "shape"], ["codes"]),
        helper.make_node("Add", ["codes", "years"], ["y"]),
    ]
    declared = [value("town", STRING, [None]), value("years", FLOAT, [None, 1])]
    save(tmp_path / "m.onnx", nodes, declared, [value("y", FLOAT, [None, 1])], {"shape": np.array([-1, 1])})
    frame = pd.DataFrame({"town": ["a", "b", None, "a"], "age": [1.0, 2.0, 3.0, 0.5], "y": [0, 1, 0, 1]})
    data = graphs.table(frame, columns=("town", "age"))
    with pytest.raises(ModelError, match=r"input 'years' is neither an input nor a column of the data"):
        loaded(data)
    with pytest.raises(ModelError, match=r"no input 'yaers'; it has town, years\. Did you mean 'years'"):
        loaded(data, inputs={"yaers": "age"})
    scores = predictions(loaded(data, inputs={"years": "age"}), data)["score"]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-np.array([0.0, 4.0, 3.0, -0.5]))), atol=1e-6)


def test_what_the_graph_does_not_read_is_an_error(loaded, tmp_path):
    linear(tmp_path / "m.onnx", name="x0")
    frame = pd.DataFrame({"x0": [1.0, 2.0], "x1": [3.0, 1.0], "y": [0, 1]})
    with pytest.raises(ModelError, match=r"takes 2 columns, and the input 'facts' of the data has 1"):
        loaded(graphs.table(frame))
    save(tmp_path / "m.onnx", [helper.make_node("Sigmoid", ["x0"], ["y"])], [value("x0", FLOAT, [None, 1])], [value("y", FLOAT, [None, 1])])
    with pytest.raises(ModelError, match=r"reads no input 'facts' of the data, or not all of its columns"):
        loaded(graphs.table(frame))


def test_constants_fill_what_no_data_have(numbers, predictions, loaded, tmp_path):
    nodes = [helper.make_node("Gemm", ["facts", "w"], ["z"]), helper.make_node("Mul", ["z", "rate"], ["y"])]
    save(tmp_path / "m.onnx", nodes, [value("facts", FLOAT, [None, 2]), value("rate", FLOAT, [])], [value("y", FLOAT, [None, 3])], {"w": WEIGHTS})
    dataset = numbers("multiclass")
    frame = predictions(loaded(dataset, constants={"rate": 2}), dataset)
    np.testing.assert_allclose(frame["score.a"], softmax(2 * inputs_of(dataset) @ WEIGHTS)[:, 0], atol=1e-6)


def test_missing_numbers_are_said_to_be_something_or_reach_the_graph_as_nan(predictions, loaded, tmp_path):
    linear(tmp_path / "m.onnx", columns=2)
    frame = pd.DataFrame({"x0": [1.0, None, 2.0], "x1": [3.0, 1.0, 0.0], "y": [0, 1, 1]})
    with pytest.raises(ModelError, match=r"NaN or infinite for the case with id"):
        loaded(graphs.table(frame))
    data = graphs.table(frame)
    expected = softmax(frame[["x0", "x1"]].fillna(0).to_numpy() @ WEIGHTS[:, :2])[:, 1]
    np.testing.assert_allclose(predictions(loaded(data, missing=0), data)["score"], expected, atol=1e-6)


def test_words_in_a_column_of_numbers_name_the_case(loaded, tmp_path):
    linear(tmp_path / "m.onnx", columns=2)
    frame = pd.DataFrame({"x0": [1.0, 2.0], "x1": ["low", "high"], "y": [0, 1]})
    with pytest.raises(ModelError, match=r"the column 'x1' holds text \(case with id .*the graph's input 'facts' takes numbers"):
        loaded(graphs.table(frame))


# --- pictures, texts, sounds --------------------------------------------------------------------------------------


def pictures():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), None, rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)]


def mean_of(path, shape, axes, kind=FLOAT):
    """Write a graph that returns the mean of each channel of a picture."""
    nodes = [helper.make_node("Cast", ["photo"], ["f"], to=FLOAT), helper.make_node("ReduceMean", ["f"], ["y"], axes=axes, keepdims=0)]
    save(path, nodes, [value("photo", kind, shape)], [value("y", FLOAT, [None, 3])])


@pytest.mark.parametrize(("shape", "axes"), [([None, 3, 6, 8], [2, 3]), ([None, 6, 8, 3], [1, 2])])
def test_pictures_are_laid_out_and_scaled_as_the_graph_takes_them(opened, loaded, tmp_path, shape, axes):
    mean_of(tmp_path / "m.onnx", shape, axes)
    data = opened({"photo": "image"}, {"photo": pictures()}, classes="abc", task="multiclass")
    mean = np.array([np.zeros(3) if value is None else value.mean(axis=(0, 1)) for value in pictures()])
    np.testing.assert_allclose(loaded(data, outputs="logits").scores(data.batch()), softmax(mean / 255), atol=1e-5)
    settings = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "channels": "bgr"}
    scaled = (mean[:, ::-1] / 255 - settings["mean"]) / settings["std"]
    scaled[1] = 0  # a missing picture has the mean colour
    np.testing.assert_allclose(loaded(data, outputs="logits", picture=settings).scores(data.batch()), softmax(scaled), atol=1e-4)


def test_a_graph_of_bytes_gets_the_pixels_as_they_are(opened, loaded, tmp_path):
    mean_of(tmp_path / "m.onnx", [None, 3, None, None], [2, 3], UINT8)
    values = [np.full((4, 4, 3), 7, np.uint8), np.full((9, 5, 3), 9, np.uint8)]  # sizes differ: they are run apart
    values[1][..., 0] = 3
    data = opened({"photo": "image"}, {"photo": values}, classes="abc", task="multiclass")
    expected = softmax(np.array([[7.0, 7, 7], [3, 9, 9]]))
    np.testing.assert_allclose(loaded(data, outputs="logits").scores(data.batch()), expected, atol=1e-5)


def test_pictures_are_resized_to_the_size_of_the_graph(opened, loaded, tmp_path):
    mean_of(tmp_path / "m.onnx", [None, 3, 3, 4], [2, 3])
    data = opened({"photo": "image"}, {"photo": [np.full((60, 90, 3), 51, np.uint8)]}, classes="abc", task="multiclass")
    np.testing.assert_allclose(loaded(data, outputs="logits").scores(data.batch()), np.full((1, 3), 1 / 3), atol=1e-6)


@pytest.mark.parametrize("shape", [[None, None, None, None], [None, 3, 3, 3]])
def test_a_layout_that_cannot_be_seen_is_asked_for(opened, loaded, tmp_path, shape):
    mean_of(tmp_path / "m.onnx", shape, [1, 2])
    data = opened({"photo": "image"}, {"photo": pictures()}, classes="abc", task="multiclass")
    with pytest.raises(ModelError, match=r"does not show which axis has the channels; say `picture: \{layout: NCHW\}` or NHWC"):
        loaded(data)
    assert loaded(data, picture={"layout": "NHWC"}).scores(data.batch()).shape == (3, 3)


@pytest.mark.parametrize("shape", [[None], [None, 1]])
def test_texts_are_strings(opened, loaded, tmp_path, shape):
    code = helper.make_node(
        "LabelEncoder", ["said"], ["z"], domain="ai.onnx.ml", keys_strings=["good", ""], values_floats=[2.0, 1.0], default_float=-1.0
    )
    save(tmp_path / "m.onnx", [code, helper.make_node("Identity", ["z"], ["y"])], [value("said", STRING, shape)], [value("y", FLOAT, shape)])
    data = opened({"said": "text"}, {"said": ["good", None, "bad"]})
    scores = loaded(data, outputs="logits").scores(data.batch())[:, 1]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp([-2.0, -1.0, 1.0])), atol=1e-6)


def test_a_graph_behind_a_tokenizer_is_refused_for_texts(opened, loaded, tmp_path):
    cast = helper.make_node("Cast", ["said"], ["y"], to=FLOAT)
    save(tmp_path / "m.onnx", [cast], [value("said", INT64, [None, None])], [value("y", FLOAT, [None, None])])
    with pytest.raises(ModelError, match=r"the graph's input 'said' takes numbers, not texts; a graph behind a tokenizer"):
        loaded(opened({"said": "text"}, {"said": ["a", "b"]}))


@pytest.mark.parametrize(("shape", "axes"), [([None, None], [1]), ([None, 1, None], [1, 2])])
def test_sounds_of_one_length_go_together(opened, loaded, tmp_path, shape, axes):
    mean = helper.make_node("ReduceMean", ["voice"], ["y"], axes=axes, keepdims=0)
    save(tmp_path / "m.onnx", [mean], [value("voice", FLOAT, shape)], [value("y", FLOAT, [None])])
    data = opened({"voice": "audio"}, {"voice": [sound([0.5, 1.0]), None, sound([1.0, 1.0, -0.5]), sound([0.0, 0.5])]})
    scores = loaded(data, outputs="logits").scores(data.batch())[:, 1]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-np.array([0.75, 0.0, 0.5, 0.25]))), atol=1e-6)


def test_sounds_longer_than_the_graph_takes_are_cut_and_counted(opened, loaded, tmp_path):
    mean = helper.make_node("ReduceMean", ["voice"], ["y"], axes=[1], keepdims=0)
    save(tmp_path / "m.onnx", [mean], [value("voice", FLOAT, [None, 4])], [value("y", FLOAT, [None])])
    data = opened({"voice": "audio"}, {"voice": [sound([1.0] * 8), sound([1.0, 1.0]), sound([1.0] * 4, rate=4000)]})
    model = loaded(data, outputs="logits", sample_rate=8000)
    assert model.scores(data.batch()).shape == (3, 2)
    assert model.notes() == ["The graph takes shorter sounds: those of 2 cases were cut."]


# --- what is refused ----------------------------------------------------------------------------------------------


def test_without_onnxruntime_a_sentence_says_what_to_install(numbers, loaded, tmp_path, monkeypatch):
    linear(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"needs the package onnxruntime: pip install 'raikit\[models\]'"):
        loaded(numbers("multiclass"))


def test_operators_of_the_files_own_are_not_loaded(numbers, loaded, tmp_path):
    node = helper.make_node("Mine", ["facts"], ["y"], domain="com.example")
    save(tmp_path / "m.onnx", [node], [value("facts", FLOAT, [None, 2])], [value("y", FLOAT, [None, 2])])
    with pytest.raises(ModelError, match=r"onnxruntime cannot open m\.onnx \(.*com\.example"):
        loaded(numbers())


@pytest.mark.parametrize("columns", [1, 2])
def test_outputs_that_are_not_one_for_each_class_are_refused(numbers, loaded, tmp_path, columns):
    linear(tmp_path / "m.onnx", columns=columns)
    with pytest.raises(ModelError, match=rf"shape \(60, {columns}\) for 60 cases; expected 3 numbers, one for each class"):
        loaded(numbers("multiclass"))


def test_a_setting_that_the_loader_does_not_know_is_named(numbers, loaded, tmp_path):
    linear(tmp_path / "m.onnx")
    with pytest.raises(ConfigError, match=r"model\.load\.inptus: the loader knows no such setting"):
        loaded(numbers("multiclass"), inptus={})
    with pytest.raises(ConfigError, match=r"model\.load\.picture\.layout"):
        loaded(numbers("multiclass"), picture={"layout": "CHW"})


def test_it_is_audited_without_a_process_of_its_own(numbers, tmp_path):
    from raikit.cli import main

    numbers()
    linear(tmp_path / "m.onnx", columns=2)
    (tmp_path / "audit.yaml").write_text(
        "name: graph\ndata: {path: t.csv, target: y, inputs: {facts: {modality: tabular, columns: [x0, x1]}}}\n"
        "model: {load: {kind: onnx, path: m.onnx}}\nchecks: {performance.classification: {}}\nformats: [json]\n"
    )
    assert main(["audit", str(tmp_path / "audit.yaml"), "--out", str(tmp_path / "run"), "--no-baseline"]) == 0
    assert '"kind": "onnx"' in (tmp_path / "run" / "audit.json").read_text()
