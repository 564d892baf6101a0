"""Assertions on the record of a check; one that fails shows what the record holds instead."""

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
    """Assert that the check ran without an error.

    Parameters
    ----------
    record : CheckRecord

    Raises
    ------
    AssertionError
        With the status, the reason, the traceback and what the check printed.
    """
    __tracebackhide__ = True
    _require(record.status == "ok", lambda: _describe(record))


def assert_skipped(record: CheckRecord, match: str = "") -> None:
    """Assert that the check was skipped, because a requirement was not met.

    Parameters
    ----------
    record : CheckRecord
    match : str
        A regular expression that must match somewhere in the reason.
    """
    __tracebackhide__ = True
    _require(record.status == "skipped", lambda: f"{record.name} was not skipped. {_describe(record)}")
    _require(_matches(record, match), lambda: f"{record.name} was skipped for a different reason: {_mismatch(record, match)}")


def assert_error(record: CheckRecord, match: str = "") -> None:
    """Assert that the check raised an exception, or returned a result that raikit refuses.

    Parameters
    ----------
    record : CheckRecord
    match : str
        A regular expression that must match somewhere in the reason, such as ``ValueError: no rows``.
    """
    __tracebackhide__ = True
    _require(record.status == "error", lambda: f"{record.name} is not an error. {_describe(record)}")
    _require(_matches(record, match), lambda: f"{record.name} is a different error: {_mismatch(record, match)}")


def assert_metric(
    record: CheckRecord, address: str, value: float | None = None, *, abs: float = 1e-9, rel: float = 1e-9
) -> Metric:
    """Assert that a metric was measured and, if given, that it has this value.

    Parameters
    ----------
    record : CheckRecord
    address : str
        The full address: ``mine.rate[group=F]``.
    value : float, optional
        Absent: the metric only has to exist. It may be undefined; `Metric.reason` then says why.
    abs, rel : float
        Absolute and relative tolerance; the larger one applies.

    Returns
    -------
    Metric
        For assertions on its interval, `n`, flags …

    Raises
    ------
    AssertionError
        With the most similar addresses, or with the value that was measured.
    """
    __tracebackhide__ = True
    assert_ok(record)
    metric = next((metric for metric in record.metrics if metric.id == address), None)
    if metric is None:
        raise AssertionError(f"{record.name} did not measure {address}. {_nearest(address, record)}")
    if value is not None and metric.value is None:
        raise AssertionError(f"{address} is undefined ({metric.reason}), not {value}")
    if value is not None and metric.value is not None and not math.isclose(metric.value, value, rel_tol=rel, abs_tol=abs):
        tolerance = max(abs, rel * math.fabs(value))
        raise AssertionError(f"{address} is {metric.value!r} [{metric.low}, {metric.high}], not {value!r} within {tolerance:g}")
    return metric


def assert_finding(record: CheckRecord, match: str) -> Finding:
    """Assert that the words of a finding match, and return the first finding that does.

    Parameters
    ----------
    record : CheckRecord
    match : str
        A regular expression that must match somewhere in the headline, the evidence, the sentence or a fact.

    Returns
    -------
    Finding

    Raises
    ------
    AssertionError
        With all findings of the check.
    """
    __tracebackhide__ = True
    assert_ok(record)
    matching = next((finding for finding in record.findings if any(re.search(match, text) for text in _texts(finding))), None)
    if matching is None:
        listed = "".join(f"\n  {finding.severity}: {' | '.join(_texts(finding))}" for finding in record.findings) or " none."
        raise AssertionError(f"no finding of {record.name} matches {match!r}. Its findings:{listed}")
    return matching


def _texts(finding: Finding) -> list[str]:
    """Return what a finding says, part by part."""
    parts = [finding.headline, finding.evidence, finding.sentence, *(f"{label}: {text}" for label, text in finding.facts)]
    return [part for part in parts if part]


def _require(holds: bool, message: Callable[[], str]) -> None:
    """Raise an AssertionError with a complete message; pytest would add a comparison to a bare ``assert``."""
    __tracebackhide__ = True
    if not holds:
        raise AssertionError(message())


def _matches(record: CheckRecord, match: str) -> bool:
    return re.search(match, record.reason or "") is not None


def _mismatch(record: CheckRecord, match: str) -> str:
    mismatch = f"{record.reason!r} does not match {match!r}"
    return f"{mismatch}\n--- traceback ---\n{record.traceback.rstrip()}" if record.traceback else mismatch


def _describe(record: CheckRecord) -> str:
    description = f"{record.name} is {record.status}" + (f": {record.reason}" if record.reason else "")
    for title, text in (("traceback", record.traceback), ("output", record.output)):
        if text:
            description += f"\n--- {title} ---\n{text.rstrip()}"
    return description


def _nearest(address: str, record: CheckRecord) -> str:
    """List the most similar addresses that were measured."""
    measured = [str(metric.id) for metric in record.metrics]
    if not measured:
        return "It measured nothing."
    near = difflib.get_close_matches(address, measured, n=_SHOWN, cutoff=0.3) or measured[:_SHOWN]
    return f"Most similar of {len(measured)} measured: {', '.join(near)}."
