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
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg.blas import ddot, dnrm2

from smoothmin._factors import OTHER_ORDER
from smoothmin._machine import HALF_OF_DIGITS, cached_parts
from smoothmin._protocol import Array

ERRORS = 2.0  # standard errors by which a covariance must differ from 0 to count


def secant_scales(
    steps: Array,
    changes: Array,
    curvatures: Array,
    divisor: Array | float = 1.0,
) -> Array | None:
    """Scales by whose squares changes of the gradient are nearest to the steps.

    Parameters
    ----------
    steps, changes : ndarray (m, n)
        Pairs (s, y), the changes multiplied by the divisor.
    curvatures : ndarray (m,)
        The products ``s'y``, all positive.
    divisor : ndarray (n,) or float

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
    >>> scales = secant_scales(steps, steps * curvature, steps**2 @ curvature)
    >>> spreads = np.ptp(np.log10(curvature)), np.ptp(np.log10(scales**2 * curvature))
    >>> [float(round(spread, 1)) for spread in spreads]
    [4.0, 0.5]
    """
    m, n = steps.shape
    if m < 2 or n < 3:
        return None
    roots = 1 / np.sqrt(curvatures)
    parts = tuple(cached_parts(2 * m, n))
    room = np.empty(2 * m * min(n, parts[0].stop))
    pairs = _Pairs(steps, changes, np.atleast_1d(divisor), roots[:, None], room)
    halves = np.zeros((2, m))  # every other pair, and the rest
    halves[0, ::2] = halves[1, 1::2] = 1.0
    gram, sums = np.zeros((2, m, m)), np.empty((2, 2, n))
    for part in parts:
        rows = pairs.columns(part)
        gram += np.matmul(rows, rows.swapaxes(1, 2))
        squares = np.multiply(rows, rows, out=rows)
        np.matmul(halves, squares, out=sums[:, :, part])
    first = _shrunk(sums[:, 0], gram[:, ::2, ::2])
    if first is None:
        return None
    # the cosine between P^(1/2) y and P^(-1/2) s is 1 where P y = s, but for length
    lengths = np.zeros((2, m // 2))
    for part in parts:
        rest = squares[:, 1::2]
        if len(parts) > 1:
            rest = pairs.columns(part, 1)
            np.multiply(rest, rest, out=rest)
        diagonal = np.square(first[part])
        lengths[0] += rest[0].dot(1 / diagonal)
        lengths[1] += rest[1].dot(diagonal)
    plain = gram[0].diagonal()[1::2] * gram[1].diagonal()[1::2]
    if not (lengths[0] * lengths[1] < plain).all():
        return None
    del first
    sums[:, 0] += sums[:, 1]
    return _shrunk(sums[:, 0], gram)


class _Pairs(NamedTuple):
    """Steps and changes (m, n), the latter multiplied by a divisor, and factors of pairs (m, 1).

    With room for some columns of both.
    """

    steps: Array
    changes: Array
    divisors: Array
    factors: Array
    room: Array

    def columns(self, part: slice, odd: int = 0) -> Array:
        """Some columns of both, (2, m, .), or of every other pair from the second on.

        They are valid until the next call.
        """
        which = slice(odd, None, odd + 1)
        factors, divisors = self.factors[which], self.divisors
        steps, changes = self.steps[which, part], self.changes[which, part]
        rows = self.room[: 2 * steps.size].reshape(2, *steps.shape)
        np.multiply(steps, factors, out=rows[0])
        np.divide(factors, divisors if len(divisors) == 1 else divisors[part], out=rows[1])
        rows[1] *= changes
        return rows


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
