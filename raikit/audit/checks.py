"""Run the checks of a plan: the processes of other distributions, and what a person sees meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from raikit.audit.check_runner import Runner
from raikit.audit.opening import config_for_children
from raikit.audit.places import Places
from raikit.audit.requirements import Available
from raikit.errors import place_of
from raikit.format import seconds
from raikit.run.results import plain

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.audit.redaction import Redactor
    from raikit.audit.selection import PlannedCheck
    from raikit.check import CheckContext
    from raikit.console import Console
    from raikit.isolation.parent import Children
    from raikit.models.scoring import PredictionSource
    from raikit.run.directory import RunDirectory
    from raikit.run.record import CheckRecord


# Of a context, what a child process is told.
_FACTS = ("task", "classes", "positive", "sensitive", "cluster", "weight", "max_groups", "reference", "favourable", "missing_group")


def tell_children(plan: Plan, context: CheckContext, source: PredictionSource, children: Children) -> None:
    """Tell the processes of other distributions what their checks are given."""
    facts = {name: plain(getattr(context, name)) for name in _FACTS}
    config = config_for_children(plan, context.data)
    if context.task == "multiclass":
        config["data"]["classes"] = facts["classes"]  # with those that only the model knows, from the start
    children.tell(
        context={
            **facts,
            "labels": asdict(context.labels),
            "confidence": context.confidence,
            "requests": [asdict(request) for request in context.levels.requests],
            "split": context.predictions.split,
            "has_model": source.is_model,
        },
        config=config,
    )


def run_checks(
    plan: Plan,
    context: CheckContext,
    source: PredictionSource,
    children: Children | None,
    run: RunDirectory,
    console: Console,
    redactor: Redactor | None = None,
) -> list[CheckRecord]:
    """Run the planned checks in order and return a record for each, also for those that do not run, but for other tasks' checks."""
    if children is not None:
        tell_children(plan, context, source, children)
    planned = plan.checks_of_task(Available.of_context(context))
    display = _Display(plan, planned, children, run, console)
    places = Places(children, model_is_here=source.model is not None or not source.is_model)
    runner = Runner(run, context, source.capabilities, plan.seed, display.announce, display.finish, places, redactor)
    return runner.run_all(planned)


def _planned(item: PlannedCheck) -> str:
    """Return whether a check will run, or why not, for the plan that ``--verbose`` shows."""
    if item.status is None:
        return f"will run ({item.entry.check.cost})"
    return f"{item.status}: {item.reason}" if item.reason else item.status


class _Display:
    """Shows the progress of checks to a person, and tells listeners of each that ended."""

    def __init__(
        self, plan: Plan, planned: Sequence[PlannedCheck], children: Children | None, run: RunDirectory, console: Console
    ) -> None:
        self._registry, self._children, self._run, self._console = plan.registry, children, run, console
        names = [item.name for item in planned if item.status is None]
        self._labels = {name: f"[{number}/{len(names)}] {name}" for number, name in enumerate(names, 1)}
        self._announced: set[str] = set()
        finished = sum(run.load_check(name) is not None for name in names)
        console.say(f"Checks: {len(names)}" + (f", of which {finished} had finished before" if finished else ""))
        for item in planned:
            console.detail(f"  {item.name}: {_planned(item)}")

    @contextmanager
    def announce(self, name: str) -> Iterator[Callable[..., None]]:
        """Show that a check starts, and yield its ``progress(done, total)``."""
        self._announced.add(name)
        if self._console.live:  # The bar names the check, and `finish` leaves a line.
            with self._console.progress(self._labels[name], keep=False) as step:
                yield step
            return
        self._console.say(f"  {self._labels[name]}")
        with self._console.progress(name) as step:
            yield step

    def finish(self, record: CheckRecord) -> None:
        """Show how long a check took or why it has no result, and call the listeners."""
        announced = record.name in self._announced
        if record.status == "ok" and announced:
            if self._console.live:
                self._console.say(f"  {self._labels[record.name]}: {seconds(record.seconds)}")
            else:
                self._console.detail(f"        {seconds(record.seconds)}")
        if record.status != "ok":
            head = "      " if announced and not self._console.live else f"  {self._labels.get(record.name, record.name)}:"
            self._console.say(f"{head} {record.status}: {record.reason}{place_of(record.traceback)}")
        for complaint in self._registry.notify(
            "raikit_check_finished", self._children, result=record, run=self._run.folder
        ):
            self._console.say(f"        {complaint}")
