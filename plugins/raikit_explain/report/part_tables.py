"""Tables of `explainability.perturbations`: shares by outcome and by group, differences, interactions, words."""

from __future__ import annotations

import raikit
from raikit.format import capitalised, case_noun, class_text, confidence, group_label
from raikit_explain.estimates.part_measures import LEAST_OF_A_GROUP, MOST_COMPARED, PartMeasures
from raikit_explain.names import input_name
from raikit_explain.report.part_words import FEWEST_CASES, MOST_WORDS, most_moving


def tables(ctx: raikit.CheckContext, measures: PartMeasures) -> list[raikit.Table]:
    """Return the tables that have rows."""
    made = [_shares(measures), _classes(measures), _groups(measures), _differences(measures), _interactions(measures)]
    if not ctx.redact:
        made.append(_words(measures))
    return [table for table in made if table is not None]


def _part(measures: PartMeasures, name: str) -> str:
    return input_name(name) if measures.explanations.kind == "input" else name


def _kind(measures: PartMeasures) -> raikit.Column:
    return raikit.Column(name="part", title=capitalised(measures.explanations.kind))


def _ends(form: str) -> list[raikit.Column]:
    return [
        raikit.Column.model_validate({"name": name, "title": title, "format": form})
        for name, title in (("low", "Lower"), ("high", "Upper"))
    ]


def _share_columns() -> list[raikit.Column]:
    return [
        raikit.Column(name="n", title=capitalised(case_noun()), format="integer"),
        raikit.Column(name="share", title="Share of the decision", format="percent"),
        *_ends("percent"),
    ]


def _note(measures: PartMeasures, more: str = "") -> str:
    return (
        f"{capitalised(measures.method_text)}; {confidence(measures.level)} t intervals, each by itself, not corrected for their "
        f"number.{more}"
    )


def _shares(measures: PartMeasures) -> raikit.Table | None:
    rows = [
        [_part(measures, name), metric.n, metric.value, metric.low, metric.high]
        for name in measures.largest
        if (metric := measures.share_of(name)).value is not None
    ]
    if len(rows) < 2:
        return None
    return raikit.Table(
        id="shares",
        title=f"Share of the decision by {measures.explanations.kind}",
        rows=rows,
        columns=[_kind(measures), *_share_columns()],
        note=_note(measures),
    )


def _classes(measures: PartMeasures) -> raikit.Table | None:
    rows = [
        [
            class_text(metric.args["class"]),
            _part(measures, str(metric.args[measures.explanations.kind])),
            metric.n,
            metric.value,
            metric.low,
            metric.high,
        ]
        for metric in measures.metrics
        if "class" in metric.args and metric.value is not None
    ]
    if not rows:
        return None
    return raikit.Table(
        id="by_class",
        title="Share of the decision by decided class",
        rows=rows,
        columns=[raikit.Column(name="class", title="Decided"), _kind(measures), *_share_columns()],
        note=_note(measures, _compared(measures)),
    )


def _complete(measures: PartMeasures) -> str:
    return f", nor are {case_noun()} that lack an input" if measures.explanations.kind == "input" else ""


def _compared(measures: PartMeasures) -> str:
    left = len(measures.largest) - MOST_COMPARED
    return f" The {MOST_COMPARED} largest of {len(measures.largest)} {measures.explanations.kind}s." if left > 0 else ""


def _groups(measures: PartMeasures) -> raikit.Table | None:
    rows = []
    for metric in measures.metrics:
        if metric.group and metric.value is not None:
            ((column, value),) = metric.group.items()
            rows.append(
                [
                    group_label({column: value}),
                    _part(measures, str(metric.args[measures.explanations.kind])),
                    metric.n,
                    metric.value,
                    metric.low,
                    metric.high,
                ]
            )
    if not rows:
        return None
    return raikit.Table(
        id="by_group",
        title="Share of the decision by group",
        rows=rows,
        columns=[
            raikit.Column(name="group", title="Group"),
            _kind(measures),
            *_share_columns(),
        ],
        note=_note(measures, _compared(measures)),
    )


def _differences(measures: PartMeasures) -> raikit.Table | None:
    if not measures.differences:
        return None
    columns = [
        ("part", capitalised(measures.explanations.kind), "text"),
        ("most", "Largest share", "text"),
        ("least", "Smallest share", "text"),
        ("difference", "Difference", "percent"),
        ("low", "Lower", "percent"),
        ("high", "Upper", "percent"),
        ("p", "Adjusted p", "p"),
    ]
    rows = [
        [
            _part(measures, one.part),
            group_label({one.column: one.high_group}),
            group_label({one.column: one.low_group}),
            one.gap.value,
            max(one.gap.low, 0.0),
            min(one.gap.high, 1.0),
            one.p_adjusted,
        ]
        for one in sorted(measures.differences, key=lambda one: (one.p_adjusted, -one.gap.value))
    ]
    return raikit.Table(
        id="differences",
        title="Differences between groups in the share of the decision",
        rows=rows,
        columns=[raikit.Column.model_validate({"name": name, "title": title, "format": form}) for name, title, form in columns],
        note=f"Largest minus smallest group; max-t over pairs of groups; p adjusted by Holm over all {len(measures.differences)} "
        f"rows. Groups with fewer than {LEAST_OF_A_GROUP} explained {case_noun()} are not compared"
        f"{_complete(measures)}.{_compared(measures)}",
    )


def _interactions(measures: PartMeasures) -> raikit.Table | None:
    rows = [
        [
            input_name(str(metric.args["input"])),
            input_name(str(metric.args["with"])),
            metric.n,
            metric.value,
            metric.low,
            metric.high,
        ]
        for metric in measures.metrics
        if metric.name == "input_interaction" and metric.value is not None
    ]
    if not rows:
        return None
    unit = measures.explanations.unit
    return raikit.Table(
        id="interactions",
        title="Interactions of inputs",
        rows=rows,
        columns=[
            raikit.Column(name="one", title="Input"),
            raikit.Column(name="other", title="With"),
            raikit.Column(name="n", title=capitalised(case_noun()), format="integer"),
            raikit.Column(name="interaction", title=f"Interaction, {unit}", format="number"),
            *_ends("number"),
        ],
        note="Positive: the two add more together than each adds alone; negative: one makes the other dispensable. "
        f"Mean Shapley interaction index; {confidence(measures.level)} t intervals, each by itself.",
    )


def _words(measures: PartMeasures) -> raikit.Table | None:
    words = most_moving(measures)
    if not words:
        return None
    unit = measures.explanations.unit
    return raikit.Table(
        id="words",
        title=f"Words that move decisions {words[0].toward}",
        columns=[
            raikit.Column(name="word", title="Word"),
            raikit.Column(name="n", title=capitalised(case_noun()), format="integer"),
            raikit.Column(name="mean", title=f"Mean contribution, {unit}", format="number"),
            *_ends("number"),
        ],
        rows=[[word.text, word.cases, word.mean, word.low, word.high] for word in words],
        note=_note(
            measures,
            f" The {MOST_WORDS} strongest words that occur in at least {FEWEST_CASES} explained {case_noun()}; negative: "
            f"away from it. They were chosen because they are strong, so further {case_noun()} may show weaker ones.",
        ),
    )
