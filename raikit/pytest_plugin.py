"""``pytest --raikit audit.yaml``: an audit among the tests, one test for each rule of its gate.

pytest loads this module wherever raikit is installed, so it imports nothing of raikit before an audit is asked for. The
audit runs once, at the start of the session: in the only process, or, under pytest-xdist, in the controller, which tells
its workers where the run is.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from raikit.run.reader import Run
    from raikit.run.record import CheckRecord, Record, Rule

_TOLD_WORKERS = "raikit_audit"
_LOST_PLUGIN = ("error", "incompatible", "ambiguous")


@dataclass(frozen=True)
class _Audited:
    """What the session's audit left; of plain types only, since workers are told of it over a wire."""

    config: str
    folder: str
    exit_code: int
    complaints: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Case:
    """A test: it passed, failed with a text, or was skipped with a reason."""

    name: str
    outcome: Literal["pass", "fail", "skip"] = "pass"
    text: str = ""


_AUDITED = pytest.StashKey[_Audited]()


# --- options ----------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Four options; without ``--raikit`` none of this module does anything."""
    group = parser.getgroup("raikit", "audits of trained models (raikit)")
    group.addoption("--raikit", metavar="CONFIG", help="Run the audit of this audit.yaml: one test per rule of its gate.")
    group.addoption("--raikit-baseline", metavar="RUN|FILE", help="What must not have got worse since.")
    group.addoption("--raikit-no-baseline", action="store_true", help="This is the first run: regressions are not judged.")
    group.addoption("--raikit-out", metavar="DIR", help="The run directory; absent: runs/NAME-TIME.")


def pytest_configure(config: pytest.Config) -> None:
    """Collect audit.yaml beside whatever else is collected."""
    path = _config_path(config)
    if path is None:
        for option in ("--raikit-baseline", "--raikit-no-baseline", "--raikit-out"):
            if config.getoption(option):
                raise pytest.UsageError(f"{option} needs --raikit audit.yaml.")
    elif str(path) not in config.args:  # a worker of pytest-xdist gets them from the controller
        config.args.append(str(path))


def _config_path(config: pytest.Config) -> Path | None:
    asked = config.getoption("--raikit")
    return None if asked is None else Path(os.path.abspath(config.invocation_params.dir / asked))


# --- the audit, once --------------------------------------------------------------------------------------------


def pytest_sessionstart(session: pytest.Session) -> None:
    """Run the audit, or hear from the controller where it is; nothing is captured yet, so its progress is seen."""
    config = session.config
    path = _config_path(config)
    if path is None:
        return
    told = getattr(config, "workerinput", {}).get(_TOLD_WORKERS)
    config.stash[_AUDITED] = _Audited(**told) if told else _session_audit(config, path)


def _session_audit(config: pytest.Config, path: Path) -> _Audited:
    from raikit.errors import RaikitError

    baseline, out = config.getoption("--raikit-baseline"), config.getoption("--raikit-out")
    if baseline and config.getoption("--raikit-no-baseline"):
        raise pytest.UsageError("--raikit-baseline and --raikit-no-baseline exclude each other.")
    try:
        outcome = _run(path, baseline=baseline, out=out, no_baseline=config.getoption("--raikit-no-baseline"))
    except RaikitError as error:
        raise pytest.UsageError(f"raikit: {_plain(str(error))}") from None
    folder = str(Path(outcome.folder).resolve())
    return _Audited(str(path), folder, outcome.exit_code, list(outcome.warnings))


def _run(
    config: str | Path, *, baseline: Any = None, out: Any = None, no_baseline: bool = False, sets: Sequence[str] = ()
) -> Any:
    # As `raikit audit` does: idle OpenMP threads that spin make small models ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from raikit.audit.conductor import Request, audit
    from raikit.console import Console

    request = Request(
        Path(config),
        out=Path(out) if out is not None else None,
        sets=tuple(sets),
        baseline=Path(baseline) if baseline is not None else None,
        no_baseline=no_baseline,
    )
    return audit(request, Console())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the run is."""
    audited = node.config.stash.get(_AUDITED, None)
    if audited is not None:
        node.workerinput[_TOLD_WORKERS] = asdict(audited)


# --- tests ------------------------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The audit's own configuration is a file of tests."""
    audited = parent.config.stash.get(_AUDITED, None)
    if audited is None or str(file_path) != audited.config:
        return None
    return AuditFile.from_parent(parent, path=file_path)


class AuditFile(pytest.File):
    """An audit.yaml whose audit has run."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each rule, and for each crash that no rule tells of."""
        from raikit.run.reader import load_run

        audited = self.config.stash[_AUDITED]
        seen: Counter[str] = Counter()
        for case in _cases(load_run(audited.folder).record, audited):
            seen[case.name] += 1
            name = case.name if seen[case.name] == 1 else f"{case.name} #{seen[case.name]}"
            item: RuleItem = RuleItem.from_parent(self, name=name, case=case)
            if case.outcome == "skip":
                item.add_marker(pytest.mark.skip(reason=case.text))
            yield item


class RuleItem(pytest.Item):
    """A rule, judged."""

    def __init__(self, *, case: _Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case

    def runtest(self) -> None:
        """Say what the gate has said."""
        if self.case.outcome == "fail":
            raise _Failed(self.case.text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *rest: Any, **more: Any) -> Any:
        """A sentence: there is no line of code to point at."""
        if isinstance(excinfo.value, _Failed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *rest, **more)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file, and the rule in words; not the bare name, whose dots pytest would take for those of a class."""
        return self.path, 0, f"{self.path.name}: {self.name}"


class _Failed(Exception):
    """Carries a failed rule's text to its report."""


def _cases(record: Record, audited: _Audited) -> list[_Case]:
    """All tests of an audit; some test fails if and only if the audit's exit code is not 0."""
    policy = _policy(record)
    on_inconclusive, allowed = policy.get("on_inconclusive", "warn"), policy.get("allow_errors", [])
    report = f"Run: {audited.folder}"
    cases = [_rule(rule, on_inconclusive, report) for rule in record.gate.rules]
    cases += [_crash(check, check.name in allowed, report) for check in record.checks if check.status == "error"]
    cases += [
        _Case(_plain(f"plugin {plugin.name} is loaded"), "fail", _plain(f"{plugin.distribution}: {plugin.reason}"))
        for plugin in record.plugins
        if plugin.status in _LOST_PLUGIN
    ]
    unexplained = audited.exit_code != 0 and all(case.outcome != "fail" for case in cases)
    if unexplained:  # nothing ran, or a report could not be written
        why = "; ".join(audited.complaints) or record.summary.answer or f"exit code {audited.exit_code}"
        cases.append(_Case("the audit is complete", "fail", f"{_plain(why)}\n{report}"))
    return cases or [_Case("the audit is complete")]


def _policy(record: Record) -> dict[str, Any]:
    import json

    policy: dict[str, Any] = json.loads(record.provenance.config or "{}").get("gate", {})
    return policy


def _rule(rule: Rule, on_inconclusive: str, report: str) -> _Case:
    """What a rule's status means to pytest: a warning is no failure, and what is undecided is skipped unless it stops."""
    name, said = _plain(rule.sentence), _plain(f"{_measured(rule)}{rule.reason}")
    if rule.status == "pass":
        return _Case(name)
    if rule.status == "waived":
        return _Case(name, "skip", said)
    if rule.status == "inconclusive":
        said = f"inconclusive: {said}{_needed(rule)}"
        if rule.severity == "warn" or on_inconclusive not in ("fail", "stop"):
            return _Case(name, "skip", said)
    elif rule.severity == "warn":
        return _Case(name, "skip", f"warning only: {said}")
    rows = f"From {rule.n:,} rows.\n" if rule.n else ""
    return _Case(name, "fail", f"{said}\nRule: {name}\n{rows}{report}")


def _measured(rule: Rule) -> str:
    """``0.334 [0.245, 0.418]: ``, or nothing where nothing was measured."""
    from raikit.format import significant

    if rule.value is None or rule.low is None or rule.high is None:
        return ""
    level = f" at {rule.level:g} confidence" if rule.level is not None else ""
    return f"{significant(rule.value)} [{significant(rule.low)}, {significant(rule.high)}]{level}: "


def _needed(rule: Rule) -> str:
    return f"; {told}" if (told := rule.describe_needed_data()) else ""


def _crash(check: CheckRecord, allowed: bool, report: str) -> _Case:
    said = _plain(f"{check.name} crashed: {check.reason}")
    if allowed:
        return _Case(f"{check.name} runs", "skip", f"{said}; gate.allow_errors lets that pass")
    return _Case(f"{check.name} runs", "fail", f"{said}\n{report}")


def _plain(text: str) -> str:
    """One line without control characters: group names come from data."""
    from raikit.console import clean

    return clean(" ".join(text.split()))


# --- what stands below the dots ---------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The answer, what was not decided (which pytest by itself counts only as skipped), and where the report is."""
    audited = terminalreporter.config.stash.get(_AUDITED, None)
    if audited is None:
        return
    from raikit.run.reader import load_run

    folder = Path(audited.folder)
    record = load_run(folder).record
    terminalreporter.section("raikit")
    terminalreporter.line(_plain(f"{record.summary.question}  {record.summary.answer}"))
    for case in _cases(record, audited):
        if case.outcome == "skip":
            terminalreporter.line(f"  {case.name}: {case.text}")
    for warning in record.gate.warnings:
        terminalreporter.line(_plain(f"  warning: {warning}"))
    report = folder / "report.html"
    terminalreporter.line(f"Report: {report if report.exists() else folder / 'audit.json'}")


# --- the fixture ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Run audits and assert on what they measured.

    ``audit(config, *, baseline=None, sets=(), out=None)`` runs the audit of an audit.yaml and gives what
    `raikit.load_run` gives: `metrics`, `rules`, `checks` and `findings` as frames, and the `record`. Without `baseline`
    regressions are not judged; `sets` are the ``KEY=VALUE`` of ``--set``; without `out` the run is in a temporary folder.
    A broken rule raises nothing: assert on ``run.record.verdict``.

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
