"""The console of a command, as the options of every command ask for it."""

from __future__ import annotations

import click

from raikit.console import Console


def console_of_command() -> Console:
    """Return a console as the running command's ``--quiet``, ``--verbose`` and ``--no-color`` say; the default outside one."""
    context = click.get_current_context(silent=True)
    options = context.find_root().params if context is not None else {}
    color = False if options.get("no_color") else None
    return Console(quiet=bool(options.get("quiet")), verbose=bool(options.get("verbose")), color=color)
