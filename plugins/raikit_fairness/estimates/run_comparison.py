"""Which group lost against which since the baseline: on the same rows where both runs hold them, else from both runs' rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import raikit
from raikit_fairness import measures as m
from raikit_fairness.estimates.case_counts import coded_clusters, coded_column, crossed, positions

if TYPE_CHECKING:
    import pandas as pd

    from raikit_fairness.estimates.case_counts import BoolArray, IntArray


@dataclass(frozen=True)
class Stratum:
    """Rows a rate is taken over.

    Parameters
    ----------
    truth : bool or None
        Rows whose truth is the class (True), is not (False), or all (None).
    event : {"predicted", "right"}
        What the rate counts: predicted as the class, or predicted right.
    higher_is_better : bool
    """

    truth: bool | None
    event: str
    higher_is_better: bool


_TPR, _FPR = Stratum(True, "predicted", True), Stratum(False, "predicted", False)
# precision has another denominator in either run, and is compared by its intervals like everything not listed here
STRATA: dict[str, tuple[Stratum, ...]] = {
    str(m.SELECTION_RATE.difference): (Stratum(None, "predicted", True),),
    str(m.ACCURACY.difference): (Stratum(None, "right", True),),
    str(m.TPR.difference): (_TPR,),
    str(m.FPR.difference): (_FPR,),
    m.ODDS[0]: (_TPR, _FPR),
}


def compare(
    candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins, min_group: int, draws: int, seed: int
) -> list[raikit.Comparison]:
    """Compare the disparities that `margins` names; what is not comparable by its rows is left to the harness."""
    wanted = {str(metric.id): metric for _, metric in candidate.record.metrics() if str(metric.id) in margins.of}
    able = {address: metric for address, metric in wanted.items() if metric.name in STRATA and "to" not in metric.args
            and "given" not in metric.args and metric.group is None}
    data = candidate.record.data
    if not able or (baseline.is_file and (data.cluster or data.weight or not baseline.counts)):
        return []  # counts alone know nothing of clusters and weights
    pair = _pair(candidate, baseline, margins)
    found = []
    for address, metric in able.items():
        found.append(_one(address, metric, pair, margins, _Settings(min_group, draws, seed)))
    return found


@dataclass(frozen=True)
class _Settings:
    min_group: int
    draws: int
    seed: int


@dataclass(frozen=True)
class Pair:
    """Rows of both runs, with what they mean.

    Parameters
    ----------
    frames : (DataFrame, DataFrame)
        Baseline and candidate; the same rows in the same order if paired.
    paired : bool
    classes : list
    clusters : list of str
    weight : str or None
    note : str
    """

    frames: tuple[pd.DataFrame, pd.DataFrame]
    paired: bool
    classes: list[Any]
    clusters: list[str]
    weight: str | None
    note: str
    known: dict[Any, Any] = field(default_factory=dict)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What many metrics ask for is made for the first of them."""
        if key not in self.known:
            self.known[key] = make()
        return self.known[key]


def _pair(candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins) -> Pair:
    if baseline.is_file:
        return _from_counts(candidate, baseline)
    data, rows = candidate.record.data, raikit.pair_rows(candidate, baseline, margins)
    return Pair((rows.baseline, rows.candidate), rows.paired, list(data.classes), list(data.cluster), data.weight, rows.note)


def _from_counts(candidate: raikit.RunView, baseline: raikit.RunView) -> Pair:
    """Counts of the groups, targets and decisions of both runs, as rows that stand for many."""
    import pandas as pd

    data = candidate.record.data
    columns = [*data.sensitive, "target", "prediction"]
    old = pd.DataFrame(list(baseline.counts), columns=[*columns, "rows"])
    new = candidate.predictions.cells(columns)
    new.columns = pd.Index([*columns, "rows"])
    return Pair((old, new), False, list(data.classes), [], None, "against the baseline's counts, so unpaired")


def _counts(frame: pd.DataFrame) -> Any:
    """Rows that each row of a frame stands for; the counts are the last column, a feature may have that name too."""
    import numpy as np

    return frame.iloc[:, -1].to_numpy(dtype=np.int64) if "id" not in frame else np.ones(len(frame), dtype=np.int64)


def _one(address: str, metric: raikit.Metric, pair: Pair, margins: raikit.Margins, settings: _Settings) -> raikit.Comparison:
    import zlib

    import numpy as np

    from raikit import stats

    margin = margins.of[address]
    strata = STRATA[metric.name]
    positive = metric.args.get("class", None)
    at = _position(pair.classes, positive)
    cov, names, which, n = _rates(metric, pair, strata, at, settings.min_group)
    empty = dict.fromkeys(("value", "low", "high", "p_value"))
    if len(names) < 2:
        why = f"fewer than two groups have {settings.min_group} rows in the denominator of both runs"
        return raikit.Comparison(metric=address, margin=margin.margin, paired=pair.paired, n=n, reason=why, **empty)
    rng = np.random.default_rng([settings.seed, zlib.crc32(address.encode())])
    better = [stratum.higher_is_better for stratum in strata]
    test = stats.worsening_test if margin.test == "moved" else stats.gap_increase_test
    direction = better[0] if len(better) == 1 else better
    found, ends = (
        test(cov, margin.margin, higher_is_better=direction, strata=which, level=level, draws=settings.draws, rng=rng)
        for level in (1 - margins.error, 1 - margins.error / 2)  # what decides, then the ends of a two-sided interval
    )
    loser = getattr(found, "loser", None)
    told = None
    if loser is not None:
        told = " against ".join("the rest" if group < 0 else names[group] for group in (loser, found.against))
    return raikit.Comparison(
        metric=address, value=found.value, low=min(ends.low, found.value), high=max(ends.high, found.value),
        p_value=found.p_value, margin=margin.margin,
        paired=pair.paired, method=found.method, n=n, loser=told, minimum_detectable=found.minimum_detectable,
        reason=pair.note or None,
    )


def _position(classes: Sequence[Any], positive: Any) -> int:
    """Of the class that a metric is about; binary: the last one is the positive one."""
    if positive is None:
        return len(classes) - 1
    return next(at for at, label in enumerate(classes) if label == positive or str(label) == str(positive))


def _rates(
    metric: raikit.Metric, pair: Pair, strata: Sequence[Stratum], at: int, min_group: int
) -> tuple[Any, list[str], IntArray, int]:
    """Covariance of the rates of both runs in every judged group of every stratum, with the groups' names and strata."""
    import numpy as np
    import pandas as pd

    from raikit import stats

    old, new = pair.frames
    every = new if pair.paired else pair.once("every", lambda: pd.concat([old, new], ignore_index=True))
    over = tuple(metric.over or ())
    parts = [pair.once(("group", column), lambda column=column: coded_column(every[column])) for column in over]
    feature = pair.once(("feature", over), lambda: crossed(over, parts, 100_000))
    sides = pair.once(("sides", at), lambda: [_side(frame, pair, at) for frame in (old, new)])
    code = [feature.code] * 2 if pair.paired else [feature.code[: len(old)], feature.code[len(old) :]]
    blocks = [[_events(side, stratum) for side in sides] for stratum in strata]
    stand_for = [_counts(frame) for frame in (old, new)]
    counted = np.array([
        [np.bincount(where[rows], many[rows], minlength=feature.k)
         for (_, rows), where, many in zip(block, code, stand_for, strict=True)] for block in blocks
    ])  # stratum, run, group
    keep = (counted >= min_group).all(axis=1)
    names = [feature.name(group) for stratum in range(len(strata)) for group in np.flatnonzero(keep[stratum])]
    which = np.repeat(np.arange(len(strata)), keep.sum(axis=1))
    n = int(counted[:, 1].sum())
    if min(keep.sum(axis=1)) < 2:
        return None, [], which, n
    place = _places(keep)
    if pair.paired:
        clusters = _clusters(new, pair)
        group = np.concatenate([place[stratum][feature.code] for stratum in range(len(strata))])
        first, second, rows = (
            np.concatenate([pick(block) for block in blocks])
            for pick in (lambda b: b[0][0], lambda b: b[1][0], lambda b: b[1][1])
        )
        repeat = len(strata)
        weight = np.tile(new[pair.weight].to_numpy(dtype=float), repeat) if pair.weight else None
        if not clusters:
            return _counted(group, first, second, rows, weight, len(names)), names, which, n
        stacked = [np.tile(codes, repeat) for codes in clusters]
        cov = stats.paired_covariance(first, second, rows, group, stacked, weight, groups=len(names))
        return cov, names, which, n
    return _unpaired(pair, blocks, code, place, len(names)), names, which, n


def _counted(group: IntArray, first: BoolArray, second: BoolArray, rows: BoolArray, weight: Any, k: int) -> Any:
    """Covariance from the counts of group and both decisions: all that rows without clusters have to say."""
    import numpy as np

    from raikit import stats

    kept = rows & (group >= 0)
    key = (group[kept] * 2 + first[kept]) * 2 + second[kept]
    n = np.bincount(key, minlength=4 * k)
    w, w2 = (n.astype(float),) * 2 if weight is None else (
        np.bincount(key, part[kept], minlength=4 * k) for part in (weight, weight**2))
    there = np.flatnonzero(n)
    of, a, b = there // 4, (there // 2) % 2 == 1, there % 2 == 1
    return stats.paired_covariance(a, b, np.ones(len(there), dtype=bool), of, (), w[there], squares=w2[there],
                                   counts=n[there], groups=k)


def _unpaired(pair: Pair, blocks: Any, code: Sequence[IntArray], place: Any, k: int) -> Any:
    import numpy as np

    from raikit import stats

    sides = []
    for run in (0, 1):
        frame = pair.frames[run]
        repeat = len(blocks)
        events, rows = (np.concatenate([block[run][part] for block in blocks]) for part in (0, 1))
        group = np.concatenate([place[stratum][code[run]] for stratum in range(repeat)])
        weight = np.tile(frame[pair.weight].to_numpy(dtype=float), repeat) if pair.weight else None
        clusters = [np.tile(codes, repeat) for codes in _clusters(frame, pair)]
        sides.append(stats.rate_covariance(events & rows, rows, group, clusters, weight, k, scale="proportion",
                                           counts=np.tile(_counts(frame), repeat)))
    return stats.unpaired_covariance(*sides)


def _places(keep: BoolArray) -> IntArray:
    """Position of each group of each stratum among those that are judged; -1 for the others."""
    import numpy as np

    place = np.full(keep.shape, -1, dtype=np.int64)
    place[keep] = np.arange(int(keep.sum()))
    return place


def _side(frame: pd.DataFrame, pair: Pair, at: int) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Whether a row has the class, is predicted as it, and is predicted right."""
    truth, said = (positions(frame[column], pair.classes) for column in ("target", "prediction"))
    return truth == at, said == at, truth == said


def _events(side: tuple[BoolArray, BoolArray, BoolArray], stratum: Stratum) -> tuple[BoolArray, BoolArray]:
    import numpy as np

    truth, predicted, right = side
    rows = np.ones(len(truth), dtype=bool) if stratum.truth is None else truth if stratum.truth else ~truth
    return (predicted if stratum.event == "predicted" else right) & rows, rows


def _clusters(frame: pd.DataFrame, pair: Pair) -> list[Any]:
    return coded_clusters(frame, pair.clusters)[0]
