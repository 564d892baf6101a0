"""The source of a check and of a plugin, and the broken rules among outcomes."""

from __future__ import annotations

import pytest

CHECK = '''
import raikit

class Rows(raikit.Check):
    """Counts rows."""
    name = "mine.rows"
    pillar = "mine"
    produces = ["mine.rows"]
    def run(self, ctx):
        return raikit.CheckResult(metrics=[raikit.Metric.exact("rows", ctx.predictions.size())])
'''
PLUGIN = CHECK + """
raikit_api = 1

@raikit.hookimpl
def raikit_checks():
    return [Rows]
"""


@pytest.fixture
def check_source():
    """The source of a check in a local file."""
    return CHECK


@pytest.fixture
def plugin_source():
    """The source of a plugin that provides the same check."""
    return PLUGIN


@pytest.fixture
def broken():
    """Return the reasons of the broken rules, by rule: ``broken(outcomes)``."""
    return lambda outcomes: {outcome.rule: outcome.reason for outcome in outcomes if outcome.status == "failed"}
