"""Baselines: a run directory, or one small file that can be committed and reviewed, without inputs and without rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import ConfigError, RunError, listed
from raikit.files import canonical, sha256, sha256_text, write_text
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
        If there is none, it is of another schema, or it is not as it was written.
    """
    from raikit.run import manifest

    if not path.exists():
        raise ConfigError(f"baseline {path}: there is no such run or file.")
    if path.is_file() and path.name != "audit.json":
        return _from_file(path)
    folder = path.parent if path.is_file() else path
    try:
        run = load_run(folder)
        problems = manifest.verify(folder)
    except RunError as error:
        raise ConfigError(f"baseline {path}: {error}") from None
    if problems:
        raise ConfigError(f"baseline {path}: it is not as it was written: {listed(problems)}.")
    return run


def policy_and_baseline(
    policy: GateConfig, baseline: Path | None, no_baseline: bool, error: Callable[[str], ConfigError]
) -> tuple[GateConfig, Run | None]:
    """What ``--baseline`` and ``--no-baseline`` make of a policy: the policy that is judged, and the run it is held against.

    Parameters
    ----------
    policy : GateConfig
    baseline : Path or None
    no_baseline : bool
    error : callable
        Makes the error that tells where the policy says `regressions`.

    Raises
    ------
    ConfigError
        If both are given, or neither although something must not regress: a baseline is never forgotten in silence.
    """
    from raikit.gate.regressions import with_default

    if baseline is not None and no_baseline:
        raise ConfigError("--baseline and --no-baseline exclude each other.")
    if baseline is not None:
        return with_default(policy), open_baseline(baseline)
    if policy.regressions and not no_baseline:
        raise error("they need what to compare with: --baseline RUN or FILE, or --no-baseline if this is the first run.")
    return policy, None


def identity(path: Path) -> str:
    """SHA-256 that tells this baseline from any other."""
    from raikit.run import manifest

    return sha256(path if path.is_file() else path / manifest.NAME)


def refuse_another_task(candidate: DataRecord, baseline: DataRecord) -> None:
    """Raise if the data of two runs ask different questions, or have other labels.

    Raises
    ------
    ConfigError
        Names what differs.
    """
    for name in ("task", "classes", "positive"):
        mine, theirs = getattr(candidate, name), getattr(baseline, name)
        if mine != theirs:
            raise ConfigError(f"baseline: {name} {theirs!r} there, {mine!r} in the candidate; they cannot be compared.")


# --- one file ---------------------------------------------------------------------------------------------------


def save(run: Path, target: Path, *, suppress: int = 0, reason: str = "", history: list[Any] | None = None) -> Path:
    """Write what a later run needs to be compared with this one: measurements, counts, fingerprints, versions.

    Parameters
    ----------
    run : Path
        A finished run; verified first.
    target : Path
    suppress : int
        Counts of fewer rows are left out (and said to be).
    reason : str
        Why this run is the baseline now.
    history : list, optional
        Entries of the file that it takes the place of.
    """
    if history is None and target.exists():
        raise ConfigError(f"{target} is there already; `raikit baseline accept` moves it forward and keeps its history.")
    opened = open_baseline(run)
    content = {
        "raikit_baseline": VERSION,
        "accepted": [*(history or []), {"run": opened.record.provenance.run_id, "started": opened.record.provenance.started,
                                        "reason": reason}],
        "record": _slim(opened.record),
        "suppressed_below": suppress,
        "counts": _counts(opened, suppress),
    }
    content["sha256"] = sha256_text(canonical(content))
    return write_text(target, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def accept(run: Path, target: Path, reason: str) -> Path:
    """Move a baseline file forward to a run, after review; who accepted what and why stays in the file."""
    if not reason.strip():
        raise ConfigError("--reason: say why this run is what later ones are held against.")
    if not target.exists():
        raise ConfigError(f"baseline {target}: there is no such file; `raikit baseline save` writes the first.")
    before = _content(target)
    refuse_another_task(open_baseline(run).record.data, _from_file(target).record.data)
    return save(run, target, suppress=int(before["suppressed_below"]), reason=reason, history=list(before["accepted"]))


def _slim(record: Record) -> dict[str, Any]:
    """The record without rows, findings, figures and tables."""
    checks = []
    for check in record.checks:
        kept = check.model_dump(mode="json", include={
            "name", "pillar", "plugin", "plugin_version", "status", "reason", "options", "seed", "metrics"})
        kept["metrics"] = [{key: value for key, value in metric.items() if key != "profile" and not _is_default(value)}
                           for metric in kept["metrics"]]  # no counts but those that `suppress` has gone over
        checks.append(kept)
    keep = {"schema_version", "name", "verdict", "data", "confidence"}
    slim = record.model_dump(mode="json", include=keep)
    versions = record.provenance.model_dump(mode="json", include={"run_id", "started", "seed", "versions"})
    return {**slim, "checks": checks, "gate": {"verdict": record.gate.verdict}, "provenance": versions}


def _is_default(value: Any) -> bool:
    return value is None or value is False or value in ([], {})


def _counts(run: Run, suppress: int) -> list[dict[str, Any]]:
    """Rows of every group, label and decision; nothing for numeric targets."""
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
        raise ConfigError(f"baseline {path}: it is no file that `raikit baseline save` wrote.") from None
    if not isinstance(content, dict) or "raikit_baseline" not in content:
        raise ConfigError(f"baseline {path}: it is no file that `raikit baseline save` wrote.")
    if content["raikit_baseline"] != VERSION:
        raise ConfigError(f"baseline {path}: its version is {content['raikit_baseline']!r}; this raikit reads {VERSION}.")
    if sha256_text(canonical({key: value for key, value in content.items() if key != "sha256"})) != content.get("sha256"):
        raise ConfigError(f"baseline {path}: it was changed after it was written; `raikit baseline save` writes it anew.")
    return content


def _from_file(path: Path) -> Run:
    content = _content(path)
    counts = [] if content["suppressed_below"] else list(content["counts"])
    return Run(path, Record.model_validate(content["record"]), is_file=True, counts=counts)
