"""Requests: again after failures, at most so many a second, never elsewhere, and no secret in any sentence."""

import json
import socket
import threading
import time

import numpy as np
import pytest
from server import infer

from raikit.cli import main
from raikit.errors import ConfigError, ModelError
from raikit.models.endpoint.client import Client
from raikit.models.endpoint.settings import EndpointSpec

TOKEN = "sk-abcdefgh-0123456789"


def client_of(url, **settings):
    """Return a client and the list of its pauses."""
    pauses, now = [], [0.0]

    def sleep(seconds):
        pauses.append(seconds)
        now[0] += seconds

    spec = EndpointSpec(url=url, protocol="kserve", name="m", **settings)
    return Client(spec, sleep, lambda: now[0]), pauses


def failing(times, status=500, headers=None):
    return lambda body, number: (status, headers or {}, b"SECRET ROW") if number < times else {"ok": True}


# --- attempts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failure_is_tried_again_ever_later(serve, status):
    client, pauses = client_of(serve(failing(3, status)).url)
    assert client.post("/x", {}) == {"ok": True}
    assert pauses == [0.5, 1.0, 2.0]


def test_the_server_may_say_when(serve):
    client, pauses = client_of(serve(failing(2, 429, {"Retry-After": "7"})).url)
    assert client.post("/x", {}) == {"ok": True}
    assert pauses == [7.0, 7.0]
    late = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    client, pauses = client_of(serve(failing(1, 503, {"Retry-After": late})).url)
    assert client.post("/x", {}) == {"ok": True}
    assert 25 < pauses[0] <= 30
    client, pauses = client_of(serve(failing(1, 503, {"Retry-After": "86400"})).url)
    with pytest.raises(ModelError, match=r"asks to wait 86,400 s; raikit waits 120 s at most"):
        client.post("/x", {})


def test_after_the_last_attempt_the_status_is_told_and_the_answer_is_not(serve):
    client, _ = client_of(serve(failing(9)).url, retries=2)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:\d+ answered with the status 500 \(Internal Server Error\) in 3 attempts\.$") as raised:
        client.post("/x", {})
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "says"),
    [(400, r"the status 400 \(Bad Request\)\.$"), (401, "refuses access.*token_env"), (403, "refuses access"), (404, "knows no such path or model"),
     (418, "status 418"), (204, "status 204, not 200"), (499, "status 499")],
)  # fmt: skip
def test_what_another_attempt_would_not_change_is_asked_once(serve, status, says):
    server = serve(failing(9, status))
    client, pauses = client_of(server.url)
    with pytest.raises(ModelError, match=says):
        client.post("/x", {})
    assert (len(server.requests), pauses) == (1, [])


def test_a_redirect_is_not_followed(serve):
    elsewhere = serve(failing(0))
    server = serve(failing(9, 307, {"Location": f"{elsewhere.url}/x?key=SECRET"}))
    client, _ = client_of(server.url)
    with pytest.raises(ModelError, match=r"redirects \(307\) to another address, where nothing is sent") as raised:
        client.post("/x", {})
    assert not elsewhere.requests and "SECRET" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"<html>SECRET ROW</html>", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_one_sentence(serve, content):
    client, _ = client_of(serve(lambda body, number: (200, {}, content)).url)
    with pytest.raises(ModelError, match=r"answered with something that is no JSON\.$"):
        client.post("/x", {})


def test_json_that_is_no_mapping_is_one_sentence(serve):
    client, _ = client_of(serve(lambda body, number: [1]).url)
    with pytest.raises(ModelError, match="JSON that is no mapping"):
        client.post("/x", {})


# --- connections --------------------------------------------------------------------------------------------------


def raw(answer):
    """Serve bytes over a socket to each connection, and return the address; `answer(connection)` sends them."""
    listener = socket.create_server(("127.0.0.1", 0))

    def loop():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 16)
                answer(connection)

    threading.Thread(target=loop, daemon=True).start()
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_no_server_is_one_sentence():
    listener, url = raw(lambda connection: None)
    listener.close()
    client, pauses = client_of(url, retries=1)
    with pytest.raises(ModelError, match=r"cannot be reached \(Connection refused\) in 2 attempts\.$"):
        client.post("/x", {})
    assert pauses == [0.5]


@pytest.mark.parametrize("content", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"])
def test_a_connection_that_breaks_off_is_one_sentence(content):
    listener, url = raw(lambda connection: connection.sendall(content))
    with listener, pytest.raises(ModelError, match=r"broke the connection off \(\w+\)\.$"):
        client_of(url, retries=0)[0].post("/x", {})


def drip(connection):
    """Send a byte now and then, each well within the timeout of a socket."""
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)
    except OSError:
        pass


def trickle(beginning, part):
    """Return a server that sends parts without end, each well within the timeout of a socket."""

    def answer(connection):
        try:
            connection.sendall(beginning)
            for _ in range(100):
                connection.sendall(part)
                time.sleep(0.05)
        except OSError:
            pass

    return answer


STATUS, HEADER = trickle(b"HTTP/1.1 ", b"2"), trickle(b"HTTP/1.1 200 OK\r\nX: ", b"a")
CONTINUED = trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("slow", [lambda connection: time.sleep(1), drip, STATUS, HEADER, CONTINUED])
def test_a_slow_answer_ends_at_the_timeout(slow):
    listener, url = raw(slow)
    spec = EndpointSpec(url=url, protocol="kserve", name="m", timeout=0.3, retries=0)
    started = time.monotonic()
    with listener, pytest.raises(ModelError, match=r"gave no answer within 0\.3 s\.$"):
        Client(spec).post("/x", {})
    assert time.monotonic() - started < 3


def test_requests_are_spread_over_time(serve):
    client, pauses = client_of(serve(failing(0)).url, requests_per_second=4)
    for _ in range(4):
        client.post("/x", {})
    np.testing.assert_allclose(pauses, [0.25] * 3)


# --- secrets ------------------------------------------------------------------------------------------------------


def test_secrets_come_from_the_environment_and_stay_there(serve, opened, numbers, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_VARIABLE", TOKEN)
    monkeypatch.setenv("OTHER", "hidden-value-1")
    server, dataset = serve(infer), numbers()
    settings = {"token_env": "MY_VARIABLE", "headers_env": {"X-Api-Key": "OTHER"}, "headers": {"X-Team": "a"}, "cache": "kept"}
    model = opened(server, dataset, **settings)
    sent = {name.lower(): value for name, value in server.headers[0].items()}
    assert (sent["authorization"], sent["x-api-key"], sent["x-team"]) == (f"Bearer {TOKEN}", "hidden-value-1", "a")
    kept = "".join(path.read_text() for path in (tmp_path / "kept").rglob("*.json"))
    for text in (json.dumps(model.describe()), " ".join(model.notes()), kept):
        assert TOKEN not in text and "hidden-value-1" not in text


@pytest.mark.parametrize(("value", "says"), [(None, "MY_VARIABLE is not set"), ("", "is not set"), ("abc\ndef-SECRET", "signs that no header"), ("é", "no header")])
def test_a_secret_that_cannot_be_sent_names_its_variable_alone(serve, opened, numbers, monkeypatch, value, says):
    monkeypatch.delenv("MY_VARIABLE", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_VARIABLE", value)
    server = serve(infer)
    with pytest.raises(ModelError, match=says) as raised:
        opened(server, numbers(), token_env="MY_VARIABLE")
    assert "SECRET" not in str(raised.value) and not server.requests


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "ftp://x"}, r"model\.load\.url: .*must begin with http"),
        ({"url": "file:///etc/passwd"}, "must begin with http"),
        ({"url": "http://"}, "must begin with http"),
        ({"url": "http://me:hunter2@x"}, "holds a user, password or key"),
        ({"url": "http://x/?api_key=hunter2"}, "holds a user, password or key"),
        ({"url": "http://x:99999999"}, "no address"),
        ({"url": "http://[::1"}, "no address"),
        ({"url": "http://" + "a" * 300}, "no address"),
        ({"url": "http://x\r\nHost: y"}, "must begin with http|no address"),
        ({"headers": {"Authorization": "hunter2"}}, "'Authorization' is a secret; name in `headers_env`"),
        ({"headers": {"X-Api-Key": "hunter2"}}, "is a secret"),
        ({"headers": {"Host": "hunter2"}}, "cannot be a header of one's own"),
        ({"headers": {"X-A": "hunter2\r\nX-B: c"}}, "cannot be a header of one's own"),
        ({"url": "http://example.org", "token_env": "T"}, "a secret is sent over https only"),
        ({"protocol": "openai"}, "needs a `prompt`"),
        ({"prompt": "hunter2"}, "`prompt` is a setting of the protocol openai, and this is kserve"),
        ({"protocol": "openai", "prompt": "x", "output": "hunter2"}, "`output` is a setting of the protocol kserve, and this is openai"),
        ({"protocol": "grpc"}, r"model\.load\.protocol"),
        ({"retries": -1}, r"model\.load\.retries"),
        ({"tokn_env": "T"}, "the loader knows no such setting"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_without_their_values(opened, numbers, changes, says):
    settings = {"server": "http://127.0.0.1:1", "retries": 0, **changes}
    url = settings.pop("url", settings.pop("server"))
    settings.pop("server", None)
    with pytest.raises(ConfigError, match=says) as raised:
        opened(url, numbers(), **settings)
    assert "hunter2" not in str(raised.value)


# --- an audit -----------------------------------------------------------------------------------------------------


def audit(tmp_path, url, **settings):
    """Audit a table of two numbers by a server; return the exit code."""
    load = json.dumps({"kind": "http", "url": url, "protocol": "kserve", "name": "m", "retries": 0, "timeout": 2, **settings})
    (tmp_path / "audit.yaml").write_text(
        "name: endpoint\ndata: {path: t.csv, target: y, inputs: {facts: {modality: tabular, columns: [x0, x1]}}}\n"
        f"model: {{load: {load}}}\nchecks: {{performance.classification: {{}}}}\nformats: [json]\n"
    )
    return main(["audit", str(tmp_path / "audit.yaml"), "--out", str(tmp_path / "run"), "--no-baseline"])


def test_an_audit_has_no_secret_in_its_record_and_asks_for_no_case_twice(serve, numbers, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_VARIABLE", TOKEN)
    server = serve(infer)
    numbers()
    assert audit(tmp_path, server.url, token_env="MY_VARIABLE", cache="kept") == 0
    record = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert TOKEN.encode() not in record and b"sent to 127.0.0.1" in record
    assert sum(body["inputs"][0]["shape"][0] for body in server.requests) == 60
    asked = len(server.requests)
    (tmp_path / "run").rename(tmp_path / "first")
    assert audit(tmp_path, server.url, token_env="MY_VARIABLE", cache="kept") == 0
    assert len(server.requests) == asked


@pytest.mark.parametrize("reply", [failing(99), lambda body, number: (200, {}, b"nonsense"), lambda body, number: {"outputs": []}])
def test_a_failed_audit_ends_with_2_a_sentence_and_no_folder(serve, numbers, tmp_path, capsys, reply):
    numbers()
    assert audit(tmp_path, serve(reply).url) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert "endpoint" in said[-1] and "Traceback" not in "".join(said)
    assert not (tmp_path / "run").exists()
