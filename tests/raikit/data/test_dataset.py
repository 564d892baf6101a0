import io

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError, DataError


def error(key, problem):
    return ConfigError(f"audit.yaml: {'.'.join(map(str, key))}: {problem}")


@pytest.fixture
def opened(tmp_path):
    def opened(table, trains=False, needs_inputs=False, extra=(), **config):
        table.to_parquet(tmp_path / "cases.parquet", index=False)
        config = DataConfig.model_validate({"path": "cases.parquet", "target": "y", **config})
        return Dataset.open(
            config, tmp_path, error=error, trains=trains, needs_inputs=needs_inputs, extra_columns=extra
        )

    return opened


def table(rows=40, **columns):
    return pd.DataFrame({"y": np.arange(rows) % 2, "sex": np.where(np.arange(rows) % 3, "F", "M"), **columns})


def png(colour=(10, 20, 30), size=(4, 3), mode="RGB"):
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, "PNG")
    return stream.getvalue()


# --- roles ------------------------------------------------------------------------------------------------------


def test_groups_are_written_as_addresses_have_them(opened):
    rows = 30
    frame = table(rows, age=np.linspace(18, 80, rows), flag=[True, False] * 15, code=[1.0, None, 2.0] * 10)
    data = opened(frame, sensitive=["sex", {"column": "age", "bins": [25, 40]}, "flag", "code"])
    assert set(data.roles["age"]) == {"[-inf, 25)", "[25, 40)", "[40, inf)"}
    assert set(data.roles["flag"]) == {"true", "false"}
    assert set(data.roles["code"].dropna()) == {"1", "2"}
    assert data.roles["code"].isna().sum() == 10
    assert (data.roles["age"] == "[25, 40)").tolist() == frame["age"].between(25, 40, inclusive="left").tolist()


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ([0, 1], "binary", [0, 1]),
        ([True, False], "binary", [False, True]),
        (["a", "b", "c"], "multiclass", ["a", "b", "c"]),
        ([3, 1, 2], "multiclass", [1, 2, 3]),
        ([0.5, 1.5, 2.5], "regression", []),
        (list(range(25)), "regression", []),
    ],
)
def test_the_task_is_guessed_from_the_target(opened, values, task, classes):
    data = opened(pd.DataFrame({"y": values * 4}))
    assert (data.task, data.classes, data.task_guessed) == (task, classes, True)


def test_the_positive_class_stands_last_and_is_asked_for_if_it_is_text(opened):
    frame = pd.DataFrame({"y": ["no", "yes"] * 5})
    with pytest.raises(ConfigError, match=r"data\.positive: say which of 'no' and 'yes'"):
        opened(frame)
    assert opened(frame, positive="no").classes == ["yes", "no"]
    with pytest.raises(ConfigError, match="'maybe' is no value"):
        opened(frame, positive="maybe")


@pytest.mark.parametrize(
    ("frame", "config", "says"),
    [
        (
            table(),
            {"sensitive": ["sexx"]},
            r"data\.sensitive\.0: no column 'sexx' in cases\.parquet\. Did you mean 'sex'\? Columns there: sex, y",
        ),
        (table(), {"target": "z"}, r"data\.target: no column 'z'"),
        (
            table(case=["a"] * 2 + [f"c{i}" for i in range(38)]),
            {"id": "case"},
            r"data\.id \(case\) must be unique; 'a' stands 2 times",
        ),
        (table(case=[None] + [f"c{i}" for i in range(39)]), {"id": "case"}, r"row 1: data\.id \(case\) is missing"),
        (table().assign(y=[0.0, None] + [1.0, 0.0] * 19), {}, r"row 2 \(id 1\): data\.target \(y\) is missing"),
        (table().assign(y=1), {}, r"has one class, 1"),
        (
            table(n=range(40)),
            {"sensitive": ["n"]},
            r"data\.sensitive\.0: 'n' has 40 different numbers; bin them, for example \{column: n, bins: \[",
        ),
        (table().assign(sex="F"), {"sensitive": ["sex"]}, "every sensitive column is constant"),
        (
            table(name=[f"n{i}" for i in range(40)]),
            {"sensitive": ["name"], "max_groups": 10},
            r"'name' has 40 groups, more than data\.max_groups",
        ),
        (table(w=[-1.0] + [1.0] * 39), {"weight": "w"}, r"row 1 \(id 0\): data\.weight \(w\) is negative"),
        (table(w=0.0), {"weight": "w"}, r"every data\.weight \(w\) is zero"),
        (table(w=[np.nan] + [1.0] * 39), {"weight": "w"}, r"row 1 \(id 0\): data\.weight \(w\) is no number"),
        (table(score=["a", "b"] * 20), {"sensitive": ["score"]}, r"the name 'score' is taken in predictions\.parquet"),
        (
            table(s=["test"] * 20 + ["train"] * 20).assign(y=[1] * 20 + [0, 1] * 10),
            {"split": "s"},
            r"every row of the split 'test' has the class 1",
        ),
        (table(), {"target": ["y", "sex"]}, "multilabel"),
    ],
)
def test_bad_data_is_one_sentence_that_names_the_key_or_row(opened, frame, config, says):
    with pytest.raises((ConfigError, DataError), match=says) as caught:
        opened(frame, **config)
    assert "\n" not in str(caught.value)


def test_a_model_needs_inputs(opened):
    with pytest.raises(ConfigError, match=r"data\.inputs: a model needs inputs"):
        opened(table(), needs_inputs=True)


def test_many_rows_open_with_whole_clusters_in_one_split(opened):
    rows = 300_000
    data = opened(
        table(rows, patient=np.arange(rows) // 7, age=np.arange(rows) % 90),
        sensitive=["sex", {"column": "age", "quantiles": 4}],
        cluster="patient",
        split={"test": 0.3},
        trains=True,
    )
    assert sum(data.splits.values()) == rows
    assert data.roles.groupby("patient")["split"].nunique().max() == 1


# --- batches ----------------------------------------------------------------------------------------------------


@pytest.fixture
def media(tmp_path):
    (tmp_path / "a.png").write_bytes(png((255, 0, 0)))
    (tmp_path / "clear.png").write_bytes(png((0, 0, 0, 0), mode="RGBA"))
    soundfile.write(tmp_path / "a.wav", np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1), 8000)
    return {
        "photo": {"modality": "image"},
        "voice": {"modality": "audio"},
        "note": {"modality": "text"},
        "facts": {"modality": "tabular", "columns": ["age", "kind"]},
    }


def cases(**changes):
    rows = {
        "photo": ["a.png", "clear.png", None, "a.png"],
        "voice": ["a.wav", None, "a.wav", "a.wav"],
        "note": ["hello", None, "", "NA"],
        "age": [1.0, np.nan, 3.0, 4.0],
        "kind": ["x", "y", None, "x"],
        "y": [0, 1, 0, 1],
        "sex": ["F", "M", "F", "M"],
        "case": ["c1", "c2", "c3", "c4"],
    }
    return pd.DataFrame({**rows, **changes})


def test_a_batch_holds_decoded_media_by_input_name(opened, media):
    data = opened(cases(), needs_inputs=True, inputs=media, id="case")
    (batch,) = data.batches("test", 10)
    photo = batch.inputs["photo"]
    assert photo[0].shape == (3, 4, 3)
    assert photo[0][0, 0].tolist() == [255, 0, 0]
    assert photo[1][0, 0].tolist() == [255, 255, 255], "transparency lies on white"
    assert photo[2] is None
    assert photo[3] is photo[0], "rows of one file share its array"
    assert batch.inputs["voice"][0].samples.tolist() == pytest.approx([0.125] * 100, abs=1e-3)
    assert batch.inputs["voice"][0].rate == 8000
    assert batch.inputs["note"] == ["hello", None, None, "NA"]
    assert batch.inputs["facts"]["age"].iloc[2] == 3.0
    assert batch.target.tolist() == [0, 1, 0, 1]
    assert batch.ids == ["c1", "c2", "c3", "c4"]


def test_batches_of_chosen_rows_come_in_the_order_asked_for(opened, media):
    data = opened(cases(), needs_inputs=True, inputs=media, id="case")
    assert [batch.ids for batch in data.batches("test", 2, indices=[3, 0, 0])] == [["c4", "c1"], ["c1"]]


def test_pictures_may_lie_in_the_table_itself(opened, media):
    photo = [png((0, 255, 0)), None, png((0, 0, 255)), png()]
    data = opened(cases(photo=photo), needs_inputs=True, inputs=media)
    (batch,) = data.batches("test", 10)
    assert batch.inputs["photo"][0][0, 0].tolist() == [0, 255, 0]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nope.png", "there is no such file"),
        ("../outside.png", "leads outside the data's folder"),
        ("/etc/passwd", "leads outside the data's folder"),
        ("link.png", "goes through a link"),
        ("folder/inner.png", "goes through a link"),
    ],
)
def test_a_path_that_must_not_be_followed_is_refused_before_anything_is_trained(opened, media, tmp_path, path, says):
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(png())
    (tmp_path / "link.png").symlink_to(outside)
    (tmp_path / "folder").symlink_to(tmp_path)
    with pytest.raises(DataError, match=rf"cases\.parquet, row 2 \(id 'c2'\): photo: .*{says}"):
        opened(cases(photo=["a.png", path, "a.png", "a.png"]), needs_inputs=True, inputs=media, id="case")


@pytest.mark.parametrize("content", [b"not a picture", png()[:40], b""])
def test_an_unreadable_picture_among_good_ones_names_its_row_or_is_left_out(opened, media, tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    frame = cases(photo=["a.png", "a.png", "bad.png", "a.png"])
    data = opened(frame, needs_inputs=True, inputs=media, id="case")
    with pytest.raises(DataError, match=r"row 3 \(id 'c3'\): photo: "):
        list(data.batches("test", 10))
    skipping = opened(frame, needs_inputs=True, inputs=media, id="case", on_bad_media="skip")
    assert [batch.ids for batch in skipping.batches("test", 10)] == [["c1", "c2", "c4"]]
    assert [row for row, _ in skipping.skipped] == ["c3"]
    assert skipping.describe().skipped_rows == 1


def test_a_picture_bomb_is_refused_before_it_is_decoded(opened, media, tmp_path):
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    data = opened(cases(photo=["a.png", "bomb.png", "a.png", "a.png"]), needs_inputs=True, inputs=media)
    with pytest.raises(DataError, match="9000 × 9000 pixels"):
        list(data.batches("test", 10))


def test_errors_name_rows_and_never_show_their_contents(opened, media):
    with pytest.raises(DataError) as caught:
        opened(cases(photo=["a.png", "secret-diagnosis.png", "a.png", "a.png"]), needs_inputs=True, inputs=media)
    assert "secret" not in str(caught.value)
