"""KServe v2: the tensors that are sent, and the numbers that come back."""

import base64
import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image
from server import WEIGHTS, infer, sent, softmax

from raikit.data.batch import Audio, Batch
from raikit.errors import ModelError


def numbers_of(dataset):
    return dataset.frame(["x0", "x1"]).to_numpy(dtype=np.float32).astype(float)


def outputs(values, **changes):
    values = np.asarray(values)
    return {"outputs": [{"name": "p", "datatype": "FP32", "shape": list(values.shape), "data": values.ravel().tolist(), **changes}]}


def test_probabilities_of_a_server_are_scores(serve, opened, numbers, predictions):
    server, dataset = serve(infer), numbers()
    frame = predictions(opened(server, dataset, batch_size=16), dataset)
    np.testing.assert_allclose(frame["score"], softmax(numbers_of(dataset) @ WEIGHTS)[:, 1], atol=1e-6)
    assert set(server.paths) == {"/v2/models/m/infer"}
    assert server.requests[-1]["inputs"][0].keys() == {"name", "shape", "datatype", "data"}
    assert max(body["inputs"][0]["shape"][0] for body in server.requests) == 16


def test_logits_are_told_from_probabilities_and_classes_are_matched_by_name(serve, opened, numbers, predictions):
    def reply(body, number):
        x = sent(body)
        return outputs(np.hstack([x, x[:, :1] * 2]))

    dataset = numbers("multiclass")
    frame = predictions(opened(serve(reply), dataset, classes=["c", "b", "a"]), dataset)
    x = numbers_of(dataset)
    np.testing.assert_allclose(frame[["score.c", "score.b", "score.a"]], softmax(np.hstack([x, x[:, :1] * 2])), atol=1e-6)


def test_a_regression_is_what_the_server_says(serve, opened, numbers, predictions):
    dataset = numbers("regression")
    frame = predictions(opened(serve(lambda body, number: outputs(sent(body)[:, 0])), dataset), dataset)
    np.testing.assert_allclose(frame["prediction"], numbers_of(dataset)[:, 0])


def test_one_number_must_be_said_to_be_something(serve, opened, numbers, predictions):
    dataset = numbers()
    server = serve(lambda body, number: outputs(1 / (1 + np.exp(-sent(body)[:, :1]))))
    with pytest.raises(ModelError, match=r"one number for each case; say what with `model\.load\.outputs"):
        opened(server, dataset)
    frame = predictions(opened(server, dataset, outputs="probabilities"), dataset)
    np.testing.assert_allclose(frame["score"], 1 / (1 + np.exp(-numbers_of(dataset)[:, 0])))


class Cases:
    """Three cases of any inputs in memory."""

    parts = None

    def __init__(self, modalities, **values):
        self.values, self.task, self.classes = values, "binary", [0, 1]
        self.inputs = {
            name: SimpleNamespace(modality=modalities[name], columns=list(getattr(value, "columns", [name]))) for name, value in values.items()
        }

    def add_classes(self, labels):
        """Classes are given."""

    def batches(self, split, size, indices=None):
        rows = list(range(min(size, 3)))
        inputs = {name: v.iloc[rows] if isinstance(v, pd.DataFrame) else [v[row] for row in rows] for name, v in self.values.items()}
        yield Batch([f"c{row}" for row in rows], inputs)


def half(body, number=0):
    return outputs([[0.5, 0.5]] * body["inputs"][0]["shape"][0])


def test_texts_pictures_and_sounds_are_bytes_and_files_in_base64(serve, opened):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    samples = np.array([0.0, 0.5, -1.0], dtype=np.float32)
    server = serve(half)
    data = Cases(
        {"said": "text", "photo": "image", "voice": "audio"}, said=["a", None, "ü"], photo=[picture, None, picture],
        voice=[Audio(samples, 8000), Audio(samples, 8000), None],
    )  # fmt: skip
    opened(server, data, inputs={"said": "TEXT"})
    said, photo, voice = next(body for body in server.requests if body["inputs"][0]["shape"] == [3, 1])["inputs"]
    assert (said["name"], said["datatype"], said["data"]) == ("TEXT", "BYTES", ["a", "", "ü"])
    assert photo["parameters"] == {"content_type": "base64"} and photo["data"][1] == ""
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(photo["data"][0])))), picture)
    read, rate = soundfile.read(io.BytesIO(base64.b64decode(voice["data"][0])))
    np.testing.assert_allclose(read, samples, atol=1e-4)
    assert (rate, voice["data"][2]) == (8000, "")


def test_a_table_with_texts_is_one_tensor_for_each_column(serve, opened):
    server = serve(half)
    frame = pd.DataFrame({"town": ["a", None, "c"], "age": [1.5, 2.5, np.nan]})
    with pytest.raises(ModelError, match=r"column 'age' has no finite number for the case with id 'c2', and JSON.*`model\.load\.missing`"):
        opened(server, Cases({"facts": "tabular"}, facts=frame))
    assert not server.requests
    opened(server, Cases({"facts": "tabular"}, facts=frame), missing=-1)
    town, age = server.requests[0]["inputs"]
    assert (town["name"], town["datatype"], town["data"]) == ("town", "BYTES", ["a", "", "c"])
    assert (age["name"], age["datatype"], age["data"], age["shape"]) == ("age", "FP32", [1.5, 2.5, -1.0], [3, 1])


def test_of_several_outputs_one_is_named(serve, opened, numbers):
    def reply(body, number):
        (one,) = infer(body)["outputs"]
        return {"outputs": [one, {**one, "name": "q"}, {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["x"]}]}

    server = serve(reply)
    with pytest.raises(ModelError, match=r"returned the outputs label, p, q; say in `model\.load\.output`"):
        opened(server, numbers())
    opened(server, numbers(), output="q")
    assert server.requests[-1]["outputs"] == [{"name": "q"}]


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ({}, "no `outputs` as KServe v2 has them"),
        ({"outputs": [3]}, "no `outputs` as KServe v2 has them"),
        ({"error": "SECRET ROW"}, "no `outputs` as KServe v2 has them"),
        (outputs([[0.5, 0.5]]), r"shape \(1, 2\) for \d cases; expected 2 numbers, one for each class"),
        (outputs([[0.5, 0.5]] * 3, shape=[3, 3]), "6 numbers, which do not fill the shape"),
        (outputs([[0.5, 0.5]] * 3, shape="x"), "do not fill the shape"),
        (outputs([[0.5, 0.5]] * 3, shape=[6, 1, -1]), "do not fill the shape"),
        (outputs([[0.5, 0.5]] * 3, data=["a"] * 6), "whose data are no numbers"),
        (outputs([[0.5, 0.5]] * 3, data=[[1], [1, 2]]), "whose data are no numbers"),
        (outputs([[0.5, 0.5]] * 3, data=None), "whose data are no numbers"),
        (outputs([[0.5, 0.5]] * 3, data=[10**400] * 6), "whose data are no numbers|no numbers|NaN or infinite"),
        (outputs([[0.5, float("nan")]] * 3), "NaN or infinite for the case with id"),
        (outputs([[0.5, float("inf")]] * 3), "NaN or infinite for the case with id"),
    ],
)
def test_a_wrong_answer_is_one_sentence_without_its_contents(serve, opened, numbers, reply, says):
    with pytest.raises(ModelError, match=says) as raised:
        opened(serve(lambda body, number: reply), numbers())
    assert "SECRET ROW" not in str(raised.value) and len(str(raised.value).splitlines()) == 1


def test_probabilities_that_stop_being_some_are_an_error(serve, opened, numbers, predictions):
    def reply(body, number):
        values = np.array(infer(body)["outputs"][0]["data"]).reshape(-1, 2)
        return outputs(values if len(values) < 4 else values * 3)

    dataset = numbers()
    with pytest.raises(ModelError, match=r"the endpoint returned probabilities, but .* is none; say which with `model\.load\.outputs"):
        predictions(opened(serve(reply), dataset), dataset)
