"""A file is looked through before it is run: what is no graph, or leads elsewhere, is one sentence."""

import os

import numpy as np
import onnx
import pytest
from graphs import FLOAT, WEIGHTS, linear, save, value
from onnx import TensorProto, helper

from raikit.errors import ModelError
from raikit.models.onnx import file
from raikit.models.onnx.file import read_graph

HELD = WEIGHTS[:, :2].tobytes()


def external(path, location, offset=None, length=None, data=HELD):
    """Write a graph whose weights lie in another file, and that file if it lies beside it."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    for key, entry in (("location", location), ("offset", offset), ("length", length)):
        if entry is not None:
            tensor.external_data.add(key=key, value=str(entry))
    node = helper.make_node("MatMul", ["facts", "w"], ["y"])
    graph = helper.make_graph([node], "g", [value("facts", FLOAT, [None, 2])], [value("y", FLOAT, [None, 2])], [tensor])
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    if data is not None:
        (path.parent / "w.bin").write_bytes(data)


def test_tensors_beside_the_graph_are_read_and_hashed(numbers, predictions, loaded, tmp_path):
    external(tmp_path / "m.onnx", "w.bin", 0, 16)
    dataset = numbers()
    model = loaded(dataset)
    logits = dataset.frame(["x0", "x1"]).to_numpy(dtype=np.float32) @ WEIGHTS[:, :2]
    np.testing.assert_allclose(predictions(model, dataset)["score"], 1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), atol=1e-6)
    assert list(model.describe()["external"]) == ["w.bin"]


@pytest.mark.parametrize("location", ["../outside", "/etc/passwd", "a/../../outside", "", "C:\\x", "..\\outside"])
def test_tensors_elsewhere_are_refused(tmp_path, location):
    (tmp_path / "in").mkdir()
    (tmp_path / "outside").write_bytes(b"0" * 16)
    external(tmp_path / "in" / "m.onnx", location)
    with pytest.raises(ModelError, match=r"m\.onnx has tensors in a file outside its folder"):
        read_graph(tmp_path / "in" / "m.onnx")


def test_tensors_elsewhere_are_found_in_graphs_within_the_graph(tmp_path):
    inner_tensor = TensorProto(name="w", data_type=FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    inner_tensor.external_data.add(key="location", value="../outside")
    inner = helper.make_graph([helper.make_node("Identity", ["w"], ["i"])], "inner", [], [value("i", FLOAT, [1])], [inner_tensor])
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    graph = helper.make_graph([node], "g", [value("c", TensorProto.BOOL, [])], [value("y", FLOAT, [1])])
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(ModelError, match="outside its folder"):
        read_graph(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("put", "says"),
    [
        (lambda path: None, "missing"),
        (lambda path: path.mkdir(), "no regular file"),
        (os.mkfifo, "no regular file"),
        (lambda path: path.symlink_to("/etc/passwd"), "a link"),
    ],
)
def test_a_file_of_tensors_that_is_none_is_refused(tmp_path, put, says):
    external(tmp_path / "m.onnx", "w.bin", data=None)
    put(tmp_path / "w.bin")
    with pytest.raises(ModelError, match=rf"has tensors in w\.bin, which is {says}"):
        read_graph(tmp_path / "m.onnx")


def test_a_folder_that_leads_elsewhere_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "w.bin").write_bytes(b"0" * 16)
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    external(tmp_path / "in" / "m.onnx", "up/w.bin", data=None)
    with pytest.raises(ModelError, match="which is a link"):
        read_graph(tmp_path / "in" / "m.onnx")


@pytest.mark.parametrize(("offset", "length"), [(0, 17), (1, 16), (-1, 4), ("x", 4), (0, 10**30)])
def test_tensors_beyond_their_file_are_refused(tmp_path, offset, length):
    external(tmp_path / "m.onnx", "w.bin", offset, length)
    with pytest.raises(ModelError, match=r"w\.bin is not as long as m\.onnx says"):
        read_graph(tmp_path / "m.onnx")


def test_a_file_that_is_too_large_or_none_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"there is no file m\.onnx"):
        read_graph(tmp_path / "m.onnx")
    linear(tmp_path / "m.onnx")
    monkeypatch.setattr(file, "_MOST_BYTES", 10)
    with pytest.raises(ModelError, match=r"m\.onnx has [\d,]+ bytes; the limit is 10"):
        read_graph(tmp_path / "m.onnx")
    os.mkfifo(tmp_path / "p.onnx")
    with pytest.raises(ModelError, match=r"p\.onnx is no regular file"):
        read_graph(tmp_path / "p.onnx")


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\xff" * 100])
def test_a_damaged_file_is_one_sentence(numbers, loaded, tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.onnx is no graph of ONNX|onnxruntime cannot open m\.onnx"):
        loaded(numbers())


@pytest.mark.parametrize("of", ["input", "output"])
def test_names_that_are_no_text_are_one_sentence(numbers, loaded, tmp_path, of):
    linear(tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx")
    getattr(graph.graph, of)[0].type.tensor_type.shape.dim[0].dim_param = "nnnn"
    (tmp_path / "m.onnx").write_bytes(graph.SerializeToString().replace(b"nnnn", b"\xed\xa0\xed\xff"))
    with pytest.raises(ModelError, match=r"m\.onnx is no graph of ONNX|onnxruntime cannot open m\.onnx"):
        loaded(numbers())


def test_what_computes_an_output_is_seen_past_its_layout(tmp_path):
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["a"]), helper.make_node("Identity", ["a"], ["p"]),
        helper.make_node("Gemm", ["x", "w"], ["b"]), helper.make_node("Flatten", ["b"], ["q"]),
    ]  # fmt: skip
    save(tmp_path / "m.onnx", nodes, [value("x", FLOAT, [None, 2])], [value(name, FLOAT, [None, 2]) for name in "pq"], {"w": WEIGHTS})
    graph = read_graph(tmp_path / "m.onnx")
    assert (graph.is_linear("p"), graph.is_linear("q"), graph.external) == (False, True, {})
    assert onnx.load(tmp_path / "m.onnx").graph.name == "g"
