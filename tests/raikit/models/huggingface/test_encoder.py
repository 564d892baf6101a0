"""A fusion model reads an input through a pretrained body of transformers, as through one of its own encoders."""

import contextlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError, ModelError
from raikit.models.base import Origin
from raikit.models.encoded import encode
from raikit.models.fusion import FusionModel
from raikit.models.loaders import LOADERS, load
from raikit.models.positions import Pixels, Tokens
from raikit.models.trainer import fit
from raikit.models.training import build_model, train_fusion, validate_settings

from .conftest import SIZE, cases, word_pieces

BODIES = {"bert": "text", "distilbert": "text", "roberta": "text", "gpt2": "text", "vit": "image", "resnet": "image",
          "wav2vec2": "audio", "wav2vec2-masked": "audio", "ast": "audio"}
TOWERS = {f"{pair}/{modality}": modality for pair in ("clip", "siglip", "dual-encoder") for modality in ("text", "image")}
BODIES |= TOWERS
QUICK = {"epochs": 2, "width": 16, "learning_rate": 4e-3}


def model_of(folder, name, method="frozen", **more):
    modality = BODIES[name]
    data = cases(list(dict.fromkeys([modality, "text"])))
    path = str(folder(name.partition("/")[0]))
    settings = QUICK | {"encoders": {modality: {"path": path, "method": method}}} | more
    return build_model(data, validate_settings(settings)), data


@pytest.mark.parametrize("name", BODIES)
def test_scores_do_not_depend_on_the_batch_and_encoded_inputs_give_them_too(folder, name):
    model, data = model_of(folder, name)
    batch = next(data.batches("train", 12))
    together = model.scores(batch)
    alone = np.concatenate([model.scores(batch.take([row])) for row in range(12)])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    assert np.ptp(together[:, 0]) > 1e-3  # the scores differ at all
    logits = model.forward(encode(model, batch))
    np.testing.assert_allclose(logits.double().softmax(1).detach(), together, atol=1e-5)


@pytest.mark.parametrize("name", BODIES)
def test_an_input_that_is_hidden_in_training_is_its_baseline(folder, name):
    model, data = model_of(folder, name)
    batch, modality = next(data.batches("train", 6)), BODIES[name]
    encoder, prepared = model.net.pretrained[0], model.prepare(batch)
    kept = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    with torch.no_grad():
        hidden = encoder.read({**prepared, **encoder.hide(prepared, kept)})
        encoded = encode(model, batch)
        absent, present = encoder.restore(encoded.without([modality])), encoder.restore(encoded)
    torch.testing.assert_close(hidden, torch.where(kept.bool()[:, None], present, absent), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(absent[0], present[0], atol=1e-3)


@pytest.mark.parametrize("name", ["bert", "vit", "wav2vec2", "clip/text", "siglip/image", "dual-encoder/text"])
@pytest.mark.parametrize("method", ["frozen", "lora", "full"])
def test_each_method_trains_what_it_names_and_is_saved_without_its_folder(folder, name, method, tmp_path):
    shutil.copytree(folder(name.partition("/")[0]), tmp_path / "base")
    modality = BODIES[name]
    data = cases(list(dict.fromkeys([modality, "text"])))
    settings = QUICK | {"encoders": {modality: {"path": str(tmp_path / "base"), "method": method, "learning_rate": 1e-2}}}
    before = build_model(data, validate_settings(settings)).net.pretrained[0].net.state_dict()
    model, _ = train_fusion(data, settings)
    after = model.net.pretrained[0].net.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    adapters = {key for key in before if "lora_" in key}
    if method == "full":
        assert len(changed) > len(before) // 2
    else:
        assert changed == adapters
        assert bool(adapters) == (method == "lora")
    model.save(tmp_path / "saved")
    shutil.rmtree(tmp_path / "base")
    again = load({"kind": "fusion", "path": "saved"}, data, LOADERS, tmp_path)
    batch = next(data.batches("test", 12))
    np.testing.assert_array_equal(again.scores(batch), model.scores(batch))
    assert again.limits == []
    assert again.origin == Origin("random" if method == "full" else "unknown")


@pytest.mark.parametrize("method", ["frozen", "lora", "full"])
def test_fresh_starts_from_the_folder_that_is_named(folder, method, tmp_path):
    model, data = model_of(folder, "bert", method)
    assert model.origin == Origin("pretrained", folder("bert").name)
    start = model.net.pretrained[0].pretrained_state()
    model.save(tmp_path)
    again = load(
        {"kind": "fusion", "path": str(tmp_path), "encoders": {"text": str(folder("bert"))}}, data, LOADERS, tmp_path
    )
    with torch.no_grad():
        for parameter in again.net.parameters():
            parameter.add_(1.0)
    one, other = again.fresh(1), again.fresh(2)
    for fresh in (one, other):
        assert fresh.origin == model.origin
        state = fresh.net.pretrained[0].pretrained_state()
        assert all(torch.equal(state[key], tensor) for key, tensor in start.items())
    assert not torch.equal(one.net.head.weight, other.net.head.weight)
    assert again.copy().origin == model.origin


@pytest.mark.parametrize("name", ["bert", "roberta", "vit", "wav2vec2"])
def test_frozen_bodies_are_computed_once_in_training_with_the_same_weights_as_each_time(folder, name):
    def train(once):
        calls = []
        model, data = model_of(folder, name)
        model.net.pretrained[0].net.register_forward_hook(lambda *_: calls.append(1))
        with model.frozen_bodies_once() if once else contextlib.nullcontext():
            fit(model, data, epochs=6, seed=2, batch_size=8)
        return model, data, len(calls)

    (model, data, few), (other, _, many) = train(True), train(False)
    assert few < many / 2
    weights = other.net.state_dict()
    for key, tensor in model.net.state_dict().items():
        torch.testing.assert_close(tensor, weights[key], atol=1e-4, rtol=1e-3)
    assert not set(model.prepare(next(data.batches("test", 2)))) & {"text:states", "image:states", "audio:states"}


def test_adapters_begin_as_the_pretrained_body(folder):
    frozen, data = model_of(folder, "bert")
    lora, _ = model_of(folder, "bert", "lora")
    batch = next(data.batches("test", 8))
    prepared = frozen.prepare(batch)
    with torch.no_grad():
        one, other = (model.net.pretrained[0] for model in (frozen, lora))
        other.out.load_state_dict(one.out.state_dict())
        torch.testing.assert_close(one.read(prepared), other.read(prepared))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_an_interrupted_training_goes_on_to_the_same_weights(folder, method, tmp_path):
    def train(workdir, *, stop=False):
        model, data = model_of(folder, "wav2vec2", method)
        fit(model, data, epochs=3, seed=5, workdir=workdir, callbacks=[_raise] if stop else [])
        return model.net.state_dict()

    def _raise(history, module):
        if len(history.epochs) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "one", stop=True)
    resumed, whole = train(tmp_path / "one"), train(tmp_path / "two")
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_pretrained_weights_change_at_their_own_rate(folder):
    model, data = model_of(folder, "bert", "full", encoders={"text": {"path": str(folder("bert")), "method": "full"}})
    assert model.net.rate_shares == {"encoders.0.net.": pytest.approx(5e-5 / 4e-3)}
    before = {key: tensor.clone() for key, tensor in model.net.state_dict().items()}
    fit(model, data, epochs=1, learning_rate=4e-3, batch_size=64, weight_decay=0.0)
    moved = {key: float((tensor - before[key]).abs().max()) for key, tensor in model.net.state_dict().items()}
    body = max(change for key, change in moved.items() if key.startswith("encoders.0.net."))
    assert 0 < body < moved["head.weight"] / 20


def test_positions_are_the_tokens_of_the_folder_and_the_patches_of_the_picture(folder):
    data = cases(["text", "image"])
    encoders = {"text": {"path": str(folder("bert"))}, "image": {"path": str(folder("vit"))}}
    model = build_model(data, validate_settings(QUICK | {"encoders": encoders}))
    batch = next(data.batches("train", 3))
    positions = model.positions(batch)
    tokens = positions["text"][0]
    assert isinstance(tokens, Tokens)
    text = batch.inputs["text"][0]
    assert "".join(tokens.text) == text.replace(" ", "")
    assert [text[slice(*span)] for span in tokens.spans if span] == [word for word in tokens.text if word]
    assert positions["image"][0] == Pixels(patch=8)
    assert encode(model, batch)["text"].shape[1] == len(tokens.text)


def test_long_texts_are_cut_and_counted(folder):
    encoders = {"text": {"path": str(folder("bert")), "max_length": 6}}
    data = cases(["text"])
    model = build_model(data, validate_settings(QUICK | {"encoders": encoders}))
    model.scores(next(data.batches("train", 20)))
    assert "texts of 6 tokens or more" in model.notes()[0]


def test_a_frozen_encoder_is_better_than_chance_where_its_states_say_the_class(folder):
    rng = np.random.default_rng(0)
    words = [[f"word{number}" for number in range(12)], [f"word{number}" for number in range(12, 23)]]
    rows = [(row % 2, " ".join(rng.choice(words[row % 2], 6))) for row in range(160)]
    table = pd.DataFrame({"text": [text for _, text in rows], "label": [label for label, _ in rows],
                          "split": ["train", "train", "test", "test"] * 40})
    data = Dataset.of(table, DataConfig(path="m", target="label", inputs={"text": {"modality": "text"}}, split="split"))
    model, history = train_fusion(data, {"epochs": 8, "encoders": {"text": {"path": str(folder("bert"))}}})
    batch = next(data.batches("test", 80))
    assert (model.scores(batch).argmax(1) == batch.target).mean() > 0.8
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss


# --- what cannot be used -----------------------------------------------------------------------------------------


def _says(folder, encoders, message, modalities=("text", "image"), error=ModelError):
    with pytest.raises(error, match=message):
        train_fusion(cases(list(modalities)), QUICK | {"encoders": encoders})


def test_an_encoder_that_does_not_fit_is_named(folder, tmp_path):
    _says(folder, {"txt": {"path": "x"}}, "encoders.txt: 'txt' is not among data.inputs. Did you mean 'text'", error=ConfigError)
    _says(folder, {"text": {"path": "nowhere"}}, "^model.train.encoders.text: nowhere holds no model of transformers")
    _says(folder, {"text": {"path": str(folder("vit"))}}, "encoders.text: the model in .* reads image, not text")
    _says(folder, {"image": {"path": str(folder("vilt"))}}, "reads text and image, not image")
    _says(folder, {"audio": {"path": str(folder("clip"))}}, "reads text and image, not audio", modalities=("text", "audio"))
    _says(folder, {"text": {"path": "x", "method": "half"}}, "must be 'frozen', 'lora' or 'full'", error=ConfigError)
    shutil.copytree(folder("bert"), tmp_path / "bare")
    for file in (tmp_path / "bare").glob("token*"):
        file.unlink()
    _says(folder, {"text": {"path": str(tmp_path / "bare")}}, "encoders.text: .* has no tokenizer that can be read")
    shutil.copytree(folder("bert"), tmp_path / "code")
    config = json.loads((tmp_path / "code" / "config.json").read_text())
    (tmp_path / "code" / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
    _says(folder, {"text": {"path": str(tmp_path / "code")}}, "'auto_map' asks for code")


def test_a_table_has_no_pretrained_encoder():
    table = pd.DataFrame({"a": [1.0, 2.0] * 10, "label": [0, 1] * 10, "split": ["train", "train", "test", "test"] * 5})
    config = DataConfig(path="m", target="label", inputs={"form": {"modality": "tabular", "columns": ["a"]}}, split="split")
    with pytest.raises(ConfigError, match="'form' is a table"):
        train_fusion(Dataset.of(table, config), {"encoders": {"form": {"path": "x"}}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda of: of["config"].update(auto_map={"AutoModel": "evil.Model"}), "'auto_map' asks for code"),
        (lambda of: of["config"].update(num_hidden_layers=10_000_000), "num_hidden_layers is 10,000,000"),
        (lambda of: of["config"].update(vocab_size=1 << 24, hidden_size=2048), "its configuration needs"),
        (lambda of: of.update(method="other"), "must have a configuration and a method"),
        (lambda of: of.update(rank="many"), "must be positive numbers"),
    ],
)
def test_a_saved_model_asks_for_no_code_and_no_more_than_its_weights(folder, tmp_path, change, message):
    model, _ = model_of(folder, "bert", "lora")
    model.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    change(config["sources"][0]["encoder"])
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        FusionModel.load(tmp_path)


def test_a_saved_model_needs_what_reads_its_inputs(folder, tmp_path):
    model, data = model_of(folder, "bert")
    model.save(tmp_path / "a")
    with pytest.raises(ModelError, match="no pretrained encoder for 'txt'. Did you mean 'text'"):
        load({"kind": "fusion", "path": "a", "encoders": {"txt": "x"}}, data, LOADERS, tmp_path)
    other = transformers.BertModel(transformers.BertConfig(vocab_size=300, **(SIZE | {"hidden_size": 16})))
    other.save_pretrained(tmp_path / "other")
    word_pieces().save_pretrained(tmp_path / "other")
    named = load({"kind": "fusion", "path": "a", "encoders": {"text": "other"}}, data, LOADERS, tmp_path)
    with pytest.raises(ModelError, match="has other weights than its folder"):
        named.fresh(0)
    shutil.rmtree(tmp_path / "a" / "encoder-0")
    with pytest.raises(ModelError, match="lacks the folder encoder-0"):
        FusionModel.load(tmp_path / "a")


def t5():
    return transformers.T5Model(transformers.T5Config(vocab_size=300, d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2))


def deberta():
    size = SIZE | {"relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"]}
    return transformers.DebertaV2Model(transformers.DebertaV2Config(vocab_size=300, **size))


def swin():
    return transformers.SwinModel(
        transformers.SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4)
    )


def whisper():
    layers = {f"{side}_{what}": number for side in ("encoder", "decoder")
              for what, number in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 48))}
    config = transformers.WhisperConfig(
        num_mel_bins=16, d_model=32, vocab_size=300, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
        max_source_positions=50, suppress_tokens=None, begin_suppress_tokens=None, **layers,
    )
    return transformers.WhisperModel(config)


@pytest.mark.parametrize(
    ("make", "reader", "modality"),
    [
        (t5, word_pieces, "text"),
        (deberta, word_pieces, "text"),
        (swin, lambda: transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}), "image"),
        (whisper, lambda: transformers.WhisperFeatureExtractor(
            feature_size=16, sampling_rate=4000, chunk_length=1, hop_length=40, n_fft=100), "audio"),
    ],
)  # fmt: skip
def test_encoders_of_larger_models_and_without_a_token_of_their_own_are_read_too(make, reader, modality, tmp_path):
    torch.manual_seed(0)
    make().save_pretrained(tmp_path)
    reader().save_pretrained(tmp_path)
    data = cases([modality])
    model, _ = train_fusion(data, QUICK | {"epochs": 1, "encoders": {modality: {"path": str(tmp_path), "method": "lora"}}})
    batch = next(data.batches("train", 8))
    together = model.scores(batch)
    np.testing.assert_allclose(np.concatenate([model.scores(batch.take([row])) for row in range(8)]), together, atol=1e-5)
    np.testing.assert_allclose(model.forward(encode(model, batch)).double().softmax(1).detach(), together, atol=1e-5)
    assert not any("decoder" in key for key in model.net.state_dict())


# --- towers of networks that compare texts with pictures ---------------------------------------------------------

BARE = {
    "clip/text": transformers.CLIPTextModel, "clip/image": transformers.CLIPVisionModel,
    "siglip/text": transformers.SiglipTextModel, "siglip/image": transformers.SiglipVisionModel,
}  # fmt: skip


@pytest.mark.parametrize("name", TOWERS)
def test_the_states_of_a_tower_are_those_of_the_bare_tower(folder, name):
    path, modality = folder(name.partition("/")[0]), TOWERS[name]
    model, data = model_of(folder, name)
    if name in BARE:
        bare = BARE[name].from_pretrained(path).eval()
    else:
        whole = transformers.AutoModel.from_pretrained(path).eval()
        bare = whole.text_model if modality == "text" else whole.vision_model
    batch = next(data.batches("train", 20))
    states = model.net.pretrained[0].states(model.prepare(batch))[f"{modality}:states"]
    for row, value in enumerate(batch.inputs[modality]):
        if value is None:
            continue
        if modality == "image":
            read = transformers.AutoImageProcessor.from_pretrained(path)(images=[value], return_tensors="pt")
        else:  # as transformers' own pipeline pads texts for SigLIP
            padding = {"padding": "max_length", "max_length": 24} if "siglip" in name else {}
            read = transformers.AutoTokenizer.from_pretrained(path)([value], return_tensors="pt", **padding)
        accepted = {key: tensor for key, tensor in read.items() if key != "token_type_ids"}
        with torch.no_grad():
            expected = bare(**accepted).last_hidden_state.mean(dim=1)[0]
        torch.testing.assert_close(states[row], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_is_no_more_than_what_its_states_need(folder, name):
    model, data = model_of(folder, name, "full")
    model.module.train(False)
    batch = next(data.batches("train", 20))
    model.loss(model.module(**model.prepare(batch)), torch.zeros(20, dtype=torch.int64)).sum().backward()
    without = [key for key, weight in model.net.pretrained[0].named_parameters() if weight.grad is None]
    assert [key for key in without if "post_layernorm" not in key] == []  # that of CLIP's pictures is for its one vector


@pytest.mark.parametrize(
    ("net", "modality", "message"),
    [
        ("Siglip2", "image", "^model.train.encoders.image: .* needs 'pixel_attention_mask', which raikit does not make"),
        ("OwlViT", "text", "^model.train.encoders.text: .* does not say which layer embeds its tokens"),
    ],
)
def test_a_tower_that_cannot_be_read_is_one_sentence(folder, net, modality, message, tmp_path):
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    text = SIZE | special | {"vocab_size": 300, "max_position_embeddings": 24, "projection_size": 32}
    config = getattr(transformers, f"{net}Config")(text_config=text, vision_config=SIZE | {"patch_size": 8, "image_size": 32})
    getattr(transformers, f"{net}Model")(config).save_pretrained(tmp_path)
    transformers.AutoImageProcessor.from_pretrained(folder("vit")).save_pretrained(tmp_path)
    word_pieces().save_pretrained(tmp_path)
    _says(folder, {modality: {"path": str(tmp_path)}}, message)


def test_a_saved_tower_does_not_build_the_other_one(folder, tmp_path):
    model, _ = model_of(folder, "clip/text")
    model.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["sources"][0]["encoder"]["config"]["vision_config"].update(hidden_size=1 << 16, intermediate_size=1 << 20)
    (tmp_path / "config.json").write_text(json.dumps(config))  # the other tower would take a terabyte
    assert FusionModel.load(tmp_path).net.pretrained[0].settings["name"] == folder("clip").name
