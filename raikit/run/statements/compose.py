"""Statements from the rules and findings of a record, ranked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from raikit import format as fmt
from raikit.naming import using
from raikit.run.record import CheckRecord, Measurements, Record, Rule
from raikit.run.results import Finding, Metric
from raikit.run.statements import phrases
from raikit.run.statements.distinct import distinct_headlines
from raikit.run.statements.gaps import GapStatement, GroupNumbers

Kind = Literal["rule_broken", "undecided", "not_measured", "waived", "worth_knowing", "fine", "method"]
KINDS: tuple[Kind, ...] = ("rule_broken", "undecided", "not_measured", "waived", "worth_knowing", "fine", "method")
_OF_STATUS: dict[str, Kind] = {
    "fail": "rule_broken", "inconclusive": "undecided", "missing": "not_measured", "waived": "waived", "pass": "fine",
}  # fmt: skip
_FEW_CLUSTERS = 30  # of the smallest group: below, its clusters bound what can be decided, and not the number of cases
_SURE = {"fail": "Sure", "inconclusive": "Undecided", "missing": "Not measured", "waived": "Waived", "pass": "Sure"}


@dataclass(frozen=True)
class Statement:
    """Something that the audit says, worded for people in the words of ``data.labels``.

    Parameters
    ----------
    id : str
        Unique in a record.
    kind : str
        One of `KINDS`.
    pillar, check : str
    headline : str
        At most 12 words.
    evidence : str
        One line: measure, two values, gap, interval, limit, n.
    subject : str
        What it is about, for tables and lists: ``Accent gap``.
    number, limit : str
        The quantity and its limit; may be empty.
    detail : str
        What the number is, under it in a table.
    whom, whom_detail : str
        The worse-served group and how much is known of it.
    sure, sure_detail : str
        ``Sure``, ``Undecided``, ``Not measured`` or ``Waived``, and why in numbers.
    change : str
        What would change the answer, with today's value; empty if nothing needs to.
    facts : list of (str, str)
        Rows of the fold "How we know".
    metric : Metric or None
    gap : GapStatement or None
    rule : Rule or None
    finding : Finding or None
    value, low, high, level : float or None
        The quantity with the interval that decided.
    unit : str or None
    valid : bool
        Whether that interval decides anything.
    figures : list of str
        Ids of figures of `check`.
    """

    id: str
    kind: Kind
    pillar: str
    check: str
    headline: str
    evidence: str
    subject: str = ""
    number: str = ""
    limit: str = ""
    detail: str = ""
    whom: str = ""
    whom_detail: str = ""
    sure: str = ""
    sure_detail: str = ""
    change: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    metric: Metric | None = None
    gap: GapStatement | None = None
    rule: Rule | None = None
    finding: Finding | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    unit: str | None = None
    valid: bool = True
    figures: list[str] = field(default_factory=list)


def statements(record: Measurements) -> list[Statement]:
    """Return all statements of a record, the most important first; before the gate has run, those about findings.

    A statement about a rule comes first by what was decided, the surest breach before others. Findings about the number of a
    rule lend it their facts and are not repeated.
    """
    with using(record.data.labels):
        writer = _Writer(record)
        unsorted = [*writer.of_rules(), *writer.of_findings()]
        headlines = distinct_headlines([(one.check, one.headline, one.metric) for one in unsorted])
    told = [replace(one, headline=headline) for one, headline in zip(unsorted, headlines, strict=True)]
    return sorted(told, key=lambda statement: KINDS.index(statement.kind))


def lede(record: Record, composed: Sequence[Statement]) -> str:
    """Return what the answer rests on, in at most two sentences and 35 words.

    That is the broken rule nearest to certain; without one the first undecided rule, without these the rule that comes nearest
    to its limit.
    """
    judged = [one for one in composed if one.rule is not None and one.rule.kind != "required" and one.number]
    with using(record.data.labels):
        for kind, write in (("rule_broken", _lede_broken), ("undecided", _lede_undecided)):
            if first := next((one for one in judged if one.kind == kind), None):
                return write(first)
        near = min((one for one in judged if one.kind == "fine"), key=_relative_distance, default=None)
        return f"Nearest to its limit: {near.subject}, {near.number}; {near.limit}." if near is not None else ""


def _lede_broken(broken: Statement) -> str:
    assert broken.rule is not None
    if broken.rule.kind == "regression":
        return f"{broken.headline}: by {broken.number}, {broken.limit.replace('limit', 'margin')}."
    if broken.gap is not None:
        return phrases.lede_of_gap(broken.gap, broken.rule, broken.unit)
    return f"{broken.subject} is {broken.number}; {broken.limit}."


def _lede_undecided(first: Statement) -> str:
    named = phrases.lede_of_gap(first.gap, first.rule, first.unit) if first.gap is not None and first.rule is not None else ""
    if named and len(named.split()) <= phrases.MOST_WORDS_OF_LEDE:
        return named
    return f"{first.headline}: {first.number}, {first.limit}."


def _relative_distance(statement: Statement) -> float:
    rule = statement.rule
    if rule is None or rule.value is None or rule.limit is None:
        return float("inf")
    return abs(rule.value - rule.limit) / (abs(rule.limit) or 1)


class _Writer:
    """Composer of the statements of one record."""

    def __init__(self, record: Measurements) -> None:
        self.record = record
        self.numbers = GroupNumbers(record)
        self.checks: dict[str, CheckRecord] = {check.name: check for check in record.checks}
        self.measured: dict[str, tuple[CheckRecord, Metric]] = {
            metric.id: (check, metric) for check, metric in record.metrics() if metric.id
        }
        self.findings: dict[str, list[Finding]] = {}
        for check in record.checks:
            for finding in check.findings:
                if finding.metrics:
                    self.findings.setdefault(finding.metrics[0], []).append(finding)
        rules = record.gate.rules if record.gate is not None else []
        self.subjects = Counter(phrases.subject_of(self.measured.get(rule.metric, (None, None))[1], rule) for rule in rules)
        self.told: set[int] = set()

    def of_rules(self) -> Iterator[Statement]:
        """Yield a statement for each rule of the gate, the surest and largest breach first."""
        gate = self.record.gate
        for rule in sorted(gate.rules if gate is not None else [], key=_by_certainty):
            check, metric = self.measured.get(rule.metric, (self.checks.get(rule.check or ""), None))
            beside = self.findings.get(rule.metric, []) if rule.kind == "rule" else []
            beside = [finding for finding in beside if not _says_more(rule, finding)]
            self.told.update(map(id, beside))
            yield self._of_rule(rule, check, metric, beside)

    def of_findings(self) -> Iterator[Statement]:
        """Yield a statement for each finding that no rule covers."""
        for check in self.record.checks:
            for number, finding in enumerate(check.findings, 1):
                if id(finding) not in self.told:
                    yield self._of_finding(check, finding, number)

    def _of_rule(self, rule: Rule, check: CheckRecord | None, metric: Metric | None, beside: Sequence[Finding]) -> Statement:
        unit = rule.unit or (metric.unit if metric else None)
        gap = self._gap_of_rule(rule, metric)
        valid = not phrases.is_undecidable(metric)
        level = rule.level or (metric.level if metric else None) or self.record.confidence
        number = "" if rule.value is None else fmt.measure(rule.value, rule.low, rule.high, unit)
        limit = phrases.limit_text(rule.limit, rule.bound, unit)
        named = "" if rule.loser else next((finding.who for finding in self.findings.get(rule.metric, []) if finding.who), "")
        one = (fmt.capitalised(named) or self._whom(rule, metric), _sample(rule))
        whom, whom_detail = phrases.whom(gap, phrases.kind_of(metric)) if gap else one
        interval = phrases.ci(rule.low, rule.high, unit, rule.value, level, valid=valid)
        return Statement(
            id=f"rule-{rule.id}", kind=_OF_STATUS[rule.status], pillar=check.pillar if check else "",
            check=check.name if check else "", headline=self._headline(rule, metric, gap),
            evidence=self._evidence(gap, metric, number, interval, limit, rule),
            subject=phrases.subject_of(metric, rule), number=number, limit=limit, detail=_detail(metric, gap, limit),
            whom=whom, whom_detail=whom_detail, sure=_SURE[rule.status],
            sure_detail=self._sure(rule, metric, gap, unit, interval, valid), change=self._change(rule, metric, gap, unit, level),
            facts=[*_facts_of_rule(rule, metric, self._judged_together(rule)), *_lent(beside)],
            metric=metric, gap=gap, rule=rule, finding=beside[0] if beside else None,
            value=rule.value, low=rule.low, high=rule.high, level=level, unit=unit, valid=valid,
            figures=list(dict.fromkeys(figure for finding in beside for figure in finding.figures)),
        )  # fmt: skip

    def _gap_of_rule(self, rule: Rule, metric: Metric | None) -> GapStatement | None:
        if metric is None or rule.kind == "regression":
            return None
        judged = metric.judged if metric.judged is not None and rule.value == metric.judged.value else None
        return self.numbers.of_gap(metric, judged)

    def _headline(self, rule: Rule, metric: Metric | None, gap: GapStatement | None) -> str:
        if rule.kind == "required":
            return phrases.required_headline(rule)
        if rule.status == "missing":
            return phrases.first_that_fits(f"{phrases.subject_of(metric, rule)} was not measured", "Not measured")
        if rule.status == "inconclusive":
            return phrases.undecided_headline(rule, metric, self._clusters(rule, _few_clusters(metric, gap)), gap)
        if rule.status == "pass" and gap is not None:
            return phrases.first_that_fits(f"{phrases.kept_gap(metric, gap)} keeps its limit",
                                           f"{phrases.subject_of(metric)} keeps its limit", "A gap keeps its limit")
        return phrases.gap_headline(gap) if gap is not None else phrases.limit_headline(rule, metric)

    def _clusters(self, rule: Rule, number: int | None) -> str:
        """Return what clusters are called: by the column if there is only one, or if a finding counts that many of its clusters."""
        names = self.record.data.cluster
        ends = [end for finding in self.findings.get(rule.metric, []) for end in (finding.worse, finding.better)]
        counted = {column for end in ends if end for column, many in end.clusters.items() if many and many == number}
        known = names if len(names) == 1 else sorted(counted)
        return phrases.cluster_noun(known[0]) if len(known) == 1 else "clusters"

    def _judged_together(self, rule: Rule) -> str:
        """Return why the level that decided is not the run's, if that is because of the other rules; else nothing."""
        family = self.record.gate.family if self.record.gate is not None else None
        if rule.kind != "rule" or rule.level is None or family is None or "judged together" not in rule.reason:
            return ""
        return f"{fmt.count(family.size)} rules are judged together" if rule.level != self.record.confidence else ""

    def _evidence(
        self, gap: GapStatement | None, metric: Metric | None, number: str, interval: str, limit: str, rule: Rule | None
    ) -> str:
        if gap is not None:
            kind = phrases.kind_of(metric)
            number_ci = ", ".join(part for part in (f"{kind} {number}" if number else "", interval) if part)
            return "; ".join(part for part in (phrases.sides(gap, kind), number_ci, limit, phrases.sizes(gap, kind)) if part)
        name = phrases.subject_of(metric, rule) if metric is not None or rule is not None else ""
        if rule is not None and rule.kind == "regression":
            number, limit = f"worse by {number}" if number else "", limit.replace("limit", "margin")
        n = rule.n if rule is not None else metric.n if metric is not None and metric.method != "exact" else None
        shown = rule is not None and rule.status in ("fail", "waived")
        lost = " lost against ".join(rule.pair_of_loss or ()) if rule is not None and shown else ""
        parts = (lost, ", ".join(part for part in (f"{name} {number}".strip(), interval) if part), limit,
                 f"n = {fmt.count(n)}" if n is not None else "")
        return "; ".join(part for part in parts if part)

    def _whom(self, rule: Rule, metric: Metric | None) -> str:
        if rule.loser:
            return rule.loser
        if metric is not None and metric.group:
            return fmt.capitalised(fmt.group_name(metric.group))
        if metric is not None and metric.over:
            return f"By {phrases.by_columns(metric.over)}"
        return f"All {fmt.case_noun()}"

    def _sure(
        self, rule: Rule, metric: Metric | None, gap: GapStatement | None, unit: str | None, interval: str, valid: bool
    ) -> str:
        """Write why a rule is decided as it is, in numbers."""
        limit = fmt.measure(rule.limit, unit=unit).removesuffix(fmt.suffix(unit)) if rule.limit is not None else ""
        if rule.status == "missing" or metric is None:
            return fmt.capitalised(rule.reason)
        few = _few_clusters(metric, gap)
        if few and (not valid or rule.status == "inconclusive"):
            return f"{fmt.count(few)} {self._clusters(rule, few)} {'is' if few == 1 else 'are'} too few"
        if not valid:
            return "No valid CI"
        if not interval:
            return "Computed, no sampling error"
        together = self._judged_together(rule)
        if rule.status == "inconclusive":
            return f"{interval}" + (f", as {together}" if together else "") + f"; the limit is {limit}"
        beyond = (rule.status in ("fail", "waived")) == (rule.bound == "max")
        return f"{interval}, all {'above' if beyond else 'below'} {limit}" + (f", as {together}" if together else "")

    def _change(
        self, rule: Rule, metric: Metric | None, gap: GapStatement | None, unit: str | None, level: float | None
    ) -> str:
        name = self._subject_among_rules(rule, metric, gap)
        if rule.status == "missing":
            must = "must have run" if rule.kind == "required" else "must be measured"
            return f"{name} {must}: {rule.reason.removeprefix('no measurement: ')}"
        if rule.status not in ("fail", "inconclusive"):
            return ""
        few = _few_clusters(metric, gap)
        if rule.status == "inconclusive" and few:
            return f"{name}: more {self._clusters(rule, few)} in each group; now {fmt.count(few)}"
        if rule.status == "inconclusive" and rule.rows_needed is not None:
            if metric is not None and metric.n_clusters and metric.n_clusters < _FEW_CLUSTERS:
                # More cases of the same clusters help little.
                groups = " in each group" if gap is not None else ""
                return f"{name}: more {self._clusters(rule, metric.n_clusters)}{groups}; now {fmt.count(metric.n_clusters)}"
            return f"{name}: about {fmt.cases(rule.rows_needed)} in all"
        if rule.status == "inconclusive":
            # The reason may begin with the interval in raw numbers, which stand elsewhere in their unit.
            why = rule.reason.partition("; ")[2] if rule.reason.startswith("the interval [") else rule.reason
            return f"{name}: {why or f'more {fmt.case_noun()}'}"
        fall = rule.bound != "min"
        end = rule.high if fall else rule.low
        limit = fmt.measure(rule.limit, unit=unit)
        if end is None or rule.low == rule.high:
            return f"{name}: {'at most' if fall else 'at least'} {limit}"
        now = fmt.measure(end, rule.low, rule.high, unit).removesuffix(fmt.suffix(unit))
        upper = f"{'upper' if fall else 'lower'} end of its {fmt.confidence(level)} CI" if level else "its end"
        return f"{name}: {upper} {'at most' if fall else 'at least'} {limit}; now {now}"

    def _subject_among_rules(self, rule: Rule, metric: Metric | None, gap: GapStatement | None) -> str:
        """Return what a rule is about; of gaps over the same columns with the measure, if several rules are about such."""
        name = phrases.subject_of(metric, rule)
        return phrases.kept_gap(metric, gap) if gap is not None and self.subjects[name] > 1 else name

    def _of_finding(self, check: CheckRecord, finding: Finding, number: int) -> Statement:
        known = self.measured.get(finding.metrics[0]) if finding.metrics else None
        metric = known[1] if known else None
        gap = self.numbers.of_finding(finding, metric)
        own = finding.value is not None
        value, low, high = (finding.value, finding.low, finding.high) if own else (
            (metric.value, metric.low, metric.high) if metric is not None else (None, None, None))
        named_by_metric = metric is not None and not (own and finding.what)  # a number of its own has a name of its own
        unit = metric.unit if metric is not None else None
        level = (metric.level if metric else None) or self.record.confidence
        # A finding is about the models that were trained; only rules ask what other trainings would give.
        flags = set(metric.flags if metric else ()) - {"one_training"}
        valid = finding.kind != "undecided" or not phrases.UNDECIDABLE.intersection(flags)
        number_text = "" if value is None else fmt.measure(value, low, high, unit)
        interval = phrases.ci(low, high, unit, value, level, valid=valid)
        if high is None and low is not None:
            interval = f"at least {fmt.measure(low, low, value, unit)}"
        kind: Kind = finding.kind or ("method" if finding.severity == "note" else "worth_knowing")
        whom = phrases.whom(gap) if gap else (fmt.capitalised(finding.who), "")
        return Statement(
            id=f"{check.name}-{number}", kind=kind, pillar=check.pillar, check=check.name,
            headline=finding.headline or (phrases.gap_headline(gap) if gap else _legacy_headline(finding)),
            evidence=finding.evidence or self._evidence(gap, metric, number_text, interval, "", None) or finding.certainty,
            subject=phrases.subject_of(metric) if named_by_metric and metric else fmt.capitalised(finding.what), number=number_text,
            whom=whom[0], whom_detail=whom[1], sure="", sure_detail=interval, facts=_lent([finding]), metric=metric, gap=gap,
            finding=finding, value=value, low=low, high=high, level=level, unit=unit, valid=valid, figures=list(finding.figures),
        )  # fmt: skip


def _legacy_headline(finding: Finding) -> str:
    """Return a headline for a finding that has only a sentence, as those of older records."""
    what = fmt.capitalised(finding.what)
    return phrases.first_that_fits(f"{what}: {finding.who}" if what and finding.who else what, what or finding.sentence)


def _says_more(rule: Rule, finding: Finding) -> bool:
    """Return whether a finding tells something bad of a number that keeps its limit: accuracy over it, and no better than guessing.

    The gap of a finding with two sides is what the rule judged, so the rule's statement tells it.
    """
    return rule.status == "pass" and finding.kind in ("worth_knowing", "undecided") and finding.worse is None


def _detail(metric: Metric | None, gap: GapStatement | None, limit: str) -> str:
    what = phrases.compared(metric, gap) if metric is not None and gap is not None else ""
    return fmt.capitalised(", ".join(part for part in (limit, what) if part))


def _sample(rule: Rule) -> str:
    return fmt.sample_size(rule.n, rule.n_clusters, counts=rule.counts)


def _few_clusters(metric: Metric | None, gap: GapStatement | None) -> int | None:
    """Return how many clusters are too few for an interval, of a compared group or else of the whole; None if they are enough."""
    if gap is not None and gap.few_clusters:
        return gap.few_clusters
    return metric.n_clusters if metric is not None and "few_clusters" in metric.flags else None


def _facts_of_rule(rule: Rule, metric: Metric | None, together: str) -> list[tuple[str, str]]:
    reason = re.sub(r"; at [0-9.]+%, because [0-9]+ rules[a-z ]* are judged together", "", rule.reason) if together else rule.reason
    facts = [("Decision", fmt.capitalised(reason))]
    if together and rule.level is not None:
        facts.append(("Confidence level", f"{fmt.confidence(rule.level)}, because {together}"))
    if metric is not None and metric.method and metric.method != "exact":
        facts.append(("Method", metric.method))
    if rule.n_clusters:
        facts.append(("Clusters", fmt.count(rule.n_clusters)))
    if rule.not_judged:
        facts.append(("Not judged", "; ".join(rule.not_judged)))
    facts.append(("Rule", rule.sentence if rule.written is None else f"{rule.sentence}, written {rule.written}"))
    return [(name, text) for name, text in facts if text]


def _lent(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return the facts of findings for a fold."""
    facts = []
    for finding in findings:
        if finding.sentence:
            facts.append(("In full", finding.sentence))
        if finding.ratio is not None:
            value, low, high = finding.ratio
            facts.append(("Ratio", f"{fmt.measure(value, low, high, 'ratio')} ({fmt.interval(low, high, 'ratio', value=value)})"))
        facts += finding.facts
        if finding.scope:
            facts.append(("Scope", finding.scope))
    return facts


def _by_certainty(rule: Rule) -> tuple[int, float, float]:
    """Order rules by status, breaches by p-value and then by the distance to the limit; others keep the order of the policy."""
    order = ("fail", "inconclusive", "missing", "waived", "pass")
    broken = rule.status == "fail" and rule.value is not None and rule.limit is not None
    distance = abs((rule.value or 0.0) - (rule.limit or 0.0)) if broken else 0.0
    rank = order.index(rule.status) + (0.5 if rule.status == "fail" and rule.severity == "warn" else 0.0)
    return int(2 * rank), rule.p_value if rule.status == "fail" and rule.p_value is not None else 1.0, -distance
