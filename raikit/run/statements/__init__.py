"""What an audit found, as statements: one writer for every format, the terminal and notebooks.

`statements` turns rules and findings into `Statement` objects, ranked; each has a headline, a line of evidence and the rows of a
fold. `lede` is the answer's first paragraph.
`changes` does the same for two runs that were compared, `verdict_changes` for rules over time.
"""

from raikit.run.statements.changes import CHANGE_KINDS, Change, changes, how_compared, lede_of_changes, multiplicity
from raikit.run.statements.compose import KINDS, Statement, lede, statements
from raikit.run.statements.gaps import GapStatement
from raikit.run.statements.trends import VerdictChange, lede_of_history, quantity_of, verdict_changes

__all__ = [
    "CHANGE_KINDS", "KINDS", "Change", "GapStatement", "Statement", "VerdictChange", "changes", "how_compared", "lede",
    "lede_of_changes", "lede_of_history", "multiplicity", "quantity_of", "statements", "verdict_changes",
]  # fmt: skip
