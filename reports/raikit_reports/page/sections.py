"""Sections of the page: one for each pillar and for each plugin of others, built from the same blocks."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import raikit
from raikit.run.statements import Statement
from raikit_reports import texts, verdicts
from raikit_reports.page import findings, tables
from raikit_reports.page.drawings import Drawings, FigureView
from raikit_reports.page.findings import Block, BlockGroup
from raikit_reports.page.groups import Chart, Groups
from raikit_reports.page.tables import TableView
from raikit_reports.verdicts import Verdict

if TYPE_CHECKING:
    from raikit.run.record import PluginRecord

PILLARS = {
    "performance": ("Performance", "Is it right often enough?"),
    "fairness": ("Fairness", "For whom is it worse?"),
    "explainability": ("Explanations", "Why does it decide so, and can the reasons be trusted?"),
    "privacy": ("Privacy", "What does it remember about its training data?"),
    "robustness": ("Robustness", "What does it do when its input is not clean?"),
    "efficiency": ("Efficiency", "What does it cost to run?"),
    "data": ("Data quality", "Can the data carry the conclusions?"),
}
# Anchors of the page itself.
TAKEN = {
    "main", "contents", "summary", "rules", "others", "unchecked", "record", "texts", "specs", "vega", "tip", "tables", "numbers",
}  # fmt: skip
_MOST_OPEN = 15  # findings of a page that no rule is about
_MOST_FIGURES = 4
_FEWEST_FIGURES = 2
Tally = list[tuple[Verdict, int, str]]


@dataclass(frozen=True)
class Section:
    """A pillar, or everything from a plugin of others."""

    anchor: str
    title: str
    asks: str
    tally: Tally
    stats: list[tuple[str, str]]
    groups: list[BlockGroup]
    fine: BlockGroup
    methods: list[Block]
    charts: list[Chart]
    figures: list[FigureView]
    folded: list[FigureView]
    tables: list[tuple[int, TableView]]
    checks: list[raikit.CheckRecord]
    numbers: int
    explored: list[FigureView] = field(default_factory=list)
    threshold: float | None = None
    beside: str = ""
    rules: int = 0
    plugin: PluginRecord | None = None
    origin: str = ""

    @property
    def paired(self) -> bool:
        """Whether any drawing has both ends of a gap, which needs a key."""
        return any(block.drawing and block.statement.gap for group in self.groups for block in group.shown)

    @property
    def hidden(self) -> int:
        """The number of findings that paper lacks."""
        return sum(len(group.folded) for group in [*self.groups, self.fine]) + len(self.methods)


@dataclass
class SectionBuilder:
    """Builder of all sections of a page; it hands out anchors and the number of findings that may be open."""

    record: raikit.Record
    statements: Sequence[Statement]
    drawings: Drawings
    groups: Groups
    tables: list[TableView] = field(default_factory=list)
    _anchors: set[str] = field(default_factory=lambda: set(TAKEN))
    _room: int = _MOST_OPEN

    def __post_init__(self) -> None:
        self._room -= sum(one.rule is not None and one.kind in ("rule_broken", "undecided") for one in self.statements)
        self._beside = {check.name: text for check in self.record.checks if (text := texts.beside(check))}

    def pillars(self) -> list[Section]:
        """Return a section for each pillar of raikit's own checks."""
        own = [check for check in self.record.checks if check.plugin == "raikit" and check.status == "ok"]
        measured = list(dict.fromkeys(check.pillar for check in own))
        order = [pillar for pillar in PILLARS if pillar in measured]
        order += [pillar for pillar in measured if pillar not in PILLARS]
        made = []
        for pillar in order:
            title, asks = PILLARS.get(pillar, (texts.words(pillar), ""))
            made.append(self._section([check for check in own if check.pillar == pillar], pillar, title, asks))
        return made

    def others(self) -> list[Section]:
        """Return a section for each plugin of others, all of whose figures are drawn now, within limits."""
        foreign = [check for check in self.record.checks if check.plugin != "raikit" and check.status == "ok"]
        made = []
        for plugin in dict.fromkeys(check.plugin for check in foreign):
            checks = [check for check in foreign if check.plugin == plugin]
            title = "Checks of this repository" if plugin == "local" else plugin
            section = self._section(checks, plugin, title, "")
            known = next((item for item in self.record.plugins if item.distribution == plugin), None)
            made.append(replace(section, plugin=known, origin=_origin(plugin, checks[0].plugin_version)))
        return made

    def _section(self, checks: list[raikit.CheckRecord], name: str, title: str, asks: str) -> Section:
        names = {check.name for check in checks}
        about = [one for one in self.statements if one.check in names]
        groups = findings.groups(about, max(self._room, 1), self._beside)
        opened = [block.statement for group in groups for block in group.shown]
        self._room -= sum(one.rule is None for one in opened)
        charts = self._charts(opened)
        figures, folded = self._figures(checks, opened, about, len(charts))
        said = [one for one in about if charts or one.kind != "method"]
        return Section(
            anchor=self._anchor(name), title=title, asks=asks, tally=rule_tally(about),
            stats=findings.stats(said, checks, self.record.confidence), groups=groups,
            fine=findings.fine(about, self._beside),
            methods=findings.blocks([one for one in about if one.kind == "method"], self._beside), charts=charts,
            figures=figures, folded=folded, tables=self._tables(checks), checks=checks,
            numbers=sum(len(check.metrics) for check in checks),
            explored=[view for view in [*figures, *folded] if _by_threshold(view.figure)], threshold=_threshold(checks),
            beside=next((self._beside[check.name] for check in checks if check.name in self._beside), ""),
            rules=sum(one.rule is not None for one in about),
        )  # fmt: skip

    def _charts(self, opened: Sequence[Statement]) -> list[Chart]:
        """Draw the groups that open statements are about: the first measure over all columns and crossed, others alone."""
        compared = [one for one in opened if self.groups.has(one)]
        if not compared:
            return []
        first = compared[0]
        crossing = next((one for one in compared if _measure(one) == _measure(first) and len(_columns(one)) == 2), first)
        made = {(_measure(first), ()): self.groups.of_measure(first), (_measure(first), ("×",)): self.groups.crossed(crossing)}
        for one in compared[1:]:
            if _measure(one) != _measure(first):
                made.setdefault((_measure(one), _columns(one)), self.groups.alone(one))
        return [chart for chart in made.values() if chart is not None][:_MOST_FIGURES]

    def _figures(
        self, checks: Sequence[raikit.CheckRecord], opened: Sequence[Statement], about: Sequence[Statement], charts: int
    ) -> tuple[list[FigureView], list[FigureView]]:
        """Return the figures that carry the story and those for a fold; what no finding is about leads last."""
        known = {(check.name, figure.id): figure for check in checks for figure in check.figures}
        drawn = {id(one) for one in opened if charts and self.groups.has(one)}
        cited = [(one.check, name) for one in opened if id(one) not in drawn for name in one.figures]
        decided_first = sorted(about, key=lambda one: one.kind == "undecided")
        spare = [(one.check, name) for one in decided_first for name in one.figures]
        most = max(_MOST_FIGURES - charts, 0) if charts else _FEWEST_FIGURES
        wanted = list(dict.fromkeys(key for key in cited if key in known))[:most]
        for key in [*spare, *known] if not charts else []:
            if len(wanted) >= _FEWEST_FIGURES:
                break
            if key in known and key not in wanted:
                wanted.append(key)
        shown = [self.drawings.now(known[key]) for key in wanted]
        rest = [(key, figure) for key, figure in known.items() if key not in wanted]
        own = all(check.plugin == "raikit" for check in checks)
        return shown, [self.drawings.later(figure) if own else self.drawings.now(figure) for _, figure in rest]

    def _tables(self, checks: Sequence[raikit.CheckRecord]) -> list[tuple[int, TableView]]:
        made = []
        for table in itertools.chain.from_iterable(check.tables for check in checks):
            self.tables.append(tables.view(table))
            made.append((len(self.tables) - 1, self.tables[-1]))
        return made

    def _anchor(self, name: str) -> str:
        base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "section"
        anchor = base
        for number in itertools.count(2):
            if anchor not in self._anchors:
                break
            anchor = f"{base}-{number}"
        self._anchors.add(anchor)
        return anchor


def _by_threshold(figure: raikit.Figure) -> bool:
    """Return whether a figure has rates of groups at many thresholds, which a reader can move along."""
    return len(figure.data) > 2 and {"measure", "threshold", "side", "group", "value"} <= figure.data[0].keys()


def _threshold(checks: Sequence[raikit.CheckRecord]) -> float | None:
    """Return the threshold that decides now."""
    metrics = (metric for check in checks for metric in check.metrics)
    return next((metric.value for metric in metrics if metric.name == "decision_threshold"), None)


def _measure(statement: Statement) -> str:
    return statement.gap.measure if statement.gap is not None else ""


def _columns(statement: Statement) -> tuple[str, ...]:
    return statement.gap.columns if statement.gap is not None else ()


def rule_tally(statements: Sequence[Statement]) -> Tally:
    """Count the rules of some statements by verdict, the worst first."""
    counted = Counter(findings.verdict_of(one) for one in statements if one.rule is not None)
    ranked = sorted(counted, key=lambda verdict: verdict.rank)
    return [(verdict, counted[verdict], WORDS.get(verdict, verdict.word.lower())) for verdict in ranked]


WORDS = {
    verdicts.FAIL: "broken", verdicts.WARN: "broken, a warning", verdicts.OPEN: "undecided", verdicts.MISSING: "not measured",
    verdicts.WAIVED: "waived", verdicts.PASS: "hold",
}  # fmt: skip


def _origin(plugin: str, version: str) -> str:
    if plugin == "local":
        return "A check of the audited repository itself (plugins.local in audit.yaml). It is not part of raikit."
    return f"From the package {plugin} {version}".rstrip() + ", which is not part of raikit and was not reviewed by it."
