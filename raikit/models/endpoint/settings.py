"""Settings of ``kind: http``."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from raikit.config.types import NumbersToComputeWith
from raikit.errors import ModelError
from raikit.models.outputs import OutputKind

_SECRET = re.compile(r"auth|cookie|token|secret|passw|credential|signature|(^|[-_])(key|sig)([-_]|$)|apikey", re.IGNORECASE)
_OF_ONE = {
    "kserve": ("batch_size", "output", "outputs", "classes", "inputs", "missing"),
    "openai": ("prompt", "system", "labels", "logprobs", "max_tokens", "otherwise"),
}
_PATHS = {"kserve": "/v2/models", "openai": "/chat/completions"}  # raikit adds them
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN = {"content-type", "content-length", "host", "transfer-encoding", "connection"}


class EndpointSpec(NumbersToComputeWith):
    """Settings of ``kind: http``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "http"
    url: str = Field(description="Where the server is: what stands before `/v2/models` or `/chat/completions`.")
    protocol: Literal["kserve", "openai"]
    name: str = Field(min_length=1, description="The model's name on the server.")
    batch_size: int = Field(32, ge=1, le=4096, description="kserve: cases of one request.")
    timeout: float = Field(30.0, gt=0, le=3600, description="Seconds for an answer.")
    retries: int = Field(4, ge=0, le=20, description="Further attempts after 429, 5xx and failed connections, ever later.")
    requests_per_second: float | None = Field(None, gt=0, description="The most requests; absent: one after the other.")
    cache: str | None = Field(None, description="A folder that keeps answers, so that no case is sent twice.")
    headers: Mapping[str, str] = Field(default_factory=dict, description="Sent with each request, and kept in the record.")
    token_env: str | None = Field(None, description="The environment variable with the token that `Authorization: Bearer` sends.")
    headers_env: Mapping[str, str] = Field(default_factory=dict, description="Headers with secrets: the variable that has each.")
    output: str | None = Field(None, description="kserve: the output to read where there are several.")
    outputs: OutputKind | None = Field(None, description="kserve: what it holds; absent: seen from the first cases.")
    classes: tuple[Any, ...] | None = Field(None, description="kserve: the classes in the order of the outputs.")
    inputs: Mapping[str, str] = Field(default_factory=dict, description="kserve: the tensor of an input that is named otherwise.")
    missing: float | None = Field(None, description="kserve: what stands for a missing number, which JSON cannot write.")
    prompt: str | None = Field(None, description="openai: the question, with inputs and columns in braces: `{comment}`.")
    system: str | None = Field(None, description="openai: the message before it.")
    labels: Mapping[str, str] = Field(default_factory=dict, description="openai: the word for a class, if it is not its label.")
    logprobs: bool = Field(True, description="openai: ask for log-probabilities, and have scores if they are given.")
    max_tokens: int = Field(16, ge=1, le=4096, description="openai: the longest answer.")
    otherwise: str | None = Field(None, description="openai: the class of an answer that is no word of a class.")

    @field_validator("url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host, _ = (parts.hostname or "").encode("idna"), parts.port
        except ValueError:
            raise ValueError("it is no address") from None
        if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x1f\x7f]", url):
            raise ValueError("it must begin with http:// or https:// and name a server")
        if parts.username or parts.password or any(_SECRET.search(name) for name, _ in parse_qsl(parts.query)):
            raise ValueError("it holds a user, password or key; secrets come from the environment, by `token_env` or `headers_env`")
        if parts.fragment:
            raise ValueError("it has a fragment (#), which no server gets")
        return url

    @model_validator(mode="after")
    def _secrets_from_the_environment(self) -> Self:
        for name, value in {**self.headers, **self.headers_env}.items():
            if not _HEADER.fullmatch(name) or name.lower() in _OWN or re.search(r"[\x00-\x1f\x7f]", value):
                raise ValueError(f"{name!r} cannot be a header of one's own")
        if secret := [name for name in self.headers if _SECRET.search(name)]:
            raise ValueError(f"the header {secret[0]!r} is a secret; name in `headers_env` the environment variable that has it")
        if (self.token_env or self.headers_env) and urlsplit(self.url).scheme == "http" and not self.is_local:
            raise ValueError("a secret is sent over https only, or to this machine")
        return self

    @model_validator(mode="after")
    def _settings_of_its_protocol(self) -> Self:
        other = "kserve" if self.protocol == "openai" else "openai"
        if foreign := [name for name in _OF_ONE[other] if name in self.model_fields_set]:
            raise ValueError(f"`{foreign[0]}` is a setting of the protocol {other}, and this is {self.protocol}")
        if (path := _PATHS[self.protocol]) in urlsplit(self.url).path:
            raise ValueError(f"`url` is the address of a model; name only what stands before {path}")
        if self.protocol == "openai" and not self.prompt:
            raise ValueError("the protocol openai needs a `prompt`")
        return self

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def host(self) -> str:
        """The server, with its port if the address names one."""
        return urlsplit(self.url).netloc

    def address(self, path: str) -> str:
        """Return the address of a path on the server; what follows ``?`` stays behind it."""
        parts = urlsplit(self.url)
        return parts._replace(path=parts.path.rstrip("/") + path).geturl()

    def secret_headers(self) -> dict[str, str]:
        """Return the headers with the secrets that the environment holds now.

        Raises
        ------
        ModelError
            If a variable is not set, or holds what no header can; names the variable only.
        """
        headers = {name: _of_environment(variable) for name, variable in self.headers_env.items()}
        if self.token_env:
            headers["Authorization"] = f"Bearer {_of_environment(self.token_env)}"
        return headers


def _of_environment(variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ModelError(f"model.load: the environment variable {variable} is not set; it must hold the secret for the endpoint.")
    if not value.isascii() or not value.isprintable():
        raise ModelError(f"model.load: the environment variable {variable} holds signs that no header can have.")
    return value
