"""Learning curves of the audited model, drawn from the history in its record."""

from __future__ import annotations

from typing import Any

import raikit

_LOSS = {"train_loss": "train", "validation_loss": "validation"}


def curves(model: dict[str, Any]) -> raikit.Figure | None:
    """Draw loss and metric by epoch; return None if the record has no valid history.

    Parameters
    ----------
    model : dict
        `Record.model`; ``history`` is the result of `raikit.models.history.History.to_dict`.
    """
    history = model.get("history")
    if not isinstance(history, dict):
        return None
    epochs = history.get("epochs")
    if not isinstance(epochs, list) or not all(isinstance(epoch, dict) for epoch in epochs):
        return None
    metric = str(history.get("metric", "metric"))
    names = {field: ("loss", rows) for field, rows in _LOSS.items()} | {"validation_metric": (metric, "validation")}
    data = [
        {"epoch": epoch.get("epoch"), "measure": measure, "rows": rows, "value": epoch[field]}
        for epoch in epochs
        for field, (measure, rows) in names.items()
        if isinstance(epoch.get(field), int | float)
    ]
    if not data:
        return None
    kept, last = history.get("kept"), data[-1]
    return raikit.Figure(
        id="training",
        title="Training, epoch by epoch",
        subtitle=f"The model has the weights of epoch {kept} of {len(epochs)}.",
        alt=f"{len(epochs)} epochs; after the last one the {last['measure']} on {last['rows']} rows is {last['value']:.3g}",
        data=data,
        spec=_SPEC,
    )


_SPEC: dict[str, Any] = {
    "width": 330,
    "height": 110,
    "mark": {"type": "line", "point": {"size": 30}},
    "encoding": {
        "x": {"field": "epoch", "type": "ordinal", "title": "epoch", "axis": {"labelAngle": 0, "labelOverlap": True}},
        "y": {"field": "value", "type": "quantitative", "title": None, "scale": {"zero": False}},
        "color": {"field": "rows", "type": "nominal", "title": "rows"},
        "row": {"field": "measure", "type": "nominal", "title": None, "sort": "descending",
                "header": {"labelOrient": "top", "labelAnchor": "start"}},
    },
    "resolve": {"scale": {"y": "independent"}},
}  # fmt: skip
