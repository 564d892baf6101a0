"""The rows of two runs, matched by id: what both models said of the same case takes out what the cases share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raikit.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from raikit.run.margins import Margins
    from raikit.run.reader import RunView


@dataclass(frozen=True)
class Pair:
    """Audited rows of both runs.

    Parameters
    ----------
    baseline, candidate : DataFrame
        Columns of ``predictions.parquet``; the same rows in the same order if `paired`.
    paired : bool
    note : str
        What the report should add; empty if every row is in both.
    """

    baseline: pd.DataFrame
    candidate: pd.DataFrame
    paired: bool
    note: str = ""


def pair_rows(candidate: RunView, baseline: RunView, margins: Margins) -> Pair:
    """Match rows by id, by the policy for rows that are in one run only.

    Raises
    ------
    ConfigError
        If rows differ and the policy refuses that, a column is missing, or a row has another target in the baseline.
    """
    import pandas as pd

    data = candidate.record.data
    new, old = candidate.predictions.frame(), baseline.predictions.frame()
    for column in (*data.sensitive, *data.cluster, *([data.weight] if data.weight else [])):
        if column not in old:
            raise ConfigError(f"baseline: its predictions have no column {column!r}, which the candidate's have.")
    both = pd.Index(old["id"]).intersection(pd.Index(new["id"]))
    whole = len(both) == len(old) == len(new)
    rows = f"{len(both):,} rows are in both runs, of {len(old):,} in the baseline and {len(new):,} in the candidate"
    if not whole and margins.if_rows_differ == "refuse":
        raise ConfigError(f"baseline: {rows}; gate.if_rows_differ says to refuse that.")
    if (not whole and margins.if_rows_differ == "unpaired") or len(both) < 2:
        return Pair(old, new, False, f"unpaired: {rows}")
    if not (whole and old["id"].equals(new["id"])):
        old, new = (frame.set_index("id").loc[both].reset_index() for frame in (old, new))
    alike = old["target"].dtype == new["target"].dtype
    pair = (old["target"], new["target"]) if alike else (old["target"].astype(str), new["target"].astype(str))
    if (differs := (pair[0] != pair[1]).to_numpy()).any():
        first = old["id"].tolist()[int(differs.argmax())]
        raise ConfigError(f"baseline: the row {first!r} has another target there; runs of other data cannot be compared.")
    return Pair(old, new, True, "" if whole else f"on the overlap: {rows}")
