"""Scores are kept in parts, and an interrupted scoring goes on behind them."""

import numpy as np
import pytest

from raikit.models import score_files
from raikit.models.score_files import ScoredParts, read_score_file, write_score_file
from raikit.models.scoring import score_all
from raikit.testing import dataset, model

DATA = dataset("multiclass", ["text"], rows=160)


def nothing(done, total):
    return None


@pytest.fixture
def tiny():
    return model(DATA)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(score_files, "_SECONDS", 0.0)


@pytest.mark.parametrize("ids", [["a", "b"], [3, 10**17], [None, 2.5]])
def test_a_file_holds_what_was_written(tmp_path, ids):
    scores = np.array([[0.1, 0.9], [1 / 3, 2 / 3]])
    write_score_file(tmp_path / "s.arrow", ids, scores)
    read, found = read_score_file((tmp_path / "s.arrow").read_bytes())
    assert read == ids
    assert (found == scores).all()


def interrupted_after(tiny, cases):
    """Let scoring end with an error once so many cases have been scored, and count those that are scored."""
    own, seen = tiny.scores, []

    def scores(batch):
        if len(seen) >= cases:
            raise KeyboardInterrupt
        seen.extend(batch.ids)
        return own(batch)

    tiny.scores = scores
    return seen, own


@pytest.mark.parametrize("cases", [1, 48, 96, 144])
def test_an_interrupted_scoring_goes_on_behind_its_last_part(tiny, tmp_path, cases):
    expected_ids, expected = score_all(tiny, DATA, nothing, 16)
    seen, own = interrupted_after(tiny, cases)
    with pytest.raises(KeyboardInterrupt):
        score_all(tiny, DATA, nothing, 16, tmp_path / "parts")
    scored_first = len(seen)
    tiny.scores = lambda batch: (seen.extend(batch.ids), own(batch))[1]
    progress = []
    ids, scores = score_all(tiny, DATA, lambda done, total: progress.append(done), 16, tmp_path / "parts")
    assert ids == expected_ids
    np.testing.assert_allclose(scores, expected, atol=1e-7)
    assert sorted(seen) == sorted(expected_ids), "no case is scored twice"
    assert progress[0] > scored_first


def test_a_damaged_part_and_parts_of_other_cases_are_scored_again(tiny, tmp_path):
    expected_ids, expected = score_all(tiny, DATA, nothing, 16, tmp_path)
    parts = sorted(tmp_path.glob("part-*"))
    assert len(parts) > 8
    scored = [id for part in parts for id in read_score_file(part.read_bytes())[0]]  # in this order
    parts[4].write_bytes(parts[4].read_bytes()[:-40])
    restored = ScoredParts(tmp_path)
    assert restored.restore(scored) == 64
    assert len(list(tmp_path.glob("part-*"))) == 4
    assert ScoredParts(tmp_path).restore(expected_ids[::-1]) == 0
    ids, scores = score_all(tiny, DATA, nothing, 16, tmp_path)
    assert ids == expected_ids
    np.testing.assert_allclose(scores, expected, atol=1e-7)


def test_without_a_folder_nothing_is_written(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    score_all(tiny, DATA, nothing, 16)
    assert list(tmp_path.iterdir()) == []
