"""The least element of a hull that gains and loses points, by few pivots each time.

References: C. L. Lawson, R. J. Hanson, *Solving Least Squares Problems* (1974), chapter
23, algorithm NNLS, for the pivots; J. W. Daniel, W. B. Gragg, L. Kaufman, G. W. Stewart,
"Reorthogonalization and stable algorithms for updating the Gram-Schmidt QR
factorization", Math. Comp. 30 (1976), for the factors.

Deviations, and why: the weights and factors of one solution start the next, which differs
by a point or two. The first solution is that of `min_norm_point`, which is compiled; the
system is the same, ``[G N; e' 0] [w; v] = [0; 1]``. `min_norm_point` alone would do: this is for
speed, where a hull of a hundred points is enlarged point by point.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr_delete
from scipy.linalg.lapack import dtrtrs

from smoothmin._machine import PRODUCTS, SUMMED
from smoothmin._protocol import Array
from smoothmin.subproblems.min_norm import HullPoint, min_norm_point
from smoothmin.subproblems.trust_region import ACCURACY

PIVOTS = 3  # per point, before a solution is taken as it is
SMALL = 40  # so few points are done with sooner from scratch
FEW = 5  # points lost from a solution that are taken out one by one


class GrowingHull:
    """The convex hull of points, plus a cone.

    Parameters
    ----------
    cone : ndarray (k, d)
        Directions that may be added with any nonnegative multiplier.
    """

    def __init__(self, cone: Array) -> None:
        self._k, self._d = cone.shape
        # rows are the columns of the system
        self._columns = np.zeros((max(2 * self._k, 32), self._d + 1))
        self._columns[: self._k, :-1] = cone
        self._count = self._k
        self._scale = 0.0
        self._weights: dict[int, float] = {}  # of the last solution
        self._passive: list[int] = []  # its columns, in the order of the factors
        self._room = np.empty((self._d + 1, 8), order="F")
        self._q, self._r = self._room[:, :0], np.empty((0, 0))

    def append(self, points: Array) -> None:
        """Add points (m, d), numbered in order of arrival."""
        self._scale = self._scale or float(np.abs(points).max()) or 1.0
        after = self._count + len(points)
        if after > len(self._columns):
            room = np.zeros((2 * after, self._d + 1))
            room[: self._count] = self._columns[: self._count]
            self._columns = room
        self._columns[self._count : after, :-1] = points / self._scale
        self._columns[self._count : after, -1] = 1.0
        self._count = after

    def least(self, numbers: NDArray[np.intp]) -> HullPoint:
        """The least element of the hull of the points of these ``numbers`` alone.

        Its weights are in the order of ``numbers``.
        """
        if not self._weights or len(numbers) <= SMALL:
            return self._from_scratch(numbers)
        allowed = np.zeros(self._count, dtype=bool)
        allowed[: self._k] = True
        allowed[self._k + numbers] = True
        lost = [column for column in self._weights if not allowed[column]]
        if len(lost) > FEW:
            return self._from_scratch(numbers)
        if not self._passive:
            self._factorize()
        weights = np.array([self._weights[column] for column in self._passive])
        for column in set(lost).intersection(self._passive):  # the rest depended on others
            weights = self._remove(self._passive.index(column), weights)
        weights = self._pivot(allowed, self._feasible(weights))
        total = sum(w for c, w in zip(self._passive, weights, strict=True) if c >= self._k)
        if not total > 0:
            return self._from_scratch(numbers)
        self._weights = dict(zip(self._passive, (weights / total).tolist(), strict=True))
        return self._found(numbers)

    def _from_scratch(self, numbers: NDArray[np.intp]) -> HullPoint:
        """The solution without help from the last one; the factors follow when needed."""
        rows = self._columns[:, :-1]
        found = min_norm_point(rows[self._k + numbers], rows[: self._k] if self._k else None)
        weights = dict(zip((self._k + numbers).tolist(), found.weights.tolist(), strict=True))
        weights.update(enumerate(found.multipliers.tolist()))
        self._weights = {column: weight for column, weight in weights.items() if weight > 0}
        self._passive = []
        return self._found(numbers)

    def _found(self, numbers: NDArray[np.intp]) -> HullPoint:
        """The last solution, in units of the points."""
        columns = list(self._weights)
        values = np.array(list(self._weights.values()))
        everything = np.zeros(self._count)
        everything[columns] = values
        point = (values @ self._columns[columns, :-1]) * self._scale
        weights, multipliers = everything[self._k + numbers], everything[: self._k] * self._scale
        return HullPoint(point, weights, multipliers)

    def _factorize(self) -> None:
        """Q and R of the columns of the last solution, as many of them as are independent."""
        self._passive, self._q, self._r = [], self._room[:, :0], np.empty((0, 0))
        columns = list(self._weights)
        q, r = np.linalg.qr(self._columns[columns].T)
        if len(columns) <= self._d + 1 and np.abs(np.diag(r)).min() > PRODUCTS:
            self._passive, self._q, self._r = columns, self._stored(q), np.asfortranarray(r)
            return
        for column in columns:
            self._insert(column)

    def _pivot(self, allowed: NDArray[np.bool_], weights: Array) -> Array:
        """Algorithm NNLS, steps 2 to 5, from weights that solve for their own columns."""
        open_ = allowed.copy()
        open_[self._passive] = False
        for _ in range(PIVOTS * self._count):
            residual = -(self._q @ self._q[-1])
            residual[-1] += 1.0
            gains = np.where(open_, self._columns[: self._count] @ residual, -np.inf)
            entering = int(gains.argmax())
            if not gains[entering] > ACCURACY * float(residual @ residual) + SUMMED:
                break
            open_[entering] = False
            if not self._insert(entering):
                continue
            before = self._passive
            weights = self._feasible(np.append(weights, 0.0))
            # what has left may come back, unless it came and went at once
            left = set(before).difference(self._passive) - {entering}
            open_[list(left)] = True
        return weights

    def _feasible(self, weights: Array) -> Array:
        """Algorithm NNLS, steps 6 to 11: the solution for the columns, or for fewer of them."""
        while len(weights):
            solution: Array = dtrtrs(self._r, self._q[-1])[0]
            negative = np.flatnonzero(solution <= 0)
            if not len(negative):
                return solution
            change = weights - solution
            shares = weights[negative] / change[negative]
            first = int(shares.argmin())
            weights = np.maximum(weights - shares[first] * change, 0.0)
            weights = self._remove(int(negative[first]), weights)
        return weights

    def _insert(self, column: int) -> bool:
        """Extend the factors by a column; whether it was independent of the others."""
        vector = self._columns[column]
        shares = vector @ self._q
        rest = vector - self._q @ shares
        again = rest @ self._q
        rest -= self._q @ again
        length = float(np.linalg.norm(rest))
        if length <= PRODUCTS or len(shares) > self._d:
            return False
        s = len(shares)
        r = np.zeros((s + 1, s + 1), order="F")
        r[:s, :s], r[:s, s], r[s, s] = self._r, shares + again, length
        if s == self._room.shape[1]:
            self._q = self._stored(self._q)
        self._room[:, s] = rest / length
        self._q, self._r = self._room[:, : s + 1], r
        self._passive = [*self._passive, column]
        return True

    def _stored(self, q: Array) -> Array:
        """Columns in a room with as much space again."""
        s = q.shape[1]
        self._room = np.empty((self._d + 1, 2 * s), order="F")
        self._room[:, :s] = q
        return self._room[:, :s]

    def _remove(self, position: int, weights: Array) -> Array:
        """Take a column out of the factors, and its weight from the others."""
        q, r = qr_delete(
            self._q, self._r, position, which="col", overwrite_qr=True, check_finite=False
        )
        s = len(weights) - 1
        self._q, self._r = self._room[:, :s], r[:s]  # a square Q stays square
        if not np.may_share_memory(q, self._q):
            self._q[:] = q[:, :s]
        self._passive = self._passive[:position] + self._passive[position + 1 :]
        return np.delete(weights, position)
