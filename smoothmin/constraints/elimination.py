"""Linear equalities eliminated exactly: a method moves in what they leave free.

With ``A x = b`` the variables split into ``x = (u, w)``, ``A = (U, W)``, where ``U`` has full
row rank: ``u = y + Y W (w0 - w) + Z v`` for the start ``(y, w0)``, ``Y`` a right inverse of
``U`` and ``Z`` an orthonormal basis of its null space. The method's variables are ``(v, w)``.

``u`` are the variables without bounds, and as many others, far from theirs, as the rank
needs. So the bounds of ``w`` stay bounds, and without bounds the whole basis is orthonormal,
which changes no distance. The bounds of ``u`` become linear rows that no evaluation leaves.
``Y`` and ``Z`` are kept as Householder reflections (Golub, Van Loan, Matrix Computations,
section 5.2), which takes the memory of ``A``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from smoothmin import _status
from smoothmin._estimate import ESTIMATE
from smoothmin._machine import CACHED, EPS, QUARTER_OF_DIGITS
from smoothmin._method import Method
from smoothmin._protocol import (
    Answers,
    Array,
    Ask,
    Differences,
    Finish,
    Iterate,
    Mask,
    Multipliers,
    Problem,
    Rows,
    Steps,
)
from smoothmin._reflection import within_bounds
from smoothmin._reformulate import Reformulation, SeenDifferences, relay
from smoothmin._status import Status
from smoothmin.constraints.region import dense, part_of, stacked_rows


class NullSpace:
    """The affine set ``A x = A x0`` in coordinates of its own.

    Parameters
    ----------
    matrix : ndarray, shape (m, n)
        Rows may depend on one another.
    x0 : ndarray, shape (n,)
        A point of the set, whose coordinates are zero in ``v`` and its own in ``w``.
    box : (lower, upper) or None

    Attributes
    ----------
    size : int
        How many coordinates there are.
    moved, kept : ndarrays of int
        Which variables make ``u`` and ``w``.
    """

    def __init__(self, matrix: Array, x0: Array, box: tuple[Array, Array] | None) -> None:
        rows = independent_rows(matrix)
        matrix = matrix[rows]
        self.x0 = x0
        self.moved = _basic(matrix, x0, box)
        self.kept = np.setdiff1d(np.arange(x0.size), self.moved)
        self._rank = len(matrix)
        self._w = matrix[:, self.kept]
        # U' = Q R: the first columns of Q span the rows, the others are Z
        (self._reflections, self._tau), self._r = linalg.qr(
            matrix[:, self.moved].T, mode="raw", check_finite=False
        )
        self._r = self._r[: self._rank]
        self.size = x0.size - self._rank
        self._start = np.concatenate([np.zeros(self.free_count), self.x0[self.kept]])
        # (size, n): of few variables the map itself, since a product costs less than reflections
        self._map: Array | None = None
        if self.size * x0.size <= CACHED:
            self._map = self._moves(np.eye(self.size))

    @property
    def start(self) -> Array:
        """The coordinates of ``x0``."""
        return self._start

    @property
    def free_count(self) -> int:
        """How many coordinates ``v`` are of no single variable."""
        return len(self.moved) - self._rank

    def _reflect(self, vectors: Array, *, transposed: bool) -> Array:
        """``Q`` or ``Q'`` times each row."""
        (ormqr,) = linalg.get_lapack_funcs(("ormqr",), (self._reflections,))
        side = np.array(vectors.T, order="F")
        trans = "T" if transposed else "N"
        work = max(1, 64 * side.shape[1])
        out, _, info = ormqr("L", trans, self._reflections, self._tau, side, work)
        assert info == 0
        found: Array = out.T
        return found

    def points(self, coordinates: Array) -> Array:
        """Points (m, n) of the set."""
        away = coordinates - self._start
        found = self._moves(away) if self._map is None else away.dot(self._map)
        found += self.x0
        found[:, self.kept] = coordinates[:, self.free_count :]
        return found

    def _moves(self, away: Array) -> Array:
        """Steps (m, n) in the set, from those of the coordinates."""
        v, w = away[:, : self.free_count], away[:, self.free_count :]
        right = -(w @ self._w.T)
        inverse = linalg.solve_triangular(self._r, right.T, trans="T", check_finite=False).T
        out = np.empty((len(away), self.x0.size))
        out[:, self.kept] = w
        out[:, self.moved] = self._reflect(np.concatenate([inverse, v], axis=1), transposed=False)
        return out

    def slopes(self, gradients: Array) -> Array:
        """Derivatives (m, size) along the coordinates, from gradients (m, n)."""
        if self._map is not None:
            known: Array = gradients.dot(self._map.T)
            return known
        along = self._reflect(gradients[:, self.moved], transposed=True)
        solved = linalg.solve_triangular(self._r, along[:, : self._rank].T, check_finite=False).T
        kept = gradients[:, self.kept] - solved @ self._w
        return np.concatenate([along[:, self._rank :], kept], axis=1)


def independent_rows(matrix: Array) -> NDArray[np.intp]:
    """Rows that span all of them, by QR with pivoting, in order."""
    if not matrix.size:
        return np.empty(0, dtype=np.intp)
    size = np.linalg.norm(matrix, axis=1)
    scaled = matrix / np.where(size > 0, size, 1.0)[:, None]
    r, pivots = linalg.qr(scaled.T, mode="r", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diag(r))
    rank = int((diagonal > max(matrix.shape) * EPS * max(1.0, diagonal[0])).sum())
    return np.sort(pivots[:rank])


def _basic(matrix: Array, x0: Array, box: tuple[Array, Array] | None) -> NDArray[np.intp]:
    """Which variables the equalities determine, together with coordinates without bounds."""
    m, n = matrix.shape
    if box is None:
        return np.arange(n)
    lower, upper = box
    bounded = np.isfinite(lower) | np.isfinite(upper)
    free = np.flatnonzero(~bounded)
    size = np.linalg.norm(matrix, axis=1)[:, None]
    scaled = matrix / np.where(size > 0, size, 1.0)
    columns = scaled[:, free]
    basis = np.zeros((m, 0))
    if free.size:
        q, r, _ = linalg.qr(columns, mode="economic", pivoting=True, check_finite=False)
        diagonal = np.abs(np.diag(r))
        basis = q[:, : int((diagonal > max(m, n) * EPS).sum())]
    missing = m - basis.shape[1]
    if missing == 0:
        return free
    others = np.flatnonzero(bounded)
    # variables in the midst of their bounds move farther before rows are in the way
    room = np.minimum(np.minimum(x0 - lower, upper - x0), 1.0)[others]
    weights = np.maximum(room, QUARTER_OF_DIGITS)
    rest = scaled[:, others] - basis @ (basis.T @ scaled[:, others])
    _, pivots = linalg.qr(rest * weights, mode="r", pivoting=True, check_finite=False)
    return np.sort(np.concatenate([free, others[pivots[:missing]]]))


class _Coordinates(Reformulation):
    """Points of the set, of which the method sees the coordinates."""

    def __init__(self, space: NullSpace, box: tuple[Array, Array] | None, equalities: Mask) -> None:
        self._space, self._box, self._equalities = space, box, equalities

    def outward(self, points: Array) -> Array:
        """To where the function is."""
        space = self._space
        if not math.isfinite(np.vdot(points, points)) and not np.isfinite(points).all():
            return np.full((len(points), space.x0.size), np.nan)
        found = space.points(points)
        found[(points == space.start).all(axis=1)] = space.x0  # to the last digit
        # sums may round outward
        if self._box is not None:
            np.minimum(np.maximum(found, self._box[0], out=found), self._box[1], out=found)
        return found

    def inward(self, answers: Answers) -> Answers:
        """With derivatives along the coordinates."""
        gradients, jacobians = answers.gradients, answers.jacobians
        if gradients is not None:
            gradients = self._space.slopes(gradients)
        if jacobians is not None:
            m, k, n = jacobians.shape
            along = self._space.slopes(jacobians.reshape(m * k, n))
            jacobians = along.reshape(m, k, self._space.size)
        return Answers(answers.values, gradients, answers.rows, jacobians)

    def ask(self, message: Ask) -> Ask:
        """The request outside."""
        return Ask(self.outward(message.points), message.order, known=message.known)

    def iterate(self, message: Iterate) -> Iterate:
        """A step, where it is; what is not of the user's variables is left out."""
        info = _for_user(message.info)
        return Iterate(self.outward(message.x[None])[0], message.fun, None, **info)

    def finish(self, message: Finish) -> Finish:
        """With multipliers of the user's rows, without what is not of the user's variables."""
        info, told = _for_user(message.info), message.info.get("multipliers")
        if told is not None:
            info["multipliers"] = self._of_rows(told)
        return Finish(message.status, message.message, **info)

    def _of_rows(self, told: Multipliers) -> Multipliers:
        """Of the user's rows and bounds; NaN where only slopes off the set would tell."""
        linear = np.full(len(self._equalities), np.nan)
        linear[~self._equalities] = told.linear[: int((~self._equalities).sum())]
        unknown = 0.0 if self._box is None else np.nan
        return Multipliers(linear, told.nonlinear, np.full(self._space.x0.size, unknown))


class _AlongCoordinates(SeenDifferences):
    """Finite differences that were taken along the user's variables."""

    def __init__(self, differences: Differences, space: NullSpace) -> None:
        super().__init__(differences)
        self._space = space

    def displaced(self, x: Array) -> Array:
        """Along the coordinates, which are as good as orthonormal."""
        away = super().displaced(self._space.points(x[None])[0])
        along: Array = self._space.slopes(away[None])[0]
        return along

    def rounded(self, x: Array) -> Array:
        """The largest for all."""
        errors = super().rounded(self._space.points(x[None])[0])
        return np.full(x.size, errors.max(initial=0.0))

    def toward(self, side: float) -> bool:
        """Not that of coordinates."""
        return False

    def correct(self, x: Array, error: Array) -> None:
        """Nothing: errors along the coordinates are not those along the variables."""

    def corrected(self, x: Array) -> Array:
        """Nothing, therefore."""
        return np.zeros_like(x)


def _for_user(info: dict[str, Any]) -> dict[str, Any]:
    """Without what is of the coordinates."""
    return {key: value for key, value in info.items() if key not in (ESTIMATE, "multipliers")}


@dataclass(frozen=True)
class Eliminated(Method):
    """A method run in the coordinates of a set of linear equalities.

    Parameters
    ----------
    inner : Method
    equalities : ndarray of bool
        Which of the problem's linear rows they are; the start meets them.
    """

    inner: Method
    equalities: Mask

    handles_bounds = True

    @property
    def needs_gradient(self) -> bool:
        """As the inner method."""
        return self.inner.needs_gradient

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Run the inner method on the problem in fewer variables."""
        assert problem.linear is not None
        matrix = dense(part_of(problem.linear, self.equalities).matrix)
        space = NullSpace(matrix, np.asarray(problem.x0), problem.box)
        if space.size == 0:
            yield Ask(problem.x0[None], int(self.needs_gradient))
            return Finish(Status.CONVERGED, _status.NOTHING_FREE)
        inner = self.reduced(problem, space)
        steps = within_bounds(self.inner, inner.box).run(inner, rng)
        return (yield from relay(_Coordinates(space, problem.box, self.equalities), steps))

    def reduced(self, problem: Problem, space: NullSpace) -> Problem:
        """The problem in the coordinates: bounds of variables that moved become rows."""
        rows = self._rows(problem, space)
        box = None
        if problem.box is not None:
            kept = [side[space.kept] for side in problem.box]
            if any(np.isfinite(side).any() for side in kept):
                free = np.full(space.free_count, np.inf)
                box = np.concatenate([-free, kept[0]]), np.concatenate([free, kept[1]])
        differences = problem.differences
        return replace(
            problem,
            differences=differences and _AlongCoordinates(differences, space),
            x0=space.start,
            box=box,
            shape=(space.size,),
            free=None,
            whole=None,
            blocks=None,
            held=None,
            linear=rows,
        )

    def _rows(self, problem: Problem, space: NullSpace) -> Rows | None:
        """The inequalities, over the coordinates."""
        assert problem.linear is not None
        parts = []
        others = ~self.equalities
        if others.any():
            parts.append(part_of(problem.linear, others))
        if problem.box is not None:
            lower, upper = problem.box
            bounded = np.isfinite(lower) | np.isfinite(upper)
            which = space.moved[bounded[space.moved]]
            if which.size:
                unit = np.zeros((which.size, lower.size))
                unit[np.arange(which.size), which] = 1.0
                tolerance, hard = np.zeros(which.size), np.ones(which.size, dtype=bool)
                parts.append(Rows(lower[which], upper[which], tolerance, unit, hard))
        if not parts:
            return None
        rows = stacked_rows(parts)
        matrix = dense(rows.matrix)
        along = space.slopes(matrix)
        offset = matrix @ space.x0 - along @ space.start
        return replace(rows, lower=rows.lower - offset, upper=rows.upper - offset, matrix=along)


def equalities_of(linear: Rows | None) -> Mask | None:
    """Which linear rows are equalities; None if none is."""
    if linear is None:
        return None
    equal: Mask = linear.lower == linear.upper
    return equal if equal.any() else None
