"""Headlines of one check that are the same, told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from raikit.run.results import Metric
from raikit.run.statements import phrases


def distinct_headlines(said: Sequence[tuple[str, str, Metric | None]]) -> list[str]:
    """Return headlines, with the columns or the measure added to those of one check that are the same.

    Parameters
    ----------
    said : sequence of (str, str, Metric or None)
        Check, headline and the metric that it is about.
    """
    headlines = [headline for _, headline, _ in said]
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, (check, headline, _) in enumerate(said):
        alike[check, headline].append(position)
    for (_, headline), positions in alike.items():
        metrics = [metric for position in positions if (metric := said[position][2]) is not None]
        if 1 < len(positions) == len(metrics):
            for position, told in zip(positions, _told_apart(headline, metrics), strict=True):
                headlines[position] = told
    return headlines


def _told_apart(headline: str, metrics: Sequence[Metric]) -> list[str]:
    """Return the headline of each metric, in the first way that tells all of them apart; as it is if there is none."""
    columns = [f" by {phrases.by_columns(metric.over)}" if metric.over and not metric.group else "" for metric in metrics]
    kinds = [f" ({phrases.kind_of(metric)})" for metric in metrics]
    measures = [f" ({phrases.measure_name(metric.name.removesuffix('_difference'))})" for metric in metrics]
    for added in (columns, kinds, measures):
        told = [headline + more for more in added]
        if len(set(told)) == len(told) and all(phrases.first_that_fits(text) == text for text in told):
            return told
    return [headline] * len(metrics)
