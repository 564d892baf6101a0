"""Models of pictures and texts decide between the texts of the classes."""

import numpy as np
import pytest
import torch
import transformers

from raikit.errors import ModelError
from raikit.models.loaders import LOADERS, load

from .conftest import ZERO_SHOT, cases

PROMPTS = {"b": "word3 thing2", "a": "a photo of word1", "c": "thing6"}


def opened(folder, prompts):
    data = cases(["image"])
    return load({"kind": "huggingface", "path": str(folder), "prompts": prompts}, data, LOADERS, folder), data


@pytest.mark.parametrize("name", ZERO_SHOT)
def test_scores_are_those_of_the_bare_model(folder, name):
    model, data = opened(folder(name), PROMPTS)
    assert model.capabilities == {"labels", "scores", "gradients"}
    assert model.limits == []
    batch = next(data.batches("test", 8))
    net = transformers.AutoModel.from_pretrained(folder(name)).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder(name))
    padding = {"padding": "max_length", "max_length": 24} if name == "siglip" else {"padding": True}  # as the library's pipeline
    texts = transformers.AutoTokenizer.from_pretrained(folder(name))(
        [PROMPTS[label] for label in "abc"], return_tensors="pt", **padding
    )
    texts.pop("token_type_ids", None)
    given = [row for row, picture in enumerate(batch.inputs["image"]) if picture is not None]
    for row in given:
        pixels = processor(images=[batch.inputs["image"][row]], return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            logits = net(**texts, pixel_values=pixels).logits_per_image
        np.testing.assert_allclose(model.scores(batch)[row], logits.double().softmax(dim=1)[0], atol=1e-5)


@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        ({}, r"the class a has no text; give one for each class, as in \{a: a photo of a\}"),
        ({**PROMPTS, "d": "what"}, "'d' is no class of the data"),
    ],
)
def test_every_class_needs_a_text(folder, prompts, says):
    with pytest.raises(ModelError, match=says):
        opened(folder("clip"), prompts)
