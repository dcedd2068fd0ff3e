"""A descent with a trust region, and a quadratic that gains one point at a time.

References: M. J. D. Powell, "The NEWUOA software for unconstrained optimization without
derivatives" (2006), the boxes are those of its Figure 1; M. J. D. Powell, "The BOBYQA
algorithm for bound constrained optimization without derivatives", report DAMTP 2009/NA06
(bounds).

Deviations: both subproblems are solved by eigenvectors, since here ``n`` is small; the
radius grows fourfold where the model predicts nearly everything, since starts may be
far away; a point without a value counts as the worst that is known; points are added instead
of replaced while all are near and do not determine the model. Far away a linear model is
enough, so the first steps are along gradients of simplices (`walk`), and the quadratic begins
where curvature shows, with a radius like the last of these steps. Not so where bounds say how
far variables move. Little that is promised is taken before the end is believed.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from smoothmin import _status
from smoothmin._check import require_memory
from smoothmin._estimate import ESTIMATE, CurvatureEstimate
from smoothmin._factors import MINOR, OTHER_ORDER, SHORTEST, SMALL
from smoothmin._machine import EPS, HALF_OF_DIGITS, SUMMED
from smoothmin._noise import DOUBTFUL, NOISE_FLOOR, measure_noise
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Steps, ask_value
from smoothmin._recent import Recent
from smoothmin._scale import box_scale
from smoothmin._status import Status
from smoothmin._verdict import KINK, NEGLIGIBLE, Knowledge, judge
from smoothmin.derivative_free.minimum_frobenius import Interpolation, determined_star
from smoothmin.derivative_free.next_to_minimum import Around, beside, start_at_minimum, unchosen
from smoothmin.derivative_free.quadratic_regression import full_size
from smoothmin.derivative_free.resolution import Resolution
from smoothmin.derivative_free.simplex_walk import walk
from smoothmin.derivative_free.survey import survey
from smoothmin.linesearch.backtracking import JUMP
from smoothmin.subproblems.trust_region import (
    FAST_GROWTH,
    GOOD,
    POOR,
    boxed_step,
    next_radius,
)

RESOLVED = 1.5  # radii of the resolution up to which the radius falls to it at once, Powell's


class InterpolatingDescent:
    """One run, in coordinates divided by the scale.

    ``delta`` is the radius of the trust region, ``rho`` its lower bound, which only falls;
    ``recent`` are its steps, for a descent that goes on from where it ends.
    """

    def __init__(
        self, problem: Problem, scale: Array, xtol: float | None, rng: np.random.Generator
    ) -> None:
        self._problem, self._scale, self._xtol, self._rng = problem, scale, xtol, rng
        n = problem.x0.size
        # the star's points, their copies, the inverse of what determines the model, its Hessian
        advice = ': "difference-descent" keeps less'
        require_memory(f"a model of {n} variables", np.dtype(float).itemsize * 12 * n**2, advice)
        self._low, self._high = np.full(n, -np.inf), np.full(n, np.inf)
        if problem.box is not None:
            self._low, self._high = problem.box[0] / scale, problem.box[1] / scale
        self._rho = min(1.0, 0.5 * float((self._high - self._low).min()))
        last = NEGLIGIBLE if xtol is None else max(xtol, EPS)
        self._delta, self._last_rho = self._rho, self._rho * last
        self.recent = Recent()
        self._resolution = Resolution()
        self._model: Interpolation
        self._predicted = [np.inf] * 3  # changes of the last steps, by the model
        self._errors = [0.0] * 3  # and how far off it was
        self._tried = False  # whether any step was
        self.jumped = False  # whether values rose as no curvature makes them, or were missing
        self._exact = False  # whether values have no noise but that of rounding
        self._met = 0  # points that the model has met since its first ones
        self._good = False  # whether the last one gained about as much as predicted

    def run(self) -> Steps:
        """Minimize."""
        x, known = yield from self._approach()
        start = yield from self._first_model(x, known)  # box 1
        if isinstance(start, Finish):
            return start
        model = self._model = start
        yield self._iterate()
        finish = yield from self._begun(x)
        if finish is not None:
            return finish
        while True:
            if not (np.isfinite(model.gradient).all() and np.isfinite(model.hessian).all()):
                return Finish(Status.PRECISION, "The model is lost to rounding.")
            step = self._minimizer(model.slope(), model.hessian, self._delta)  # box 2
            length = float(np.linalg.norm(step)) * model.unit
            if length >= 0.5 * self._rho:
                ratio, grown = yield from self._try(step, length)  # boxes 3 to 6
            else:
                met = yield from self._come_close(step, length)  # box 14
                if isinstance(met, Finish):
                    return met
                ratio, grown = met
            if ratio < POOR and not grown:
                # a model that predicted the last step is as good for the next, shorter one
                sharp = length < 0.5 * self._rho and self._good and self._rho > self._last_rho
                self._good = False
                far = None if sharp else model.far(self._delta)  # box 7
                if far is not None:
                    yield from self._improve(far)  # boxes 8 and 9
                elif sharp or (
                    ratio <= 0 and max(self._delta, length) <= (1 + HALF_OF_DIGITS) * self._rho
                ):
                    end = yield from self._end()
                    if end is not None:
                        return end
                    self._reduce()  # box 12
            self._settle()

    def _approach(self) -> Generator[Any, Any, tuple[Array, Array]]:
        """Down the gradients of simplices; the first point of the last one, and its values."""
        x = np.clip(self._problem.x0 / self._scale, self._low, self._high)
        if not np.isnan(box_scale(self._problem)).any():  # what bounds say is near
            return x, np.empty(0)
        known = np.empty(0)  # the value at x
        while True:
            simplex = self._star(x, self._rho)[: x.size + 1]
            answers = yield Ask(self._outward(simplex[len(known) :]), 0)
            values = np.concatenate([known, answers.values])
            slope = (values[1:] - values[0]) / np.diagonal(simplex[1:] - x)
            if not (np.isfinite(slope).all() and slope.any()):
                return x, values
            lower, f, length = yield from walk(x, float(values[0]), slope, self._rho, self._known)
            if lower is None:
                return x, values
            widest = 0.5 * float((self._high - self._low).min())
            self._rho = self._delta = min(max(self._rho, length / FAST_GROWTH), widest)
            self._observe(x, float(values[0]), float(np.linalg.norm(slope)))
            x, known = np.clip(lower, self._low, self._high), np.array([f])
            yield Iterate(self._outward(x), f, radius=self._delta)

    def _first_model(
        self, x: Array, known: Array
    ) -> Generator[Ask, Answers, Interpolation | Finish]:
        """The model through a star of points, as small a star as needs be for values.

        The values of its first points are ``known``.
        """
        while True:
            points = self._star(x, self._rho)
            answers = yield Ask(self._outward(points[len(known) :]), 0)
            values = np.concatenate([known, answers.values])
            if not np.isfinite(values[0]):
                return Finish(Status.NONFINITE, _status.nonfinite_start(values[0]))
            if np.isfinite(values).all():
                self._observe(x, float(values[0]), 0.0)
                return Interpolation(points, values, self._rho)
            if self._rho <= self._last_rho:
                return Finish(Status.PRECISION, "No finite value next to the start.")
            self._rho *= SHORTEST
            self._delta, known = self._rho, values[:1]

    def _begun(self, x: Array) -> Generator[Ask, Answers, Finish | None]:
        """The end, if the start is a minimum, around which values rise; at a saddle a point."""
        model = self._model
        if self._xtol is not None or self.recent.steps > 0:
            return None
        rise = float(np.delete(model.values, model.best).min()) - model.fun
        around = Around(float(np.trace(model.hessian)) / model.unit**2, rise)
        at = self._outward(x), model.fun
        found = yield from start_at_minimum(self._problem, self._scale, *at, around)
        if not isinstance(found, np.ndarray):
            return found
        there, value = yield from self._known(x + self._rho * found)
        if np.isfinite(value):
            model.add(there, value)
        return None

    def _ended(self, knows: Knowledge) -> Generator[Ask, Answers, Finish | None]:
        """The end, unless slopes along a direction that no model has chosen deny it."""
        model = self._model
        where = self._problem, self._scale, self._outward(model.x)
        found = yield from beside(*where, model.fun, unchosen(*where))
        promised = 0.0 if found is None else found.promised
        knows = knows._replace(promised=max(knows.promised, promised))
        return judge(knows, radius=self._delta) if self._believes(knows) else None

    def _star(self, x: Array, rho: float) -> Array:
        """A point and two along every axis, both to one side at a bound."""
        up, down = np.minimum(self._high - x, 2 * rho), np.minimum(x - self._low, 2 * rho)
        first = np.where(up < 0.5 * rho, -0.5 * down, np.minimum(up, rho))
        second = np.where(down < 0.5 * rho, up, -np.minimum(down, rho))
        first = np.where(down < 0.5 * rho, 0.5 * up, first)
        second = np.where(up < 0.5 * rho, -down, second)
        return np.concatenate([x[None], x + np.diag(first), x + np.diag(second)])

    def _try(self, step: Array, length: float) -> Generator[Any, Any, tuple[float, bool]]:
        """Evaluate at the model's minimizer, change the radius, let the model meet the value.

        The ratio of the actual to the predicted decrease, and whether there is a point more.
        """
        model = self._model
        x = self._inside(step)
        predicted = model.change(x)
        f = yield from self._value(x)
        change = f - model.fun
        self._met += 1
        self._note(predicted, change)
        ratio = change / predicted if predicted < 0 and np.isfinite(f) else -1.0
        self._good = ratio > GOOD
        self._resize(next_radius(self._delta, length, ratio))
        value = f if np.isfinite(f) else float(model.values.max())
        if model.has_room(max(self._delta, length)) and model.add(x, value):
            yield self._iterate()
            return ratio, True
        k = model.outgoing(x, change < 0, max(SHORTEST * self._delta, self._rho))
        if k is not None:
            model.replace(k, x, value)
            yield self._iterate()
        return ratio, False

    def _come_close(
        self, step: Array, length: float
    ) -> Generator[Any, Any, Finish | tuple[float, bool]]:
        """The end where a short step promises nothing; what is next to nothing is taken first.

        Then the gains of earlier steps are past.
        """
        self._resize(SHORTEST * self._delta)
        knows = self._knowledge(f"The model's minimizer is {length:.3g} of the scale away")
        ratio, grown, good = -1.0, False, self._good
        lost = max(knows.noise, SUMMED * knows.size)
        past = knows._replace(extrapolated=0.0, noise=lost)
        if good and self._knows_bends and not self._believes(knows) and self._believes(past):
            before = self.recent.steps
            ratio, grown = yield from self._try(step, length)
            if self._errors[-1] <= lost:
                self._good = True
                if self.recent.steps == before:
                    self._observe(self._model.x, self.recent.value, self._steep(), met=True)
            if ratio > 0 or not past.invisible:
                return ratio, grown
            knows = past._replace(message="The decrease ahead is lost to rounding")
        if self._believes(knows):
            finish = yield from self._ended(knows)
            if finish is not None:
                return finish
            self._good = False
        return ratio, grown

    def _improve(self, k: int) -> Generator[Any, Any, None]:
        """Move a far point to where the others say least."""
        model = self._model
        radius = max(min(SHORTEST * model.distance(k), 0.5 * self._delta), self._rho)
        slope, hessian = model.lagrange(k)
        largest, x = 0.0, None
        for sign in (1.0, -1.0):
            step = self._minimizer(sign * slope, sign * hessian, radius)
            size = abs(float(slope @ step + 0.5 * step @ hessian @ step))
            if size > largest:
                largest, x = size, self._inside(step)
        if x is None:
            return
        f = yield from self._value(x)
        model.replace(k, x, f if np.isfinite(f) else float(model.values.max()))
        yield self._iterate()

    def _noise(self) -> Generator[Ask, Answers, float]:
        """The noise, if the model's errors suggest it and decreases would be lost in it."""
        predicted = sum(abs(p) for p in self._predicted)
        if self._rho > SMALL or sum(self._errors) < DOUBTFUL * predicted:
            return 0.0
        noise = yield from measure_noise(
            self._problem, self._outward(self._model.x), self._scale, self._rng
        )
        return noise if NOISE_FLOOR * noise > predicted / len(self._predicted) else 0.0

    @property
    def accurate(self) -> bool:
        """Whether the last step came out as predicted."""
        return self._tried and self._errors[-1] <= MINOR * abs(self._predicted[-1])

    @property
    def _knows_bends(self) -> bool:
        """Whether points were met that tell the Hessian off its diagonal, which a star knows."""
        n = len(self._model.x)
        return n * (n - 1) // 2 <= self._met

    def inverse_hessian(self) -> Array | None:
        """The model's, in the user's units; None while its points do not determine it."""
        if not hasattr(self, "_model"):
            return None
        model = self._model
        if len(model.values) < full_size(len(model.x)):
            return None
        return self.matrix(len(model.x))

    def matrix(self, n: int) -> Array | None:
        """The model's inverse Hessian (n, n), however few points it has."""
        return self._model.inverse_hessian(self._delta, self._scale)

    def _end(self) -> Generator[Ask, Answers, Finish | None]:
        """The end where no step around gains anything and none is worth a smaller radius."""
        smallest = (1 + HALF_OF_DIGITS) * self._last_rho
        last = self._delta <= smallest and self._rho <= self._last_rho  # box 11
        knows = self._knowledge(f"Nothing lower within {self._rho:.3g} of the scale")
        if last:
            return (yield from self._last_word(self._at_last(knows)))
        if self._believes(knows):
            finish = yield from self._ended(knows)
            if finish is not None:
                return finish
        noise = 0.0 if self._exact else (yield from self._noise())
        # of values that are only rounded a smaller radius tells more
        self._exact |= 0 < noise <= SUMMED * abs(self._model.fun)
        return None if noise == 0 or self._exact else (yield from self._surveyed(noise))

    def _last_word(self, knows: Knowledge) -> Generator[Any, Any, Finish]:
        """The end at the last radius, unless a model that is determined denies it farther out.

        Along a valley's floor nothing shows so near, where a model errs as it likes.
        """
        finish, radius = judge(knows, radius=self._delta), min(OTHER_ORDER**2 * self._rho, 1.0)
        if finish.status.success and self._xtol is None:
            wider = yield from determined_star(self._star(self._model.x, radius), self._outward)
            if wider is not None:
                self._model, self._delta = wider, radius
                yield self._iterate()
                return judge(knows._replace(promised=self._promised()), radius=self._rho)
        return finish

    def _believes(self, knows: Knowledge) -> bool:
        """Whether what the model promises is an end, before the radius is at its smallest.

        Where bounds hold its minimizer it promises nothing, so no error shows: a model that
        its points do not determine has to be steeper there than curvature may bend it.
        """
        if self._xtol is not None or knows.steep > KINK:
            return False
        resolved = self._knows_bends and self._resolves(knows.noise)
        if not (knows.negligible or (knows.invisible and resolved)):
            return False
        model = self._model
        slope, held = self._slope()
        if not held.any() or len(model.values) >= full_size(len(model.x)):
            return True
        bent = self._bend() * model.distance(model.farthest())
        return bool((np.abs(slope[held]) > bent).all())

    def _resolves(self, noise: float) -> bool:
        """Whether slopes that rounding tilts by noise over the radius promise next to nothing.

        Along a curvature c they promise ``(noise / radius)^2 / (2 c)``.
        """
        return noise <= 4 * NOISE_FLOOR * self._rise()

    def _surveyed(self, noise: float) -> Generator[Any, Any, Finish]:
        """The end in noise, where quadratics that are fitted above it lead no farther down."""
        x = self._outward(self._model.x)
        found = yield from survey(self._problem, self._scale, x, self._delta, noise, self._rng)
        x, here, left = yield from found.end()
        yield Iterate(x, here.mean, radius=self._delta)
        message = "Predicted decreases are lost in the noise"
        knows = Knowledge(message, promised=left, noise=here.level(noise))
        return judge(knows, noise=noise, radius=self._delta, surveyed=True)

    def _at_last(self, knows: Knowledge) -> Knowledge:
        """The same where the radius falls no more: nobody tells points apart that are nearer."""
        fall = max((fall for _, fall in knows.lately), default=0.0)
        there = self._rho, self._steep(), self._bend(), knows.size, fall, NEGLIGIBLE
        hidden = self._resolution.hidden(*there)
        # rounding tilts and bends each of the model's elements, too
        rounded = len(self._model.x) * knows.noise
        bent = self._bend() * self._rho**2 > rounded
        kinked = bent and self._resolution.kinked(self._rho, self._bend())
        return knows._replace(
            promised=self._promised() if hidden > 0 else knows.promised,
            tolerance_met=self._xtol is not None,
            noise=max(knows.noise if bent else rounded, hidden, NEGLIGIBLE * self._rise()),
            steep=1.0 if kinked else knows.steep,
            extrapolated=0.0,
        )

    def _promised(self) -> float:
        """Decrease within the radius, if the model is right."""
        step = self._minimizer(self._model.slope(), self._model.hessian, self._delta)
        return max(0.0, -self._model.change(self._inside(step)))

    def _rise(self) -> float:
        """By how much values rise at the last radius, at least, if the model is a bowl there."""
        least = float(np.linalg.eigvalsh(self._model.hessian)[0]) / self._model.unit**2
        return max(0.0, least) * self._rho * self._rho / 2

    def _slope(self) -> tuple[Array, Any]:
        """The model's slope, and which of the variables bounds hold against it."""
        x, slope = self._model.x, self._model.slope() / self._model.unit
        held = np.where(slope > 0, x <= self._low, x >= self._high)
        return slope, held & (slope != 0)

    def _steep(self) -> float:
        """The size of the model's slope along the variables that no bound holds."""
        slope, held = self._slope()
        return float(np.linalg.norm(slope[~held]))

    def _bend(self) -> float:
        """The size of the model's curvature, in the scale's units."""
        return float(np.linalg.norm(self._model.hessian)) / self._model.unit**2

    def _knowledge(self, message: str) -> Knowledge:
        """What the last steps, the model's errors there, and values lately tell."""
        model, recent = self._model, self.recent
        noise = ROUNDINGS * self._problem.unit * abs(model.fun)
        step = self._minimizer(model.slope(), model.hessian, self._delta)
        # the model is as wrong about what it promises as it was about the last steps, by more than
        # values are rounded
        last = zip(self._errors[1:], self._predicted[1:], strict=True)
        off = [max(e - noise, 0.0) / max(abs(p), 1e-300) for e, p in last]
        wrong = max(off) if self._tried else math.inf
        return Knowledge(
            message,
            promised=self._promised() * (1 + wrong),
            extrapolated=recent.extrapolated(noise),
            lately=recent.changes,
            size=abs(model.fun),
            noise=noise,
            far=recent.far(model.x, float(np.linalg.norm(step)) * model.unit),
            steep=recent.steepness if self._steep() > 0 else 0.0,  # at a corner nothing is left
        )

    def _observe(self, x: Array, f: float, steep: float, met: bool = False) -> None:
        """Take note of a lower value, or of one that is the same as was predicted."""
        if self.recent.steps < 0 or f < self.recent.value or met:
            self.recent.add(x, f, steep)

    def _note(self, predicted: float, change: float) -> None:
        self._tried = True
        self.jumped |= not change <= JUMP * abs(predicted)
        self._predicted = [*self._predicted[1:], predicted]
        self._errors = [*self._errors[1:], abs(change - predicted)]

    def _resize(self, delta: float) -> None:
        self._delta = delta if delta > RESOLVED * self._rho else self._rho

    def _reduce(self) -> None:
        """A smaller lower bound of the radius, (7.6) of BOBYQA's report."""
        self._resolution.note(self._rho, self._bend())
        share = self._rho / self._last_rho
        new = SHORTEST * self._rho
        if share <= 16:
            new = self._last_rho
        elif share <= 250:
            new = math.sqrt(self._rho * self._last_rho)
        self._delta, self._rho = max(0.5 * self._rho, new), new

    def _settle(self) -> None:
        """New coordinates for the model when the old ones fit no more."""
        model, delta = self._model, self._delta
        moved = float(np.linalg.norm(model.x - model.base))
        if (
            moved > OTHER_ORDER * delta
            or not delta / OTHER_ORDER <= model.unit <= OTHER_ORDER * delta
            or model.stale
        ):
            model.rebuild(delta)

    def _minimizer(self, slope: Array, hessian: Array, radius: float) -> Array:
        """Of a quadratic around the best point, in the model's unit, in ball and box."""
        model = self._model
        low, high = (self._low - model.x) / model.unit, (self._high - model.x) / model.unit
        return boxed_step(slope, hessian, radius / model.unit, low, high)

    def _inside(self, step: Array) -> Array:
        return np.clip(self._model.x + self._model.unit * step, self._low, self._high)

    def _outward(self, points: Array) -> Array:
        """In the user's units; clipped again, against rounding."""
        return self._problem.clip(points * self._scale)

    def _iterate(self) -> Iterate:
        model = self._model
        self._observe(model.x, model.fun, self._steep())
        learnt = self._knows_bends and self.accurate
        told = Iterate(self._outward(model.x), model.fun, radius=self._delta)
        if learnt:
            told.info[ESTIMATE] = CurvatureEstimate(self)
        return told

    def _value(self, x: Array) -> Generator[Ask, Answers, float]:
        return (yield from ask_value(self._outward(x)))

    def _known(self, x: Array) -> Generator[Ask, Answers, tuple[Array, float]]:
        """The point between the bounds, and its value."""
        x = np.clip(x, self._low, self._high)
        return x, (yield from self._value(x))
