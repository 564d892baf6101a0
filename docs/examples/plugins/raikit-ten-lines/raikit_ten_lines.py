"""Calibration in the large: a complete plugin in one short file."""

import raikit

raikit_api = 1


class Promise(raikit.Check):
    """Mean score minus the share of positive cases: above 0, the scores are too "
    "high."""

    name, pillar = "ten_lines.promise", "ten_lines"
    requires = raikit.Requires(columns={"target", "score"}, tasks={"binary"})
    produces = ("ten_lines.calibration_in_the_large",)

    def run(self, ctx):
        """Measure it; the interval accounts for weights and clusters."""
        cases = ctx.arrays()
        excess = cases.scores[:, 1] - (cases.truth == 1)
        interval = raikit.stats.mean_interval(
            excess, cases.weight, cases.clusters, ctx.confidence, bounds=(-1, 1)
        )
        fields = vars(interval) | {"n": len(cases), "unit": "points"}
        metric = raikit.Metric("calibration_in_the_large", **fields)
        return raikit.CheckResult(metrics=[metric])


@raikit.hookimpl
def raikit_checks():
    """Return the checks of this plugin."""
    return [Promise]
