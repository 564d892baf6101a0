"""What a plugin may implement: the whole plugin contract. What else is public is listed in docs/reference/public.md.

A plugin is a module (or object) named by an entry point of the group ``raikit``. It states ``raikit_api = 1`` and
implements any of these functions with `raikit.hookimpl`. Hooks only collect; each check then runs on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from raikit.check import Check
    from raikit.models.base import ModelLoader
    from raikit.run.across import RunComparison, RunHistory
    from raikit.run.record import CheckRecord, Record

API_VERSION = 1

hookspec = pluggy.HookspecMarker("raikit")
hookimpl = pluggy.HookimplMarker("raikit")


@hookspec
def raikit_checks() -> Iterable[type[Check]]:  # type: ignore[empty-body]
    """Return the check classes of this plugin. Called once; import heavy libraries in `run`, not here."""


@hookspec
def raikit_model_loaders() -> Mapping[str, ModelLoader]:  # type: ignore[empty-body]
    """Return model loaders by their ``model.load.kind``: ``loader(spec, data) -> Model``."""


@hookspec
def raikit_report_formats() -> Mapping[str, Callable[[Record, Path], list[Path]]]:  # type: ignore[empty-body]
    """Return report writers by their name in ``--formats``: ``write(record, folder)`` returns the files it wrote."""


@hookspec
def raikit_comparison_formats() -> Mapping[str, Callable[[RunComparison | RunHistory, Path], None]]:  # type: ignore[empty-body]
    """Return writers of several runs by the ending of the file: ``write(runs, file)``. For ``compare`` and ``history --report``."""


@hookspec
def raikit_check_finished(result: CheckRecord, run: Path) -> None:
    """Learn that a check ended (ok, skipped or error). For trackers; an exception is reported and changes nothing."""


@hookspec
def raikit_run_finished(record: Record, run: Path) -> None:
    """Learn that the audit ended and its record is on disk. For trackers; an exception is reported and changes nothing."""
