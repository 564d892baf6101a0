"""Verdicts: whether the explanations of a method can be believed on this model and these cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_explain.estimates.faithfulness import chance_test
from raikit_explain.estimates.games import EncodedGame
from raikit_explain.estimates.model_matters import of_random_copies

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded

Word = Literal["supported by evidence", "no better than chance", "not converged", "not tested"]
SUPPORTED: Word = "supported by evidence"
CHANCE: Word = "no better than chance"
NOT_CONVERGED: Word = "not converged"
NOT_TESTED: Word = "not tested"

LEVEL = 0.05  # of the test of one case, after Benjamini-Hochberg over all cases
LEAST_CASES = 8
MOST_UNCONVERGED = 0.10

RANDOM_COPY, MAGNITUDE = "random copy", "size of the inputs"
RETRAINED = "copy fitted on shuffled labels"
OTHER_CASE = "explanation of another case"
_STRANGERS = {RANDOM_COPY, RETRAINED}


class Explained(Protocol):
    """What a method says of n cases."""

    @property
    def values(self) -> Mapping[str, npt.NDArray[np.float32]]:
        """Attributions in the shapes of the encoded inputs."""
        ...

    @property
    def converged(self) -> BoolArray | None:
        """Whether each case's integral converged; None if the method has no integral."""
        ...


Method = Callable[["raikit.Model", "Encoded", Tensor], Explained]


@dataclass(frozen=True)
class Evidence:
    """What tests found on n cases.

    Attributes
    ----------
    p, score : mapping of method to ndarray, shape (n,)
        See `raikit_explain.estimates.faithfulness.ChanceTest`; NaN where a case cannot be tested.
    converged : mapping of method to ndarray of bool, shape (n,)
    controls : mapping of (method, control) to ndarray, shape (n,)
        p-values of pictures that know nothing of the model or of the case; a control that could not be had is missing, and NaN
        where a case has none.
    """

    p: dict[str, FloatArray]
    score: dict[str, FloatArray]
    converged: dict[str, BoolArray]
    controls: dict[tuple[str, str], FloatArray]


@dataclass(frozen=True)
class Share:
    """A share of cases that pass, with its interval.

    Attributes
    ----------
    value, low, high : float
    passed, n : int
        Cases that pass, of those that were tested.
    n_clusters : int or None
    effective_n : float
    few_clusters, few_events : bool
        See `raikit.stats.CovarianceResult`.
    method : str
    """

    value: float
    low: float
    high: float
    passed: int
    n: int
    n_clusters: int | None
    effective_n: float
    few_clusters: bool
    few_events: bool
    method: str


@dataclass(frozen=True)
class Verdict:
    """What can be said of a method.

    Attributes
    ----------
    word : str
    reason : str
        Why, as a clause: ``fewer than 8 cases have at least 4 parts``.
    share : Share or None
        Cases whose explanation passes; None if too few cases could be tested.
    controls : mapping of control to Share
    passed : ndarray of bool, shape (n,)
    """

    word: Word
    reason: str
    share: Share | None
    controls: dict[str, Share]
    passed: BoolArray


def examine(
    model: raikit.Model, game: EncodedGame, encoded: Encoded, decided: Tensor, methods: Mapping[str, Method],
    rng: np.random.Generator, *, controls: bool = True,
) -> Evidence:
    """Test the explanations of some methods on n cases, beside pictures that know nothing of the model or of the case."""
    explained = {name: method(model, encoded, decided) for name, method in methods.items()}
    rows: dict[tuple[str, str], FloatArray] = {(name, ""): game.totals(of.values) for name, of in explained.items()}
    if controls:
        magnitude = game.magnitudes()
        for name, method in methods.items():
            rows[name, MAGNITUDE] = magnitude
            rows[name, OTHER_CASE] = of_other_cases(rows[name, ""], rng)
            strangers = of_random_copies(
                model, encoded, decided, lambda *of, method=method: method(*of).values, rng)
            if strangers is not None:
                rows[name, RANDOM_COPY] = game.totals(strangers)
    found = chance_test(game, list(rows.values()), rng)
    alone = len(decided) < 2  # there is no other case
    p = {of: np.full_like(values, np.nan) if alone and of[1] == OTHER_CASE else values
         for of, values in zip(rows, found.p, strict=True)}
    score = dict(zip(rows, found.score, strict=True))
    everyone = np.ones(len(decided), dtype=bool)
    return Evidence(
        {name: p[name, ""] for name in methods}, {name: score[name, ""] for name in methods},
        {name: everyone if of.converged is None else of.converged for name, of in explained.items()},
        {of: values for of, values in p.items() if of[1]},
    )


def of_other_cases(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Give each case the explanation of another one, drawn at random, shape (n, m); a single case keeps its own.

    One picture for all cases may suit many of them, and explains none: here it does as well as it did before.
    """
    order = rng.permutation(len(values))
    others = np.empty_like(values)
    others[order] = values[np.roll(order, 1)]
    return others


def joined(parts: Sequence[Evidence]) -> Evidence:
    """Put the evidence of consecutive cases together."""
    first = parts[0]
    return Evidence(
        {name: np.concatenate([part.p[name] for part in parts]) for name in first.p},
        {name: np.concatenate([part.score[name] for part in parts]) for name in first.score},
        {name: np.concatenate([part.converged[name] for part in parts]) for name in first.converged},
        {key: np.concatenate([part.controls[key] for part in parts]) for key in first.controls
         if all(key in part.controls for part in parts)},
    )


def passes(p: FloatArray) -> BoolArray:
    """Return which cases pass, with at most one in twenty of them by chance (Benjamini and Hochberg [1]_).

    References
    ----------
    .. [1] Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 1995.
    """
    return np.asarray(np.nan_to_num(stats.benjamini_hochberg(p), nan=1.0) <= LEVEL)


def verdict(
    evidence: Evidence, method: str, *, weight: FloatArray | None = None, clusters: Sequence[IntArray] = (),
    level: float = 0.95,
) -> Verdict:
    """Judge a method.

    Parameters
    ----------
    evidence : Evidence
    method : str
    weight : ndarray, shape (n,), optional
        Cases of the split that each stands for.
    clusters : sequence of ndarray of int, each shape (n,)
    level : float
        Of the intervals.

    Returns
    -------
    Verdict

    Notes
    -----
    A case passes if its explanation is better than random ones (`chance_test`) after Benjamini-Hochberg over the tested cases,
    and has converged. The first rule that applies decides:

    1. "not converged": more than a tenth of the integrals did not converge;
    2. "not tested": fewer than 8 cases have the four content parts that the test needs;
    3. "supported by evidence": at least half of the tested cases have a p-value of at most 2.5%, and the lower limit of the
       share of cases that pass is above the upper limit of the share that each control reaches on the same cases. The controls
       are the same method on copies of the model with random weights or fitted on shuffled labels, the size of the inputs, and
       the explanation of another case; all three must have been tried;
    4. "no better than chance": fewer than half of the cases pass, and it is not shown that the order of parts is better
       than its reverse in more than half of the cases;
    5. "not tested", with the reason, where none of this is shown.

    Half of the cases at half the level: twice the median of p-values is a p-value however they depend on one another [1]_. One
    order of the parts that knows nothing of the model is right or wrong for all cases at once, and so Benjamini-Hochberg alone
    would let it pass more often. Where all cases are alike, each explanation suits every case, and none is supported.

    Rule 3 shows that a method tells which parts decide in many cases, not in all: each case has its own word. It was simulated
    with 64 cases and 200 models of each of eight designs (``benchmarks/simulate_explanations.py``). Random orders, one order for
    all cases or for a class, and the mean of the right ones in one class were supported in at most 1% of models. Explanations of
    another network were in 0 to 6% (standard error 1.7), the most where cases are of two kinds. Other models may differ.

    References
    ----------
    .. [1] Rüger, "Das maximale Signifikanzniveau des Tests: Lehne H0 ab, wenn k unter n gegebenen Tests zur Ablehnung führen",
       Metrika 1978.
    """
    p, converged = evidence.p[method], evidence.converged[method]
    tested = np.isfinite(p)
    passed = passes(p) & converged
    if len(converged) and converged.mean() < 1 - MOST_UNCONVERGED:
        return Verdict(NOT_CONVERGED, f"the integrals of {int((~converged).sum())} of {len(converged)} did not converge",
                       _share(passed, tested, weight, clusters, level), {}, np.zeros_like(passed))
    if tested.sum() < LEAST_CASES:
        return Verdict(NOT_TESTED, f"fewer than {LEAST_CASES} have the four parts with content that the test needs",
                       None, {}, np.zeros_like(passed))
    share = _share(passed, tested, weight, clusters, level)
    controls = {control: of for (name, control), values in evidence.controls.items() if name == method
                if (of := _share(passes(values), np.isfinite(values), weight, clusters, level)) is not None}
    word, reason = _judged(share, controls, evidence.score[method][tested], p[tested])
    return Verdict(word, reason, share, controls, passed if word == SUPPORTED else np.zeros_like(passed))


def _judged(share: Share | None, controls: Mapping[str, Share], score: FloatArray, p: FloatArray) -> tuple[Word, str]:
    if share is None:
        return NOT_TESTED, "no tested case has a weight"
    rivals = [name for name, of in controls.items() if share.low <= of.high]
    complete = {MAGNITUDE, OTHER_CASE} <= set(controls) and bool(_STRANGERS & set(controls))
    half = bool(np.mean(p <= LEVEL / 2) >= 0.5)
    if half and share.low > LEVEL and not rivals and complete:
        return SUPPORTED, "explanations tell which parts decide far more often than pictures that do not know the model"
    low, _ = stats.clopper_pearson(int((score > 0).sum()), len(score), 0.95)
    if share.value < 0.5 and float(low) <= 0.5:
        return CHANCE, "explanations order the parts of a case no better than random ones"
    if not _STRANGERS & set(controls):
        return NOT_TESTED, "the model has no weights that can be drawn anew for comparison"
    if share.low <= LEVEL or not half:
        return NOT_TESTED, "too few cases pass by themselves, though most lean the right way"
    if rivals == [OTHER_CASE]:
        return NOT_TESTED, "explanations of other cases order the parts of a case as well as its own"
    rivals = [name for name in rivals if name != OTHER_CASE]
    if rivals:
        return NOT_TESTED, f"the test cannot tell it from a picture that does not know the model ({rivals[0]})"
    return NOT_TESTED, "there is no other case whose explanation could be compared"


def _share(
    passed: BoolArray, tested: BoolArray, weight: FloatArray | None, clusters: Sequence[IntArray], level: float
) -> Share | None:
    """Estimate the share of tested cases that pass: Clopper-Pearson limits at the effective number of cases and clusters."""
    of_weight = None if weight is None else weight[tested]
    if not tested.any() or (of_weight is not None and not of_weight.any()):
        return None
    n = int(tested.sum())
    covariance = stats.rate_covariance(passed[tested].astype(float), np.ones(n), np.zeros(n, dtype=np.int64),
                                       [codes[tested] for codes in clusters], of_weight, groups=1, proportion=True)
    rate = stats.clustered_rate_interval(covariance, level)
    clustered = bool(covariance.ways)
    return Share(float(rate.value[0]), float(rate.low[0]), float(rate.high[0]), int(passed[tested].sum()), n,
                 int(covariance.n_clusters[0]) if clustered else None, float(rate.n_effective[0]),
                 clustered and bool(rate.few_clusters[0]), bool(covariance.few_events[0]), rate.method)


def case_words(evidence: Evidence, method: str, overall: Verdict) -> list[Word]:
    """Return the word of each single case, which is no better than that of its method."""
    if overall.word in (NOT_CONVERGED, NOT_TESTED):
        return [overall.word] * len(evidence.p[method])
    passed, tested, converged = passes(evidence.p[method]), np.isfinite(evidence.p[method]), evidence.converged[method]
    return [NOT_TESTED if not has_test else NOT_CONVERGED if not done
            else SUPPORTED if good and overall.word == SUPPORTED else CHANCE
            for has_test, done, good in zip(tested, converged, passed, strict=True)]
