"""Intervals and tests for audits: one place for all statistical procedures.

=================== =================================================================================
module              what is in it
=================== =================================================================================
`rates`             one group's rate: exact limits, effective counts of weighted cases
`gaps`              gaps, odds gaps and ratios over groups of independent cases
`clusters`          the same for cases that share clusters
`covariance`        the cluster-robust covariance of the groups' estimates
`covariance_result` what it returns, and how many clusters and cases a group needs to decide
`dominance`         groups in which few clusters are in a class of their own
`skewness`          what skew errors of rates in clusters add to a limit
`unseen`            what a cluster that was not sampled adds to a limit at strict levels
`jackknife`         variances by leaving out one cluster, or one case
`means`             intervals of means
`tails`             means of losses and ratios of means, with heavy tails
`contributions`     how many cases or clusters a mean's variance rests on
`areas`             area under the ROC curve, average precision
`auc`               interval of the area under the ROC curve
`bootstrap`         intervals of smooth statistics without a formula
`calibration`       expected calibration error
`calibration_gaps`  differences between the calibration errors of groups
`mover`             limits of a difference or a ratio from the limits of its parts
`noninferiority`    whether a group got worse since a baseline
`gap_growth`        whether the gap itself grew since a baseline
`changes`           the same for any metric, from estimates and variances; cases may differ
`shared_cases`      variances of changes between runs that have cases in common
`calibration_growth` how much a calibration error grew since a baseline
`paired`            the joint covariance of a baseline's and a candidate's rates
`subgroups`         rates of many overlapping groups
`search`            which of many groups are worse than the rest, and a bound for all of them
`planning`          how many cases would settle a rule
`detectable`        the gap or ratio of rates that would have been detected
`detectable_change` the worsening since another run that would have been detected
`multiplicity`      Holm, Benjamini-Hochberg
`permutation`       permutation p-value of "no difference"
=================== =================================================================================

Below them: `families` (which contrasts are tested together), `maxt` (simultaneous critical values), `quantities` (limits
from a cluster covariance), `absolute_sums` (limits of sums of absolute values), `two_models` (rates of a baseline and a
candidate side by side), `subgroup_sums`, `subgroup_clusters` and `subgroup_skewness` (sums over overlapping groups, the
variances of their clusters, and how skew those make errors), `cells` (merging of alike entries), `products` (inner products on
one thread), `interval`, `quantiles`, `validation` and `constants`.

Intervals and test results have a `method` for a table cell. Random numbers come only from the `numpy.random.Generator` that the
caller gives. ``benchmarks/simulate_*.py`` simulate error rates: of rates, gaps and ratios for independent cases, for clusters
of equal and of very uneven size, and for weights that are related to the outcome.

It must not know of audits, checks or data sets: arrays go in, and intervals come out. Names are imported on first use, so
that importing this package costs neither numpy nor scipy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from raikit.deprecation import deprecated

if TYPE_CHECKING:
    from raikit.stats.areas import auc_influence as auc_influence
    from raikit.stats.areas import average_precision_influence as average_precision_influence
    from raikit.stats.auc import auc_interval as auc_interval
    from raikit.stats.bootstrap import bootstrap_interval as bootstrap_interval
    from raikit.stats.calibration import CalibrationError as CalibrationError
    from raikit.stats.calibration import calibration_error as calibration_error
    from raikit.stats.calibration import equal_bins as equal_bins
    from raikit.stats.calibration_gaps import calibration_contrasts as calibration_contrasts
    from raikit.stats.calibration_gaps import calibration_gap as calibration_gap
    from raikit.stats.calibration_gaps import calibration_ratio as calibration_ratio
    from raikit.stats.calibration_growth import BinErrors as BinErrors
    from raikit.stats.calibration_growth import calibration_change as calibration_change
    from raikit.stats.changes import EstimatedChange as EstimatedChange
    from raikit.stats.changes import RunEstimates as RunEstimates
    from raikit.stats.changes import estimate_change as estimate_change
    from raikit.stats.changes import gap_change as gap_change
    from raikit.stats.changes import gap_widening as gap_widening
    from raikit.stats.clusters import ClusteredRates as ClusteredRates
    from raikit.stats.clusters import clustered_difference as clustered_difference
    from raikit.stats.clusters import clustered_gap as clustered_gap
    from raikit.stats.clusters import clustered_group_vs_rest as clustered_group_vs_rest
    from raikit.stats.clusters import clustered_odds_gap as clustered_odds_gap
    from raikit.stats.clusters import clustered_rate_interval as clustered_rate_interval
    from raikit.stats.clusters import clustered_ratio as clustered_ratio
    from raikit.stats.clusters import join_contrasts as join_contrasts
    from raikit.stats.covariance import influence_covariance as influence_covariance
    from raikit.stats.covariance import rate_covariance as rate_covariance
    from raikit.stats.covariance_result import MIN_EFFECTIVE_CLUSTERS as MIN_EFFECTIVE_CLUSTERS
    from raikit.stats.covariance_result import CovarianceResult as CovarianceResult
    from raikit.stats.gap_growth import gap_increase_test as gap_increase_test
    from raikit.stats.gaps import Contrasts as Contrasts
    from raikit.stats.gaps import Gap as Gap
    from raikit.stats.gaps import gap as gap
    from raikit.stats.gaps import group_vs_rest as group_vs_rest
    from raikit.stats.gaps import minimum_detectable as minimum_detectable
    from raikit.stats.gaps import odds_gap as odds_gap
    from raikit.stats.gaps import permutation_p as permutation_p
    from raikit.stats.gaps import ratio as ratio
    from raikit.stats.interval import Interval as Interval
    from raikit.stats.means import mean_interval as mean_interval
    from raikit.stats.means import skewed_mean_interval as skewed_mean_interval
    from raikit.stats.mover import difference_limits as difference_limits
    from raikit.stats.mover import difference_of_estimates as difference_of_estimates
    from raikit.stats.mover import ratio_limits as ratio_limits
    from raikit.stats.multiplicity import benjamini_hochberg as benjamini_hochberg
    from raikit.stats.multiplicity import holm as holm
    from raikit.stats.noninferiority import mover_difference as mover_difference
    from raikit.stats.noninferiority import worsening_test as worsening_test
    from raikit.stats.paired import paired_covariance as paired_covariance
    from raikit.stats.paired import unpaired_covariance as unpaired_covariance
    from raikit.stats.planning import RowsNeeded as RowsNeeded
    from raikit.stats.planning import rate_rows_needed as rate_rows_needed
    from raikit.stats.planning import rows_needed as rows_needed
    from raikit.stats.planning import rows_to_settle as rows_to_settle
    from raikit.stats.rates import RateIntervals as RateIntervals
    from raikit.stats.rates import clopper_pearson as clopper_pearson
    from raikit.stats.rates import effective_counts as effective_counts
    from raikit.stats.rates import simultaneous_rates as simultaneous_rates
    from raikit.stats.search import Certificate as Certificate
    from raikit.stats.search import FlaggedGroups as FlaggedGroups
    from raikit.stats.search import certificate as certificate
    from raikit.stats.search import excess_p as excess_p
    from raikit.stats.search import worse_than_rest as worse_than_rest
    from raikit.stats.shared_cases import CaseInfluences as CaseInfluences
    from raikit.stats.shared_cases import influence_estimates as influence_estimates
    from raikit.stats.shared_cases import shared_loss as shared_loss
    from raikit.stats.subgroups import Subgroups as Subgroups
    from raikit.stats.subgroups import subgroup_rates as subgroup_rates
    from raikit.stats.tails import loss_interval as loss_interval
    from raikit.stats.tails import ratio_of_means_interval as ratio_of_means_interval
    from raikit.stats.two_models import WorseningResult as WorseningResult

_MODULE_NAMES = {
    "areas": "auc_influence average_precision_influence",
    "auc": "auc_interval",
    "bootstrap": "bootstrap_interval",
    "calibration": "CalibrationError calibration_error equal_bins",
    "calibration_gaps": "calibration_contrasts calibration_gap calibration_ratio",
    "calibration_growth": "BinErrors calibration_change",
    "changes": "EstimatedChange RunEstimates estimate_change gap_change gap_widening",
    "clusters": (
        "ClusteredRates clustered_difference clustered_gap clustered_group_vs_rest clustered_odds_gap "
        "clustered_rate_interval clustered_ratio join_contrasts"
    ),
    "covariance": "influence_covariance rate_covariance",
    "covariance_result": "MIN_EFFECTIVE_CLUSTERS CovarianceResult",
    "gap_growth": "gap_increase_test",
    "gaps": "Contrasts Gap gap group_vs_rest minimum_detectable odds_gap permutation_p ratio",
    "interval": "Interval",
    "means": "mean_interval skewed_mean_interval",
    "mover": "difference_limits difference_of_estimates ratio_limits",
    "multiplicity": "benjamini_hochberg holm",
    "noninferiority": "mover_difference worsening_test",
    "paired": "paired_covariance unpaired_covariance",
    "planning": "RowsNeeded rate_rows_needed rows_needed rows_to_settle",
    "rates": "RateIntervals clopper_pearson effective_counts simultaneous_rates",
    "search": "Certificate FlaggedGroups certificate excess_p worse_than_rest",
    "shared_cases": "CaseInfluences influence_estimates shared_loss",
    "subgroups": "Subgroups subgroup_rates",
    "tails": "loss_interval ratio_of_means_interval",
    "two_models": "WorseningResult",
}
_MODULE_OF = {name: module for module, names in _MODULE_NAMES.items() for name in names.split()}
__all__ = sorted(_MODULE_OF)

_RENAMED = {
    "Flagged": "FlaggedGroups",
    "Moved": "WorseningResult",
    "gap_moved": "gap_increase_test",
    "joined": "join_contrasts",
    "moved": "worsening_test",
}
_RETIRED = {"MIN_CLUSTERS": 8}  # Constants that nothing uses any more.
_INSTEAD = {**_RENAMED, "MIN_CLUSTERS": "MIN_EFFECTIVE_CLUSTERS"}
_DEPRECATIONS = {
    old: deprecated(f"raikit.stats.{old}", since="0.2", removed_in="0.4", instead=f"use raikit.stats.{new}")
    for old, new in _INSTEAD.items()
}


def __getattr__(name: str) -> Any:
    if name in _DEPRECATIONS:
        _DEPRECATIONS[name].warn()
        return _RETIRED[name] if name in _RETIRED else __getattr__(_RENAMED[name])
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
