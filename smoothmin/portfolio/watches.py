"""When to give up a phase: a descent that will not get below, a polish on a kink."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np

from smoothmin._differences import VISIBLE
from smoothmin._protocol import Array
from smoothmin._recent import SPAN
from smoothmin._stopping import Progress
from smoothmin._verdict import STATIONARY, Knowledge
from smoothmin.portfolio.phase import Watch

OPTIMISM = 100.0
CREEP = 0.2  # share of the fall of the steps before, from which on a fall is slow


def until(done: Callable[[], bool], watch: Watch | None) -> Watch:
    """Until that holds, or another watch ends the phase."""

    def look(now: Progress) -> str | None:
        return "Noise hides what differences would tell." if done() else watch and watch(now)

    return look


def hopeless(value: float, patience: int = 5) -> Watch:
    """A watch that fires when a run would have to go on for long to come below ``value``.

    That is `OPTIMISM` times as much decrease as in the last ``patience`` steps.
    """
    values: list[float] = []

    def watch(now: Progress) -> str | None:
        values.append(now.fun)
        if len(values) <= patience:
            return None
        expected = OPTIMISM * (min(values[:-patience]) - min(values))
        del values[: -2 * patience]
        return "Hopeless." if min(values) - expected > value else None

    return watch


class Witness:
    """Watches a polish: says when to give up, remembers what it saw.

    ``value`` and ``grad`` are the last, ``scale`` is the inverse curvature between the first
    two steps. A polish is ``kinked`` where the gradient changes so much over such short steps
    as along no smooth valley that it came from, and values hardly fall any more, and ``settled``
    where the gradient tells that little is left: whether that is the end is not for it to say.
    One that goes ``across`` kinks is not given up on them, and a ``whole`` one never.
    """

    def __init__(self, best: float, *, across: bool = False, whole: bool = False) -> None:
        self._across, self._whole = across, whole
        self._hopeless: Watch | None = hopeless(best) if np.isfinite(best) else None
        self._last: Progress | None = None
        self._first_curvature = 0.0
        self._curvatures: deque[float] = deque(maxlen=SPAN)
        self._lowest: deque[float] = deque(maxlen=SPAN + 1)
        self.value = math.nan
        self.grad: Array | None = None
        self.scale: float | None = None
        self.kinked = self.settled = False
        self._steepest, self._highest = 0.0, -math.inf

    def __call__(self, now: Progress) -> str | None:
        """A reason to end the polish, or None."""
        if self._last is not None:
            self._compare(self._last, now)
        self._lowest.append(min([now.fun, *list(self._lowest)[-1:]]))
        self._last, self.value, self.grad = now, now.fun, now.grad
        self._highest = max(self._highest, now.fun)
        self.kinked = not self._across and now.nit > 2 * SPAN and self._creeps_on_kink()
        if self.kinked:
            return "Kink."
        size = 0.0 if now.grad is None else float(np.abs(now.grad).max())
        self._steepest = max(self._steepest, size)
        self.settled = not self._whole and size <= STATIONARY * self._steepest
        if self.settled:
            return "Settled."
        return None if self._hopeless is None else self._hopeless(now)

    @property
    def knowledge(self) -> Knowledge:
        """What a settled polish knows: its fall, and the promise by the curvature it met first."""
        promised = math.inf
        if self.grad is not None and self.scale is not None:
            promised = 0.5 * self.scale * float(self.grad @ self.grad)
        fall = self._highest - self.value
        return Knowledge("A polish settled", promised=promised, lately=((1.0, fall),))

    def _compare(self, last: Progress, now: Progress) -> None:
        assert last.grad is not None
        assert now.grad is not None
        s, y = now.x - last.x, now.grad - last.grad
        along, across = float(y @ s), float(y @ y)
        if self.scale is None and along > 0 and across > 0:
            self.scale = along / across
        length = float(s @ s)
        curvature = math.sqrt(across / length) if length > 0 else math.inf
        if now.nit <= SPAN + 1:
            self._first_curvature = max(self._first_curvature, curvature)
        self._curvatures.append(curvature)

    def _creeps_on_kink(self) -> bool:
        lowest, half = self._lowest, SPAN // 2
        fell, falls = lowest[0] - lowest[half], lowest[half] - lowest[-1]
        sharp = np.median(self._curvatures) > VISIBLE * self._first_curvature
        return bool(sharp) and falls >= CREEP * fell


def after(cost: float) -> Watch:
    """A watch that fires after so many evaluations."""
    return lambda now: "Enough." if now.nfev >= cost else None
