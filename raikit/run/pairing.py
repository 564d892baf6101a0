"""Cases of two runs, matched by id: comparing two models on the same cases removes the variation between cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from raikit.errors import ConfigError
from raikit.format import counted

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


def pair_rows(candidate: RunView, baseline: RunView, margins: Margins) -> PairedCases:
    """Match the cases of two runs by id; `margins` says what to do with cases that only one run has.

    Raises
    ------
    ConfigError
        If the cases differ and the policy refuses that, if a column is missing, or if a case has another target in the
        baseline.
    """
    data = candidate.record.data
    new, old = candidate.predictions.frame(), baseline.predictions.frame()
    for column in (*data.sensitive, *data.cluster, *([data.weight] if data.weight else [])):
        if column not in old:
            raise ConfigError(f"baseline: its predictions have no column {column!r}, but those of the candidate do.")
    both = pd.Index(old["id"]).intersection(pd.Index(new["id"]))
    same_cases = len(both) == len(old) == len(new)
    overlap = f"{counted(len(both), 'case')} in both runs, of {len(old):,} in the baseline and {len(new):,} in the candidate"
    if not same_cases and margins.if_rows_differ == "refuse":
        raise ConfigError(f"baseline: {overlap}; gate.if_rows_differ refuses that.")
    if (not same_cases and margins.if_rows_differ == "unpaired") or len(both) < 2:
        return PairedCases(old, new, False, f"unpaired: {overlap}")
    if not (same_cases and old["id"].equals(new["id"])):
        old, new = (frame.set_index("id").loc[both].reset_index() for frame in (old, new))
    same_type = old["target"].dtype == new["target"].dtype
    targets = (old["target"], new["target"]) if same_type else (old["target"].astype(str), new["target"].astype(str))
    if (differs := (targets[0] != targets[1]).to_numpy()).any():
        first = old["id"].tolist()[int(differs.argmax())]
        raise ConfigError(f"case {first!r} has a different target in the baseline; runs on different data cannot be compared.")
    return PairedCases(old, new, True, "" if same_cases else f"on the shared cases: {overlap}")
