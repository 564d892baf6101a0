"""A message of others' code about a case is shown without the texts of its cells."""

import pandas as pd
import pytest

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.data.redaction import LEFT_OUT, quoting_no_cells, without_cells
from raikit.errors import ModelError

NOTES = ["pain in the chest\nsince May", "calm", "Jane Doe, born 1987, " + "asked for a loan " * 50, "no"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "a.csv"
    classes = ["declined today", "paid back", "paid back", "paid back"]
    table = {"case": ["id one", "b", "c", "d"], "note": NOTES, "sex": ["F", "M", "F", "M"], "y": classes}
    pd.DataFrame(table).to_csv(path, index=False)
    roles = {"id": "case", "target": "y", "positive": "paid back", "sensitive": ["sex"]}
    return Dataset.open(DataConfig(path=str(path), **roles, inputs={"note": {"modality": "text"}}), path.parent, error=str)


@pytest.mark.parametrize("message", [
    f"could not convert string to float: {NOTES[0]!r}", "could not convert string to float: 'calm'", f"bad: {NOTES[2]}",
    f"bad: {NOTES[2][:300]} …", f"{{'note': {NOTES[2]!r}}}", f"bad: {' '.join(NOTES[0].split())}", f"{NOTES[2]} and {NOTES[2]}",
])  # fmt: skip
def test_a_text_is_left_out_however_it_is_written(data, message):
    shown = without_cells(message, data)
    assert LEFT_OUT in shown
    assert not any(word in shown for word in ("chest", "May", "calm", "Jane", "1987", "loan"))


@pytest.mark.parametrize("message", [
    "no column 'case' for id 'id one'", "the class 'declined today' is unknown", "this has no calm end", "sex 'F'", LEFT_OUT,
])  # fmt: skip
def test_what_somebody_must_name_stays(data, message):
    assert without_cells(message, data) == message


def test_an_error_of_a_model_keeps_its_cause(data):
    def score():
        with quoting_no_cells(data):
            raise ModelError("could not read 'calm'") from ValueError("x")

    with pytest.raises(ModelError, match="could not read") as caught:
        score()
    assert str(caught.value) == f"could not read '{LEFT_OUT}'"
    assert isinstance(caught.value.__cause__, ValueError)
