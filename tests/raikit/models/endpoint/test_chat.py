"""Chat completions: the question, the word of a class, and probabilities if the endpoint gives them."""

import numpy as np
import pandas as pd
import pytest
from server import complete, infer

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ModelError

PROMPT = "Is this rude? {comment} Answer yes or no."
WORDS = {"0": "no", "1": "yes"}


@pytest.fixture
def ask(serve, opened, comments):
    """Open a model of a chat server."""
    return lambda reply=complete, **settings: opened(
        serve(reply), comments, protocol="openai", **{"prompt": PROMPT, "labels": WORDS, **settings}
    )


def test_probabilities_are_those_of_the_words(serve, opened, comments, predictions):
    server = serve(complete)
    model = opened(server, comments, protocol="openai", prompt=PROMPT, labels=WORDS, system="Be brief.")
    frame = predictions(model, comments)
    low = 0.2 / (0.2 + 0.9 * 0.8)  # a tenth of the probability of "no" is on a token that is none of the words
    high = 0.9 / (0.9 + 0.9 * 0.1)
    np.testing.assert_allclose(frame["score"], [high if "bad" in text else low for text in comments_of(comments)])
    assert "scores" in model.capabilities
    body = server.requests[0]
    assert set(server.paths) == {"/chat/completions"}
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert (body["model"], body["temperature"], body["logprobs"]) == ("m", 0, True)


def comments_of(data):
    return [text or "" for batch in data.batches("test", 99) for text in batch.inputs["comment"]]


@pytest.mark.parametrize("logprobs", [True, False])
def test_without_log_probabilities_there_are_decisions_alone(ask, comments, predictions, logprobs):
    def reply(body, number):
        return {"choices": [{"message": complete(body)["choices"][0]["message"]}]}

    model = ask(reply, logprobs=logprobs)
    frame = predictions(model, comments)
    assert model.capabilities == {"labels"} and "score" not in frame
    assert frame["prediction"].tolist() == [int("bad" in text) for text in comments_of(comments)]
    assert any("no usable log-probabilities" in note for note in model.notes()) == logprobs


def saying(word):
    return lambda body, number: {"choices": [{"message": {"content": word}}]}


@pytest.mark.parametrize("word", ["yes", " Yes.", "YES", '"yes"', "**Yes**", "yes\n"])
def test_a_word_is_matched_apart_from_case_and_marks_around_it(ask, comments, predictions, word):
    assert set(predictions(ask(saying(word)), comments)["prediction"]) == {1}


@pytest.mark.parametrize("word", ["yes, it is", "maybe", "", "yesno", "no yes", "the SECRET"])
def test_another_answer_is_an_error_or_the_class_that_is_said(ask, comments, predictions, word):
    with pytest.raises(ModelError, match=r"answer for the case with id .* is none of no, yes; ask for one word") as raised:
        ask(saying(word))
    assert "SECRET" not in str(raised.value)
    model = ask(saying(word), otherwise="0")
    assert set(predictions(model, comments)["prediction"]) == {0}
    assert any("12 answers were no word of a class and count as 0" in note for note in model.notes())


def with_tokens(*pairs):
    def reply(body, number):
        tokens = [{"token": token, "logprob": float(np.log(p))} for token, p in pairs]
        return {"choices": [{"message": {"content": "yes"}, "logprobs": {"content": [{"top_logprobs": tokens}]}}]}

    return reply


@pytest.mark.parametrize("pairs", [[("x", 0.9), ("yes", 0.1)], [], [("yes", float("nan"))]])
def test_log_probabilities_that_say_nothing_on_the_words_are_none(ask, pairs):
    assert ask(with_tokens(*pairs)).capabilities == {"labels"}


def test_a_token_that_begins_two_words_tells_nothing(ask):
    assert ask(with_tokens(("y", 0.9), ("n", 0.1)), labels={"0": "no", "1": "yes"}).capabilities == {"labels", "scores"}
    assert ask(with_tokens(("un", 0.6), ("y", 0.4)), labels={"0": "unsure", "1": "yes"}).capabilities == {"labels", "scores"}
    model = ask(with_tokens(("y", 0.9), ("n", 0.1)), labels={"0": "yellow", "1": "yes"}, otherwise="0")
    assert model.capabilities == {"labels"}


def test_log_probabilities_that_are_missing_later_name_the_case(ask, comments, predictions):
    def reply(body, number):
        answer = complete(body)
        if number > 8:
            del answer["choices"][0]["logprobs"]
        return answer

    with pytest.raises(ModelError, match=r"no log-probabilities for the words of the classes for the case with id .*logprobs: false"):
        predictions(ask(reply), comments)


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": {"content": None}}]}, {"choices": "x"}, {"error": "SECRET"}])
def test_an_answer_of_another_kind_is_one_sentence(ask, answer):
    with pytest.raises(ModelError, match=r"has no `choices` with a message as chat completions have them\.$"):
        ask(lambda body, number: answer)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"prompt": "{coment}"}, r"'coment' is no text and no column of the data \(comment\)\. Did you mean 'comment'\?"),
        ({"prompt": "no input"}, r"leaves out 'comment'"),
        ({"prompt": "{comment"}, "a brace is not closed"),
        ({"prompt": "{comment.__class__}"}, r"'comment\.__class__' is no text"),
        ({"prompt": "{comment!r}"}, "holds more than a name"),
        ({"prompt": "{comment:>99999999}"}, "holds more than a name"),
        ({"prompt": "{}"}, "'' is no text"),
        ({"labels": {"2": "x"}}, r"'2' is not a class; the classes are 0, 1"),
        ({"labels": {"0": "Yes", "1": "yes"}}, "each class needs a word of its own"),
        ({"otherwise": "x"}, r"otherwise: 'x' is not a class"),
    ],
)
def test_a_prompt_or_words_that_do_not_fit_are_refused_before_a_case_is_sent(serve, opened, comments, settings, says):
    server = serve(complete)
    with pytest.raises(ModelError, match=says):
        opened(server, comments, protocol="openai", **{"prompt": PROMPT, "labels": WORDS, **settings})
    assert not server.requests


def test_a_prompt_holds_columns_and_what_stands_in_a_case_is_no_template(serve, opened):
    frame = pd.DataFrame({"comment": ["a {x} {comment}", None], "age": [3, 4], "y": [0, 1]})
    inputs = {"comment": {"modality": "text"}, "facts": {"modality": "tabular", "columns": ["age"]}}
    data = Dataset.of(frame, DataConfig.model_validate({"path": "t", "target": "y", "inputs": inputs}))
    server = serve(complete)
    opened(server, data, protocol="openai", prompt="{{{comment}}} of {age}", labels=WORDS)
    assert {body["messages"][0]["content"] for body in server.requests} == {"{a {x} {comment}} of 3", "{} of 4"}


def test_numbers_are_no_classes(serve, opened, numbers):
    with pytest.raises(ModelError, match="decides between classes, and the target is a number"):
        opened(serve(infer), numbers("regression"), protocol="openai", prompt="{x0}{x1}")
