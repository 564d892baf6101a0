"""All that can fail a build, judged together: one family of rules and regressions, whatever measured them.

A build fails if any rule or regression does. Twenty rules that each err in 2.5% of builds fail up to 40% of builds in which
nothing is broken. Holm's method bounds the probability that any of them does, under any dependence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from raikit.run.levels import LevelRequest, Levels
from raikit.run.record import Rule, RuleFamily

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig, RuleConfig

# Sizes of families at whose corrected errors a breach is measured, each about the square root of 2 times the last: Holm's method
# then needs an error at most 1.5 times smaller than it would with exact p-values.
_SIZES = (
    1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 450, 640, 900, 1280, 1800, 2560, 3600, 5120, 7200, 10240,
)  # fmt: skip


ROUNDING = 1e-12  # by which two computations of one error may differ

# Sizes of families at whose errors every interval of a rule is measured, broken or not, for a policy that is not yet known.
# At 95% the levels are 99% and 99.9%, which are also those that rules ask for most often.
_SPARE_SIZES = (10, 100)


class Claim(Protocol):
    """A rule or regression with the evidence that it is broken.

    Attributes
    ----------
    rule : Rule
    p_value : float or None
        Upper bound of the p-value of "the limit is kept". None if the rule cannot fail by chance: it is decided already.
    own_error : float
        Largest one-sided error at which it may fail, whatever else is judged.
    """

    rule: Rule
    p_value: float | None
    own_error: float

    def decide(self, error: float, size: int) -> None:
        """Decide the rule: it fails if its p-value is at most `error`, with `size` tests judged together."""


def corrected_error(p_values: Sequence[float], error: float) -> float:
    """Return the one-sided error to which Holm's method holds each of the p-values in the end.

    Parameters
    ----------
    p_values : sequence of float
    error : float
        Of the whole family.

    Returns
    -------
    float
        Holm's method rejects exactly the p-values that are at most this.

    Notes
    -----
    Holm compares the k-th smallest of m p-values with ``error / (m - k + 1)`` and stops at the first that is larger. What was
    rejected before is below that last threshold too, so that all intervals in a report can be shown at one level.

    References
    ----------
    .. [1] Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 1979.

    Examples
    --------
    >>> corrected_error([0.5, 0.001, 0.03], 0.05)
    0.025
    """
    for rank, p_value in enumerate(sorted(p_values)):
        threshold = error / (len(p_values) - rank)
        if p_value > threshold + ROUNDING:
            return threshold
    return error


def decide_together(claims: Sequence[Claim], error: float) -> RuleFamily | None:
    """Decide claims as one family, in place; return its size and level, or None if none of them can fail by chance."""
    tested = [claim for claim in claims if claim.p_value is not None]
    if not tested:
        return None
    # A claim that its own error does not allow is as good as unproven, so that the bound of the family still holds.
    p_values = [claim.p_value or 0.0 for claim in tested]
    allowed = [p if p <= claim.own_error else 1.0 for p, claim in zip(p_values, tested, strict=True)]
    corrected = corrected_error(allowed, error)
    for claim in tested:
        claim.decide(min(corrected, claim.own_error), len(tested))
    return RuleFamily(size=len(tested), error=error, level=1 - 2 * corrected)


def decide_alone(claims: Sequence[Claim]) -> None:
    """Decide each claim by its own error, in place."""
    for claim in claims:
        if claim.p_value is not None:
            claim.decide(claim.own_error, 1)


def levels_of(policy: GateConfig, confidence: float) -> Levels:
    """Return the levels at which the rules of a policy may need the metrics of a run at this confidence."""
    if policy.decide_on == "estimate":
        return Levels(confidence=confidence)
    return Levels(tuple(_request(rule, policy, confidence) for rule in policy.rules), confidence)


def _request(rule: RuleConfig, policy: GateConfig, confidence: float) -> LevelRequest:
    limit, bound = (rule.max, "max") if rule.max is not None else (rule.min, "min")
    assert limit is not None
    error, corrected = policy.family_error(confidence), policy.error_rate == "build" and rule.severity == "fail"
    errors, spare = (tuple(error / size for size in sizes) if corrected else () for sizes in (_SIZES, _SPARE_SIZES))
    return LevelRequest(rule.metric, limit, "max" if bound == "max" else "min", rule.confidence, errors, spare)
