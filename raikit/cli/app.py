"""The commands and their options; each calls a function that imports what it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from raikit.process.importing import without_collection

_Command = Callable[..., Any]

EXIT_CODES = (
    "Exit codes: 0 passed, 1 the gate failed, 2 unusable input, 3 something crashed or is missing, 4 not enough data "
    "(if the policy stops on that), 5 nothing ran, 130 interrupted."
)
COMMON = ("quiet", "verbose", "no_color", "debug")  # options of every command
_PATH = click.Path(path_type=Path)


class _Source(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click
    """A path, or the address of something on another filesystem."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path; an address stays text, because a Path would lose one of its slashes."""
        from raikit.remote import is_remote

        return value if is_remote(value) else Path(value)


class _Run(_Source):
    """A run or baseline file, which is copied from another filesystem if need be."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the Path of the run, or of its copy."""
        from raikit.remote import fetch, is_remote

        return fetch(value) if is_remote(value) else Path(value)


_SOURCE, _RUN = _Source(), _Run()


class _WithCommonOptions(click.Command):
    """A command whose help lists the options of every command, which are the group's own and may stand anywhere."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of the command, then those of every command."""
        super().format_options(ctx, formatter)
        common = [param for param in ctx.find_root().command.params if param.name in COMMON]
        with formatter.section("Options of every command"):
            formatter.write_dl([row for param in common if (row := param.get_help_record(ctx)) is not None])


class _InOrder(click.Group):
    """A group that lists its commands in the order of their definition, not of the alphabet."""

    command_class = _WithCommonOptions

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of their definition."""
        return list(self.commands)


def _sets(command: _Command) -> _Command:
    return click.option(
        "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Replace a value of the configuration; may be repeated."
    )(command)


def _seed(command: _Command) -> _Command:
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Replace the configuration's seed.")(command)


def _formats(command: _Command) -> _Command:
    return click.option("--formats", metavar="html,json,md,junit,sarif,comment", callback=_list, help="Reports to write.")(command)


def _list(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


@click.group(cls=_InOrder, epilog=EXIT_CODES, context_settings={"max_content_width": 100})
@click.version_option(package_name="raikit", message="raikit %(version)s")
@click.option("--quiet", is_flag=True, help="Print only the verdict and the paths of reports; no progress.")
@click.option("--verbose", is_flag=True, help="Add the plan, seconds, rules that hold, all findings and how they are known.")
@click.option("--no-color", is_flag=True, help="Write without colour, as NO_COLOR=1 does; without a terminal there is none.")
@click.option("--debug", is_flag=True, help="Add a traceback to errors.")
def app(quiet: bool, verbose: bool, no_color: bool, debug: bool) -> None:
    """Audit trained models, as pytest tests code; every number carries its uncertainty.

    The options below may stand before or after a command.
    """
    if quiet and verbose:
        raise click.UsageError("Use either --quiet or --verbose, not both.")


@app.command()
@click.option(
    "--out", type=_PATH, default=Path("raikit-demo"), show_default=True, help="Where data, audit.yaml and the run go."
)
@_seed
@click.option("--resume", is_flag=True, help="Resume an interrupted demo.")
def demo(out: Path, seed: int | None, resume: bool) -> int:
    """Build a small data set of real pictures, words and voices, and audit a model of it."""
    with without_collection():
        from raikit.cli import commands

    return commands.demo(out, seed or 0, resume)


@app.command()
@click.argument("data", type=_SOURCE)
@click.option("--out", type=_PATH, default=Path("audit.yaml"), show_default=True, help="The file to write.")
@click.option("--target", metavar="COLUMN", help="The column to predict (in an evaluation log: of scores), if init cannot know it.")
@click.option("--model", type=_PATH, metavar="FOLDER", help="A model that save_pretrained wrote, which is audited on the table.")
def init(data: Path | str, out: Path, target: str | None, model: Path | None) -> int:
    """Write a commented audit.yaml for a table or an evaluation log; what is unsure becomes a question."""
    with without_collection():
        from raikit.cli import commands

    return commands.init(data, out, target, model)


@app.command()
@click.argument("config", type=_PATH)
@click.option("--out", type=_PATH, help="The run directory; absent: runs/NAME-TIME.")
@click.option("--baseline", type=_RUN, metavar="RUN|FILE", help="The run to compare with for regressions.")
@click.option("--no-baseline", is_flag=True, help="This is the first run: do not judge regressions.")
@click.option("--select", multiple=True, metavar="NAME", help="Run only this check or pillar; may be repeated.")
@click.option("--exclude", multiple=True, metavar="NAME", help="Leave out this check or pillar; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Run slow checks too.")
@click.option("--disable", multiple=True, metavar="PLUGIN", help="Do not load this plugin; may be repeated.")
@click.option("--isolation", type=click.Choice(["process", "none"]), default="process", show_default=True,
              help="Run checks of other distributions in their own processes; none is for debugging.")
@_sets
@_formats
@click.option("--redact", is_flag=True, help="Leave inputs and single cases out of the run, and hash ids.")
@click.option("--salt", type=_PATH, metavar="FILE", help="Keep the salt of --redact here, to compare runs case by case.")
@click.option("--resume", is_flag=True, help="Resume the run in --out.")
@click.option("--dry-run", is_flag=True, help="Print what would run, and stop.")
@_seed
def audit(dry_run: bool, **options: Any) -> int:
    """Train or load the model, score the data, run every check, judge, and write the report."""
    with without_collection():
        from raikit.audit.plan import Request
        from raikit.cli import commands

    request = Request(**options)
    return commands.dry_run(request) if dry_run else commands.audit(request)


@app.command()
@click.argument("config", type=_PATH)
@click.option("--out", type=_PATH, help="The model's folder; absent: models/NAME-TIME.")
@_sets
@_seed
def train(**options: Any) -> int:
    """Train the model and save it, without an audit."""
    with without_collection():
        from raikit.audit.plan import Request
        from raikit.cli import commands

    return commands.train(Request(**options))


@app.command()
@click.argument("run", type=_PATH)
@click.option("--policy", type=_PATH, help="A YAML file with rules; absent: those of the run.")
@click.option("--baseline", type=_RUN, metavar="RUN|FILE", help="The run to compare with for regressions.")
@click.option("--no-baseline", is_flag=True, help="Do not judge regressions.")
@click.option("--remeasure", is_flag=True, help="Measure what the rules rest on again, from the predictions of the run.")
def gate(run: Path, policy: Path | None, baseline: Path | None, no_baseline: bool, remeasure: bool) -> int:
    """Judge a stored run again."""
    with without_collection():
        from raikit.cli import commands

    return commands.gate(run, policy, baseline, no_baseline, remeasure)


@app.command()
@click.argument("before", type=_PATH)
@click.argument("after", type=_PATH)
@click.option("--metric", "patterns", multiple=True, metavar="PATTERN", help="Compare only these addresses; may be repeated.")
@click.option("--out", type=_PATH, help="A folder for report.html and report.md of the comparison.")
@click.option("--report", type=_PATH, metavar="FILE", help="Write what changed to this file, such as changes.html, too.")
def compare(before: Path, after: Path, patterns: tuple[str, ...], out: Path | None, report: Path | None) -> int:
    """Show what changed from one run to another, with its uncertainty; judge nothing."""
    with without_collection():
        from raikit.cli import commands

    return commands.compare(before, after, list(patterns), out, report)


@app.group(cls=_InOrder)
def baseline() -> None:
    """Keep a baseline as one small file that can be committed and reviewed, without inputs and rows."""


@baseline.command("save")
@click.argument("run", type=_PATH)
@click.argument("file", type=_PATH)
@click.option("--suppress", type=click.IntRange(0), default=10, help="Leave out groups of fewer cases (10).")
@click.option("--everything", is_flag=True, help="Keep all metrics, not only those of the policy's regressions.")
def baseline_save(run: Path, file: Path, suppress: int, everything: bool) -> int:
    """Write what later runs are compared with to a file."""
    with without_collection():
        from raikit.cli import commands

    return commands.save_baseline(run, file, suppress, everything)


@baseline.command("accept")
@click.argument("run", type=_PATH)
@click.argument("file", type=_PATH)
@click.option("--reason", required=True, help="Why this run is the baseline now; kept in the file.")
def baseline_accept(run: Path, file: Path, reason: str) -> int:
    """Replace the run of a baseline file, after review."""
    with without_collection():
        from raikit.cli import commands

    return commands.accept_baseline(run, file, reason)


@app.command()
@click.argument("run", type=_PATH)
@_formats
def report(run: Path, formats: list[str] | None) -> int:
    """Write the reports of a stored run again, from its record."""
    with without_collection():
        from raikit.cli import commands

    return commands.report(run, formats)


@app.command()
@click.argument("run", type=_PATH)
@click.option("--key", type=_PATH, required=True, help="An Ed25519 private key, PEM or OpenSSH; RAIKIT_KEY_PASSPHRASE opens it.")
def sign(run: Path, key: Path) -> int:
    """Sign a run: attestation.json, an in-toto test result bound to model, data and policy."""
    with without_collection():
        from raikit.cli import commands

    return commands.sign(run, key)


@app.command()
@click.argument("run", type=_PATH)
@click.option("--signed-by", type=_PATH, help="An Ed25519 public key, PEM or OpenSSH, whose owner must have signed the run.")
def verify(run: Path, signed_by: Path | None) -> int:
    """Compare every file of a run with its manifest: 0 if all are as they were written, else 1.

    This detects accidents and later changes, not an author who writes a new manifest; --signed-by does.
    """
    with without_collection():
        from raikit.cli import commands

    return commands.verify(run, signed_by)


@app.group(cls=_InOrder, invoke_without_command=True)
@click.pass_context
def plugins(context: click.Context) -> int:
    """Show, create and test plugins; without a command: list."""
    from raikit.cli import plugin_commands

    return plugin_commands.list_installed() if context.invoked_subcommand is None else 0


@plugins.command("list")
@click.option("--load", is_flag=True, help="Import them, and show API version, hooks, checks and errors.")
def plugins_list(load: bool) -> int:
    """List installed plugins, from their metadata only unless --load."""
    from raikit.cli import plugin_commands

    return plugin_commands.list_loaded() if load else plugin_commands.list_installed()


@plugins.command("info")
@click.argument("name", metavar="PATH|NAME")
def plugins_info(name: str) -> int:
    """Describe a check, a pillar, a plugin or a file of checks: requirements, metrics and options."""
    from raikit.cli import plugin_commands

    return plugin_commands.info(name)


@plugins.command("new")
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(["check", "report", "model"]), default="check", show_default=True, help="What it provides."
)
@click.option("--out", type=_PATH, metavar="DIR", help="The folder to write; absent: NAME, here.")
def plugins_new(name: str, kind: str, out: Path | None) -> int:
    """Write a working package of your own: a check (or what --kind says), its tests and an example."""
    from raikit.cli.new import new

    return new(name, kind, out)


@plugins.command("check")
@click.argument("plugin", metavar="PATH|NAME", required=False)
@click.option("--rules", is_flag=True, help="Print the rules, and stop.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60, show_default=True, metavar="SECONDS",
    help="Time limit of a rule.",
)  # fmt: skip
@click.option("--data", type=_PATH, metavar="CONFIG", help="An audit.yaml on whose data checks are tested, too.")
def plugins_check(plugin: str | None, rules: bool, timeout: float, data: Path | None) -> int:
    """Test a plugin, a package's folder or a file of checks against the plugin contract: 0 if it conforms, else 1."""
    from raikit.cli import plugin_commands

    if rules:
        return plugin_commands.rules()
    if plugin is None:
        raise click.UsageError("Name a file of checks, a package's folder or an installed plugin.")
    return plugin_commands.check(plugin, timeout, data)


@app.command()
@click.option("--record", is_flag=True, help="Print that of audit.json instead.")
def schema(record: bool) -> int:
    """Print the JSON schema of audit.yaml, for editors, or of the record."""
    with without_collection():
        from raikit.cli import commands

    return commands.schema(of_record=record)


@app.command()
@click.argument("runs", type=_PATH, nargs=-1, required=True)
@click.option("--ratchet", is_flag=True, help="Print tighter rules that the newest runs keep, as YAML.")
@click.option("--report", type=_PATH, metavar="FILE", help="Write the history to this file, such as history.html, too.")
def history(runs: tuple[Path, ...], ratchet: bool, report: Path | None) -> int:
    """Draw each metric with a rule over runs (or all runs of a folder), oldest first."""
    with without_collection():
        from raikit.cli import commands

    return commands.history(runs, ratchet, report)
