from itertools import product

import numpy as np
import pytest

from raikit.models.base import Model
from raikit.testing import dataset, model, predictions

EVERY = ("tabular", "text", "image", "audio")


@pytest.mark.parametrize(("task", "modalities"), list(product(["binary", "multiclass", "regression"], [*([m] for m in EVERY), EVERY])))
def test_a_tiny_model_does_all_that_a_model_can_for_every_task_and_input(task, modalities, tmp_path):
    data = dataset(task, modalities, rows=60)
    made = model(data)
    assert made.capabilities == {"labels", "scores", "gradients", "embeddings", "trainable"}
    batch = next(data.batches("test", 4))
    assert made.scores(batch).shape == (4, len(data.classes) or 1)
    assert np.array_equal(made.scores(batch), model(data).scores(batch))
    assert made.fresh().embeddings(batch).shape[0] == 4
    encoded = {name: tensor.requires_grad_() for name, tensor in made.encode(batch).items()}
    made.forward(encoded).sum().backward()
    assert all(tensor.grad is not None for tensor in encoded.values())
    found = predictions(data, made, folder=tmp_path)
    assert found.size("test") == data.size("test")


@pytest.mark.parametrize("modality", EVERY)
def test_the_label_can_be_learnt_from_each_kind_of_input(modality, tmp_path):
    data = dataset(modalities=[modality], rows=400)
    frame = predictions(data, model(data), folder=tmp_path).frame()
    assert (frame["target"] == frame["prediction"]).mean() > 0.7


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_drawn_predictions_are_plausible_and_better_for_the_first_group(task, tmp_path):
    data = dataset(task, rows=2000, missing=True)
    frame = predictions(data, folder=tmp_path / "new").frame(split="*")
    off = (frame["target"] - frame["prediction"]).abs() if task == "regression" else frame["target"] != frame["prediction"]
    worse = off.groupby(frame["group"]).mean()
    assert 0 < worse["F"] < worse["M"]
    assert list(frame["id"]) == list(data.roles["id"])
    again = predictions(data, folder=tmp_path / "again").frame(split="*")
    assert again.equals(frame)
    assert not predictions(data, folder=tmp_path / "other", seed=1).frame(split="*").equals(frame)


def test_the_model_is_a_model():
    assert isinstance(model(dataset(rows=24)), Model)
