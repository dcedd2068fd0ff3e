"""Every number of "sqp" that could be another.

Where no paper is named the number is a choice.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SQPSettings:
    """What "sqp" is made of.

    Attributes
    ----------
    dense_up_to : int
        Most variables for which a dense matrix is kept; 0 or more.
    damping : float
        Least curvature along a step in units of the last matrix's (Powell 1978); in (0, 1).
    certifies_kinks : bool
        Whether a point where pieces of a function meet is proven a minimum; else a run that would
        prove one ends there, without success.
    """

    dense_up_to: int = 2000
    damping: float = 0.2
    certifies_kinks: bool = True
