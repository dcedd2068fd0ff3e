"""`LatticeDescent`: down to a point next to which no integer is lower.

References: S. Le Digabel, S. Wild, "A taxonomy of constraints in black-box simulation-based
optimization" (2024) (what a method may evaluate); C. Audet, J. E. Dennis, "Pattern search
algorithms for mixed variable programming", SIAM J. Optim. 11 (2001),
:doi:`10.1137/S1052623499352024` (neighbours, each with real variables of its own); M. J. D.
Powell (2004), see `LatticeModel`.

1. Steps to the lowest point of a quadratic through the nearest points, as far as it was right.
2. The real variables roughly to their minimum, the integers fixed, by `ModelDescent`.
3. The neighbours: one integer more or less, the real variables where the quadratic is lowest
   then; along a plateau twice as far until values differ. Any lower one leads back to 1.
4. As many of the points a step away in two integers, and of the points along the valleys of
   the quadratic, as there are integers, the lowest of the quadratic first.

Deviation: real variables follow the model at a neighbour, one value each, instead of a search
there, which is made once a neighbour is lower.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from smoothmin import _status
from smoothmin._machine import EPS
from smoothmin._method import Method
from smoothmin._precision import ROUNDINGS
from smoothmin._protocol import Answers, Array, Ask, Finish, Iterate, Problem, Steps, resume
from smoothmin._scale import typical_scale
from smoothmin._status import Status
from smoothmin._verdict import Knowledge, judge
from smoothmin.derivative_free.mixed.lattice_model import LatticeModel
from smoothmin.derivative_free.mixed.real_part import real_problem
from smoothmin.derivative_free.model_descent import ModelDescent
from smoothmin.subproblems.trust_region import GOOD, POOR

LOOSE = 1e-2  # tolerance of the real variables, in units of the size
NEIGHBOURS = "No neighbouring integer is lower"
FAR = 2.0**30  # steps beyond which a lattice without bounds is not searched


@dataclass(frozen=True)
class LatticeDescent(Method):
    """Minimize from values alone where some variables have steps: ``problem.lattice``.

    Parameters
    ----------
    scale : float or array_like of shape (d,), optional
        How far variables typically move.
    """

    name: ClassVar[str] = "lattice-descent"
    handles_bounds: ClassVar[bool] = True

    scale: ArrayLike | None = None

    @property
    def needs_gradient(self) -> bool:
        """Never."""
        return False

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        scale = typical_scale(problem, "scale", self.scale)
        return _LatticeDescent(problem, scale, rng).run()


class _LatticeDescent:
    """One run."""

    def __init__(self, problem: Problem, scale: Array, rng: np.random.Generator) -> None:
        assert problem.lattice is not None
        self._problem, self._rng = problem, rng
        self._step = problem.lattice.step
        self._discrete = problem.lattice.discrete
        self._integers = np.flatnonzero(self._discrete)
        self._real = np.flatnonzero(~self._discrete)
        self._size = np.maximum(scale, self._step)
        n = problem.x0.size
        low, high = np.full(n, -np.inf), np.full(n, np.inf)
        if problem.box is not None:
            low, high = problem.box
        self._low, self._high = low, high
        self._points, self._values = np.empty((0, n)), np.empty(0)
        self._best = 0
        self._reach = 1.0  # of steps, in units of the size
        self._nit = 0
        self._rises = False  # whether a neighbour was higher

    @property
    def _x(self) -> Array:
        x: Array = self._points[self._best]
        return x

    @property
    def _fun(self) -> float:
        return float(self._values[self._best])

    def run(self) -> Steps:
        """Minimize, the real variables roughly."""
        x0 = self._problem.clip(self._problem.x0)
        values = yield from self._ask(x0[None])
        if not np.isfinite(values[0]):
            return Finish(Status.NONFINITE, _status.nonfinite_start(float(values[0])))
        yield from self._star()
        while True:
            yield from self._model_steps()
            yield from self._polish()
            if (yield from self._neighbours()) or (yield from self._diagonals()):
                self._reach = max(self._reach, 1.0)
                continue
            if not self._rises:
                return Finish(Status.PRECISION, _status.PLATEAU)
            level = ROUNDINGS * EPS * abs(self._fun)
            return judge(Knowledge(NEIGHBOURS, promised=0.0, noise=level))

    # 1.

    def _star(self) -> Generator[Any, Any, None]:
        """One step along each variable, back into the box where that ends."""
        x = self._x.copy()
        steps = np.diag(self._stepped(self._size))
        points = x + steps
        outside = (points > self._high).any(axis=1)
        points[outside] = x - steps[outside]
        yield from self._ask(self._problem.clip(points))
        yield self._iterate()

    def _model_steps(self) -> Generator[Any, Any, None]:
        """Steps of the model until it promises nothing, or is wrong about steps of one."""
        while True:
            model = self._model()
            low, high = self._around(self._reach)
            x = self._problem.clip(model.lowest(low, high, self._step))
            promised = -float(model.rises(x[None])[0])
            smallest = bool((self._stepped(self._reach * self._size) <= self._step).all())
            if promised <= ROUNDINGS * EPS * abs(self._fun) or self._known(x):
                if smallest or self._reach <= LOOSE:
                    return
                self._reach *= 0.5
                continue
            before = self._fun
            yield from self._ask(x[None])
            yield self._iterate()
            ratio = (before - self._fun) / promised
            if ratio >= GOOD:
                self._reach *= 2.0
            elif ratio < POOR:
                if smallest or self._reach <= LOOSE:
                    return
                self._reach *= 0.5

    # 2.

    def _polish(self) -> Generator[Any, Any, None]:
        """The real variables, the integers fixed."""
        real = self._real
        if len(real) == 0:
            return
        x = self._x.copy()
        inner = real_problem(self._problem.at(x), ~self._discrete)
        steps = ModelDescent(self._size[real], LOOSE).run(inner, self._rng)
        reply: Any = None
        while True:
            message = resume(steps, reply)
            if isinstance(message, Finish):
                return
            reply = None
            if isinstance(message, Ask):
                points = np.repeat(x[None], len(message.points), axis=0)
                points[:, real] = message.points
                reply = Answers((yield from self._ask(points)))
            else:
                yield self._iterate(**message.info)

    # 3.

    def _neighbours(self) -> Generator[Any, Any, bool]:
        """Whether one integer more or less is lower, those that the model prefers first."""
        model, x, fun = self._model(), self._x.copy(), self._fun
        moves = [(i, side) for i in self._integers.tolist() for side in (-1.0, 1.0)]
        points = np.array([self._moved(model, x, i, side) for i, side in moves])
        for k in np.argsort(model.rises(points), kind="stable"):
            i, side = moves[k]
            length = 1.0
            while length <= FAR:
                point = self._moved(model, x, i, side * length)
                if point[i] == x[i]:
                    break
                value = float((yield from self._ask(point[None]))[0])
                if value < fun:
                    yield self._iterate()
                    return True
                self._rises = self._rises or value > fun
                if value != fun or abs(point[i] - x[i]) < length * self._step[i]:
                    break  # no plateau, or the end of the box
                length *= 2.0
        return False

    def _moved(self, model: LatticeModel, x: Array, i: int, steps: float) -> Array:
        """A neighbour, its real variables where the model is lowest."""
        low, high = x.copy(), x.copy()
        target = x[i] + steps * self._step[i]
        low[i] = high[i] = min(max(target, self._low[i]), self._high[i])
        real = self._real
        if len(real):
            around = self._around(1.0)
            low[real], high[real] = around[0][real], around[1][real]
        begin = x.copy()
        begin[i] = low[i]
        return self._problem.clip(model.lowest(low, high, self._step, begin))

    # 4.

    def _diagonals(self) -> Generator[Any, Any, bool]:
        """Whether a point one step away in two integers, or along a valley, is lower."""
        count, integers = len(self._integers), self._integers.tolist()
        if count < 2:
            return False
        model, x, fun = self._model(), self._x.copy(), self._fun
        pairs = [(i, j, s, t) for a, i in enumerate(integers) for j in integers[:a]
                 for s in (-1.0, 1.0) for t in (-1.0, 1.0)]  # fmt: skip
        moves = np.zeros((len(pairs), x.size))
        for k, (i, j, s, t) in enumerate(pairs):
            moves[k, i], moves[k, j] = s * self._step[i], t * self._step[j]
        points = np.concatenate([x + moves, model.valley(self._step)])
        points = points[((points >= self._low) & (points <= self._high)).all(axis=1)]
        points = np.array([point for point in np.unique(points, axis=0) if not self._known(point)])
        if len(points) == 0:
            return False
        for k in np.argsort(model.rises(points), kind="stable")[:count]:
            if float((yield from self._ask(self._problem.clip(points[k : k + 1])))[0]) < fun:
                yield self._iterate()
                return True
        return False

    # what they share

    def _ask(self, points: Array) -> Generator[Ask, Answers, Array]:
        """Values at points, kept; infinite where there is none."""
        found = (yield Ask(points, 0)).values
        values = np.where(np.isfinite(found), found, np.inf)
        fresh = [k for k in range(len(points)) if not self._known(points[k])]
        self._points = np.concatenate([self._points, points[fresh]])
        self._values = np.concatenate([self._values, values[fresh]])
        self._best = int(self._values.argmin())
        return values

    def _known(self, x: Array) -> bool:
        return bool((self._points == x).all(axis=1).any())

    def _iterate(self, **info: Any) -> Iterate:
        return Iterate(self._x.copy(), self._fun, reach=self._reach, **info)

    def _model(self) -> LatticeModel:
        finite = np.isfinite(self._values)
        best = int(np.count_nonzero(finite[: self._best]))
        return LatticeModel.through(self._points[finite], self._values[finite], best, self._size)

    def _stepped(self, lengths: Array) -> Array:
        """Lengths as whole steps, at least one, where variables have such."""
        whole = np.where(self._discrete, self._step, 1.0)
        return np.where(self._discrete, whole * np.maximum(1.0, np.rint(lengths / whole)), lengths)

    def _around(self, reach: float) -> tuple[Array, Array]:
        """Where a step may lead: so far along each variable, and not beyond its bounds."""
        length = np.minimum(self._stepped(reach * self._size), FAR * self._size)
        x = self._x
        return np.maximum(self._low, x - length), np.minimum(self._high, x + length)
