"""The sentences of statements: short, from the side of those harmed, one quantity each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raikit import format as fmt
from raikit.naming import clusters_of, names_in_use, plural_of
from raikit.run.record import Rule
from raikit.run.results import Metric, Side, Value
from raikit.run.statements.gaps import GapStatement, part_of
from raikit.run.statements.vocabulary import denominator_text

UNDECIDABLE = {"few_clusters", "few_events", "unreliable", "one_training"}
MOST_WORDS_OF_LEDE = 35
_GAPS = ("_difference", "_ratio")
first_that_fits = fmt.headline


def is_gap(metric: Metric | None) -> bool:
    """Return whether a metric is a gap or ratio over the groups of some columns."""
    return metric is not None and bool(metric.over) and not metric.group and metric.name.endswith(_GAPS)


def by_columns(columns: tuple[str, ...] | list[str]) -> str:
    """Write over which columns groups are compared: ``skin tone × accent``."""
    return " × ".join(fmt.column_text(column).replace("_", " ") for column in columns)


def measure_name(name: str) -> str:
    """Write a measure inside a sentence, without the word for its gap: ``false negative rate``."""
    return fmt.metric_words(name)


def name_of(metric: Metric) -> str:
    """Write what a metric of its own is called: ``Recall, class 1``; of a group ``Impact ratio, Black people``."""
    place = fmt.group_name(metric.group) if metric.group else fmt.columns_text(metric.over or ())
    if metric.group and "to" in metric.args:
        to = metric.args["to"]
        other = "the rest" if to == "rest" else ", ".join(
            fmt.group_label({column: value}) for column, value in zip(metric.group, str(to).split(", "), strict=False)
        )  # fmt: skip
        place += f" against {other}"
    if metric.title:
        return fmt.capitalised(metric.title) + (f", {place}" if place else "")
    return fmt.capitalised(fmt.metric_words(metric.name)) + "".join(f", {part}" for part in (part_of(metric), place) if part)


def subject_of(metric: Metric | None, rule: Rule | None = None) -> str:
    """Write what a statement is about, for a table and a list: ``Accent gap``, ``Accuracy``."""
    if metric is None and rule is not None and rule.kind == "required":
        return f"Check “{measure_name(rule.metric.rpartition('.')[2])}”"
    if metric is None:
        return rule.metric if rule is not None else ""  # an address, by which a person looks it up
    if not is_gap(metric):
        return name_of(metric)
    part = part_of(metric)
    kind = f"ratio of {rates_name(metric.compares)}" if metric.compares and metric.unit == "ratio" else kind_of(metric)
    return f"{fmt.capitalised(by_columns(metric.over or []))} {kind}" + (f", {part}" if part else "")


def kind_of(metric: Metric | None) -> str:
    """Return whether groups are compared by the difference or by the ratio of their values: ``gap`` or ``ratio``."""
    return "ratio" if metric is not None and metric.unit == "ratio" else "gap"


def rates_name(name: str) -> str:
    """Write the measure of several groups: ``selection rates``; one that is no rate keeps its number."""
    words = measure_name(name)
    return plural_of(words) if words.endswith(" rate") else words


def quantity(metric: Metric | None, rule: Rule, gap: GapStatement | None) -> str:
    """Write the quantity whose values stand beside it, a gap with its measure: ``Gap in false negative rate by race``."""
    if metric is None:
        return rule.metric  # an address, by which a person looks it up
    return fmt.capitalised(about(metric, gap)) if is_gap(metric) else name_of(metric)


def gap_headline(gap: GapStatement) -> str:
    """Say who is harmed by what."""
    worse, better = fmt.capitalised(fmt.group_cases(gap.worse.group)), fmt.group_name(gap.better.group)
    part = f" ({gap.part})" if gap.part else ""
    named = _named(gap, part)
    if not gap.verb:
        return named
    often = f"{worse} {gap.verb} {'more' if gap.higher else 'less'} often than"
    pairs = [f"{often} {better}{part}", f"{often} {fmt.group_label(gap.better.group)}{part}"]
    most = f"{worse} {gap.verb} {'most' if gap.higher else 'least'} often{part}"
    if gap.reference:
        return first_that_fits(*pairs, named)
    return first_that_fits(*(pairs if gap.groups == 2 else _of_denominator(gap, part)), most, named)


def _of_denominator(gap: GapStatement, part: str) -> list[str]:
    """Say what happens to the cases of a rate, by the name that ``data.denominators`` has for them: ``True matches are missed``.

    Nothing for cases without a group, for which that is no sentence.
    """
    name = names_in_use().denominators.get(gap.denominator) if gap.denominator else None
    if not name or None in gap.worse.group.values():
        return []
    of = "among" if name.startswith(fmt.case_noun()) else "for"  # people who reoffended among women, true matches for women
    most = f"{fmt.capitalised(name)} {gap.verb} {'most' if gap.higher else 'least'}"
    return [f"{most}{often} {of} {fmt.group_name(gap.worse.group)}{part}" for often in (" often", "")]


def _named(gap: GapStatement, part: str) -> str:
    measure, worse, better = fmt.capitalised(measure_name(gap.measure)), gap.worse.group, gap.better.group
    if gap.reference or gap.groups == 2:
        than = "higher" if gap.higher else "lower"
        named = [f"{measure} is {than} for {fmt.group_name(worse)} than for {fmt.group_name(better)}{part}",
                 f"{measure} is {than} for {fmt.group_label(worse)} than for {fmt.group_label(better)}{part}"]  # fmt: skip
    else:
        most = "highest" if gap.higher else "lowest"
        named = [f"{measure} is {most} for {name(worse)}{part}" for name in (fmt.group_name, fmt.group_label)]
    differs = f"{measure} differs by {by_columns(gap.columns)}"
    return first_that_fits(*named, differs + part, differs)


def undecided_headline(rule: Rule | None, metric: Metric | None, clusters: str, gap: GapStatement | None) -> str:
    """Say what could not be decided, and what is missing if that is known."""
    what = about(metric, gap)
    if metric is not None and ("few_clusters" in metric.flags or (gap is not None and gap.few_clusters)):
        few = f"Too few {clusters} to judge"
        return first_that_fits(f"{few} the {what}", f"{few} the gap by {by_columns(metric.over or [])}", few)
    if metric is not None and "few_events" in metric.flags:
        return first_that_fits(f"Too few {fmt.case_noun()} of the rarer outcome to judge the {what}", f"Too few {fmt.case_noun()}")
    if rule is None:
        return first_that_fits(f"The {what} cannot be judged", "Cannot be judged")
    if rule.kind == "regression":
        worse = "may be worse than in the baseline"
        return first_that_fits(f"The {what} {worse}", f"{subject_of(metric, rule)} {worse}", f"One metric {worse}")
    side = "over" if rule.bound == "max" else "under"
    short = subject_of(metric, rule)
    return first_that_fits(f"The {what} may be {side} its limit", f"{short} may be {side} its limit", "One rule cannot be decided")


def about(metric: Metric | None, gap: GapStatement | None) -> str:
    """Write what a sentence is about, to follow an article: ``gap in false negative rate by accent``."""
    if metric is None:
        return "rule"
    if not is_gap(metric):
        return name_of(metric)[:1].lower() + name_of(metric)[1:] if not metric.name.isupper() else name_of(metric)
    return f"{compared(metric, gap) if gap is not None else kind_of(metric)} by {by_columns(metric.over or [])}"


def compared(metric: Metric, gap: GapStatement) -> str:
    """Write the difference or ratio with its measure: ``gap in false negative rate``, ``ratio of selection rates``."""
    return f"ratio of {rates_name(gap.measure)}" if metric.unit == "ratio" else f"gap in {measure_name(gap.measure)}"


def kept_gap(metric: Metric | None, gap: GapStatement) -> str:
    """Write what keeps its limit, as a list of such gaps has it: ``Skin tone gap in false negative rate``."""
    subject = subject_of(metric)
    return subject if kind_of(metric) == "ratio" else f"{subject} in {measure_name(gap.measure)}"


def required_headline(rule: Rule) -> str:
    """Say whether a check that the policy requires has run: ``Classification was measured, as required``."""
    name = measure_name(rule.metric.rpartition(".")[2])
    many = name.endswith("s") and not name.endswith(("ss", "is"))
    done = f"{fmt.capitalised(name)} {'were' if many else 'was'} {'' if rule.status == 'pass' else 'not '}measured"
    return first_that_fits(done + (", as required" if rule.status == "pass" else ""), "Not measured")


def limit_headline(rule: Rule, metric: Metric | None) -> str:
    """Say how a metric without groups stands to its limit."""
    name = subject_of(metric, rule)
    if rule.kind == "regression":
        return first_that_fits(f"{name} is worse than in the baseline", "Worse than in the baseline")
    status = "fail" if rule.status == "waived" else rule.status  # Only what is broken is waived.
    side = {("fail", "max"): "is over its limit", ("fail", "min"): "is below its limit"}.get((status, rule.bound or "max"),
                                                                                     "keeps its limit")
    if metric is not None and metric.group:
        measure = fmt.capitalised(fmt.metric_words(metric.name))
        names = [f"{measure} {side} for {name(metric.group)}" for name in (fmt.group_name, fmt.group_label)]
        return first_that_fits(*names, f"{measure} {side} for one group")
    return first_that_fits(f"{name} {side}", f"One metric {side}")


def ci(
    low: float | None, high: float | None, unit: str | None, value: float | None, level: float | None, *, valid: bool = True
) -> str:
    """Write an interval for an evidence line: ``95% CI 12.5 to 21.2``; empty for a number that is no estimate."""
    kind = f"{fmt.confidence(level)} CI" if level else "CI"
    if not valid:
        return f"{kind} not valid"
    if low is None or high is None or low == high:
        return ""
    return f"{kind} {fmt.interval(low, high, unit, value=value, bare=True).removesuffix('%')}"


def limit_text(limit: float | None, bound: str | None, unit: str | None) -> str:
    """Write a limit for an evidence line: ``limit 10 pp``, ``limit at least 90%``."""
    if limit is None:
        return ""
    return f"limit {'at least ' if bound == 'min' else ''}{fmt.measure(limit, unit=unit)}"


def _ends(gap: GapStatement, kind: str) -> tuple[Side, Side]:
    """Return the worse end before the better one; of a ratio the lower value before the higher, which it is divided by."""
    return (gap.better, gap.worse) if kind == "ratio" and gap.higher else (gap.worse, gap.better)


def sides(gap: GapStatement, kind: str = "gap") -> str:
    """Write the measure with both values: ``False negative rate 19.8% vs 2.3%``."""
    values = [fmt.measure(side.value, side.low, side.high, gap.unit) for side in _ends(gap, kind)]
    return f"{fmt.capitalised(measure_name(gap.measure))} {' vs '.join(values)}"


def sizes(gap: GapStatement, kind: str = "gap") -> str:
    """Write the number of cases of both sides: ``n = 938 and 958``."""
    known = [fmt.count(side.n) for side in _ends(gap, kind) if side.n is not None]
    return f"n = {' and '.join(known)}" if known else ""


def whom(gap: GapStatement, kind: str = "gap") -> tuple[str, str]:
    """Write the worse-served group, of a ratio and where it is no group of its own with the better one, and how much is known."""
    text = fmt.capitalised(fmt.group_name(gap.worse.group))
    if kind == "ratio" or gap.reference or gap.groups == 2 or None in gap.better.group.values() or None in gap.worse.group.values():
        text += f", against {fmt.group_name(gap.better.group)}"
    n = gap.worse.n
    detail = "" if n is None else f"{fmt.count(n)} {denominator_text(gap.denominator) if n != 1 else fmt.case_noun(1)}"
    clusters = [f"{fmt.count(many)} {cluster_noun(column, many)}" for column, many in gap.worse.clusters.items() if many]
    return text, ", ".join(part for part in (detail, *clusters) if part)


def cluster_noun(column: str, many: int = 2) -> str:
    """Write what clusters of a column are called: ``speakers``; unusual names keep their shape."""
    name = names_in_use().column(column)
    return name if many == 1 else clusters_of(name)


def lede_of_gap(gap: GapStatement, rule: Rule, unit: str | None) -> str:
    """Write the answer in two sentences of together at most four numbers, and of at most 35 words if the names of groups allow."""
    limit = fmt.measure(rule.limit, unit=unit, short=False)
    undecided = rule.status == "inconclusive"
    if unit == "ratio":
        size = f"ratio of {fmt.measure(rule.value, rule.low, rule.high, unit)}"
        is_beyond = f"is under the limit of {limit}"
    else:
        size = f"gap of {fmt.measure(rule.value, rule.low, rule.high, unit, short=False)}"
        is_beyond = f"exceeds the limit of {limit.removesuffix(' percentage points').removesuffix(f' {unit}')}"
    conclusion = f"Whether the {size} {is_beyond} is undecided." if undecided else f"The {size} {is_beyond}."
    written = [f"{_pair(gap, name)} {conclusion}" for name in (fmt.group_name, fmt.group_label)]
    return next((text for text in written if len(text.split()) <= MOST_WORDS_OF_LEDE), written[-1])


def _pair(gap: GapStatement, name: Callable[[Mapping[str, Value]], str]) -> str:
    """Write the measure at both ends of a gap."""
    worse, better = (fmt.measure(side.value, side.low, side.high, gap.unit) for side in (gap.worse, gap.better))
    first, second = name(gap.worse.group), name(gap.better.group)
    if gap.verb:
        of = f" of {denominator_text(gap.denominator)}" if gap.denominator else ""
        return f"For {first}, {worse}{of} {gap.verb}; for {second}, {better}."
    return f"{fmt.capitalised(measure_name(gap.measure))} is {worse} for {first} and {better} for {second}."


def is_undecidable(metric: Metric | None) -> bool:
    """Return whether the interval of a metric decides nothing."""
    return metric is not None and bool(UNDECIDABLE.intersection(metric.flags))
