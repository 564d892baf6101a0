"""What the audit did not check: each gap is listed with its state, its reason and its remedy, so that none is hidden."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import raikit
from raikit import format as fmt
from raikit.format import case_noun
from raikit.run.statements.phrases import cluster_noun
from raikit_reports import verdicts
from raikit_reports.texts import words
from raikit_reports.verdicts import Verdict

GROUPS_SHOWN = 24
# Reasons by the flag of a group's metric.
_SMALL = {
    "small_group": "Too few {cases}",
    "few_clusters": "Too few {clusters}",
    "few_events": "Too few of the weighted {cases} that the value rests on",
}


@dataclass(frozen=True)
class MissingResult:
    """A check or plugin without a result."""

    verdict: Verdict
    title: str
    name: str
    source: str
    why: str
    consequence: str
    help: str = ""
    traceback: str = ""
    output: str = ""

    @property
    def short(self) -> str:
        """The reason in a few words; how to add the check stands with its entry."""
        return "not requested" if self.verdict is verdicts.CHECKS["deselected"] else self.why.partition(";")[0]


@dataclass(frozen=True)
class Unchecked:
    """Checks and plugins without a result, groups that were not judged or measured, and the limits of the audit."""

    missing: list[MissingResult]
    unjudged: list[tuple[str, list[str], int]]
    undefined: list[tuple[str, list[str], int]]
    limits: list[str]

    @property
    def not_applicable(self) -> list[MissingResult]:
        """Checks that measure something which this model or these data do not have; nothing is missing."""
        return [item for item in self.missing if item.help.startswith("nothing:")]

    @property
    def not_run(self) -> list[MissingResult]:
        """Checks and plugins that could have had a result."""
        return [item for item in self.missing if not item.help.startswith("nothing:")]

    @property
    def total(self) -> int:
        """The number of entries, without what does not apply."""
        return len(self.not_run) + len(self.unjudged) + len(self.undefined) + len(self.limits)

    @property
    def tally(self) -> list[tuple[Verdict, int, str]]:
        """Count the entries: what crashed, and the rest."""
        crashed = sum(item.verdict.icon == "crash" for item in self.not_run)
        counted = [(verdicts.CHECKS["error"], crashed, "crashed"), (verdicts.MISSING, self.total - crashed, "not checked")]
        return [entry for entry in counted if entry[1]]


def unchecked(record: raikit.Record) -> Unchecked:
    """Collect everything that was not checked, worst first."""
    missing = sorted([*_checks(record), *_plugins(record)], key=lambda item: item.verdict.rank)
    unjudged, undefined = _groups(record)
    return Unchecked(missing=missing, unjudged=unjudged, undefined=undefined, limits=_limits(record))


def _checks(record: raikit.Record) -> list[MissingResult]:
    lost = Counter(rule.check or _family(rule.metric) for rule in record.gate.rules if rule.status == "missing")
    return [
        MissingResult(
            verdict=verdicts.CHECKS[check.status],
            title=check.title.removesuffix(".") or words(check.name.rpartition(".")[2]),
            name=words(check.name.rpartition(".")[2]),
            source=f"{check.name} {check.plugin_version}".strip(),
            why=check.reason or "No reason was recorded.",
            consequence=_consequence(lost[check.name] + lost[_family(check.name)]),
            help=check.help or "",
            traceback=check.traceback or "",
            output=check.output if check.status == "error" else "",
        )
        for check in record.checks
        if check.status != "ok"
    ]


def _plugins(record: raikit.Record) -> list[MissingResult]:
    named = {check.plugin for check in record.checks if check.status == "not_loaded"}
    return [
        MissingResult(
            verdict=verdicts.PLUGINS[plugin.status],
            title=f"Plugin {plugin.name}",
            name=f"Plugin {plugin.name}",
            source=f"{plugin.distribution} {plugin.version}".strip(),
            why=plugin.reason or "No reason was recorded.",
            consequence="None of its checks ran.",
        )
        for plugin in record.plugins
        if plugin.status in verdicts.PLUGINS and plugin.distribution not in named
    ]


def _family(name: str) -> str:
    """Return the first part of a check's name or of a metric's address."""
    return name.partition(".")[0]


def _limits(record: raikit.Record) -> list[str]:
    """Return the unmeasured things of the summary, without the checks and plugins that have a row of their own."""
    rows = [f"{check.name}:" for check in record.checks if check.status != "ok"]
    rows += [f"Plugin {plugin.name} of " for plugin in record.plugins]
    texts = [text for text in record.summary.not_measured if not text.startswith(tuple(rows))]
    return list(dict.fromkeys([*texts, *record.data.limits]))


def _consequence(rules: int) -> str:
    if not rules:
        return "No rule depends on it."
    return "One rule has no measurement." if rules == 1 else f"{rules} rules have no measurement."


def _groups(record: raikit.Record) -> tuple[list[tuple[str, list[str], int]], list[tuple[str, list[str], int]]]:
    """Return the groups too small to be judged and the metrics that are undefined, by reason."""
    small: dict[str, dict[str, None]] = defaultdict(dict)
    undefined: dict[str, dict[str, None]] = defaultdict(dict)
    explained, clusters = set(), _cluster_noun(record)
    for check, metric in record.metrics():
        if metric.judged is not None and metric.judged.left_out:
            small[metric.judged.reason or f"Too few {case_noun()}"].update(dict.fromkeys(metric.judged.left_out))
            explained.add(_columns(check, metric))
    for check, metric in record.metrics():
        place = fmt.group_text(metric.over, metric.group)
        if metric.value is None:
            name = words(metric.name) + (f", {place}" if place else "")
            undefined[metric.reason or "Undefined"].setdefault(name)
        elif metric.group and _columns(check, metric) not in explained:  # else a gap over these columns names the group
            reason = next((_SMALL[flag] for flag in _SMALL if flag in metric.flags), None)
            if reason is not None:
                small[reason.format(cases=fmt.case_noun(), clusters=clusters)].setdefault(place)
    return _capped(small), _capped(undefined)


def _cluster_noun(record: raikit.Record) -> str:
    """Return what the clusters are called of which there are fewest."""
    counts = record.data.clusters
    return cluster_noun(min(counts, key=lambda name: counts[name])) if counts else "clusters"


def _columns(check: raikit.CheckRecord, metric: raikit.Metric) -> tuple[str, frozenset[str]]:
    """Return the check and the columns over which it compares groups."""
    return check.name, frozenset(metric.over or ())


def _capped(groups: dict[str, dict[str, None]]) -> list[tuple[str, list[str], int]]:
    return [
        (reason, list(names)[:GROUPS_SHOWN], max(len(names) - GROUPS_SHOWN, 0))
        for reason, names in groups.items()
        if names
    ]
