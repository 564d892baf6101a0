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


def graph(site):
    """Write model.onnx, which gives the probabilities of both classes from the column p of people.csv."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    held = {"w": np.array([[-4.0, 4.0]], np.float32), "b": np.array([2.0, -2.0], np.float32)}
    nodes = [helper.make_node("Gemm", ["facts", "w", "b"], ["z"]), helper.make_node("Softmax", ["z"], ["y"], axis=1)]
    sizes = {"facts": 1, "y": 2}
    facts, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size]) for name, size in sizes.items())
    tensors = [numpy_helper.from_array(array, name) for name, array in held.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [facts], [y], tensors), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.save(model, site.folder / "model.onnx")


def endpoint(site):
    """Start a server of KServe's protocol, whose address is in the variable ENDPOINT; it ends with the tests."""
    import json
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"][0]["data"]
            data = [share for p in rows for share in (1 - p, p)]
            output = {"name": "scores", "datatype": "FP32", "shape": [len(rows), 2], "data": data}
            self.send_response(200 if self.headers["Authorization"] == "Bearer my-secret-token" else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"outputs": [output]}).encode())

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.environment["ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"


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


def estimator(site):
    """Return the variables of a notebook: the cases of a frame, and an estimator that was fitted on two of its columns."""
    from sklearn.linear_model import LogisticRegression

    cases(site)
    table = pd.read_csv(site.folder / "cases.csv")
    table["pulse"] = (70 + 25 * table["urgent"] + np.random.default_rng(2).normal(0, 12, len(table))).round(1)
    return {"cases": table, "model": LogisticRegression(max_iter=1000).fit(table[["pulse", "age"]], table["urgent"])}


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
