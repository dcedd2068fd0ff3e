"""Scales of the variables, from the start and the first few gradients.

A change of variables ``x = D z`` divides points by D and multiplies gradients by it.
Where the elements of points and gradients differ oppositely, or those of gradients by
more than chance, H = D^2 of the sizes undoes the change, and spares a quasi-Newton method
the steps in which it would learn the same.

References: W. James, C. Stein, "Estimation with quadratic loss", Proc. 4th Berkeley
Symp. 1 (1961), for the shrinkage of many estimates toward their mean; H. Robbins, "An
empirical Bayes approach to statistics", Proc. 3rd Berkeley Symp. 1 (1956); M. S.
Bartlett, "Some aspects of the time-correlation problem in regard to tests of
significance", J. R. Stat. Soc. 98 (1935), for correlations where neighbours are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.linalg.blas import ddot, dnrm2

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import CACHED, HALF_OF_DIGITS, cached_parts
from smoothmin._protocol import Array

ERRORS = 2.0  # standard errors by which a covariance must differ from 0 to count


def secant_scales(
    steps: Array,
    changes: Array,
    divisor: Array | float = 1.0,
    curvatures: Array | None = None,
) -> Array | None:
    """Scales by whose squares changes of the gradient are nearest to the steps.

    Parameters
    ----------
    steps, changes : ndarray (m, n)
        Pairs (s, y) with positive ``s'y``; the changes multiplied by ...
    divisor : ndarray (n,) or float
        ... this.
    curvatures : ndarray (m,), optional
        The products ``s'y``, where they are known.

    Returns
    -------
    ndarray (n,) or None
        Positive, their geometric mean 1; None if coordinates differ no more than they would
        by chance, or if those by every other pair do not bring each of the rest nearer.

    Notes
    -----
    Of all diagonal P, ``P_i = sqrt(sum s_i^2 / sum y_i^2)`` makes the sum of
    ``y'P y + s'P^-1 s - 2 s'y``, the squared misses of the secant equations in P's own
    metric, least; each pair is divided by the root of ``s'y``, which makes its curvature 1.
    The logarithms of the P_i are shrunk toward their mean by the share of their variance
    that chance explains: ``trigamma(k / 2) / 4`` for each of the two root mean squares of k
    Gaussian numbers, where k is ``tr(K)^2 / tr(K^2)`` of the vectors' Gram matrix K.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin.metrics.diagonal_scaling import secant_scales
    >>> curvature = 10.0 ** np.linspace(-2, 2, 9)
    >>> steps = np.random.default_rng(0).standard_normal((20, 9))
    >>> scales = secant_scales(steps, steps * curvature)
    >>> spreads = np.ptp(np.log10(curvature)), np.ptp(np.log10(scales**2 * curvature))
    >>> [float(round(spread, 1)) for spread in spreads]
    [4.0, 0.5]
    """
    m, n = steps.shape
    if m < 2 or n < 3:
        return None
    pairs = _Pairs(steps, changes, divisor)
    if curvatures is None:
        curvatures = sum((np.vecdot(*rows) for _, rows in pairs), np.zeros(m))
    weights = 1 / curvatures
    shares = np.zeros((2, m))  # of every other pair, and of the rest
    shares[0, ::2], shares[1, 1::2] = weights[::2], weights[1::2]
    gram, sums = np.zeros((2, m, m)), np.empty((2, 2, pairs.n))
    for part, rows in pairs:
        for inner, row in zip(gram, rows, strict=True):
            inner += row.dot(row.T)
        np.matmul(shares, pairs.squares(rows), out=sums[:, :, part])
    roots = np.sqrt(weights)
    gram *= roots * roots[:, None]
    first = _shrunk(sums[:, 0], gram[:, ::2, ::2])
    # what the lengths of the rest are, but for the factors of pairs
    squares = gram[0].diagonal()[1::2] * gram[1].diagonal()[1::2]
    if first is None or not _nearer(first, pairs, squares / (weights[1::2] * weights[1::2])):
        return None
    del first
    sums[:, 0] += sums[:, 1]
    return _shrunk(sums[:, 0], gram)


class _Pairs:
    """Steps and changes (2, m, .) of a few columns at a time, which a second look finds cached."""

    def __init__(self, steps: Array, changes: Array, divisor: Array | float) -> None:
        self._given = steps, changes, np.atleast_1d(divisor)
        m, self.n = steps.shape
        self._width = max(1, CACHED // (2 * m))
        self._rows: Array | None = None  # if all columns are of one part
        self._squares: Array | None = None  # of these

    def __iter__(self) -> Iterator[tuple[slice, Array]]:
        if self._width >= self.n:
            if self._rows is None:
                self._rows = self._of(slice(None))
            yield slice(None), self._rows
            return
        for first in range(0, self.n, self._width):
            part = slice(first, first + self._width)
            yield part, self._of(part)

    def _of(self, part: slice) -> Array:
        steps, changes, divisors = self._given
        rows = np.empty((2, *steps[:, part].shape))
        rows[0] = steps[:, part]
        np.divide(changes[:, part], divisors if len(divisors) == 1 else divisors[part], out=rows[1])
        return rows

    def squares(self, rows: Array) -> Array:
        """Of rows that were just iterated over."""
        if rows is not self._rows:
            return np.multiply(rows, rows, out=rows)
        if self._squares is None:
            self._squares = rows * rows
        return self._squares

    def rest(self) -> Iterator[tuple[slice, Array]]:
        """Squares of every other pair, from the second on."""
        if self._squares is not None:
            yield slice(None), self._squares[:, 1::2]
            return
        steps, changes, divisors = self._given
        for part, rows in _Pairs(steps[1::2], changes[1::2], divisors):
            yield part, np.multiply(rows, rows, out=rows)


def _nearer(scales: Array, pairs: _Pairs, plain: Array) -> bool:
    """Whether each pair of the rest is nearer to the secant equation in these scales than without.

    The cosine between ``P^(1/2) y`` and ``P^(-1/2) s`` is 1 where ``P y = s``, but for length;
    ``plain`` are the products of the squared lengths of s and y.
    """
    steps: Any = 0.0
    changes: Any = 0.0
    for part, squares in pairs.rest():
        diagonal = np.square(scales[part])
        steps = steps + squares[0].dot(1 / diagonal)
        changes = changes + squares[1].dot(diagonal)
    return bool((steps * changes < plain).all())


def _shrunk(sums: Array, grams: Array) -> Array | None:
    """The scales by sums (2, n), shrunk toward their mean; None if that is all that is left."""
    long, steep = sums
    seen: Any = slice(None) if sums.min() > 0 else (long > 0) & (steep > 0)
    logs = long[seen] / steep[seen]
    count = len(logs)
    if count < 3:
        return None
    np.log(logs, out=logs)
    logs /= 4
    logs -= float(logs.sum()) / count
    spread = 4 * ddot(logs, logs) / (count - 1)
    if not spread < math.inf:  # or some sum is not
        return None
    chance = 0.0
    for gram in grams:  # 1 / k is a square of lengths that do not overflow
        chance += _trigamma(0.5 * (float(gram.trace()) / dnrm2(gram.ravel())) ** 2) / 4
    chance *= 1 + math.sqrt(2 / (count - 1))  # and a standard deviation
    if not chance < spread:
        return None
    logs *= 1 - chance / spread
    scales: Array = np.exp(logs, out=logs)
    if len(scales) < len(long):
        scales, some = np.ones(len(long)), scales
        scales[seen] = some
    return scales


def _trigamma(x: float) -> float:
    """The second derivative of log Gamma (Abramowitz and Stegun, 6.4.6 and 6.4.12)."""
    if not x > 0:
        return math.inf
    result = 0.0
    while x < 10:
        result += 1 / (x * x)
        x += 1
    t = 1 / (x * x)
    return result + 1 / x + t / 2 + t / x * (1 / 6 - t * (1 / 30 - t * (1 / 42 - t / 30)))


def coordinate_scales(changes: Array) -> Array:
    """Scales that make changes of the gradient alike in all coordinates.

    Parameters
    ----------
    changes : ndarray (m, n)
        Differences of gradients.

    Returns
    -------
    ndarray (n,)
        Positive, their geometric mean 1 but for the limits; all 1 if the coordinates'
        changes differ no more than Gaussian ones of the same variance would.

    Notes
    -----
    The logarithm of a root mean square of k Gaussian numbers has the variance
    ``trigamma(k / 2) / 4``. What the spread of the logarithms exceeds it by is taken for
    the spread of the scales, and the logarithms are shrunk toward their mean
    accordingly. Changes on one line are not independent: k is ``tr(K)^2 / tr(K^2)`` of
    their Gram matrix K.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin.metrics.diagonal_scaling import coordinate_scales
    >>> steep = 10.0 ** np.linspace(-1, 1, 9)
    >>> changes = np.random.default_rng(0).standard_normal((20, 9)) * steep
    >>> scales = coordinate_scales(changes)
    >>> spreads = np.ptp(np.log10(steep)), np.ptp(np.log10(scales * steep))
    >>> [float(round(spread, 1)) for spread in spreads]
    [2.0, 0.5]
    """
    squares = np.einsum("ij,ij->j", changes, changes)
    seen = squares > 0
    scales = np.ones(len(squares))
    count = int(seen.sum())
    if count < 2 or not np.isfinite(squares.sum()):
        return scales
    logs = 0.5 * np.log(squares[seen])
    logs -= logs.mean()
    spread = float(logs @ logs) / (count - 1)
    size, gram = math.sqrt(float(squares.sum())), np.zeros((len(changes), len(changes)))
    for part in cached_parts(*changes.shape):
        unit = changes[:, part] / size
        gram += unit @ unit.T
    independent = 1 / float(np.square(gram).sum())
    chance = _trigamma(0.5 * independent) / 4
    chance *= 1 + math.sqrt(2 / (count - 1))  # and a standard deviation
    if spread > chance:
        shrunk = (1 - chance / spread) * logs
        scales[seen] = np.clip(np.exp(-shrunk), 1 / OTHER_ORDER, OTHER_ORDER)
    return scales


def starting_scales(x: Array, gradient: Array) -> Array:
    """Scales that a start and its gradient have in common.

    Parameters
    ----------
    x, gradient : ndarray (n,)

    Returns
    -------
    ndarray (n,)
        Positive; all 1 if the elements' sizes in ``x`` and in ``gradient`` are not opposite
        beyond chance. 1 as well where either is 0.

    Notes
    -----
    The logarithms of the sizes, less their means, are taken for ``d + a`` in ``x`` and
    ``b - d`` in ``gradient`` with independent d, a, b. Minus their covariance is then the
    variance of d, and the variances of a and b are what remains of theirs. This gives the
    expectation of d, which is shrunk by the share of the squared covariance that its
    standard error explains. Sizes that go smoothly with the index agree by chance more
    easily: the squared error is multiplied by ``(1 + r) / (1 - r)``, r the product of the
    correlations of neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin.metrics.diagonal_scaling import starting_scales
    >>> rng = np.random.default_rng(0)
    >>> scale = 10.0 ** rng.uniform(-1, 1, 100)
    >>> x, gradient = rng.uniform(1, 2, 100) * scale, rng.uniform(-1, 1, 100) / scale
    >>> left = starting_scales(x, gradient) / scale
    >>> [float(round(np.log10(each).std(), 1)) for each in (scale, left)]
    [0.6, 0.1]
    """
    scales = np.ones(len(x))
    seen = np.flatnonzero((x != 0) & (gradient != 0))
    if len(seen) < 3:
        return scales
    sizes = np.log(np.abs(x[seen]))
    slopes = np.log(np.abs(gradient[seen]))
    sizes -= float(sizes.sum()) / len(seen)
    slopes -= float(slopes.sum()) / len(seen)
    products = -sizes * slopes
    degrees = len(seen) - 1
    common = float(products.sum()) / degrees
    if not 0 < common < np.inf:
        return scales
    spreads = float(sizes @ sizes) / degrees, float(slopes @ slopes) / degrees
    error = float(products @ products) / degrees**2
    neighbours = float(sizes[1:] @ sizes[:-1]) * float(slopes[1:] @ slopes[:-1])
    alike = max(0.0, neighbours / (degrees**2 * spreads[0] * spreads[1]))
    error *= (1 + alike) / (1 - alike)
    certain = 1 - ERRORS**2 * error / common**2
    if certain > 0:
        # means weighted by precision: of what x says, what the gradient says, and of 0
        weights = [1 / max(spread - common, HALF_OF_DIGITS * spread) for spread in spreads]
        expected = weights[0] * sizes - weights[1] * slopes
        scales[seen] = np.exp(certain * expected / (sum(weights) + 1 / common))
    return scales
