"""Tests of `raikit.data.folders`: tables that are folders, as data sets are kept and exchanged."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from PIL import Image

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.data.tables import column_names, read_table
from raikit.errors import ConfigError, DataError

FRAME = pd.DataFrame({"y": [0, 1] * 20, "sex": ["F", "F", "M", "M"] * 10, "year": ["2023", "2024"] * 20})


def refuse(key, problem):
    return ConfigError(f"{'.'.join(map(str, key))}: {problem}")


def paint(path, grey=10):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (grey, grey, grey)).save(path)


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_parts_of_a_table_are_one_table_and_their_folders_are_columns(tmp_path, kind):
    for (year, split), part in FRAME.assign(split=["train", "test"] * 20).groupby(["year", "split"]):
        place = tmp_path / f"year={year}"
        place.mkdir(exist_ok=True)
        path = place / f"{split}-00000-of-00001.{kind}"
        kept = part[["y", "sex"]]
        if kind == "parquet":
            kept.to_parquet(path, index=False)
        else:
            path.write_text(kept.to_csv(index=False) if kind == "csv" else kept.to_json(orient="records", lines=True))
    (tmp_path / "_SUCCESS").touch()
    assert column_names(tmp_path) == ["y", "sex", "year", "split"]
    table = read_table(tmp_path, ["split", "y", "year"])
    assert table["y"].tolist() == [0] * 20 + [1] * 20
    assert table["year"].astype(int).tolist() == [2023] * 20 + [2024] * 20
    assert table["split"].tolist() == ["train"] * 20 + ["test"] * 20


def test_a_column_is_typed_over_all_parts(tmp_path):
    (tmp_path / "a.csv").write_text("code\n1\n2\n")
    (tmp_path / "b.csv").write_text("code\n007\n")
    assert read_table(tmp_path)["code"].tolist() == ["1", "2", "007"]
    (tmp_path / "b.csv").write_text("code\nNA\n")
    with pytest.raises(DataError, match="column 'code' holds numbers, but 1 of 3 cells"):
        read_table(tmp_path)


@pytest.mark.parametrize("several", [False, True])
def test_what_the_datasets_library_saved_is_read_with_the_names_of_its_classes(tmp_path, several):
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = {"text": ["a", "b", "c"], "label": [1, 0, 1]}
    data = datasets.Dataset.from_dict(rows, features=features)
    saved = datasets.DatasetDict({"train": data, "test": data.select([1])}) if several else data
    saved.save_to_disk(str(tmp_path / "saved"))
    table = read_table(tmp_path / "saved")
    assert table["label"].tolist() == ["yes", "no", "yes"] + ["no"] * several
    assert ("split" in table) == several


def test_the_layout_of_a_saved_data_set_is_read_without_the_library(tmp_path):
    table = pa.table({"label": [1, 0], "text": ["a", "b"]})
    with pa.ipc.new_stream(str(tmp_path / "data-00000-of-00001.arrow"), table.schema) as sink:
        sink.write_table(table)
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    info = {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}, "text": {"dtype": "string", "_type": "Value"}}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    assert read_table(tmp_path).to_dict("list") == {"label": ["yes", "no"], "text": ["a", "b"]}
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../other.arrow"}]}))
    with pytest.raises(DataError, match="names a file outside its folder"):
        read_table(tmp_path)


def test_a_folder_of_pictures_with_metadata_is_a_table_whose_media_are_found(tmp_path):
    for split in ("train", "test"):
        names = [f"{number}.png" for number in range(4)]
        for name in names:
            paint(tmp_path / "photos" / split / name)
        rows = pd.DataFrame({"file_name": names, "y": [0, 1, 0, 1], "sex": ["F", "F", "M", "M"]})
        rows.to_csv(tmp_path / "photos" / split / "metadata.csv", index=False)
    config = DataConfig(path="photos", target="y", sensitive=["sex"], split="split",
                        inputs={"photo": {"modality": "image", "column": "file_name"}})  # fmt: skip
    data = Dataset.open(config, tmp_path, error=refuse)
    assert data.splits == {"train": 4, "test": 4}
    assert data.table["file_name"].iloc[0] == "test/0.png"
    (batch,) = data.batches("test", size=4)
    assert batch.inputs["photo"][0].shape == (4, 4, 3)
    first = data.fingerprint
    (tmp_path / "photos" / "test" / "metadata.csv").write_text("file_name,y,sex\n0.png,1,F\n1.png,0,M\n")
    assert Dataset.open(config, tmp_path, error=refuse).fingerprint != first


def test_one_folder_of_pictures_for_each_class_is_a_table(tmp_path):
    for split, label, number in [("train", "cat", 1), ("train", "dog", 2), ("test", "cat", 3), ("test", "dog", 4)]:
        paint(tmp_path / split / label / f"{number}.png")
    assert read_table(tmp_path).to_dict("list") == {
        "file_name": ["test/cat/3.png", "test/dog/4.png", "train/cat/1.png", "train/dog/2.png"],
        "label": ["cat", "dog"] * 2, "split": ["test", "test", "train", "train"],
    }  # fmt: skip


def test_embedded_bytes_are_media(tmp_path):
    paint(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").unlink()
    image = [{"bytes": content, "path": "a.png"}] * 4
    pq.write_table(pa.table({"image": image, "y": [0, 1, 0, 1], "sex": ["F", "F", "M", "M"]}), tmp_path / "test-00000-of-00001.parquet")
    config = DataConfig(path=".", target="y", sensitive=["sex"], split="split", inputs={"image": {"modality": "image"}})
    (batch,) = Dataset.open(config, tmp_path, error=refuse).batches("test", size=4)
    assert np.array_equal(batch.inputs["image"][0], np.full((4, 4, 3), 10))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "holds no table: a folder may hold"),
        (["readme.txt"], "holds no table"),
        (["a.csv", "b.parquet"], r"tables of several formats \(\.csv, \.parquet\)"),
        (["state.json"], "missing or damaged, so this is no saved data set|holds no"),
    ],
)
def test_a_folder_without_a_table_says_what_it_may_hold(tmp_path, files, says):
    for name in files:
        (tmp_path / name).write_text("a\n1\n" if name.endswith("csv") else "x")
    with pytest.raises(DataError, match=says) as caught:
        read_table(tmp_path)
    assert "\n" not in str(caught.value)
