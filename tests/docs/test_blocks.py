"""Every code block of the documentation is run, or says why not."""

from pathlib import Path

import pytest
from blocks import Block, blocks, site

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    # examples are packages of their own: .ci/outside installs them and audits with them
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "examples" not in page.parts),
]
LONG = "<!-- long -->"  # a page that trains, or installs


def _case(page):
    marks = [pytest.mark.long] if LONG in page.read_text(encoding="utf-8") else []
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("page", [_case(page) for page in PAGES if blocks(page)])
def test_every_block_of_a_page_runs_in_the_order_of_the_page(page, tmp_path):
    here = site(tmp_path)
    for block in blocks(page):
        here.run(block)


@pytest.mark.parametrize(
    ("language", "text", "notes", "says"),
    [
        ("python", "1 / 0\n", {}, "division by zero"),
        ("console", "$ false\n", {}, "exit 1, not 0"),
        ("console", "$ echo one\ntwo\n", {}, "says\none"),
        ("console", "echo one\n", {}, "begin with"),
        ("yaml", "model: {lode: x}\n", {}, "lode"),
        ("yaml", "steps: []\n", {}, "no part of audit.yaml"),
        ("json", "{\n", {}, "property name"),
        ("", "anything\n", {}, "nobody runs"),
        ("text", "anything\n", {}, "nobody runs"),
        ("text", "anything\n", {"not run": "no"}, "say why"),
    ],
)
def test_a_block_that_is_wrong_is_found(tmp_path, language, text, notes, says):
    with pytest.raises(Exception, match=says):
        site(tmp_path).run(Block(Path("page.md"), 1, language, text, notes))


def test_a_file_is_written_and_used_and_a_folder_is_gone_into(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n<!-- file: sub/say.py -->\n```python\nprint('it', 'works')\n```\n\ntext\n\n"
        "```console\n$ cd sub\n$ python say.py   # runs it\nit ...\n```\n\n<!-- exit: 3 -->\n```console\n$ exit 3\n```\n"
    )
    here = site(tmp_path / "site")
    found = blocks(page)
    assert [block.notes for block in found] == [{"file": "sub/say.py"}, {}, {"exit": "3"}]
    for block in found:
        here.run(block)
