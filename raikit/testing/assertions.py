"""Assertions on what a check found; when one fails it says what there is instead."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raikit.run.record import CheckRecord
    from raikit.run.results import Finding, Metric

_SHOWN = 5


def assert_ok(record: CheckRecord) -> None:
    """Assert that the check ran; else say why not, with its traceback and what it printed."""
    __tracebackhide__ = True
    _require(record.status == "ok", lambda: _what_happened(record))


def assert_skipped(record: CheckRecord, match: str = "") -> None:
    """Assert that a requirement was not met.

    Parameters
    ----------
    match : str
        A regular expression that the reason must hold.
    """
    __tracebackhide__ = True
    _require(record.status == "skipped", lambda: f"{record.name} was not skipped. {_what_happened(record)}")
    _require(_holds(record, match), lambda: f"{record.name} was skipped for another reason: {_unlike(record, match)}")


def assert_error(record: CheckRecord, match: str = "") -> None:
    """Assert that the check raised, or returned what the harness refuses.

    Parameters
    ----------
    match : str
        A regular expression that the reason (``ValueError: no rows``) must hold.
    """
    __tracebackhide__ = True
    _require(record.status == "error", lambda: f"{record.name} is no error. {_what_happened(record)}")
    _require(_holds(record, match), lambda: f"{record.name} is another error: {_unlike(record, match)}")


def assert_metric(
    record: CheckRecord, address: str, value: float | None = None, *, abs: float = 1e-9, rel: float = 1e-9
) -> Metric:
    """Assert that a metric was measured, and what it is.

    Parameters
    ----------
    address : str
        The whole address: ``mine.rate[group=F]``.
    value : float, optional
        Absent: only that it is there (it may be undefined, then `Metric.reason` says why).
    abs, rel : float
        How far the value may be off: the larger of the two counts.

    Returns
    -------
    Metric
        For assertions on its interval, `n`, flags …
    """
    __tracebackhide__ = True
    assert_ok(record)
    found = next((metric for metric in record.metrics if metric.id == address), None)
    if found is None:
        raise AssertionError(f"{record.name} measured no {address}. {_nearest(address, record)}")
    if value is not None and found.value is None:
        raise AssertionError(f"{address} is undefined ({found.reason}), not {value}")
    if value is not None and found.value is not None and not math.isclose(found.value, value, rel_tol=rel, abs_tol=abs):
        off = max(abs, rel * math.fabs(value))
        raise AssertionError(f"{address} is {found.value!r} [{found.low}, {found.high}], not {value!r} within {off:g}")
    return found


def assert_finding(record: CheckRecord, match: str) -> Finding:
    """Assert that a finding's sentence holds the regular expression `match`; gives the first that does."""
    __tracebackhide__ = True
    assert_ok(record)
    found = next((finding for finding in record.findings if re.search(match, finding.sentence)), None)
    if found is None:
        said = "".join(f"\n  {finding.severity}: {finding.sentence}" for finding in record.findings) or " none."
        raise AssertionError(f"no finding of {record.name} matches {match!r}. There are:{said}")
    return found


def _require(holds: bool, message: Callable[[], str]) -> None:
    """Raise by hand: a bare ``assert`` would have pytest add a comparison to a message that says it all."""
    __tracebackhide__ = True
    if not holds:
        raise AssertionError(message())


def _holds(record: CheckRecord, match: str) -> bool:
    return re.search(match, record.reason or "") is not None


def _unlike(record: CheckRecord, match: str) -> str:
    said = f"{record.reason!r} does not match {match!r}"
    return f"{said}\n--- traceback ---\n{record.traceback.rstrip()}" if record.traceback else said


def _what_happened(record: CheckRecord) -> str:
    said = f"{record.name} is {record.status}" + (f": {record.reason}" if record.reason else "")
    for title, text in (("traceback", record.traceback), ("it printed", record.output)):
        if text:
            said += f"\n--- {title} ---\n{text.rstrip()}"
    return said


def _nearest(address: str, record: CheckRecord) -> str:
    """The addresses that look most like the one that is not there."""
    there = [str(metric.id) for metric in record.metrics]
    if not there:
        return "It measured nothing."
    near = difflib.get_close_matches(address, there, n=_SHOWN, cutoff=0.3) or there[:_SHOWN]
    return f"Nearest of the {len(there)} there: {', '.join(near)}."
