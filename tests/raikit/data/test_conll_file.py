"""Files in the layout of CoNLL-2003."""

from __future__ import annotations

import gzip

import pytest

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.data.tables import column_names, read_table
from raikit.errors import DataError

CONLL = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
1996 CD B-NP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- -X- O

BRUSSELS NNP B-NP B-LOC
"""


def test_sentences_and_documents_are_numbered(write):
    path = write("eng.conll", CONLL)
    assert column_names(path) == ["sentence", "document", "token", "pos", "chunk", "tag"]
    table = read_table(path)
    assert table["sentence"].tolist() == [1, 1, 1, 2, 2, 3]
    assert table["document"].tolist() == [1, 1, 1, 1, 1, 2]
    assert table["token"].tolist() == ["EU", "rejects", "1996", "Peter", "Blackburn", "BRUSSELS"]
    assert table["tag"].tolist() == ["B-ORG", "O", "O", "B-PER", "I-PER", "B-LOC"]


def test_two_columns_are_token_and_tag_also_compressed(write):
    path = write("a.conll.gz", gzip.compress(b"EU\tB-ORG\nis\tO\n\n\nHans\tB-PER\n"))
    assert read_table(path).to_dict("list") == {
        "sentence": [1, 1, 2], "document": [1, 1, 1], "token": ["EU", "is", "Hans"], "tag": ["B-ORG", "O", "B-PER"],
    }


def test_documents_are_the_clusters_of_its_tokens(write, error):
    path = write("eng.conll", CONLL)
    config = DataConfig.model_validate({
        "path": path.name, "task": "token_classification", "target": "tag", "sequence": "sentence", "cluster": "document",
        "inputs": {"token": {"modality": "text"}},
    })
    data = Dataset.open(config, path.parent, error=error)
    assert data.cluster == ["document"]
    assert data.roles["id"].tolist() == ["1:0", "1:1", "1:2", "2:0", "2:1", "3:0"]
    assert next(data.batches("test", 4)).inputs["token"][0] == ["EU", "rejects", "1996"]


@pytest.mark.parametrize(
    ("content", "says"),
    [("EU B-ORG\nis\n", "line 2: it has 1 columns; 2 are expected"), ("EU\n", "line 1: it has 1 columns; 2 or more are expected"),
     ("-DOCSTART- O\n\n", "has no rows")],
)
def test_what_is_no_such_file_is_refused(write, content, says):
    with pytest.raises(DataError, match=says):
        read_table(write("a.conll", content))
