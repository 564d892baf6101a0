"""The checks ``fairness.labels`` and ``fairness.entities``: groups compared label by label, and type by type of entity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import raikit
from raikit_fairness import measures
from raikit_fairness.checks.options import GapOptions

if TYPE_CHECKING:
    from raikit_fairness.report.part_report import Part

_OF_ENTITIES = (measures.TPR, measures.FNR, measures.PRECISION)


def _produced(names: Sequence[str], argument: str) -> list[str]:
    """Return patterns of metrics with an argument, and of their comparisons."""
    return [f"fairness.{name.removesuffix('(*to=*)[*]')}({argument}=*{',to=*' * name.endswith(']')})[*]" for name in names]


class LabelGaps(raikit.Check):
    """Rates of every group and the disparities between groups, for each label of cases that may have several.

    Definitions, intervals and options are those of ``fairness.groups``. Each label is judged by itself.
    """

    name = "fairness.labels"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive", "target.label"}, capabilities={"labels"}, tasks={"binary"}
    )
    produces: ClassVar[Sequence[str]] = _produced(
        [*measures.metric_names(measures.BINARY), *measures.ODDS], "label"
    )

    class Options(GapOptions):
        """Options of the check."""

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Compare the groups for each label."""
        from raikit_fairness.report.part_report import Part, report_parts

        frame = ctx.predictions.frame(_columns(ctx, "target.label"))

        def parts() -> Iterator[Part]:
            for label, cases in frame.groupby("target.label", sort=False, observed=True):
                yield Part(str(label), cases.reset_index(drop=True), list(ctx.classes), 1)

        return report_parts(
            ctx, self.options.settings(ctx), self.options.most_groups(ctx), list(parts()), "label", ("case", "cases"), None,
            self.address,
        )

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Compare with the baseline label by label: which group lost against which, paired on the cases that both runs hold."""
        from raikit_fairness.estimates.part_comparison import compare_labels

        return compare_labels(candidate, baseline, margins, self.options.between_runs)


class EntityGaps(raikit.Check):
    """Recall and precision of named entities in every group of texts, and the disparities between groups, by type of entity.

    Entities are those of ``performance.entities``; intervals and options are those of ``fairness.groups``. Each type is judged by
    itself. There are no rates of what is no entity, because nothing says how many there are.
    """

    name = "fairness.entities"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive", "target.token"}, capabilities={"labels"}, tasks={"multiclass"}
    )
    produces: ClassVar[Sequence[str]] = _produced(measures.metric_names(_OF_ENTITIES), "entity")

    class Options(GapOptions):
        """Options of the check."""

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Compare the groups for each type of entity."""
        from raikit.data.entities import NO_ENTITY, entity_cases, has_entities
        from raikit_fairness.report.part_report import Part, report_parts

        if not has_entities(ctx.classes):
            sentence = "The tags mark no entities (none begins with B- or I-), so groups are compared by tokens alone."
            return raikit.CheckResult(findings=[raikit.Finding(
                kind="method", headline="The tags mark no entities", evidence="no tag begins with B- or I-", sentence=sentence,
                severity="note", what="Entities",
            )])  # fmt: skip
        frame, types = entity_cases(ctx.predictions.frame(_columns(ctx, "target.token")))
        parts = [Part(name, frame, [*types, NO_ENTITY], position) for position, name in enumerate(types)]
        names = [measure.name for measure in _OF_ENTITIES]
        return report_parts(
            ctx, self.options.settings(ctx), self.options.most_groups(ctx), parts, "entity", ("entity", "entities"), names,
            self.address,
        )

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Compare with the baseline type by type: which group lost against which, paired on the cases that both runs hold."""
        from raikit_fairness.estimates.part_comparison import compare_entities

        return compare_entities(candidate, baseline, margins, self.options.between_runs)


def _columns(ctx: raikit.CheckContext, role: str) -> list[str]:
    weight = [ctx.weight] if ctx.weight else []
    return list(dict.fromkeys(["target", "prediction", role, *ctx.sensitive, *ctx.cluster, *weight]))
