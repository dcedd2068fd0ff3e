"""Steps to the minimum of models of a function's few smooth pieces: bundle Newton.

References: A. S. Lewis, C. Wylie, "A simple Newton method for local nonsmooth
optimization" (2019), the k-bundle Newton method; A. R. Conn, N. I. M. Gould, Ph. L.
Toint, *Trust-Region Methods* (2000), section 11.4, for the trust region around it.

Where the pieces are few, and their models right, convergence is as fast as a
quasi-Newton method's on a smooth function. Where they are not, nothing is to be had from
the models, so a trial begins only after they have predicted the values of other
steps' points, which costs no evaluation, and ends as soon as they fail.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin._factors import MINOR
from smoothmin._machine import SUMMED
from smoothmin._protocol import Array, Ask, ask_one
from smoothmin.descent.gradient_sampling.piece_models import PieceModels
from smoothmin.descent.gradient_sampling.settings import PieceSettings
from smoothmin.descent.gradient_sampling.state import State, StepOutcome
from smoothmin.descent.gradient_sampling.trials import Trials
from smoothmin.linesearch.line_result import LinePoint, LineResult
from smoothmin.linesearch.weak_wolfe import SMOOTH_WOLFE
from smoothmin.subproblems.minimax import Minimax
from smoothmin.subproblems.trust_region import FAST_GROWTH


class Predictor:
    """Learns the pieces from the points of other steps, after predicting their values.

    Attributes
    ----------
    models : PieceModels
    accurate : int
        Predictions in a row that were.
    """

    def __init__(self, state: State, settings: PieceSettings) -> None:
        self._state, self._settings = state, settings
        self.accurate = 0
        self.models = PieceModels(state.x.size, settings.pieces)
        for point in state.learnt or [state.here]:
            self.models.add(point.x, point.fun, point.grad)

    def watch(self, found: LineResult) -> None:
        """Learn from a search."""
        for trial in found.trials:
            self.learn(trial)

    def learn(self, point: LinePoint) -> None:
        """Learn from a point.

        Much farther than the last step went, a prediction says nothing of the next one's chances.
        """
        state, settings = self._state, self._settings
        if not math.isfinite(point.fun) or not np.isfinite(point.grad).all():
            return
        away = point.x - state.x
        near = math.sqrt(away @ away) <= settings.reach * state.last_step
        if near and self.models.ever_kinked:
            error = abs(point.fun - self.models.predict(point.x))
            change = abs(point.fun - state.f)
            accurate = error <= MINOR * change + SUMMED * abs(point.fun)
            self.accurate = self.accurate + 1 if accurate else 0
        self.models.add(point.x, point.fun, point.grad)


class BundleNewton:
    """Steps to the least point of the largest model, in a trust region."""

    def __init__(self, state: State, predictor: Predictor) -> None:
        self._state, self._predictor = state, predictor
        self._settings = state.settings.bundle_newton
        self._trials = Trials(self._settings.trials)
        self._radius = 0.0
        state.watchers.append(lambda found: self._trials.plain(found.nfev))

    def step(self) -> Generator[Ask, Any, StepOutcome]:
        """Minimize models until a point is lower, if there are models to be trusted."""
        state = self._state
        if not self._trials.active and not self._begin():
            return StepOutcome.NOTHING
        while self._trials.active:
            box, models = state.problem.box, self._predictor.models
            model = models.minimize(state.x, state.f, self._radius, box)
            if model is None or not model.decrease > state.noise():
                self._trials.leave()
                break
            x = state.problem.clip(state.x + model.step)
            fun, grad = yield from ask_one(x)
            state.bundle.add(x, fun, grad)
            finite = math.isfinite(fun) and bool(np.isfinite(grad).all())
            if finite:
                self._predictor.models.add(x, fun, grad)
            decrease = state.f - fun if finite else -np.inf
            self._judge(model, decrease)
            if decrease > 0:
                follow(state, LinePoint(1.0, x, fun, grad, 0.0), model.step)
                return StepOutcome.LOWER
        self._predictor.accurate = 0
        return StepOutcome.NOTHING

    def _begin(self) -> bool:
        """Begin a trial, if it is time for one."""
        state, predictor = self._state, self._predictor
        proven = predictor.accurate >= self._settings.predictions and predictor.models.kinked
        if not self._trials.ready or not proven or state.last_step == 0:
            return False
        self._trials.enter()
        self._radius = state.settings.pieces.reach * state.last_step
        return True

    def _judge(self, model: Minimax, decrease: float) -> None:
        """Adapt the trust region, and see whether the trial is to go on."""
        settings, length = self._settings, float(np.linalg.norm(model.step))
        good = decrease >= settings.trusted * model.decrease
        if good and model.limited:
            self._radius = max(self._radius, FAST_GROWTH * length)
        if not good:
            self._radius = length if decrease > 0 else 0.5 * length
        self._trials.judge(good)


def follow(state: State, point: LinePoint, step: Array) -> None:
    """Move to a point that no search has found.

    The metric may learn from a step that meets the Wolfe condition: from another it would
    learn a curvature far too small.
    """
    if float(point.grad @ step) >= SMOOTH_WOLFE * float(state.g @ step):
        state.move(point, None)
    else:
        state.settle(point)
