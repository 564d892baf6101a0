"""Secrets of the environment: which values of variables look like one, and texts without them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

MASK = "***"
_SHORTEST = 8  # Shorter values are words that stand in many texts.
_NAMES = {
    "token", "tokens", "secret", "secrets", "password", "passwd", "pass", "passphrase", "credential", "credentials", "key",
    "apikey", "auth", "cookie", "dsn", "pat",
}  # fmt: skip
_TOKEN = re.compile(
    r"(gh[a-z]|github|hf|xox[a-z]|glpat|pypi|npm|dop|sk|pk|rk)[_-][\w-]{16,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]*"
)
_USER = re.compile(r"[A-Za-z][\w+.-]*://[^/@\s:]*:([^/@\s]+)@")


def secret_values(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the values of variables that look like secrets, the longest first.

    Such are values of 8 characters or more whose variable is named like a secret (``HF_TOKEN``, ``AWS_SECRET_ACCESS_KEY``), values
    that have the form of a token, and passwords in addresses. Paths and numbers are none.

    Examples
    --------
    >>> secret_values({"HF_TOKEN": "abcdefgh12", "HOME": "/root", "DB": "postgres://me:hunter2hunter2@host/db"})
    ['hunter2hunter2', 'abcdefgh12']
    """
    variables = (os.environ if environment is None else environment).items()
    found = {secret for name, value in variables for secret in _secrets_of(name, value)}
    return sorted(found, key=lambda value: (-len(value), value))


@lru_cache(maxsize=10_000)  # every text of a record is masked, and the environment is large
def _secrets_of(name: str, value: str) -> frozenset[str]:
    """Return what is secret in a variable."""
    found = {password for password in _USER.findall(value) if len(password) >= _SHORTEST}
    named = not _NAMES.isdisjoint(re.split(r"[^a-z]+", name.lower()))
    if (named and not _is_harmless(value)) or _TOKEN.fullmatch(value):
        found.add(value)
    return frozenset(found)


def _is_harmless(value: str) -> bool:
    return len(value) < _SHORTEST or value.startswith(("/", "~", "./")) or value.replace(".", "").isdigit()


def without_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a text with each secret of the environment masked, also where an address or a string literal escapes it.

    Examples
    --------
    >>> without_secrets("401 for abcdefgh12", {"HF_TOKEN": "abcdefgh12"})
    '401 for ***'
    """
    for secret in secret_values(environment):
        for form in {secret, quote(secret, safe=""), repr(secret)[1:-1]}:
            text = text.replace(form, MASK)
    return text


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return mappings and lists with every text in them changed, keys of mappings too.

    Examples
    --------
    >>> map_texts({"a": ["b", 1]}, str.upper)
    {'A': ['B', 1]}
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key) if isinstance(key, str) else key: map_texts(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_texts(item, change) for item in value]
    return value
