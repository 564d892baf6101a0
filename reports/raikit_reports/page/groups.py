"""The groups of a record as charts: which measure over which columns, and what a rule allows there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

import raikit
from raikit import format as fmt
from raikit.run.statements import GapStatement, Statement
from raikit.run.statements.vocabulary import denominator_text, words_of_measure
from raikit_reports.page import charts

TONES = {"rule_broken": "fail", "undecided": "open"}
Columns = tuple[str, ...]
Key = tuple[str, str]  # check and measure


@dataclass(frozen=True)
class Chart:
    """A drawing with its words; `svg` is complete."""

    title: str
    subtitle: str
    svg: Markup


class Groups:
    """The metrics of all groups, by check, measure and columns, with what statements say of their gaps."""

    def __init__(self, record: raikit.Record, statements: Sequence[Statement]) -> None:
        self._metrics: dict[Key, dict[Columns, list[raikit.Metric]]] = defaultdict(lambda: defaultdict(list))
        for check, metric in record.metrics():
            if metric.group and metric.over and metric.value is not None and metric.subject == "model" and not metric.args:
                self._metrics[check.name, metric.name][tuple(metric.over)].append(metric)
        self._rules: dict[tuple[str, str, Columns], Statement] = {}
        for one in statements:
            if one.gap is not None and one.rule is not None:
                self._rules.setdefault((one.check, one.gap.measure, one.gap.columns), one)
        self._level = record.confidence
        self._positive = record.data.positive

    def has(self, statement: Statement) -> bool:
        """Return whether both ends of a statement's gap are among the measured groups."""
        gap = statement.gap
        return gap is not None and bool(self._metrics.get((statement.check, gap.measure), {}).get(gap.columns))

    def alone(self, statement: Statement, most: int = charts.ROWS) -> Chart | None:
        """Draw the groups that a statement compares; None without them, or for more than one column."""
        gap = statement.gap
        if gap is None or not self.has(statement) or len(gap.columns) > 1:
            return None
        return self._chart(statement.check, gap, [gap.columns], _limit_words(statement), most)

    def of_measure(self, statement: Statement) -> Chart | None:
        """Draw the groups of every column in the measure of a statement, on one axis."""
        gap = statement.gap
        if gap is None or not self.has(statement):
            return None
        single = [columns for columns in self._metrics[statement.check, gap.measure] if len(columns) == 1]
        return self._chart(statement.check, gap, single) if single else None

    def crossed(self, statement: Statement) -> Chart | None:
        """Draw a statement's measure over two columns as a heat map; None where there are fewer or too many groups."""
        gap = statement.gap
        if gap is None:
            return None
        by_columns = self._metrics.get((statement.check, gap.measure), {})
        pairs = [gap.columns] if gap.columns in by_columns and len(gap.columns) == 2 else [
            columns for columns in by_columns if len(columns) == 2]
        fitting = [columns for columns in pairs if _fits(by_columns[columns])]
        if not fitting:
            return None
        # Without a statement about two columns, those are drawn that differ most.
        widest = max(fitting, key=lambda columns: _spread(by_columns[columns]))
        return self._heat(gap, widest, by_columns[widest])

    def _chart(
        self, check: str, gap: GapStatement, all_columns: Sequence[Columns], limit: str = "", most: int = charts.ROWS
    ) -> Chart:
        groupings, unit = [], gap.unit
        for columns in sorted(all_columns, key=lambda columns: self._rank(check, gap.measure, columns)):
            metrics = sorted(self._metrics[check, gap.measure][columns], key=lambda metric: -(metric.value or 0.0))
            if not gap.higher:
                metrics.reverse()
            unjudged = _left_out(self._rules.get((check, gap.measure, columns)))
            metrics.sort(key=lambda metric: _is_in(metric, unjudged))  # the sort is stable: these come last
            groupings.append(self._grouping(check, gap, columns, metrics, most))
        measure = fmt.capitalised(fmt.metric_words(gap.measure))
        by = f", by {fmt.columns_text(all_columns[0])}" if len(all_columns) == 1 else ", by group"
        bars = [bar for grouping in groupings for bar in grouping.bars]
        dashed = "; dashed: not judged, too few" if any(not bar.judged for bar in bars) else ""
        bars = [bar for bar in bars if bar.judged] or bars
        high, low = max(bars, key=lambda bar: bar.value), min(bars, key=lambda bar: bar.value)
        ends = [f"{fmt.measure(bar.value, bar.low, bar.high, unit)} ({bar.name})" for bar in (high, low)]
        alt = f"{measure}{by}: from {' to '.join(ends)}"
        shaded = "; shaded, up to the black line: what a rule allows" if any(grouping.band for grouping in groupings) else ""
        subtitle = f"{self._of(gap.measure)}; line: {fmt.confidence(self._level)} CI{shaded}{dashed}"
        return Chart(measure + by, fmt.capitalised(subtitle), charts.by_group(groupings, unit, alt, limit))

    def _rank(self, check: str, measure: str, columns: Columns) -> int:
        """Return the place of a grouping: a broken rule first, then an undecided one."""
        rule, order = self._rules.get((check, measure, columns)), list(TONES)
        return order.index(rule.kind) if rule is not None and rule.kind in order else len(order)

    def _counted(self, measure: str) -> str:
        """Return what a measure counts, as its denominator is called."""
        return denominator_text(words_of_measure(measure, self._positive).denominator)

    def _of(self, measure: str) -> str:
        """Write what a measure is a share of."""
        return f"% of {self._counted(measure)}"

    def _grouping(
        self, check: str, gap: GapStatement, columns: Columns, metrics: list[raikit.Metric], most: int
    ) -> charts.Grouping:
        rule = self._rules.get((check, gap.measure, columns))
        tone = TONES.get(rule.kind, "") if rule is not None else ""
        judged = _key(rule.gap.worse.group) if rule is not None and rule.gap is not None else None
        shown = metrics if len(metrics) <= most else [*metrics[: most - 1], metrics[-1]]
        unjudged = _left_out(rule)
        bars = [
            charts.Bar(
                fmt.capitalised(_name(metric)), metric.value or 0.0, metric.low, metric.high, metric.n,
                tone if _key(metric.group or {}) == judged else "", not _is_in(metric, unjudged), _labelled(metric),
            )
            for metric in shown
        ]  # fmt: skip
        title, counts = fmt.capitalised(fmt.columns_text(columns)), self._counted(gap.measure)
        return charts.Grouping(title, bars, _band(rule), len(metrics) - len(shown), counts)

    def _heat(self, gap: GapStatement, columns: Columns, metrics: list[raikit.Metric]) -> Chart:
        values = [list(dict.fromkeys((metric.group or {}).get(column) for metric in metrics)) for column in columns]
        down, across = (0, 1) if len(values[0]) >= len(values[1]) else (1, 0)
        rows, heads = (self._by_size(metrics, columns[axis], gap.higher) for axis in (down, across))
        cells = {}
        for metric in metrics:
            group = metric.group or {}
            place = rows.index(group.get(columns[down])), heads.index(group.get(columns[across]))
            names = tuple(_labelled(metric, columns[axis]) for axis in (down, across))
            cells[place] = charts.Cell(metric.value or 0.0, metric.n, (names[0], names[1]))
        lines, tops = (
            [fmt.capitalised(fmt.value_text(columns[axis], value)) for value in part]
            for axis, part in ((down, rows), (across, heads))
        )
        measure = fmt.capitalised(fmt.metric_words(gap.measure))
        title = f"{measure}, by {fmt.columns_text(columns)}"
        sizes = [metric.n for metric in metrics if metric.n is not None]
        subtitle = f"{self._of(gap.measure)}; framed: highest and lowest" + (
            f"; n = {fmt.count(min(sizes))} to {fmt.count(max(sizes))} a cell" if sizes else "")
        worst = max(metrics, key=lambda metric: metric.value or 0.0)
        highest = fmt.measure(worst.value, worst.low, worst.high, gap.unit)
        alt = f"{title}: highest {highest} for {fmt.group_name(worst.group or {})}"
        return Chart(title, fmt.capitalised(subtitle), charts.heat(lines, tops, cells, gap.unit, alt))

    def _by_size(self, metrics: list[raikit.Metric], column: str, higher: bool) -> list[object]:
        """Order the values of a column by the mean of their cells, the worst first."""
        cells: dict[object, list[float]] = defaultdict(list)
        for metric in metrics:
            cells[(metric.group or {}).get(column)].append(metric.value or 0.0)
        return sorted(cells, key=lambda value: sum(cells[value]) / len(cells[value]), reverse=higher)


def _fits(metrics: Sequence[raikit.Metric]) -> bool:
    columns = list(metrics[0].group or {})
    sizes = sorted(len({(metric.group or {}).get(column) for metric in metrics}) for column in columns)
    return len(columns) == 2 and 2 <= sizes[0] <= 9 and 2 <= sizes[1] <= 14


def _spread(metrics: Iterable[raikit.Metric]) -> float:
    values = [metric.value or 0.0 for metric in metrics]
    return max(values) - min(values)


def _name(metric: raikit.Metric) -> str:
    """Write a group in a chart whose title names the column."""
    return ", ".join(fmt.value_text(column, value) for column, value in (metric.group or {}).items())


def _labelled(metric: raikit.Metric, column: str = "") -> str:
    """Write a group, or its value of one column, with the column: the same text in all drawings."""
    group = metric.group or {}
    return fmt.group_label({column: group.get(column)} if column else group)


def _key(group: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((column, repr(value)) for column, value in group.items()))


def _left_out(rule: Statement | None) -> frozenset[str]:
    """Return the groups that a rule about a gap did not judge because they are too small; none if it judged all."""
    judged = rule.metric.judged if rule is not None and rule.metric is not None else None
    if rule is None or rule.rule is None or judged is None or judged.value is None or rule.rule.value != judged.value:
        return frozenset()
    return frozenset(judged.left_out)


def _is_in(metric: raikit.Metric, names: frozenset[str]) -> bool:
    group = metric.group or {}
    return bool(names & {fmt.stored_group(group), fmt.group_text(metric.over, group)})


def _band(rule: Statement | None) -> tuple[float, float] | None:
    """Return what a rule about a gap allows, from the best group to the limit."""
    if rule is None or rule.rule is None or rule.rule.limit is None or rule.gap is None or rule.gap.better.value is None:
        return None
    best, limit = rule.gap.better.value, rule.rule.limit
    if rule.unit == "ratio":
        return (best, best * limit) if not rule.gap.higher else (best, best / limit) if limit else None
    return best, best + (limit if rule.gap.higher else -limit)


def _limit_words(statement: Statement) -> str:
    gap, rule = statement.gap, statement.rule
    if gap is None or rule is None or rule.limit is None:
        return ""
    name = ", ".join(fmt.value_text(column, value) for column, value in gap.better.group.items())
    if statement.unit == "ratio":
        return f"limit: {name} {'÷' if gap.higher else '×'} {fmt.measure(rule.limit, unit='ratio')}" if rule.limit else ""
    return f"limit: {fmt.measure(rule.limit, unit=statement.unit)} {'above' if gap.higher else 'below'} {name}"
