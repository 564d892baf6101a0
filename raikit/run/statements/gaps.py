"""Both ends of a gap: which group is served worst, which best, with the number of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from raikit.format import as_stored, class_text, group_text, metric_words, stored_group
from raikit.naming import names_in_use
from raikit.run.record import Measurements
from raikit.run.results import Finding, JudgedOver, Metric, Side
from raikit.run.statements.vocabulary import TOLD_AS, Denominator, words_of_measure

_NAMES_OF_MEASURES = {"measure", "constraint", "of"}  # arguments whose value is the name of a metric


@dataclass(frozen=True)
class GapStatement:
    """A gap between two groups as people read it.

    Parameters
    ----------
    measure : str
        Name of the metric of each group: ``false_negative_rate``.
    columns : tuple of str
    worse, better : Side
        Where it is not known which side is worse, `worse` has the higher value.
    harmful : bool
        Whether it is known that `worse` is served worse.
    higher : bool
        Whether the value of `worse` is the higher one.
    unit : str or None
        Of both values.
    verb : str
        What happens to a case, as in `vocabulary`; may be empty.
    denominator : {"positives", "negatives", ""}
    groups : int
        Number of groups compared.
    part : str
        Arguments that narrow the metric, in words: ``label toxic``; may be empty.
    reference : bool
        Whether these are a group and its reference, and not those that are furthest apart.
    few_clusters : int or None
        The fewest clusters of a compared group whose own interval is not valid because it has so few; None if there is none.
    """

    measure: str
    columns: tuple[str, ...]
    worse: Side
    better: Side
    harmful: bool
    higher: bool
    unit: str | None
    verb: str
    denominator: Denominator
    groups: int
    part: str = ""
    reference: bool = False
    few_clusters: int | None = None


class GroupNumbers:
    """The metrics of groups in a record, found by name, columns and arguments."""

    def __init__(self, record: Measurements) -> None:
        self._positive, self._favourable = record.data.positive, record.data.favourable
        self._by_place: dict[tuple[str, ...], dict[str, Metric]] = defaultdict(dict)
        for check, metric in record.metrics():
            if metric.group and metric.over and metric.value is not None:
                self._by_place[_place(_prefix(metric, check.name), metric.name, metric)][stored_group(metric.group)] = metric

    def of_measure(self, prefix: str, measure: str, like: Metric) -> dict[str, Metric]:
        """Return the metrics of a measure in all groups of the columns of `like`, by the group as a record names it."""
        return self._by_place.get(_place(prefix, measure, like), {})

    def of_gap(self, metric: Metric, judged: JudgedOver | None = None) -> GapStatement | None:
        """Return both ends of a gap or ratio; None if the record lacks the numbers of its groups.

        Parameters
        ----------
        metric : Metric
        judged : JudgedOver, optional
            Given: the ends over the groups that are large enough to be judged.
        """
        if metric.group:
            return self._of_contrast(metric)
        pair, compares = (judged.pair, judged.compares) if judged is not None else (metric.pair, metric.compares)
        if len(pair) != 2 or not compares or not metric.over:
            return None
        prefix = _prefix(metric, "")
        told = compares if metric.unit == "ratio" else TOLD_AS.get(compares, compares)  # a ratio is of these rates only
        for measure in dict.fromkeys([told, compares]):
            groups = self.of_measure(prefix, measure, metric)
            if pair[0] not in groups:  # a record for people names the groups of a pair in its words
                groups = {group_text(one.over, one.group): one for one in groups.values()}
            if pair[0] in groups and pair[1] in groups:
                ends = sorted((groups[name] for name in pair), key=lambda end: end.value or 0.0)
                few = _fewest_clusters(groups.values(), judged.left_out if judged is not None else ())
                said = self._statement(measure, tuple(metric.over), ends, len(groups))
                return replace(said, part=part_of(metric), few_clusters=few)
        return None

    def _of_contrast(self, metric: Metric) -> GapStatement | None:
        """Return a group and its reference; None for a group and the rest, of which no group is the other end."""
        measure, group = metric.name.removesuffix("_difference"), metric.group or {}
        known = self.of_measure(_prefix(metric, ""), measure, metric)
        reference = [one for one in known.values() if reference_name(one.group or {}) == metric.args.get("to")]
        own = known.get(stored_group(group))
        if measure == metric.name or own is None or len(reference) != 1:
            return None
        ends = sorted([own, reference[0]], key=lambda end: end.value or 0.0)
        return replace(self._statement(measure, tuple(metric.over or ()), ends, len(known)), reference=True, part=part_of(metric))

    def of_finding(self, finding: Finding, metric: Metric | None) -> GapStatement | None:
        """Return both ends of a finding that gives them."""
        if finding.worse is None or finding.better is None or not finding.measure:
            return None
        words = words_of_measure(finding.measure, self._positive)
        over = tuple(finding.worse.group)
        unit = "rate" if words.verb else None
        groups = {}
        if metric is not None:
            groups = self.of_measure(_prefix(metric, ""), finding.measure, metric)
            unit = next((one.unit for one in groups.values()), unit)
        known = self._higher_is_better(finding.measure, next(iter(groups.values()), None))
        with_reference = metric is not None and "to" in metric.args
        worse, better = finding.worse, finding.better
        if self._is_error_in_favour(finding.measure) and (worse.value or 0.0) > (better.value or 0.0):
            worse, better = better, worse  # a check does not know which outcome is favourable
        return GapStatement(
            finding.measure, over, worse, better, known is not None, (worse.value or 0.0) >= (better.value or 0.0), unit,
            words.verb, words.denominator, max(len(groups), 2), part_of(metric), with_reference,
        )  # fmt: skip

    def _statement(self, measure: str, columns: tuple[str, ...], ends: list[Metric], groups: int) -> GapStatement:
        better_if_higher = self._higher_is_better(measure, ends[0])
        worse, better = ends if better_if_higher else ends[::-1]
        words = words_of_measure(measure, self._positive)
        return GapStatement(
            measure, columns, _side(worse), _side(better), better_if_higher is not None, not better_if_higher, worse.unit,
            words.verb, words.denominator, groups,
        )  # fmt: skip

    def _higher_is_better(self, measure: str, metric: Metric | None) -> bool | None:
        """Return whether a higher value is better for a person; None if nobody said so."""
        if measure == "selection_rate":
            return None if self._favourable is None else self._favourable == self._positive
        if self._is_error_in_favour(measure):
            return True
        if metric is not None and metric.direction is not None:
            return metric.direction == "higher"
        return words_of_measure(measure).higher_is_better

    def _is_error_in_favour(self, measure: str) -> bool:
        """Return whether an error gives a person the favourable outcome, unless ``data.harms`` says what it does to them."""
        if self._favourable is None or measure not in _TAKEN_FOR_POSITIVE or measure in names_in_use().harms:
            return False
        return _TAKEN_FOR_POSITIVE[measure] == (self._favourable == self._positive)


# Which class the cases are taken for: of a false negative the other one than the positive class.
_TAKEN_FOR_POSITIVE = {"false_negative_rate": False, "false_positive_rate": True}


def _fewest_clusters(groups: Iterable[Metric], left_out: Collection[str]) -> int | None:
    """Return the fewest clusters of a group that has too few for an interval of its own; groups that were left out do not count."""
    few = [one for one in groups if "few_clusters" in one.flags and one.n_clusters]
    compared = [one for one in few if not {stored_group(one.group or {}), group_text(one.over, one.group)} & set(left_out)]
    return min((one.n_clusters or 0 for one in compared), default=None)


def reference_name(group: Mapping[str, object]) -> str:
    """Return a group as the argument ``to`` of a contrast has it."""
    return ", ".join("missing" if value is None else as_stored(value) for value in group.values())


def part_of(metric: Metric | None) -> str:
    """Return the arguments that narrow a metric, in words: ``label toxic``; one that names a measure stands for itself."""
    arguments = {} if metric is None else {key: value for key, value in metric.args.items() if key != "to"}
    return ", ".join(_argument(key, value) for key, value in arguments.items())


def _argument(key: str, value: object) -> str:
    if key in _NAMES_OF_MEASURES:
        return metric_words(str(value))
    return f"{metric_words(key)} {class_text(value) if key == 'class' else as_stored(value)}"


def _side(metric: Metric) -> Side:
    return Side(group=metric.group or {}, value=metric.value, low=metric.low, high=metric.high, n=metric.n)


def _prefix(metric: Metric, check: str) -> str:
    """Return the first part of a metric's address."""
    return (metric.id or check).partition(".")[0]


def _place(prefix: str, name: str, metric: Metric) -> tuple[str, ...]:
    """Return what the metrics of groups that are compared share: a gap is about one subject, the audited model or another."""
    arguments: Iterable[tuple[str, object]] = sorted((key, value) for key, value in metric.args.items() if key != "to")
    return prefix, metric.subject, name, repr(list(arguments)), *(metric.over or ())
