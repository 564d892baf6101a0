"""Models as files: what is no model of raikit's is refused in a sentence, runs nothing, and is not read without end."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import time

import joblib
import pytest
import torch

from raikit.config.training import FusionTraining
from raikit.errors import ModelError
from raikit.models.fusion import FusionModel
from raikit.models.loaders import LOADERS, load
from raikit.models.training import build_model


@pytest.fixture(scope="module")
def saved(make, tmp_path_factory):
    data, folder = make(60), tmp_path_factory.mktemp("saved") / "model"
    build_model(data, FusionTraining(width=16, image_size=16, frames=16, hop=256, vocabulary=64, words=4), seed=3).save(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def change(name, **keys):
    def write(folder):
        content = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps(content | keys), "utf-8")

    return write


def header(edit):
    """Return a writer of weights whose header is edited as ``edit(header, first tensor)``."""

    def write(folder):
        path = folder / "model.safetensors"
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        read = json.loads(content[8 : 8 + length])
        edit(read, next(name for name in read if name != "__metadata__"))
        text = json.dumps(read).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])

    return write


def tensor(**keys):
    return header(lambda read, first: read[first].update(keys))


def replace(name, make):
    def write(folder):
        (folder / name).unlink()
        make(folder / name)

    return write


def weights(content):
    return replace("model.safetensors", lambda path: path.write_bytes(content))


def remote_code(folder):
    (folder / "hidden.py").write_text(f"open({str(folder.parent / 'ran')!r}, 'w')\n")
    change("config.json", auto_map={"AutoConfig": "hidden.C", "AutoModel": "hidden.M"}, trust_remote_code=True)(folder)


def pickled_weights(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Evil(folder.parent / "ran")}, folder / "pytorch_model.bin")


def large(path):
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # sparse: no block of it is on the disk


def link_out(path):
    other = path.parent.parent / f"other-{path.name}"
    other.write_bytes(b"{}")
    path.symlink_to(other)


HOSTILE = {
    "a header of 2^62 bytes": weights(struct.pack("<Q", 1 << 62) + b"{}"),
    "a header longer than the file": weights(struct.pack("<Q", 1 << 20) + b"{}"),
    "no weights": weights(b""),
    "a nested header": weights(struct.pack("<Q", 100_000) + b"[" * 100_000),
    "offsets beyond the file": tensor(data_offsets=[0, 1 << 40]),
    "offsets backwards": tensor(data_offsets=[8, 0]),
    "offsets of text": tensor(data_offsets=["a", "b"]),
    "a type NaN": tensor(dtype="NaN"),
    "another type": tensor(dtype="F16"),
    "a shape of 2^80": tensor(shape=[1 << 40, 1 << 40]),
    "a shape below zero": tensor(shape=[-1, -4]),
    "a tensor that is missing": header(lambda read, first: read.pop(first)),
    "auto_map": remote_code,
    "pickled weights": pickled_weights,
    "an adapter": lambda folder: (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "../other"}'),
    "quantization": change("config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True}),
    "kernels of a hub": change("config.json", _attn_implementation="evil/kernel"),
    "another kind": change("config.json", model_type="bert"),
    "a type that is none": change("config.json", dtype="system"),
    "a width of 10^6": change("config.json", width=10**6),
    "a width that is large": change("config.json", width=8192),
    "a width below zero": change("config.json", width=-8),
    "a width of text": change("config.json", width="x"),
    "a vocabulary of 10^10": change("config.json", vocabulary=10**10),
    "words of 10^9": change("config.json", words=10**9),
    "pictures of 10^6": change("config.json", image_size=10**6),
    "a modality that is none": change("config.json", sources=[{"name": "note", "modality": "evil"}]),
    "no inputs": change("config.json", sources=None),
    "3,000 inputs": change("config.json", sources=[{"name": f"n{n}", "modality": "text"} for n in range(3000)]),
    "a nested configuration": replace("config.json", lambda path: path.write_text("[" * 200_000)),
    "a configuration of bytes": replace("config.json", lambda path: path.write_bytes(b"\xff\xfe\x00")),
    "a list beside the weights": change("raikit.json", preprocessing=[]),
    "classes that are a mapping": change("raikit.json", classes={"a": 1}),
    "tables of text": change("raikit.json", preprocessing={"tables": "x", "target_mean": 0, "target_scale": 1}),
    **{f"a pipe {name}": replace(name, os.mkfifo) for name in ("config.json", "raikit.json", "model.safetensors")},
    **{f"a device {name}": replace(name, lambda path: path.symlink_to("/dev/zero"))
       for name in ("config.json", "raikit.json", "model.safetensors")},
    **{f"a link {name}": replace(name, link_out) for name in ("config.json", "raikit.json", "model.safetensors")},
    **{f"a terabyte {name}": replace(name, large) for name in ("config.json", "raikit.json", "model.safetensors")},
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_folder_that_is_no_model_of_raikits_is_refused_in_a_sentence(folder, kind):
    HOSTILE[kind](folder)
    start = time.monotonic()
    with pytest.raises(ModelError) as caught:
        FusionModel.load(folder)
    assert time.monotonic() - start < 10
    assert len(str(caught.value)) < 700
    assert not (folder.parent / "ran").exists()


def test_the_folder_that_is_not_changed_is_read(folder):
    assert FusionModel.load(folder).classes


def test_weights_with_code_run_nothing(numbers, module, tmp_path):
    ran = tmp_path / "ran"
    source = "import torch\ndef build():\n    return torch.nn.Linear(2, 2)\n"
    torch.save({"weight": Evil(ran)}, tmp_path / "evil.pt")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Evil(ran)))
    joblib.dump(Evil(ran), tmp_path / "evil.joblib")
    os.mkfifo(tmp_path / "pipe.pt")
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    path = f"{module(source)}:build"
    for name in ("evil.pt", "plain.pkl", "evil.joblib", "pipe.pt", "pipe.safetensors", "zero.pt"):
        with pytest.raises(ModelError, match="model.load.weights"):
            load({"kind": "torch", "path": path, "weights": name}, numbers(), LOADERS, tmp_path)
    for name in ("plain.pkl", "evil.joblib"):
        with pytest.raises(ModelError, match="allow_pickle"):
            load({"kind": "sklearn", "path": name}, numbers(), LOADERS, tmp_path)
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(ModelError, match="no regular file"):
        load({"kind": "sklearn", "path": "pipe.pkl", "allow_pickle": True}, numbers(), LOADERS, tmp_path)
    assert not ran.exists()
