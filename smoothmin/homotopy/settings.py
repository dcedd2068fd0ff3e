"""Every number of "homotopy" that could be another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HomotopySettings:
    """Numbers of "homotopy".

    Attributes
    ----------
    samples : int
        Of the first pass's smoothed function.
    stage_steps : int
        Steps of the inner method at one sigma.
    first_step, stage_step_size : float
        First trial of a stage, and length of the steps that end it, in units of
        sigma * sqrt(d).
    stage_limit : int
        Evaluations of the smoothed function that end a stage in any case.
    hop_share, random_share, kink_share : float
        Of the cost of the passes that may go to hops and the model of minima, to random
        starts, and to descents along kinks except for the last.
    hop_parts : tuple of float
        Shares of the variables that a hop moves; in (0, 1].
    first_hop, longest_hop : float
        In units of sigma.
    returns : float
        Share of the hops that are to lead back to where they began; in (0, 1).
    hop_rate : float
        Change of the logarithm of the length, from hop to hop.
    news : float
        New minima for a new model, as a share of those it needs.
    same_minimum : float
        Share of the step; a polish that ends as near has gone back.
    extensions : int
        Of a model's step, twice as long each, while polishes go back.
    multiples : tuple of float
        Of sigma, tried in turn where it is a guess.
    """

    samples: int = 4
    stage_steps: int = 8
    first_step: float = 0.5
    stage_step_size: float = 0.1
    stage_limit: int = 16
    hop_share: float = 1.0
    random_share: float = 0.1
    kink_share: float = 1.0
    hop_parts: tuple[float, ...] = (1.0, 0.1)
    first_hop: float = 0.3
    longest_hop: float = 3.0
    returns: float = 0.25
    hop_rate: float = 0.2
    news: float = 0.1
    same_minimum: float = 0.1
    extensions: int = 3
    multiples: tuple[float, ...] = (1.0, 2.0, 8.0)
