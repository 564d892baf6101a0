"""Each limit is named in the sentence that refuses something, with the environment variable that raises it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from raikit import limits
from raikit.cli import main
from raikit.config.schema import DataConfig, PluginsConfig
from raikit.config.yamlfile import read
from raikit.data.cells import RowNames
from raikit.data.media import decode_audio, decode_image
from raikit.data.tables import read_table
from raikit.data.target import read_target
from raikit.errors import ConfigError, DataError, RaikitError
from raikit.isolation.parent import Children
from raikit.plugins.probe import find_fatal_imports


def picture(folder):
    written = io.BytesIO()
    Image.new("RGB", (1000, 700)).save(written, "BMP")  # two megabytes
    return decode_image(written.getvalue())


def sound(folder):
    written = io.BytesIO()
    soundfile.write(written, np.zeros(2 * 8000), 8000, format="WAV")
    return decode_audio(written.getvalue())


def channels(folder):
    written = io.BytesIO()
    soundfile.write(written, np.zeros((2 * 8000, 30)), 8000, format="WAV", subtype="PCM_U8")
    return decode_audio(written.getvalue())


def table(name, text):
    def read_it(folder):
        (folder / name).write_text(text)
        return read_table(folder / name)

    return read_it


def configuration(text):
    def read_it(folder):
        (folder / "audit.yaml").write_text(text)
        return read(folder / "audit.yaml")

    return read_it


def classes(folder):
    config, frame = DataConfig(path="a.csv", target="y"), pd.DataFrame({"y": list("abcdef")})
    return read_target(frame, config, RowNames("a.csv", range(6)), lambda key, problem: ConfigError(problem))


LONG = "z" * 3_000_000
HEADER = ",".join(f"{'x' * 700}{at}" for at in range(2_000)) + "\n" + ",".join(["1"] * 2_000) + "\n"
KINDS = {
    "picture": ("PIXELS", 1000, 1_000_000, picture),
    "file of a picture": ("MEDIA_MEGABYTES", 1, 3, picture),
    "sound": ("SOUND_SECONDS", 1, 2, sound),
    "header": ("ROW_MEGABYTES", 1, 2, table("a.csv", HEADER)),
    "row of CSV": ("ROW_MEGABYTES", 1, 4, table("a.csv", "x,y\n" + "1,2\n" * 400_000 + f"{LONG},2\n1,2\n")),
    "row of JSON": ("ROW_MEGABYTES", 1, 4, table("a.jsonl", '{"x":"1"}\n' * 200_000 + f'{{"x":"{LONG}"}}\n{{"x":"1"}}\n')),
    "name of a column": ("LABEL_CHARACTERS", 5, 6, table("a.csv", "income,y\n1,2\n")),
    "classes": ("CLASSES", 5, 6, classes),
    "size of a configuration": ("CONFIG_MEGABYTES", 1, 2, configuration("a: 1\n#" + "x" * 1_000_000)),
    "values of a configuration": ("CONFIG_MEGABYTES", 1, 2, configuration("a: [" + "1, " * 100_000 + "1]")),
    "levels of a configuration": ("DEPTH", 100, 200, configuration("a: " + "[" * 150 + "]" * 150)),
    "levels of an alias": ("DEPTH", 10, 20, configuration("a: &a [[[[[[[1]]]]]]]\nb: &b [[[[[[*a]]]]]]")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_is_named_with_the_variable_that_raises_it(tmp_path, monkeypatch, kind):
    name, low, high, read_it = KINDS[kind]
    monkeypatch.setenv(f"RAIKIT_MAX_{name}", str(low))
    with pytest.raises(RaikitError, match=f"RAIKIT_MAX_{name}"):
        read_it(tmp_path)
    monkeypatch.setenv(f"RAIKIT_MAX_{name}", str(high))
    read_it(tmp_path)


def test_many_channels_are_no_long_sound(tmp_path, monkeypatch):
    monkeypatch.setattr("raikit.data.media._SAMPLES_A_SECOND", 700)
    with pytest.raises(DataError, match=r"its channels have 480,000 samples, too many \(RAIKIT_MAX_SOUND_SECONDS\)"):
        channels(tmp_path)


def test_pillow_has_no_lower_limit_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert picture(tmp_path).shape == (700, 1000, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.parametrize("most", [100, 500])
def test_a_configuration_is_read_as_deep_as_the_limit_from_a_deep_stack(tmp_path, monkeypatch, most):
    monkeypatch.setenv("RAIKIT_MAX_DEPTH", str(most))
    read_it = configuration("a: " + "[" * (most - 2) + "]" * (most - 2))

    def deeper(levels):
        return read_it(tmp_path) if not levels else deeper(levels - 1)

    assert deeper(600).data["a"] and sys.getrecursionlimit() < 5000


def test_a_plugin_that_takes_longer_to_load_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text("import time; time.sleep(3)\n")
    monkeypatch.setenv("RAIKIT_MAX_LOADING_SECONDS", "1")
    says = "set RAIKIT_MAX_LOADING_SECONDS to raise the limit"
    assert says in find_fatal_imports([str(tmp_path / "slow.py")])[str(tmp_path / "slow.py")]
    with Children(PluginsConfig(local=["slow.py"]), tmp_path) as children:
        described = children.describe("local", "slow.py")
        assert "did not finish within 1 seconds" in described.reason and says in described.reason


def test_every_limit_has_a_variable():
    for limit in limits.Limits.__dataclass_fields__:
        assert limits.variable(limit) == f"RAIKIT_MAX_{limit.upper()}"


# --- what was wrong near the limits -----------------------------------------------------------------------------


def test_a_long_cell_is_not_taken_for_the_fault_of_a_later_row(tmp_path):
    with pytest.raises(DataError, match=r"a\.csv, line 4: 3 cells where the header has 2"):
        table("a.csv", f"x,y\n{'z' * 200_000},2\n1,2\n1,2,3\n")(tmp_path)


def test_a_size_that_no_memory_has_is_damage(tmp_path):
    (tmp_path / "a.feather").write_bytes(stated_size(tmp_path / "a.feather", 1 << 47))
    with pytest.raises(DataError, match=r"a\.feather is damaged: it states a size of 140,7"):
        read_table(tmp_path / "a.feather")


def stated_size(path, size):
    """Return a file of Arrow, of which the first batch says that its body is so many bytes long."""
    frame = pd.DataFrame({"x": np.arange(1000.0)})
    frame.to_feather(path, compression="uncompressed")
    content = path.read_bytes()
    true = next(size for size in (8000, 8064, 8192) if content.count(size.to_bytes(8, "little")))
    return content.replace(true.to_bytes(8, "little"), size.to_bytes(8, "little"), 1)


@pytest.mark.parametrize(
    "command", [["history", "loop"], ["init", "a.csv", "--out", "loop/x.yaml"], ["gate", "loop"],
                ["audit", "loop"], ["verify", "loop"]], ids=" ".join,
)  # fmt: skip
def test_a_link_to_itself_is_one_sentence(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a.csv").write_text("case,sex,y,p\n" + "".join(f"c{at},{'FM'[at % 2]},{at % 3 % 2},0.{at}\n" for at in range(10, 60)))
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith("raikit: ") and said.count("\n") == 1


def test_python_ends_after_an_error_in_a_row_of_json(tmp_path):
    table_of_two_blocks = '{"x":"1"}\n' * 200_000 + f'{{"x":"{LONG}"}}\n{{"x":"1"}}\n'
    (tmp_path / "a.jsonl").write_text(table_of_two_blocks)
    program = f"""
from pathlib import Path
from raikit.data.tables import read_table
try:
    read_table(Path({json.dumps(str(tmp_path / "a.jsonl"))}))
except Exception as error:
    print(error)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "RAIKIT_MAX_ROW_MEGABYTES": "1"},
    )  # fmt: skip
    assert "a row is longer than 1 MB" in ended.stdout
