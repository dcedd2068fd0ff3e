"""(b) The Lotka-Volterra equations fitted to the Hudson Bay counts of hares and lynxes.

Values only, and noisy ones: the equations are integrated loosely, with an error that
jumps whenever the integrator takes another sequence of steps. Pelts in thousands, 1900
to 1920, as published by P. Howard, "Modeling basics" (2009), after E. P. Odum,
*Fundamentals of Ecology* (1953).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from smoothmin._protocol import Array
from smoothmin.demo.race import Racer, race

YEARS = np.arange(1900, 1921)
HARES = np.array(
    [30, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22, 25.4, 27.1, 40.3, 57, 76.6, 52.3, 19.5,
     11.2, 7.6, 14.6, 16.2, 24.7]
)  # fmt: skip
LYNXES = np.array(
    [4, 6.1, 9.8, 35.2, 59.4, 41.7, 19, 13, 8.3, 9.1, 7.4, 8, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8,
     9.7, 10.1, 8.6]
)  # fmt: skip
NAMES = ("birth", "predation", "death", "growth", "hares 1900", "lynxes 1900")
START = np.log([1.0, 0.05, 1.0, 0.05, 30.0, 4.0])
THEIRS = ["Nelder-Mead", "Powell", "BFGS", "L-BFGS-B"]

SEEDS = 3  # of which the median run is shown
MAX_CALLS = 3_000  # of the rates, in one integration: wild parameters make it stiff


class Stiff(Exception):
    """An integration took too many steps, or too short ones, or cannot begin."""


def integrate(logs: Array, times: Array, rtol: float) -> Array:
    """Hares and lynxes (2, len(times)) for the logarithms of the six parameters."""
    parameters = np.exp(logs)
    if not np.isfinite(parameters).all():
        raise Stiff
    birth, predation, death, growth, hares, lynxes = parameters
    calls = itertools.count()

    def rates(_: float, counts: Any) -> list[float]:
        if next(calls) > MAX_CALLS:
            raise Stiff
        prey, predators = counts
        return [
            prey * (birth - predation * predators),
            predators * (growth * prey - death),
        ]

    solution = solve_ivp(
        rates, (times[0], times[-1]), [hares, lynxes], t_eval=times, rtol=rtol, atol=rtol
    )
    if not solution.success:
        raise Stiff
    counts: Array = solution.y
    return counts


def misfit(logs: Array, rtol: float = 1e-2) -> float:
    """Sum of squared differences of the logarithms, NaN where there is no solution."""
    with np.errstate(all="ignore"):
        try:
            counts = integrate(np.asarray(logs), (YEARS - YEARS[0]).astype(float), rtol)
        except Stiff:
            return float("nan")
        if not (counts > 0).all():
            return float("nan")
        difference = np.log(counts) - np.log([HARES, LYNXES])
    return float(np.square(difference).sum())


def run(budget: int = 1500) -> list[Racer]:
    """Race from one rough guess of the parameters."""
    # the whole budget is meant to be used; left to guess the scale of six logarithms, more
    # seeds end in another minimum, as one of some seeds does anyway
    options = {"restarts": "budget", "sigma": 0.2}
    ours: dict[str, Any] = {"method": "derivative-free", "options": options}
    return race(
        misfit,
        START,
        jac=False,
        budget=budget,
        ours=ours,
        theirs=THEIRS,
        name="derivative-free",
        seeds=SEEDS,
    )
