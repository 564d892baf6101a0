"""Small valid inputs of every kind, which the mutator starts from; a run and a model are made once for all of them."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tarfile
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from oracle import command
from pyarrow import feather

_PATIENCE = 300.0  # seconds that a sample may take to be made: libraries are imported meanwhile
LOGS = Path(__file__).parents[1] / "raikit" / "data" / "logs"
CONFIG = {
    "name": "triage",
    "data": {
        "path": "cases.csv", "target": "y", "positive": 1, "sensitive": ["sex", {"column": "age", "bins": [25, 40]}],
        "cluster": ["person"], "id": "id", "missing": ["NA"], "unit": {"one": "person", "many": "people"},
        "labels": {"sex": {"F": "Women", "M": "Men"}}, "reference": {"sex": "F"}, "max_groups": 50, "limits": ["few cases"],
    },
    "model": {"load": {"kind": "predictions", "score": "score", "threshold": 0.5}},
    "checks": {"fairness.groups": {}, "performance": {}},
    "gate": {
        "rules": [{"metric": "performance.accuracy", "min": 0.5, "id": "a", "reason": "b"},
                  {"metric": "fairness.*_difference(*)", "max": 0.9, "severity": "warn", "confidence": 0.9}],
        "regressions": [{"metric": "performance.accuracy", "margin": 0.02}],
        "waivers": [{"metric": "performance.accuracy", "reason": "r", "who": "w", "until": "2099-12-31"}],
        "required": ["fairness.groups"], "on_inconclusive": "warn", "error_rate": "build",
    },
    "plugins": {"disable": [], "timeout": 60}, "confidence": 0.95, "seed": 3, "formats": ["json"], "owner": {"team": "x"},
}  # fmt: skip
TEXT_FORMATS = ("csv", "tsv", "jsonl", "json", "split.json")
BINARY_FORMATS = ("parquet", "arrow", "feather", "stream.arrow", "xlsx", "tar", "csv.gz", "jsonl.zst")


class Samples:
    """Valid inputs below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Forty decisions with groups, clusters and scores."""
        rng = np.random.default_rng(1)
        score = rng.uniform(size=40).round(3)
        return pd.DataFrame({
            "id": [f"c{at}" for at in range(40)], "person": np.arange(40) // 2, "sex": rng.choice(["F", "M"], 40),
            "age": rng.integers(18, 80, 40), "when": "2026-01-02", "y": (score + rng.normal(0, 0.3, 40) > 0.5).astype(int), "score": score,
        })  # fmt: skip

    @cached_property
    def tables(self) -> dict[str, bytes]:
        """The cases in every format."""
        written: dict[str, bytes] = {}
        frame, place = self.frame, self.folder / "tables"
        place.mkdir()
        table = pa.Table.from_pandas(frame, preserve_index=False)
        written["csv"] = frame.to_csv(index=False).encode()
        written["tsv"] = frame.to_csv(index=False, sep="\t").encode()
        written["jsonl"] = frame.to_json(orient="records", lines=True).encode()
        written["json"] = frame.to_json(orient="records", indent=1).encode()
        written["split.json"] = frame.to_json(orient="split").encode()
        frame.to_parquet(place / "a.parquet")
        feather.write_feather(table, place / "a.feather", compression="zstd")
        feather.write_feather(table, place / "a.arrow", compression="uncompressed")
        with pa.ipc.new_stream(place / "a.stream.arrow", table.schema) as writer:
            writer.write_table(table)
        with contextlib.suppress(ImportError):
            frame.to_excel(place / "a.xlsx", index=False)
        with tarfile.open(place / "a.tar", "w") as archive:
            for at, row in enumerate(json.loads(written["json"])):
                for suffix, content in (("json", json.dumps(row).encode()), ("cls", b"1"), ("txt", b"hello")):
                    entry = tarfile.TarInfo(f"{at}.{suffix}")
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
        written["csv.gz"] = pa.compress(written["csv"], codec="gzip", asbytes=True)
        written["jsonl.zst"] = pa.compress(written["jsonl"], codec="zstd", asbytes=True)
        return written | {path.name.partition(".")[2]: path.read_bytes() for path in sorted(place.iterdir())}

    @cached_property
    def graph(self) -> bytes:
        """A graph of ONNX: probabilities of two classes from two numbers."""
        from onnx import TensorProto, helper

        nodes = [helper.make_node("MatMul", ["facts", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"], axis=1)]
        facts, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("facts", "y"))
        weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 2], [1.0, -1.0, 0.5, 0.25])
        graph = helper.make_graph(nodes, "g", [facts], [y], [weights])
        written: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
        return written

    @cached_property
    def estimator(self) -> bytes:
        """A pipeline of scikit-learn as skops saves it."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from skops import io as skops

        frame = pd.DataFrame({"x0": np.arange(6.0), "x1": [0.5, -1.0] * 3})
        return bytes(skops.dumps(make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, [0, 1] * 3)))

    @cached_property
    def logs(self) -> dict[str, bytes]:
        """Logs of other evaluation tools, by name."""
        files = [path for path in LOGS.rglob("*") if path.is_file() and path.suffix in (".eval", ".json", ".jsonl")]
        return {path.name: path.read_bytes() for path in files if path.stat().st_size < 200_000}

    @cached_property
    def config(self) -> str:
        """The text of a configuration."""
        return yaml.safe_dump(CONFIG, sort_keys=False)

    @cached_property
    def policy(self) -> str:
        """The text of a policy file."""
        return yaml.safe_dump({"gate": CONFIG["gate"]}, sort_keys=False)

    @cached_property
    def run(self) -> Path:
        """A finished run."""
        place = self.folder / "audited"
        place.mkdir()
        (place / "cases.csv").write_bytes(self.tables["csv"])
        (place / "audit.yaml").write_text(self.config)
        said = command(["audit", "audit.yaml", "--out", "run", "--no-baseline"], place, _PATIENCE)
        assert said is None and (place / "run" / "audit.json").is_file(), said
        return place / "run"

    @cached_property
    def baseline(self) -> Path:
        """A baseline file with everything in it."""
        said = command(["baseline", "save", "run", "baseline.json", "--suppress", "0", "--everything"], self.run.parent, _PATIENCE)
        assert said is None, said
        return self.run.parent / "baseline.json"

    @cached_property
    def keys(self) -> tuple[Path, Path]:
        """A private and a public key; the run is signed with it."""
        from cryptography.hazmat.primitives import serialization as s
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key, place = Ed25519PrivateKey.generate(), self.run.parent
        (place / "key.pem").write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
        (place / "key.pub").write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
        signed = place / "signed"
        shutil.copytree(self.run, signed)
        said = command(["sign", "signed", "--key", "key.pem"], place, _PATIENCE)
        assert said is None and (signed / "attestation.json").is_file(), said
        return place / "key.pem", place / "key.pub"

    @cached_property
    def model(self) -> Path:
        """The folder of a small model that was trained."""
        place = self.folder / "trained"
        place.mkdir()
        (place / "cases.csv").write_bytes(self.tables["csv"])
        data = {"path": "cases.csv", "target": "y", "positive": 1, "inputs": {"facts": {"modality": "tabular", "columns": ["age", "sex"]}},
                "split": {"test": 0.3, "validation": 0.2}}  # fmt: skip
        model = {"train": {"kind": "fusion", "epochs": 1}}
        (place / "audit.yaml").write_text(yaml.safe_dump({"name": "m", "data": data, "model": model}))
        said = command(["train", "audit.yaml", "--out", "model"], place, _PATIENCE)
        assert said is None and (place / "model" / "config.json").is_file(), said
        return place / "model"

    @cached_property
    def transformer(self) -> Path:
        """The folder of a small classifier of texts as transformers saves it."""
        import transformers
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

        words = {word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "calm", "loud", "##er"])}
        tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Sequence([normalizers.BertNormalizer(), normalizers.Replace("-", " ")])
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        config = transformers.BertConfig(
            vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=16,
            id2label={0: "0", 1: "1"}, label2id={"0": 0, "1": 1},
        )  # fmt: skip
        place = self.folder / "transformer"
        transformers.BertForSequenceClassification(config).save_pretrained(place)
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=16
        ).save_pretrained(place)
        return place

    @cached_property
    def media(self) -> dict[str, bytes]:
        """A picture and a sound in several formats."""
        import soundfile
        from PIL import Image

        written = {}
        picture = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
        for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
            stream = io.BytesIO()
            picture.save(stream, kind)
            written[kind.lower()] = stream.getvalue()
        for kind in ("WAV", "FLAC", "OGG"):
            stream = io.BytesIO()
            soundfile.write(stream, np.sin(np.arange(800) / 9), 8000, format=kind)
            written[kind.lower()] = stream.getvalue()
        return written
