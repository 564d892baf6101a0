"""Models that tag tokens or give several labels: their logits are those of the bare models, and every capability works."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

from raikit.config.schema import DataConfig, TrainConfig
from raikit.data.dataset import Dataset
from raikit.errors import ModelError
from raikit.models.loaders import LOADERS, load
from raikit.models.training import train

from .conftest import SIZE, WORDS, byte_pairs, word_pieces

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
LABELS = ["insult", "threat", "toxic"]


def named(labels):
    return {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}


def distilbert():
    return transformers.DistilBertForTokenClassification(transformers.DistilBertConfig(
        vocab_size=300, max_position_embeddings=64, dim=32, n_layers=2, n_heads=2, hidden_dim=48, **named(TAGS)))


def roberta():
    return transformers.RobertaForTokenClassification(transformers.RobertaConfig(
        vocab_size=400, max_position_embeddings=66, pad_token_id=0, **SIZE, **named(TAGS)))


def bert():
    return transformers.BertForTokenClassification(
        transformers.BertConfig(vocab_size=300, max_position_embeddings=64, **SIZE, **named(TAGS)))


def several():
    return transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=300, max_position_embeddings=64, problem_type="multi_label_classification", **SIZE, **named(LABELS)))


TAGGERS = {"bert": (bert, word_pieces), "distilbert": (distilbert, word_pieces), "roberta": (roberta, byte_pairs)}


@pytest.fixture
def saved(tmp_path):
    """Save a model with its tokenizer; its weights are large enough to decide variously."""

    def saved(net, tokenizer):
        torch.manual_seed(0)
        net = net()
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(6.0)
        net.save_pretrained(tmp_path / "model")
        tokenizer.save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    return saved


def texts(longest=9, **roles):
    rng = np.random.default_rng(3)
    words = [rng.choice([*WORDS, "unheardof"], rng.integers(1, longest)).tolist() for _ in range(40)]
    table = pd.DataFrame({"words": words, "tags": [rng.choice(TAGS, len(of_text)).tolist() for of_text in words]})
    config = {"path": "(memory)", "target": "tags", "task": "token_classification", "inputs": {"words": {"modality": "text"}}}
    return Dataset.of(table, DataConfig.model_validate(config | roles))


def labelled(**roles):
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"text": [" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(40)]})
    table = table.assign(**{label: rng.integers(0, 2, 40) for label in LABELS})
    config = {"path": "(memory)", "target": LABELS[::-1], "inputs": {"text": {"modality": "text"}}}
    return Dataset.of(table, DataConfig.model_validate(config | roles))


def opened(folder, data, **settings):
    return load({"kind": "huggingface", "path": str(folder), **settings}, data, LOADERS, folder)


def bare_tags(folder, batch, classes):
    """Return the logits of each token's first piece, for each text alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    net = transformers.AutoModelForTokenClassification.from_pretrained(folder).eval()
    logits = []
    for words, part in zip(batch.inputs["words"], batch.part, strict=True):
        pieces = tokenizer([list(words)], is_split_into_words=True, return_tensors="pt")
        accepted = transformers.modeling_utils.inspect.signature(net.forward).parameters
        with torch.no_grad():
            own = net(**{name: tensor for name, tensor in pieces.items() if name in accepted}).logits[0]
        logits.append(own[pieces.word_ids(0).index(int(part))])
    return torch.stack(logits)[:, [TAGS.index(label) for label in classes]]


def tokenizer_of(name):
    tokenizer = TAGGERS[name][1]()
    if name == "roberta":
        tokenizer.add_prefix_space = True
    return tokenizer


@pytest.mark.parametrize("name", TAGGERS)
def test_tags_are_those_of_the_bare_model_and_do_not_depend_on_the_batch(saved, name):
    folder, data = saved(TAGGERS[name][0], tokenizer_of(name)), texts()
    model = opened(folder, data)
    batch = next(data.batches("test", 50))
    expected = bare_tags(folder, batch, data.classes)
    with torch.no_grad():
        np.testing.assert_allclose(model.module(**model.prepare(batch)), expected, atol=1e-5)
        np.testing.assert_allclose(model.forward(model.encode(batch)), expected, atol=1e-5)
    np.testing.assert_allclose(model.scores(batch), expected.double().softmax(dim=1), atol=1e-5)
    one = np.concatenate([model.scores(batch.take([row])) for row in range(len(batch))])
    np.testing.assert_allclose(one, model.scores(batch), atol=1e-6)
    assert np.ptp(model.scores(batch)[:, 0]) > 1e-3, "a model that decides alike for all tokens shows nothing"


def test_tags_are_those_of_the_pipeline(saved):
    folder, data = saved(bert, word_pieces()), texts()
    model = opened(folder, data)
    pipeline = transformers.pipeline("token-classification", model=str(folder), aggregation_strategy="none", ignore_labels=[])
    batch = next(data.batches("test", 8))
    words = list(batch.inputs["words"][0])
    found = {item["start"]: item for item in pipeline(" ".join(words))}
    starts = np.cumsum([0, *(len(word) + 1 for word in words)])
    for row, start in enumerate(starts[: min(len(words), len(batch))]):
        scores = model.scores(batch)[row]
        assert data.classes[scores.argmax()] == found[start]["entity"]
        assert scores.max() == pytest.approx(found[start]["score"], abs=1e-5)


def test_a_tagger_has_every_capability(saved):
    data = texts()
    model = opened(saved(bert, word_pieces()), data)
    assert model.capabilities == {"labels", "scores", "gradients", "embeddings", "trainable"}
    batch = next(data.batches("test", 12))
    with torch.no_grad():
        logits = model.net.classifier(torch.tensor(model.embeddings(batch)))[:, model.module.order]
        np.testing.assert_allclose(logits, model.module(**model.prepare(batch)), atol=1e-5)
    assert model.embeddings(batch).shape == (12, 32)
    tokens = model.positions(batch)["words"][0]
    text = " ".join(batch.inputs["words"][0])
    assert all(piece == text[slice(*span)] for piece, span in zip(tokens.text, tokens.spans, strict=True) if span)


def test_a_sign_of_which_nothing_is_left_is_an_unknown_word(saved):
    data = texts()
    model = opened(saved(bert, word_pieces()), data)
    batch = next(data.batches("test", 3))
    for words in batch.inputs["words"]:
        words[-1] = "\u200b"
    assert np.isfinite(model.scores(batch)).all()


def test_texts_that_are_longer_than_the_model_reads_are_refused_when_it_is_opened(saved):
    data, folder = texts(), saved(bert, word_pieces())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    starts = np.flatnonzero(np.append(True, np.diff(data.parts.whole) != 0))
    sizes = [len(tokenizer(list(data.table["words"].iloc[at]), is_split_into_words=True)["input_ids"]) for at in starts]
    long = [row for row, size in enumerate(sizes) if size > 8]
    says = rf"{len(long)} texts have more pieces than the model reads \(8\), the first in row {data.parts.rows[starts[long[0]]] + 1} of "
    with pytest.raises(ModelError, match=says):
        opened(folder, data, max_length=8)
    model = opened(folder, data, max_length=max(sizes))
    assert np.isfinite(model.scores(next(data.batches("test", 200)))).all()


def test_labels_are_those_of_the_bare_model_by_name(saved):
    folder, data = saved(several, word_pieces()), labelled()
    model = opened(folder, data)
    batch = next(data.batches("test", 20))
    net = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for row, text in enumerate(batch.inputs["text"]):
        with torch.no_grad():
            logits = net(**tokenizer(text, return_tensors="pt")).logits[0]
        expected = float(logits[LABELS.index(data.parts.values[row])].double().sigmoid())
        assert model.scores(batch)[row] == pytest.approx([1 - expected, expected], abs=1e-5)
    assert model.embeddings(batch).shape == (20, 32)
    with torch.no_grad():
        logits = model.forward(model.encode(batch))
    np.testing.assert_allclose(logits.double().softmax(dim=1), model.scores(batch), atol=1e-5)


def test_models_and_data_of_different_tasks_are_refused(saved):
    folder = saved(bert, word_pieces())
    tags = texts()
    with pytest.raises(ModelError, match="tags each token of a text; say `data.task: token_classification`"):
        opened(folder, labelled())
    folder = saved(several, word_pieces())
    with pytest.raises(ModelError, match="gives no tags; `data.task: token_classification` needs one that does"):
        opened(folder, tags)
    table = pd.DataFrame({"text": ["a", "b"], "y": LABELS[:2]})
    one = Dataset.of(table, DataConfig.model_validate(
        {"path": "(memory)", "target": "y", "positive": "threat", "inputs": {"text": {"modality": "text"}}}))
    with pytest.raises(ModelError, match="gives each case several labels; say `data.task: multilabel`"):
        opened(folder, one)


def test_a_label_that_the_model_lacks_is_named_and_can_be_mapped(saved):
    folder = saved(several, word_pieces())
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"text": ["a b", "c"] * 4, "rude": rng.integers(0, 2, 8), "threat": [0, 1] * 4})
    config = {"path": "(memory)", "target": ["rude", "threat"], "inputs": {"text": {"modality": "text"}}}
    data = Dataset.of(table, DataConfig.model_validate(config))
    with pytest.raises(ModelError, match="the model has no output for the label 'rude'; its labels are insult, threat, toxic"):
        opened(folder, data)
    assert opened(folder, data, labels={"toxic": "rude"}).module.order == [2, 1]


def test_other_kinds_of_models_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(ModelError, match="models of kind 'sklearn' are not audited for several labels; `huggingface` and"):
        load({"kind": "sklearn", "path": "x.skops"}, labelled(), LOADERS, tmp_path)


@pytest.mark.parametrize("kind", ["fusion", "huggingface"])
def test_training_is_refused_in_a_sentence(tmp_path, kind):
    settings = TrainConfig.model_validate({"kind": kind, "base": "x"})
    with pytest.raises(ModelError, match="raikit trains no models for tokens of texts or several labels; train yours elsewhere"):
        train(settings, texts(), tmp_path, 0, tmp_path, lambda done, total: None)
