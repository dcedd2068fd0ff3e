"""Factors and counts that all rooms share.

Each is a decimal order, or a few: no place where it stands asks for another digit.
"""

from __future__ import annotations

OTHER_ORDER = 10.0  # times another quantity: what that one does not explain
MINOR = 0.1  # share of another quantity that decides nothing beside it
FASTEST_GROWTH = 10.0  # of a length, or a price, at once
SHORTEST = 0.1  # share that is left of a length that shrinks at once
SMALL = 0.01  # share, or size, of what is small, and yet counts somewhere
ALIKE = 0.2  # share by which two may differ that are taken for the same
WITNESSES = 3  # of the same, in a row, which are no accident
ROUNDS = 20  # of an iteration that is done in a few, after which its last is taken
