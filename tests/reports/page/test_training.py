"""Learning curves are drawn from what the record keeps of a training, and from nothing that only looks like it."""

from __future__ import annotations

import pytest
from report_record import make_record

from raikit_reports.page.figures import render as render_figure
from raikit_reports.page.figures import safe_spec
from raikit_reports.page.html import render
from raikit_reports.page.training import curves

HISTORY = {
    "metric": "accuracy",
    "epochs": [
        {"epoch": 1, "steps": 9, "train_loss": 0.7, "validation_loss": 0.6, "validation_metric": 0.55},
        {"epoch": 2, "steps": 9, "train_loss": 0.4, "validation_loss": None, "validation_metric": None},
    ],
    "kept": 2,
}


def test_every_number_of_the_history_is_a_row():
    figure = curves({"history": HISTORY})
    assert [(row["epoch"], row["measure"], row["rows"], row["value"]) for row in figure.data] == [
        (1, "loss", "train", 0.7),
        (1, "loss", "validation", 0.6),
        (1, "accuracy", "validation", 0.55),
        (2, "loss", "train", 0.4),
    ]
    assert "epoch 2 of 2" in figure.subtitle


def test_the_curves_can_be_drawn():
    drawn = render_figure(safe_spec(curves({"history": HISTORY})), "training-")
    assert drawn.svg is not None, drawn.reason
    assert "epoch" in drawn.svg


@pytest.mark.parametrize(
    "model", [{}, {"history": None}, {"history": {"epochs": "many"}}, {"history": {"epochs": [1]}}, {"history": {"epochs": []}}]
)
def test_without_a_history_there_is_no_figure(model):
    assert curves(model) is None


def test_the_page_shows_the_curves_and_not_the_raw_history():
    record = make_record()
    record.model["history"] = HISTORY
    text = render(record)
    assert "Training, epoch by epoch" in text
    assert "train_loss" not in text
