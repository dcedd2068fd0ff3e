"""Every number of "derivative-free" that could be another.

Where no paper is named the number is a choice, which ``tests/benchmarks/bench_sensitivity.py``
halves and doubles on problems rotated, rescaled and shifted.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DerivativeFreeSettings:
    """Numbers of "derivative-free".

    Attributes
    ----------
    smoothing_limit, descent_limit : float
        Evaluations per variable of the smoothing, and of any descent.
    model_limit, slice : float
        Simplex gradients, of n + 1 evaluations each, of the model descent, and of the first search
        between scouts, of which one must have found something lower after as many.
    shown : int
        Variables with small start values, of which the scale is measured one by one.
    sample : int
        Points per variable from which another descent's start is chosen.
    ordered : int
        Times the population where a model chooses which of its points are evaluated.
    patience : int
        Generations over which a later search is judged.
    """

    smoothing_limit: float = 50
    descent_limit: float = 200
    model_limit: float = 6
    slice: float = 40
    shown: int = 8
    sample: int = 6
    ordered: int = 4
    patience: int = 30
