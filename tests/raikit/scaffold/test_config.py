"""A written audit.yaml is read by the same code as any other, whatever the columns are called."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from raikit.config.load import load
from raikit.data.dataset import Dataset
from raikit.data.guess import guess_roles
from raikit.errors import ConfigError
from raikit.scaffold.config import write_config

ROWS = 60
# a blank name is none: init takes such a column for row numbers
# and "?" is an open question
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12
).filter(lambda name: name.strip() not in ("", "?")) | st.sampled_from(
    [
        "no",
        "y",
        "null",
        "1",
        "1e5",
        "a: b",
        "# x",
        "- x",
        "{x}",
        "x\nmodel: y",
        "x\x85y",
        "x\u2028y",
        "it's",
        '"',
        "\\",
        "~",
    ]
)


def opened(path):
    config = load(path)
    model = config.audit.model
    spec = model.load.model_extra if model.load else {}
    return config.audit, Dataset.open(
        config.audit.data,
        config.folder,
        error=config.error,
        trains=model.train is not None,
        needs_inputs=model.load is None,
        extra_columns=[spec[key] for key in ("prediction", "score") if key in spec],
    )


@given(st.lists(names, min_size=3, max_size=3, unique_by=lambda name: name.strip().lower()))
def test_any_name_of_a_column_comes_back_as_it_was(tmp_path_factory, columns):
    folder = tmp_path_factory.mktemp("init")
    words, number, target = columns
    frame = pd.DataFrame(
        {
            words: [f"a b c {row}" for row in range(ROWS)],
            number: np.linspace(0, 50, ROWS),
            target: ["no", "yes"] * (ROWS // 2),
        }
    )
    frame.to_parquet(folder / "daten: 1.parquet", index=False)
    write_config(folder / "daten: 1.parquet", folder / "question.yaml")
    try:
        load(folder / "question.yaml")
    except ConfigError as error:
        assert "is an open question" in str(error)  # noqa: PT017 (a name may also suggest the target)
    assume(not guess_roles(folder / "daten: 1.parquet", target).questions)
    write_config(folder / "daten: 1.parquet", folder / "audit.yaml", target)
    audit, data = opened(folder / "audit.yaml")
    assert audit.name == "daten: 1"
    assert {audit.data.target, *(column for item in data.inputs.values() for column in item.columns)} <= set(columns)


@pytest.mark.parametrize("predictions", [False, True])
def test_what_is_written_can_be_opened_and_is_commented(tmp_path, predictions):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], ROWS),
            "age": rng.integers(18, 90, ROWS),
            "pulse": rng.normal(size=ROWS),
            "label": ["no", "yes", "no"] * (ROWS // 3),
            "patient": np.arange(ROWS) // 3,
        }
    )
    if predictions:
        frame["pred"], frame["score"] = frame["label"], rng.random(ROWS)
    (tmp_path / "tables").mkdir()
    frame.to_csv(tmp_path / "tables" / "people.csv", index=False)
    summary = write_config(tmp_path / "tables" / "people.csv", tmp_path / "audit.yaml")
    audit, data = opened(tmp_path / "audit.yaml")
    assert audit.data.path == "tables/people.csv"
    assert (data.sensitive, data.cluster, data.positive) == (["sex", "age"], ["patient"], "yes")
    assert "Target: label (binary)" in summary
    if predictions:
        assert audit.model.load.kind == "predictions"
        assert list(data.extra) == ["pred", "score"]
    else:
        assert audit.model.train.kind == "fusion"
        assert set(data.splits) == {"train", "validation", "test"}
    assert sum(line.lstrip().startswith("#") for line in (tmp_path / "audit.yaml").read_text().splitlines()) > 5


def test_a_line_break_in_a_name_adds_no_key(tmp_path):
    pd.DataFrame({"y": [0, 1] * 20, "n\nplugins: {local: [evil.py]}\n#": range(40)}).to_parquet(tmp_path / "a.parquet")
    write_config(tmp_path / "a.parquet", tmp_path / "audit.yaml")
    assert load(tmp_path / "audit.yaml").audit.plugins.local == []


@pytest.mark.parametrize("column", ["p_urgent", "urgent_prob", "score"])
def test_the_score_of_a_target_is_known_by_either_name(tmp_path, column):
    rows = pd.DataFrame({"urgent": [0, 1] * 30, "sex": ["F", "M"] * 30, column: np.linspace(0, 1, 60)})
    rows.to_csv(tmp_path / "cases.csv", index=False)
    write_config(tmp_path / "cases.csv", tmp_path / "audit.yaml")
    assert load(tmp_path / "audit.yaml").audit.model.load.model_extra["score"] == column


def test_rows_without_a_target_are_counted(tmp_path):
    rows = pd.DataFrame({"approved": ["yes", None, "no"] * 20, "pulse": np.linspace(0, 1, 60)})
    rows.to_csv(tmp_path / "cases.csv", index=False)
    write_config(tmp_path / "cases.csv", tmp_path / "audit.yaml")
    assert "# Rows without a target: 20; remove them" in (tmp_path / "audit.yaml").read_text()


def test_what_means_missing_and_the_decimal_mark_are_written(tmp_path):
    numbers = [f"{row},5" for row in range(58)]
    rows = pd.DataFrame({"approved": [0, 1] * 30, "pulse": [*numbers, "NULL", "-"], "sex": ["F", "M", "M"] * 20})
    rows.to_csv(tmp_path / "cases.csv", index=False, sep=";")
    write_config(tmp_path / "cases.csv", tmp_path / "audit.yaml")
    audit, data = opened(tmp_path / "audit.yaml")
    assert (set(audit.data.missing), audit.data.decimal) == ({"NULL", "-"}, ",")
    assert data.frame(["pulse"])["pulse"].isna().sum() == 2


def test_small_numbers_that_may_name_clusters_stop_the_audit(tmp_path):
    rows = pd.DataFrame({"died": [0, 1, 0] * 20, "pulse": np.linspace(0, 1, 60), "school": [*range(12)] * 5, "ward_id": [*range(30)] * 2})
    rows.to_csv(tmp_path / "cases.csv", index=False)
    told = write_config(tmp_path / "cases.csv", tmp_path / "audit.yaml")
    assert "Question: data.cluster: school, or nothing if the numbers count something" in told
    assert 'cluster: [ward_id, "?"]      # school, or nothing' in (tmp_path / "audit.yaml").read_text()
    with pytest.raises(ConfigError, match=r"data\.cluster"):
        opened(tmp_path / "audit.yaml")
