"""Tests of `raikit.data.dataset`, and of `raikit.data.assembly` and `raikit.data.media_columns` behind it."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pandas as pd
import pytest

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError, DataError


@pytest.fixture
def media(tmp_path, png, wav):
    """Inputs of every modality, with their files."""
    (tmp_path / "a.png").write_bytes(png((255, 0, 0)))
    (tmp_path / "clear.png").write_bytes(png((0, 0, 0, 0), mode="RGBA"))
    (tmp_path / "a.wav").write_bytes(wav([0.5] * 100))
    return {
        "photo": {"modality": "image"},
        "voice": {"modality": "audio"},
        "note": {"modality": "text"},
        "facts": {"modality": "tabular", "columns": ["age", "kind"]},
    }


def cases(**changes):
    rows = {
        "photo": ["a.png", "clear.png", None, "a.png"],
        "voice": ["a.wav", "", "a.wav", "a.wav"],
        "note": ["hello", None, "", "NA"],
        "age": [1.0, np.nan, 3.0, 4.0],
        "kind": ["x", "y", None, "x"],
        "y": [0, 1, 0, 1],
        "sex": ["F", "M", "F", "M"],
        "case": ["c-1", "c-2", "c-3", "c-4"],
    }
    return pd.DataFrame({**rows, **changes})


# --- roles ------------------------------------------------------------------------------------------------------


def test_roles_hold_what_predictions_parquet_takes_over(opened, table):
    data = opened(
        table(age=np.linspace(18, 80, 40), home=np.arange(40) // 4, w=1.5, case=[f"c-{row}" for row in range(40)]),
        id="case",
        sensitive=["sex", {"column": "age", "bins": [25, 40]}],
        cluster=["home"],
        weight="w",
    )
    assert list(data.roles) == ["id", "split", "target", "sex", "age", "home", "w"]
    assert set(data.roles["age"]) == {"[-inf, 25)", "[25, 40)", "[40, inf)"}
    assert data.roles.iloc[5].tolist() == ["c-5", "test", 1, "F", "[25, 40)", "1", 1.5]
    assert (data.sensitive, data.cluster, data.weight) == (["sex", "age"], ["home"], "w")
    assert data.frame(["age"])["age"].tolist() == np.linspace(18, 80, 40).tolist(), "a model sees numbers, not bins"


def test_a_missing_cluster_stays_null(opened, table):
    data = opened(table(4, home=["a", None, "b", None]), cluster=["home"])
    assert data.roles["home"].isna().tolist() == [False, True, False, True]


def test_rows_of_other_splits_are_kept_as_far_as_they_have_predictions(opened, table):
    score = [0.0, 0.1, None, 0.3, 0.4, 0.5]
    data = opened(
        table(6, part=["train", "test"] * 3, p=score, y=[0, 0, 1, 1, 0, 1]), split="part", extra_columns=["p"]
    )
    assert data.splits == {"train": 2, "test": 3}
    assert data.extra["p"].tolist() == [0.0, 0.1, 0.3, 0.4, 0.5]
    assert data.extra.index.equals(data.roles.index)


def test_the_description_is_what_the_record_needs(opened, table, tmp_path):
    data = opened(
        table(home=np.arange(40) // 4, part=["train"] * 8 + ["train", "test"] * 16, y=np.arange(40) // 2 % 2),
        split={"column": "part", "validation": 0},
        inputs={"facts": {"modality": "tabular", "columns": ["sex"]}},
        needs_inputs=True,
        trains=True,
        cluster=["home"],
        credits=["me"],
        limits=["little"],
    )
    record = data.describe()
    assert (record.source, record.task, record.task_guessed, record.target) == ("cases.parquet", "binary", True, "y")
    assert record.fingerprint == hashlib.sha256((tmp_path / "cases.parquet").read_bytes()).hexdigest()
    assert record.splits == {"train": 24, "test": 16}
    assert record.clusters == {"home": 8}, "of the audited split"
    assert record.overlap == {"home": "8 of 10 values are in both train and test"}
    assert (record.classes, record.positive, record.credits, record.limits) == ([0, 1], 1, ["me"], ["little"])
    assert [item.model_dump() for item in record.inputs] == [{"name": "facts", "modality": "tabular", "columns": ["sex"]}]


@pytest.mark.parametrize(
    ("columns", "roles", "says"),
    [
        (
            {"sex": "F"},
            {"sensitive": ["sex"]},
            r"data\.sensitive: every sensitive column is constant in the test split \(sex\)",
        ),
        (
            {"part": ["test"] * 20 + ["train"] * 20, "y": [1] * 20 + [0, 1] * 10},
            {"split": "part"},
            r"data\.target: every row of the test split is 1",
        ),
        (
            {"part": ["test"] * 20 + ["train"] * 20, "w": [0.0] * 20 + [1.0] * 20},
            {"split": "part", "weight": "w"},
            r"every data\.weight \(w\) in the test split is zero",
        ),
        ({}, {"needs_inputs": True}, r"data\.inputs: a model needs at least one input"),
        (
            {"part": ["train"] * 20 + ["test"] * 20, "y": [1] * 20 + [0, 1] * 10},
            {
                "split": {"column": "part", "validation": 0},
                "trains": True,
                "needs_inputs": True,
                "inputs": {"facts": {"modality": "tabular", "columns": ["sex"]}},
            },
            r"data\.target: every row of the train split is 1",
        ),
        ({}, {"path": "nowhere.csv"}, r"data\.path: there is no file or folder nowhere\.csv in "),
    ],
)
def test_what_makes_every_number_meaningless_stops_the_audit(opened, table, columns, roles, says):
    with pytest.raises((ConfigError, DataError), match=says) as caught:
        opened(table(**columns), **roles)
    assert "\n" not in str(caught.value)


def test_one_constant_sensitive_column_beside_another_is_let_through(opened, table):
    assert opened(table(site="a"), sensitive=["sex", "site"]).sensitive == ["sex", "site"]


def test_many_rows_open_with_whole_clusters_in_one_split(opened, table):
    rows = 300_000
    data = opened(
        table(rows, patient=np.arange(rows) // 7, age=np.arange(rows) % 90),
        trains=True,
        needs_inputs=True,
        inputs={"facts": {"modality": "tabular", "columns": ["age"]}},
        cluster="patient",
        split={"test": 0.3},
        sensitive=["sex", {"column": "age", "quantiles": 4}],
    )
    assert sum(data.splits.values()) == rows
    assert data.roles.groupby("patient")["split"].nunique().max() == 1


# --- reading rows -----------------------------------------------------------------------------------------------


def test_a_batch_holds_decoded_media_by_input_name(opened, media):
    data = opened(cases(), needs_inputs=True, inputs=media, id="case")
    (batch,) = data.batches("test", 10)
    photo, voice = batch.inputs["photo"], batch.inputs["voice"]
    assert photo[0].shape == (3, 4, 3)
    assert photo[0][0, 0].tolist() == [255, 0, 0]
    assert photo[1][0, 0].tolist() == [255, 255, 255]
    assert photo[2] is None
    assert photo[3] is photo[0], "rows of one file share its array"
    assert (voice[0].rate, voice[1]) == (8000, None)
    assert batch.inputs["note"] == ["hello", None, None, "NA"], "a blank cell is missing in every format"
    assert batch.inputs["facts"].dtypes.tolist() == data.table[["age", "kind"]].dtypes.tolist()
    assert batch.inputs["facts"].index.tolist() == [0, 1, 2, 3]
    assert (batch.target.tolist(), batch.target.dtype) == ([0, 1, 0, 1], np.int64)
    assert (batch.ids, batch.weight) == (["c-1", "c-2", "c-3", "c-4"], None)


def test_batches_of_chosen_rows_come_in_the_order_asked_for(opened, media):
    data = opened(cases(), needs_inputs=True, inputs=media, id="case")
    assert [batch.ids for batch in data.batches("test", 2, indices=[3, 0, 0])] == [["c-4", "c-1"], ["c-1"]]
    assert list(data.batches("train", 2)) == []


def test_cases_can_be_put_into_other_splits_without_changing_the_dataset(opened, media):
    data = opened(cases(), needs_inputs=True, inputs=media, id="case")
    (before,) = data.batches("test", 10)
    other = data.with_splits(["train", None, "validation", "train"])
    assert (data.splits, other.splits) == ({"test": 4}, {"train": 2, "validation": 1})
    (batch,) = other.batches("train", 10)
    assert batch.ids == ["c-1", "c-4"]
    assert batch.inputs["photo"][0] is before.inputs["photo"][0], "decoded media are shared"
    assert other.frame(["age"], "validation")["age"].tolist() == [3.0]
    with pytest.raises(ValueError, match="4 rows need as many splits"):
        data.with_splits(["train"])
    with pytest.raises(ValueError, match="'holdout'"):
        data.with_splits(["train", "test", "holdout", None])


def test_a_row_is_found_by_its_id(opened, media):
    data = opened(cases(), needs_inputs=True, inputs=media, id="case")
    assert data.row("c-3").inputs["facts"]["age"].tolist() == [3.0]
    with pytest.raises(DataError, match=r"cases\.parquet has no row with the id 'c-9'"):
        data.row("c-9")


def test_frame_is_a_copy_in_the_order_of_batches(opened, table):
    data = opened(
        table(part=["train", "test"] * 20, y=np.arange(40) // 2 % 2, n=range(40)),
        split="part",
        trains=True,
        needs_inputs=True,
        inputs={"facts": {"modality": "tabular", "columns": ["n"]}},
    )
    frame = data.frame(["n", "id", "split"], "test")
    assert frame["n"].tolist() == list(range(1, 40, 2))
    assert set(frame["split"]) == {"test"}
    assert [row for batch in data.batches("test", 7) for row in batch.ids] == frame["id"].tolist()
    assert sum(len(batch) for batch in data.batches("train", 7)) == data.size("train")
    frame["n"] = 0
    assert data.frame(["n"], "test")["n"].sum() > 0
    assert list(data.frame()) == ["n", "y", "part"]
    with pytest.raises(DataError, match=r"no column 'parts' was read from cases\.parquet\. Did you mean 'part'\?"):
        data.frame(["parts"])


@pytest.mark.parametrize("wrap", [False, True])
def test_pictures_may_lie_in_the_table_itself(opened, media, png, wrap):
    photo = [png((0, 255, 0)), None, png((0, 0, 255)), png((0, 255, 0))]
    if wrap:  # as the `datasets` library writes them
        photo = [{"bytes": content, "path": "unused.png"} for content in photo]
        photo[1] = {"bytes": None, "path": None}
    data = opened(cases(photo=photo), needs_inputs=True, inputs=media)
    (batch,) = data.batches("test", 10)
    assert batch.inputs["photo"][0][0, 0].tolist() == [0, 255, 0]
    assert batch.inputs["photo"][1] is None
    assert batch.inputs["photo"][3] is batch.inputs["photo"][0]


def test_a_dataset_can_be_sent_to_another_process(opened, media):
    data = opened(cases(), needs_inputs=True, inputs=media)
    next(data.batches("test", 4))
    again = pickle.loads(pickle.dumps(data))
    assert isinstance(again, Dataset)
    assert next(again.batches("test", 4)).inputs["photo"][0][0, 0].tolist() == [255, 0, 0]


# --- media that cannot be used ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "says"),
    [("nope.png", "no such file"), ("../a.png", "leads out"), ("/etc/passwd", "leads out"), ("text.png", "not PNG")],
)
def test_a_path_that_leads_nowhere_is_found_before_anything_is_trained(opened, media, write, path, says):
    write("text.png", "no picture")
    expected = rf"^cases\.parquet, row 3 \(id 'c-3'\): photo: .*{says}.*, and 1 more row; .*skip"
    with pytest.raises(DataError, match=expected) as caught:
        opened(cases(photo=[None, None, path, path]), needs_inputs=True, inputs=media, id="case")
    assert path not in str(caught.value)


def test_a_column_of_numbers_is_no_column_of_media(opened, media):
    with pytest.raises(DataError, match=r"row 1 \(id 'c-1'\): photo: there is no such file"):
        opened(cases(photo=[1, 2, 3, 4]), needs_inputs=True, inputs=media, id="case")


def test_the_fingerprint_of_media_follows_their_content_and_not_their_time(opened, media, write, png):
    def fingerprint():
        return opened(cases(), needs_inputs=True, inputs=media).media_fingerprint

    before = fingerprint()
    assert len(before) == 64
    write("a.png", png((255, 0, 0)))
    assert fingerprint() == before
    write("a.png", png((254, 0, 0)))
    assert fingerprint() != before


def test_a_table_that_names_no_media_has_no_fingerprint_of_them(opened, table):
    assert opened(table(), sensitive=["sex"]).media_fingerprint is None


def test_predictions_need_no_media(opened, media):
    assert opened(cases(photo="nope.png"), inputs=media).size("test") == 4


def test_a_picture_that_turns_out_to_be_broken_names_its_row(opened, media, write, png):
    write("cut.png", png(size=(50, 50))[:60])
    data = opened(cases(photo=["a.png", "a.png", "cut.png", None]), needs_inputs=True, inputs=media, id="case")
    with pytest.raises(DataError, match=r"^cases\.parquet, row 3 \(id 'c-3'\): photo: .* picture \(truncated\)"):
        list(data.batches("test", 10))


def test_rows_with_unusable_media_are_left_out_everywhere_if_asked(opened, media, write, png):
    write("cut.png", png(size=(50, 50))[:60])
    frame = pd.concat(
        [
            cases(photo=["a.png", "cut.png", "a.png", "nope.png"], voice="a.wav"),
            cases(case=["c-5", "c-6", "c-7", "c-8"]),
        ],
        ignore_index=True,
    )
    data = opened(frame, needs_inputs=True, inputs=media, id="case", on_bad_media="skip")
    kept = ["c-1", "c-3", "c-5", "c-6", "c-7", "c-8"]
    assert [row for batch in data.batches("test", 4) for row in batch.ids] == kept
    assert data.roles["id"].tolist() == kept
    assert data.frame(["case"], "test")["case"].tolist() == kept
    assert data.size("test") == data.splits["test"] == 6
    assert data.skipped == [
        ("c-2", "photo: not a readable picture (truncated)"),
        ("c-4", "photo: there is no such file in the data's folder"),
    ]
    assert data.describe().skipped_rows == 2
    assert [number for batch in data.batches("test", 4) for number in batch.target] == frame["y"][
        [0, 2, 4, 5, 6, 7]
    ].tolist()


def test_leaving_rows_out_moves_no_other_row_to_another_split(opened, media, table):
    frame = table(60, photo=["a.png"] * 60)
    roles = {
        "needs_inputs": True,
        "trains": True,
        "inputs": {"photo": {"modality": "image"}},
        "split": {"test": 0.3, "validation": 0.2},
        "on_bad_media": "skip",
    }
    whole = opened(frame, **roles).roles.set_index("id")["split"]
    frame.loc[::7, "photo"] = "nope.png"
    some = opened(frame, **roles).roles.set_index("id")["split"]
    assert len(some) == 51
    assert (whole.loc[some.index] == some).all()


def test_a_late_error_names_the_row_of_the_file_though_rows_were_left_out(opened, media, write, png):
    frame = cases(photo=["nope.png", "a.png", "later.png", "a.png"], y=[0, 1, 0, 1])
    write("later.png", png())
    data = opened(frame, needs_inputs=True, inputs=media, id="case", on_bad_media="skip")
    write("later.png", b"gone bad")
    with pytest.raises(DataError, match=r"row 3 \(id 'c-3'\): photo: "):
        list(data.batches("test", 4))


# --- a table in memory ------------------------------------------------------------------------------------------


def test_a_table_in_memory_gets_the_same_roles_as_its_file(png, tmp_path):
    table = pd.DataFrame(
        {
            "case": ["a", "b", "c", "d"], "y": ["no", "yes", "yes", "no"], "sex": ["F", "M", None, "F"],
            "who": ["p", "p", "q", "r"], "w": [1, 2, 1, 1], "photo": [png((0, 0, 0)), None, png((9, 9, 9)), png((0, 0, 0))],
        }
    )  # fmt: skip
    table.to_parquet(tmp_path / "table.parquet", index=False)
    config = DataConfig.model_validate(
        {
            "path": "table.parquet", "id": "case", "target": "y", "positive": "yes", "sensitive": ["sex"], "cluster": ["who"],
            "weight": "w", "inputs": {"photo": {"modality": "image"}},
        }
    )  # fmt: skip
    before = table.copy()
    made = Dataset.of(table, config)
    filed = Dataset.open(config, tmp_path, error=lambda key, problem: ConfigError(problem))
    pd.testing.assert_frame_equal(made.roles, filed.roles)
    assert (made.classes, made.positive, made.task, made.splits) == (filed.classes, filed.positive, filed.task, filed.splits)
    assert next(made.batches("test", 4)).inputs["photo"][0].shape[2] == 3
    pd.testing.assert_frame_equal(table, before)
    assert made.describe().fingerprint == Dataset.of(table, config).fingerprint
    assert Dataset.of(table.assign(y=["yes", "no", "yes", "no"]), config).fingerprint != made.fingerprint


def test_what_is_wrong_with_a_table_in_memory_is_said_by_key_and_row():
    table = pd.DataFrame({"y": [0, 1, None], "sex": ["F", "M", "F"]})
    with pytest.raises(ConfigError, match=r"^data\.sensitive, item 1: no column 'sexx' in people\. Did you mean 'sex'"):
        Dataset.of(table, DataConfig(path="-", target="y", sensitive=["sexx"]), name="people")
    with pytest.raises(DataError, match="people, row 3"):
        Dataset.of(table, DataConfig(path="-", target="y"), name="people")


@pytest.mark.parametrize(("values", "notes"), [(30, 1), (20, 0)])
def test_text_with_many_values_in_a_table_that_trains_a_model_is_named(opened, table, values, notes):
    days = [f"2024-01-{1 + row % values:02d}" for row in range(40)]
    inputs = {"tab": {"modality": "tabular", "columns": ["day", "age"]}}
    roles = {"inputs": inputs, "split": {"test": 0.5}}
    data = opened(table(day=days, age=np.arange(40)), trains=True, needs_inputs=True, **roles)
    assert sum(f"The input day is text with {values} different values" in note for note in data.notes) == notes
    trained_elsewhere = opened(table(day=days, age=np.arange(40)), needs_inputs=True, **roles)
    assert not any("different values" in note for note in trained_elsewhere.notes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda frame: frame.iloc[:0], "table has no rows"),
        (lambda frame: pd.concat([frame, frame[["sex"]]], axis=1), "table has two columns called 'sex'; rename one of them"),
        (lambda frame: frame["sex"], "the table is a Series; give a DataFrame"),
    ],
)
def test_a_table_in_memory_that_cannot_be_used_is_one_sentence(table, change, says):
    config = DataConfig(path="(memory)", target="y", sensitive=["sex"])
    with pytest.raises(DataError, match=says):
        Dataset.of(change(table()), config)
    unused = pd.concat([table(), table(other=1)[["other"]], table(other=2)[["other"]]], axis=1)
    assert Dataset.of(unused, config).size("test") == 40


@pytest.mark.parametrize("names", [[0, 1], [("who", "y"), ("who", "sex")]])
def test_columns_in_memory_are_named_by_their_text(table, names):
    frame = table()[["y", "sex"]].set_axis(names, axis=1)
    data = Dataset.of(frame, DataConfig(path="(memory)", target=str(names[0]), sensitive=[str(names[1])]))
    assert set(data.roles[str(names[1])]) == {"F", "M"}
