"""A tokenizer whose expressions are not known to be quick is a program that may not end."""

import json

import pytest

from raikit.models.loaders import may_not_end
from raikit.models.tokenizer_patterns import may_be_slow

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def split(pattern):
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": pattern}}]}}


@pytest.mark.parametrize(
    ("content", "slow"),
    [(split("[a-z]*[a-z]*(?!.)(?=.)"), True), (split("(a|b)"), True), (split("a{2,}"), True), (split(r"\g<0>"), True),
     ({"normalizer": {"type": "Replace", "pattern": {"Regex": "(a+)+$"}}}, True), ({"decoder": {"Regex": "a+"}}, True),
     (split(GPT2), False), (split(r"\d"), False), ({"pre_tokenizer": {"type": "ByteLevel"}}, False), ({"model": {"Regex": "a+"}}, False)],
)  # fmt: skip
@pytest.mark.parametrize("place", [".", "reader-0"])
def test_an_expression_that_repeats_may_be_slow_unless_it_is_known(tmp_path, content, slow, place):
    (tmp_path / "m" / place).mkdir(parents=True)
    (tmp_path / "m" / place / "tokenizer.json").write_text(json.dumps(content))
    assert may_be_slow(tmp_path / "m") is slow
    for kind, key in (("huggingface", "path"), ("huggingface", "base"), ("fusion", "path")):
        assert may_not_end({"kind": kind, key: "m"}, tmp_path) is slow


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000])
def test_what_is_no_tokenizer_is_left_to_loading(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    assert not may_be_slow(tmp_path) and not may_be_slow(tmp_path / "nothing")
