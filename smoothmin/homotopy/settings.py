"""Every number of "homotopy" that could be another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HomotopySettings:
    """Numbers of "homotopy".

    Chosen on functions of many minima that are moved, turned and stretched, with bounds and
    without, by `bench_sensitivity.py --many-minima`.

    Attributes
    ----------
    samples : int
        Of the first pass's smoothed function.
    stage_limit : int
        Evaluations of the smoothed function at one sigma.
    returns : float
        Share of the hops that are to lead back to where they began; in (0, 1).
    hop_rate : float
        Change of the logarithm of the length, from hop to hop.
    multiples : tuple of float
        Of sigma, tried in turn where it is a guess.
    """

    samples: int = 4
    stage_limit: int = 4
    returns: float = 0.25
    hop_rate: float = 0.2
    multiples: tuple[float, ...] = (1.0, 8.0)
