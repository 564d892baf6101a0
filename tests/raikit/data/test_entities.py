"""Entities are those of seqeval, whatever the order of tags."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from raikit.data.entities import NO_ENTITY, entity_cases, has_entities
from raikit.data.parts import TOKEN
from raikit.errors import DataError


def tags_of(letters):
    return st.one_of(st.just("O"), st.builds("{}-{}".format, st.sampled_from(letters), st.sampled_from(["PER", "B-LOC"])))


def frame_of(texts, found=None):
    found = found or texts
    return pd.DataFrame({
        "target": [tag for tags in texts for tag in tags], "prediction": [tag for tags in found for tag in tags],
        TOKEN: [number for tags in texts for number in range(len(tags))],
        "place": [(text, number) for text, tags in enumerate(texts) for number in range(len(tags))],
    })


@pytest.mark.parametrize("letters", ["BI", "BIES"])
def test_entities_are_those_of_seqeval(letters):
    @given(st.lists(st.lists(tags_of(letters), min_size=1, max_size=7), min_size=1, max_size=4))
    @settings(max_examples=200)
    def check(texts):
        cases, types = entity_cases(frame_of(texts))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = [(kind, (at, first)) for at, tags in enumerate(texts) for kind, first, _ in get_entities(tags)]
        assert sorted(zip(cases["target"], cases["place"], strict=True)) == sorted(expected)
        assert (cases["prediction"] == cases["target"]).all()
        assert types == sorted({kind for kind, _ in expected})

    check()


def test_an_entity_with_another_end_is_missed_and_another_one_is_found():
    cases, _ = entity_cases(frame_of([["B-LOC", "I-LOC", "O"]], [["B-LOC", "O", "O"]]))
    assert sorted(zip(cases["target"], cases["prediction"], strict=True)) == [("LOC", NO_ENTITY), (NO_ENTITY, "LOC")]


def test_an_entity_of_another_type_is_one_case():
    cases, types = entity_cases(frame_of([["B-LOC", "I-LOC"]], [["B-PER", "I-PER"]]))
    assert cases[["target", "prediction"]].to_numpy().tolist() == [["LOC", "PER"]]
    assert types == ["LOC", "PER"]


def test_tags_of_bilou_are_those_of_iobes():
    cases, _ = entity_cases(frame_of([["U-LOC", "B-PER", "L-PER"]], [["S-LOC", "B-PER", "E-PER"]]))
    assert (cases["target"] == cases["prediction"]).all()
    assert len(cases) == 2


def test_tags_without_a_mark_are_no_entities():
    assert not has_entities(["NOUN", "B-PER", "O"])
    with pytest.raises(DataError, match="target holds tags that mark no entity, such as NOUN"):
        entity_cases(frame_of([["NOUN", "B-PER"]]))
