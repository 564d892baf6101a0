"""What loaders read: answers of a server on this machine, graphs of ONNX and files of skops."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import mutate
import pandas as pd
from oracle import call
from samples import Samples
from targets import target

Reply = Callable[[dict[str, Any]], "tuple[int, dict[str, str], bytes]"]


@contextmanager
def answering(reply: Reply) -> Iterator[str]:
    """Serve what `reply` returns for each request: status, headers and content; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, headers, content = reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


NUMBERS = {"facts": {"modality": "tabular", "columns": ["x0", "x1"]}}


def _data(inputs: dict[str, Any]) -> Any:
    from raikit.config.schema import DataConfig
    from raikit.data.dataset import Dataset

    frame = pd.DataFrame({"note": [f"note {at}" for at in range(6)], "x0": range(6), "x1": [0.5, -1.0] * 3, "y": [0, 1] * 3})
    return Dataset.of(frame, DataConfig.model_validate({"path": "t", "target": "y", "inputs": inputs}))


def _score(model: Any, data: Any) -> None:
    for split in data.splits:
        for batch in data.batches(split, 8):
            model.scores(batch)


@target(80)
def endpoints(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Score cases by a server on this machine whose answers were changed."""
    from raikit.models.endpoint.model import load_http

    data = _data({"note": {"modality": "text"}})
    protocol = rng.choice(("kserve", "openai"))
    status = rng.choice((200, 200, 200, 200, 200, 200, 200, 204, 301, 400, 401, 429, 500, 600, 999))
    headers = {rng.choice(("Retry-After", "Location", "Content-Type", "Content-Encoding", "X-A")): rng.choice(HEADERS)}
    spec: dict[str, Any] = {"prompt": "{note}"} if protocol == "openai" else {"outputs": rng.choice((None, "logits", "probabilities"))}
    with answering(lambda body: (status, headers, _answer(protocol, body, rng))) as url:
        spec |= {"url": url, "protocol": protocol, "name": "m", "timeout": 1, "retries": rng.choice((0, 0, 0, 1)), "cache": str(folder / "kept")}
        return call(lambda: _score(load_http(spec, data), data), folder)


HEADERS = ["0", "-1", "soon", "9" * 400, "Wed, 99 Nov 2026 99:99:99 GMT", "file:///etc/passwd", "http://127.0.0.1:1/", "gzip", "\t", "a" * 3000]


def _answer(protocol: str, body: dict[str, Any], rng: Random) -> bytes:
    """Return what a server would answer, changed as JSON or as bytes."""
    if protocol == "kserve":
        rows = body["inputs"][0]["shape"][0]
        right: dict[str, Any] = {"outputs": [{"name": "p", "datatype": "FP32", "shape": [rows, 2], "data": [0.25, 0.75] * rows}]}
    else:
        tokens = [{"token": "0", "logprob": -0.5}, {"token": "1", "logprob": -1.0}]
        right = {"choices": [{"message": {"content": "0"}, "logprobs": {"content": [{"top_logprobs": tokens}]}}]}
    if rng.random() < 0.7:
        return mutate.as_json(mutate.of_tree(right, rng))
    return mutate.of_bytes(json.dumps(right).encode(), rng)


# --- files ------------------------------------------------------------------------------------------------------


@target(60)
def graphs(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Run a graph of ONNX that was changed."""
    from raikit.models.onnx.model import load_onnx

    (folder / "m.onnx").write_bytes(mutate.of_bytes(samples.graph, rng))
    data = _data(NUMBERS)
    return call(lambda: _score(load_onnx({"path": str(folder / "m.onnx")}, data), data), folder)


@target(60)
def estimators(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Read a file of skops that was changed, as bytes or in what it says of its types."""
    from raikit.models.loaders import LOADERS, load

    path = folder / "m.skops"
    if rng.random() < 0.4:
        path.write_bytes(mutate.of_bytes(samples.estimator, rng))
    else:
        with zipfile.ZipFile(io.BytesIO(samples.estimator)) as before, zipfile.ZipFile(path, "w") as after:
            for name in before.namelist():
                content = before.read(name)
                after.writestr(name, mutate.as_json(mutate.of_tree(json.loads(content), rng)) if name == "schema.json" else content)
    data = _data(NUMBERS)
    return call(lambda: load({"kind": "sklearn", "path": path.name}, data, LOADERS, folder), folder)
