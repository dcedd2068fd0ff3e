"""A convex quadratic program with bounds, linear rows, and rows that may be broken at a price.

References: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006), section 16.5,
for the primal active-set method, which solves the dual here; D. Goldfarb, A. Idnani, "A
numerically stable dual method for solving strictly convex quadratic programs", Math. Program.
27 (1983), for what that means in the primal: it begins at the unconstrained minimum and adds
violated rows one by one.

With H = J J' the inverse of the Hessian, the dual variables are one multiplier ``w >= 0`` per
row, and the step is ``d = -H (g + A'w)``. A group of rows whose largest excess costs ``cap``
each unit bounds the sum of its multipliers by that; a row that no price lets break has a group
with an infinite cap. So the feasible dual set is a product of capped simplices, where the last
program's multipliers are a start for the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtrs

from smoothmin._protocol import Array

EPS = float(np.finfo(float).eps)
FEASIBLE = 1e3 * EPS  # excess of a row, in units of its terms, that is none
DEPENDENT = 1e-13  # part of a unit row that is no more than rounding
EXCHANGES = 2  # of a row for one that depends on it, after which both are met but for rounding
PIVOTS = 3  # per row and variable, and 20 more


@dataclass(frozen=True)
class ElasticQP:
    """Minimize ``g @ d + d'H^-1 d / 2 + sum_k caps[k] max(0, excesses of group k)``.

    The excesses are ``rows @ d - offsets``; ``lower <= d <= upper`` is met.

    Parameters
    ----------
    root : ndarray (n, p)
        J.
    g : ndarray (n,)
    rows : ndarray (m, n)
    offsets : ndarray (m,)
        Nonnegative for rows whose group has an infinite cap, so that a step of 0 is feasible.
    groups : ndarray of int (m,)
        The group of each row.
    caps : ndarray (k,)
        What a unit of a group's largest excess costs; infinite for rows that are to be met,
        each of which may share the same group.
    lower, upper : ndarray (n,)
        With ``lower <= 0 <= upper``; infinite where there is none.
    """

    root: Array
    g: Array
    rows: Array
    offsets: Array
    groups: NDArray[np.intp]
    caps: Array
    lower: Array
    upper: Array

    def solve(self, start: Array | None = None, bounds: Array | None = None) -> Solution:
        """The minimum, from multipliers (m,) and those of the bounds (n,), as the last ones."""
        return _ActiveSet(self, start, bounds).solve()


@dataclass(frozen=True)
class Solution:
    """The least point.

    Attributes
    ----------
    step : ndarray (n,)
        d.
    multipliers : ndarray (m,)
        w, nonnegative, of the rows.
    bounds : ndarray (n,)
        Of the bounds: negative at a lower one, positive at an upper one.
    lagrangian : ndarray (n,)
        ``g + rows' multipliers + bounds``, of which ``step`` is -H times.
    curvature : float
        ``d'H^-1 d``.
    excess : ndarray (k,)
        Largest excess of each group with a finite cap, zero if it is no more than rounding.
    slope : float
        ``g @ d``, without the cancellation.
    solved : bool
        Whether all rows were met to rounding before the patience was spent.
    """

    step: Array
    multipliers: Array
    bounds: Array
    lagrangian: Array
    curvature: float
    excess: Array
    slope: float
    solved: bool


@dataclass(frozen=True)
class _Target:
    """Multipliers, ``J'`` times the Lagrangian's gradient, and prices of groups at their caps.

    ``dependent`` says that rows held depend on one another: multipliers run away.
    """

    weights: Array
    mixed: Array
    dependent: bool
    prices: dict[int, float]
    back: tuple[Array, Array, Array, NDArray[np.bool_], NDArray[np.intp]] | None = None


class _ActiveSet:
    """The rows that are held with equality, and their multipliers.

    Rows are numbered: those of the program, then lower and upper bounds.
    """

    def __init__(self, qp: ElasticQP, start: Array | None, bounds: Array | None) -> None:
        self._qp = qp
        self._m, self._n = qp.rows.shape
        self._image = qp.root.T @ qp.g  # J'g
        self._bounded = bool(np.isfinite(qp.lower).any() or np.isfinite(qp.upper).any())
        self._lengths = np.sqrt(np.einsum("ij,ij->i", qp.rows, qp.rows))
        # what rounding makes of a step, which is a difference of long vectors
        self._blur = float(np.linalg.norm(qp.root) * np.linalg.norm(self._image)) * EPS / FEASIBLE
        self._blurred = True
        self._tight: list[int] = []  # groups whose multipliers come to their caps
        self._finite = np.isfinite(qp.caps)
        self._held: list[int] = []
        self._weights = np.empty(0)
        self._images = np.empty((0, qp.root.shape[1]))
        if start is not None:
            self._begin(start, bounds)

    def _begin(self, start: Array, bounds: Array | None) -> None:
        """Hold the rows that have multipliers, reduced to what the caps allow."""
        qp, m, n = self._qp, self._m, self._n
        start = np.maximum(start, 0.0)
        sums = np.bincount(qp.groups, start, len(qp.caps)) if m else np.zeros(len(qp.caps))
        over = self._finite & (sums >= qp.caps) & (sums > 0)
        if over.any():
            start = start * np.where(over, qp.caps / np.where(over, sums, 1.0), 1.0)[qp.groups]
            self._tight = np.flatnonzero(over).tolist()
        every = start
        if bounds is not None and self._bounded:
            low = np.where(np.isfinite(qp.lower), np.maximum(-bounds, 0.0), 0.0)
            high = np.where(np.isfinite(qp.upper), np.maximum(bounds, 0.0), 0.0)
            every = np.concatenate([start, low, high])
        held = np.flatnonzero(every)
        self._held = held.tolist()
        self._weights = every[held]
        if len(held):
            rows = held[held < m]
            images = [qp.rows[rows] @ qp.root]
            low, high = held[(held >= m) & (held < m + n)] - m, held[held >= m + n] - m - n
            images += [-qp.root[low], qp.root[high]]
            self._images = np.concatenate(images)
            self._drop_dependent()

    def _drop_dependent(self) -> None:
        """Let go of rows that depend on those before them."""
        lengths = np.sqrt(np.einsum("ij,ij->i", self._images, self._images))
        unit = self._images / np.where(lengths > 0, lengths, 1.0)[:, None]
        found = np.abs(np.diagonal(np.linalg.qr(unit.T, mode="r")))
        count = len(self._held)
        lost = np.flatnonzero(np.append(found, np.zeros(count))[:count] < DEPENDENT)
        for row in [self._held[i] for i in lost]:
            self._let_go(row)

    def solve(self) -> Solution:
        """Hold and let go of rows until all multipliers and excesses have the right sign."""
        banned, freed = set[int](), set[int]()  # of rows and caps, by rounding
        exchanged: dict[int, int] = {}  # how often rows left for others that depend on them
        solved, entering, released = False, -1, -1
        target, step = self._wanted(), np.zeros(self._n)
        for _ in range(PIVOTS * (self._m + self._n) + 20):
            # 1. to the minimum for the rows held, as far as multipliers stay allowed
            target = self._wanted()
            share, blocked = self._room(target.weights)
            if blocked is None and target.dependent:
                # no multipliers meet these rows, so what they miss is rounding
                if entering >= 0:
                    banned.add(entering)
                    self._let_go(entering)
                elif released >= 0:
                    freed.add(released)
                    self._tight.append(released)
                else:
                    self._drop_dependent()
                entering = released = -1
                continue
            self._weights = self._weights + share * (target.weights - self._weights)
            if blocked is not None:
                row = blocked[0]
                if target.dependent and row >= 0:
                    exchanged[row] = exchanged.get(row, 0) + 1
                if (share == 0 and row == entering) or exchanged.get(row, 0) > EXCHANGES:
                    banned.add(row)
                self._yield_to(blocked)
                continue
            # 2. let go of a cap that costs more than the excess
            step = self._refined(target)
            prices = {k: v for k, v in target.prices.items() if k not in freed}
            released, entering = min(prices, key=prices.__getitem__, default=-1), -1
            if released >= 0 and prices[released] < -FEASIBLE * self._size_of(released):
                self._tight.remove(released)
                continue
            # 3. hold the row that is broken most
            released, entering = -1, self._broken(step, target.prices, banned)
            if entering < 0:
                solved = True
                break
            self._hold(entering)
        return self._solution(step, target.mixed, solved)

    def _refined(self, target: _Target) -> Array:
        """d, on which the rows held are met as nearly as it is rounded."""
        step: Array = -(self._qp.root @ target.mixed)
        self._blurred = target.back is None and len(self._held) > 0
        if target.back is None or not self._held:
            return step
        unit, q, r, others, heads = target.back
        for _ in range(2):
            missed = self._excess_held(step)
            missed = (missed - missed[heads] * (heads != np.arange(len(heads))))[others]
            step -= self._qp.root @ (q @ dtrtrs(r, unit * missed, trans=1)[0])
        return step

    def _excess_held(self, step: Array) -> Array:
        """By how much the rows held miss equality."""
        qp, m = self._qp, self._m
        held = np.array(self._held)
        if held.max() < m:
            found: Array = qp.rows[held] @ step - qp.offsets[held]
            return found
        own = held < m
        missed = np.empty(len(held))
        missed[own] = qp.rows[held[own]] @ step - qp.offsets[held[own]]
        both = np.concatenate([qp.lower - step, step - qp.upper])
        missed[~own] = both[held[~own] - m]
        return missed

    def _offset(self, held: list[int]) -> Array:
        """Offsets of rows by their numbers."""
        qp, m = self._qp, self._m
        numbers = np.array(held, dtype=np.intp)
        if not self._bounded or not len(numbers) or numbers.max() < m:
            return qp.offsets[numbers]
        every = np.concatenate([qp.offsets, -qp.lower, qp.upper])
        offsets: Array = every[numbers]
        return offsets

    def _group(self, number: int) -> int:
        """The group of a row, -1 of a bound."""
        return int(self._qp.groups[number]) if number < self._m else -1

    def _wanted(self) -> _Target:
        """The minimum where rows held are met but for their groups' excesses."""
        rows, base, offsets = self._images, self._image, self._offset(self._held)
        count = len(rows)
        others, heads = np.ones(count, dtype=bool), np.arange(count)
        if not self._tight:
            return _stationary(rows, base, offsets, others, heads)
        # the first row of a group at its cap has what the others leave
        rows, offsets = rows.copy(), offsets.copy()
        members = {
            group: [i for i, row in enumerate(self._held) if self._group(row) == group]
            for group in self._tight
        }
        for group, (head, *rest) in members.items():
            heads[rest] = head
            base = base + self._qp.caps[group] * rows[head]
            rows[rest] -= rows[head]
            offsets[rest] -= offsets[head]
            others[head] = False
        target = _stationary(rows[others], base, offsets[others], others, heads)
        weights = np.zeros(len(rows))
        weights[others] = target.weights
        prices = {}
        for group, (head, *rest) in members.items():
            weights[head] = self._qp.caps[group] - weights[rest].sum()
            prices[group] = -float(rows[head] @ target.mixed) - float(offsets[head])
        return _Target(weights, target.mixed, target.dependent, prices, target.back)

    def _room(self, wanted: Array) -> tuple[float, tuple[int, int] | None]:
        """How far multipliers may go, and what ends it: a row (number, -1) or a cap (-1, group)."""
        share, blocked = 1.0, None
        falling = np.flatnonzero(wanted < 0)
        if len(falling):
            old = self._weights[falling]
            shares = old / (old - wanted[falling])
            first = int(shares.argmin())
            if shares[first] < 1:
                share, blocked = float(shares[first]), (self._held[int(falling[first])], -1)
        sums: dict[int, list[float]] = {}
        for row, now, then in zip(self._held, self._weights.tolist(), wanted.tolist(), strict=True):
            group = self._group(row)
            if group >= 0 and self._finite[group]:
                pair = sums.setdefault(group, [0.0, 0.0])
                pair[0] += now
                pair[1] += then
        for group, (now, then) in sums.items():
            cap = float(self._qp.caps[group])
            if group not in self._tight and then > cap:
                room = max(cap - now, 0.0) / (then - now) if then > now else 0.0
                if room < share:
                    share, blocked = room, (-1, group)
        return share, blocked

    def _yield_to(self, blocked: tuple[int, int]) -> None:
        """Take out the row, or hold the group at its cap."""
        row, group = blocked
        if group >= 0:
            self._tight.append(group)
            return
        self._let_go(row)

    def _let_go(self, row: int) -> None:
        """Take out a row."""
        place, group = self._held.index(row), self._group(row)
        del self._held[place]
        self._weights = np.maximum(np.delete(self._weights, place), 0.0)
        self._images = np.delete(self._images, place, axis=0)
        if group in self._tight and not any(self._group(other) == group for other in self._held):
            self._tight.remove(group)

    def _hold(self, number: int) -> None:
        """Add a row."""
        qp, m, n = self._qp, self._m, self._n
        if number < m:
            image = qp.rows[number] @ qp.root
        else:
            j = (number - m) % n
            image = -qp.root[j] if number < m + n else qp.root[j]
        self._held.append(number)
        self._weights = np.append(self._weights, 0.0)
        self._images = np.concatenate([self._images, image[None]])

    def _size_of(self, group: int) -> float:
        """What excesses of a group are compared with."""
        return float(np.abs(self._qp.offsets[self._qp.groups == group]).max(initial=0.0))

    def _rounding(self, step: Array) -> Array:
        """Excess of each row that is none."""
        long = float(np.sqrt(step @ step)) + self._blur * self._blurred
        found: Array = FEASIBLE * (self._lengths * long + np.abs(self._qp.offsets))
        return found

    def _broken(self, step: Array, prices: dict[int, float], banned: set[int]) -> int:
        """The row that is broken most, in units of its length; -1 if none is."""
        qp, m = self._qp, self._m
        long = float(np.sqrt(step @ step)) + self._blur * self._blurred
        best, worst = -1, 0.0
        if m:
            excess = qp.rows @ step - qp.offsets
            if prices:
                levels = np.zeros(len(qp.caps))
                for group, price in prices.items():
                    levels[group] = max(price, 0.0)
                excess -= levels[qp.groups]
            excess[excess <= self._rounding(step)] = 0.0
            np.divide(excess, self._lengths, out=excess, where=self._lengths > 0)
            excess[[row for row in self._held if row < m]] = 0.0
            excess[[row for row in banned if row < m]] = 0.0
            best = int(excess.argmax())
            worst = float(excess[best])
        if self._bounded:
            excess = np.concatenate([qp.lower - step, step - qp.upper])
            excess[excess <= FEASIBLE * long] = 0.0
            excess[[row - m for row in self._held if row >= m]] = 0.0
            excess[[row - m for row in banned if row >= m]] = 0.0
            number = int(excess.argmax())
            if excess[number] > worst:
                best, worst = m + number, float(excess[number])
        return best if worst > 0 else -1

    def _solution(self, step: Array, mixed: Array, solved: bool) -> Solution:
        qp, m, n = self._qp, self._m, self._n
        every = np.zeros(m + 2 * n)
        every[self._held] = self._weights
        multipliers, bounds = every[:m], every[m + n :] - every[m : m + n]
        excess = np.zeros(len(qp.caps))
        if m:
            beyond = qp.rows @ step - qp.offsets
            beyond[beyond <= self._rounding(step)] = 0.0
            np.maximum.at(excess, qp.groups, beyond)
        excess[~self._finite] = 0.0
        step = np.clip(step, qp.lower, qp.upper)
        curvature = float(mixed @ mixed)
        # rows with multipliers are met but for the excess of their group
        slope = -curvature - float(multipliers @ (qp.offsets + excess[qp.groups]))
        slope -= float(bounds @ step)
        return Solution(
            step,
            multipliers,
            bounds,
            qp.g + multipliers @ qp.rows + bounds,
            curvature,
            excess,
            slope,
            solved,
        )


def _stationary(
    rows: Array, base: Array, offsets: Array, others: NDArray[np.bool_], heads: NDArray[np.intp]
) -> _Target:
    """Weights w of any sign of least ``|base + w @ rows|^2 / 2 + w @ offsets``."""
    w = len(rows)
    if w == 0:
        return _Target(np.empty(0), base, False, {})
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    unit = 1.0 / np.where(lengths > 0, lengths, 1.0)
    q, r = np.linalg.qr((rows * unit[:, None]).T)
    if len(r) < w:  # more rows than dimensions
        q = np.concatenate([q, np.zeros((len(q), w - len(r)))], axis=1)
        r = np.concatenate([r, np.zeros((w - len(r), w))])
    diagonal = np.einsum("ii->i", r)
    lost = np.abs(diagonal) < DEPENDENT
    dependent = bool(lost.any())
    if dependent:
        diagonal[lost] = DEPENDENT
    ahead = dtrtrs(r, unit * offsets, trans=1)[0]
    along = base @ q
    weights = dtrtrs(r, -(ahead + along))[0] * unit
    back = None if dependent else (unit, q, r, others, heads)
    return _Target(weights, base - q @ (along + ahead), dependent, {}, back)
