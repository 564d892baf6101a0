"""What a plugin may implement: the whole plugin contract. What else is public is listed in docs/reference/public.md.

A plugin is a module (or object) named by an entry point of the group ``raikit``. It says ``raikit_api = 1`` and
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
    from raikit.run.record import CheckRecord, Record

API_VERSION = 1

hookspec = pluggy.HookspecMarker("raikit")
hookimpl = pluggy.HookimplMarker("raikit")


@hookspec
def raikit_checks() -> Iterable[type[Check]]:  # type: ignore[empty-body]
    """Check classes this plugin brings. Called once; must not import heavy libraries (import them in `run`)."""


@hookspec
def raikit_model_loaders() -> Mapping[str, ModelLoader]:  # type: ignore[empty-body]
    """Model loaders by the name that ``model.load.kind`` says: ``loader(spec, data) -> Model``."""


@hookspec
def raikit_report_formats() -> Mapping[str, Callable[[Record, Path], list[Path]]]:  # type: ignore[empty-body]
    """Report writers by the name that ``--formats`` says: ``write(record, folder)`` returns the files it wrote."""


@hookspec
def raikit_check_finished(result: CheckRecord, run: Path) -> None:
    """A check ended (ok, skipped or error). For trackers; an exception here is reported and changes nothing."""


@hookspec
def raikit_run_finished(record: Record, run: Path) -> None:
    """The audit ended and its record is on disk. For trackers; an exception here is reported and changes nothing."""
