"""A plugin with an odd check and a well-behaved one, which tests make worse in one way at a time."""

from __future__ import annotations

SOURCE = '''
import raikit

raikit_api = 1


class Odd(raikit.Check):
    """Something odd."""

    name = "odd.one"
    pillar = "odd"
    produces = ["odd.count"]

    def run(self, ctx):
        result = raikit.CheckResult(metrics=[raikit.Metric.exact("count", 1)])
        {body}
        return result


class Even(Odd):
    """Its well-behaved neighbour, which runs after it in the same distribution."""

    name = "odd.two"
    produces = ["odd.ends"]

    def run(self, ctx):
        import os, random
        import numpy
        shares = [random.random(), float(numpy.random.random()), ctx.rng.random()]
        facts = ["ODD" in os.environ, os.path.exists("audit.yaml")]
        {torch}
        return raikit.CheckResult(metrics=[raikit.Metric.exact("ends", sum(shares) + sum(facts))])


@raikit.hookimpl
def raikit_checks():
    return [Odd, Even]
'''
_TORCH = "import torch; shares.append(float(torch.rand(1))); facts.append(torch.get_default_dtype() == torch.float32)"
SELECT = ("--select", "performance.classification", "--select", "odd")  # both checks, and one of raikit's own
WITHOUT = ("--select", "performance.classification")  # none of the plugin's checks


def odd_plugin(body="pass", *, torch=False):
    """Return the plugin's source.

    Parameters
    ----------
    body : str
        What the odd check does after it has measured.
    torch : bool
        Whether the check beside it also looks at the global state of torch; importing torch takes seconds.
    """
    return SOURCE.replace("{body}", body).replace("{torch}", _TORCH if torch else "pass")
