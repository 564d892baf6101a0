"""What a folder of transformers must hold, how its labels meet those of the data, and what is refused in a sentence."""

import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from raikit.config.training import HuggingFaceTraining
from raikit.errors import ConfigError, ModelError
from raikit.models.huggingface.finetuning import start
from raikit.models.loaders import LOADERS, load

from .conftest import cases


@pytest.fixture
def edited(folder, tmp_path):
    """Copy a saved model so that a test can damage it."""

    def edited(name):
        shutil.copytree(folder(name), tmp_path / "model")
        return tmp_path / "model"

    return edited


def opened(folder, modalities, **settings):
    return load({"kind": "huggingface", "path": str(folder), **settings}, cases(modalities), LOADERS, folder)


def change(file, **settings):
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


def drop_weight(file, name):
    weights = load_file(file)
    del weights[name]
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: (path / "config.json").unlink(), r"no model of transformers \(there is no config\.json"),
        (lambda path: (path / "model.safetensors").unlink(), r"no weights \(there is no model\.safetensors"),
        (lambda path: (path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-100]), "within the file"),
        (lambda path: (path / "model.safetensors").write_bytes(b"\x01" * 40), "no weights that can be read"),
        (lambda path: drop_weight(path / "model.safetensors", "classifier.bias"), r"lacks the weights classifier\.bias"),
        (lambda path: [file.unlink() for file in path.glob("tokenizer*")], r"has no tokenizer that can be read"),
        (lambda path: (path / "tokenizer.json").unlink(), r"has no tokenizer that can be read.*tokenizer\.save_pretrained"),
        (lambda path: change(path / "config.json", auto_map={"AutoModel": "evil.Model"}), "auto_map.*trust_remote_code: true"),
        (lambda path: change(path / "config.json", quantization_config={"bits": 4}), "quantised"),
        (lambda path: change(path / "config.json", architectures=["BertForMaskedLM"]), "BertForMaskedLM is no model for"),
        (lambda path: change(path / "config.json", problem_type="multi_label_classification"), "several labels"),
        (lambda path: change(path / "config.json", model_type="no-such-thing"), "cannot be read by AutoConfig"),
        (lambda path: (path / "config.json").write_text("{"), "JSON"),
        (lambda path: (path / "vocab.txt").symlink_to("/etc/passwd"), "vocab.txt is a link"),
    ],
)
def test_a_folder_that_cannot_be_read_is_one_sentence(edited, damage, says):
    path = edited("bert")
    damage(path)
    with pytest.raises((ModelError, ConfigError), match=says) as caught:
        opened(path, ["text"])
    assert "\n" not in str(caught.value)


def test_a_missing_image_processor_is_told_without_a_hub(edited):
    path = edited("vit")
    (path / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"has no image processor that can be read; save it too, with `image_processor\.save_pret") as caught:
        opened(path, ["image"])
    assert "huggingface.co" not in str(caught.value)


def test_a_feature_extractor_without_a_rate_is_named(edited):
    path = edited("wav2vec2")
    change(path / "preprocessor_config.json", sampling_rate=0)
    with pytest.raises(ModelError, match="the feature extractor has no `sampling_rate`"):
        opened(path, ["audio"])


def test_a_pickle_is_read_by_permission_and_runs_nothing(edited):
    path = edited("bert")
    torch.save(transformers.AutoModelForSequenceClassification.from_pretrained(path).state_dict(), path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"pytorch_model\.bin, a pickle.*allow_pickle: true"):
        opened(path, ["text"])
    assert "scores" in opened(path, ["text"], allow_pickle=True).capabilities


@pytest.mark.parametrize(
    ("modalities", "says"),
    [
        (["image"], "reads one or two text inputs; data.inputs has 0"),
        (["text", "image"], "does not read image; leave 'image' out"),
    ],
)
def test_inputs_that_the_model_does_not_read_are_named(folder, modalities, says):
    with pytest.raises(ModelError, match=says):
        opened(folder("bert"), modalities)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"hub": "org/name", "path": None}, "allow_download: true"),
        ({"hub": "org/name"}, "either `path`"),
        ({"max_length": 0}, "max_length"),
        ({"labels": {"x": "a"}}, "the model has no label 'x'; it has"),
        ({"labels": {"c": "d"}}, "no output for the class c"),
    ],
)
def test_settings_that_cannot_be_right_are_named(folder, spec, says):
    with pytest.raises((ConfigError, ModelError), match=says):
        opened(folder("bert"), ["text"], **spec)


def test_placeholders_for_labels_must_be_said(edited):
    path = edited("bert")
    change(path / "config.json", id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})
    with pytest.raises(ModelError, match=r"calls its outputs 'LABEL_0' and so on.*labels: \{LABEL_0: a"):
        opened(path, ["text"])
    model = opened(path, ["text"], labels={"LABEL_0": "b", "LABEL_1": "a", "LABEL_2": "c"})
    assert model.module.order == [1, 0, 2]


def test_a_pair_of_texts_is_read_together_and_attributed_apart(folder):
    data = cases(["text", "other"])
    model = load({"kind": "huggingface", "path": str(folder("bert"))}, data, LOADERS, folder("bert"))
    batch = next(data.batches("test", 5))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder("bert"))
    net = transformers.AutoModelForSequenceClassification.from_pretrained(folder("bert")).eval()
    for row in range(5):
        pair = (batch.inputs[name][row] or "" for name in ("text", "other"))
        with torch.no_grad():
            expected = net(**tokenizer(*pair, return_tensors="pt")).logits[:, [1, 0, 2]].double().softmax(dim=1)
        torch.testing.assert_close(torch.tensor(model.scores(batch)[row : row + 1]), expected, atol=1e-5, rtol=0)
    positions = model.positions(batch)
    for name in ("text", "other"):
        for row, tokens in enumerate(positions[name]):
            assert "".join(tokens.text).replace("##", "") == (batch.inputs[name][row] or "").replace(" ", "")


def test_fresh_weights_come_from_the_base_or_are_drawn(folder):
    alone = opened(folder("bert"), ["text"])
    assert alone.origin.kind == "random"
    first, other = (dict(alone.fresh(seed).module.named_parameters()) for seed in (0, 1))
    assert all(not torch.equal(first[name], other[name]) for name in first if first[name].ndim > 1)
    based = opened(folder("bert"), ["text"], base=str(folder("bert")))
    assert based.origin == ("pretrained", folder("bert").name)
    start = dict(based.fresh(3).module.named_parameters())
    kept = dict(based.module.named_parameters())
    assert torch.equal(start["net.bert.embeddings.word_embeddings.weight"], kept["net.bert.embeddings.word_embeddings.weight"])


def test_a_folder_does_not_say_what_its_tokenizer_was_fitted_on(folder):
    """Its words may be those of the training cases, whatever the weights that private training starts from."""
    assert opened(folder("bert"), ["text"]).fitted() is None
    assert opened(folder("bert"), ["text"], base=str(folder("bert"))).fitted() is None
    assert start(cases(["text"]), HuggingFaceTraining(base=str(folder("bert")))).fitted() == {}
