"""The limited-memory BFGS matrix.

Reference: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006),
section 7.2; R. H. Byrd, J. Nocedal, R. B. Schnabel, Math. Program. 63 (1994), section 3.

Deviations, and why: products with the matrix are by its compact form, in fewer passes
over memory than the two-loop recursion takes; those with y are differences of those with
the gradients, as Byrd, Nocedal and Schnabel have it. The first matrix may be the diagonal
that the pairs themselves suggest, found anew whenever their number has doubled.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg.blas import ddot

from smoothmin._factors import MINOR
from smoothmin._machine import CACHED, FEW, HALF_OF_DIGITS
from smoothmin._protocol import Array
from smoothmin.metrics.compact import CompactMemory, CompactModel, DenseModel, Grams, is_curved
from smoothmin.metrics.diagonal_scaling import secant_scales
from smoothmin.metrics.metric import Changes, Ends, Metric

PAIRS = 20  # of a limited memory, where no option says how many


class LimitedMemory(CompactMemory, Metric):
    """The last ``memory`` pairs, scaled by the newest as in (7.20).

    ``scaled`` if ``P`` is to be the diagonal that brings the pairs nearest to the secant
    equation, in place of the identity, until new pairs are farther from it in these scales.
    ``lasting`` if the memory is for long runs: once it is full gamma is the largest of its pairs.
    """

    is_operator = True
    rowwise = False

    def __init__(self, n: int, memory: int, *, scaled: bool = False, lasting: bool = False) -> None:
        self._scaled, self._lasting = scaled, lasting
        self.keeps_changes = lasting
        self._first: Array | None = None  # the diagonal of P, where it is not the identity
        self._grams: Grams | None = None  # once a model was asked for
        super().__init__(n, memory)

    def start(self, scales: Array) -> None:
        """Have ``P = diag(scales)^2``, in place of the identity, once there are pairs."""
        self._first = None if (scales == 1).all() else scales**2
        self._grams = None

    def begin_along(self, curvatures: Array) -> None:
        """Have P of their inverses."""
        self.reset()
        self.start(1 / np.sqrt(curvatures))

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._grams = None
        self.scale, self._learnt, self._evidence = 1.0, 0, 0.0
        self._due = False  # whether there are pairs enough to find other scales by
        self._seen: Array | None = None  # the vector last applied to, ...
        self._seen_products = np.empty(0)  # ... and its products with the rows
        if self._scaled:
            self._first = None

    def update(
        self, s: Array, y: Array, cause: Array | None = None, ends: Ends | None = None
    ) -> None:
        """Keep the pair if its curvature is positive, dropping the oldest."""
        self._find_due_scales()
        w = y if self._first is None else self._first * y
        yw = ddot(y, w)
        ss, sy = ends[2:] if ends is not None else (ddot(s, s), ddot(s, y))
        if not is_curved(sy, yw, math.sqrt(ss) * math.sqrt(max(yw, 0.0))):
            return
        before = self._seen_products
        # what the cache holds is passed over sooner than this is found out
        follows = ends is not None and self._rows.size > CACHED and self._follows(y, *ends[:2])
        slot = self.append(s, w)
        if self._grams is not None:
            self._grams.came(slot)
        if not follows or ends is None:
            found = self.products(y)
        else:
            self._seen, self._seen_products = ends.after, self.products(ends.after)
            found = self._seen_products.copy()
            found[: before.size] -= before
            # the newest rows had no part in the old products
            found[2 * slot], found[2 * slot + 1] = sy, yw
        self.set_products(found)
        self.scale = self._latest_scale(sy / yw) if self._lasting else sy / yw
        self._learnt += 1
        if self._scaled and self._first is not None:
            self._doubt_scales(ddot(s / self._first, s) * yw, ss * ddot(y, y))
        self._due = self._scaled and self._learnt > 2 and self._learnt & (self._learnt - 1) == 0

    def root(self, gradients: Array) -> Array:
        """A factor of the inner products ``G H G'``, as many columns as rows."""
        self._find_due_scales()
        size = float(np.abs(gradients).max(initial=1e-300))  # squares of it may overflow
        unit = gradients / size
        values, vectors = np.linalg.eigh(self.inner_products(unit, self._start_from(unit)))
        root: Array = vectors * (size * np.sqrt(np.maximum(values, 0.0)))
        return root

    def apply(self, g: Array) -> Array:
        """``H g``."""
        return self.times(1.0, g)

    def times(self, factor: float, g: Array) -> Array:
        """``factor * H g``, a new array."""
        if self._count == 0:
            return factor * self.scale * self._start_from(g)
        self._find_due_scales()
        if self._seen is not g or self._seen_products.size != len(self._rows):
            self._seen, self._seen_products = g, self.products(g)
        image = self._start_from(g)
        return self.combine(self._seen_products, image, factor, in_place=image is not g)

    def matrix(self, n: int) -> Array:
        """H (n, n)."""
        self._find_due_scales()
        matrix = self._inner_by_pairs(self._rows) if self._count else np.zeros((n, n))
        matrix.flat[:: n + 1] += 1.0 if self._first is None else self._first
        matrix *= self.scale
        return matrix

    def diagonals(self, n: int) -> tuple[Array, Array]:
        """By the compact forms of both."""
        self._find_due_scales()
        first = np.ones(n) if self._first is None else self._first
        if self._count == 0:
            return self.scale * first, 1 / (self.scale * first)
        model = self.model()
        return super().diagonals(n) if isinstance(model, DenseModel) else model.diagonals(n)

    def model(self) -> CompactModel | DenseModel:
        """``H^-1``."""
        self._find_due_scales()
        if (n := self._room.shape[1]) <= FEW:
            return DenseModel(self.matrix(n))
        if self._grams is None or self._grams.rows < len(self._rows):
            self._grams = Grams(np.ones(1) if self._first is None else self._first, len(self._room))
        return CompactModel(self.scale, self.factors(), self._grams)

    @property
    def scales(self) -> Array:
        """The lengths of coordinates that the first matrix has (n,)."""
        self._find_due_scales()
        n = self._room.shape[1]
        return np.ones(n) if self._first is None else np.sqrt(self._first)

    def pairs(self) -> tuple[Array, Array]:
        """Steps and changes (k, n), the oldest first; copies."""
        steps, images = self._order[0].reshape(2, -1)
        changes = self._rows[images]
        return self._rows[steps], changes / (1.0 if self._first is None else self._first)

    def changes(self, count: int) -> Changes:
        """The latest, at most so many."""
        images, first = self._order[0][self._count :][-count:], self._first

        def of(part: slice) -> Array:
            rows: Array = self._rows[images, part]
            return rows if first is None else rows / first[part]

        return Changes(len(images), of)

    def _follows(self, y: Array, before: Array, after: Array) -> bool:
        """Whether a step began where H was last applied, whose products are known.

        Then one pass over memory does for both ends, if differences keep most of their digits.
        """
        known = self._seen is before and self._seen_products.size == len(self._rows)
        return known and ddot(y, y) > HALF_OF_DIGITS * ddot(after, after)

    def _latest_scale(self, newest: float) -> float:
        """Gamma of the newest pair or, in a full memory that is to last, the largest.

        Where as many pairs are not enough, the newest tells of the steepest curvature or of a
        kink; directions that no pair is left of are longer.
        """
        if self._count < self._memory:
            return newest
        return float((self._curvatures / self._yw.diagonal()).max())

    def _doubt_scales(self, scaled: float, plain: float) -> None:
        """Give P up where new pairs together are farther from the secant equation in its scales.

        By squares of the cosine's denominator of `secant_scales`, of pairs that had no part in P.
        """
        ratio = plain / scaled
        self._evidence += math.log(ratio) if 0 < ratio < math.inf else 0.0
        if self._evidence < math.log(MINOR):
            self._scaled = False
            self._take_scales(None)

    def _find_due_scales(self) -> None:
        """Another P, by the pairs, if it is time.

        Not before H is wanted: nobody holds the vectors any more then that the last pair is of.
        """
        if not self._due:
            return
        self._due = False
        old = np.ones(1) if self._first is None else self._first
        steps, images = self._rows[::2], self._rows[1::2]
        curvatures = np.empty(self._count)
        curvatures[self._slots] = self._curvatures
        self._take_scales(secant_scales(steps, images, curvatures, old))

    @property
    def _slots(self) -> Any:
        """Where pairs are, in the order of time."""
        return self._order[0][: self._count] // 2

    def _take_scales(self, scales: Array | None) -> None:
        """Have P of these."""
        old, self._evidence = self._first, 0.0
        if scales is None and old is None:
            return
        first = np.ones(1) if scales is None else np.square(scales, out=scales)
        self._first = None if scales is None else first
        self._grams = None
        ratio = first / (np.ones(1) if old is None else old)
        gram, slots = self._rescale(self._rows[1::2], ratio, first), self._slots
        self._columns[1, : self._count, : self._count] = gram[slots][:, slots]
        newest = float(self._curvatures[-1] / self._yw[-1, -1])
        self.scale = self._latest_scale(newest) if self._lasting else newest
        self._seen = None

    def _rescale(self, images: Array, ratio: Array, first: Array) -> Array:
        """Multiply images by ``ratio``; their products (k, k) with the changes they are of."""
        k, n = images.shape
        gram, width = np.zeros((k, k)), max(1, CACHED // k)
        for begin in range(0, n, width):
            part = slice(begin, begin + width)
            images[:, part] *= ratio if len(ratio) == 1 else ratio[part]
            even = images[:, part] / np.sqrt(first if len(first) == 1 else first[part])
            gram += even.dot(even.T)
        return gram

    def _start_from(self, g: Array) -> Array:
        """``P g``."""
        return g if self._first is None else self._first * g
