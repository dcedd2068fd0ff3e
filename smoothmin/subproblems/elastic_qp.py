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

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothmin._machine import EPS, PRODUCTS
from smoothmin._protocol import Array
from smoothmin.subproblems.growing_hull import PIVOTS
from smoothmin.subproblems.held_rows import Target, stationary

EXCHANGES = 2  # of a row for one that depends on it, after which both are met but for rounding


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
    lower, upper : ndarray (n,), or None
        With ``lower <= 0 <= upper``; infinite where there is none, None without any.
    """

    root: Array
    g: Array
    rows: Array
    offsets: Array
    groups: NDArray[np.intp]
    caps: Array
    lower: Array | None = None
    upper: Array | None = None

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


_NONE: NDArray[np.intp] = np.empty(0, dtype=np.intp)


class _ActiveSet:
    """The rows that are held with equality, and their multipliers.

    Rows are numbered: those of the program, then lower and upper bounds. Of the rows held there
    are the numbers, groups (-1 without a cap), multipliers, images ``J'a`` and offsets.
    """

    def __init__(self, qp: ElasticQP, start: Array | None, bounds: Array | None) -> None:
        self._qp = qp
        m, self._n = qp.rows.shape
        self._m = m
        self._image = qp.root.T.dot(qp.g)
        self._bounded = qp.lower is not None or qp.upper is not None
        self._lower = self._upper = np.empty(0)
        if self._bounded:
            none = np.full(self._n, np.inf)
            self._lower = -none if qp.lower is None else qp.lower
            self._upper = none if qp.upper is None else qp.upper
        self._caps: list[float] = qp.caps.tolist()
        self._lengths: Array | None = None  # of the rows, ...
        self._units = self._sizes = np.empty(0)  # ... 1 for those of none, and sizes of offsets
        self._beyond: tuple[Array, Array, float] | None = None  # the last step and its excesses
        self._blur = 0.0  # what rounding makes of a step that is not refined
        self._tight: list[int] = []  # groups whose multipliers come to their caps
        self._entering = self._released = -1  # the row, or the cap's group, of the last change
        self._banned, self._freed = set[int](), set[int]()  # rows and caps, by rounding
        self._exchanged: dict[int, int] = {}  # how often rows left for others that depend on them
        if start is None:
            self._take(_NONE, np.empty(0))
            return
        if m and np.count_nonzero(start):
            start = self._within_caps(np.maximum(start, 0.0))
        if bounds is not None and self._bounded:
            low = np.where(self._lower > -np.inf, np.maximum(-bounds, 0.0), 0.0)
            high = np.where(self._upper < np.inf, np.maximum(bounds, 0.0), 0.0)
            start = np.concatenate([start, low, high])
        held = start.nonzero()[0]
        self._take(held, start[held])

    def _within_caps(self, start: Array) -> Array:
        """The multipliers (m,), those of groups beyond their caps reduced."""
        caps = self._qp.caps
        sums = np.bincount(self._qp.groups, start, len(caps))
        over = sums >= caps
        if not over.any():
            return start
        over &= sums > 0
        self._tight = over.nonzero()[0].tolist()
        reduced: Array = (
            start * np.where(over, caps / np.where(over, sums, 1.0), 1.0)[self._qp.groups]
        )
        return reduced

    def _take(self, numbers: NDArray[np.intp], weights: Array) -> None:
        """Hold these rows, and no others."""
        qp, m, n = self._qp, self._m, self._n
        self._numbers, self._weights = numbers, weights
        own = numbers[numbers < m] if self._bounded else numbers
        self._images = qp.rows[own].dot(qp.root)
        groups = qp.groups[own]
        self._offsets, self._of = qp.offsets[own], np.where(qp.caps[groups] < np.inf, groups, -1)
        if len(own) < len(numbers):  # bounds come last
            low = numbers[(numbers >= m) & (numbers < m + n)] - m
            high = numbers[numbers >= m + n] - m - n
            self._images = np.concatenate([self._images, -qp.root[low], qp.root[high]])
            self._offsets = np.concatenate([self._offsets, -self._lower[low], self._upper[high]])
            none = np.full(len(low) + len(high), -1)
            self._of = np.concatenate([self._of, none])

    def solve(self) -> Solution:
        """Hold and let go of rows until all multipliers and excesses have the right sign."""
        solved, target, step = False, self._wanted(), np.zeros(self._n)
        for _ in range(PIVOTS * (self._m + self._n) + 20):
            # 1. to the minimum for the rows held, as far as multipliers stay allowed
            changed = self._entering >= 0 or self._released >= 0
            if target.dependent and not changed and self._drop_dependent():
                target = self._wanted()
            share, row, group = self._room(target.weights)
            if share < 1:
                self._weights = self._weights + share * (target.weights - self._weights)
                self._stop_at(row, group, share, dependent=target.dependent)
            elif target.dependent:
                self._undo()
            else:
                self._weights = target.weights
                step = self._refined(target)
                # 2. let go of a cap that costs more than the excess; 3. hold the row broken most
                if not self._uncapped(target) and not self._extended(step, target):
                    solved = not self._banned or self._broken(step, target.prices, set()) < 0
                    break
            target = self._wanted()
        return self._solution(step, target.mixed, solved)

    def _stop_at(self, row: int, group: int, share: float, *, dependent: bool) -> None:
        """Let go of a row whose multiplier has come to zero, or hold a group at its cap."""
        if row < 0:
            self._tight.append(group)
            return
        if dependent:
            self._exchanged[row] = self._exchanged.get(row, 0) + 1
        idle = share == 0 and row == self._entering
        if idle or self._exchanged.get(row, 0) > EXCHANGES:
            self._banned.add(row)
        self._let_go(row)

    def _undo(self) -> None:
        """Take back the last change: what no multipliers meet is off by rounding."""
        if self._entering >= 0:
            self._banned.add(self._entering)
            self._let_go(self._entering)
        elif self._released >= 0:
            self._freed.add(self._released)
            self._tight.append(self._released)
        else:
            self._tight = []
            self._take(_NONE, np.empty(0))
        self._entering = self._released = -1

    def _uncapped(self, target: Target) -> bool:
        """Whether a cap that costs more than the excess was let go."""
        self._released = self._entering = -1
        if not target.prices:
            return False
        prices = {k: v for k, v in target.prices.items() if k not in self._freed}
        group = min(prices, key=prices.__getitem__, default=-1)
        if group < 0 or prices[group] >= -PRODUCTS * self._size_of(group):
            return False
        self._released = group
        self._tight.remove(group)
        return True

    def _extended(self, step: Array, target: Target) -> bool:
        """Whether the row that is broken most is held now, if any is."""
        self._entering = self._broken(step, target.prices, self._banned)
        if self._entering >= 0:
            self._hold(self._entering)
        return self._entering >= 0

    def _wanted(self) -> Target:
        """The minimum where rows held are met but for their groups' excesses."""
        rows, base, offsets = self._images, self._image, self._offsets
        if not self._tight:
            return stationary(rows, base, offsets)
        # the first row of a group at its cap has what the others leave
        rows, offsets = rows.copy(), offsets.copy()
        others, heads = np.ones(len(rows), dtype=bool), np.arange(len(rows))
        members = {group: (self._of == group).nonzero()[0] for group in self._tight}
        for group, (head, *rest) in members.items():
            heads[rest] = head
            base = base + self._qp.caps[group] * rows[head]
            rows[rest] -= rows[head]
            offsets[rest] -= offsets[head]
            others[head] = False
        target = stationary(rows[others], base, offsets[others])
        weights = np.zeros(len(rows))
        weights[others] = target.weights
        for group, (head, *rest) in members.items():
            weights[head] = self._qp.caps[group] - weights[rest].sum()
            target.prices[group] = -float(rows[head] @ target.mixed) - float(offsets[head])
        target.weights = weights
        if target.back is not None:
            inner, grouped = target.back, heads != np.arange(len(heads))
            target.back = lambda missed: inner((missed - missed[heads] * grouped)[others])
        return target

    def _refined(self, target: Target) -> Array:
        """d, on which the rows held are met as nearly as it is rounded."""
        root = self._qp.root
        step: Array = root.dot(-target.mixed)
        self._blur = 0.0
        if not len(self._numbers):
            return step
        if target.back is None:
            size = float(np.linalg.norm(root) * np.linalg.norm(self._image))
            self._blur = size * EPS / PRODUCTS
            return step
        for _ in range(target.rounds):
            step -= root.dot(target.back(self._missed(step)))
        return step

    def _missed(self, step: Array) -> Array:
        """By how much the rows held miss equality."""
        qp, m, n = self._qp, self._m, self._n
        numbers = self._numbers
        missed: Array
        if not self._bounded or not len(numbers) or numbers.max() < m:
            missed = qp.rows[numbers].dot(step)
        else:
            own = numbers < m
            missed = np.empty(len(own))
            missed[own] = qp.rows[numbers[own]].dot(step)
            bounds = numbers[~own] - m
            missed[~own] = np.where(bounds < n, -1.0, 1.0) * step[bounds % n]
        missed -= self._offsets
        return missed

    def _room(self, wanted: Array) -> tuple[float, int, int]:
        """The share of the way that multipliers may go, and the row or group that ends it."""
        share, place, full = 1.0, -1, -1
        weights, of = self._weights.tolist(), self._of.tolist()
        sums: dict[int, float] = {}
        for k, (then, group) in enumerate(zip(wanted.tolist(), of, strict=True)):
            if then < 0 and weights[k] < share * (weights[k] - then):
                share, place = weights[k] / (weights[k] - then), k
            if group >= 0:
                sums[group] = sums.get(group, 0.0) + then
        for group, then in sums.items():
            cap = self._caps[group]
            if then <= cap or group in self._tight:
                continue
            now = sum(w for w, its in zip(weights, of, strict=True) if its == group)
            if then > now:
                room = max(cap - now, 0.0) / (then - now)
                if room < share:
                    share, place, full = room, -1, group
        return share, -1 if place < 0 else int(self._numbers[place]), full

    def _let_go(self, number: int) -> None:
        """Take out a row."""
        self._keep(self._numbers != number)

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        """Let go of all other rows."""
        self._numbers, self._of = self._numbers[kept], self._of[kept]
        self._weights = np.maximum(self._weights[kept], 0.0)
        self._images, self._offsets = self._images[kept], self._offsets[kept]
        self._tight = [group for group in self._tight if (self._of == group).any()]

    def _hold(self, number: int) -> None:
        """Add a row."""
        qp, m, n = self._qp, self._m, self._n
        if number < m:
            image, offset = qp.rows[number].dot(qp.root), qp.offsets[number]
            group = qp.groups.item(number)
            group = group if self._caps[group] < math.inf else -1
        else:
            j, group = (number - m) % n, -1
            lower = number < m + n
            image = -qp.root[j] if lower else qp.root[j]
            offset = -self._lower[j] if lower else self._upper[j]
        self._numbers = np.concatenate([self._numbers, [number]])
        self._of = np.concatenate([self._of, [group]])
        self._weights = np.concatenate([self._weights, [0.0]])
        self._images = np.concatenate([self._images, image[None]])
        self._offsets = np.concatenate([self._offsets, [offset]])

    def _drop_dependent(self) -> bool:
        """Let go of rows that depend on those before them, if there are any."""
        lengths = np.linalg.norm(self._images, axis=1)
        unit = self._images / np.where(lengths > 0, lengths, 1.0)[:, None]
        found = np.abs(np.diagonal(np.linalg.qr(unit.T, mode="r")))
        independent = np.zeros(len(lengths), dtype=bool)
        independent[: len(found)] = found >= PRODUCTS
        if independent.all():
            return False
        self._keep(independent)
        return True

    def _size_of(self, group: int) -> float:
        """What excesses of a group are compared with."""
        return float(np.abs(self._qp.offsets[self._qp.groups == group]).max(initial=0.0))

    def _excess(self, step: Array) -> tuple[Array, float]:
        """Of the program's rows (m,), zero where it is no more than rounding; and the largest."""
        if self._beyond is not None and self._beyond[0] is step:
            return self._beyond[1:]
        qp = self._qp
        excess: Array = qp.rows.dot(step)
        excess -= qp.offsets
        most = excess.item(excess.argmax()) if self._m else 0.0
        if not most <= 0:
            if self._lengths is None:
                self._lengths = lengths = np.sqrt(np.vecdot(qp.rows, qp.rows))
                self._units = np.where(lengths > 0, lengths, 1.0)
                self._sizes = np.abs(qp.offsets)
            long = math.sqrt(step.dot(step)) + self._blur
            excess[excess <= PRODUCTS * (self._lengths * long + self._sizes)] = 0.0
            most = excess.item(excess.argmax())
        self._beyond = step, excess, most
        return excess, most

    def _broken(self, step: Array, prices: dict[int, float], banned: set[int]) -> int:
        """The row that is broken most, in units of its length; -1 if none is."""
        m, skip = self._m, self._numbers
        if banned:
            skip = np.concatenate([skip, np.array(list(banned), dtype=np.intp)])
        best, worst = -1, 0.0
        excess, most = self._excess(step)
        if most > 0:
            if prices:
                levels = np.zeros(len(self._qp.caps))
                for group, price in prices.items():
                    levels[group] = max(price, 0.0)
                # a row is broken where it is beyond the excess that its group pays for
                level = levels[self._qp.groups]
                excess = np.where(excess - level > PRODUCTS * level, excess - level, 0.0)
            excess = excess / self._units
            excess[skip[skip < m] if self._bounded else skip] = 0.0
            best = int(excess.argmax())
            worst = excess.item(best)
        if self._bounded:
            beyond = np.concatenate([self._lower - step, step - self._upper])
            beyond[skip[skip >= m] - m] = 0.0
            number = int(beyond.argmax())
            least = PRODUCTS * (math.sqrt(step.dot(step)) + self._blur)
            if beyond[number] > max(worst, least):
                best, worst = m + number, beyond.item(number)
        return best if worst > 0 else -1

    def _solution(self, step: Array, mixed: Array, solved: bool) -> Solution:
        qp, m, n = self._qp, self._m, self._n
        every = np.zeros(m + 2 * n if self._bounded else m)
        every[self._numbers] = self._weights
        multipliers = every[:m]
        curvature = float(mixed.dot(mixed))
        # rows with multipliers are met but for the excess of their group
        slope = -curvature - float(multipliers.dot(qp.offsets))
        excess = np.zeros(len(qp.caps))
        beyond, most = self._excess(step)
        if most > 0:
            np.maximum.at(excess, qp.groups, beyond)
            excess[qp.caps == np.inf] = 0.0
            slope -= float(multipliers.dot(excess[qp.groups]))
        lagrangian = qp.g + multipliers.dot(qp.rows)
        bounds = np.zeros(n)
        if self._bounded:
            step = np.minimum(np.maximum(step, self._lower), self._upper)
            bounds = every[m + n :] - every[m : m + n]
            slope -= float(bounds.dot(step))
            lagrangian += bounds
        return Solution(step, multipliers, bounds, lagrangian, curvature, excess, slope, solved)
