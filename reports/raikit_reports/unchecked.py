"""What the audit did not look at: nothing disappears in silence, so each has its state, its reason and its way out."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import raikit
from raikit import format as fmt
from raikit_reports import verdicts
from raikit_reports.texts import words
from raikit_reports.verdicts import Verdict

GROUPS_SHOWN = 24
_SMALL = {"small_group": "Too few cases", "few_clusters": "Too few clusters"}  # reasons by the flag of a group's metric


@dataclass(frozen=True)
class Gap:
    """A check or plugin without a result."""

    verdict: Verdict
    title: str
    short: str
    source: str
    why: str
    follows: str
    help: str = ""
    traceback: str = ""
    output: str = ""


@dataclass(frozen=True)
class Unchecked:
    """Checks and plugins without a result, groups that nobody judged, and what lay out of reach."""

    gaps: list[Gap]
    left_out: list[tuple[str, list[str], int]]
    undefined: list[tuple[str, list[str], int]]
    beyond: list[str]
    tally: list[tuple[Verdict, int, str]]
    headline: list[tuple[Verdict, str]]


def unchecked(record: raikit.Record) -> Unchecked:
    """Collect all of it, worst first."""
    gaps = sorted([*_checks(record), *_plugins(record)], key=lambda gap: gap.verdict.rank)
    left_out, undefined = _groups(record)
    beyond = _beyond(record)
    return Unchecked(
        gaps=gaps,
        left_out=left_out,
        undefined=undefined,
        beyond=beyond,
        tally=_tally(gaps),
        headline=_headline(gaps, beyond),
    )


def _checks(record: raikit.Record) -> list[Gap]:
    lost = Counter(rule.check or _family(rule.metric) for rule in record.gate.rules if rule.status == "missing")
    return [
        Gap(
            verdict=verdicts.CHECKS[check.status],
            title=check.title.removesuffix(".") or words(check.name.rpartition(".")[2]),
            short=_short_name(check),
            source=f"{check.name} {check.plugin_version}".strip(),
            why=check.reason or "No reason was recorded.",
            follows=_follows(lost[check.name] + lost[_family(check.name)]),
            help=check.help or "",
            traceback=check.traceback or "",
            output=check.output if check.status == "error" else "",
        )
        for check in record.checks
        if check.status != "ok"
    ]


def _plugins(record: raikit.Record) -> list[Gap]:
    named = {check.plugin for check in record.checks if check.status == "not_loaded"}
    return [
        Gap(
            verdict=verdicts.PLUGINS[plugin.status],
            title=f"Plugin {plugin.name}",
            short=f"Plugin {plugin.name}",
            source=f"{plugin.distribution} {plugin.version}".strip(),
            why=plugin.reason or "No reason was recorded.",
            follows="None of its checks ran.",
        )
        for plugin in record.plugins
        if plugin.status in verdicts.PLUGINS and plugin.distribution not in named
    ]


def _short_name(check: raikit.CheckRecord) -> str:
    """A name that fits the first screen: titles are sentences where a check has only its docstring."""
    title = check.title.removesuffix(".")
    return title if title and len(title) <= 36 else check.name


def _family(name: str) -> str:
    """What a check's name and its metrics' addresses begin with."""
    return name.partition(".")[0]


def _beyond(record: raikit.Record) -> list[str]:
    """What the summary says was not measured, without the checks and plugins that have a row of their own."""
    rows = [f"{check.name}:" for check in record.checks if check.status != "ok"]
    rows += [f"Plugin {plugin.name} of " for plugin in record.plugins]
    texts = [text for text in record.summary.not_measured if not text.startswith(tuple(rows))]
    return list(dict.fromkeys([*texts, *record.data.limits]))


def _follows(rules: int) -> str:
    if not rules:
        return "No rule depends on it."
    return "One rule has no measurement." if rules == 1 else f"{rules} rules have no measurement."


def _groups(record: raikit.Record) -> tuple[list[tuple[str, list[str], int]], list[tuple[str, list[str], int]]]:
    """Groups too small to be judged and groups whose metric is undefined, by the reason."""
    small: dict[str, dict[str, None]] = defaultdict(dict)
    undefined: dict[str, dict[str, None]] = defaultdict(dict)
    explained = set()
    for check, metric in record.metrics():
        if metric.judged is not None and metric.judged.left_out:
            small[metric.judged.reason or "Too few cases"].update(dict.fromkeys(metric.judged.left_out))
            explained.add(_columns(check, metric))
    for check, metric in record.metrics():
        place = fmt.group_text(metric.over, metric.group)
        if metric.value is None:
            name = words(metric.name) + (f", {place}" if place else "")
            undefined[metric.reason or "Undefined"].setdefault(name)
        elif metric.group and _columns(check, metric) not in explained:  # else a gap over these columns names the group
            reason = next((_SMALL[flag] for flag in _SMALL if flag in metric.flags), None)
            if reason is not None:
                small[reason].setdefault(place)
    return _capped(small), _capped(undefined)


def _columns(check: raikit.CheckRecord, metric: raikit.Metric) -> tuple[str, frozenset[str]]:
    """Return the check and the columns over which it compares groups."""
    return check.name, frozenset(metric.over or ())


def _capped(groups: dict[str, dict[str, None]]) -> list[tuple[str, list[str], int]]:
    return [
        (reason, list(names)[:GROUPS_SHOWN], max(len(names) - GROUPS_SHOWN, 0))
        for reason, names in groups.items()
        if names
    ]


def _tally(gaps: list[Gap]) -> list[tuple[Verdict, int, str]]:
    crashed = [gap for gap in gaps if gap.verdict.icon == "crash"]
    rest = len(gaps) - len(crashed)
    counted = [(verdicts.CHECKS["error"], len(crashed), "crashed"), (verdicts.CHECKS["skipped"], rest, "did not run")]
    return [entry for entry in counted if entry[1]]


def _headline(gaps: list[Gap], beyond: list[str]) -> list[tuple[Verdict, str]]:
    """The few lines that stand beside the answer."""
    crashed = [gap for gap in gaps if gap.verdict.icon == "crash"]
    rest = [gap for gap in gaps if gap.verdict.icon != "crash"]
    lines = [(gap.verdict, f"{gap.short}: {_short(gap)}") for gap in crashed[:2]]
    if rest:
        names = ", ".join(gap.short for gap in rest[:4]) + (f" and {len(rest) - 4} more" if len(rest) > 4 else "")
        lines.append((rest[0].verdict, f"{names}: left out or unable to run."))
    known = " ".join(line for _, line in lines)
    lines.extend((verdicts.MISSING, text) for text in beyond[:3] if text not in known)
    return lines[:5]


def _short(gap: Gap) -> str:
    what = {"Crashed": "the check crashed", "Missing": "required, but no check of this name is there"}
    return f"{what.get(gap.verdict.word, 'the plugin failed to load')}. {gap.follows}"
