"""Every number of "sqp" that could be another.

Where no paper is named the number is a choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from smoothmin._factors import ALIKE, FASTEST_GROWTH, MINOR, SHORTEST, SMALL
from smoothmin._machine import LARGE
from smoothmin.descent.gradient_sampling.bundle import MOST_TANGENTS
from smoothmin.linesearch.weak_wolfe import ARMIJO
from smoothmin.metrics.lbfgs import PAIRS


@dataclass(frozen=True)
class TangentSettings:
    """Which functions have kinks, and which of their gradients are gathered.

    Attributes
    ----------
    skew : float
        Error of the trapezoid rule, in units of the change of slope, that is a kink; on one
        it is 1/2 if the kink is at an end of the step. In (0, 1/2).
    same : float
        Error with which two points are on the same piece; in (0, skew).
    memory : int
        Evaluations after which a kink that was not met again is forgotten; 1 or more.
    most : int
        Points gathered, ``2 n + 10`` at most; 2 or more.
    elements : int
        Numbers that all recent points may take; 1 or more.
    """

    skew: float = ALIKE
    same: float = SMALL
    memory: int = 20
    most: int = MOST_TANGENTS
    elements: int = LARGE


@dataclass(frozen=True)
class StepSettings:
    """Steps along the program's solution.

    Attributes
    ----------
    armijo : float
        Share of the predicted decrease that a step has to come to; in (0, 1/2).
    serious : float
        The same where there are kinks (Kiwiel, Math. Program. 46, 1990, m_L = 0.1).
    trials : int
        Of a search along a line; 1 or more.
    shortest : float
        Of a trial, in units of the one before; in (0, 1).
    """

    armijo: float = ARMIJO
    serious: float = MINOR
    trials: int = 25
    shortest: float = SHORTEST


@dataclass(frozen=True)
class PenaltySettings:
    """Prices of violation.

    Attributes
    ----------
    first : float
        What a program pays at most for a unit of a side's excess at first, in units of the
        objective's slope by the side's; above 0.
    growth : float
        Of that where it is too little (Byrd, Nocedal and Waltz 2008); above 1.
    unlimited : float
        Price, in units of the last, that is as good as none; above 1.
    margin : float
        By which weights in the merit function exceed multipliers, for every step that lowers the
        violation to lower that function, too (Nocedal and Wright, (18.36): any in (0, 1)).
    """

    first: float = 100.0
    growth: float = FASTEST_GROWTH
    unlimited: float = 1e6
    margin: float = MINOR


@dataclass(frozen=True)
class SQPSettings:
    """What "sqp" is made of.

    Attributes
    ----------
    dense_up_to : int
        Most variables for which a dense matrix is kept; 0 or more.
    memory : int
        Steps that limited memory learns from; 1 or more.
    damping : float
        Least curvature along a step in units of the last matrix's (Powell 1978); in (0, 1).
    certifies_kinks : bool
        Whether a point where pieces of a function meet is proven a minimum; else a run that would
        prove one ends there, without success.
    tangents, steps, penalties
        Of the parts.
    """

    dense_up_to: int = 2000
    memory: int = PAIRS
    damping: float = 0.2
    certifies_kinks: bool = True
    tangents: TangentSettings = field(default=TangentSettings())
    steps: StepSettings = field(default=StepSettings())
    penalties: PenaltySettings = field(default=PenaltySettings())
