"""Kept answers: each case is asked for once, and what cannot be read is asked for again."""

import json
import os

import numpy as np
import pytest
from server import complete, infer

from raikit.errors import ModelError
from raikit.process.beginning import beginning


def asked(server):
    return sum(body["inputs"][0]["shape"][0] for body in server.requests)


def test_each_case_is_asked_for_once(serve, opened, numbers, predictions, tmp_path):
    server, dataset = serve(infer), numbers()
    first = predictions(opened(server, dataset, cache="kept", batch_size=7), dataset)
    assert asked(server) == 60
    second = predictions(opened(server, dataset, cache="kept"), dataset)
    assert asked(server) == 60
    np.testing.assert_array_equal(first["score"], second["score"])


@pytest.mark.parametrize("changes", [{"name": "other"}, {"output": "p"}, {"missing": 0, "inputs": {"facts": "x"}}])
def test_another_model_or_request_has_other_answers(serve, opened, numbers, predictions, changes):
    server, dataset = serve(infer), numbers()
    predictions(opened(server, dataset, cache="kept"), dataset)
    predictions(opened(server, dataset, cache="kept", **changes), dataset)
    assert asked(server) == 120


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"answer": null}', b'{"answer": [NaN, 1]}', b'{"answer": "x"}', b"\xff"])
def test_a_damaged_answer_is_asked_for_again(serve, opened, numbers, predictions, tmp_path, damaged):
    server, dataset = serve(infer), numbers()
    before = predictions(opened(server, dataset, cache="kept"), dataset)
    path = sorted((tmp_path / "kept").rglob("*.json"))[0]
    path.write_bytes(damaged)
    after = predictions(opened(server, dataset, cache="kept"), dataset)
    np.testing.assert_allclose(before["score"], after["score"])
    assert len(json.loads(path.read_bytes())["answer"]) == 2


def test_no_input_is_kept(serve, opened, numbers, tmp_path):
    opened(serve(infer), numbers(), cache="kept")
    kept = [json.loads(path.read_bytes()) for path in (tmp_path / "kept").rglob("*.json")]
    assert kept and all(set(item) == {"answer"} for item in kept)


def test_a_file_is_no_folder(serve, opened, numbers, tmp_path):
    (tmp_path / "kept").write_text("x")
    with pytest.raises(ModelError, match=r"model\.load\.cache: kept cannot be a folder"):
        opened(serve(infer), numbers(), cache="kept")


def test_other_words_have_other_answers(serve, opened, comments, predictions):
    server, data = serve(complete), comments
    settings = {"protocol": "openai", "prompt": "{comment}", "cache": "kept"}
    first = predictions(opened(server, data, labels={"0": "no", "1": "yes"}, **settings), data)
    turned = predictions(opened(server, data, labels={"0": "yes", "1": "no"}, **settings), data)
    np.testing.assert_allclose(first["score"], 1 - turned["score"])


def test_an_answer_that_something_else_puts_there_while_the_command_runs_is_asked_for_again(
    serve, opened, numbers, predictions, tmp_path
):
    server, dataset = serve(infer), numbers()
    before = predictions(opened(server, dataset, cache="kept"), dataset)
    with beginning():
        for path in (tmp_path / "kept").rglob("*.json"):  # as a plugin would, with the times of the true answer
            times = path.stat()
            path.write_bytes(b'{"answer": [0.5, 0.5]}')
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        model = opened(server, dataset, cache="kept")
        np.testing.assert_array_equal(predictions(model, dataset)["score"], before["score"])
        assert asked(server) == 120
        predictions(model, dataset)  # its own answers are kept
        assert asked(server) == 120
