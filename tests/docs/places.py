"""What a reader has before a block can run: tables, folders and environments, by the names in the blocks' comments."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

# A complete audit.yaml, for blocks that show some of its sections.
WHOLE = {
    "name": "model",
    "data": {"path": "people.csv", "target": "y", "sensitive": ["sex"]},
    "model": {"load": {"kind": "predictions", "score": "p"}},
}


def people(site):
    """Write people.csv, a table of predictions, and an audit.yaml with rules that hold."""
    rng = np.random.default_rng(0)
    rows = 800
    sex, race = rng.choice(["F", "M"], rows), rng.choice(["A", "B", "C"], rows)
    y = (rng.random(rows) < 0.5).astype(int)
    p = np.clip(0.15 + 0.7 * y + rng.normal(0, 0.12, rows), 0, 1).round(4)
    table = pd.DataFrame({"case": [f"c{i}" for i in range(rows)], "sex": sex, "race": race, "y": y, "p": p})
    table.to_csv(site.folder / "people.csv", index=False)
    rules = [
        {"metric": "performance.accuracy", "min": 0.8},
        {"metric": "fairness.equal_opportunity_difference[sex]", "max": 0.1},
    ]
    config = {
        "name": "people",
        "data": {"path": "people.csv", "id": "case", "target": "y", "sensitive": ["sex", "race"]},
        "model": {"load": {"kind": "predictions", "score": "p"}},
        "checks": {"performance.classification": {}, "fairness.groups": {}},
        "gate": {"rules": rules},
    }
    (site.folder / "audit.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def cases(site):
    """Write the data of README, cases.csv and cases.parquet; some patients have several cases."""
    rng = np.random.default_rng(1)
    rows = 600
    urgent = (rng.random(rows) < 0.4).astype(int)
    table = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], rows),
            "race": rng.choice(["A", "B"], rows),
            "age": rng.integers(18, 90, rows),
            "patient": [f"p{number}" for number in rng.integers(0, 200, rows)],
            "urgent": urgent,
            "p_urgent": np.clip(0.1 + 0.8 * urgent + rng.normal(0, 0.1, rows), 0, 1).round(4),
        }
    )
    table.to_csv(site.folder / "cases.csv", index=False)
    table["y"], table["yhat"] = table["urgent"], (table["p_urgent"] >= 0.5).astype(int)
    table["p"] = table["p_urgent"]
    table.to_parquet(site.folder / "cases.parquet", index=False)


def arrays(site):
    """Return the variables of a notebook: labels, decisions, scores and a frame of people."""
    cases(site)
    table = pd.read_parquet(site.folder / "cases.parquet")
    return {"people": table[["sex", "race"]], "y_true": table["y"], "y_pred": table["yhat"], "p": table["p"]}


def logs(site):
    """Write before.eval and after.eval, two logs of Inspect."""
    written = Path(__file__).parents[1] / "raikit" / "data" / "logs"
    for run in ("before", "after"):
        shutil.copyfile(written / f"inspect_{run}.eval", site.folder / f"{run}.eval")


def own_tests(site):
    """Write a test of the reader's own."""
    (site.folder / "test_own.py").write_text("def test_own():\n    pass\n")


def repository(site):
    """Make a repository, for ``git add``."""
    subprocess.run(["git", "init", "--quiet"], cwd=site.folder, check=True)


def environment(site):
    """Make a virtual environment with raikit, so that what a block installs does not leave it."""
    import sys
    import sysconfig

    home = site.folder.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    packages = next((home / "lib").glob("python*/site-packages"))
    theirs = sysconfig.get_path("purelib")
    (packages / "raikit.pth").write_text(f"import site; site.addsitedir({theirs!r})\n")
    for tool in (site.folder.parent / "tools").iterdir():
        tool.write_text(tool.read_text().replace(sys.executable, str(home / "bin" / "python")))
