"""Estimators in files: skops without code, further types by name, pickles by permission."""

import sys
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops import io as skops

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ModelError
from raikit.models import sklearn_files
from raikit.models.loaders import LOADERS, load, runs_code

STEP = """
from sklearn.base import BaseEstimator, TransformerMixin
class Step(TransformerMixin, BaseEstimator):
    def fit(self, table, y=None):
        return self
    def transform(self, table):
        return table * 2
"""


def fitted(dataset, *steps):
    return make_pipeline(*steps, LogisticRegression()).fit(dataset.frame(["x0", "x1"]), dataset.roles["target"])


def test_a_file_of_skops_is_read_without_running_code(numbers, predictions, tmp_path):
    dataset = numbers()
    pipeline = fitted(dataset, StandardScaler())
    skops.dump(pipeline, tmp_path / "m.skops")
    spec = {"kind": "sklearn", "path": "m.skops"}
    assert not runs_code(spec)
    frame = predictions(load(spec, dataset, LOADERS, tmp_path), dataset)
    np.testing.assert_allclose(frame["score"], pipeline.predict_proba(dataset.frame(["x0", "x1"]))[:, 1])


def test_a_saved_pipeline_of_texts_gets_one_dimensional_text(predictions, tmp_path):
    table = pd.DataFrame({"said": ["good day", "bad night", None, "bad day"] * 10, "y": [1, 0, 1, 0] * 10})
    data = Dataset.of(table, DataConfig.model_validate({"path": "t", "target": "y", "inputs": {"said": {"modality": "text"}}}))
    pipeline = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(table["said"].fillna(""), table["y"])
    skops.dump(pipeline, tmp_path / "m.skops")
    frame = predictions(load({"kind": "sklearn", "path": "m.skops"}, data, LOADERS, tmp_path), data)
    np.testing.assert_allclose(frame["score"], pipeline.predict_proba(table["said"].fillna(""))[:, 1])


def test_other_types_are_refused_by_name_before_their_module_is_imported(numbers, module, predictions, tmp_path):
    dataset, name = numbers(), module(STEP)
    sys.path.insert(0, str(tmp_path))
    try:
        step = __import__(name).Step
        pipeline = fitted(dataset, step())
        skops.dump(pipeline, tmp_path / "m.skops")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop(name)
    spec = {"kind": "sklearn", "path": "m.skops"}
    with pytest.raises(ModelError, match=rf"types that skops does not trust: {name}\.Step\. If you trust their code"):
        load(spec, dataset, LOADERS, tmp_path)
    assert name not in sys.modules
    trusting = {**spec, "trusted": [f"{name}.Step"]}
    assert runs_code(trusting)
    frame = predictions(load(trusting, dataset, LOADERS, tmp_path), dataset)
    np.testing.assert_allclose(frame["score"], pipeline.predict_proba(dataset.frame(["x0", "x1"]))[:, 1])
    with pytest.raises(ModelError, match=rf"does not trust: {name}\.Step"):
        load({**spec, "trusted": ["another.Type"]}, dataset, LOADERS, tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"model\.load\.path: there is no file m\.skops\.$"),
        (b"", r"m\.skops cannot be read as a file of skops \(BadZipFile"),
        (b"PK\x03\x04 no archive", "cannot be read as a file of skops"),
    ],
)
def test_a_damaged_file_is_one_sentence(numbers, tmp_path, content, says):
    if content is not None:
        (tmp_path / "m.skops").write_bytes(content)
    with pytest.raises(ModelError, match=says):
        load({"kind": "sklearn", "path": "m.skops"}, numbers(), LOADERS, tmp_path)


@pytest.mark.parametrize("schema", ["{}", "[]", "no JSON", '{"__loader__": "TypeNode"}', '{"protocol": 2, "__loader__": "ObjectNode"}'])
def test_an_archive_that_skops_has_not_written_is_one_sentence(numbers, tmp_path, schema):
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as archive:
        archive.writestr("schema.json", schema)
    with pytest.raises(ModelError, match="cannot be read as a file of skops"):
        load({"kind": "sklearn", "path": "m.skops"}, numbers(), LOADERS, tmp_path)


def test_an_archive_that_unpacks_to_too_much_is_refused_first(numbers, tmp_path, monkeypatch):
    dataset = numbers()
    skops.dump(fitted(dataset), tmp_path / "m.skops")
    monkeypatch.setattr(sklearn_files, "_MOST_UNPACKED", 100)
    with pytest.raises(ModelError, match=r"m\.skops has [\d,]+ bytes after unpacking; the limit is 100"):
        load({"kind": "sklearn", "path": "m.skops"}, dataset, LOADERS, tmp_path)


def test_a_pickle_is_read_by_permission_and_in_a_process_of_its_own(numbers, tmp_path):
    dataset = numbers()
    joblib.dump(fitted(dataset), tmp_path / "m.joblib")
    spec = {"kind": "sklearn", "path": "m.joblib"}
    with pytest.raises(ModelError, match=r"m\.joblib is a pickle.*skops.*allow_pickle: true"):
        load(spec, dataset, LOADERS, tmp_path)
    assert runs_code({**spec, "allow_pickle": True})
    assert "scores" in load({**spec, "allow_pickle": True}, dataset, LOADERS, tmp_path).capabilities


def test_without_skops_a_sentence_says_what_to_install(numbers, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ModelError, match=r"m\.skops needs the package skops: pip install 'raikit\[models\]'"):
        load({"kind": "sklearn", "path": "m.skops"}, numbers(), LOADERS, tmp_path)


@pytest.mark.parametrize("way", ["skops", "joblib"])
def test_another_version_of_scikit_learn_is_noted(numbers, tmp_path, way, monkeypatch, recwarn):
    dataset = numbers()
    estimator = fitted(dataset)
    with monkeypatch.context() as older:
        older.setattr("sklearn.base.__version__", "1.0.1")
        (skops.dump if way == "skops" else joblib.dump)(estimator, tmp_path / f"m.{way}")
    allowed = {"allow_pickle": True} if way == "joblib" else {}
    model = load({"kind": "sklearn", "path": f"m.{way}", **allowed}, dataset, LOADERS, tmp_path)
    (note,) = model.notes()
    assert note.startswith("The estimator was saved by scikit-learn 1.0.1 and is read by")
    assert not [item for item in recwarn if "InconsistentVersion" in str(item.category)]
