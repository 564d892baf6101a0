"""Models of transformers: their logits, their capabilities, their classes, and what is refused."""

import numpy as np
import pytest
import torch
import transformers

from raikit.models.encoded import encode
from raikit.models.loaders import LOADERS, load

from .conftest import MODELS


@pytest.fixture
def loaded(folder, data, tmp_path):
    """Load a model by name; returns it with its data."""

    def loaded(name, **settings):
        cases = data(name)
        return load({"kind": "huggingface", "path": str(folder(name)), **settings}, cases, LOADERS, tmp_path), cases

    return loaded


def bare_logits(name, folder, batch):
    """Return what the libraries compute for each case alone, in the order a, b, c."""
    cls = getattr(transformers, transformers.AutoConfig.from_pretrained(folder).architectures[0])
    net = cls.from_pretrained(folder).eval()
    logits = []
    for row in range(len(batch)):
        one = {key: values[row] for key, values in batch.inputs.items()}
        tensors = {}
        if "text" in one:
            tensors |= transformers.AutoTokenizer.from_pretrained(folder)(one["text"] or ("<|endoftext|>" if name == "gpt2" else ""), return_tensors="pt")
        if "image" in one:
            picture = one["image"] if one["image"] is not None else np.full((64, 64, 3), 127, dtype=np.uint8)
            processor = transformers.AutoImageProcessor.from_pretrained(folder)
            tensors |= processor(images=[picture], return_tensors="pt")
            if one["image"] is None:
                tensors["pixel_values"] = torch.zeros_like(tensors["pixel_values"])
        if "audio" in one:
            extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
            samples = one["audio"].samples if one["audio"] is not None else np.zeros(4000, dtype=np.float32)
            tensors |= extractor(samples, sampling_rate=4000, return_tensors="pt")
        accepted = transformers.modeling_utils.inspect.signature(net.forward).parameters
        with torch.no_grad():
            logits.append(net(**{key: tensor for key, tensor in tensors.items() if key in accepted}).logits)
    return torch.cat(logits)[:, [1, 0, 2]]


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_the_bare_model_and_do_not_depend_on_the_batch(loaded, folder, name):
    model, cases = loaded(name)
    batch = next(cases.batches("test", 12))
    expected = bare_logits(name, folder(name), batch)
    with torch.no_grad():
        np.testing.assert_allclose(model.module(**model.prepare(batch)), expected, atol=1e-5)
    np.testing.assert_allclose(model.scores(batch), expected.double().softmax(dim=1), atol=1e-5)
    assert np.ptp(model.scores(batch)[:, 0]) > 1e-3, "a model that decides alike for all cases shows nothing"


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_all_capabilities_and_its_attributions_add_up(loaded, name):
    model, cases = loaded(name)
    assert model.limits == []
    assert model.capabilities == {"labels", "scores", "gradients", "embeddings", "trainable"}
    batch = next(cases.batches("test", 6))
    encoded = encode(model, batch)
    np.testing.assert_allclose(model.forward(encoded).detach().softmax(dim=1), model.scores(batch), atol=1e-5)
    present = encoded.present()
    for key, values in batch.inputs.items():
        assert present[key].tolist() == [value is not None for value in values]
    absent = model.forward(encoded.without(list(model.modalities)))
    assert (absent - model.forward(encoded)).abs().max() > 1e-4
    assert {len(positions) for positions in model.positions(batch).values()} == {6}


def test_a_fresh_model_is_where_its_model_is(loaded):
    model, _ = loaded("bert")
    model.device = "meta"  # the one other device that each machine has
    assert {parameter.device.type for parameter in model.fresh(1).module.parameters()} == {"meta"}


def test_a_saved_model_cuts_texts_as_it_did(loaded, tmp_path):
    model, cases = loaded("bert", max_length=3)
    model.save(tmp_path / "saved")
    again = load({"kind": "huggingface", "path": str(tmp_path / "saved")}, cases, LOADERS, tmp_path)
    batch = next(cases.batches("test", 12))
    np.testing.assert_allclose(again.scores(batch), model.scores(batch), atol=1e-6)
    assert np.abs(loaded("bert")[0].scores(batch) - model.scores(batch)).max() > 1e-4, "no text is long enough to be cut"
