"""Cases of two runs, matched by id: comparing two models on the same cases removes the variation between cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from raikit.errors import ConfigError
from raikit.format import case_noun, cases

if TYPE_CHECKING:
    from raikit.run.margins import Margins
    from raikit.run.reader import RunView


@dataclass(frozen=True)
class PairedCases:
    """Audited cases of two runs.

    Parameters
    ----------
    baseline, candidate : DataFrame
        Columns of ``predictions.parquet``; the same cases in the same order if `paired`.
    paired : bool
        Whether the comparison can be paired.
    note : str
        A note for the report; empty if both runs have the same cases.
    """

    baseline: pd.DataFrame
    candidate: pd.DataFrame
    paired: bool
    note: str = ""


@dataclass(frozen=True)
class MatchedCases:
    """All audited cases of two runs, with what they have in common.

    Parameters
    ----------
    baseline, candidate : DataFrame
        Columns of ``predictions.parquet``.
    units : (ndarray of int, ndarray of int)
        Number of each case of the baseline and of the candidate; the same number is the same case.
    shared : int
        Cases in both runs.
    note : str
        For the report: how many cases were compared how. Empty if both runs have the same cases.
    """

    baseline: pd.DataFrame
    candidate: pd.DataFrame
    units: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    shared: int
    note: str = ""

    @property
    def same_cases(self) -> bool:
        """Whether both runs have the same cases, in the same order."""
        return self.shared == len(self.baseline) == len(self.candidate)

    def only_shared(self) -> MatchedCases:
        """Return the cases that both runs have, in the same order."""
        first, second = (pd.Series(np.arange(len(unit)), index=unit) for unit in self.units)
        common = first.index.intersection(second.index, sort=False)
        unit = common.to_numpy(dtype=np.int64)
        old = self.baseline.iloc[first.loc[common]].reset_index(drop=True)
        new = self.candidate.iloc[second.loc[common]].reset_index(drop=True)
        return MatchedCases(old, new, (unit, unit), self.shared, f"on the shared {case_noun()} alone: {self.note}")


def match_rows(candidate: RunView, baseline: RunView, margins: Margins) -> MatchedCases:
    """Match the cases of two runs by id, and keep those that only one run has.

    Parameters
    ----------
    candidate, baseline : RunView
        Not a baseline file.
    margins : Margins
        Says what to do with cases that only one run has; with ``unpaired``, no case is matched unless all are.

    Raises
    ------
    ConfigError
        As `pair_rows`.
    """
    data = candidate.record.data
    new, old = candidate.predictions.frame(), baseline.predictions.frame()
    for column in (*data.sensitive, *data.cluster, *([data.weight] if data.weight else [])):
        if column not in old:
            raise ConfigError(f"baseline: its predictions have no column {column!r}, but those of the candidate do.")
    both = pd.Index(old["id"]).intersection(pd.Index(new["id"]))
    same = len(both) == len(old) == len(new)
    overlap = f"{cases(len(both))} in both runs, of {len(old):,} in the baseline and {len(new):,} in the candidate"
    if not same and margins.if_rows_differ == "refuse":
        raise ConfigError(f"baseline: {overlap}; gate.if_rows_differ refuses that.")
    if (not same and margins.if_rows_differ == "unpaired") or not len(both):
        units = np.arange(len(old)), len(old) + np.arange(len(new))
        return MatchedCases(old, new, units, 0, f"unpaired: {overlap}")
    if same and not old["id"].equals(new["id"]):
        old = old.set_index("id").loc[new["id"]].reset_index()[list(old.columns)]
    codes, _ = pd.factorize(pd.concat([old["id"], new["id"]], ignore_index=True))
    matched = MatchedCases(old, new, (codes[: len(old)], codes[len(old) :]), len(both), "" if same else overlap)
    _refuse_other_targets(matched if same else matched.only_shared())
    return matched


def _refuse_other_targets(matched: MatchedCases) -> None:
    """Raise an error if a shared case has another target in the baseline."""
    old, new = matched.baseline, matched.candidate
    if "target" not in old and "target" not in new:
        return
    if "target" not in old or "target" not in new:
        without = "the baseline" if "target" not in old else "this run"
        raise ConfigError(f"baseline: {without} has no target, and the other has; compare runs on the same data.")
    same_type = old["target"].dtype == new["target"].dtype
    targets = (old["target"], new["target"]) if same_type else (old["target"].astype(str), new["target"].astype(str))
    if (differs := (targets[0] != targets[1]).to_numpy()).any():
        first = old["id"].tolist()[int(differs.argmax())]
        raise ConfigError(f"case {first!r} has a different target in the baseline; runs on different data cannot be compared.")


def pair_rows(candidate: RunView, baseline: RunView, margins: Margins) -> PairedCases:
    """Match the cases of two runs by id; `margins` says what to do with cases that only one run has.

    Raises
    ------
    ConfigError
        If the cases differ and the policy refuses that, if a column is missing, or if a case has another target in the
        baseline.
    """
    matched = match_rows(candidate, baseline, margins)
    if matched.same_cases:
        return PairedCases(matched.baseline, matched.candidate, True)
    if matched.shared < 2:
        note = matched.note if matched.note.startswith("unpaired") else f"unpaired: {matched.note}"
        return PairedCases(matched.baseline, matched.candidate, False, note)
    shared = matched.only_shared()
    return PairedCases(shared.baseline, shared.candidate, True, f"on the shared {case_noun()}: {matched.note}")
