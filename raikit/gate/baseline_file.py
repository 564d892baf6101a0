"""A baseline as one small file without inputs and cases, which can be committed and reviewed.

It holds what later runs are compared with and no more: the metrics of the policy's regressions, and for each group the estimate,
its variance and degrees of freedom. Groups of few cases are left out, because their numbers tell about single people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raikit.address import Pattern
from raikit.errors import ConfigError
from raikit.files import canonical, sha256_text, write_text
from raikit.gate.comparing import compare_records
from raikit.gate.regressions import DEFAULT_PATTERN
from raikit.limits import read_json
from raikit.run.margins import Margin
from raikit.run.reader import Run
from raikit.run.record import Record
from raikit.run.results import Metric

VERSION = 1
SMALLEST = 10  # cases of a group that a file tells about, unless asked otherwise
_DIGITS = 7  # significant ones: far below any standard error
_ERROR = 0.05  # at which a regression is tested alone
_LEFT_OUT = {
    "profile", "judged", "limits", "adjustment", "p_value", "p_adjusted", "minimum_detectable", "excluded",
    "excluded_reason", "pair", "condition", "promised",
}  # fmt: skip


@dataclass(frozen=True)
class SavedBaseline:
    """A file that was written, and what it cannot show.

    Parameters
    ----------
    path : Path
    metrics : int
        Metrics that later runs are compared with.
    groups, left_out : int
        Groups of these metrics, and how many of them are left out of at least one.
    smallest : int
        The number of cases below which groups are left out.
    detectable : sequence of (str, float)
        Gaps of rates with the loss that a regression on it alone finds in 80% of builds, when as many other cases are compared with
        the file; the smallest first. See `raikit.stats.gap_change` for how it is computed.
    """

    path: Path
    metrics: int
    groups: int
    left_out: int
    smallest: int
    detectable: Sequence[tuple[str, float]]


def save(
    run: Run, target: Path, *, suppress: int = SMALLEST, everything: bool = False, reason: str = "",
    history: list[Any] | None = None,
) -> SavedBaseline:  # fmt: skip
    """Write what later runs are compared with: measurements, ingredients, fingerprints and versions.

    Parameters
    ----------
    run : Run
        A finished run that was verified.
    target : Path
    suppress : int
        Groups below this number of cases are left out. If all that is left out of a feature has fewer cases together, so is the
        next smallest group: they would follow from the totals. 0 or 1 leaves out nothing, and adds the counts of groups, targets
        and predictions.
    everything : bool
        Whether all metrics are kept, or those of the policy's regressions and those over all cases.
    reason : str
        Why this run becomes the baseline.
    history : list, optional
        Entries of the file that is replaced.

    Raises
    ------
    ConfigError
        If `target` exists with another content and no `history` is given.
    """
    provenance = run.record.provenance
    accepted = [*(history or []), {"run": provenance.run_id, "started": provenance.started, "reason": reason}]
    content = {
        "raikit_baseline": VERSION,
        "accepted": accepted,
        "record": _slim(run.record, suppress, everything),
        "suppressed_below": suppress,
        "everything": everything,
        "counts": _counts(run) if suppress <= 1 else [],
    }
    try:
        content["sha256"] = sha256_text(canonical(content))
    except (TypeError, ValueError):  # cells that raikit writes into no predictions
        raise ConfigError(f"{run.folder}: its predictions are not those of raikit, or they were changed.") from None
    text = _as_text(content)
    # A command that is repeated after it was interrupted finds its own file.
    if history is None and target.exists() and not (target.is_file() and target.read_bytes() == text.encode()):
        raise ConfigError(f"{target} already exists; `raikit baseline accept` updates it and keeps its history.")
    write_text(target, text)
    return _describe(target, run.record, suppress, everything)


def accept(run: Run, target: Path, reason: str) -> SavedBaseline:
    """Replace a baseline file by a reviewed run; the file keeps the history of accepted runs and reasons."""
    before = _content(target)
    return save(run, target, suppress=int(before["suppressed_below"]), everything=bool(before.get("everything", True)),
                reason=reason, history=list(before["accepted"]))  # fmt: skip


def open_file(path: Path) -> Run:
    """Read a file that `save` wrote.

    Raises
    ------
    ConfigError
        If it is none, has another version, or was changed after it was written.
    """
    content = _content(path)
    counts = [] if content["suppressed_below"] > 1 else content["counts"]
    return Run(path, Record.model_validate(content["record"]), is_file=True, counts=counts)


# --- what is kept -----------------------------------------------------------------------------------------------


def _slim(record: Record, suppress: int, everything: bool) -> dict[str, Any]:
    """Return the record without findings, figures, tables and profiles, and without what tells about small groups."""
    metrics = [metric for _, metric in record.metrics()]
    kept = {metric.id for metric in _compared(record, everything)} - _small_groups(metrics, suppress)
    kept_of, checks = KeptGroups(metrics, suppress), []
    for check in record.checks:
        content = check.model_dump(mode="json", include={
            "name", "pillar", "plugin", "plugin_version", "status", "reason", "options", "seed", "metrics"})
        pairs = zip(check.metrics, content["metrics"], strict=True)
        short = [_without_small_groups(metric, written, kept_of) for metric, written in pairs if metric.id in kept]
        checks.append({**content, "metrics": short})
    slim = record.model_dump(mode="json", include={"schema_version", "name", "verdict", "data", "confidence"})
    versions = record.provenance.model_dump(mode="json", include={"run_id", "started", "seed", "versions"})
    return {**slim, "checks": checks, "gate": {"verdict": record.gate.verdict}, "provenance": versions}


def _compared(record: Record, everything: bool) -> Iterator[Metric]:
    """Yield the metrics that later runs are compared with."""
    patterns = [rule.pattern for rule in record.gate.rules if rule.kind == "regression"] or [DEFAULT_PATTERN]
    wanted = [Pattern(pattern) for pattern in dict.fromkeys(patterns)]
    for _, metric in record.metrics():
        overall = not metric.over and not metric.args
        is_compared = metric.direction is not None and (overall or any(each.matches(str(metric.id)) for each in wanted))
        if everything or is_compared:
            yield metric


def _small_groups(metrics: Iterable[Metric], suppress: int) -> set[str]:
    """Return the ids of metrics of one group that tell about few cases, or from which those of such a group follow."""
    siblings: dict[str, list[Metric]] = {}
    for metric in metrics:
        if metric.group is not None:
            siblings.setdefault(canonical([metric.name, metric.over, metric.args]), []).append(metric)
    small: set[str] = set()
    for groups in siblings.values():
        kept = _kept([metric.n or 0 for metric in groups], suppress)
        small |= {str(metric.id) for place, metric in enumerate(groups) if place not in kept}
    return small


def _without_small_groups(metric: Metric, content: dict[str, Any], kept_of: KeptGroups) -> dict[str, Any]:
    """Return the content of a metric without groups that are left out, and without what later runs do not need."""
    parts = [
        {**part, "estimates": [_without_others(part["estimates"][place], kept) for place in kept]}
        for part, kept in zip(content["ingredients"], kept_of(metric), strict=True)
    ]
    short = {key: _rounded(value) for key, value in {**content, "ingredients": parts}.items() if key not in _LEFT_OUT}
    return {key: value for key, value in short.items() if not _is_default(value)}


class KeptGroups:
    """Which groups are kept of each part of a metric.

    A metric of one part (a rate) tells the cases of all its groups, also of those that are too small to be judged and in no part.

    Parameters
    ----------
    metrics : iterable of Metric
        All of a record.
    suppress : int
    """

    def __init__(self, metrics: Iterable[Metric], suppress: int) -> None:
        self.suppress = suppress
        self.totals = {_part_key(metric, 0): metric.n or 0 for metric in metrics if len(metric.ingredients) == 1}

    def __call__(self, metric: Metric) -> list[list[int]]:
        """Return the positions of the kept groups, by part."""
        sizes = [[each.n for each in part.estimates] for part in metric.ingredients]
        totals = [self.totals.get(_part_key(metric, place), 0) for place in range(len(sizes))]
        return [_kept(each, self.suppress, total) for each, total in zip(sizes, totals, strict=True)]


def _part_key(metric: Metric, place: int) -> str:
    return canonical([metric.ingredients[place].name, metric.over, metric.group, metric.args.get("class")])


def _kept(sizes: Sequence[int], suppress: int, total: int = 0) -> list[int]:
    """Return the positions of groups that are large enough.

    All others follow from the total together. If they have few cases, the smallest of the large groups is left out as well.
    """
    kept = [place for place, size in enumerate(sizes) if size >= suppress]
    hidden = max(total, sum(sizes)) - sum(sizes[place] for place in kept)
    if kept and 0 < hidden < suppress:
        kept.remove(min(kept, key=lambda place: sizes[place]))
    return kept


def _without_others(estimate: dict[str, Any], kept: list[int]) -> dict[str, Any]:
    """Return an estimate with its covariances with the kept ones alone."""
    shared = estimate["covariance"]
    short = {"covariance": [shared[place] for place in kept if place < len(shared)]}
    return {key: value for key, value in {**estimate, **short}.items() if not _is_default(value)}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return {key: _rounded(item) for key, item in value.items()} if isinstance(value, dict) else value


def _is_default(value: Any) -> bool:
    return value is None or value is False or value in ([], {}, "")


def _counts(run: Run) -> list[dict[str, Any]]:
    """Count the cases of every combination of group, target and prediction; return nothing for numeric targets."""
    data = run.record.data
    if data.task == "regression":
        return []
    columns = [*data.sensitive, *(["target"] if data.target is not None else []), "prediction"]
    counted = run.predictions.cells(columns)
    rows = counted.astype(object).where(counted.notna(), None).to_numpy().tolist()
    return [{**dict(zip(columns, row[:-1], strict=True)), "rows": int(row[-1])} for row in rows]


def _as_text(content: dict[str, Any]) -> str:
    """Write the content so that a diff shows which metrics changed: one line for each."""
    checks = content["record"]["checks"]
    lines = {f"metric {at}.{row}": metric for at, check in enumerate(checks) for row, metric in enumerate(check["metrics"])}
    places = [[f"metric {at}.{row}" for row in range(len(check["metrics"]))] for at, check in enumerate(checks)]
    short = [{**check, "metrics": names} for check, names in zip(checks, places, strict=True)]
    outline = {**content, "record": {**content["record"], "checks": short}}
    written = json.dumps(outline, indent=1, sort_keys=True, ensure_ascii=False)
    whole = re.sub(r'^( *)"(metric \d+\.\d+)"', lambda found: found[1] + canonical(lines[found[2]]), written, flags=re.MULTILINE)
    return whole + "\n"


# --- what it costs ----------------------------------------------------------------------------------------------


def _describe(path: Path, record: Record, suppress: int, everything: bool) -> SavedBaseline:
    """Say what the file leaves out and what a comparison with it can find."""
    kept_of = KeptGroups((metric for _, metric in record.metrics()), suppress)
    is_kept: dict[tuple[tuple[str, ...], str], bool] = {}
    for metric in (metrics := list(_compared(record, everything))):
        for part, kept in zip(metric.ingredients, kept_of(metric), strict=True):
            for place, each in enumerate(part.estimates):
                key = (tuple(metric.over or ()), each.group)
                is_kept[key] = is_kept.get(key, True) and place in kept
    named = [kept for (_, group), kept in is_kept.items() if group]
    return SavedBaseline(path, len(metrics), len(named), named.count(False), suppress, _detectable(path))


def _detectable(path: Path) -> list[tuple[str, float]]:
    """Return the gaps of rates in a file with the loss that other cases would show, as the gate itself computes it."""
    found = []
    for _, metric in open_file(path).record.metrics():
        if metric.unit == "points" and metric.over and metric.direction and metric.ingredients:
            loss = compare_records(metric, metric, Margin(0.0), _ERROR).minimum_detectable
            found += [] if loss is None else [(str(metric.id), loss)]
    return sorted(found, key=lambda item: item[1])


# --- reading ----------------------------------------------------------------------------------------------------


def _is_complete(content: Mapping[str, Any]) -> bool:
    """Return whether a file has everything that is read from it, in the right types."""
    counts, history = content.get("counts"), content.get("accepted")
    try:
        Record.model_validate(content.get("record"))
    except ValueError:
        return False
    lists = all(isinstance(part, list) and all(isinstance(row, dict) for row in part) for part in (counts, history))
    return lists and type(content.get("suppressed_below")) is int and isinstance(content.get("everything", True), bool)


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        raise ConfigError(f"baseline {path}: it was not written by `raikit baseline save`.") from None
    if not isinstance(content, dict) or "raikit_baseline" not in content:
        raise ConfigError(f"baseline {path}: it was not written by `raikit baseline save`.")
    if content["raikit_baseline"] != VERSION:
        version = content["raikit_baseline"]
        raise ConfigError(f"baseline {path}: its version is {version!r}; this version of raikit reads {VERSION}.")
    if sha256_text(canonical({key: value for key, value in content.items() if key != "sha256"})) != content.get("sha256"):
        raise ConfigError(f"baseline {path}: it was changed after it was written; create it again with `raikit baseline save`.")
    if not _is_complete(content):
        raise ConfigError(f"baseline {path}: it was not written by `raikit baseline save`.")
    return content
