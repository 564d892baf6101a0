"""Servers that stop with their test."""

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers of these tests

from server import Server

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.models.endpoint import client
from raikit.models.loaders import LOADERS, load


@pytest.fixture
def serve():
    """Start a server with a reply."""
    started = []

    def serve(reply):
        started.append(Server(reply))
        return started[-1]

    yield serve
    for server in started:
        server.close()


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Open a model of a server by the loader, with short pauses between attempts."""
    monkeypatch.setattr(client, "_FIRST_PAUSE", 0.001)

    def opened(server, data, protocol="kserve", **settings):
        url = server if isinstance(server, str) else server.url
        return load({"kind": "http", "url": url, "protocol": protocol, "name": "m", **settings}, data, LOADERS, tmp_path)

    return opened


@pytest.fixture
def comments():
    """Twelve comments, half of them rude; one is missing."""
    frame = pd.DataFrame({"comment": [f"a {'bad' if number % 2 else 'good'} thing {number}" for number in range(12)], "y": [0, 1] * 6})
    frame.loc[2, "comment"] = None
    return Dataset.of(frame, DataConfig.model_validate({"path": "t", "target": "y", "inputs": {"comment": {"modality": "text"}}}))
