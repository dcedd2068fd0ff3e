"""Factors and counts that all rooms share, each a decimal order or a few.

None of them is worth another digit: `tests/benchmarks/bench_sensitivity.py` halves and doubles
the places where they stand.
"""

from __future__ import annotations

OTHER_ORDER = 10.0  # times another quantity: what that one does not explain
MINOR = 0.1  # share of another quantity that decides nothing beside it
FASTEST_GROWTH = 10.0  # of a length, or a price, at once
SHORTEST = 0.1  # share that is left of a length that shrinks at once
WITNESSES = 3  # of the same, in a row, which are no accident
ROUNDS = 20  # of an iteration that is done in a few, after which its last is taken
