"""Inputs at the edge of what media may be have a defined score, or are refused in one sentence."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import transformers
from PIL import Image
from scipy.signal import resample_poly

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ModelError
from raikit.models.huggingface.network import Network
from raikit.models.loaders import LOADERS, load
from raikit.models.scoring import score_all

from .conftest import LABELS, MODELS, SIZE, cases


def table(modality, values, labels=("a", "b", "c"), **settings):
    """Return cases of one input; the labels repeat."""
    columns = pd.DataFrame({"x": values, "label": [labels[row % len(labels)] for row in range(len(values))]})
    return Dataset.of(columns, DataConfig(path="(memory)", target="label", inputs={"x": {"modality": modality}}, **settings))


def scores_of(folder, modality, values, **spec):
    data = table(modality, values)
    model = load({"kind": "huggingface", "path": str(folder), **spec}, data, LOADERS, folder)
    return model, score_all(model, data, lambda done, total: None)[1]


def wav(samples, rate=4000):
    stream = io.BytesIO()
    soundfile.write(stream, np.asarray(samples, dtype=np.float32), rate, format="WAV", subtype="FLOAT")
    return stream.getvalue()


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def of_model(name):
    return [model for model in MODELS if MODELS[model][1] == [name]]


# --- sounds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", of_model("audio"))
def test_a_sound_of_another_rate_is_resampled(folder, name):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 3000)
    other = resample_poly(sound.astype(np.float32), 1, 2)
    _, scores = scores_of(folder(name), "audio", [wav(sound, 8000), wav(other, 4000), wav(sound, 4000)])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
    assert np.abs(scores[0] - scores[2]).max() > 1e-3, "the rate made no difference, so the test shows nothing"


@pytest.mark.parametrize("name", of_model("audio"))
def test_a_silent_sound_scores_as_a_missing_one(folder, name):
    _, scores = scores_of(folder(name), "audio", [wav(np.zeros(4000)), None, wav(np.ones(4000) * 0.25 * (np.arange(4000) % 2))])
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


@pytest.mark.parametrize("name", ["wav2vec2", "wav2vec2-masked"])
def test_a_waveform_is_scaled_by_its_own_spread_and_not_by_that_of_its_padding(folder, name):
    sounds = [np.random.default_rng(0).uniform(0, 0.5, samples).astype(np.float32) for samples in (900, 3000)]
    data = table("audio", [wav(sound) for sound in sounds] + [None])
    model = load({"kind": "huggingface", "path": str(folder(name))}, data, LOADERS, folder(name))
    values = model.prepare(next(data.batches("test", 2)))["input_values"]
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder(name))
    for row, sound in enumerate(sounds):
        alone = extractor(sound, sampling_rate=4000, return_tensors="pt")["input_values"][0]
        torch.testing.assert_close(values[row, : len(sound)], alone)


@pytest.mark.parametrize("samples", [1, 3, 39, 40, 399])
@pytest.mark.parametrize("name", of_model("audio"))
def test_a_sound_that_is_shorter_than_a_frame_is_followed_by_silence(folder, name, samples):
    sounds = [wav(np.full(samples, 0.3)), wav(np.random.default_rng(0).uniform(-0.5, 0.5, 2000)), None]
    _, scores = scores_of(folder(name), "audio", sounds)
    assert np.isfinite(scores).all()


# --- pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (3, 40), (1, 40), (3, 3), (40, 3)])
@pytest.mark.parametrize("name", of_model("image"))
def test_a_picture_of_few_pixels_is_read_with_its_channels_last(folder, name, shape):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3))
    _, scores = scores_of(folder(name), "image", [png(pixels), png(pixels[::-1, ::-1]), None])
    processor = transformers.AutoImageProcessor.from_pretrained(folder(name))
    net = transformers.AutoModelForImageClassification.from_pretrained(folder(name)).eval()
    with torch.no_grad():
        read = processor(images=pixels.astype(np.uint8), input_data_format="channels_last", return_tensors="pt")
        expected = net(**read).logits.softmax(dim=1)
    np.testing.assert_allclose(scores[0], expected[0, [1, 0, 2]], atol=1e-5)


# --- texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", of_model("text"))
def test_texts_that_are_all_empty_have_one_score(folder, name):
    _, scores = scores_of(folder(name), "text", ["", "", None, "", "", ""])
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, scores[:1].repeat(6, axis=0), atol=1e-6)


@pytest.mark.parametrize("name", of_model("text"))
def test_a_text_beyond_the_limit_is_cut_and_noted(folder, name):
    long = " ".join(["word1 thing2"] * 200)
    model, scores = scores_of(folder(name), "text", [long, long + " word3", "word1", "word2", long], max_length=16)
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    assert model.notes() == ["3 cases had texts of 16 tokens or more; what is longer was cut."]


# --- another task ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "modality", "says"),
    [
        ("vit", "text", "ViTForImageClassification reads one image input; data.inputs has 0"),
        ("ast", "image", "ASTForAudioClassification reads one audio input; data.inputs has 0"),
        ("bert", "audio", "BertForSequenceClassification reads one or two text inputs; data.inputs has 0"),
        ("vilt", "image", "ViltForQuestionAnswering reads one text input; data.inputs has 0"),
    ],
)
def test_a_model_of_other_inputs_is_one_sentence(folder, name, modality, says):
    with pytest.raises(ModelError, match=says) as caught:
        load({"kind": "huggingface", "path": str(folder(name))}, cases([modality]), LOADERS, folder(name))
    assert "\n" not in str(caught.value)


def test_a_classifier_is_not_read_as_a_regression_nor_the_other_way(folder, tmp_path):
    numbers = table("text", ["word1"] * 12, labels=(0.5, 1.25, 2.0, 3.5), task="regression")
    with pytest.raises(ModelError, match="the target is a number, and the model has 3 outputs, not one"):
        load({"kind": "huggingface", "path": str(folder("bert"))}, numbers, LOADERS, tmp_path)
    net = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder("bert"), num_labels=1, ignore_mismatched_sizes=True
    )
    for part in (net, transformers.AutoTokenizer.from_pretrained(folder("bert"))):
        part.save_pretrained(tmp_path / "one")
    with pytest.raises(ModelError, match="the target has classes, and the model has one output"):
        load({"kind": "huggingface", "path": str(tmp_path / "one")}, cases(["text"]), LOADERS, tmp_path)


@pytest.mark.parametrize("architecture", ["BertForQuestionAnswering", "BertModel", "T5ForConditionalGeneration"])
def test_a_model_without_a_head_for_classes_is_named(folder, tmp_path, architecture):
    net = transformers.BertModel(transformers.AutoConfig.from_pretrained(folder("bert")))
    net.config.architectures = [architecture]
    net.save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"BertModel"', f'"{architecture}"'))
    with pytest.raises(ModelError, match=f"{architecture} is no model for the classification"):
        load({"kind": "huggingface", "path": str(tmp_path)}, cases(["text"]), LOADERS, tmp_path)


# Families that mask time in training, ten frames of the encoder at once.
_FAMILIES = {
    "wav2vec2": transformers.Wav2Vec2Config, "hubert": transformers.HubertConfig, "wavlm": transformers.WavLMConfig,
}  # fmt: skip


@pytest.mark.parametrize("name", _FAMILIES)
def test_sounds_shorter_than_a_mask_can_be_trained_on(name):
    config = _FAMILIES[name](
        conv_dim=[16] * 3, conv_kernel=[10, 3, 3], conv_stride=[5, 2, 2], num_feat_extract_layers=3, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, classifier_proj_size=16, mask_time_prob=0.5, **SIZE, **LABELS,
    )  # fmt: skip
    net = Network(transformers.AutoModelForAudioClassification.from_config(config), [0, 1, 2]).train()
    for samples in (60, 200, 4000):
        net(input_values=torch.zeros(2, samples)).sum().backward()
        assert net.net.config.apply_spec_augment
    torch.manual_seed(0)
    assert not torch.equal(*(net(input_values=torch.ones(1, 4000)) for _ in range(2))), "long sounds are still masked"
