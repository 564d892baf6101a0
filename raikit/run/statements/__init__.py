"""What an audit found, as statements: one writer for every format, the terminal and notebooks.

`statements` turns rules and findings into `Statement` objects, ranked; each has a headline, a line of evidence and the rows of a
fold. `lede` is the answer's first paragraph.
"""

from raikit.run.statements.compose import KINDS, Statement, lede, statements
from raikit.run.statements.gaps import GapStatement

__all__ = ["KINDS", "GapStatement", "Statement", "lede", "statements"]
