"""How many points to give a worker at a time: as the measured costs want it."""

from __future__ import annotations

import math


class Pace:
    """What an evaluation and a message have cost so far."""

    def __init__(self) -> None:
        self._points = 0
        self._seconds = 0.0
        self._overhead = math.inf

    def note(self, points: int, seconds: float, elapsed: float) -> None:
        """A chunk of ``points`` took ``seconds`` to evaluate and ``elapsed`` to come back."""
        self._points += points
        self._seconds += seconds
        # the least: others may have waited in a queue
        self._overhead = max(0.0, min(self._overhead, elapsed - seconds))

    def chunk(self, points: int, workers: int) -> int:
        """Size k of the chunks of ``points`` points, by c and h, the costs of a point and a chunk.

        Each of P workers spends h m / (P k) on messages, and the last of them finishes up to
        c k after the first: the sum is least at k = sqrt(m h / (P c)). A single point as long
        as nothing is known.
        """
        if not self._points:
            return 1
        most = math.ceil(points / workers)
        cost = self._seconds / self._points
        if cost <= 0:
            return most
        return max(1, min(most, round(math.sqrt(points * self._overhead / (workers * cost)))))
