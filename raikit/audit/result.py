"""The result of `raikit.audit`: what a notebook shows, tables of pandas, and the run as files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from raikit.audit.reports import DEFAULT_FORMATS, rewrite_reports, write_text_of
from raikit.errors import RunError
from raikit.format import counted
from raikit.run.reader import Run
from raikit.run.statements import Statement, statements

if TYPE_CHECKING:
    from raikit.run.record import Record, Verdict
    from raikit.run.results import Figure

_METRIC_COLUMNS = (
    "check", "pillar", "id", "name", "value", "low", "high", "level", "n", "n_clusters", "unit", "direction", "method",
    "flags", "reason",
)  # fmt: skip
_SHOWN = {"rule_broken": "broken", "undecided": "undecided", "not_measured": "not measured", "waived": "waived",
          "worth_knowing": "worth knowing"}  # fmt: skip
_MOST_LINES = 12


class AuditResult:
    """What an audit found. In a notebook it shows its summary.

    Attributes
    ----------
    record : Record
        The whole audit, as in ``audit.json``.
    folder : Path
        The run. Without `out` it lasts as long as this object; `save` keeps it.
    """

    record: Record
    folder: Path

    def __init__(self, record: Record, folder: Path) -> None:
        self.record, self.folder = record, folder

    @property
    def verdict(self) -> Verdict:
        """``pass``, ``warn``, ``fail``, ``inconclusive`` or ``error``."""
        return self.record.verdict

    @cached_property
    def statements(self) -> list[Statement]:
        """Everything that the audit says, the most important first."""
        return statements(self.record)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per metric, with its interval."""
        return Run(self.folder, self.record).metrics.reindex(columns=list(_METRIC_COLUMNS))

    @cached_property
    def rules(self) -> pd.DataFrame:
        """One row per judged rule, those that do not hold first."""
        judged = ("id", "status", "metric", "limit", "bound", "value", "low", "high", "level", "n", "reason")
        worded = ("headline", "evidence", "change")
        rows = [
            {name: getattr(one.rule, name) for name in judged} | {name: getattr(one, name) for name in worded}
            for one in self.statements if one.rule is not None
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=[*judged[:2], *worded[:2], *judged[2:], worded[2]])

    @cached_property
    def findings(self) -> pd.DataFrame:
        """One row per finding that no rule covers, in the order of the report."""
        columns = ("kind", "headline", "evidence", "pillar", "check", "whom", "value", "low", "high", "level", "unit")
        rows = [{name: getattr(one, name) for name in columns} for one in self.statements if one.rule is None]
        return pd.DataFrame(rows, columns=list(columns))

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The figures by ``check/id``; each is a Vega-Lite spec with its data, or an image."""
        return {f"{check.name}/{figure.id}": figure for check in self.record.checks for figure in check.figures}

    def report(self) -> str:
        """Return the HTML report, one file that opens offline."""
        return write_text_of("html", self.record)

    def save(self, folder: str | Path, formats: Sequence[str] | None = None) -> Path:
        """Write the run as the command line does.

        Parameters
        ----------
        folder : str or Path
            Empty or new.
        formats : sequence of str, optional
            Report formats; absent: html, json and md.

        Returns
        -------
        Path
            The folder, which `raikit.load_run` reads.

        Raises
        ------
        RunError
            If the folder is not empty or cannot be written.
        ConfigError
            If a format is not known.
        """
        target = Path(folder)
        try:
            if target.exists() and any(target.iterdir()):
                raise RunError(f"folder: {target} is not empty; choose another.")
            shutil.copytree(self.folder, target, dirs_exist_ok=True)
        except OSError as error:
            raise RunError(f"folder: {target}: {error.strerror or error}.") from None
        try:
            _, crashed = rewrite_reports(target, list(formats) if formats is not None else DEFAULT_FORMATS)
        except Exception:
            shutil.rmtree(target, ignore_errors=True)
            raise
        if crashed:
            raise RunError(f"{crashed[0]}; the run is in {target}.")
        return target

    def __repr__(self) -> str:
        """Return the answer, what it rests on, and the rules and findings to act on."""
        summary = self.record.summary
        told = [one for one in self.statements if one.kind in _SHOWN]
        lines = [f"{summary.question} {summary.answer}", *summary.sentences]
        for one in told[:_MOST_LINES]:
            lines += ["", f"{_SHOWN[one.kind]}: {one.headline}", f"    {one.evidence or one.sure_detail}"]
        if len(told) > _MOST_LINES:
            lines += ["", f"{len(told) - _MOST_LINES} more in `statements`."]
        checks = counted(sum(check.status == "ok" for check in self.record.checks), "check")
        return "\n".join([*lines, "", f"{checks} ran. Tables: rules, findings, metrics. Report: save(folder)."])

    def _repr_html_(self) -> str:
        """Return the summary as HTML without a script; the text of `repr` if no format draws it."""
        return self._html

    @cached_property
    def _html(self) -> str:
        return write_text_of("notebook", self.record)
