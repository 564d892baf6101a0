"""Sign a finished run: an in-toto statement about model, data and policy, in a DSSE envelope with an Ed25519 signature.

A manifest detects accidents and later changes, but an author of the run can also write a new manifest. A signature can only be
made with the key. The formats are those of in-toto (Statement v1, test-result v0.1) and of the Dead Simple Signing Envelope v1, so
that other tools can read and verify them.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import LimitError, RunError, listed
from raikit.files import canonical, sha256, sha256_text, write_text
from raikit.limits import parse_json, read_bytes, read_json
from raikit.run import manifest
from raikit.run.reader import load_run
from raikit.run.settings import settings_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from raikit.run.record import Record

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_INSTALL = "signatures need the package cryptography: pip install 'raikit[sign]'"
_RESULTS = {"pass": "PASSED", "warn": "WARNED"}  # every other verdict: FAILED


def statement(folder: Path) -> dict[str, Any]:
    """Return what is signed of a finished run.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        An in-toto Statement v1 with the predicate test-result v0.1. Its subjects are the files of the model and the manifest, which
        binds every other file; its configuration holds the digests of audit.yaml, of the policy and of the data.

    Raises
    ------
    RunError
        If the run is not as it was written.
    """
    if problems := manifest.verify(folder, rewriting=manifest.ATTESTATION):
        raise RunError(f"{folder} is not as it was written: {listed(problems)}.")
    record, facts = load_run(folder).record, manifest.read(folder)
    config = settings_of(record)
    trained = {name: digest for name, digest in facts["files"].items() if name.startswith("model/")}
    subjects = {**facts.get("state", {}).get("model", {}), **trained, manifest.NAME: sha256(folder / manifest.NAME)}
    bound = {
        "audit.yaml": sha256_text(record.provenance.config),
        "policy": sha256_text(canonical(config.get("gate", {}))),
        "data": record.data.fingerprint,
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [_descriptor(name, digest) for name, digest in subjects.items()],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": _RESULTS.get(record.verdict, "FAILED"),
            "configuration": [_descriptor(name, digest) for name, digest in bound.items()],
            **_tests(record),
        },
    }


def _descriptor(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}


def _tests(record: Record) -> dict[str, list[str]]:
    """Return the rules by what became of them; one that was not decided or waived has not passed."""
    tests: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for rule in record.gate.rules:
        kind = "passedTests" if rule.status == "pass" else "failedTests"
        if rule.status == "waived" or (rule.status != "pass" and rule.severity == "warn"):
            kind = "warnedTests"
        tests[kind].append(f"{rule.sentence} ({rule.status})")
    return tests


def sign(folder: Path, key: Path, passphrase: bytes | None = None) -> Path:
    """Write ``attestation.json``: the statement about a run, signed.

    Parameters
    ----------
    folder : Path
    key : Path
        An Ed25519 private key as PEM or in OpenSSH's format.
    passphrase : bytes, optional

    Raises
    ------
    RunError
        If the run is not as it was written, or the key cannot be used.
    """
    private = _private_key(key, passphrase)
    payload = canonical(statement(folder)).encode()
    signature = {"keyid": key_id(private.public_key()), "sig": _text64(private.sign(_to_sign(payload)))}
    envelope = {"payloadType": PAYLOAD_TYPE, "payload": _text64(payload), "signatures": [signature]}
    return write_text(folder / manifest.ATTESTATION, json.dumps(envelope, indent=1) + "\n")


def verify_signature(folder: Path, key: Path) -> list[str]:
    """Compare the signature of a run with a public key, and the run with what was signed.

    Parameters
    ----------
    folder : Path
    key : Path
        An Ed25519 public key as PEM or in OpenSSH's format.

    Returns
    -------
    list of str
        One sentence for each fault; empty if the run is as the owner of the key has signed it.
    """
    from cryptography.exceptions import InvalidSignature

    public = _public_key(key)
    path = folder / manifest.ATTESTATION
    try:
        envelope = read_json(path)
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(item["sig"], validate=True) for item in envelope["signatures"]]
        signed = parse_json(payload, f"the payload of {manifest.ATTESTATION}")
        subjects = {item["name"]: item["digest"]["sha256"] for item in signed["subject"]}
        configured = {item["name"]: item["digest"]["sha256"] for item in signed["predicate"]["configuration"]}
    except FileNotFoundError:
        return [f"it has no {manifest.ATTESTATION}, so nobody has signed it"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error, LimitError):
        return [f"{manifest.ATTESTATION} is not an attestation of raikit"]
    for signature in signatures:
        try:
            public.verify(signature, _to_sign(payload))
            break
        except InvalidSignature:
            continue
    else:
        return [f"{manifest.ATTESTATION} is not signed by {key.name} ({key_id(public)[:16]})"]
    return _differences(folder, subjects, configured)


def _differences(folder: Path, subjects: dict[str, str], configured: dict[str, str]) -> list[str]:
    """Return how a run differs from what was signed."""
    if subjects.get(manifest.NAME) != sha256(folder / manifest.NAME):
        again = "as `raikit gate` and `raikit report` do; sign it again"
        return [f"{manifest.NAME} was written again after the run was signed, {again}"]
    record = load_run(folder).record
    if configured.get("audit.yaml") != sha256_text(record.provenance.config):
        return ["the configuration in its record is not the one that was signed"]
    return []


def key_id(public: Ed25519PublicKey) -> str:
    """Return the SHA-256 of the raw public key."""
    import hashlib

    return hashlib.sha256(public.public_bytes_raw()).hexdigest()


def _to_sign(payload: bytes) -> bytes:
    """Return the bytes that DSSE signs: its pre-authentication encoding of the type and the payload."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _text64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _private_key(path: Path, passphrase: bytes | None) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise RunError(f"{_INSTALL}.") from None
    content = _read(path)
    load = serialization.load_ssh_private_key if b"OPENSSH" in content else serialization.load_pem_private_key
    try:
        key = load(content, passphrase)
    except TypeError:
        raise RunError(f"--key {path}: it has a passphrase; put it into the environment variable RAIKIT_KEY_PASSPHRASE.") from None
    except Exception:  # the library raises many kinds, and none may quote the key
        raise RunError(f"--key {path}: this is no private key, or the passphrase is wrong.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise RunError(f"--key {path}: only Ed25519 keys are used; openssl genpkey -algorithm ed25519 -out key.pem makes one.")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise RunError(f"{_INSTALL}.") from None
    content = _read(path)
    load = serialization.load_ssh_public_key if content.startswith(b"ssh-") else serialization.load_pem_public_key
    try:
        key = load(content)
    except Exception:  # as above
        raise RunError(f"--signed-by {path}: this is no public key.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise RunError(f"--signed-by {path}: only Ed25519 keys are used.")
    return key


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)[: 1 << 16]
    except OSError as error:
        raise RunError(f"{path}: {error.strerror or error}.") from None
