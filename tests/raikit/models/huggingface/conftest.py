"""Small models of transformers, drawn at random and saved as their libraries save them, and data that they read."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
LABELS = {"id2label": {0: "b", 1: "a", 2: "c"}, "label2id": {"b": 0, "a": 1, "c": 2}}
WORDS = [f"word{number}" for number in range(23)] + [f"thing{number}" for number in range(7)]
TEXTS = [" ".join(f"word{number % 23} thing{number % 7}" for number in range(start, start + 9)) for start in range(40)]


def word_pieces(longest=64, **more) -> transformers.PreTrainedTokenizerFast:
    """Return a tokenizer like BERT's, trained on a few texts."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=longest, **names, **more)


def byte_pairs() -> transformers.PreTrainedTokenizerFast:
    """Return a tokenizer like GPT-2's, which has no padding token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=400, special_tokens=["<|endoftext|>"]))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=64, eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    )


def bert():
    config = transformers.BertConfig(vocab_size=300, max_position_embeddings=64, **SIZE, **LABELS)
    return transformers.BertForSequenceClassification(config), [word_pieces()]


def distilbert():
    config = transformers.DistilBertConfig(
        vocab_size=300, max_position_embeddings=64, dim=32, n_layers=2, n_heads=2, hidden_dim=48, **LABELS
    )
    return transformers.DistilBertForSequenceClassification(config), [word_pieces()]


def roberta():
    config = transformers.RobertaConfig(vocab_size=300, max_position_embeddings=66, pad_token_id=0, **SIZE, **LABELS)
    return transformers.RobertaForSequenceClassification(config), [word_pieces()]


def gpt2():
    config = transformers.GPT2Config(vocab_size=400, n_positions=64, n_embd=32, n_layer=2, n_head=2, **LABELS)
    return transformers.GPT2ForSequenceClassification(config), [byte_pairs()]


def vit():
    config = transformers.ViTConfig(image_size=32, patch_size=8, **SIZE, **LABELS)
    return transformers.ViTForImageClassification(config), [transformers.ViTImageProcessorPil(size={"height": 32, "width": 32})]


def resnet():
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **LABELS)
    return transformers.ResNetForImageClassification(config), [
        transformers.ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=0.875)
    ]


def clip_vision():
    config = transformers.CLIPVisionConfig(image_size=32, patch_size=8, **SIZE)
    whole = transformers.CLIPConfig(
        vision_config=config.to_dict(),
        text_config=transformers.CLIPTextConfig(vocab_size=300, max_position_embeddings=64, **SIZE).to_dict(), **LABELS,
    )
    return transformers.CLIPForImageClassification(whole), [
        transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    ]


def wav2vec2(norm="group"):
    config = transformers.Wav2Vec2Config(
        feat_extract_norm=norm, conv_dim=[16] * 3, conv_kernel=[10, 3, 3], conv_stride=[5, 2, 2], num_feat_extract_layers=3,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, classifier_proj_size=16, **SIZE, **LABELS,
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=4000, return_attention_mask=norm == "layer")
    return transformers.Wav2Vec2ForSequenceClassification(config), [extractor]


def ast():
    config = transformers.ASTConfig(num_mel_bins=16, max_length=32, patch_size=8, frequency_stride=8, time_stride=8, **SIZE, **LABELS)
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=16, max_length=32, sampling_rate=4000)
    return transformers.ASTForAudioClassification(config), [extractor]


def vilt():
    config = transformers.ViltConfig(vocab_size=300, max_position_embeddings=64, image_size=32, patch_size=8, **SIZE, **LABELS)
    return transformers.ViltForQuestionAnswering(config), [
        transformers.ViltProcessor(transformers.ViltImageProcessorPil(size={"shortest_edge": 32}, size_divisor=8), word_pieces())
    ]


def _towers():
    vision = transformers.CLIPVisionConfig(image_size=32, patch_size=8, **SIZE)
    text = transformers.CLIPTextConfig(vocab_size=300, max_position_embeddings=64, eos_token_id=3, pad_token_id=0, **SIZE)
    return vision, text


def clip():
    """Return a model of pictures and texts, which has no classes of its own."""
    vision, text = _towers()
    config = transformers.CLIPConfig(vision_config=vision.to_dict(), text_config=text.to_dict(), projection_dim=16)
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return transformers.CLIPModel(config), [processor, word_pieces()]


def siglip():
    """Return a model of pictures and texts that was trained on texts padded to one length, without a mask."""
    vision = transformers.SiglipVisionConfig(image_size=32, patch_size=8, **SIZE)
    text = transformers.SiglipTextConfig(vocab_size=300, max_position_embeddings=24, projection_size=32, **SIZE)
    config = transformers.SiglipConfig(vision_config=vision.to_dict(), text_config=text.to_dict())
    processor = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    return transformers.SiglipModel(config), [processor, word_pieces(24, model_input_names=["input_ids"])]


def dual_encoder():
    """Return a picture tower and a text tower of two libraries' models."""
    vision = transformers.ViTConfig(image_size=32, patch_size=8, **SIZE)
    text = transformers.BertConfig(vocab_size=300, max_position_embeddings=64, **SIZE)
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(vision, text, projection_dim=16)
    return transformers.VisionTextDualEncoderModel(config), [
        transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}), word_pieces()
    ]


ZERO_SHOT = {"clip": (clip, ["image"]), "siglip": (siglip, ["image"]), "dual-encoder": (dual_encoder, ["image"])}
MODELS = {
    "bert": (bert, ["text"]), "distilbert": (distilbert, ["text"]), "roberta": (roberta, ["text"]), "gpt2": (gpt2, ["text"]),
    "vit": (vit, ["image"]), "resnet": (resnet, ["image"]), "clip-vision": (clip_vision, ["image"]),
    "wav2vec2": (wav2vec2, ["audio"]), "wav2vec2-masked": (functools.partial(wav2vec2, "layer"), ["audio"]),
    "ast": (ast, ["audio"]), "vilt": (vilt, ["image", "text"]),
}  # fmt: skip


def save(name: str, folder: Path) -> Path:
    """Save a model with what reads its inputs; its weights are drawn from a fixed seed, large enough to decide variously."""
    torch.manual_seed(0)
    with np.errstate(all="ignore"):
        net, processors = (MODELS | ZERO_SHOT)[name][0]()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1 and name != "resnet":  # convolutions are drawn large enough
                parameter.mul_(6.0)
    net.save_pretrained(folder)
    for processor in processors:
        processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return the folder of a saved model by name."""
    return functools.cache(lambda name: save(name, tmp_path_factory.mktemp(name)))


def cases(modalities, rows=40) -> Dataset:
    """Return cases of uneven size, some without an input, with the classes a, b and c."""
    rng = np.random.default_rng(3)
    columns = {
        "text": [None if row % 9 == 4 else " ".join(rng.choice(WORDS, rng.integers(1, 14))) for row in range(rows)],
        "image": [None if row % 9 == 5 else _png(rng, 20 + row, 24 + 2 * (row % 7)) for row in range(rows)],
        "audio": [None if row % 9 == 6 else _wav(rng, 700 + 97 * (row % 5)) for row in range(rows)],
    }
    columns["other"] = columns["text"][::-1]
    table = pd.DataFrame({name: columns[name] for name in modalities})
    table["label"], table["split"] = [("a", "b", "c")[row % 3] for row in range(rows)], ["train", "test"] * (rows // 2)
    inputs = {name: {"modality": "text" if name == "other" else name, "column": name} for name in modalities}
    return Dataset.of(table, DataConfig(path="(memory)", target="label", inputs=inputs, split="split"))


def _png(rng, height, width) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _wav(rng, samples) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, rng.uniform(-0.5, 0.5, samples), 4000, format="WAV")
    return stream.getvalue()


@pytest.fixture(scope="session")
def data():
    """Return the data that a model reads."""
    return lambda name: cases(MODELS[name][1])
