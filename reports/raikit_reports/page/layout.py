"""The record arranged as the page shows it. Templates place these values and compute nothing."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import raikit
from raikit import format as fmt
from raikit.limits import address_space
from raikit_reports import verdicts
from raikit_reports.page import figures as drawing
from raikit_reports.page import tables
from raikit_reports.page.metrics import MetricTable, detectable, metric_table
from raikit_reports.page.renderer import ForeignRenderer
from raikit_reports.page.tables import TableView
from raikit_reports.page.training import curves
from raikit_reports.rules import Problem, RuleRow, label, problems, rule_rows, tally
from raikit_reports.search import trials_of
from raikit_reports.texts import flat, sentence, words
from raikit_reports.unchecked import Unchecked, unchecked
from raikit_reports.verdicts import Verdict

if TYPE_CHECKING:
    from raikit.run.record import PluginRecord

PILLARS = {
    "performance": ("Performance", "How good is it?"),
    "fairness": ("Fairness", "For whom is it worse?"),
    "explainability": ("Explanations", "Why does it decide so, and can the reasons be trusted?"),
    "privacy": ("Privacy", "What does it remember about its training data?"),
    "robustness": ("Robustness", "What does it do when its input is not clean?"),
    "efficiency": ("Efficiency", "What does it cost to run?"),
    "data": ("Data quality", "Can the data carry the conclusions?"),
}
# Anchors of the page itself.
TAKEN = {
    "main", "contents", "summary", "policy", "others", "unchecked", "data", "provenance", "accountability",
    "texts", "specs", "vega", "tip",
}  # fmt: skip


Render = Callable[[dict[str, Any], str], drawing.Drawing]


@dataclass(frozen=True)
class Gauge:
    """The number beside a finding: value, what it is over, limit, interval, and a drawing if a rule covers it."""

    value: str
    limit: str
    interval: str
    row: RuleRow | None
    scope: str = ""


@dataclass(frozen=True)
class FindingRow:
    """A finding with its verdict, its evidence and its figures."""

    finding: raikit.Finding
    verdict: Verdict
    check: raikit.CheckRecord
    evidence: list[str]
    addresses: list[str]
    gauge: Gauge | None
    figures: list[str]


@dataclass(frozen=True)
class FigureView:
    """A figure with its anchor, its drawing and its data."""

    anchor: str
    figure: raikit.Figure
    drawing: drawing.Drawing | None
    numbers: TableView | None
    size: str


@dataclass(frozen=True)
class CheckView:
    """The results of a check in a section."""

    check: raikit.CheckRecord
    title: str
    figures: list[FigureView]
    tables: list[TableView]
    metrics: MetricTable
    methods: list[str]


@dataclass(frozen=True)
class Section:
    """A pillar, or everything from a plugin of others."""

    anchor: str
    title: str
    asks: str
    findings: list[FindingRow]
    checks: list[CheckView]
    tally: list[tuple[Verdict, int, str]]
    rules: list[RuleRow] = field(default_factory=list)
    plugin: PluginRecord | None = None
    origin: str = ""


@dataclass(frozen=True)
class Page:
    """Everything that the templates show."""

    record: raikit.Record
    title: str
    answer: Verdict
    short: str
    question: str
    reply: str
    rules: list[RuleRow]
    tally: list[tuple[Verdict, int, str]]
    problems: list[Problem]
    more_problems: int
    near: list[RuleRow]
    changes: list[str]
    sentences: list[str]
    pillars: list[Section]
    others: list[Section]
    others_tally: list[tuple[Verdict, int, str]]
    unchecked: Unchecked
    model: dict[str, Any]
    training: FigureView | None
    trials: TableView | None
    level: str
    specs: dict[str, Any]


def build(record: raikit.Record) -> Page:
    """Arrange the whole record."""
    answer, short, fallback = verdicts.answer(record)
    rows = rule_rows(record)
    worst = problems(record, rows)
    searched, names = trials_of(record), _Names(record)
    bad = sum(row.verdict in (verdicts.FAIL, verdicts.WARN, verdicts.OPEN) for row in rows)
    with ForeignRenderer() as apart:
        # The renderer ends its process where address space is short, so that it must not be this one.
        builder = _Sections(record, rows, drawing.render if address_space() is None else apart.render)
        pillars, others, training = builder.pillars(), builder.others(apart.render), builder.training()
    shown = [*(["history"] if training is not None else []), *(["search"] if searched is not None else [])]
    return Page(
        record=record,
        title=flat(f"{answer.word}: {record.name}, raikit audit"),
        answer=answer,
        short=short,
        question=record.summary.question or f"May {record.name or 'this model'} be released?",
        reply=record.summary.answer or fallback,
        rules=rows,
        tally=tally(rows),
        problems=worst,
        more_problems=bad - len(worst),
        near=[row for row in rows if row.strip][:3] if not worst else [],
        changes=[names.put_into(text) for text in record.summary.what_would_change],
        sentences=[names.put_into(text) for text in record.summary.sentences],
        pillars=pillars,
        others=others,
        others_tally=_findings_tally(others),
        unchecked=unchecked(record),
        model={key: value for key, value in record.model.items() if key not in shown},
        training=training,
        trials=tables.view(searched) if searched is not None else None,
        level=fmt.confidence(record.confidence),
        specs=builder.specs,
    )


def _findings_tally(sections: list[Section]) -> list[tuple[Verdict, int, str]]:
    """Count the findings of other plugins by verdict, because few of them are covered by a rule."""
    counted = Counter(row.verdict for section in sections for row in section.findings)
    return [(verdict, counted[verdict], verdict.word) for verdict in sorted(counted, key=lambda verdict: verdict.rank)]


class _Names:
    """The names of the judged metrics in place of their addresses."""

    def __init__(self, record: raikit.Record) -> None:
        judged = {rule.metric for rule in record.gate.rules}
        self._names = {str(metric.id): label(metric) for _, metric in record.metrics() if metric.id in judged}
        # All at once, and the longer ones first: an address may begin with another one.
        longest_first = sorted(self._names, key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def put_into(self, text: str) -> str:
        """Replace the addresses in a text."""
        return self._any.sub(lambda found: self._names[found[0]], text)


class _Sections:
    """Builder of the sections, which assigns anchors and collects the specs of figures."""

    def __init__(self, record: raikit.Record, rows: list[RuleRow], render: Render = drawing.render) -> None:
        self._render = render
        self.record = record
        self.specs: dict[str, Any] = {}
        self.metrics = {metric.id: metric for _, metric in record.metrics()}
        self.rules: dict[str, list[RuleRow]] = defaultdict(list)
        for row in rows:
            self.rules[row.rule.metric].append(row)
        self._numbers = itertools.count(1)
        self._anchors = set(TAKEN)

    def pillars(self) -> list[Section]:
        """Return a section for each pillar of raikit's own checks."""
        own = [check for check in self.record.checks if check.plugin == "raikit" and check.status == "ok"]
        measured = list(dict.fromkeys(check.pillar for check in own))
        order = [pillar for pillar in PILLARS if pillar in measured]
        order += [pillar for pillar in measured if pillar not in PILLARS]
        return [self._section([check for check in own if check.pillar == pillar], pillar) for pillar in order]

    def others(self, render: Render) -> list[Section]:
        """Return a section for each plugin of others, whose figures are drawn by `render`."""
        foreign = [check for check in self.record.checks if check.plugin != "raikit" and check.status == "ok"]
        sections = []
        for plugin in dict.fromkeys(check.plugin for check in foreign):
            checks = [check for check in foreign if check.plugin == plugin]
            known = next((item for item in self.record.plugins if item.distribution == plugin), None)
            sections.append(self._section(checks, None, plugin, known, render))
        return sections

    def training(self) -> FigureView | None:
        """Return the learning curves of a model that was trained for this audit."""
        figure = curves(self.record.model)
        return None if figure is None else self._figure(figure)

    def _section(
        self,
        checks: list[raikit.CheckRecord],
        pillar: str | None,
        plugin: str = "",
        known: PluginRecord | None = None,
        render: Render | None = None,
    ) -> Section:
        own = "Checks of this repository" if plugin == "local" else plugin
        title, asks = PILLARS.get(pillar or "", (words(pillar) if pillar else own, ""))
        origin = "" if pillar else _origin(plugin, checks[0].plugin_version)
        anchor = self._anchor(pillar or plugin)
        figures = {id(check): [self._figure(figure, render) for figure in check.figures] for check in checks}
        names = {check.name for check in checks}
        rules = [row for rows in self.rules.values() for row in rows if row.rule.check in names]
        return Section(
            anchor=anchor,
            title=title,
            asks=asks,
            findings=sorted(
                (self._finding(check, finding, figures[id(check)]) for check in checks for finding in check.findings),
                key=lambda row: (row.verdict.rank, {"fail": 0, "warn": 1, "note": 2}[row.finding.severity]),
            ),
            checks=[self._check(check, figures[id(check)]) for check in checks],
            tally=tally(rules),
            rules=rules,
            plugin=known,
            origin=origin,
        )

    def _finding(self, check: raikit.CheckRecord, finding: raikit.Finding, figures: list[FigureView]) -> FindingRow:
        rows = sorted(
            (row for address in finding.metrics for row in self.rules.get(address, ())),
            key=lambda row: row.verdict.rank,
        )
        known = (self.metrics.get(address) for address in finding.metrics)
        measured = [metric for metric in known if metric is not None]
        return FindingRow(
            finding=finding,
            verdict=verdicts.of_finding(finding, [row.rule for row in rows]),
            check=check,
            evidence=list(_evidence(finding, rows, measured, self.record.confidence)),
            addresses=finding.metrics[:3],
            gauge=_gauge(finding, rows, measured),
            figures=[view.anchor for name in finding.figures for view in figures if view.figure.id == name],
        )

    def _check(self, check: raikit.CheckRecord, figures: list[FigureView]) -> CheckView:
        methods = dict.fromkeys(metric.method for metric in check.metrics if metric.method and metric.method != "exact")
        return CheckView(
            check=check,
            title=check.title.removesuffix(".") or words(check.name.rpartition(".")[2]),
            figures=figures,
            tables=[tables.view(table) for table in check.tables],
            metrics=metric_table(check, self.rules),
            methods=[method for method in methods if method],
        )

    def _figure(self, figure: raikit.Figure, render: Render | None = None) -> FigureView:
        anchor = f"fig-{next(self._numbers)}"
        numbers = tables.numbers(figure)
        if figure.image is not None:
            return FigureView(anchor, figure, None, numbers, "")
        spec = drawing.safe_spec(figure)
        drawn = (render or self._render)(spec, f"{anchor}-")
        if drawn.svg is not None and len(figure.data) <= drawing.INTERACTIVE_ROWS:
            self.specs[anchor] = drawn.vega
        return FigureView(anchor, figure, drawn, numbers, _size(drawn.width))

    def _anchor(self, name: str) -> str:
        base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "section"
        anchor = base
        for number in itertools.count(2):
            if anchor not in self._anchors:
                break
            anchor = f"{base}-{number}"
        self._anchors.add(anchor)
        return anchor


def _size(width: float) -> str:
    """Return the class of a drawing that needs more than one column, so that letters have about the same size in all."""
    if width <= 1.4 * drawing.WIDTH:
        return ""
    return "wide" if width <= 2 * drawing.WIDTH else "wide wider"


def _origin(plugin: str, version: str) -> str:
    if plugin == "local":
        return "A check of the audited repository itself (plugins.local in audit.yaml). It is not part of raikit."
    return f"From the package {plugin} {version}".rstrip() + ", which is not part of raikit and was not reviewed by it."


def _evidence(finding: raikit.Finding, rows: list[RuleRow], measured: list[raikit.Metric], level: float) -> Iterator[str]:
    """Yield the evidence for a finding, as sentences."""
    if finding.certainty:
        yield sentence(finding.certainty)
    metric = measured[0] if measured else None
    if metric is not None:
        kind = "simultaneous interval" if metric.simultaneous else "interval"
        how = f"{fmt.confidence(metric.level or level)} {kind}" if metric.low != metric.high else ""
        method = metric.method if how else ""
        parts = ["" if finding.certainty else how, method, fmt.sample_size(metric.n, metric.n_clusters, counts=metric.counts)]
        yield sentence(fmt.capitalised("; ".join(part for part in parts if part)))
        if smallest := detectable(metric):
            yield f"A {'ratio' if metric.unit == 'ratio' else 'gap'} of {smallest} would have been detected (80% power)."
    for row in rows:
        if not _same_number(finding, row, metric):
            everyone = " over all groups" if metric and finding.scope and row.rule.metric == metric.id else ""
            yield f"A rule is on another number: {row.title}; measured{everyone}: {row.measured} ({row.interval})."
    needed = next((row.needed for row in rows if row.needed), "")
    if needed:
        yield needed
    waiver = next((row.waiver for row in rows if row.waiver), "")
    if waiver:
        yield waiver
    if not rows and finding.severity != "note":
        yield "No rule covers this."


def _gauge(finding: raikit.Finding, rows: list[RuleRow], measured: list[raikit.Metric]) -> Gauge | None:
    """Return the number in the finding's sentence, with the drawing of a rule if the rule is on that number."""
    metric = measured[0] if measured else None
    row = next((row for row in rows if _same_number(finding, row, metric)), None)
    if row is not None:
        return Gauge(row.measured, row.limit, row.interval if row.interval != "not measured" else "", row, finding.scope)
    if finding.value is not None:
        value, low, high, method = finding.value, finding.low, finding.high, None
    elif metric is not None and metric.value is not None:
        value, low, high, method = metric.value, metric.low, metric.high, metric.method
    else:
        return None
    unit = metric.unit if metric else None
    if high is None and low is not None:  # a one-sided limit
        spread = f"at least {fmt.measure(low, low, value, unit)}"
    else:
        spread = "" if method == "exact" else fmt.interval(low, high, unit, value=value)
    return Gauge(fmt.measure(value, low, high, unit), "", spread, None, finding.scope)


def _same_number(finding: raikit.Finding, row: RuleRow, metric: raikit.Metric | None) -> bool:
    """Return whether a rule was judged on the number that the finding is about."""
    if metric is None or row.rule.metric != metric.id or row.rule.kind == "regression":
        return False
    value = metric.value if finding.value is None else finding.value
    return value == row.rule.value


def facts(values: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the entries of a mapping as names and texts; nested mappings become one text."""
    for key, value in values.items():
        if isinstance(value, dict):
            text = ", ".join(f"{name}: {fmt.scalar(item)}" for name, item in value.items())
        elif isinstance(value, list | tuple):
            text = ", ".join(fmt.scalar(item) for item in value)
        else:
            text = fmt.scalar(value)
        if text and text != "–":
            yield words(key), text
