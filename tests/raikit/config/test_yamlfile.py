"""YAML that no parser of it expects ends in a sentence that names the place."""

from __future__ import annotations

import os

import pytest

from raikit.config.yamlfile import parse_value, read
from raikit.errors import ConfigError, LimitError


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seed: !!bool x", "this is no boolean"),
        ("seed: !!int ''", "this is no integer"),
        ("seed: !!timestamp x", "this is no date"),
        ("seed: !!float x", "this is no number"),
        ("seed: 2026-99-99", "month must be in 1..12"),
        ("seed: !!set {a, b}", "the tag '!!set' is not read"),
        ("seed: !!omap [a: 1]", "the tag '!!omap' is not read"),
        ("seed: !!binary aGk=", "the tag '!!binary' is not read"),
        ("seed: &a [*a]", "more than 100 levels"),
        ("seed: &a {b: *a}", "more than 100 levels"),
        ("seed: " + "[" * 5000, "more than 100 levels"),
        ("seed:\n" + "".join(" " * at + "-\n" for at in range(120)), "more than 100 levels"),
        ("seed: " + "9" * 40, "larger than 10^18"),
        ("seed: " + "9" * 5000, "this is no integer"),
    ],
)
def test_a_value_that_cannot_be_built_is_named_with_its_line(tmp_path, text, problem):
    (tmp_path / "audit.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read(tmp_path / "audit.yaml")
    assert str(error.value).startswith("audit.yaml, line ")
    assert problem in str(error.value)


@pytest.mark.parametrize("text", ["2026-99-99", "!!bool x", "&a [*a]", "9" * 40, "\ud800"])
def test_a_setting_is_as_strict_as_a_file(text):
    with pytest.raises(ConfigError, match="^--set seed"):
        parse_value(text, "seed")


def test_a_setting_that_is_no_yaml_is_text():
    assert parse_value("a: b: c", "name") == "a: b: c"
    assert parse_value("", "name") is None
    assert parse_value("[1, x, 2026-01-02]", "name")[1] == "x"


def test_a_pipe_is_no_configuration(tmp_path):
    os.mkfifo(tmp_path / "audit.yaml")
    with pytest.raises(LimitError, match=r"audit\.yaml is a pipe; only regular files are read"):
        read(tmp_path / "audit.yaml")


def test_many_questions_are_read_in_time_proportional_to_their_number(tmp_path):
    count = 20_000
    (tmp_path / "audit.yaml").write_text("".join(f"k{at}: '?'  # c{at}\n" for at in range(count)))
    document = read(tmp_path / "audit.yaml")
    assert len(document.comments) == count
    assert document.comments[("k7",)] == "c7"


@pytest.mark.parametrize(("written", "value"), [("1:30", 90), ("010", 8), ("1_0", 10), ("0b11", 3), ("1:30.5", 90.5), ("-01", -1)])
def test_numbers_of_yaml_1_1_alone_are_refused(tmp_path, written, value):
    (tmp_path / "a.yaml").write_text(f"max: {written}\n")
    with pytest.raises(ConfigError, match=rf"^a\.yaml, line 1: max: YAML reads {written} as {value}; write it so"):
        read(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match=f"YAML reads {written} as {value}"):
        parse_value(written, "max")
    (tmp_path / "a.yaml").write_text(f"max: '{written}'\nother: [0, 0.5, 10, -1e3, 2026-01-01, 0x1F]\n")
    assert read(tmp_path / "a.yaml").data["max"] == written
