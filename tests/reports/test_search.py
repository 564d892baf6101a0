"""The trials of a search are a table of the page, and what only looks like them is not drawn."""

from __future__ import annotations

import copy

import pytest
from report_record import make_record

from raikit_reports.markdown import render as as_markdown
from raikit_reports.page.html import render
from raikit_reports.search import trials

GAP = "fairness.gap[sex]"
SEARCH = {
    "objective": "validation loss", "aim": "low", "limits": [{"metric": GAP, "max": 0.1}], "chosen": 2,
    "trials": [
        {"number": 1, "values": {"rate": 0.01, "method": "lora"}, "objective": 0.4, "limits": {GAP: 0.3}, "keeps_limits": False},
        {"number": 2, "values": {"rate": 0.001, "method": "full"}, "objective": 0.5, "limits": {GAP: 0.05}, "keeps_limits": True},
        {"number": 3, "values": {"rate": 0.1, "method": None}, "objective": None, "limits": {GAP: None}, "keeps_limits": False},
    ],
}  # fmt: skip


def test_each_trial_is_a_row_with_what_was_measured_and_chosen():
    table = trials({"search": SEARCH}, lambda address: "gap by sex" if address == GAP else address)
    assert [column.title for column in table.columns] == ["Trial", "Outcome", "Validation loss", "Gap by sex", "rate", "method"]
    assert table.rows == [
        [1, "limits not kept", 0.4, 0.3, 0.01, "lora"],
        [2, "chosen", 0.5, 0.05, 0.001, "full"],
        [3, "no value", None, None, 0.1, "none"],
    ]
    assert "validation loss, low is better. Limits, on values without their uncertainty: gap by sex at most 0.1." in table.note
    assert "exceeds" not in table.note
    assert "The values of the chosen trial are optimistic, because it was chosen by them among 3 trials" in table.note


def test_a_search_that_found_no_trial_within_its_limits_says_so():
    search = copy.deepcopy(SEARCH)
    search["trials"] = search["trials"][:1]
    search["chosen"] = 1
    table = trials({"search": search}, str)
    assert table.rows[0][1] == "chosen, limits not kept"
    assert "No trial keeps them; the chosen one exceeds them least." in table.note


def test_without_limits_no_trial_is_said_to_keep_any():
    search = copy.deepcopy(SEARCH) | {"limits": [], "chosen": 1}
    table = trials({"search": search}, str)
    assert [row[1] for row in table.rows] == ["chosen", "not chosen", "no value"]
    assert "Limits" not in table.note


def test_the_page_shows_the_table_and_no_facts_of_it():
    record = make_record()
    record.model = {"kind": "fusion", "search": SEARCH}
    page = render(record)
    assert "Search for settings, trial by trial" in page
    assert "limits not kept" in page
    assert "keeps_limits" not in page


@pytest.mark.parametrize("search", [None, 3, {}, {"trials": []}, {"trials": [1], "limits": []}, SEARCH | {"limits": [{"metric": 3}]},
                                    SEARCH | {"trials": [{"number": 1}]}])  # fmt: skip
def test_what_is_no_search_is_no_table(search):
    assert trials({"search": search}, str) is None
    record = make_record()
    record.model = {"kind": "fusion", "search": search}
    assert "trial by trial" not in render(record)


def test_the_markdown_report_has_the_trials_too():
    record = make_record()
    record.model = {"kind": "fusion", "search": SEARCH | {"trials": [*SEARCH["trials"][:2], SEARCH["trials"][2] | {
        "values": {"rate": 0.1, "method": "<b>|x"}}]}}
    lines = as_markdown(record).splitlines()
    at = lines.index("| Trial | Outcome | Validation loss | Fairness.gap\\[sex\\] | rate | method |")
    assert lines[at + 2 : at + 5] == [
        "| 1 | limits not kept | 0.4 | 0.3 | 0.01 | lora |", "| 2 | chosen | 0.5 | 0.05 | 0.001 | full |",
        "| 3 | no value | – | – | 0.1 | &lt;b&gt;&#124;x |",
    ]  # fmt: skip
    assert "optimistic" in lines[at + 6]
    record.model = {}
    assert "trial by trial" not in as_markdown(record)
