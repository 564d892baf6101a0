"""What is written for a person: one line each, which no CI service takes for a command."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit.cli import main
from raikit.console import Console, block, one_line

HOSTILE = ["\n::error::x", "a\r\n  ::stop-commands::t", "::set-output name=a::b", "  ::error::", "x ##[error]y", "\u2028::error::x", "\x1b[2J\x85::x"]


def is_command(line):
    """As GitHub's runner reads a line: ``::`` after spaces, or ``##[`` anywhere."""
    return line.strip().startswith("::") or "##[" in line


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_one_line_and_no_command(text, capsys):
    console = Console()
    console.say(text)
    console.result(text)
    with console.progress(text) as step:
        step(1, 1, text)
    out, err = capsys.readouterr()
    assert (out.count("\n"), err.count("\n")) == (1, 2)
    assert not any(map(is_command, (out + err).splitlines()))


@given(st.text(alphabet=st.sampled_from(":#[ \n\r\tax\u2028\x0b\x00"), max_size=30))
def test_any_text_is_one_line_and_no_command(text):
    assert len(one_line(text).splitlines()) <= 1 and not is_command(one_line(text))
    assert not any(map(is_command, block(text).splitlines()))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_person_names_on_the_command_line_cannot_be_a_command_either(text, capsys, tmp_path):
    path = tmp_path / "audit.yaml"
    for arguments in (["audit", str(path) + text], ["audit", str(path), "--set", text], [text]):
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert not any(map(is_command, (out + err).splitlines()))
