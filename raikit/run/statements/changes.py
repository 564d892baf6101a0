"""What changed from one run to another, as statements: for the terminal, and for every format of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from raikit import format as fmt
from raikit.naming import using
from raikit.run.across import RunComparison
from raikit.run.labelled import labelled
from raikit.run.record import Record, Rule
from raikit.run.results import Metric, Value
from raikit.run.statements import phrases
from raikit.run.statements.gaps import GapStatement, GroupNumbers
from raikit.run.statements.vocabulary import TOLD_AS, words_of_measure

ChangeKind = Literal["worse", "better", "undecided", "same", "not_compared"]
CHANGE_KINDS: tuple[ChangeKind, ...] = ("worse", "better", "undecided", "same", "not_compared")


@dataclass(frozen=True)
class Change:
    """How one metric changed from one run to another, worded for people in the words of ``data.labels``.

    Parameters
    ----------
    id : str
        The address of the metric.
    kind : str
        One of `CHANGE_KINDS`. ``worse`` and ``better``: the whole interval is on that side of 0. ``same``: no change, without
        sampling error. ``not_compared``: there is no number.
    headline : str
        At most 12 words.
    evidence : str
        One line: both values, the change, its interval, n. Of a metric that was not compared: the reason.
    subject, before, after, number, interval : str
        The parts of that line, for tables.
    whom : str
        The group, or both ends of a gap; "All cases" otherwise.
    value, low, high, level : float or None
        How much worse it is, with its interval; negative where it is better.
    unit : str or None
        Of the change.
    n : int or None
    paired : bool or None
        Whether the same cases were compared.
    was : float or None
        Its value in the older run; that in the newer is the metric's.
    margin : float or None
        By how much a regression of the newer run's policy lets it get worse.
    gated : bool
        Whether a rule of either run is about this metric.
    retold : bool
        Whether another metric says the same from the side of those who are harmed: a true positive rate, beside its false negative
        rate.
    metric : Metric or None
        That of the newer run.
    """

    id: str
    kind: ChangeKind
    headline: str
    evidence: str
    subject: str
    before: str
    after: str
    number: str
    interval: str
    whom: str
    value: float | None
    low: float | None
    high: float | None
    level: float | None
    unit: str | None
    n: int | None
    paired: bool | None
    gated: bool
    retold: bool = False
    was: float | None = None
    margin: float | None = None
    metric: Metric | None = None


def changes(comparison: RunComparison) -> list[Change]:
    """Return a statement for each metric that two runs were compared in, ranked.

    What got worse comes first, then what got better, and then what cannot be decided. Within these, metrics that a rule is about
    come first, and then the surest change, or the largest possible loss where nothing is sure.
    """
    with using(comparison.candidate.data.labels):
        writer = _Writer(comparison)
        written = [writer.of(rule) for rule in comparison.rules]
    return sorted(written, key=_rank)


def lede_of_changes(comparison: RunComparison, written: Sequence[Change]) -> str:
    """Return what a comparison comes to, in at most two sentences: the surest loss, else the surest gain.

    Losses of which no rule speaks still come first, because nothing else on the page would say so.
    """
    with using(comparison.candidate.data.labels):
        first = next((one for one in written if one.kind in ("worse", "better")), None)
        if first is None:
            return "No metric is surely worse or better." if written else ""
        none_worse = "No metric is surely worse. " if first.kind == "better" else ""
        went = f": {first.before} before, {first.after} now" if first.before and first.after else ""
        what = f". {first.subject}" if went and phrases.is_gap(first.metric) else ""  # the headline names groups, not a quantity
        return f"{none_worse}{first.headline}{what}{went}."


def multiplicity(written: Sequence[Change], confidence: float) -> str:
    """Return one sentence on what many intervals beside each other mean."""
    compared = sum(one.value is not None for one in written)
    if compared < 2:
        return f"Such an interval misses by chance in about {fmt.percent(1 - confidence)} of comparisons."
    rate = "one in twenty" if abs(confidence - 0.95) < 1e-9 else f"{(1 - confidence):.2g} of all"
    return f"Each of the {fmt.count(compared)} intervals stands alone: about {rate} misses by chance."


def how_compared(comparison: RunComparison, written: Sequence[Change]) -> str:
    """Return whether both runs hold the same data, and how many metrics were compared case by case."""
    old, new = comparison.baseline.data.fingerprint, comparison.candidate.data.fingerprint
    data = "Whether the data are the same is unknown"
    if old and new:
        data = "The data are the same" if old == new else "The data differ"
    numbers = [one for one in written if one.value is not None]
    paired = sum(bool(one.paired) for one in numbers)
    with using(comparison.candidate.data.labels):
        how = f"on the same {fmt.case_noun()}"
        some = "All" if paired == len(numbers) else "No" if not paired else f"{fmt.count(paired)} of {fmt.count(len(numbers))}"
        return f"{data}. {some} metrics are compared {how}." if numbers else f"{data}."


class _Writer:
    """Composer of the statements of one comparison."""

    def __init__(self, comparison: RunComparison) -> None:
        self.after = labelled(comparison.candidate)
        self.numbers = GroupNumbers(comparison.candidate)
        self.metrics = {str(metric.id): metric for _, metric in self.after.metrics()}
        self.raw = {str(metric.id): metric for _, metric in comparison.candidate.metrics()}
        self.old = {str(metric.id): metric for _, metric in comparison.baseline.metrics()}
        self.positive = comparison.candidate.data.positive
        compared = {rule.metric for rule in comparison.rules}
        self.retold = {
            address for address in compared
            for told, other in TOLD_AS.items()
            if f".{told}" in address and address.replace(f".{told}", f".{other}", 1) in compared
        }  # fmt: skip
        self.groups: dict[str, dict[str, Value]] = {
            fmt.group_text(metric.over, metric.group): metric.group for metric in self.raw.values() if metric.group
        }
        records: tuple[Record, ...] = (comparison.baseline, comparison.candidate)
        self.margins = {rule.metric: rule.limit for rule in comparison.candidate.gate.rules if rule.kind == "regression"}
        self.gated = {rule.metric for record in records for rule in record.gate.rules if rule.kind == "rule"}

    def of(self, rule: Rule) -> Change:
        """Return the statement of one metric."""
        metric = self.metrics.get(rule.metric)
        kind = _kind(rule)
        gap = self.numbers.of_gap(self.raw[rule.metric]) if metric is not None and phrases.is_gap(metric) else None
        number, interval = _size(rule)
        before, after = _number(self.old.get(rule.metric)), _number(metric)
        subject = phrases.quantity(metric, rule, gap)
        return Change(
            id=rule.metric, kind=kind, headline=self._headline(kind, metric, rule, gap),
            evidence=self._evidence(rule, gap, subject, before, after, number, interval),
            subject=subject, before=before, after=after, number=number, interval=interval,
            whom=self._whom(rule, metric, kind, gap), value=rule.value, low=rule.low, high=rule.high, level=rule.level,
            unit=rule.unit, n=rule.n, paired=rule.paired, gated=rule.metric in self.gated, retold=rule.metric in self.retold,
            was=rule.baseline, margin=self.margins.get(rule.metric), metric=metric,
        )  # fmt: skip

    def _headline(self, kind: ChangeKind, metric: Metric | None, rule: Rule, gap: GapStatement | None) -> str:
        if metric is None:
            return phrases.first_that_fits("Not measured in the newer run")
        about = phrases.about(metric, gap)
        the = "the " if phrases.is_gap(metric) else ""
        if kind == "not_compared":
            return phrases.first_that_fits(fmt.capitalised(f"{the}{about} could not be compared"), "Could not be compared")
        if kind == "undecided":
            short = f"No sure change: {phrases.subject_of(metric)}"
            return phrases.first_that_fits(f"No sure change in {the}{about}", short, "No sure change")
        if kind == "same":
            return phrases.first_that_fits(fmt.capitalised(f"{the}{about} is the same"), "No change")
        if phrases.is_gap(metric):
            return self._of_gap(kind, metric, rule, about, gap)
        return self._of_value(kind, metric, about)

    def _of_gap(self, kind: ChangeKind, metric: Metric, rule: Rule, about: str, gap: GapStatement | None) -> str:
        ratio = metric.unit == "ratio"
        if kind == "better":
            done = "rose" if ratio else "narrowed"
            return phrases.first_that_fits(f"The {about} {done}", f"{phrases.subject_of(metric)} {done}", "A gap narrowed")
        pair = self._loser_first(rule, gap)
        lost = f"{fmt.capitalised(self._cases(pair[0]))} lost ground against {self._name(pair[1])}" if pair else ""
        done = "fell" if ratio else "grew"
        return phrases.first_that_fits(lost, f"The {about} {done}", f"{phrases.subject_of(metric)} {done}", "A gap grew")

    def _of_value(self, kind: ChangeKind, metric: Metric, about: str) -> str:
        """Say how a metric changed that is no gap: of a group by what happens to its cases, if there is a verb for that."""
        done = "got worse" if kind == "worse" else "improved"
        measure = fmt.capitalised(phrases.measure_name(metric.name))
        if not metric.group:
            return phrases.first_that_fits(f"{phrases.name_of(metric)} {done}", f"{measure} {done}", f"One metric {done}")
        verb = "" if metric.args else words_of_measure(metric.name, self.positive).verb
        often = "more" if (kind == "worse") == (metric.direction == "lower") else "less"
        said = f"{fmt.capitalised(fmt.group_cases(metric.group))} {verb} {often} often than before" if verb else ""
        named = f"{measure} {done} for {fmt.group_name(metric.group)}"
        return phrases.first_that_fits(said, named, f"{fmt.capitalised(about)} {done}", f"{measure} {done} for one group")

    def _loser_first(self, rule: Rule, gap: GapStatement | None) -> tuple[str, str] | None:
        """Return the group that is served worse than before and the one it is compared with; None if nobody says which is which.

        A check names the group with fewer positive decisions as the loser; which of both that is follows from ``data.favourable``.
        """
        pair = rule.pair_of_loss
        if pair is None or (gap is not None and not gap.harmful):
            return None
        return pair[::-1] if gap is not None and gap.measure == "selection_rate" and gap.higher else pair

    def _cases(self, group: str) -> str:
        return fmt.group_cases(self.groups[group]) if group in self.groups else group

    def _name(self, group: str) -> str:
        return fmt.group_name(self.groups[group]) if group in self.groups else group

    def _whom(self, rule: Rule, metric: Metric | None, kind: ChangeKind, gap: GapStatement | None) -> str:
        if kind != "better" and (pair := self._loser_first(rule, gap)):
            return fmt.capitalised(f"{self._name(pair[0])}, against {self._name(pair[1])}")
        if kind != "better" and (pair := rule.pair_of_loss):
            return fmt.capitalised(f"{self._name(pair[0])} and {self._name(pair[1])}")
        if metric is not None and metric.group:
            return fmt.capitalised(fmt.group_name(metric.group))
        if metric is not None and metric.over:
            return f"By {phrases.by_columns(metric.over)}"
        return f"All {fmt.case_noun()}"

    def _evidence(
        self, rule: Rule, gap: GapStatement | None, subject: str, before: str, after: str, number: str, interval: str
    ) -> str:
        if rule.value is None:
            return fmt.capitalised(rule.reason)
        # The change of a gap may be that of other groups than those that were farthest apart before.
        pair = (self._loser_first(rule, gap) or rule.pair_of_loss) if (rule.low or 0.0) > 0 else None
        between = f"{self._name(pair[0])} against {self._name(pair[1])} " if pair else ""
        went = f"{subject} {before} before, {after} after" if before and after else subject
        same = "" if rule.paired is None else f", the same {fmt.case_noun()}" if rule.paired else f", unpaired {fmt.case_noun()}"
        size = f"n = {fmt.count(rule.n)}{same}" if rule.n is not None and rule.n > 1 else ""
        change = ", ".join(part for part in (f"{between}{number}", interval) if part)
        return "; ".join(part for part in (went, change, size) if part)


def _kind(rule: Rule) -> ChangeKind:
    if rule.value is None:
        return "not_compared"
    if rule.low is None or rule.high is None:
        return "undecided"
    if rule.low == rule.high == 0:
        return "same"
    return "worse" if rule.low > 0 else "better" if rule.high < 0 else "undecided"


def _number(metric: Metric | None) -> str:
    """Write the value of a metric with the decimals that its interval justifies; nothing without one."""
    return "" if metric is None or metric.value is None else fmt.measure(metric.value, metric.low, metric.high, metric.unit)


def _size(rule: Rule) -> tuple[str, str]:
    """Write by how much a metric is worse or better, and the interval of that in the same direction."""
    if rule.value is None:
        return "", ""
    value, low, high = rule.value, rule.low, rule.high
    word = "worse by" if value > 0 else "better by" if value < 0 else "change"
    if value < 0:
        value, low, high = -value, None if rule.high is None else -rule.high, None if rule.low is None else -rule.low
    number = fmt.measure(value, low, high, rule.unit)
    if low == high == value == 0:
        return "no change", ""
    without = "no CI" if low is None or high is None else ""
    return f"{word} {number}", phrases.ci(low, high, rule.unit, value, rule.level) or without


def _rank(change: Change) -> tuple[int, bool, bool, bool, float, str]:
    """Order by kind; then what a rule is about; then estimates before exact numbers; then the surest, in widths of its interval."""
    low, high = change.low, change.high
    if change.value is None or low is None or high is None or high <= low:
        return CHANGE_KINDS.index(change.kind), not change.gated, change.retold, True, -abs(change.value or 0.0), change.id
    near = {"worse": low, "better": -high}.get(change.kind, high)
    return CHANGE_KINDS.index(change.kind), not change.gated, change.retold, False, -near / (high - low), change.id
