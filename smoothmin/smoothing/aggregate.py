"""Many samples to one value and one gradient, one chunk of samples at a time.

Weighted sums are BLAS matrix-vector products, which read every gradient once
and are faster than an own loop. Selections are numba kernels, with NumPy twins
that serve until the work seen is worth the kernels' start-up time. Samples with
a non-finite value or gradient are left out and counted.

Without gradients, antithetic pairs stand in for them: for a pair with values
f+ and f- at x + S and x - S, S = sigma * u, the mean of (f+ - f-) S / 2, divided by
sigma^2 E[u_j^2], estimates the gradient of the smoothed function (Yu. Nesterov,
V. Spokoiny, Found. Comput. Math. 17, 2017, (26)).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import ddot

from smoothmin._machine import LARGE
from smoothmin._protocol import Array, Mask


class Aggregate(ABC):
    """Takes chunks of samples; afterwards has a value and a gradient.

    Attributes
    ----------
    kept, left_out : int
        Samples that count, and samples with something not finite.
    """

    def __init__(self, dimension: int, temperature: float | None = None) -> None:
        self.dimension = dimension
        self.temperature = temperature
        self.kept = self.left_out = 0

    @abstractmethod
    def add(self, values: Array, gradients: Array | None) -> None:
        """Take a chunk: values (k,), gradients (k, d), or None if only values count."""

    @abstractmethod
    def add_pairs(self, plus: Array, minus: Array, steps: Array) -> None:
        """Take values (k,) at x + ``steps`` and x - ``steps``; ``steps`` is (k, d)."""

    @abstractmethod
    def result(self) -> tuple[float, Array]:
        """The aggregated value and gradient; +inf and NaN if nothing was finite.

        After `add_pairs` the gradient lacks the division by sigma^2 E[u_j^2].
        """

    def _nothing(self) -> tuple[float, Array]:
        return np.inf, np.full(self.dimension, np.nan)

    def _finite_pairs(self, plus: Array, minus: Array, steps: Array) -> tuple[Array, Array, Array]:
        """The pairs of which both values are finite."""
        good = np.isfinite(plus) & np.isfinite(minus)
        if not good.all():
            self.left_out += 2 * int(len(good) - good.sum())
            plus, minus, steps = plus[good], minus[good], steps[good]
        self.kept += 2 * len(plus)
        return plus, minus, steps


class _Weighted(Aggregate):
    """Sums of weighted values and gradients."""

    _gradient: Array | None = None
    _pairs = 0

    def add(self, values: Array, gradients: Array | None) -> None:
        """Take a chunk; its sums tell whether every element is finite."""
        if not self._finite(values, gradients):
            good = np.isfinite(values)
            if gradients is not None:
                good &= np.isfinite(gradients).all(axis=1)
            if not good.all():
                self.left_out += int(len(good) - good.sum())
                values = values[good]
                gradients = None if gradients is None else gradients[good]
        if len(values):
            self.kept += len(values)
            weights, scale = self._weigh(values)
            if gradients is not None:
                self._add_gradient(self._weighted(weights, gradients), scale)

    @staticmethod
    def _finite(values: Array, gradients: Array | None) -> bool:
        """Whether all elements are finite and, summed, remain so."""
        if not math.isfinite(_sum(values)):
            return False
        if gradients is None:
            return True
        total = row_sum(gradients)
        return math.isfinite(ddot(total, total))

    def _weighted(self, weights: Array, gradients: Array) -> Array:
        """The sum of weighted gradients."""
        total: Array = np.dot(weights, gradients)
        return total

    def _add_gradient(self, part: Array, scale: float) -> None:
        if self._gradient is None:  # what is a view of something else will change
            self._gradient = part if part.base is None else part.copy()
        else:
            if scale != 1.0:
                self._gradient *= scale
            self._gradient += part

    @abstractmethod
    def _weigh(self, values: Array) -> tuple[Array, float]:
        """Weights of finite values, and what earlier sums have to be multiplied by."""


_ONES: Array = np.ones(1024)


def _ones(k: int) -> Array:
    return _ONES[:k] if k <= len(_ONES) else np.ones(k)


def _sum(values: Array) -> float:
    """The sum of values, at least one; BLAS called by itself takes a third of the time."""
    count = len(values)
    total: float = ddot(_ONES if count <= len(_ONES) else np.ones(count), values, count)
    return total


def is_finite(row: Array) -> bool:
    """Whether all elements are; its square, if that does not overflow, is the fastest to tell."""
    return not row.size or math.isfinite(ddot(row, row)) or bool(np.isfinite(row).all())


def row_sum(gradients: Array) -> Array:
    """The sum of the rows, one after the other, as compiled loops add them.

    A single one is not worth a pass over it.
    """
    if len(gradients) == 1:
        only: Array = gradients[0]
        return only
    if gradients.shape[1] == 1:  # a column would be summed in pairs
        last: Array = np.add.accumulate(gradients)[-1]
        return last
    total: Array = np.einsum("ij->j", gradients)
    return total


class Mean(_Weighted):
    """The mean of values and of gradients."""

    _total = 0.0

    def add(self, values: Array, gradients: Array | None) -> None:
        """Take a chunk; the sums that are wanted are also those that tell of trouble."""
        total = _sum(values)
        part = None if gradients is None else row_sum(gradients)
        if not math.isfinite(total if part is None else total + ddot(part, part)):
            super().add(values, gradients)
            return
        self.kept += len(values)
        self._total += total
        if part is not None:
            self._add_gradient(part, 1.0)

    def add_sum(self, values: Array, kept: Mask | None, gradient: Array) -> None:
        """Take a chunk whose gradients are summed, over what is ``kept`` if that is not all."""
        if kept is not None:
            self.left_out += int(len(kept) - kept.sum())
            values = values[kept]
        if len(values):
            self.kept += len(values)
            self._total += _sum(values)
            if self._gradient is None:
                self._gradient = gradient.copy()
            else:
                self._gradient += gradient

    def _weigh(self, values: Array) -> tuple[Array, float]:
        self._total += _sum(values)
        return _ones(len(values)), 1.0

    def _weighted(self, weights: Array, gradients: Array) -> Array:
        return row_sum(gradients)

    def add_pairs(self, plus: Array, minus: Array, steps: Array) -> None:
        """Take differences along the steps."""
        plus, minus, steps = self._finite_pairs(plus, minus, steps)
        self._total += float(plus.sum() + minus.sum())
        self._pairs += len(plus)
        self._add_gradient((plus - minus) @ steps, 1.0)

    def result(self) -> tuple[float, Array]:
        """Divide the sums by the number of samples."""
        if self.kept == 0:
            return self._nothing()
        value = self._total / self.kept
        if self._gradient is None:
            return value, np.full(self.dimension, np.nan)
        return value, self._gradient / float(2 * self._pairs or self.kept)


class SoftMin(_Weighted):
    """Free energy -T log mean exp(-f/T): its gradient is the Boltzmann-weighted mean.

    The weights are exp(-(f_i - min f)/T); the least value may fall from chunk to
    chunk, when earlier sums are scaled down.
    """

    def __init__(self, dimension: int, temperature: float | None = None) -> None:
        super().__init__(dimension, temperature)
        self._lowest = np.inf
        self._sum = 0.0

    def add(self, values: Array, gradients: Array | None) -> None:
        """Take a chunk; the weighted sum tells of trouble, even where a weight is zero."""
        before = self._lowest, self._sum, self.temperature
        if math.isfinite(_sum(values)):
            weights, scale = self._weigh(values)
            part = None if gradients is None else np.dot(weights, gradients)
            if part is None or math.isfinite(ddot(part, part)):
                self.kept += len(values)
                if part is not None:
                    self._add_gradient(part, scale)
                return
            self._lowest, self._sum, self.temperature = before
        super().add(values, gradients)

    def _weigh(self, values: Array) -> tuple[Array, float]:
        lowest = float(values.min())
        if self.temperature is None:
            self.temperature = float(values.mean() - lowest) or 1.0
        before, self._lowest = self._lowest, min(self._lowest, lowest)
        scale = math.exp((self._lowest - before) / self.temperature)
        weights = np.exp((self._lowest - values) / self.temperature)
        self._sum = self._sum * scale + float(weights.sum())
        return weights, scale

    def add_pairs(self, plus: Array, minus: Array, steps: Array) -> None:
        """Differences of the weights stand for those of the values."""
        plus, minus, steps = self._finite_pairs(plus, minus, steps)
        k = len(plus)
        if k:
            weights, scale = self._weigh(np.concatenate([plus, minus]))
            self._pairs += k
            self._add_gradient((weights[:k] - weights[k:]) @ steps, scale)

    def result(self) -> tuple[float, Array]:
        """The free energy and its gradient."""
        if self.kept == 0 or self.temperature is None:
            return self._nothing()
        mean = self._sum / self.kept
        value = self._lowest - self.temperature * math.log(mean)
        if self._gradient is None:
            return value, np.full(self.dimension, np.nan)
        if self._pairs:
            return value, -self.temperature * self._gradient / (2 * self._pairs * mean)
        return value, self._gradient / self._sum


class _Selecting(Aggregate):
    """Elements or rows picked from the samples' gradients.

    ``seen`` counts elements over the life of the process: what is selected does not
    depend on whether a kernel or its twin does it, so neither does a run.
    """

    seen: ClassVar[int] = 0

    def __init__(self, dimension: int, temperature: float | None = None) -> None:
        super().__init__(dimension, temperature)
        self._value = np.nan
        self._gradient: Array | None = None

    def add(self, values: Array, gradients: Array | None) -> None:
        """Take a chunk of samples."""
        good = np.isfinite(values)
        squares = None
        if gradients is not None:
            _Selecting.seen += gradients.size
            squares = squared_norms(gradients, _Selecting.seen > LARGE)
            good &= np.isfinite(squares)
        if not good.all():
            if gradients is not None:  # a square may overflow where the gradient is finite
                good = np.isfinite(values) & np.isfinite(gradients).all(axis=1)
            self.left_out += int(len(good) - good.sum())
            values = values[good]
            if gradients is not None and squares is not None:
                gradients, squares = gradients[good], squares[good]
        if len(values):
            self.kept += len(values)
            self._take(values, gradients, squares)

    @abstractmethod
    def _take(self, values: Array, gradients: Array | None, squares: Array | None) -> None:
        """Take finite samples, with the squared norms of their gradients."""

    def add_pairs(self, plus: Array, minus: Array, steps: Array) -> None:
        """A pair is two samples, with the gradient seen along its own step for both."""
        plus, minus, steps = self._finite_pairs(plus, minus, steps)
        self.kept -= 2 * len(plus)  # counted again by `add`
        if len(plus):
            slopes = ((plus - minus) / 2)[:, None] * steps
            self.add(np.concatenate([plus, minus]), np.concatenate([slopes, slopes]))

    def result(self) -> tuple[float, Array]:
        """What was picked."""
        if self.kept == 0:
            return self._nothing()
        gradient = self._gradient
        return self._value, np.full(self.dimension, np.nan) if gradient is None else gradient


class _Extreme(_Selecting):
    """Per coordinate the element of largest or smallest magnitude, with its sign."""

    largest: ClassVar[bool]

    def add(self, values: Array, gradients: Array | None) -> None:
        """Take a chunk; what picks elements sees whether all are finite, which most are."""
        if gradients is None or not math.isfinite(_sum(values)):
            return super().add(values, gradients)
        best = (gradients[0] if self._gradient is None else self._gradient).copy()
        compiled = _Selecting.seen + gradients.size > LARGE
        if not select_extremes(gradients, best, self.largest, compiled):
            return super().add(values, gradients)
        _Selecting.seen += gradients.size
        self.kept += len(values)
        self._take(values, None, None)
        self._gradient = best

    def _take(self, values: Array, gradients: Array | None, squares: Array | None) -> None:
        pick = np.fmax if self.largest else np.fmin
        extreme = values.max() if self.largest else values.min()
        self._value = float(pick(self._value, extreme))
        if gradients is None:
            return
        if self._gradient is None:
            self._gradient = gradients[0].copy()
            gradients = gradients[1:]
        if len(gradients):
            select_extremes(gradients, self._gradient, self.largest, _Selecting.seen > LARGE)


class Max(_Extreme):
    """Largest value; per coordinate the gradient element of largest magnitude."""

    largest = True


class Min(_Extreme):
    """Smallest value; per coordinate the gradient element of smallest magnitude."""

    largest = False


class MinNorm(_Selecting):
    """The sample with the shortest gradient."""

    def __init__(self, dimension: int, temperature: float | None = None) -> None:
        super().__init__(dimension, temperature)
        self._square = np.inf

    def _take(self, values: Array, gradients: Array | None, squares: Array | None) -> None:
        if gradients is None or squares is None:
            # without gradients the value at the shortest one is not known
            self._value = float(np.fmin(self._value, values.min()))
            return
        k = int(squares.argmin())
        if squares[k] < self._square or self._gradient is None:
            self._square, self._value = float(squares[k]), float(values[k])
            self._gradient = gradients[k].copy()


class MinValue(_Selecting):
    """The sample with the lowest value; only gradients it might take are looked at."""

    def add(self, values: Array, gradients: Array | None) -> None:
        """Take the lowest of a chunk whose gradient is finite."""
        k = int(values.argmin())
        known = bool(np.isfinite(values).all())  # else argmin may have fallen for NaN
        if known and (gradients is None or is_finite(gradients[k])):
            self.kept += len(values)
            self._offer(values, gradients, k)
            return
        good = np.isfinite(values) & (gradients is None or np.isfinite(gradients).all(axis=1))
        self.left_out += int(len(good) - good.sum())
        self.kept += int(good.sum())
        if good.any():
            self._offer(values, gradients, int(np.where(good, values, np.inf).argmin()))

    def _offer(self, values: Array, gradients: Array | None, k: int) -> None:
        if not values[k] >= self._value:
            self._value = float(values[k])
            if gradients is not None:
                self._gradient = gradients[k].copy()

    def _take(self, values: Array, gradients: Array | None, squares: Array | None) -> None:
        raise AssertionError("add does it all")


AGGREGATES: dict[str, type[Aggregate]] = {
    "mean": Mean,
    "max": Max,
    "min": Min,
    "min-norm": MinNorm,
    "min-value": MinValue,
    "softmin": SoftMin,
}


def squared_norms(gradients: Array, compiled: bool) -> Array:
    """Squared norms (k,) of the rows; not finite where a row is not, or overflows."""
    if compiled:
        from smoothmin.smoothing import _kernels

        out = np.empty(len(gradients))
        _kernels.squared_norms(np.ascontiguousarray(gradients), out)
        return out
    squares: Array = np.einsum("ij,ij->i", gradients, gradients)
    return squares


def select_extremes(gradients: Array, best: Array, largest: bool, compiled: bool) -> bool:
    """Put into ``best`` (d,) whichever of it and the rows is larger or smaller in magnitude.

    Returns whether all rows are finite; ``best`` means nothing if they are not.
    """
    if compiled:
        from smoothmin.smoothing import _kernels

        select = _kernels.select_largest if largest else _kernels.select_smallest
        finite: bool = select(np.ascontiguousarray(gradients), best)
        return finite
    magnitudes = np.abs(gradients)
    rows: NDArray[np.intp] = magnitudes.argmax(axis=0) if largest else magnitudes.argmin(axis=0)
    picked = np.take_along_axis(gradients, rows[None], axis=0)[0]
    better = np.abs(picked) > np.abs(best) if largest else np.abs(picked) < np.abs(best)
    best[better] = picked[better]
    return bool(np.isfinite(gradients).all())
