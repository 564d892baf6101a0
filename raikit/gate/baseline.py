"""Baselines: a run directory, or a small file that can be committed; `baseline_file` writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from raikit.config.types import is_legible
from raikit.errors import ConfigError, RunError, listed
from raikit.files import sha256
from raikit.gate.regressions import with_default
from raikit.run import manifest
from raikit.run.reader import Run, load_run
from raikit.run.record import DataRecord

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig
    from raikit.gate.baseline_file import SavedBaseline


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
        from raikit.gate import baseline_file  # few audits have such a file

        return baseline_file.open_file(path)
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


def save(run: Path, target: Path, *, suppress: int | None = None, everything: bool = False, reason: str = "") -> SavedBaseline:
    """Write a run to a baseline file, as `baseline_file.save` describes.

    Raises
    ------
    ConfigError
        If the run was changed, or `target` exists.
    """
    from raikit.gate import baseline_file

    least = baseline_file.SMALLEST if suppress is None else suppress
    return baseline_file.save(open_baseline(run), target, suppress=least, everything=everything, reason=reason)


def accept(run: Path, target: Path, reason: str) -> SavedBaseline:
    """Replace a baseline file by a reviewed run; the file keeps the history of accepted runs and reasons.

    Raises
    ------
    ConfigError
        If there is no reason or no such file, or if the runs answer different questions.
    """
    from raikit.gate import baseline_file

    if not is_legible(reason):
        raise ConfigError("--reason: state why this run becomes the baseline.")
    if not target.exists():
        raise ConfigError(f"baseline {target}: no such file; create it with `raikit baseline save`.")
    opened = open_baseline(run)
    refuse_another_task(opened.record.data, baseline_file.open_file(target).record.data)
    return baseline_file.accept(opened, target, reason)
