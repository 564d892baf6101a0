"""Kill commands at random moments, repeat them, and compare what they leave with what undisturbed ones leave.

``python benchmarks/kill_commands.py --kills 50`` prints for each command how many kills hit it while it ran, and how many
repetitions did not end with 0 or left something else. Nobody should ever see a number but 0 in the last two columns.
``two resumes`` continues a killed audit twice at once: one of the two ends with 0, the other with 0 or a sentence, and the run
is that of an undisturbed audit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

COMMANDS = {
    "audit": ["audit", "audit.yaml", "--out", "run"],
    "train": ["train", "audit.yaml", "--out", "model"],
    "gate": ["gate", "run"],
    "report": ["report", "run"],
    "sign": ["sign", "run", "--key", "key"],
    "baseline save": ["baseline", "save", "run", "baseline.json", "--everything"],
    "two resumes": ["audit", "audit.yaml", "--out", "run"],
    "fine-tuning": ["audit", "finetune.yaml", "--out", "run"],
}
_WITHOUT_RUN = ("audit", "train", "two resumes", "fine-tuning")
_TIMES = ("run_id", "started", "seconds", "run_seconds")


def lay_out(folder: Path) -> None:
    """Write a table, two configurations that train, a pretrained model, and a key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    note = ["loud fast" if label else "calm slow" for label in y]
    split = np.where(np.arange(400) % 4, "train", "test")
    sex = rng.choice(["F", "M"], 400)
    table = pd.DataFrame({"note": note, "age": rng.normal(size=400) + y, "y": y, "sex": sex, "split": split})
    table.to_csv(folder / "cases.csv", index=False)
    inputs = {"note": {"modality": "text"}, "facts": {"modality": "tabular", "columns": ["age"]}}
    config = {
        "name": "killed",
        "data": {"path": "cases.csv", "target": "y", "sensitive": ["sex"], "split": "split", "inputs": inputs},
        "model": {"train": {"kind": "fusion", "epochs": 4, "width": 16}},
        "checks": {"performance": {}, "fairness.groups": {}},
        "gate": {"rules": [{"metric": "performance.accuracy", "min": 0.5}]},
    }
    (folder / "audit.yaml").write_text(yaml.safe_dump(config))
    save_bert(folder / "bert")
    inputs = {"note": {"modality": "text"}}
    split = {"column": "split", "validation": 0.2}
    train = {"kind": "huggingface", "base": "bert", "epochs": 6, "batch_size": 8, "learning_rate": 1e-3, "patience": 4}
    config |= {"data": config["data"] | {"inputs": inputs, "split": split}, "model": {"train": train}}
    (folder / "finetune.yaml").write_text(yaml.safe_dump(config))
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key").write_bytes(Ed25519PrivateKey.generate().private_bytes(pem, pkcs8, plain))


def save_bert(folder: Path) -> None:
    """Save a small BERT of random weights, and a tokenizer of the table's four words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "loud", "fast", "calm", "slow"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=16, **names).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = transformers.BertConfig(vocab_size=len(words), max_position_embeddings=16, **sizes)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)


def start(arguments: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own."""
    command = [sys.executable, "-m", "raikit", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def run(arguments: Sequence[str], folder: Path) -> int:
    """Run a command to its end."""
    return start(arguments, folder).wait()


def left(folder: Path) -> dict[str, str]:
    """Return a digest of everything that a command left, without times and the id of a run."""
    return {path.relative_to(folder).as_posix(): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _digest(path: Path) -> str:
    if path.name in ("manifest.json", "attestation.json", "report.html", "report.md"):
        return "there"  # They hold the run's id and times; `raikit verify` looks at the first two.
    content = path.read_bytes()
    if path.suffix == ".json":
        content = json.dumps(_without_times(json.loads(content)), sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in _TIMES}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def prepare(name: str, whole: Path, folder: Path) -> None:
    """Lay out anew what a command starts from."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("run"))
    if name not in _WITHOUT_RUN:
        shutil.copytree(whole / "run", folder / "run")


def repeat(name: str, folder: Path) -> int:
    """Run a command again as a person would; an audit that has begun is resumed."""
    resumed = ["--resume"] if COMMANDS[name][0] == "audit" and (folder / "run").exists() else []
    if name == "two resumes" and resumed:
        other = start([*COMMANDS[name], *resumed], folder)
        codes = sorted((run([*COMMANDS[name], *resumed], folder), other.wait()))
        return codes[0] or (codes[1] not in (0, 2)) or run(["verify", "run"], folder)
    code = run([*COMMANDS[name], *resumed], folder)
    return code or (run(["verify", "run"], folder) if (folder / "run").exists() else 0)


def kill_at_random(name: str, whole: Path, folder: Path, kills: int, rng: random.Random) -> tuple[int, int, int]:
    """Return how many kills hit the command, how many repetitions failed, and how many left something else."""
    prepare(name, whole, folder)
    began = time.monotonic()
    assert run(COMMANDS[name], folder) == 0
    seconds, expected = time.monotonic() - began, left(folder)
    hit = failed = different = 0
    for _ in range(kills):
        prepare(name, whole, folder)
        process = start(COMMANDS[name], folder)
        time.sleep(rng.uniform(0, seconds))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait() == 0:  # It had ended before it was killed, so nobody repeats it.
            continue
        hit += 1
        failed += repeat(name, folder) != 0
        different += left(folder) != expected
    return hit, failed, different


def main() -> None:
    """Kill each command and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="*", default=list(COMMANDS), choices=list(COMMANDS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        whole.mkdir()
        lay_out(whole)
        assert run(COMMANDS["audit"], whole) == 0
        print(f"{'command':14} {'kills':>6} {'hit':>5} {'failed':>7} {'different':>10}")
        for name in options.commands:
            counts = kill_at_random(name, whole, Path(place) / "work", options.kills, random.Random(options.seed))
            print(f"{name:14} {options.kills:6} {counts[0]:5} {counts[1]:7} {counts[2]:10}", flush=True)


if __name__ == "__main__":
    main()
