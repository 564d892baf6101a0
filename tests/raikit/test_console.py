"""What is written for a person: one line each, which no CI service takes for a command."""

import re
import time

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


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_no_command_on_a_terminal_either(text, terminal):
    def write():
        console = Console()
        for hang in (None, 4):
            console.result(f"{text} {'word ' * 30}{text} {'word ' * 30}{text}", head=text, style="bad", hang=hang)
        with console.progress(text) as step:
            step(1, 2, text)
        console.say(text)

    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", terminal(write)).replace("\r", "\n")  # a colour may begin a line
    assert "word" in shown and not any(map(is_command, shown.splitlines()))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x85]", shown)


def test_colours_are_for_terminals_and_stand_beside_the_word(terminal, monkeypatch):
    def shown(**options):
        return terminal(lambda: Console(**options).result("  broken  a gap", head="  broken", style="bad"))

    assert shown() == "\x1b[1;31m  broken\x1b[0m  a gap\n"
    assert shown(color=False) == "  broken  a gap\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown() == "  broken  a gap\n"
    monkeypatch.setenv("NO_COLOR", "")  # https://no-color.org: empty is as absent
    assert "\x1b" in shown()
    monkeypatch.setenv("TERM", "dumb")
    assert shown() == "  broken  a gap\n"


def test_a_pipe_gets_one_line_without_colour(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    Console().result("word " * 100, head="word", style="bad", hang=2)
    assert capsys.readouterr().out == "word " * 100 + "\n"


def test_a_narrow_terminal_breaks_at_words_but_no_path(terminal):
    lines = terminal(lambda: Console(color=False).result("  broken  " + "word " * 30, hang=10)).splitlines()
    assert len(lines) == 3 and all(len(line) <= 80 for line in lines) and lines[1].startswith(" " * 10 + "word")
    assert len(terminal(lambda: Console().result("Report: " + "a folder/" * 20)).splitlines()) == 1


def test_the_bar_shows_name_done_time_and_time_left_and_goes(terminal):
    def work():
        with Console(color=False).progress("[1/2] mine.check", keep=False) as step:
            step(1, 4)
            time.sleep(0.3)
            step(2, 4)
            time.sleep(0.3)

    shown = terminal(work)
    assert re.search(r"\[1/2\] mine\.check .*2/4  0:00:00  0:00:00 left", shown)
    assert not re.search(r"\x1b\[[0-9;]*m", shown), "no colour where none is wanted"
    assert shown.rstrip("\r").endswith("\x1b[2K"), "a bar that does not stay is deleted"


def test_a_quiet_console_shows_no_progress_on_a_terminal(terminal):
    def work():
        console = Console(quiet=True)
        with console.progress("scoring") as step:
            step(1, 1)
        console.say("scored")

    assert terminal(work) == ""


def test_details_are_shown_on_request(capsys):
    for console in (Console(), Console(verbose=True)):
        console.detail("a detail")
    assert capsys.readouterr().err == "a detail\n"
