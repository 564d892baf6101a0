"""Sign a run and verify it: what an author could rewrite and hash again is found."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest

from raikit.run import manifest


@pytest.fixture
def keys(tmp_path):
    """Two pairs of keys as openssl writes them."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for name in ("mine", "other"):
        key = Ed25519PrivateKey.generate()
        (tmp_path / f"{name}.pem").write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
        (tmp_path / f"{name}.pub").write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
        (tmp_path / f"{name}.ssh").write_bytes(key.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH))
    return tmp_path


@pytest.fixture
def signed(raikit, audit_yaml, keys, tmp_path):
    gate = {"rules": [{"metric": "performance.accuracy", "min": 0.5}, {"metric": "performance.recall(class=1)", "min": 0.99}]}
    raikit("audit", audit_yaml(gate=gate), "--out", "run", code=1)
    raikit("sign", "run", "--key", "mine.pem", code=0)
    return tmp_path / "run"


def payload(run):
    return json.loads(base64.b64decode(json.loads((run / "attestation.json").read_text())["payload"]))


def test_a_signed_run_is_verified_with_the_public_key_alone(raikit, signed):
    for key in ("mine.pub", "mine.ssh"):
        assert "and signed by" in raikit("verify", "run", "--signed-by", key, code=0).out
    assert raikit("verify", "run", code=0).out
    assert "is not signed by other.pub" in raikit("verify", "run", "--signed-by", "other.pub", code=1).out


def test_the_statement_is_an_in_toto_test_result_about_data_and_policy(signed):
    said = payload(signed)
    assert said["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert said["predicate"]["result"] == "FAILED"
    assert [len(said["predicate"][kind]) for kind in ("passedTests", "warnedTests", "failedTests")] == [1, 0, 1]
    record = json.loads((signed / "audit.json").read_text())
    digests = {item["name"]: item["digest"]["sha256"] for item in said["predicate"]["configuration"]}
    assert digests["data"] == record["data"]["fingerprint"]
    assert all(len(digest) == 64 for digest in digests.values())


def test_the_signature_is_the_one_that_openssl_verifies(signed, keys, tmp_path):
    envelope = json.loads((signed / "attestation.json").read_text())
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    (tmp_path / "signed.bin").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body))
    (tmp_path / "sig.bin").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "mine.pub", "-rawin", "-in", "signed.bin", "-sigfile", "sig.bin"]
    try:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert done.returncode == 0, done.stderr


def test_a_record_that_was_rewritten_and_hashed_again_is_found(raikit, signed):
    path = signed / "audit.json"
    path.write_text(path.read_text().replace('"verdict": "fail"', '"verdict": "pass"'))
    manifest.update(signed, [path])
    assert raikit("verify", "run", code=0).out, "the manifest alone cannot know"
    assert "written again after the run was signed" in raikit("verify", "run", "--signed-by", "mine.pub", code=1).out


def test_a_statement_that_was_rewritten_is_found(raikit, signed):
    path = signed / "attestation.json"
    envelope = json.loads(path.read_text())
    said = {**payload(signed), "predicate": {**payload(signed)["predicate"], "result": "PASSED"}}
    path.write_text(json.dumps({**envelope, "payload": base64.b64encode(json.dumps(said).encode()).decode()}))
    assert "is not signed by mine.pub" in raikit("verify", "run", "--signed-by", "mine.pub", code=1).out


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"null", b'{"payload": "%%%"}', b'{"payload": "e30=", "signatures": [{"sig": 3}]}'])
def test_an_attestation_that_is_none_is_one_sentence(raikit, signed, content):
    (signed / "attestation.json").write_bytes(content)
    assert "is not an attestation of raikit" in raikit("verify", "run", "--signed-by", "mine.pub", code=1).out


@pytest.mark.parametrize("key", ["absent.pem", "mine.pub", "people.csv"])
def test_a_key_that_is_none_is_one_sentence_and_nothing_is_written(raikit, signed, key):
    before = (signed / "attestation.json").read_bytes()
    ran = raikit("sign", "run", "--key", key, code=2)
    assert key in ran.err and ran.err.count("\n") == 1
    assert (signed / "attestation.json").read_bytes() == before


def test_hostile_names_reach_the_statement_as_data_and_begin_no_line(raikit, audit_yaml, keys, tmp_path):
    name = "a\n::error::b <script> \u202e | {0}"
    gate = {"rules": [{"metric": "performance.accuracy", "min": 0.5, "id": name, "reason": name}]}
    raikit("audit", audit_yaml(gate=gate, name=name, intended_use=name), "--out", "run", code=0)
    ran = [raikit("sign", "run", "--key", "mine.pem", code=0), raikit("verify", "run", "--signed-by", "mine.pub", code=0)]
    ran.append(raikit("gate", "run", "--remeasure", code=0))
    assert payload(tmp_path / "run")["predicate"]["passedTests"]
    assert not any(line.startswith("::") for one in ran for line in one.printed.splitlines())
