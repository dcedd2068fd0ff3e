"""A phase for functions of few smooth pieces: steps to the minimum of their models.

References: A. S. Lewis, C. Wylie, "A simple Newton method for local nonsmooth
optimization" (2019), the k-bundle Newton method; A. R. Conn, N. I. M. Gould, Ph. L.
Toint, *Trust-Region Methods* (2000), section 11.4, for the trust region around it.

Where the pieces are few, and their models right, convergence is as fast as a
quasi-Newton method's on a smooth function. Where they are not, nothing is to be had from
the models, so the phase is entered only after it has predicted the values of other
steps' points, which costs no evaluation, and is left as soon as it fails.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothmin._protocol import Array, Ask, ask_one
from smoothmin.descent.gradient_sampling.piece_models import Pieces
from smoothmin.linesearch.weak_wolfe import LinePoint
from smoothmin.subproblems.minimax import Minimax

MOST_PIECES = 16
MOST_VARIABLES = 50  # a model holds as many numbers as a dense Hessian, for each piece
ACCURATE = 0.1  # error of a prediction, in units of the change of the value
PREDICTIONS = 2  # accurate ones in a row that let the phase begin, more after each failure
MISTAKES = 2  # predictions per variable, in a row, after which to learn anew
TRUSTED = 0.5  # share of the predicted decrease that a step has to bring
STRIKES = 2  # failures in a row that end the phase
PAID = 3  # good steps without which a phase was a failure
REACH = 4.0  # how far points are near, and the first radius, in units of the last step
GROWTH = 4.0  # of the radius, when it limited a good step
SHRINK = 0.5
CREEPING = 0.5  # a decrease larger than this share of the last one is no convergence ...
CREEPS = 5  # ... and so many in a row end the phase
FLATTER = 0.9  # of the slope that must be left for a step to teach a metric curvature


@dataclass(frozen=True)
class Visit:
    """What a visit to the phase evaluated, and the lower point it moved to, if any.

    ``teaches`` says whether a metric may learn from that step: from one that is no Wolfe
    point it would learn a curvature far too small.
    """

    trials: list[LinePoint]
    point: LinePoint | None = None
    teaches: bool = False


class PiecewisePhase:
    """Watches points, learns the pieces they lie on, and steps when it can predict them.

    Parameters
    ----------
    n : int
        Number of variables, `MOST_VARIABLES` at most.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._pieces = self._none_known()
        self._wrong = 0  # predictions in a row
        self._inside = False
        self._accurate = 0
        self._failures = 0
        self._strikes = self._good = self._slow = 0
        self._foretold = np.inf  # decrease of the last step, by the models
        self._radius = 0.0

    def watch(self, point: LinePoint, x: Array, fun: float, last_step: float) -> None:
        """Learn from a point of somebody else's step from ``x``, after predicting its value.

        ``fun`` is the value at ``x``. Much farther from there than the last step went, a
        prediction says nothing of the phase's chances.
        """
        if not math.isfinite(point.fun) or not np.isfinite(point.grad).all():
            return
        away = point.x - x
        near = math.sqrt(away.dot(away)) <= REACH * last_step
        if near and self._pieces.ever_kinked:
            error = abs(point.fun - self._pieces.predict(point.x))
            accurate = error <= ACCURATE * abs(point.fun - fun) + 1e-14 * abs(point.fun)
            self._accurate = self._accurate + 1 if accurate else 0
            self._wrong = 0 if accurate else self._wrong + 1
        self._pieces.add(point.x, point.fun, point.grad)
        if self._wrong > MISTAKES * self._n + 10:
            # points taken for those of one piece were not: what was learnt misleads
            self._pieces, self._wrong = self._none_known(), 0

    @property
    def kinked(self) -> bool:
        """Whether kinks were seen of late."""
        return self._pieces.kinked or self._pieces.polyhedral

    def _none_known(self) -> Pieces:
        return Pieces(self._n, min(2 * self._n + 2, MOST_PIECES))

    def visit(
        self, x: Array, fun: float, grad: Array, last_step: float, noise: float
    ) -> Generator[Ask, Any, Visit]:
        """Steps from ``x``, with its value and gradient, until one is lower or the phase left."""
        trials: list[LinePoint] = []
        if not self._inside:
            ready = self._accurate >= PREDICTIONS * (1 + self._failures)
            if not ready or not self._pieces.kinked or last_step == 0:
                return Visit(trials)
            self._inside = True
            self._strikes = self._good = self._slow = 0
            self._foretold = np.inf
            self._radius = REACH * last_step
        while self._inside:
            model = self._pieces.minimize(x, fun, self._radius)
            if model is None or not model.decrease > noise:
                self._leave()
                break
            x_new = x + model.step
            f_new, g_new = yield from ask_one(x_new)
            trial = LinePoint(1.0, x_new, f_new, g_new, 0.0)
            trials.append(trial)
            finite = bool(np.isfinite(f_new) and np.isfinite(g_new).all())
            if finite:
                self._pieces.add(x_new, f_new, g_new)
            decrease = fun - f_new if finite else -np.inf
            length = float(np.linalg.norm(model.step))
            if decrease >= TRUSTED * model.decrease:
                self._strikes = 0
                self._good += 1
                if model.limited:
                    self._radius = max(self._radius, GROWTH * length)
                self._crept(model)
            else:
                self._strikes += 1
                self._radius = length if decrease > 0 else SHRINK * length
            if self._strikes >= STRIKES:
                self._leave()
            if decrease > 0:
                wolfe = float(g_new @ model.step) >= FLATTER * float(grad @ model.step)
                return Visit(trials, trial, wolfe)
        return Visit(trials)

    def _crept(self, model: Minimax) -> None:
        """Leave where right models bring little, step after step: their minimum is not found."""
        slow = not model.limited and model.decrease > CREEPING * self._foretold
        self._slow = self._slow + 1 if slow else 0
        self._foretold = model.decrease
        if self._slow >= CREEPS:
            self._good = 0
            self._leave()

    def _leave(self) -> None:
        """Back to other steps, for longer after a phase that did not pay."""
        self._inside = False
        self._accurate = 0
        self._failures = max(0, self._failures - 1) if self._good >= PAID else self._failures + 1
