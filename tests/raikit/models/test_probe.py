"""Capabilities are tried as a model is opened, and scores that depend on other cases are refused."""

import re

import numpy as np
import pytest
import torch

import raikit
from raikit.errors import ModelError
from raikit.models.encoded import Encoded
from raikit.models.loaders import LOADERS, load
from raikit.models.probe import examine
from raikit.testing import dataset, model

WORDS = dataset("binary", ["text"], rows=120)


class Lengths(raikit.Model):
    """Scores a text by its length; what it does beside that is up to a subclass."""

    kind = "lengths"

    def __init__(self, data):
        self.classes = list(data.classes)
        self.modalities = {name: item.modality for name, item in data.inputs.items()}

    def _lengths(self, batch):
        (values,) = batch.inputs.values()
        return torch.tensor([[float(len(value or ""))] for value in values])

    def encode(self, batch):
        return Encoded({next(iter(self.modalities)): self._lengths(batch)})

    def forward(self, encoded):
        (lengths,) = encoded.values()
        return torch.cat([torch.zeros_like(lengths), lengths / 50 - 1], dim=1)

    def scores(self, batch):
        return Lengths.forward(self, Lengths.encode(self, batch)).double().softmax(dim=1).numpy()


def test_capabilities_follow_from_the_methods_that_a_class_defines():
    assert examine(Lengths(WORDS), WORDS).capabilities == {"labels", "scores", "gradients"}


def test_the_tiny_model_has_all_that_it_says():
    assert examine(model(WORDS), WORDS).limits == []


@pytest.mark.parametrize(
    ("method", "returns", "says"),
    [
        ("forward", lambda self, encoded: Lengths.forward(self, encoded).detach(), "do not depend on the encoded inputs"),
        ("forward", lambda self, encoded: Lengths.forward(self, encoded) * 3, "explain another model"),
        ("forward", lambda self, encoded: Lengths.forward(self, encoded)[:, :1], r"of shape \(3, 1\), and the scores have \(3, 2\)"),
        ("forward", lambda self, encoded: Lengths.forward(self, encoded) + (encoded["text"] - encoded["text"]).sqrt(), "NaN"),
        ("forward", lambda self, encoded: {}["logits"], "raised KeyError"),
        ("encode", lambda self, batch: {"text": self._lengths(batch).long()}, "whole numbers for 'text'"),
        ("encode", lambda self, batch: {"text": self._lengths(batch)[:1]}, "no tensors of 3 cases"),
        ("embeddings", lambda self, batch: np.zeros(len(batch)), r"returned the shape \(3,\)"),
        ("embeddings", lambda self, batch: np.full((len(batch), 2), np.nan), "NaN or infinite"),
    ],
)
def test_a_capability_that_fails_is_taken_away_and_the_reason_is_said(method, returns, says):
    lacking = "embeddings" if method == "embeddings" else "gradients"
    found = examine(type("Failing", (Lengths,), {method: returns})(WORDS), WORDS)
    assert lacking not in found.capabilities
    (sentence,) = found.limits
    assert sentence.startswith(f"The model does not provide {lacking}: ")
    assert re.search(says, sentence), sentence


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (lambda self, batch: Lengths.scores(self, batch) ** (1 + 0.01 * len(batch)), "beside other cases and .* alone; statistics"),
        (lambda self, batch: Lengths.scores(self, batch) + np.random.normal(0, 1e-3, (len(batch), 1)), "on the second"),
        (lambda self, batch: 1 / 0, "raised ZeroDivisionError for the cases from id .* on: division by zero"),
    ],
)
def test_scores_that_depend_on_more_than_the_case_are_refused(scores, says):
    with pytest.raises(ModelError, match=says):
        examine(type("Failing", (Lengths,), {"scores": scores})(WORDS), WORDS)


def test_batch_statistics_are_refused_through_the_loader_of_modules(numbers, module, tmp_path):
    source = """
import torch
class Net(torch.nn.Module):
    def forward(self, facts):
        return (facts - facts.mean(0)).sum(1)
def build():
    return Net()
"""
    with pytest.raises(ModelError, match=r"model\.load: the model scores the case with id .* alone"):
        load({"kind": "torch", "path": f"{module(source)}:build"}, numbers(), LOADERS, tmp_path)
