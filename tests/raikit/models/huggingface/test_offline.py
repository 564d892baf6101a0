"""No connection without `allow_download`: not while a model is fine-tuned, and not by an environment that names a hub."""

import socket

import pytest

from raikit.config.training import HuggingFaceTraining
from raikit.errors import ModelError
from raikit.models.huggingface.finetuning import train_huggingface
from raikit.models.huggingface.quiet import offline
from raikit.models.loaders import LOADERS, load
from raikit.testing import dataset

from .conftest import cases


@pytest.fixture
def asked(monkeypatch):
    """Forbid sockets, and return who tried to open one."""
    tried = []

    def forbid(*arguments, **named):
        tried.append(arguments)
        raise OSError("no network here")

    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, forbid)
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, forbid)
    return tried


def test_fine_tuning_opens_no_socket(folder, tmp_path, asked):
    data = dataset("multiclass", ["text"], rows=40)
    train_huggingface(data, HuggingFaceTraining(base=str(folder("bert")), epochs=1, method="head"), 0, tmp_path)
    assert asked == []


def test_a_name_on_the_hub_is_asked_for_by_permission_alone(folder, asked, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="holds no model of transformers"):
        load({"kind": "huggingface", "path": "google/no-such-model"}, cases(["text"]), LOADERS, folder("bert").parent)
    assert asked == []
    hub = {"kind": "huggingface", "hub": "google/no-such-model", "revision": "0" * 40, "allow_download": True}
    with pytest.raises(ModelError, match="cannot be read by AutoConfig"):
        load(hub, cases(["text"]), LOADERS, folder("bert").parent)
    assert asked  # what is forbidden above is what would be used


def test_the_hub_is_as_it_was_afterwards():
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    with pytest.raises(ZeroDivisionError), offline():
        1 / (not constants.HF_HUB_OFFLINE)
    assert before == constants.HF_HUB_OFFLINE
    with offline(allowed=True):
        assert before == constants.HF_HUB_OFFLINE
