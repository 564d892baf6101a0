"""Whether two versions of raikit measure the same: audit six configurations with each, compare the records number by number.

    python benchmarks/same_records.py write before      # with the old version; three minutes
    python benchmarks/same_records.py write after       # with the new one
    python benchmarks/same_records.py compare before after

Numbers, statuses, options, seeds, ids and counts must be equal, without a tolerance. Words may differ and are counted: sentences,
reasons, titles, names of methods, labels in cells, and how a figure is drawn (its specification or picture, not its data). A label
may have another text, but the same one in all cells of its column, so that exchanged rows are found. Times, run ids, versions,
paths and hashes are ignored. The raikit that is audited is the one that Python imports; PYTHONPATH chooses it, by absolute paths.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

COMPARED = ("audit.json", "baseline.json", "*.outcome.json")
IGNORED = {"accepted", "command", "config", "config_path", "fingerprint", "media_fingerprint", "platform", "plugin_version",
           "run_id", "seconds", "sha256", "started", "version", "versions"}
PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s?%")
WORDS = {
    "adjustment", "alt", "certainty", "credits", "description", "help", "image", "intended_use", "limits", "loser",
    "method", "note", "notes", "origin", "output", "preprocessing", "reason", "sentence", "spec", "subtitle",
    "summary", "title", "traceback", "warnings", "what", "who",
}  # fmt: skip
CELLS = {"counts", "data", "excluded", "left_out", "rows"}  # lists of these names: tables, data of figures, labels of groups

MODELS = '''
import torch
from sklearn.ensemble import RandomForestClassifier
COLUMNS = ["income", "debt", "age", "years"]
def forest(data):
    rows = data.frame([*COLUMNS, "target"], "train")
    return RandomForestClassifier(40, max_depth=9, random_state=0, n_jobs=1).fit(rows[COLUMNS], rows["target"])
class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1, bias=False)
        self.layer.weight.data = torch.tensor([[2.5, -1.5, -0.002, 0.06]])
    def forward(self, money, person):
        return self.layer(torch.cat([2 * torch.tanh(money / 2), person], dim=1))
'''


def cases(rows: int = 2500) -> pd.DataFrame:
    """Return a table of applicants with three targets, and what an old and a new model predict; the new one is worse for women."""
    rng = np.random.default_rng(0)
    sex = rng.choice(["F", "M"], rows)
    region = rng.choice(["east", "islands", "north", "south", ""], rows, p=[0.28, 0.02, 0.35, 0.3, 0.05])
    income, debt, years = rng.normal(0, 1, rows), rng.exponential(1, rows), rng.integers(0, 30, rows)
    worth = income - 0.6 * debt + 0.03 * years + 0.3 * (sex == "M") + rng.normal(0, 0.7, rows)
    old = worth + rng.normal(0, 0.6, rows)
    new = old - (sex == "F")
    words = np.array(["arrears", "seasonal", "steady", "savings"])[np.clip(np.round(worth + 2), 0, 3).astype(int)]
    return pd.DataFrame({
        "case": np.arange(rows), "split": rng.choice(["train", "validation", "test"], rows, p=[0.3, 0.2, 0.5]),
        "sex": sex, "region": region, "age": rng.integers(18, 80, rows), "income": income, "debt": debt, "years": years,
        "letter": [f"{first} work in the {second or 'city'}" for first, second in zip(words, region, strict=True)],
        "site": rng.integers(0, 60, rows), "weight": rng.uniform(0.5, 2, rows),
        "worth": worth, "repaid": (worth > 0).astype(int),
        "grade": np.array(["poor", "fair", "good"])[np.digitize(worth, [-0.6, 0.6])],
        "p_old": 1 / (1 + np.exp(-2 * old)), "p_new": 1 / (1 + np.exp(-2 * new)), "estimate_old": old, "estimate_new": new,
    })


def configuration(target: str, model: dict[str, Any], data: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """Return what audit.yaml says."""
    groups = {"sensitive": ["sex", "region", {"column": "age", "bins": [30, 60]}], "cluster": ["site"]}
    data = {"path": "cases.csv", "id": "case", "target": target, "split": "split", **groups, **data}
    return {"name": f"{target} of applicants", "seed": 7, "data": data, "model": model, **sections}


def predictions(target: str, spec: dict[str, str], quality: str, gap: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of predictions that stand in the table, with rules of every outcome and regressions."""
    quality, gap = f"performance.{quality}", f"fairness.{gap}"
    rules = [{"metric": quality, "min": 0.5}, {"metric": quality, "max": 0.01, "severity": "warn"},
             {"metric": f"{gap}[*]", "max": 0.12, "confidence": 0.9}, {"metric": f"{gap}[sex]", "max": 0.001},
             {"metric": "privacy.epsilon", "max": 8, "severity": "warn"}]
    regressions = [{"metric": "fairness.*_difference", "margin": 0.02}, {"metric": "performance.*", "severity": "warn"},
                   {"metric": f"{gap}[sex]", "margin": 0.01, "test": "gap", "id": "gap of the sexes"}]
    gate = {"rules": rules, "regressions": regressions, "required": ["fairness.groups"],
            "waivers": [{"metric": f"{gap}[sex]", "reason": "known", "who": "Ann", "until": "9999-12-31"}]}
    checks = {"performance": {}, "privacy": {}, "fairness": {"intersections": 3}, "fairness.groups": options}
    return configuration(target, {"load": {"kind": "predictions", **spec}}, {"weight": "weight"}, gate=gate, checks=checks)


def run(folder: Path, made: str, *arguments: str) -> None:
    """Run Python in a folder, on one thread unless the environment names another number; stop if it does not make `made`."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env={"OMP_NUM_THREADS": "1", **os.environ},
                          capture_output=True, text=True)
    if not (folder / made).exists():
        sys.exit(f"{folder / made}: nothing was written.\n{done.stdout}{done.stderr}")
    files = sorted(path.name for path in (folder / made).glob("*.*"))
    outcome = {"exit_code": done.returncode, "files": files}
    (folder / f"{made}.outcome.json").write_text(json.dumps(outcome), encoding="utf-8")
    print(f"{folder.name}/{made}: exit {done.returncode}, {len(files)} files, {time.perf_counter() - begun:.0f} s", flush=True)


def audit(folder: Path, made: str, config: dict[str, Any], *options: str) -> None:
    """Audit a configuration with slow checks, and report it in every format."""
    folder.mkdir(exist_ok=True)
    cases().to_csv(folder / "cases.csv", index=False)
    (folder / "models_of_audit.py").write_text(MODELS, encoding="utf-8")
    (folder / f"{made}.yaml").write_text(json.dumps(config, indent=1), encoding="utf-8")
    formats = "html,json,md,junit,sarif,comment"
    run(folder, made, "-m", "raikit", "audit", f"{made}.yaml", "--out", made, "--all", "--formats", formats, *options)


def write(folder: Path) -> None:
    """Audit the six configurations below a new folder."""
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", "import raikit; print('raikit is', raikit.__file__)"], cwd=folder, check=True)
    (folder / "demo").mkdir()
    run(folder / "demo", "run", "-m", "raikit", "demo", "--out", ".")
    options = {"simultaneous": True, "metrics": "all", "control": ["region"], "reference": {"sex": "M"}}
    rates = "repaid", "score", "p", "accuracy", "equal_opportunity_difference", {}
    errors = "worth", "prediction", "estimate", "mean_absolute_error", "mean_absolute_error_difference", options
    for place, (target, key, column, *rest) in {folder / "table": rates, folder / "regression": errors}.items():
        old, new = (predictions(target, {key: f"{column}_{which}"}, *rest) for which in ("old", "new"))
        audit(place, "old", old, "--no-baseline")
        audit(place, "new", new, "--baseline", "old")
        run(place, "baseline.json", "-m", "raikit", "baseline", "save", "old", "baseline.json")
        audit(place, "new-file", new, "--baseline", "baseline.json", "--exclude", "fairness.search")
    inputs = {"money": {"modality": "tabular", "columns": ["income", "debt"]},
              "person": {"modality": "tabular", "columns": ["age", "years"]}}
    gate = {"rules": [{"metric": "performance.accuracy", "min": 0.75}, {"metric": "privacy.membership_auc", "max": 0.55}]}
    for kind, function in (("sklearn", "forest"), ("torch", "Network")):
        model = {"load": {"kind": kind, "path": f"models_of_audit:{function}"}}
        audit(folder / kind, function, configuration("repaid", model, {"inputs": inputs}, gate=gate))
    checks = {"performance": {}, "fairness": {}, "explainability": {"rows": 64}, "privacy": {},
              "privacy.dp_finetuning": {"epochs": 6, "epsilons": [2, 8], "twin": True}}
    data = {"inputs": {"letter": {"modality": "text"}, **inputs}, "sensitive": ["sex", "region"]}
    gate = {"rules": [{"metric": "explainability.*", "min": 0.1}, {"metric": "fairness.*_difference[*]", "max": 0.3}]}
    for target in ("grade", "repaid", "worth"):  # three classes, two classes, a number
        model = {"train": {"kind": "fusion", "epochs": 4, "width": 16}}
        audit(folder / "fusion", target, configuration(target, model, data, checks=checks, gate=gate))


class Comparison:
    """What differs between two folders of records: a line for each value, and the largest difference of two numbers."""

    def __init__(self) -> None:
        self.differences, self.words, self.largest = [], [], 0.0
        self.texts: dict[tuple[str, int, Any], Any] = {}

    def values(self, before: Any, after: Any, at: str, key: str = "") -> None:
        """Compare two values of JSON; `key`, under which they stand, tells words and cells from the rest."""
        if key in WORDS:
            self.words += [f"{at}: {before!r} before, {after!r} after"] if before != after else []
        elif isinstance(before, dict) and isinstance(after, dict):
            for name in {**before, **after}:
                one, other = before.get(name), after.get(name)
                empty = all(value in (None, "", [], {}) for value in (one, other))  # an absent key says no more than that
                if name not in IGNORED and not empty:
                    self.values(one, other, f"{at}.{name}", name)
        elif isinstance(before, list) and isinstance(after, list):
            (self.cells if key in CELLS else self.items)(before, after, at)
        elif before != after or isinstance(before, bool) != isinstance(after, bool):
            self.differences.append(f"{at}: {str(before)[:200]} before, {str(after)[:200]} after")
            if isinstance(before, int | float) and isinstance(after, int | float):
                self.largest = max(self.largest, abs(before - after))

    def items(self, before: list[Any], after: list[Any], at: str) -> None:
        """Compare items of the same id or name, and others by their place."""
        one, other = by_name(before), by_name(after)
        if list(one) != list(other):
            lost, new = ([name for name in names if name not in rest][:5] for names, rest in ((one, other), (other, one)))
            self.differences.append(f"{at}: other items or another order; only before: {lost}; only after: {new}")
        for name in (name for name in one if name in other):
            self.values(one[name], other[name], f"{at}[{name}]")

    def cells(self, before: list[Any], after: list[Any], at: str) -> None:
        """Compare rows of cells by their place."""
        self.values(len(before), len(after), f"{at}: number of rows")
        for number, rows in enumerate(zip(before, after, strict=False)):
            lists = ([row] if isinstance(row, str) else row for row in rows)
            one, other = (row if isinstance(row, dict) else dict(enumerate(row)) for row in lists)
            self.values(list(one), list(other), f"{at}[{number}]: names of columns", "title")
            self.values(len(one), len(other), f"{at}[{number}]: number of columns")
            for column, pair in enumerate(zip(one.values(), other.values(), strict=False)):
                where = f"{at}[{number}][{column}]"
                if not all(cell is None or isinstance(cell, str) for cell in pair):
                    self.values(*pair, where)
                elif (texts := without_equal_percents(*pair)) and (
                    usual := self.texts.setdefault((at, column, texts[0]), texts[1])
                ) != texts[1]:
                    self.values(usual, texts[1], f"{where}, where {texts[0]!r} becomes two texts")
                else:
                    self.values(*pair, where, "title")


def by_name(items: list[Any]) -> dict[Any, Any]:
    """Return items by their ids or names where each has one of its own, else by their places."""
    names = [item.get("id") or item.get("name") if isinstance(item, dict) else None for item in items]
    unique = len(set(names) - {None}) == len(items)
    return dict(zip(names if unique else range(len(items)), items, strict=True))


def without_equal_percents(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """Leave percentages out of two texts, if those of one are the other's to fewer decimals."""
    shares = [PERCENT.findall(text or "") for text in (before, after)]
    if len(shares[0]) != len(shares[1]):
        return before, after
    for pair in zip(*shares, strict=True):
        coarser = min(len(share.partition(".")[2]) for share in pair)
        if abs(float(pair[0]) - float(pair[1])) > 0.5 * 10**-coarser + 1e-9:
            return before, after
    return (before and PERCENT.sub("%", before)), (after and PERCENT.sub("%", after))


def compare(before: Path, after: Path, words: bool) -> bool:
    """Print a line for each configuration, and return whether all are equal."""
    equal = any(path.is_dir() for path in before.iterdir())
    for name in sorted({path.name for folder in (before, after) for path in folder.iterdir() if path.is_dir()}):
        found = Comparison()
        one, other = ({str(path.relative_to(folder / name)): json.loads(path.read_text(encoding="utf-8"))
                       for kind in COMPARED for path in sorted((folder / name).rglob(kind))} for folder in (before, after))
        found.values({"files": list(one), **one}, {"files": list(other), **other}, name)
        records = [record for file, record in one.items() if file.endswith("audit.json")]
        checks = [check for record in records for check in record["checks"]]
        metrics, tables = (sum(len(check[kind]) for check in checks) for kind in ("metrics", "tables"))
        rules, many = sum(len(record["gate"]["rules"]) for record in records), len(found.differences) or int(not records)
        print(f"{name}: {metrics:,} metrics, {rules:,} rules, {tables:,} tables",
              f"compared, {many:,} differences (of numbers at most {found.largest:.3g})" if many else "equal",
              *([f"but for {len(found.words):,} texts"] if found.words else []))
        for line in [*found.differences[:10], *(found.words if words else [])]:
            print(f"  {line}")
        equal = equal and not many
    return equal


def main() -> None:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("write", "compare"))
    parser.add_argument("folders", nargs="+", type=Path, help="a new one to write to, or two to compare")
    parser.add_argument("--words", action="store_true", help="print the texts that differ")
    options = parser.parse_args()
    if len(options.folders) != (1 if options.command == "write" else 2):
        parser.error("write takes one folder, compare takes two")
    if options.command == "write":
        write(options.folders[0].resolve())
    elif not compare(*options.folders, options.words):
        sys.exit(1)


if __name__ == "__main__":
    main()
