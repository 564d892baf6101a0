"""From a request to a validated plan: the configuration, the plugins, the checks that run and the report formats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from raikit.address import Pattern
from raikit.audit import refusals
from raikit.audit.inputs import WatchedInputs, code_of, inputs_of
from raikit.audit.memory import InMemory
from raikit.audit.requirements import Available, of_another_task
from raikit.audit.selection import PlannedCheck, select_checks
from raikit.config.load import LoadedConfig, load
from raikit.config.schema import AuditConfig
from raikit.errors import ConfigError
from raikit.gate.aliases import Aliases
from raikit.gate.baseline import policy_and_baseline
from raikit.gate.rules import may_measure_any
from raikit.isolation.parent import Children
from raikit.models.loaders import OBJECT_KIND
from raikit.plugins.discovery import discover
from raikit.plugins.registry import Registry
from raikit.process.beginning import beginning
from raikit.run.directory import default_folder, newest_folder
from raikit.run.reader import Run


@dataclass(frozen=True)
class Request:
    """What ``raikit audit`` or ``raikit train`` was called with.

    Attributes
    ----------
    config : Path
        audit.yaml.
    out : Path or None
        The run directory, or the folder of a model.
    select, exclude : sequence of str
        Names of checks and pillars.
    everything : bool
        Whether slow checks run without being named.
    sets : sequence of str
        ``KEY=VALUE`` that replace values of the configuration.
    formats : sequence of str or None
        Report formats; None: those of the configuration.
    resume : bool
    seed : int or None
        Replaces that of the configuration.
    baseline : Path or None
        A run, or a file that ``raikit baseline save`` wrote.
    no_baseline : bool
        Whether regressions are not judged.
    disable : sequence of str
        Plugins that are not loaded.
    isolation : {"process", "none"}
        Whether checks of other distributions run in processes of their own.
    redact : bool
        Whether inputs and ids are left out of the run, whatever the configuration says.
    salt : Path or None
        The file that keeps the salt of hashed ids; None: it is not kept.
    memory : InMemory or None
        The configuration and the objects of `raikit.audit`, in place of the file `config`.
    """

    config: Path
    out: Path | None = None
    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    everything: bool = False
    sets: Sequence[str] = ()
    formats: Sequence[str] | None = None
    resume: bool = False
    seed: int | None = None
    baseline: Path | None = None
    no_baseline: bool = False
    disable: Sequence[str] = ()
    isolation: Literal["process", "none"] = "process"
    redact: bool = False
    salt: Path | None = None
    memory: InMemory | None = None


@dataclass(frozen=True)
class Plan:
    """A validated audit plan. Data has not been read yet.

    `children` holds the processes in which the code of others runs; None with ``--isolation none``. `inputs` knows what
    the files were like before any of it ran.
    """

    request: Request
    config: LoadedConfig
    registry: Registry
    checks: list[PlannedCheck]
    formats: list[str]
    baseline: Run | None = None
    children: Children | None = None
    inputs: WatchedInputs = field(default_factory=lambda: WatchedInputs([]))

    @property
    def settings(self) -> AuditConfig:
        """The configuration's values, with the options of the command line over them."""
        return self.config.audit

    def checks_of_task(self, available: Available) -> list[PlannedCheck]:
        """Return the checks without those of other tasks, which could not run; what is asked for stays, to say why it does not."""
        return [
            item for item in self.checks
            if item.status in ("error", "not_loaded") or not of_another_task(item.entry.check.requires, available)
            or self._asks_for(item)
        ]  # fmt: skip

    def _asks_for(self, item: PlannedCheck) -> bool:
        """Return whether the request, the configuration or its policy names a check, or a metric that it may measure."""
        named = [*self.request.select, *(self.settings.checks or {}), *(required.check for required in self.settings.gate.required)]
        if any(name == item.name or name.startswith(f"{item.name}.") for name in map(str, named)):
            return True
        metrics = [rule.metric for rule in (*self.settings.gate.rules, *self.settings.gate.regressions)]
        produced = [str(pattern) for pattern in item.entry.check.produces]
        return any("*" not in metric and may_measure_any(item.name, produced, Pattern(metric)) for metric in metrics)

    @property
    def seed(self) -> int:
        """The seed that those of training and of every check follow from."""
        return self.settings.seed


@contextmanager
def planned(request: Request) -> Iterator[Plan]:
    """Make a plan, and end the processes of its plugins when the block ends.

    Raises
    ------
    ConfigError
        If anything is wrong that can be known before data is read.
    """
    with beginning():
        config = _load_config(request)
        if request.isolation == "none":
            yield _make_plan(request, config, None)
        else:
            with Children(config.audit.plugins, config.folder) as children:
                yield _make_plan(request, config, children)


def _make_plan(request: Request, config: LoadedConfig, children: Children | None) -> Plan:
    """Find plugins, and decide what runs."""
    read, code = inputs_of(config.audit, config.folder, request.baseline), code_of(config.audit, config.folder)
    inputs = WatchedInputs(read, apart=request.out or Path("runs"), code=code)
    registry = discover(config.audit.plugins, config.folder, children)
    if request.memory is not None and request.memory.loader is not None:
        registry.loaders[OBJECT_KIND] = request.memory.loader
    checks = select_checks(
        config, registry, select=request.select, exclude=request.exclude, everything=request.everything
    )
    config, baseline = _open_baseline(request, config)
    config = _with_ids(config, registry)
    refusals.refuse_unreachable_rules(config, checks, registry)
    refusals.refuse_unknown_loader(config, registry)
    formats = list(request.formats if request.formats is not None else config.audit.formats)
    refusals.refuse_unknown_formats(registry, formats, by_option=request.formats is not None)
    refusals.refuse_invalid_settings(config, registry)
    return Plan(request, config, registry, checks, formats, baseline, children, inputs)


def run_folder(request: Request, name: str) -> Path:
    """Return where the run of an audit called `name` goes.

    Raises
    ------
    ConfigError
        If the run to resume is not named; says which is the newest.
    """
    if request.out is None and request.resume:
        newest = newest_folder(name)
        hint = f"the newest of {name} is {newest}" if newest else f"runs holds none of {name}"
        raise ConfigError(f"--resume: name the run to resume with --out; {hint}.")
    return request.out or default_folder(name)


def _load_config(request: Request) -> LoadedConfig:
    """Return the configuration with ``--set``, ``--seed`` and ``--disable`` over it."""
    seed = [f"seed={request.seed}"] if request.seed is not None else []
    config = load(request.config, [*request.sets, *seed]) if request.memory is None else request.memory.config
    plugins = config.audit.plugins
    plugins = plugins.model_copy(update={"disable": [*plugins.disable, *request.disable]})
    redact = request.redact or config.audit.redact
    if request.salt is not None and not redact:
        raise ConfigError("--salt is for --redact, which hashes ids; add it, or leave --salt out.")
    return replace(config, audit=config.audit.model_copy(update={"plugins": plugins, "redact": redact}))


def _with_ids(config: LoadedConfig, registry: Registry) -> LoadedConfig:
    """Return the configuration with the ids of metrics in place of their other names."""
    columns = [feature.column for feature in config.audit.data.sensitive]
    aliases = Aliases.of((entry.check for entry in registry.checks.values()), columns)
    policy = aliases.resolve_policy(config.audit.gate)
    return replace(config, audit=config.audit.model_copy(update={"gate": policy}))


def _open_baseline(request: Request, config: LoadedConfig) -> tuple[LoadedConfig, Run | None]:
    """Return the configuration with the policy that applies, and the verified baseline."""
    policy, baseline = policy_and_baseline(
        config.audit.gate,
        request.baseline,
        request.no_baseline,
        lambda problem: config.error(("gate", "regressions"), problem),
    )
    return replace(config, audit=config.audit.model_copy(update={"gate": policy})), baseline
