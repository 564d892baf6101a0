"""``python -m raikit``."""

from raikit.cli import run

run()
