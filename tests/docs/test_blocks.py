"""Every code block of the documentation runs, or states why it does not (blocks.py, places.py)."""

from pathlib import Path

import pytest
from blocks import Block, blocks, site

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    # The examples are packages of their own, which .ci/outside installs and tests.
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "examples" not in page.parts),
]
LONG = "<!-- long -->"  # a page that trains a model or installs a package


def _case(page):
    marks = [pytest.mark.long] if LONG in page.read_text(encoding="utf-8") else []
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("page", [_case(page) for page in PAGES if blocks(page)])
def test_every_block_of_a_page_runs_in_the_order_of_the_page(page, tmp_path):
    here = site(tmp_path)
    for block in blocks(page):
        here.run(block)


@pytest.mark.parametrize(
    ("language", "text", "notes", "message"),
    [
        ("python", "1 / 0\n", {}, "division by zero"),
        ("console", "$ false\n", {}, "exit 1, not 0"),
        ("console", "$ echo one\ntwo\n", {}, "printed\none"),
        ("console", "echo one\n", {}, "begin with"),
        ("yaml", "model: {lode: x}\n", {}, "lode"),
        ("yaml", "steps: []\n", {}, "not a part of audit.yaml"),
        ("json", "{\n", {}, "property name"),
        ("", "anything\n", {}, "are not run"),
        ("text", "anything\n", {}, "are not run"),
        ("text", "anything\n", {"not run": "no"}, "state why"),
    ],
)
def test_a_block_that_is_wrong_is_found(tmp_path, language, text, notes, message):
    with pytest.raises(Exception, match=message):
        site(tmp_path).run(Block(Path("page.md"), 1, language, text, notes))


def test_a_file_is_written_and_used_and_cd_changes_the_folder(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n<!-- file: sub/say.py -->\n```python\nprint('it', 'works')\n```\n\ntext\n\n"
        "```console\n$ cd sub\n$ python say.py   # runs it\nit ...\n```\n\n<!-- exit: 3 -->\n```console\n$ exit 3\n```\n"
    )
    here = site(tmp_path / "site")
    fenced = blocks(page)
    assert [block.notes for block in fenced] == [{"file": "sub/say.py"}, {}, {"exit": "3"}]
    for block in fenced:
        here.run(block)
