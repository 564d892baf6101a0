"""Compare raikit's scoring with a hand-written DataLoader loop over the same model, and measure memory over many cases.

Texts, pictures and sounds go through small models of transformers, drawn at random, in one process: raikit and the loop take
turns, and the medians of the seconds are compared. Both read the same files, and the scores must be equal.

    python benchmarks/score_models.py                       seconds of raikit and of the loop, and their ratio (goal: 1.1)
    python benchmarks/score_models.py --memory 10000 100000 memory of raikit while it scores so many short texts
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.models.loaders import LOADERS, load
from raikit.models.scoring import score_all

SIZE = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = [f"word{number}" for number in range(500)]
BATCH = 32
RATE = 8000


def tokenizer() -> Any:
    """Return a tokenizer of whole words."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokens = Tokenizer(models.WordLevel({word: index for index, word in enumerate(names)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=128
    )


def bert(size: dict[str, int]) -> list[Any]:
    """Return a text classifier with its tokenizer."""
    config = transformers.BertConfig(vocab_size=len(WORDS) + 4, max_position_embeddings=128, **size)
    return [transformers.BertForSequenceClassification(config), tokenizer()]


def vit() -> list[Any]:
    """Return a picture classifier with its processor."""
    config = transformers.ViTConfig(image_size=64, patch_size=8, **SIZE)
    return [transformers.ViTForImageClassification(config), transformers.ViTImageProcessorPil(size={"height": 64, "width": 64})]


def wav2vec2() -> list[Any]:
    """Return a sound classifier that reads waveforms, with its feature extractor."""
    config = transformers.Wav2Vec2Config(
        conv_dim=[64] * 4, conv_kernel=[10, 3, 3, 2], conv_stride=[5, 4, 4, 2], num_feat_extract_layers=4,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, classifier_proj_size=64, feat_extract_norm="layer", **SIZE,
    )  # fmt: skip
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE, return_attention_mask=True)
    return [transformers.Wav2Vec2ForSequenceClassification(config), extractor]


def ast() -> list[Any]:
    """Return a sound classifier that reads spectrograms, with its feature extractor."""
    config = transformers.ASTConfig(num_mel_bins=32, max_length=64, patch_size=8, frequency_stride=8, time_stride=8, **SIZE)
    return [transformers.ASTForAudioClassification(config),
            transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=64, sampling_rate=RATE)]


# --- cases -------------------------------------------------------------------------------------------------------


def texts(folder: Path, rows: int, longest: int = 60) -> list[Any]:
    """Return texts of 3 words to `longest`."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, rng.integers(3, longest))) for _ in range(rows)]


def pictures(folder: Path, rows: int) -> list[Any]:
    """Write pictures of various sizes, and return their names."""
    rng = np.random.default_rng(0)
    for row in range(rows):
        height, width = rng.integers(80, 160, 2)
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(folder / f"{row}.png")
    return [f"{row}.png" for row in range(rows)]


def sounds(folder: Path, rows: int) -> list[Any]:
    """Write sounds of half a second to one second, and return their names."""
    rng = np.random.default_rng(0)
    for row in range(rows):
        soundfile.write(folder / f"{row}.wav", rng.uniform(-0.5, 0.5, rng.integers(RATE // 2, RATE)), RATE)
    return [f"{row}.wav" for row in range(rows)]


def dataset(folder: Path, modality: str, values: list[Any]) -> Dataset:
    """Return cases of one input, read by raikit from the same files as the loop's."""
    table = pd.DataFrame({"x": values, "y": np.arange(len(values)) % 2})
    config = DataConfig.model_validate({"path": "(memory)", "target": "y", "inputs": {"x": {"modality": modality}}})
    return Dataset.of(table, config, folder=folder)


# --- by hand -----------------------------------------------------------------------------------------------------


def by_hand(parts: list[Any], folder: Path, modality: str, values: list[Any]) -> np.ndarray:
    """Score as one would by hand: a DataLoader whose collator reads files and calls the processor, then the network."""
    net, processor = parts

    def collate(batch: list[Any]) -> Any:
        if modality == "text":
            return processor(batch, padding=True, truncation=True, return_tensors="pt")
        if modality == "image":
            return processor(images=[Image.open(folder / name).convert("RGB") for name in batch], return_tensors="pt")
        read = [soundfile.read(folder / name, dtype="float32")[0] for name in batch]
        waveforms = isinstance(processor, transformers.Wav2Vec2FeatureExtractor)
        return processor(read, sampling_rate=RATE, return_tensors="pt", padding=True if waveforms else "max_length")

    scores = []
    with torch.inference_mode():
        for inputs in torch.utils.data.DataLoader(values, batch_size=BATCH, collate_fn=collate):  # type: ignore[arg-type]
            scores.append(net(**inputs).logits.softmax(dim=1).numpy())
    return np.concatenate(scores)


def compare(name: str, parts: list[Any], modality: str, write: Callable[[Path, int], list[Any]], rows: int, turns: int) -> None:
    """Print the median seconds of both and their ratio."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        values = write(folder, rows)
        for part in parts:
            part.save_pretrained(folder / "model")
        data = dataset(folder, modality, values)
        model = load(
            {"kind": "huggingface", "path": str(folder / "model"), "labels": {"LABEL_0": 0, "LABEL_1": 1}}, data, LOADERS, folder
        )
        net = [parts[0].eval(), parts[1]]
        seconds: dict[str, list[float]] = {"raikit": [], "by hand": []}
        for turn in range(turns + 1):  # the first warms up both
            for who, run in (
                ("raikit", lambda: score_all(model, data, lambda done, total: None, BATCH)[1]),
                ("by hand", lambda: by_hand(net, folder, modality, values)),
            ):
                start = time.process_time()
                scores = run()
                if turn:
                    seconds[who].append(time.process_time() - start)
                elif who == "raikit":
                    ours = scores
        np.testing.assert_allclose(ours, scores, atol=1e-5)
    own, other = statistics.median(seconds["raikit"]), statistics.median(seconds["by hand"])
    print(f"{name:10}{rows:>8,} cases {own:8.2f} s raikit {other:8.2f} s by hand   ratio {own / other:.2f}", flush=True)


# --- memory ------------------------------------------------------------------------------------------------------


def memory(rows: int) -> None:
    """Print the memory of this process while it scores so many short texts: before scoring, and at its peak."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for part in bert(TINY):
            part.save_pretrained(folder / "model")
        data = dataset(folder, "text", texts(folder, rows, longest=6))
        model = load(
            {"kind": "huggingface", "path": str(folder / "model"), "labels": {"LABEL_0": 0, "LABEL_1": 1}}, data, LOADERS, folder
        )
        before, peak = resident(), 0.0

        def watch(done: int, total: int) -> None:
            nonlocal peak
            peak = max(peak, resident())

        _, scores = score_all(model, data, watch)
        print(
            f"{rows:>10,} texts: {before:6.0f} MB before, {peak - before:+6.1f} MB at the peak of scoring; scores and ids "
            f"{(scores.nbytes + 8 * rows) / 1e6:.1f} MB", flush=True,
        )  # fmt: skip


def resident() -> float:
    """Return the memory that this process holds now, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=384)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", choices=["text", "pictures", "waveforms", "spectra"])
    parser.add_argument("--memory", type=int, nargs="+", metavar="ROWS")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if arguments.memory and len(arguments.memory) > 1:  # a peak never falls: each size in a process of its own
        for rows in arguments.memory:
            subprocess.run([sys.executable, __file__, "--memory", str(rows)], check=True)
    elif arguments.memory:
        memory(arguments.memory[0])
    else:
        for name, parts, modality, write in (
            ("text", bert(SIZE), "text", texts), ("pictures", vit(), "image", pictures),
            ("waveforms", wav2vec2(), "audio", sounds), ("spectra", ast(), "audio", sounds),
        ):  # fmt: skip
            if arguments.only in (None, name):
                compare(name, parts, modality, write, arguments.rows, arguments.turns)


if __name__ == "__main__":
    main()
