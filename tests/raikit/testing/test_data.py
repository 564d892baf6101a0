import io
from itertools import product

import pytest

from raikit.testing import dataset

EVERY = ("tabular", "text", "image", "audio")


@pytest.mark.parametrize(("task", "modality"), list(product(["binary", "multiclass", "regression"], EVERY)))
def test_every_task_is_made_with_every_kind_of_input(task, modality):
    data = dataset(task, [modality], rows=60)
    assert data.task == task
    assert [(name, item.modality) for name, item in data.inputs.items()] == [(modality, modality)]
    assert set(data.splits) == {"train", "validation", "test"}
    batch = next(data.batches("test", 5))
    assert len(batch.inputs[modality]) == 5
    assert data.describe().fingerprint


def test_all_inputs_and_roles_at_once():
    data = dataset("multiclass", EVERY, classes=4, clusters=True, weights=True, groups=("a", "b", "c"))
    assert list(data.inputs) == list(EVERY)
    assert (data.classes, data.sensitive, data.cluster, data.weight) == (["a", "b", "c", "d"], ["group"], ["cluster"], "weight")
    assert data.overlap == {}


def test_the_same_arguments_give_the_same_rows_and_another_seed_others():
    one, two, other = dataset(modalities=EVERY, seed=1), dataset(modalities=EVERY, seed=1), dataset(modalities=EVERY, seed=2)
    assert one.fingerprint == two.fingerprint != other.fingerprint


def test_missing_groups_and_inputs_are_there_only_if_asked_for():
    whole, gaps = dataset(modalities=EVERY), dataset(modalities=EVERY, missing=True)
    assert whole.table.isna().sum().sum() == 0
    assert gaps.roles["group"].isna().any()
    for column in ("measure", "kind", "text", "image", "audio"):
        assert 0 < gaps.table[column].isna().mean() < 0.3
    assert not gaps.table["target"].isna().any()


def test_every_split_holds_every_group_with_every_class_even_with_the_fewest_rows():
    data = dataset("multiclass", rows=18)
    assert len(data.roles.drop_duplicates(["split", "group", "target"])) == 18


def test_without_groups_there_is_no_sensitive_column():
    assert dataset(groups=()).sensitive == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"task": "binery"}, "Did you mean 'binary'"),
        ({"task": "multilabel"}, "is none of binary, multiclass, regression"),
        ({"modalities": ["txt"]}, "Did you mean 'text'"),
        ({"rows": 8}, "8 are too few; 12 hold every group and class"),
        ({"task": "multiclass", "classes": 2}, "3 to 26"),
        ({"columns": {"group": ["F"] * 200}}, "already have a column 'group'"),
        ({"columns": {"opened": [1, 2]}}, "'opened' has 2 values for 200 rows"),
    ],
)
def test_what_cannot_be_made_is_said(arguments, says):
    with pytest.raises(ValueError, match=says):
        dataset(**arguments)


def test_further_columns_are_there_for_checks_and_change_no_other():
    columns = {"opened": lambda rng, rows: rng.integers(0, 24, rows), "place": ["north", "south"] * 30}
    data = dataset(rows=60, columns=columns)
    assert data.frame(["opened"])["opened"].between(0, 23).all()
    assert data.frame(["place"])["place"].tolist() == columns["place"]
    assert data.frame(["opened"]).equals(dataset(rows=60, columns=columns).frame(["opened"]))
    plain = dataset(rows=60)
    assert data.table[plain.table.columns].equals(plain.table)
    assert data.roles.equals(plain.roles)


def test_pictures_and_sounds_are_encoded_as_files_are():
    from PIL import Image

    data = dataset(modalities=["image", "audio"], rows=24)
    assert Image.open(io.BytesIO(data.table["image"].iloc[0])).format == "PNG"
    assert data.table["audio"].iloc[0].startswith(b"RIFF")
