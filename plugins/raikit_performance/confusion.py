"""What is taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import raikit
from raikit_performance.rows import Rows, rows_of
from raikit_performance.shares import Shares, metric_of_share, shares
from raikit_performance.words import ground, percent, span

if TYPE_CHECKING:
    from raikit_performance.rows import IntArray

_MOST_CLASSES = 20  # beyond this a matrix can be neither drawn nor read; the largest confusions are listed
_MOST_CELLS = 200


class ConfusionMatrix(raikit.Check):
    """Which class is taken for which, as a share of the rows that truly are of a class."""

    name = "performance.confusion_matrix"
    pillar = "performance"
    requires = raikit.Requires(
        columns={"target", "prediction"}, capabilities={"labels"}, tasks={"binary", "multiclass"}
    )
    produces: ClassVar[Sequence[str]] = ["performance.confusion_matrix"]

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        import numpy as np

        rows = rows_of(ctx)
        k = len(rows.classes)
        counts = np.bincount(rows.truth * k + rows.prediction, minlength=k * k).reshape(k, k)
        found = {at: shares(rows.prediction == at, rows.truth, k, rows) for at in range(k) if counts[:, at].any()}
        metrics = _confusions(counts, found, rows)
        figures = [_heat_map(counts, found, rows)] if k <= _MOST_CLASSES else []
        return raikit.CheckResult(metrics=metrics, findings=self._finding(metrics, ctx), figures=figures,
                                  tables=[_table(counts, rows)])

    def _finding(self, metrics: list[raikit.Metric], ctx: raikit.CheckContext) -> list[raikit.Finding]:
        confused = [metric for metric in metrics if metric.value]
        if not confused:
            return []
        worst = max(confused, key=lambda metric: metric.low or 0.0)
        sentence = (f"The most frequent confusion: {percent(worst.value or 0.0)} of rows of class "
                    f"{worst.args['target']} are taken for {worst.args['predicted']} ({span(worst)}; "
                    f"{ground(worst, ctx.cluster)}).")
        return [raikit.Finding(sentence=sentence, what="Rows taken for another class", certainty=span(worst),
                               who=f"class {worst.args['target']}", metrics=[self.address(worst)],
                               figures=["confusion_matrix"] if len(ctx.classes) <= _MOST_CLASSES else [])]


def _confusions(counts: IntArray, found: dict[int, Shares], rows: Rows) -> list[raikit.Metric]:
    """Metrics off the diagonal (on it stands the recall, which has its own name); the most frequent if too many."""
    import numpy as np

    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    small = len(rows.classes) <= _MOST_CLASSES
    order = np.argsort(-wrong, axis=None, kind="stable")[: None if small else _MOST_CELLS]
    metrics = []
    for truth, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if truth == predicted or not counts[truth].any() or predicted not in found:
            continue
        args = {"predicted": rows.classes[predicted], "target": rows.classes[truth]}
        metrics.append(metric_of_share("confusion_matrix", found[predicted], int(truth), rows, "", args=args,
                                       direction="lower"))
    return metrics


def _table(counts: IntArray, rows: Rows) -> raikit.Table:
    import numpy as np

    truth, predicted = np.nonzero(counts)
    order = np.argsort(-counts[truth, predicted] + counts.sum() * (truth == predicted), kind="stable")[:_MOST_CELLS]
    body: list[list[Any]] = [
        [str(rows.classes[t]), str(rows.classes[p]), int(counts[t, p]), float(counts[t, p] / counts[t].sum())]
        for t, p in zip(truth[order], predicted[order], strict=True)
    ]
    columns = [
        raikit.Column(name="target", title="Truth"), raikit.Column(name="predicted", title="Predicted"),
        raikit.Column(name="rows", title="Rows", format="integer"),
        raikit.Column(name="share", title="Share of rows of that truth (unweighted)", format="percent"),
    ]
    return raikit.Table(id="confusion_matrix", title="Truth and prediction, wrong ones first", columns=columns,
                        rows=body)


def _heat_map(counts: IntArray, found: dict[int, Shares], rows: Rows) -> raikit.Figure:
    import numpy as np

    names = [str(label) for label in rows.classes]
    data: list[dict[str, Any]] = []
    for t, p in np.ndindex(*counts.shape):
        if not counts[t].any():
            continue
        share = float(found[p].value[t]) if p in found else 0.0
        data.append({"truth": names[t], "predicted": names[p], "rows": int(counts[t, p]), "share": share,
                     "number": f"{share * 100:.0f}", "right": bool(t == p)})
    spec = {
        "height": {"step": 30},
        "encoding": {
            "x": {"field": "predicted", "type": "nominal", "sort": names, "title": "predicted",
                  "axis": {"orient": "top", "labelAngle": 0 if len(names) < 5 else -60}},
            "y": {"field": "truth", "type": "nominal", "sort": names, "title": "truth"},
        },
        "layer": [
            {"mark": {"type": "rect", "stroke": "var(--paper)", "strokeWidth": 2},
             "encoding": {"color": {"field": "share", "type": "quantitative", "legend": None,
                                    "scale": {"type": "threshold", "domain": [0.05, 0.2, 0.4, 0.6],
                                              "range": [f"var(--q{step})" for step in range(1, 6)]}}}},
            {"mark": {"type": "text"},
             "encoding": {"text": {"field": "number", "type": "nominal"},
                          "color": {"condition": {"test": "datum.share >= 0.4", "value": "var(--paper)"},
                                    "value": "var(--ink)"}}},
        ],
    }
    wrong = [row for row in data if not row["right"] and row["rows"]]
    worst = max(wrong, key=lambda row: row["share"], default=None)
    alt = "Confusion matrix in percent of the rows of each true class. " + (
        f"The most frequent confusion is {worst['truth']} taken for {worst['predicted']}, {worst['number']} percent."
        if worst else "No row is taken for another class.")
    return raikit.Figure(id="confusion_matrix", title="What is taken for what", alt=alt, spec=spec, data=data,
                         subtitle="Percent of the rows of each true class")
