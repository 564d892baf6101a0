"""``pytest --raikit audit.yaml``: an audit among the tests, one test for each rule of its gate.

pytest loads this module wherever raikit is installed, so it imports nothing of raikit before an audit is requested. The
audit runs once, at the start of the session: in the only process or, under pytest-xdist, in the controller, which passes
the path of the run to its workers.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from raikit.audit.conductor import Outcome
    from raikit.run.reader import Run
    from raikit.run.record import CheckRecord, Record, Rule
    from raikit.run.screen import ScreenLine

_WORKER_KEY = "raikit_audit"
_LOST_PLUGIN = ("error", "incompatible", "ambiguous")


@dataclass(frozen=True)
class _SessionAudit:
    """The finished audit of the session, in plain types that can be sent to workers."""

    config: str
    folder: str
    exit_code: int
    complaints: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Case:
    """The outcome of a test, with why it failed or was skipped."""

    name: str
    outcome: Literal["pass", "fail", "skip"] = "pass"
    text: str = ""


_AUDIT_KEY = pytest.StashKey[_SessionAudit]()


# --- options ----------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; without ``--raikit`` this module does nothing."""
    group = parser.getgroup("raikit", "audits of trained models (raikit)")
    group.addoption("--raikit", metavar="CONFIG", help="Run the audit of this audit.yaml: one test per rule of its gate.")
    group.addoption("--raikit-baseline", metavar="RUN|FILE", help="The run to compare with for regressions.")
    group.addoption("--raikit-no-baseline", action="store_true", help="This is the first run: do not judge regressions.")
    group.addoption("--raikit-out", metavar="DIR", help="The run directory; absent: runs/NAME-TIME.")


def pytest_configure(config: pytest.Config) -> None:
    """Collect audit.yaml beside the other tests."""
    path = _config_path(config)
    if path is None:
        for option in ("--raikit-baseline", "--raikit-no-baseline", "--raikit-out"):
            if config.getoption(option):
                raise pytest.UsageError(f"{option} needs --raikit audit.yaml.")
    elif str(path) not in config.args:  # A worker of pytest-xdist gets them from the controller.
        config.args.append(str(path))


def _config_path(config: pytest.Config) -> Path | None:
    path = config.getoption("--raikit")
    return None if path is None else Path(os.path.abspath(config.invocation_params.dir / path))


# --- the audit, once --------------------------------------------------------------------------------------------


def pytest_sessionstart(session: pytest.Session) -> None:
    """Run the audit, or take it from the controller; nothing is captured yet, so its progress is shown."""
    config = session.config
    path = _config_path(config)
    if path is None:
        return
    session_audit = getattr(config, "workerinput", {}).get(_WORKER_KEY)
    config.stash[_AUDIT_KEY] = _SessionAudit(**session_audit) if session_audit else _run_session_audit(config, path)


def _run_session_audit(config: pytest.Config, path: Path) -> _SessionAudit:
    from raikit.errors import RaikitError

    baseline, out = config.getoption("--raikit-baseline"), config.getoption("--raikit-out")
    if baseline and config.getoption("--raikit-no-baseline"):
        raise pytest.UsageError("use either --raikit-baseline or --raikit-no-baseline, not both.")
    try:
        outcome = _run(path, baseline=baseline, out=out, no_baseline=config.getoption("--raikit-no-baseline"))
    except RaikitError as error:
        raise pytest.UsageError(f"raikit: {_plain(str(error))}") from None
    folder = str(Path(outcome.folder).resolve())
    return _SessionAudit(str(path), folder, outcome.exit_code, list(outcome.warnings))


def _run(
    config: str | Path,
    *,
    baseline: str | Path | None = None,
    out: str | Path | None = None,
    no_baseline: bool = False,
    sets: Sequence[str] = (),
) -> Outcome:
    """Run an audit as the command line does."""
    # Idle OpenMP threads that spin make small models ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from raikit.audit.conductor import audit
    from raikit.audit.plan import Request
    from raikit.console import Console
    from raikit.remote import fetch, is_remote

    request = Request(
        Path(config),
        out=Path(out) if out is not None else None,
        sets=tuple(sets),
        baseline=None if baseline is None else fetch(str(baseline)) if is_remote(baseline) else Path(baseline),
        no_baseline=no_baseline,
    )
    return audit(request, Console())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the finished audit to a worker of pytest-xdist."""
    session_audit = node.config.stash.get(_AUDIT_KEY, None)
    if session_audit is not None:
        node.workerinput[_WORKER_KEY] = asdict(session_audit)


# --- tests ------------------------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the audit's own configuration as a file of tests."""
    session_audit = parent.config.stash.get(_AUDIT_KEY, None)
    if session_audit is None or str(file_path) != session_audit.config:
        return None
    return AuditFile.from_parent(parent, path=file_path)


class AuditFile(pytest.File):
    """An audit.yaml whose audit has run."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield one item for each rule, and one for each crash that no rule reports."""
        from raikit.run.reader import load_run

        session_audit = self.config.stash[_AUDIT_KEY]
        seen: Counter[str] = Counter()
        for case in _cases(load_run(session_audit.folder).record, session_audit):
            seen[case.name] += 1
            name = case.name if seen[case.name] == 1 else f"{case.name} #{seen[case.name]}"
            item: RuleItem = RuleItem.from_parent(self, name=name, case=case)
            if case.outcome == "skip":
                item.add_marker(pytest.mark.skip(reason=case.text))
            yield item


class RuleItem(pytest.Item):
    """The test of one judged rule."""

    def __init__(self, *, case: _Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case

    def runtest(self) -> None:
        """Fail if the rule failed."""
        if self.case.outcome == "fail":
            raise _Failed(self.case.text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *rest: Any, **more: Any) -> Any:
        """Return a sentence, because there is no line of code to show."""
        if isinstance(excinfo.value, _Failed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *rest, **more)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the file and the rule in words; pytest would read the dots of a bare name as those of a class."""
        return self.path, 0, f"{self.path.name}: {self.name}"


class _Failed(Exception):
    """A failed rule, with its text."""


def _cases(record: Record, session_audit: _SessionAudit) -> list[_Case]:
    """Return all tests of an audit; some test fails if and only if the audit's exit code is not 0."""
    policy = _policy(record)
    on_inconclusive, allowed = policy.get("on_inconclusive", "warn"), policy.get("allow_errors", [])
    report = f"Run: {session_audit.folder}"
    cases = [_rule(rule, on_inconclusive, report) for rule in record.gate.rules]
    cases += [_crash(check, check.name in allowed, report) for check in record.checks if check.status == "error"]
    cases += [
        _Case(_plain(f"plugin {plugin.name} is loaded"), "fail", _plain(f"{plugin.distribution}: {plugin.reason}"))
        for plugin in record.plugins
        if plugin.status in _LOST_PLUGIN
    ]
    unexplained = session_audit.exit_code != 0 and all(case.outcome != "fail" for case in cases)
    if unexplained:  # No check ran, or a report could not be written.
        why = "; ".join(session_audit.complaints) or record.summary.answer or f"exit code {session_audit.exit_code}"
        cases.append(_Case("the audit is complete", "fail", f"{_plain(why)}\n{report}"))
    return cases or [_Case("the audit is complete")]


def _policy(record: Record) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(record.provenance.config or "{}").get("gate", {})
    return policy


def _rule(rule: Rule, on_inconclusive: str, report: str) -> _Case:
    """Return a rule as a test: warnings are skipped, and so are undecided rules unless the policy stops on them."""
    from raikit.format import sample_size

    name, text = _plain(rule.sentence), _plain(f"{_measured(rule)}{rule.reason}")
    if rule.status == "pass":
        return _Case(name)
    if rule.status == "waived":
        return _Case(name, "skip", text)
    if rule.status == "inconclusive":
        text = f"inconclusive: {text}{_needed(rule)}"
        if rule.severity == "warn" or on_inconclusive not in ("fail", "stop"):
            return _Case(name, "skip", text)
    elif rule.severity == "warn":
        return _Case(name, "skip", f"warning only: {text}")
    sample = f"From {sample_size(rule.n, counts=rule.counts)}.\n" if rule.n else ""
    return _Case(name, "fail", f"{text}\nRule: {name}\n{sample}{report}")


def _measured(rule: Rule) -> str:
    """Return ``33.4% (95% CI 24.5 to 41.8%): ``, empty if nothing was measured."""
    from raikit.format import confidence_interval, measure

    if rule.value is None or rule.low is None or rule.high is None:
        return ""
    ends = confidence_interval(rule.low, rule.high, rule.unit, level=rule.level, value=rule.value)
    return f"{measure(rule.value, rule.low, rule.high, rule.unit)} ({ends}): "


def _needed(rule: Rule) -> str:
    return f"; {text}" if (text := rule.describe_needed_data()) else ""


def _crash(check: CheckRecord, allowed: bool, report: str) -> _Case:
    text = _plain(f"{check.name} crashed: {check.reason}")
    if allowed:
        return _Case(f"{check.name} runs", "skip", f"{text}; gate.allow_errors allows that")
    return _Case(f"{check.name} runs", "fail", f"{text}\n{report}")


def _plain(text: str) -> str:
    """Return the text as one line without control characters; group names come from data."""
    from raikit.console import clean

    return clean(" ".join(text.split()))


# --- the summary below the dots ---------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the last screen of the audit, and where the report is."""
    session_audit = terminalreporter.config.stash.get(_AUDIT_KEY, None)
    if session_audit is None:
        return
    from raikit.errors import RaikitError
    from raikit.naming import using
    from raikit.run.reader import load_run
    from raikit.run.screen import final_screen

    folder = Path(session_audit.folder)
    terminalreporter.section("raikit")
    try:
        record = load_run(folder).record
    except RaikitError as error:  # a test has removed the run, or written over it
        terminalreporter.line(_plain(f"raikit: {error}"))
        return
    with using(record.data.labels):
        for line in final_screen(record, record.summary, verbose=terminalreporter.config.get_verbosity() > 1):
            _write_line(terminalreporter, line)
    for case in _cases(record, session_audit):
        if case.outcome == "skip" and case.name.endswith(" runs"):  # A crash that the policy allows is no rule of the screen.
            terminalreporter.line(f"{case.name}: {case.text}")
    report = folder / "report.html"
    terminalreporter.line(_plain(f"Report: {report if report.exists() else folder / 'audit.json'}"))


def _write_line(terminalreporter: pytest.TerminalReporter, line: ScreenLine) -> None:
    """Write a line of the screen, its head in the colour that pytest chooses to show or not."""
    from raikit.console import one_line

    text, head = one_line(line.text), one_line(line.head)
    markup: dict[str, bool] = {"strong": {"bold": True}, "bad": {"red": True, "bold": True}, "open": {"yellow": True},
                               "good": {"green": True}}.get(line.style, {})
    if markup and text.startswith(head):
        terminalreporter.write(head, **markup)
        text = text[len(head):]
    terminalreporter.line(text)


# --- the fixture ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Run audits and assert on what they measured.

    ``audit(config, *, baseline=None, sets=(), out=None)`` runs the audit of an audit.yaml and returns what
    `raikit.load_run` returns: `metrics`, `rules`, `checks` and `findings` as frames, and the `record`. Without `baseline`
    regressions are not judged. `sets` are the ``KEY=VALUE`` of ``--set``. Without `out` the run is in a temporary folder.
    A broken rule does not raise: assert on ``run.record.verdict``.

    Examples
    --------
    ``assert audit("audit.yaml").record.find("performance.accuracy").low > 0.9``
    """

    def audit(
        config: str | Path,
        *,
        baseline: str | Path | None = None,
        sets: Sequence[str] = (),
        out: str | Path | None = None,
    ) -> Run:
        from raikit import load_run

        place = out if out is not None else tmp_path_factory.mktemp("raikit") / "run"
        outcome = _run(config, baseline=baseline, out=place, no_baseline=baseline is None, sets=sets)
        return load_run(outcome.folder)

    return audit
