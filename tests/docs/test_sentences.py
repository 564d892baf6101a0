"""The prose of the docs: no sentence is longer than 25 words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST = 25
GENERATED = ("docs/reference/api/",)
LONG = {"docs/explanation/private-training.md"}  # Its conditions are lists in sentences: to be rewritten with what they describe.
PAGES = sorted(
    name for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    if not (name := path.relative_to(ROOT).as_posix()).startswith(GENERATED) and name != "CHANGELOG.md" and "/_build/" not in name
)  # fmt: skip
_CODE = re.compile(r"^([`~:]{3,})[^\n]*\n.*?^\1[`~:]*\s*?$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"\n\s*\n|^\s*(?=(?:[-*]|\d+\.) )|^#[^\n]*$", re.MULTILINE)
_NO_PROSE = re.compile(r"^(?:\s*\||\$\$|\([\w-]+\)=$|\s{4,}|---$)")  # tables, formulas, labels, code
_END = re.compile(r"(?<=[.!?:;])[”\"*)]*\s+(?=[“\"*(A-Z0-9])|(?<=[.!?])\s+")
_SHORT = re.compile(r"\b(e\.g|i\.e|cf|vs|al|p)\.")


def sentences(text: str) -> list[str]:
    """Return the sentences of a page; code counts as one word, and a colon or semicolon before a capital letter ends one."""
    text = re.sub(r"<!--.*?-->", "", _CODE.sub("\n\n", text), flags=re.DOTALL)
    found = []
    for block in _BLOCK.split(text):
        prose = " ".join(line.strip() for line in block.splitlines() if not _NO_PROSE.match(line))
        for pattern, words in ((r"`[^`]*`", "Code"), (r"\$[^$]*\$", "Formula"), (r"\[([^\]]*)\]\([^)]*\)", r"\1")):
            prose = re.sub(pattern, words, prose)
        found += [sentence for sentence in _END.split(_SHORT.sub(r"\1", prose)) if sentence]
    return found


def words(sentence: str) -> int:
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


@pytest.mark.parametrize("page", [page for page in PAGES if page not in LONG])
def test_no_sentence_of_a_page_has_over_25_words(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [(words(one), one) for one in sentences(text) if words(one) > MOST] == []


def test_sentences_are_found_between_code_lists_and_tables():
    text = "# Title\n\nOne `a b c` two. Three:\n\n```python\nx = 1. \n```\n\n- Four five;\n  six.\n- Seven\n\n| a | b |\n|---|---|\n"
    assert sentences(text) == ["One Code two.", "Three:", "- Four five; six.", "- Seven"]
