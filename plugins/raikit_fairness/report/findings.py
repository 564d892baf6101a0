"""Sentences: which groups are worse off, by how much, how sure, from how much data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import raikit
from raikit_fairness.estimates.disparities import Disparity
from raikit_fairness.estimates.group_estimates import Estimates, Settings

if TYPE_CHECKING:
    from raikit.stats import Gap
    from raikit_fairness.estimates.case_counts import BoolArray, Cells, Feature


@dataclass(frozen=True)
class Subject:
    """A metric that findings speak about.

    Parameters
    ----------
    estimates : Estimates
        Of what happens to a group's rows.
    difference, ratio : Disparity
        `difference` may be that of the complement: the same gap between the same groups.
    doing : str
        What happens to rows, to follow the group: ``are missed``.
    short : str
        ``the rate missed``.
    figure : str or None
        Id of the figure that shows it.
    counted : ndarray of bool
        Rows (or cells) in the denominator.
    cited : sequence of str
        Addresses.
    mean : bool
        Whether it is a mean in the target's own unit rather than a rate.
    lower_is_worse : bool
        Whether the group with the lower value is the one to name first.
    """

    estimates: Estimates
    difference: Disparity
    ratio: Disparity | None
    doing: str
    short: str
    figure: str | None
    counted: BoolArray
    cited: Sequence[str]
    mean: bool = False
    lower_is_worse: bool = False


def worst_first(
    subjects: dict[tuple[str, ...], list[Subject]], cells: Cells, features: Sequence[Feature], settings: Settings
) -> list[raikit.Finding]:
    """One finding per feature and metric whose gap is real, the largest first; else a note per feature."""
    real, notes = [], []
    for feature in features:
        several = subjects[feature.columns]
        proven = [(subject, gap) for subject in several if (gap := subject.difference.gap) and gap.low > 0]
        for subject, gap in proven:
            # means have no common scale: how far the interval stays from 0, in its own width
            size = gap.low / max(gap.high, 1e-12) if subject.mean else gap.low
            real.append((-size, _real(subject, gap, feature, cells, settings)))
        if not proven and feature.k > 1:
            notes.append(_none(several, feature, settings))
    return [finding for _, finding in sorted(real, key=lambda pair: pair[0])] + notes


def _real(subject: Subject, gap: Gap, feature: Feature, cells: Cells, settings: Settings) -> raikit.Finding:
    value, level = subject.estimates.value, f"{settings.level * 100:g} % interval"
    ends = sorted((subject.difference.worst, subject.difference.best), key=lambda at: float(value[at]))
    first, second = ends if subject.lower_is_worse else ends[::-1]
    who, other = feature.name(first), feature.name(second)
    shown = " against ".join(_number(float(value[at]), subject.mean) for at in (first, second))
    if ratio := _doubtless(subject, ends):
        reach = f"{level} of the ratio {_interval(ratio)}"
        much = f"{1 / ratio.value:.1f} times " + ("those of" if subject.mean else "as often as")
    else:
        scale, unit = (1, "") if subject.mean else (100, " points")
        reach = f"{level} {gap.low * scale:.3g} to {gap.high * scale:.3g}{unit}"
        much = "higher than" if subject.mean else "less often than" if subject.lower_is_worse else "more often than"
        shown += f", a gap of {gap.value * scale:.3g}{unit}"
    ground = _ground(subject, feature, cells, (first, second))
    return raikit.Finding(
        sentence=f"Rows with {who} {subject.doing} {much} {other} ({shown}; {reach}; {ground}).", severity="warn",
        what=subject.short, who=f"{who} against {other}", certainty=reach, metrics=list(subject.cited),
        figures=[subject.figure] if subject.figure else [], group=feature.group(first),
    )


def _doubtless(subject: Subject, ends: Sequence[int]) -> Gap | None:
    """The ratio of the same two groups, if it is beyond doubt as well; else the gap is told in points."""
    if subject.ratio is None or subject.lower_is_worse:
        return None
    ratio = subject.ratio.gap
    same = {subject.ratio.worst, subject.ratio.best} == set(ends)
    return ratio if ratio is not None and same and ratio.value > 0 and ratio.high < 1 else None


def _interval(ratio: Gap) -> str:
    """The interval of the larger over the smaller value."""
    least = f"{1 / ratio.high:.1f}"
    for digits in (2, 3, 4):  # an end that is beyond 1 must not read as 1
        least = f"{1 / ratio.high:.{digits}f}" if float(least) <= 1 else least
    return f"at least {least}" if ratio.low <= 0 else f"{least} to {1 / ratio.low:.1f}"


def _number(value: float, mean: bool) -> str:
    if mean:
        return f"{value:.4g}"
    return f"{value * 100:.1f} %" if value >= 0.001 or value == 0 else f"{value * 100:.2g} %"


def _ground(subject: Subject, feature: Feature, cells: Cells, groups: tuple[int, int]) -> str:
    """Rows and clusters behind both numbers."""
    import numpy as np

    rows = " and ".join(f"{int(subject.estimates.n[at]):,}" for at in groups)
    parts = [f"{rows} rows"]
    for name, codes in zip(cells.cluster_names, cells.clusters, strict=True):
        shared = subject.counted & (codes >= 0)  # a row that shares no cluster is no cluster
        found = [len(np.unique(codes[shared & (feature.code == at)])) for at in groups]
        parts.append(f"{found[0]:,} and {found[1]:,} {_plural(name)}")
    return ", ".join(parts)


def _plural(name: str) -> str:
    """``speakers``; a name that is no plain word keeps its shape."""
    return f"{name}s" if name.isalpha() and name.isascii() and not name.endswith("s") else f"of {name}"


def _none(subjects: Sequence[Subject], feature: Feature, settings: Settings) -> raikit.Finding:
    judged = [subject for subject in subjects if subject.difference.gap]
    cited = [address for subject in subjects for address in subject.cited]
    if not judged:
        why = f"fewer than two of its groups have {settings.min_group} rows" + (
            " and enough clusters" if any(subject.estimates.n_clusters is not None for subject in subjects) else "")
        sentence = f"No gap over {feature.title} could be judged: {why} in any denominator."
    else:
        could = ", ".join(f"{subject.difference.gap.minimum_detectable:.2g} in {subject.short}" for subject in judged
                          if subject.difference.gap)
        sentence = f"No gap established over {feature.title}; these data could have shown one of {could}."
    return raikit.Finding(sentence=sentence, severity="note", what="Gaps over " + feature.title, who=feature.title,
                          certainty=f"{settings.level * 100:g} % intervals reach 0", metrics=cited)
