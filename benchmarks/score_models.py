"""Compare raikit's scoring with a hand-written DataLoader loop over the same model, and measure memory over many cases.

Texts, pictures and sounds go through small models of transformers, drawn at random, in one process: raikit and the loop take
turns, and the medians of the seconds are compared. Both read the same files, and the scores must be equal.

    python benchmarks/score_models.py                       seconds of raikit and of the loop, and their ratio (goal: 1.1)
    python benchmarks/score_models.py --memory 10000 100000 memory of raikit while it scores so many short texts
    python benchmarks/score_models.py --stream 10000 1000000 memory of a process that scores so many rows of Parquet in batches,
                                                            in an ONNX graph, and seconds to go on after all parts were written
    python benchmarks/score_models.py --order              seconds of texts in their own order, and among those of like length
"""

from __future__ import annotations

import argparse
import json
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
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import raikit
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


# --- a stream ----------------------------------------------------------------------------------------------------


def logistic(folder: Path) -> None:
    """Write an audit of a small graph over three columns, and its table of 100 cases."""
    import onnx
    from onnx import helper as onnx_helper

    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(100, 3)), columns=["a", "b", "c"])
    table.assign(case=range(100), y=rng.integers(0, 2, 100)).to_csv(folder / "cases.csv", index=False)
    graph = onnx_helper.make_graph(
        [onnx_helper.make_node("MatMul", ["x", "w"], ["logits"]), onnx_helper.make_node("Softmax", ["logits"], ["p"])], "g",
        [onnx_helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 3])],
        [onnx_helper.make_tensor_value_info("p", onnx.TensorProto.FLOAT, [None, 2])],
        [onnx_helper.make_tensor("w", onnx.TensorProto.FLOAT, [3, 2], rng.normal(size=6))],
    )  # fmt: skip
    onnx.save(onnx_helper.make_model(graph, opset_imports=[onnx_helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx")
    config = {
        "name": "stream", "model": {"load": {"kind": "onnx", "path": "model.onnx"}}, "checks": {"performance.classification": {}},
        "data": {"path": "cases.csv", "id": "case", "target": "y",
                 "inputs": {"x": {"modality": "tabular", "columns": ["a", "b", "c"]}}},
    }  # fmt: skip
    (folder / "audit.yaml").write_text(json.dumps(config), encoding="utf-8")


def stream(rows: int) -> None:
    """Print the memory and seconds of this process while it scores rows of Parquet batch by batch, and goes on behind them."""
    with tempfile.TemporaryDirectory() as place:
        folder, rng = Path(place), np.random.default_rng(1)
        logistic(folder)
        schema = pa.schema([("case", pa.int64()), *((name, pa.float64()) for name in "abc")])
        with pq.ParquetWriter(folder / "rows.parquet", schema) as writer:
            for start in range(0, rows, 10_000):
                many = min(10_000, rows - start)
                numbers = {name: rng.normal(size=many) for name in "abc"}
                writer.write_table(pa.table({"case": np.arange(start, start + many), **numbers}, schema=schema))
        scorer = raikit.open_scorer(folder / "audit.yaml")
        before, peak, seconds = resident(), 0.0, []

        def batches() -> Any:
            nonlocal peak
            for batch in pq.ParquetFile(folder / "rows.parquet", pre_buffer=False, buffer_size=1 << 20).iter_batches(8192):
                yield batch
                peak = max(peak, resident())

        for _ in range(2):
            start_of = time.perf_counter()
            assert scorer.write_parts(batches(), folder / "scores") == rows
            seconds.append(time.perf_counter() - start_of)
        print(f"{rows:>10,} rows: {before:6.0f} MB before, {peak - before:+6.1f} MB at the peak; {seconds[0]:7.1f} s, and "
              f"{seconds[1]:6.1f} s where all parts are there", flush=True)  # fmt: skip


def order(rows: int, turns: int) -> None:
    """Print the median seconds of scoring texts of 3 to 59 words in batches of 256, in their own order and by length."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for part in bert(SIZE):
            part.save_pretrained(folder / "model")
        data = dataset(folder, "text", texts(folder, rows))
        model = load(
            {"kind": "huggingface", "path": str(folder / "model"), "labels": {"LABEL_0": 0, "LABEL_1": 1}}, data, LOADERS, folder
        )
        by_length, seconds = Dataset.text_lengths, {"own": [], "length": []}
        for _ in range(turns):
            for name, lengths in (("own", lambda self, split: None), ("length", by_length)):
                Dataset.text_lengths = lengths  # type: ignore[method-assign]
                start = time.process_time()
                score_all(model, data, lambda done, total: None)
                seconds[name].append(time.process_time() - start)
        own, sorted_ = statistics.median(seconds["own"]), statistics.median(seconds["length"])
        print(f"{rows:,} texts: {own:.2f} s in their own order, {sorted_:.2f} s by length: ratio {sorted_ / own:.2f}")


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
    parser.add_argument("--stream", type=int, nargs="+", metavar="ROWS")
    parser.add_argument("--order", action="store_true")
    parser.add_argument("--memory", type=int, nargs="+", metavar="ROWS")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for option, sizes, measured in (("--memory", arguments.memory, memory), ("--stream", arguments.stream, stream)):
        for rows in sizes or ():
            if len(sizes) == 1:
                measured(rows)
            else:  # a peak never falls: each size in a process of its own
                subprocess.run([sys.executable, __file__, option, str(rows)], check=True)
    if arguments.memory or arguments.stream:
        return
    if arguments.order:
        order(arguments.rows, arguments.turns)
    else:
        for name, parts, modality, write in (
            ("text", bert(SIZE), "text", texts), ("pictures", vit(), "image", pictures),
            ("waveforms", wav2vec2(), "audio", sounds), ("spectra", ast(), "audio", sounds),
        ):  # fmt: skip
            if arguments.only in (None, name):
                compare(name, parts, modality, write, arguments.rows, arguments.turns)


if __name__ == "__main__":
    main()
