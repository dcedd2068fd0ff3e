"""How many points to give a worker at a time: as the measured costs want it.

Reference: C. P. Kruskal, A. Weiss, "Allocating independent subtasks on parallel processors",
IEEE Trans. Softw. Eng. 11 (1985), :doi:`10.1109/TSE.1985.231547`.

Deviation: chunks are no larger than makes messages negligible, since what is under way when a
run ends is lost.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

from smoothmin._factors import SMALL
from smoothmin.workers.call import Chunk


@dataclass(frozen=True)
class Costs:
    """Sums over evaluations, of seconds and their squares; over messages; and over sendings."""

    points: float = 0.0
    seconds: float = 0.0
    squares: float = 0.0
    messages: float = 0.0
    overhead: float = 0.0
    sent: float = 0.0
    sending: float = 0.0

    def __add__(self, other: Costs) -> Costs:
        return Costs(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class Pace:
    """What evaluations and messages have cost in this batch and the last."""

    def __init__(self) -> None:
        self._last = self._now = Costs()

    def turn(self) -> None:
        """A batch begins: what was before the last is forgotten. First calls may compile."""
        if self._now.points > 1:
            self._last, self._now = self._now, Costs()

    def send(self, seconds: float) -> None:
        """To hand out a chunk took so long, during which no other can be."""
        self._now += Costs(sent=1, sending=seconds)

    def note(self, chunk: Chunk, elapsed: float | None) -> None:
        """A chunk came back ``elapsed`` seconds after it was sent; None if it had to queue."""
        self._now += Costs(len(chunk.answers), chunk.seconds, chunk.squares)
        if elapsed is not None:
            self._now += Costs(messages=1, overhead=max(0.0, elapsed - chunk.seconds))

    def chunk(self, points: int, workers: int) -> int:
        """Size k of the chunks of a batch of m ``points``; one as long as nothing is known.

        With c and s the mean and standard deviation of an evaluation's cost and h that of a
        message, P workers spend h m / (P k) on messages, and the last of them finishes about
        s sqrt(2 k ln P) after the mean: the sum is least at
        k = (sqrt(2) m h / (P s sqrt(ln P)))^(2/3). To hand out chunks takes t each, one after
        the other, and the last of them is then evaluated: t m / k + c k is least at
        k = sqrt(t m / c), below which more workers are of no use.
        """
        costs = self._last + self._now
        if not costs.messages:
            return 1
        mean = costs.seconds / costs.points
        spread = math.sqrt(max(0.0, costs.squares / costs.points - mean**2))
        overhead = costs.overhead / costs.messages
        size = most = math.ceil(points / workers)
        late = workers * spread * math.sqrt(math.log(max(2, workers)))
        if late > 0:
            size = min(size, round((math.sqrt(2) * points * overhead / late) ** (2 / 3)))
        if mean > 0:
            size = min(size, math.ceil(overhead / (SMALL * mean)))
        size = math.ceil(most / math.ceil(most / max(1, size)))  # as many for each worker
        if costs.sent and mean > 0:
            size = max(size, round(math.sqrt(points * costs.sending / (costs.sent * mean))))
        return min(points, size)
