"""Baselines: a run directory, or a small file without inputs and cases that can be committed and reviewed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import ConfigError, RunError, listed
from raikit.files import canonical, sha256, sha256_text, write_text
from raikit.gate.regressions import with_default
from raikit.run import manifest
from raikit.run.reader import Run, load_run
from raikit.run.record import DataRecord, Record

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig

VERSION = 1


def open_baseline(path: Path) -> Run:
    """Read and verify a baseline.

    Raises
    ------
    ConfigError
        If it does not exist, has another schema, or was changed after it was written.
    """
    if not path.exists():
        raise ConfigError(f"baseline {path}: no such run or file.")
    if path.is_file() and path.name != "audit.json":
        return _from_file(path)
    folder = path.parent if path.is_file() else path
    try:
        run = load_run(folder)
        problems = manifest.verify(folder)
    except RunError as error:
        raise ConfigError(f"baseline {path}: {error}") from None
    if problems:
        raise ConfigError(f"baseline {path}: it was changed after it was written: {listed(problems)}.")
    return run


def policy_and_baseline(
    policy: GateConfig, baseline: Path | None, no_baseline: bool, error: Callable[[str], ConfigError]
) -> tuple[GateConfig, Run | None]:
    """Return the policy and the baseline that ``--baseline`` and ``--no-baseline`` result in.

    Parameters
    ----------
    policy : GateConfig
    baseline : Path or None
    no_baseline : bool
    error : callable
        Creates an error that names the place of `regressions` in the policy.

    Returns
    -------
    tuple of GateConfig and (Run or None)
        The policy, with default regressions if it has none, and the opened baseline.

    Raises
    ------
    ConfigError
        If both are given, or none although the policy has regressions: a baseline is never forgotten silently.
    """
    if baseline is not None and no_baseline:
        raise ConfigError("use either --baseline or --no-baseline, not both.")
    if baseline is not None:
        return with_default(policy), open_baseline(baseline)
    if policy.regressions and not no_baseline:
        raise error("they need a baseline: give --baseline RUN or FILE, or --no-baseline if this is the first run.")
    return policy, None


def identity(path: Path) -> str:
    """Return a SHA-256 that identifies a baseline."""
    return sha256(path if path.is_file() else path / manifest.NAME)


def refuse_another_task(candidate: DataRecord, baseline: DataRecord) -> None:
    """Raise an error if two runs have different tasks or labels.

    Raises
    ------
    ConfigError
        If they differ; the message names how.
    """
    for field, name in (("task", "task"), ("classes", "classes"), ("positive", "positive class")):
        mine, theirs = getattr(candidate, field), getattr(baseline, field)
        if mine != theirs:
            raise ConfigError(
                f"the baseline has {name} {theirs!r}, the candidate has {mine!r}; use runs with the same {name}."
            )


# --- one file ---------------------------------------------------------------------------------------------------


def save(run: Path, target: Path, *, suppress: int = 0, reason: str = "", history: list[Any] | None = None) -> Path:
    """Write what later runs are compared with: measurements, counts, fingerprints and versions.

    Parameters
    ----------
    run : Path
        A finished run. It is verified first.
    target : Path
    suppress : int
        Counts and groups below this number of cases are left out of what later runs are compared with; the file records the
        number.
    reason : str
        Why this run becomes the baseline.
    history : list, optional
        Entries of the file that is replaced.

    Raises
    ------
    ConfigError
        If the run was changed, or `target` exists and no `history` is given.
    """
    if history is None and target.exists():
        raise ConfigError(f"{target} already exists; `raikit baseline accept` updates it and keeps its history.")
    opened = open_baseline(run)
    content = {
        "raikit_baseline": VERSION,
        "accepted": [*(history or []), {"run": opened.record.provenance.run_id, "started": opened.record.provenance.started,
                                        "reason": reason}],
        "record": _slim(opened.record, suppress),
        "suppressed_below": suppress,
        "counts": _counts(opened, suppress),
    }
    content["sha256"] = sha256_text(canonical(content))
    return write_text(target, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def accept(run: Path, target: Path, reason: str) -> Path:
    """Replace a baseline file by a reviewed run; the file keeps the history of accepted runs and reasons."""
    if not reason.strip():
        raise ConfigError("--reason: state why this run becomes the baseline.")
    if not target.exists():
        raise ConfigError(f"baseline {target}: no such file; create it with `raikit baseline save`.")
    before = _content(target)
    refuse_another_task(open_baseline(run).record.data, _from_file(target).record.data)
    return save(run, target, suppress=int(before["suppressed_below"]), reason=reason, history=list(before["accepted"]))


def _slim(record: Record, suppress: int) -> dict[str, Any]:
    """Return the record without findings, figures, tables, profiles and the ingredients of small groups."""
    checks = []
    for check in record.checks:
        content = check.model_dump(mode="json", include={
            "name", "pillar", "plugin", "plugin_version", "status", "reason", "options", "seed", "metrics"})
        content["metrics"] = [{key: value for key, value in _suppressed(metric, suppress).items() if not _is_default(value)}
                           for metric in content["metrics"]]
        checks.append(content)
    fields = {"schema_version", "name", "verdict", "data", "confidence"}
    slim = record.model_dump(mode="json", include=fields)
    versions = record.provenance.model_dump(mode="json", include={"run_id", "started", "seed", "versions"})
    return {**slim, "checks": checks, "gate": {"verdict": record.gate.verdict}, "provenance": versions}


def _suppressed(metric: dict[str, Any], suppress: int) -> dict[str, Any]:
    """Leave out a metric's profile, which holds counts, and the ingredients of groups with fewer cases than `suppress`."""
    parts = []
    for part in metric["ingredients"]:
        kept = [place for place, each in enumerate(part["estimates"]) if each["n"] >= suppress]
        estimates = [_without_others(part["estimates"][place], kept) for place in kept]
        parts.append({**part, "estimates": estimates})
    return {**metric, "profile": None, "ingredients": parts}


def _without_others(estimate: dict[str, Any], kept: list[int]) -> dict[str, Any]:
    """Return an estimate with its covariances with the kept ones alone."""
    shared = estimate["covariance"]
    short = {"covariance": [shared[place] for place in kept if place < len(shared)]}
    return {key: value for key, value in {**estimate, **short}.items() if not _is_default(value)}


def _is_default(value: Any) -> bool:
    return value is None or value is False or value in ([], {})


def _counts(run: Run, suppress: int) -> list[dict[str, Any]]:
    """Count the cases of every combination of group, target and prediction; return nothing for numeric targets."""
    data = run.record.data
    if data.task == "regression":
        return []
    columns = [*data.sensitive, "target", "prediction"]
    counted = run.predictions.cells(columns)
    rows = counted.astype(object).where(counted.notna(), None).to_numpy().tolist()
    return [
        {**dict(zip(columns, row[:-1], strict=True)), "rows": int(row[-1])} for row in rows if int(row[-1]) >= suppress
    ]


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(f"baseline {path}: it was not written by `raikit baseline save`.") from None
    if not isinstance(content, dict) or "raikit_baseline" not in content:
        raise ConfigError(f"baseline {path}: it was not written by `raikit baseline save`.")
    if content["raikit_baseline"] != VERSION:
        version = content["raikit_baseline"]
        raise ConfigError(f"baseline {path}: its version is {version!r}; this version of raikit reads {VERSION}.")
    if sha256_text(canonical({key: value for key, value in content.items() if key != "sha256"})) != content.get("sha256"):
        raise ConfigError(f"baseline {path}: it was changed after it was written; create it again with `raikit baseline save`.")
    return content


def _from_file(path: Path) -> Run:
    content = _content(path)
    counts = [] if content["suppressed_below"] else list(content["counts"])
    return Run(path, Record.model_validate(content["record"]), is_file=True, counts=counts)
