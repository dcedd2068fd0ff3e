"""The dense BFGS matrix, as a product.

References: A. S. Lewis, M. L. Overton, "Nonsmooth optimization via quasi-Newton
methods", Math. Program. 141 (2013), Algorithm 2.1; J. Nocedal, S. J. Wright,
*Numerical Optimization*, 2nd ed. (2006), (6.17) and (6.20); K. W. Brodlie, A. R.
Gourlay, J. Greenstadt, "Rank-one and rank-two corrections to positive definite
matrices expressed in product form", J. Inst. Math. Appl. 11 (1973); S. S. Oren, D. G.
Luenberger, "Self-scaling variable metric (SSVM) algorithms", Management Sci. 20 (1974).

Deviations, and why: the inverse Hessian is kept as a product H = J J', updated by a rank-one
change of J. In exact arithmetic that is (6.17); in floating point H stays positive
definite, which it does not otherwise on kinks, where its condition number grows
without bound. For steps that were bent by bounds the inverse of J is kept as well. Where
J is large, it is read once an iteration, and products of the next J follow from those.
Between bounds, where steps end before they have shown how flat the function is, H would
begin too small and learn late: it is scaled as by M. Al-Baali, "Numerical experience with
a class of self-scaling quasi-Newton algorithms", J. Optim. Theory Appl. 96 (1998).
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import ddot, dgemv, dger
from scipy.linalg.lapack import dposv

from smoothmin._machine import HALF_OF_DIGITS
from smoothmin._protocol import Array, Mask
from smoothmin.metrics.compact import CompactModel
from smoothmin.metrics.lbfgs import LimitedMemory
from smoothmin.metrics.metric import Ends, Metric
from smoothmin.metrics.product_form import SquareFactor, dense
from smoothmin.subproblems.linear_system import inverted, solved

LARGEST_GROWTH = 100.0  # of H at once


class _Known(NamedTuple):
    """A vector g, ``J'g`` and ``J J'g``."""

    vector: Array
    image: Array
    product: Array

    def after(self, s: Array, v: Array, product: Array) -> _Known:
        """The same by ``J + s v'``, where ``product`` is ``J v``."""
        share = float(s.dot(self.vector))
        image = self.image + share * v
        return _Known(self.vector, image, self.product + share * product + float(v @ image) * s)


class InverseHessian(Metric):
    """H = J J' with a dense square J.

    If ``growing``, steps whose length is known, not given by a cause, first enlarge H as a
    whole where it makes too little of their flatness.
    """

    def __init__(self, n: int, *, growing: bool = False) -> None:
        dense(n)  # before anything is evaluated
        self.growing = growing
        self._j: SquareFactor | None = None
        self._scales = np.ones(n)
        self._here: _Known | None = None  # of the last gradient to be applied to
        self._mixed: _Known | None = None  # of the last mix of gradients
        self._inverse: Array | None = None  # of J, once it has been needed
        self.excess = 1.0  # y'Hy / s'y at the last update: how many times too long H was
        # power of the excess by which updates first shorten H: 1 in Oren and Luenberger
        self.self_scaling = 0.0

    @property
    def fresh(self) -> bool:
        """Whether H is still the identity."""
        return self._j is None

    def reset(self) -> None:
        """Back to the identity."""
        self._j = self._here = self._mixed = self._inverse = None

    def start(self, scales: Array) -> None:
        """Begin with ``diag(scales)^2``, in place of the identity, at the next update."""
        self._scales = scales

    def begin_with(self, matrix: Array) -> None:
        """Take H (n, n), positive definite, in place of the identity until a reset."""
        self.begin_with_root(np.linalg.cholesky(matrix).astype(np.float64, copy=False))

    def begin_with_root(self, root: Array) -> None:
        """Take J (n, n)."""
        self.reset()
        self._j = SquareFactor(root)

    def begin_along(self, curvatures: Array) -> None:
        """Begin with their inverses on the diagonal."""
        self.begin_with(np.diag(1 / curvatures))

    def begin_from(self, memory: LimitedMemory) -> None:
        """Take the pairs of a limited memory, in their order, upon the scales of the start."""
        self.reset()
        if memory.fresh:
            return
        steps, changes = memory.pairs()
        image = self._scales * changes[0]
        size = float(image @ image)
        if not 0 < size < math.inf:
            return
        start = self._scales * math.sqrt(float(steps[0] @ changes[0]) / size)
        # rows become J^-1 s and J'y of the pairs to come, the latter then v
        before, after, products = steps / start, start * changes, steps.dot(changes.T)
        kept = np.zeros(len(steps), dtype=bool)
        with np.errstate(all="ignore"):
            for k, sy in enumerate(products.diagonal().tolist()):
                u, v = before[k], after[k]
                square = ddot(u, u)
                factor = math.sqrt(sy / square) if square > 0 else math.inf
                np.divide(factor * u - v, sy, out=v)
                kept[k] = math.isfinite(ddot(v, v))
                if kept[k]:  # by Sherman and Morrison, with 1 + v'u = 1 / factor
                    rest = before[k + 1 :]
                    rest -= rest.dot(v)[:, None] * (factor * u)
                    after[k + 1 :] += products[k, k + 1 :, None] * v
        self._j = SquareFactor(start)
        self._j.change_by(steps[kept], after[kept])

    def copied(self) -> InverseHessian:
        """A copy."""
        if self._j is not None:
            self._j.dense()  # collected changes would not survive the copy
        return deepcopy(self)

    def apply(self, g: Array) -> Array:
        """``H g``."""
        if self._j is None:
            return g.copy()
        if self._here is None or self._here.vector is not g:
            image = self._j.image(g)
            self._here = _Known(g, image, self._j.expand(image))
        return self._here.product.copy()

    def apply_to_mix(self, mix: Array, image: Array) -> Array:
        """``H mix``."""
        if self._j is None or not self._j.large:
            return self.apply(mix)
        self._mixed = _Known(mix, image, self._j.expand(image))
        return self._mixed.product.copy()

    def root(self, gradients: Array) -> Array:
        """``gradients @ J``."""
        return gradients if self._j is None else self._j.images(gradients)

    def factor(self) -> Array | None:
        """J (n, n), None while it is the identity; until the next update."""
        return None if self._j is None else self._j.dense()

    def matrix(self, n: int) -> Array:
        """H."""
        return np.eye(n) if self._j is None else self._j.square()

    def diagonals(self, n: int) -> tuple[Array, Array]:
        """Squares of the rows of J, and of the columns of its inverse."""
        if self._j is None:
            return np.ones(n), np.ones(n)
        j, inverse = self._j.dense(), self._inverted()
        return np.einsum("ij,ij->i", j, j), np.einsum("ij,ij->j", inverse, inverse)

    def model(self) -> CompactModel | InverseHessian:
        """Of a J of few changes, or the same, which knows the inverse K of J."""
        few = None if self._j is None else self._j.model()
        return self if few is None else few

    def curve(self, s: Array) -> Array:
        """``K'K s``, K being the inverse of J."""
        inverse = self._inverted()
        curve: Array = dgemv(1.0, inverse, dgemv(1.0, inverse, s), trans=1)
        return curve

    def newton(self, r: Array, free: Mask) -> Array:
        """By the rows of J that are not free, or by the columns of K that are, if these are fewer.

        ``B = K'K``; the step ``-J (J'r + w)`` has no elements in the rows ``R w = -R J'r``.
        """
        assert self._j is not None
        step, j = np.zeros_like(r), self._j.dense()
        count = np.count_nonzero(free)
        if count == len(r):
            whole: Array = -j.dot(j.T.dot(r))
            return whole
        if count == 0:
            return step
        if 2 * count <= len(r):
            step[free] = -gram_solved(self._inverted()[:, free], r[free])
            return step
        image = j.T.dot(np.where(free, r, 0.0))
        rows = j[~free]
        image -= rows.T.dot(gram_solved(rows.T, rows.dot(image)))
        return np.where(free, -j.dot(image), 0.0)

    def newton_rows(self, rows: Array, free: Mask) -> Array:
        """`newton` of each row (m, n)."""
        assert self._j is not None
        steps, j = np.zeros_like(rows), self._j.dense()
        count = np.count_nonzero(free)
        if count == rows.shape[1]:
            whole: Array = -rows.dot(j).dot(j.T)
            return whole
        if 2 * count <= rows.shape[1]:
            if count:
                steps[:, free] = -gram_solved(self._inverted()[:, free], rows[:, free].T).T
            return steps
        images = np.where(free, rows, 0.0).dot(j)
        held = j[~free]
        images -= gram_solved(held.T, held.dot(images.T)).T.dot(held)
        return np.where(free, -images.dot(j.T), 0.0)

    def _inverted(self) -> Array:
        assert self._j is not None
        if self._inverse is None:
            self._inverse = np.asfortranarray(inverted(self._j.dense()))
        return self._inverse

    def update(
        self, s: Array, y: Array, cause: Array | None = None, ends: Ends | None = None
    ) -> None:
        """Change J by ``s v'`` so that J J' becomes (6.17).

        ``v = (sqrt(s'y) u / |u| - J'y) / s'y`` with ``u = J^-1 s``.
        """
        sy = float(s.dot(y)) if ends is None else ends.curvature
        if not 0 < sy < math.inf:
            return
        at_cause = self._known(cause)
        u = self._along(self._j, s, cause) if self._j is not None else self._begin(s, y, sy)
        if self._j is None or u is None:
            return
        if self.growing and cause is None:
            u = self._grown(self._j, u, sy)
        known = None if ends is None else self._known_ends(self._j, ends.before, ends.after)
        image = self._j.image(y) if known is None else known[1].image - known[0].image
        self.excess = float(image.dot(image)) / sy
        if self.self_scaling > 0 and 1 < self.excess < math.inf:
            shrink = self.excess ** (-self.self_scaling / 2)
            self._multiply(self._j, shrink)
            u, image, known = u / shrink, shrink * image, None
        square = float(u.dot(u))
        factor = math.sqrt(sy / square) if square > 0 else math.inf  # lost to underflow
        v = (factor * u - image) / sy
        if not math.isfinite(v.sum()):
            self.reset()
            return
        self._j.change(s, v)
        self._here = self._mixed = None
        if known is not None and at_cause is not None:
            before, there = known
            product = (before.product - there.product - factor * at_cause.product) / sy
            self._here = there.after(s, v, product)
        if self._inverse is not None:  # by Sherman and Morrison, with 1 + v'u = 1 / factor
            row = dgemv(1.0, self._inverse, v, trans=1)
            self._inverse = dger(-factor, u, row, a=self._inverse, overwrite_a=1)

    def save(self) -> SquareFactor | None:
        """A copy of J."""
        if self._j is not None:
            self._j.dense()  # collected changes would not survive the copy
        return deepcopy(self._j)

    def restore(self, saved: SquareFactor | None) -> None:
        """Back to a J that was saved."""
        self.reset()
        self._j = saved

    def _grown(self, j: SquareFactor, u: Array, sy: float) -> Array:
        """``J^-1 s`` after H is multiplied by ``s'H^-1 s / s'y``, if that is more than 1."""
        growth = min(float(u.dot(u)) / sy, LARGEST_GROWTH)
        if not growth > 1:
            return u
        factor = math.sqrt(growth)
        self._multiply(j, factor)
        return u / factor

    def _multiply(self, j: SquareFactor, factor: float) -> None:
        """Multiply J."""
        j.scale(factor)
        self._here = self._mixed = None
        if self._inverse is not None:
            self._inverse /= factor

    def _begin(self, s: Array, y: Array, sy: float) -> Array | None:
        """The first J, scaled to the curvature just seen by (6.20), and u but for its length."""
        image = self._scales * y
        scale = math.sqrt(sy / float(image.dot(image)))
        if not 0 < scale < np.inf:
            return None
        self._j = SquareFactor(self._scales * scale)
        return s / self._scales

    def _along(self, j: SquareFactor, s: Array, cause: Array | None) -> Array | None:
        """``u = J^-1 s``; when ``s`` is a step along ``-H cause`` only but for its length."""
        if cause is not None:
            known = self._known(cause)
            return -(j.image(cause) if known is None else known.image)
        few = j.model()
        if few is not None:  # J^-1 = J'H^-1, with a correction as there
            u = j.image(few.curve(s))
            rest = s - j.expand(u)
            if ddot(rest, rest) <= HALF_OF_DIGITS * ddot(s, s):
                u += j.image(few.curve(rest))
                return u
        try:
            return self._preimage(j.dense(), s)
        except np.linalg.LinAlgError:  # what J has lost to rounding is lost
            self.reset()
            return None

    def _known(self, vector: Array | None) -> _Known | None:
        """What is known of a vector, if it is one of the last."""
        for known in (self._here, self._mixed):
            if known is not None and known.vector is vector:
                return known
        return None

    def _known_ends(
        self, j: SquareFactor, start: Array, end: Array
    ) -> tuple[_Known, _Known] | None:
        """What a large J makes of the gradients at both ends of a step, if it knows the first.

        After a step that meets the Wolfe condition ``J'y`` is no shorter than half of what
        it is the difference of, so nothing is lost to rounding.
        """
        before = self._here
        if not j.large or before is None or before.vector is not start:
            return None
        return before, _Known(end, *j.image_and_product(end))

    def _preimage(self, j: Array, s: Array) -> Array:
        """``J^-1 s``, by the inverse for as long as it is one."""
        for _ in range(2):
            inverse = self._inverted()
            u: Array = dgemv(1.0, inverse, s)
            rest = s - dgemv(1.0, j, u)
            # one correction makes up for what the inverse has lost, if that is little
            if float(rest @ rest) <= HALF_OF_DIGITS * float(s @ s):
                u += dgemv(1.0, inverse, rest)
                return u
            self._inverse = None
        return solved(j, s)


def gram_solved(c: Array, right: Array) -> Array:
    """``(C'C)^-1 right``; by the triangle of C's decomposition where C'C is none to rounding."""
    solution, failed = dposv(c.T.dot(c), right)[1:]
    if failed:
        triangle: Array = np.linalg.qr(c)[1]
        solution = solved(triangle, solved(triangle.T, right))
    return np.asarray(solution, dtype=float)
