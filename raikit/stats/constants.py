"""Numbers that several procedures share."""

from __future__ import annotations

POWER_QUANTILE = 0.8416212335729143
"""Standard normal quantile of 80% power."""

DRAWS = 20_000
"""Default number of Monte-Carlo draws. With 1,000 the realised level of a 2.5% limit moves by about a point."""

DRAW_BLOCK = 2_000
"""Draws evaluated together, to bound memory. Changing it changes which random numbers a procedure uses."""

EXCEEDANCES = 400
"""Exceedances after which a p-value is known to a relative standard error of 5% (Besag and Clifford 1991)."""

LEAST_DF = 3.0
"""Fewest degrees of freedom (of four clusters) with which a comparison of two runs was shown to keep its level."""

TINY = 1e-300
"""Stands in for 0 where 0 must not be divided by."""
