"""Small tables and media on disk, opened as an audit opens them."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from raikit.config.schema import DataConfig
from raikit.config.types import key_text
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError


@pytest.fixture
def error():
    """What `LoadedConfig.error` does, without a file."""
    return lambda key, problem: ConfigError(f"audit.yaml: {key_text(key)}: {problem}")


@pytest.fixture
def write(tmp_path):
    """Write a file: ``write("a.csv", "a,b\\n1,2\\n")``."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def opened(tmp_path, error):
    """Open a frame: its target is ``y`` unless the roles say otherwise."""

    def opened(frame, *, trains=False, needs_inputs=False, extra_columns=(), predicted=None, seed=0, **roles):
        frame.to_parquet(tmp_path / "cases.parquet", index=False)
        config = DataConfig.model_validate({"path": "cases.parquet", "target": "y", **roles})
        return Dataset.open(
            config,
            tmp_path,
            error=error,
            trains=trains,
            needs_inputs=needs_inputs,
            seed=seed,
            extra_columns=extra_columns,
            predicted=predicted,
        )

    return opened


@pytest.fixture
def table():
    """Rows of two classes and two sexes, with whatever columns a test adds or replaces."""

    def table(rows=40, **columns):
        defaults = {"y": np.arange(rows) % 2, "sex": np.where(np.arange(rows) % 3, "F", "M")}
        return pd.DataFrame({**defaults, **columns})

    return table


@pytest.fixture
def png():
    """The bytes of a picture of one colour."""

    def png(colour=(10, 20, 30), size=(4, 3), mode="RGB", kind="PNG", **options):
        stream = io.BytesIO()
        Image.new(mode, size, colour).save(stream, kind, **options)
        return stream.getvalue()

    return png


@pytest.fixture
def wav():
    """The bytes of a sound, from samples of shape (t,) or (t, channels)."""

    def wav(samples, rate=8000, subtype="FLOAT", kind="WAV"):
        stream = io.BytesIO()
        soundfile.write(stream, np.asarray(samples, dtype=np.float32), rate, subtype=subtype, format=kind)
        return stream.getvalue()

    return wav
