"""Numbers that were measured beside the model's own code are marked in every format, and no other is."""

from __future__ import annotations

import json

import pytest
from report_record import make_record

from raikit_reports import comment, junit, markdown, sarif
from raikit_reports.page import html

SENTENCE = "Measured in a process that ran the model's own code."
FORMATS = {
    "html": html.render, "md": markdown.render, "junit": junit.render, "comment": comment.render,
    "sarif": lambda record: json.dumps(sarif.log(record)),
}  # fmt: skip


def render(name, process):
    record = make_record()
    for check in record.checks:
        check.process = process
    return FORMATS[name](record).replace("&#39;", "'")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_what_was_measured_beside_the_model(name):
    assert SENTENCE in render(name, "model")
    assert SENTENCE not in render(name, "audit") + render(name, "plugin")


@pytest.mark.parametrize("name", FORMATS)
def test_a_check_that_crashed_beside_the_model_has_measured_nothing(name):
    record = make_record()
    for check in record.checks:
        check.process, check.status = "model", "error"
    assert SENTENCE not in FORMATS[name](record).replace("&#39;", "'")
