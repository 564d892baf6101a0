"""The statistics of raikit, all of them: intervals and tests that hold their level.

Every procedure returns a `method` fit for a table cell, draws only from the `numpy.random.Generator` it is given, and
has its level simulated in ``benchmarks/simulate_intervals.py``. Names are imported on first use: importing this package
costs neither numpy nor scipy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raikit.stats.calibration import CalibrationError as CalibrationError
    from raikit.stats.calibration import calibration_error as calibration_error
    from raikit.stats.calibration import equal_bins as equal_bins
    from raikit.stats.clusters import ClusteredRates as ClusteredRates
    from raikit.stats.clusters import clustered_difference as clustered_difference
    from raikit.stats.clusters import clustered_gap as clustered_gap
    from raikit.stats.clusters import clustered_group_vs_rest as clustered_group_vs_rest
    from raikit.stats.clusters import clustered_odds_gap as clustered_odds_gap
    from raikit.stats.clusters import clustered_rate_interval as clustered_rate_interval
    from raikit.stats.clusters import clustered_ratio as clustered_ratio
    from raikit.stats.clusters import joined as joined
    from raikit.stats.covariance import MIN_CLUSTERS as MIN_CLUSTERS
    from raikit.stats.covariance import CovarianceResult as CovarianceResult
    from raikit.stats.covariance import influence_covariance as influence_covariance
    from raikit.stats.covariance import rate_covariance as rate_covariance
    from raikit.stats.gaps import Contrasts as Contrasts
    from raikit.stats.gaps import Gap as Gap
    from raikit.stats.gaps import gap as gap
    from raikit.stats.gaps import group_vs_rest as group_vs_rest
    from raikit.stats.gaps import minimum_detectable as minimum_detectable
    from raikit.stats.gaps import odds_gap as odds_gap
    from raikit.stats.gaps import permutation_p as permutation_p
    from raikit.stats.gaps import ratio as ratio
    from raikit.stats.interval import Interval as Interval
    from raikit.stats.means import auc_influence as auc_influence
    from raikit.stats.means import auc_interval as auc_interval
    from raikit.stats.means import average_precision_influence as average_precision_influence
    from raikit.stats.means import bootstrap_interval as bootstrap_interval
    from raikit.stats.means import mean_interval as mean_interval
    from raikit.stats.mover import difference_limits as difference_limits
    from raikit.stats.mover import difference_of_estimates as difference_of_estimates
    from raikit.stats.mover import ratio_limits as ratio_limits
    from raikit.stats.multiplicity import benjamini_hochberg as benjamini_hochberg
    from raikit.stats.multiplicity import holm as holm
    from raikit.stats.planning import RowsNeeded as RowsNeeded
    from raikit.stats.planning import rows_needed as rows_needed
    from raikit.stats.planning import rows_to_settle as rows_to_settle
    from raikit.stats.rates import RateIntervals as RateIntervals
    from raikit.stats.rates import clopper_pearson as clopper_pearson
    from raikit.stats.rates import effective_counts as effective_counts
    from raikit.stats.rates import simultaneous_rates as simultaneous_rates
    from raikit.stats.noninferiority import Moved as Moved
    from raikit.stats.noninferiority import gap_moved as gap_moved
    from raikit.stats.noninferiority import moved as moved
    from raikit.stats.noninferiority import mover_difference as mover_difference
    from raikit.stats.noninferiority import paired_covariance as paired_covariance
    from raikit.stats.noninferiority import unpaired_covariance as unpaired_covariance
    from raikit.stats.search import Certificate as Certificate
    from raikit.stats.search import Flagged as Flagged
    from raikit.stats.search import certificate as certificate
    from raikit.stats.search import excess_p as excess_p
    from raikit.stats.search import worse_than_rest as worse_than_rest
    from raikit.stats.subgroups import Subgroups as Subgroups
    from raikit.stats.subgroups import subgroup_rates as subgroup_rates

_HOMES = {
    "calibration": "CalibrationError calibration_error equal_bins",
    "clusters": (
        "ClusteredRates clustered_difference clustered_gap clustered_group_vs_rest clustered_odds_gap "
        "clustered_rate_interval clustered_ratio joined"
    ),
    "covariance": "MIN_CLUSTERS CovarianceResult influence_covariance rate_covariance",
    "gaps": "Contrasts Gap gap group_vs_rest minimum_detectable odds_gap permutation_p ratio",
    "interval": "Interval",
    "means": "auc_influence auc_interval average_precision_influence bootstrap_interval mean_interval",
    "mover": "difference_limits difference_of_estimates ratio_limits",
    "multiplicity": "benjamini_hochberg holm",
    "planning": "RowsNeeded rows_needed rows_to_settle",
    "rates": "RateIntervals clopper_pearson effective_counts simultaneous_rates",
    "noninferiority": "Moved gap_moved moved mover_difference paired_covariance unpaired_covariance",
    "search": "Certificate Flagged certificate excess_p worse_than_rest",
    "subgroups": "Subgroups subgroup_rates",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
