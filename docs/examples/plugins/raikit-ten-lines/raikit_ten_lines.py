"""Does the model promise more than comes true? A whole plugin in one short file."""

import raikit

raikit_api = 1


class Promise(raikit.Check):
    """Mean score less the share of positive rows: above 0 the model promises too much."""

    name, pillar = "ten_lines.promise", "ten_lines"
    requires = raikit.Requires(columns={"target", "score"}, tasks={"binary"})
    produces = ("ten_lines.calibration_in_the_large",)

    def run(self, ctx):
        """Ten lines, this one not counted: every row, its weight, and who it shares a cluster with."""
        rows = ctx.predictions.frame()
        over = rows["score"] - (rows["target"] == ctx.positive)
        weight = rows[ctx.weight] if ctx.weight else None
        clusters = [rows[column].factorize()[0] for column in ctx.cluster[:2]]
        found = raikit.stats.mean_interval(
            over, weight, clusters, ctx.confidence, bounds=(-1, 1)
        )
        fields = vars(found) | {"n": len(rows), "unit": "points"}
        metric = raikit.Metric("calibration_in_the_large", **fields)
        return raikit.CheckResult(metrics=[metric])


@raikit.hookimpl
def raikit_checks():
    """What this plugin brings."""
    return [Promise]
