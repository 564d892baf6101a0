"""A real server on this machine, whose answers a test chooses."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

WEIGHTS = np.array([[1.5, -0.5], [-1.0, 2.0]])


def softmax(logits):
    """Return probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class Server:
    """Answers requests with what `reply(body, number)` returns: JSON, or a status with headers and bytes."""

    def __init__(self, reply):
        self.requests, self.headers, self.paths = [], [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(body)
                outer.headers.append(dict(self.headers))
                outer.paths.append(self.path)
                answer = reply(body, len(outer.requests) - 1)
                status, headers, content = answer if isinstance(answer, tuple) else (200, {}, json.dumps(answer).encode())
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self):
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def sent(body):
    """Return the numbers of the first tensor."""
    return np.array(body["inputs"][0]["data"]).reshape(body["inputs"][0]["shape"])


def infer(body, number=0):
    """Answer as a KServe server of a linear model of two numbers."""
    values = softmax(sent(body) @ WEIGHTS)
    return {"model_name": "m", "outputs": [{"name": "p", "datatype": "FP32", "shape": list(values.shape), "data": values.ravel().tolist()}]}


def complete(body, number=0):
    """Answer as a chat server that finds "bad" in the question."""
    probability = 0.9 if "bad" in body["messages"][-1]["content"] else 0.2
    choice = {"message": {"role": "assistant", "content": "Yes." if probability > 0.5 else "no"}}
    if body.get("logprobs"):
        tokens = [("Yes", 0.9 * probability), (" yes", 0.1 * probability), ("No", 0.9 * (1 - probability)), ("x", 0.1 * (1 - probability))]
        choice["logprobs"] = {"content": [{"top_logprobs": [{"token": t, "logprob": float(np.log(p))} for t, p in tokens]}]}
    return {"choices": [choice]}
